"""Lighter pages: of the theme's two thousand icons, only those that the pages use."""

import re
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from sphinx.application import Sphinx

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
STYLES = "styles/pydata-sphinx-theme.css"
FONT = "vendor/fontawesome/webfonts/fa-solid-900.woff2"
ICONS_AS_SCRIPT = "scripts/fontawesome.js"  # 1.5 MB that draw the icons of the font once more
ICON = re.compile(r"fa-[a-z0-9-]+")
RULE = re.compile(r'(?P<names>(?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\(?P<code>[0-9a-f]+) ?"\}')


def subset_icon_font(app: Sphinx, error: Exception | None) -> None:
    """Remove from the site's copy of the theme all icons that no page shows."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    used = {name for page in site.rglob("*.html") for name in ICON.findall(page.read_text("utf-8"))}
    codes: list[int] = []

    def keep_used(rule: re.Match[str]) -> str:
        if used.isdisjoint(ICON.findall(rule["names"])):
            return ""
        codes.append(int(rule["code"], 16))
        return rule[0]

    styles, rules = RULE.subn(keep_used, (THEME / STYLES).read_text("utf-8"))
    assert rules, f"no icon was found in {STYLES}; its rules have another form now"
    static = site / "_static"
    (static / STYLES).write_text(styles, "utf-8")
    (static / ICONS_AS_SCRIPT).write_text("// The icons are in the style sheet's font.\n", "utf-8")
    options = subset.Options(flavor="woff2")
    font = subset.load_font(str(THEME / FONT), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    subset.save_font(font, str(static / FONT), options)
