"""Lighter pages: fonts hold only the icons and signs that the pages use."""

import html
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from sphinx.application import Sphinx

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
STYLES = "styles/pydata-sphinx-theme.css"
ICON_FONT = "vendor/fontawesome/webfonts/fa-solid-900.woff2"
ICONS_AS_SCRIPT = "scripts/fontawesome.js"  # 1.5 MB that draw the icons of the font once more
ICON = re.compile(r"fa-[a-z0-9-]+")
RULE = re.compile(r'(?P<names>(?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\(?P<code>[0-9a-f]+) ?"\}')
MATH_FONT = "stix-two-math/font.woff"  # a woff2 of this size takes most of a second to read
FORMULA = re.compile(r"<math.*?</math>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
LETTERS = (*range(0x1D434, 0x1D714), ord("\N{PLANCK CONSTANT}"))
ITALIC = [  # browsers draw a letter that stands alone with one of these
    code for code in LETTERS if unicodedata.name(chr(code), "").startswith(("MATHEMATICAL ITALIC", "PLANCK"))
]


def subset_fonts(app: Sphinx, error: Exception | None) -> None:
    """Remove from the site's fonts all icons and mathematical signs that no page shows."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    pages = [page.read_text("utf-8") for page in site.rglob("*.html")]
    _subset_icons(site / "_static", {name for page in pages for name in ICON.findall(page)})
    formulas = {formula for page in pages for formula in FORMULA.findall(page)}
    source = Path(app.srcdir) / "book/_static" / MATH_FONT
    _subset(source, site / "_static" / MATH_FONT, signs(formulas))


def signs(formulas: Iterable[str]) -> set[int]:
    """Return the code points with which browsers draw formulas in MathML."""
    written = {sign for formula in formulas for sign in html.unescape(TAG.sub("", formula))}
    italic = {code for code in ITALIC if unicodedata.normalize("NFKC", chr(code)) in written}
    return italic | {ord(sign) for sign in written}


def _subset_icons(static: Path, used: set[str]) -> None:
    codes: list[int] = []

    def keep_used(rule: re.Match[str]) -> str:
        if used.isdisjoint(ICON.findall(rule["names"])):
            return ""
        codes.append(int(rule["code"], 16))
        return rule[0]

    styles, rules = RULE.subn(keep_used, (THEME / STYLES).read_text("utf-8"))
    assert rules, f"no icon was found in {STYLES}; its rules have another form now"
    (static / STYLES).write_text(styles, "utf-8")
    (static / ICONS_AS_SCRIPT).write_text("// The icons are in the style sheet's font.\n", "utf-8")
    _subset(THEME / ICON_FONT, static / ICON_FONT, codes)


def _subset(source: Path, target: Path, codes: Iterable[int]) -> None:
    options = subset.Options(flavor=target.suffix.removeprefix("."))
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    subset.save_font(font, str(target), options)
