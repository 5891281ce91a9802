"""The small fonts of the site, which ``make fonts`` makes, have every sign and icon of its pages."""

import html
import re
import unicodedata
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from helpers import ROOT, tool_module

fonts = tool_module("fonts")
FORMULA = re.compile(r"<math.*?</math>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
LETTERS = (*range(0x1D434, 0x1D714), ord("\N{PLANCK CONSTANT}"))
ITALIC = [  # browsers draw a letter that stands alone with one of these
    code for code in LETTERS if unicodedata.name(chr(code), "").startswith(("MATHEMATICAL ITALIC", "PLANCK"))
]


def signs(page: str) -> set[int]:
    """The code points with which browsers draw the formulas of a page in MathML."""
    written = {sign for formula in FORMULA.findall(page) for sign in html.unescape(TAG.sub("", formula))}
    italic = {code for code in ITALIC if unicodedata.normalize("NFKC", chr(code)) in written}
    return italic | {ord(sign) for sign in written if not sign.isspace()}


def codes(font: Path) -> set[int]:
    return set(TTFont(font).getBestCmap())


def test_the_font_of_icons_has_all_that_the_theme_names():
    """Brands have another font."""
    assert fonts.icons() & codes(fonts.THEME / fonts.ICON_FONT) <= codes(fonts.STATIC / fonts.ICON_FONT)


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("<math><mi>T</mi><mo>&#x0003D;</mo><mn>5</mn></math>", "T𝑇=5"),
        ("<math><mi>&#x003C3;</mi><mi>h</mi></math>", "σ𝜎hℎ"),
        ("<math><msub><mi>f</mi><mi>s</mi></msub></math>", "f𝑓s𝑠"),
    ],
)
def test_letters_of_formulas_are_needed_upright_and_italic(formula, wanted):
    assert signs(formula) == {ord(sign) for sign in wanted}


def test_every_sign_and_icon_of_the_pages_is_in_the_fonts(site):
    pages = [page.read_text("utf-8") for page in site.rglob("*.html")]
    needed = set().union(*map(signs, pages))
    assert needed and needed <= codes(site / "_static" / fonts.MATH_FONT), "run make fonts"
    names = {name for page in pages for name in fonts.ICON.findall(page)}
    solid = fonts.codes_of(names) & codes(fonts.THEME / fonts.ICON_FONT)
    assert solid and solid <= codes(site / "_static" / fonts.ICON_FONT), "run make fonts"


@pytest.mark.parametrize("name", [fonts.MATH_FONT, fonts.ICON_FONT, fonts.ICON_SCRIPT])
def test_the_site_has_the_small_files(site, name):
    assert (site / "_static" / name).read_bytes() == (ROOT / "book" / "_static" / name).read_bytes()
