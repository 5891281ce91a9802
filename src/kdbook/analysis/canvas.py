"""An empty figure in the style of the book, and text from data in it.

The style is safe for colour-blind readers and legible in the light and the dark theme.
"""

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from kdbook.settings.environment import notebook_shell

COLOURS = (  # Okabe and Ito (2008), which colour-blind readers can tell apart
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
)
MARKERS = ("o", "s", "^", "D", "v")
STYLE: dict[str, object] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 13,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "kdbook",
    "text.parse_math": False,  # a dollar in the name of a class is a dollar
}
LONGEST_NAME = 32  # characters; a longer name would leave no room for the axes

Legend = list[tuple[Artist, str]]


def empty(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes."""
    plt.rcParams.update(STYLE)  # type: ignore[arg-type]
    figure, axes = plt.subplots(ncols=columns, figsize=(width, height))
    _show_as_svg()  # not before: a kernel's first figure sets the format
    plt.close(figure)  # shown as a cell's value, not a second time by the backend
    return figure, axes


def series(number: int) -> dict[str, Any]:
    """Colour and marker of a series by its number: after the last colour the first, with another marker."""
    round_of_colours, position = divmod(number, len(COLOURS))
    return {"color": COLOURS[position], "marker": MARKERS[round_of_colours % len(MARKERS)]}


def shortened(name: str) -> str:
    """A name as a figure shows it."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def add_legend(axes: Axes, entries: Legend, **options: Any) -> None:
    """A legend with exactly these entries.

    Matplotlib would leave out names that begin with an underscore.
    """
    axes.legend([artist for artist, _ in entries], [shortened(name) for _, name in entries], **options)


def finished(figure: Figure) -> Figure:
    """The figure, in fonts that have the characters of its texts.

    Texts stay texts, so that where no font here has a character, the reader's browser still draws it; then a
    line says so in place of one warning per character.
    """
    lacking: set[str] = set()
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        families, missing = _families("".join(sorted(set(text.get_text()))))
        lacking |= missing
        if len(families) > 1:
            text.set_fontfamily(list(families))
    if lacking:
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        shown = " ".join(sorted(lacking)[:10])
        print(f"No font on this machine has {shown}; the browser draws such characters in a font of its own.")
    return figure


@cache
def _families(characters: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Font families that together have some characters, and the characters that none has."""
    default = font_manager.FontProperties().get_name()
    families = [default]
    missing = _absent(font_manager.findfont(default), characters.replace("\n", ""))
    names = dict.fromkeys(font.name for font in font_manager.fontManager.ttflist)
    for name in names if missing else ():
        drawn = font_manager.findfont(font_manager.FontProperties(family=[name]))  # one of its styles
        still_missing = _absent(drawn, missing)
        if len(still_missing) < len(missing):
            families.append(name)
            missing = still_missing
        if not missing:
            break
    return tuple(families), frozenset(missing)


def _absent(path: str, characters: Iterable[str]) -> set[str]:
    """The characters that a font file lacks."""
    available = _character_codes(path)
    return {character for character in characters if ord(character) not in available}


@cache
def _character_codes(path: str) -> frozenset[int]:
    return frozenset(FT2Font(path).get_charmap())


def _show_as_svg() -> None:
    """Let a notebook keep figures as vectors, without the date, which would change with every execution."""
    if shell := notebook_shell():
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"svg"}, metadata={"Date": None})
