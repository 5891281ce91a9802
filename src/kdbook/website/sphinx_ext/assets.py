"""Lighter pages: fonts hold only the icons and signs that the pages use."""

import html
import re
import shutil
import unicodedata
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pydata_sphinx_theme
from sphinx.application import Sphinx

from kdbook.store.run import hash_of
from kdbook.website.sphinx_ext.incremental import IncrementalFolder

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
    static, fonts = site / "_static", Path(app.doctreedir, "fonts")
    pages = [page.read_text("utf-8") for page in site.rglob("*.html")]
    icons = _keep_icons(static, {name for page in pages for name in ICON.findall(page)})
    formulas = {formula for page in pages for formula in FORMULA.findall(page)}
    folder = IncrementalFolder(fonts, fonts.with_suffix(".json"))
    for source, name, codes in (
        (THEME / ICON_FONT, ICON_FONT, icons),
        (Path(app.srcdir) / "book/_static" / MATH_FONT, MATH_FONT, signs(formulas)),
    ):
        made_from = [hash_of(source), sorted(codes), version("fonttools")]
        shutil.copy(folder.make(source.name, made_from, partial(_subset, source, codes)), static / name)
    folder.close()


def signs(formulas: Iterable[str]) -> set[int]:
    """Return the code points with which browsers draw formulas in MathML."""
    written = {sign for formula in formulas for sign in html.unescape(TAG.sub("", formula))}
    italic = {code for code in ITALIC if unicodedata.normalize("NFKC", chr(code)) in written}
    return italic | {ord(sign) for sign in written}


def _keep_icons(static: Path, used: set[str]) -> set[int]:
    """Remove all other icons from the style sheet, and return the code points of those that stay."""
    codes: set[int] = set()

    def keep_used(rule: re.Match[str]) -> str:
        if used.isdisjoint(ICON.findall(rule["names"])):
            return ""
        codes.add(int(rule["code"], 16))
        return rule[0]

    styles, rules = RULE.subn(keep_used, (THEME / STYLES).read_text("utf-8"))
    assert rules, f"no icon was found in {STYLES}; its rules have another form now"
    (static / STYLES).write_text(styles, "utf-8")
    (static / ICONS_AS_SCRIPT).write_text("// The icons are in the style sheet's font.\n", "utf-8")
    return codes


def _subset(source: Path, codes: Iterable[int], target: Path) -> None:
    from fontTools import subset  # a build that changes no page need not import it

    options = subset.Options(flavor=target.suffix.removeprefix("."))
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    subset.save_font(font, str(target), options)
