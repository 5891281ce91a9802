"""Dose-response curves: what each arm reaches as one property of the data varies.

``bench/curves.py`` trains their runs and keeps the accuracies, with the key of each run.
Functions that return sentences return Markdown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from kdbook.pages import tables
from kdbook.pages.markup import conjunction, emphasized
from kdbook.settings import records
from kdbook.settings.arms import BASELINE, PSEUDO_LABELS, TRANSFER
from kdbook.settings.data import ALL
from kdbook.stats import bootstrap, estimates
from kdbook.stats.estimates import Estimate, Verdict
from kdbook.stats.predictions import on_test, tests_of
from kdbook.study.arms import Arms

UNLABELLED, LANGUAGES, NOISE = "unlabelled", "languages", "noise"
ALL_LABELS = "all-labels"
COMPARED = ((BASELINE, TRANSFER), (PSEUDO_LABELS, TRANSFER), (TRANSFER, ALL_LABELS))  # before, after


class Point(BaseModel):
    """The results at one dose.

    ``changes`` are the settings of the data that differ from the profile's, ``keys`` those of the runs by
    name. ``accuracy`` is given by arm and test set, ``differences`` (the accuracy of the second arm minus
    that of the first) by ``"after − before"`` and test set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dose: str
    changes: dict[str, Any]
    keys: dict[str, str]
    accuracy: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Estimate]]


def load(profile: str) -> dict[str, list[Point]]:
    """The points of each curve of a shipped profile by the name of the curve; nothing if it has none."""
    record = records.read(profile, "curves") or {}
    return {name: [Point(**point) for point in points] for name, points in record.items()}


def summarize(doses: Mapping[str, tuple[Mapping[str, Any], Arms]]) -> list[Point]:
    """The points of a curve, from the changed settings and the runs at each dose.

    All arms have the same seeds, and how much the seed matters is estimated from the whole curve.
    """
    tests = tests_of(next(iter(doses.values()))[1][BASELINE][0])
    by_test = {test: _differences(doses, test) for test in tests}
    return [
        Point(
            dose=dose,
            changes=dict(changes),
            keys={run.name: run.key for runs in arms.values() for run in runs},
            accuracy={
                arm: {test: bootstrap.mean_score(on_test(test, runs)) for test in tests}
                for arm, runs in arms.items()
            },
            differences={
                _name(*pair): {test: by_test[test][dose, pair] for test in tests} for pair in COMPARED
            },
        )
        for dose, (changes, arms) in doses.items()
    ]


def _differences(
    doses: Mapping[str, tuple[Mapping[str, Any], Arms]], test: str
) -> dict[tuple[str, tuple[str, str]], Estimate]:
    """The differences of all compared arms at all doses on one test set."""
    predictions = {
        f"{arm} at {dose}": on_test(test, runs)
        for dose, (_, arms) in doses.items()
        for arm, runs in arms.items()
    }
    pairs = {
        (dose, pair): (f"{pair[0]} at {dose}", f"{pair[1]} at {dose}") for dose in doses for pair in COMPARED
    }
    estimates_by_name = bootstrap.differences(predictions, pairs.values())
    return {key: estimates_by_name[names] for key, names in pairs.items()}


def _name(before: str, after: str) -> str:
    return f"{after} − {before}"


def table(points: Iterable[Point], dose: str, test: str = ALL) -> pd.DataFrame:
    """The differences of a curve in points, with their intervals: a row for each dose, called ``dose``."""
    rows = {
        point.dose: {name: tables.points(by_test[test]) for name, by_test in point.differences.items()}
        for point in points
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=dose).reset_index()


def conclusions(points: Sequence[Point], test: str = ALL) -> str:
    """What a curve says about each pair of arms, as a list."""
    return "\n".join(f"- {compared(points, *pair, test)}" for pair in COMPARED)


def compared(points: Sequence[Point], before: str, after: str, test: str = ALL) -> str:
    """At which doses one arm is better than another, after Holm's correction for the number of doses."""
    name = _name(before, after)
    differences = {_shown(point.dose): point.differences[name][test] for point in points}
    parts = []
    for verdict, at in estimates.grouped(estimates.adjusted_verdicts(differences)).items():
        words = verdict.choose(
            better="significantly better", worse="significantly worse", unclear="not shown to differ"
        )
        if len(at) == len(points):
            parts.append(f"**{words}** at {'any' if verdict is Verdict.UNCLEAR else 'every'} point")
        elif at:
            parts.append(f"**{words}** at {conjunction(at)}")
    return f"Compared with {emphasized(before)}, {emphasized(after)} is {conjunction(parts)}."


def _shown(dose: str) -> str:
    """A number as it is, and other doses in quotation marks."""
    return dose if dose.replace(".", "").isdigit() else f"“{dose}”"
