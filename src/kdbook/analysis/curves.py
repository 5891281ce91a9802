"""Dose-response curves: what each arm reaches as one property of the data varies.

``bench/curves.py`` trains their runs and keeps the accuracies beside the profile, with the key of each run.
Functions that return sentences return Markdown.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from kdbook import settings
from kdbook.analysis import bootstrap, estimates
from kdbook.analysis.estimates import LEVEL, Estimate, Verdict
from kdbook.analysis.markup import emphasized
from kdbook.analysis.phrases import conjunction
from kdbook.analysis.predictions import on_test, tests_of
from kdbook.settings.arms import BASELINE, TRANSFER
from kdbook.settings.data import ALL
from kdbook.settings.profile import PROFILES
from kdbook.study.arms import Arms

UNLABELLED, LANGUAGES, NOISE = "unlabelled", "languages", "noise"
PSEUDO_LABELS, ALL_LABELS = "pseudo-labels", "all-labels"
COMPARED = ((BASELINE, TRANSFER), (PSEUDO_LABELS, TRANSFER), (TRANSFER, ALL_LABELS))  # before, after


class Interval(BaseModel):
    """A mean over seeds, the ends of its 95 % interval, and for a difference its p-value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float
    p: float


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
    accuracy: dict[str, dict[str, Interval]]
    differences: dict[str, dict[str, Interval]]


def load(profile: str) -> dict[str, list[Point]]:
    """The points of each curve of a shipped profile by the name of the curve; nothing if it has none."""
    path = files(settings) / PROFILES / f"{profile}.curves.json"
    record = json.loads(path.read_text("utf-8")) if path.is_file() else {}
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
                arm: {test: _interval(bootstrap.mean_accuracy(on_test(test, runs))) for test in tests}
                for arm, runs in arms.items()
            },
            differences={
                _name(*pair): {test: _interval(by_test[test][dose, pair]) for test in tests}
                for pair in COMPARED
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


def _interval(estimate: Estimate) -> Interval:
    return Interval(value=estimate.value, low=estimate.low, high=estimate.high, p=estimate.p)


def _name(before: str, after: str) -> str:
    return f"{after} − {before}"


def table(points: Iterable[Point], dose: str, test: str = ALL) -> pd.DataFrame:
    """The differences of a curve in points, with their intervals: a row for each dose, called ``dose``."""
    rows = {
        point.dose: {name: _points(by_test[test]) for name, by_test in point.differences.items()}
        for point in points
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=dose).reset_index()


def _points(interval: Interval) -> str:
    return f"{100 * interval.value:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def verdicts(points: Sequence[Point], before: str, after: str, test: str = ALL) -> dict[str, Verdict]:
    """What each dose says about a difference, after Holm's correction for the number of doses."""
    by_dose = {point.dose: point.differences[_name(before, after)][test] for point in points}
    adjusted = estimates.holm({dose: interval.p for dose, interval in by_dose.items()})
    return {
        dose: Verdict((interval.value > 0) - (interval.value < 0))
        if adjusted[dose] < 1 - LEVEL
        else Verdict.UNCLEAR
        for dose, interval in by_dose.items()
    }


def conclusions(points: Sequence[Point], test: str = ALL) -> str:
    """What a curve says about each pair of arms, as a list."""
    return "\n".join(f"- {compared(points, *pair, test)}" for pair in COMPARED)


def compared(points: Sequence[Point], before: str, after: str, test: str = ALL) -> str:
    """At which doses one arm is better than another."""
    doses: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for dose, verdict in verdicts(points, before, after, test).items():
        doses[verdict].append(dose if dose.replace(".", "").isdigit() else f"“{dose}”")
    words = {
        Verdict.BETTER: "significantly better",
        Verdict.WORSE: "significantly worse",
        Verdict.UNCLEAR: "not significantly different",
    }
    parts = []
    for verdict, at in doses.items():
        if len(at) == len(points):
            parts.append(f"**{words[verdict]}** at every point")
        elif at:
            parts.append(f"**{words[verdict]}** at {conjunction(at)}")
    return f"Compared with {emphasized(before)}, {emphasized(after)} is {conjunction(parts)}."
