"""Figures of the book, and an empty one in its style for the figures that pages draw themselves.

The style is safe for colour-blind readers and legible in the light and the dark theme. Texts from data are
shown as they are.
"""

import textwrap
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.rcsetup import cycler
from matplotlib.text import Text

from kdbook.pages.curves import Point
from kdbook.pages.markup import LANGUAGE_NAMES
from kdbook.pages.tables import metric_of
from kdbook.settings.arms import FLOORS, LINEAR
from kdbook.settings.data import ALL
from kdbook.settings.environment import notebook_shell
from kdbook.stats import bootstrap
from kdbook.stats.metrics import majority_score, scores
from kdbook.stats.predictions import on_test
from kdbook.study.arms import Arms

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
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 13,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "kdbook",
    "text.parse_math": False,  # a dollar in the name of a class is a dollar
}
LONGEST_NAME = 32  # characters; a longer name would leave no room for the axes
LEGEND_COLUMNS = 4  # of names as long as "pseudo-labels" in the width of a page
TICK_WIDTH = 18  # characters
FLOOR_STYLES = ("--", "-.")  # of lines, for each linear model


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


def score_by_language(arms: Arms, languages_without_labels: Sequence[str] = ()) -> Figure:
    """A dot per run and a bar at each arm's mean with its 95% CI, side by side for every test set, and dashed
    lines at the means of the linear models.

    The ``languages_without_labels``, whose labels no model was trained on, have a grey background.
    """
    table = scores(arms)
    tests = list(dict.fromkeys(table["test"]))
    figure, axes = empty(max(7, 1.2 * len(tests)), 3.6)
    drawn = arms.without(FLOORS)
    for position, test in enumerate(tests):
        for number, (arm, runs) in enumerate(drawn.items()):
            values = table["score"][(table["arm"] == arm) & (table["test"] == test)]
            x = position + (number - (len(drawn) - 1) / 2) * 0.7 / len(drawn)
            dots_and_mean(axes, x, values, number, arm if position == 0 else None)
            mean = bootstrap.mean_score(on_test(test, runs))
            axes.vlines(x, max(mean.low, 0), min(mean.high, 1), color=series(number)["color"], linewidth=1)
        for floor, style in zip(FLOORS, FLOOR_STYLES, strict=True):
            if floor in arms:
                mean_score = table["score"][(table["arm"] == floor) & (table["test"] == test)].mean()
                ends, label = (position - 0.45, position + 0.45), floor if position == 0 else None
                axes.hlines(mean_score, *ends, color="black", linestyle=style, linewidth=1, label=label)
        if test in languages_without_labels:
            label = "without labels" if test == languages_without_labels[0] else None
            axes.axvspan(position - 0.45, position + 0.45, color="grey", alpha=0.15, label=label)
    _majority_line(axes, arms)
    axes.set_xticks(range(len(tests)), [shortened(LANGUAGE_NAMES.get(test, test)) for test in tests])
    axes.set_ylabel(metric_of(arms))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=LEGEND_COLUMNS)
    return finished(figure)


def _majority_line(axes: Axes, arms: Arms) -> None:
    """A line at the score of the majority-class baseline."""
    first_run = next(iter(arms.values()))[0]
    axes.axhline(
        majority_score(first_run.predictions, first_run.metric), color="grey", linestyle=":", linewidth=1
    )


def learning_curves(arms: Arms) -> Figure:
    """Validation score after each epoch against the seconds spent, a line for each run."""
    figure, axes = empty(7, 3.6)
    for number, (arm, runs) in enumerate(arms.without(FLOORS).items()):
        for index, run in enumerate(runs):
            curve = run.history
            label = arm if index == 0 else None
            axes.plot(curve["seconds"], curve["validation_score"], label=label, alpha=0.8, **series(number))
    for run in arms.get(LINEAR, []):
        best = run.measurements.validation_score
        axes.axhline(best, color="black", linestyle=FLOOR_STYLES[0], linewidth=1, label=LINEAR)
    _majority_line(axes, arms)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel(f"validation {metric_of(arms)}")
    axes.legend()
    return finished(figure)


def dots_and_mean(axes: Axes, x: float, values: pd.Series, number: int, label: str | None) -> None:
    """A dot per run, and a bar at their mean, in the style of an arm's number."""
    axes.plot(
        [x] * len(values), values, linestyle="", alpha=0.55, markersize=5, label=label, **series(number)
    )
    axes.plot([x - 0.08, x + 0.08], [values.mean()] * 2, color=series(number)["color"], linewidth=3)


def dose_response(points: Sequence[Point], dose: str, tests: Sequence[str] = (ALL,)) -> Figure:
    """Mean accuracy of each arm with its 95% confidence interval at every dose, and a dashed line for the
    linear model, a panel for each test set.
    """
    figure, panels = empty(7, 4.2, columns=len(tests))
    arms = list(points[0].accuracy)
    panels = np.atleast_1d(panels)
    for axes, test in zip(panels, tests, strict=True):
        for number, arm in enumerate(arms):
            means = [point.accuracy[arm][test] for point in points]
            values = np.array([mean.value for mean in means])
            ends = [values - [mean.low for mean in means], [mean.high for mean in means] - values]
            if arm in FLOORS:
                axes.plot(values, color="black", linestyle=FLOOR_STYLES[0], linewidth=1, label=arm)
                continue
            x = np.arange(len(points)) + (number - (len(arms) - 1) / 2) * 0.06
            axes.errorbar(x, values, yerr=ends, capsize=2, label=arm, **series(number))
        axes.set_xticks(
            range(len(points)), [textwrap.fill(point.dose, TICK_WIDTH // len(tests)) for point in points]
        )
        axes.set_xlabel(dose)
        if len(tests) > 1:
            axes.set_title(LANGUAGE_NAMES.get(test, test), fontsize="medium")
    panels[0].set_ylabel("accuracy")
    handles, names = axes.get_legend_handles_labels()  # lines first
    entries = dict(zip(names, handles, strict=True))
    shown = [entries[arm] for arm in arms]
    figure.legend(shown, arms, loc="outside upper center", ncols=LEGEND_COLUMNS)
    return finished(figure)
