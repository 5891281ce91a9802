"""Make the small fonts of the site: ``make fonts``, after a page got a sign that they lack.

Sphinx copies ``book/_static`` over the files of the theme, so the font with a few icons replaces that with
all of them, and an empty script the one that draws them once more. The licences are
beside the fonts.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pydata_sphinx_theme
import sphinx_book_theme
from fontTools import subset

STATIC = Path(__file__).parents[1] / "book" / "_static"
PACKAGES = [Path(package.__file__).parent for package in (pydata_sphinx_theme, sphinx_book_theme)]
THEME = PACKAGES[0] / "theme" / "pydata_sphinx_theme" / "static"
STYLES = THEME / "styles" / "pydata-sphinx-theme.css"
ICON_FONT = "vendor/fontawesome/webfonts/fa-solid-900.woff2"
ICON_SCRIPT = "scripts/fontawesome.js"  # 1.5 MB
MATH_FONT = "stix-two-math/font.woff2"
MATH_SOURCE = Path(__file__).with_name("stix-two-math.woff")  # version 2.12, complete
ICON = re.compile(r"fa-[a-z0-9-]+")
RULE = re.compile(r'(?P<names>(?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\(?P<code>[0-9a-f]+) ?"\}')
VARIABLE = re.compile(r'--pst-icon-[a-z-]+:"(?P<icon>[^"])"')
SIGNS = (  # first and last of each range
    (0x20, 0x7E),  # letters, digits, operators
    (0xA0, 0xFF),
    (0x391, 0x3F5),  # Greek
    (0x2010, 0x2044),  # dashes, dots, primes
    (0x2061, 0x2064),  # function application and other invisible operators
    (0x210E, 0x210E),  # h, whose place among the italic letters is empty
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # operators
    (0x1D434, 0x1D467),  # italic letters: browsers draw a variable with them
    (0x1D6E2, 0x1D71B),
)


def main() -> None:
    """Write both fonts and the empty script."""
    signs = [code for first, last in SIGNS for code in range(first, last + 1)]
    _subset(MATH_SOURCE, signs, STATIC / MATH_FONT)
    _subset(THEME / ICON_FONT, icons(), STATIC / ICON_FONT)
    (STATIC / ICON_SCRIPT).parent.mkdir(parents=True, exist_ok=True)
    (STATIC / ICON_SCRIPT).write_text("// The icons are in a font.\n", "utf-8")


def icons() -> set[int]:
    """Code points of the icons that the templates and the style sheet of the theme use."""
    sources = (path for package in PACKAGES for path in package.rglob("*") if path.suffix in (".html", ".py"))
    names = {name for source in sources for name in ICON.findall(source.read_text("utf-8"))}
    variables = {ord(variable["icon"]) for variable in VARIABLE.finditer(STYLES.read_text("utf-8"))}
    return variables | codes_of(names)


def codes_of(names: set[str]) -> set[int]:
    """Code points of icons with the names of their classes; other classes have none."""
    rules = RULE.finditer(STYLES.read_text("utf-8"))
    return {int(rule["code"], 16) for rule in rules if not names.isdisjoint(ICON.findall(rule["names"]))}


def _subset(source: Path, codes: Iterable[int], target: Path) -> None:
    options = subset.Options(flavor="woff2")
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    target.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, str(target), options)


if __name__ == "__main__":
    main()
