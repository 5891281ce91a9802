"""Dose-response curves: what each arm reaches as one property of the data varies.

``bench/curves.py`` trains their runs and keeps the accuracies, with the key of each run.
Functions that return sentences return Markdown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from kdbook.analysis import bootstrap, estimates, tables
from kdbook.analysis.estimates import LEVEL, Estimate, Verdict
from kdbook.analysis.markup import emphasized
from kdbook.analysis.metrics import score_by_language
from kdbook.analysis.phrases import conjunction, interval, points, relation
from kdbook.analysis.predictions import on_test, tests_of
from kdbook.settings import records
from kdbook.settings.arms import BASELINE, PSEUDO_LABELS, TRANSFER
from kdbook.settings.data import ALL
from kdbook.study.arms import Arms

UNLABELLED, LANGUAGES, NOISE = "unlabelled", "languages", "noise"
ALL_LABELS = "all-labels"
SMALLEST_VARIANCE = 1e-20  # below it, numbers are alike but for rounding
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


class Curve(BaseModel):
    """The points of a curve, and what they show together.

    Each by ``"after − before"`` and test set: ``overall`` is the mean of the difference over the doses, and
    ``p_varies`` the p-value of the hypothesis that it is the same at all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: list[Point]
    overall: dict[str, dict[str, Estimate]]
    p_varies: dict[str, dict[str, float]]


def load(profile: str) -> dict[str, Curve]:
    """Each curve of a shipped profile by its name; nothing if it has none."""
    return {name: Curve(**curve) for name, curve in (records.read(profile, "curves") or {}).items()}


def summarize(doses: Mapping[str, tuple[Mapping[str, Any], Arms]], margin: float | None = None) -> Curve:
    """A curve from the changed settings and the runs at each dose.

    All arms have the same seeds, and how much the seed matters is estimated from the whole curve. ``margin``
    is the largest difference that does not matter.
    """
    tests = tests_of(next(iter(doses.values()))[1][BASELINE][0])
    at_doses = [arms for _, arms in doses.values()]
    return Curve(
        points=_points(doses, tests),
        overall={
            _name(*pair): {test: _overall(at_doses, *pair, test, margin) for test in tests}
            for pair in COMPARED
        },
        p_varies={
            _name(*pair): {test: _p_varies(at_doses, *pair, test) for test in tests} for pair in COMPARED
        },
    )


def _overall(doses: Sequence[Arms], before: str, after: str, test: str, margin: float | None) -> Estimate:
    """The mean of a difference over the doses, from the predictions of each seed at all doses together."""
    earlier, later = (
        [pd.concat(of_seed) for of_seed in zip(*(on_test(test, arms[arm]) for arms in doses), strict=True)]
        for arm in (before, after)
    )
    return bootstrap.difference(earlier, later, margin=margin)


def _p_varies(doses: Sequence[Arms], before: str, after: str, test: str) -> float:
    scores = [
        [[score_by_language(run)[test] for run in arms[arm]] for arms in doses] for arm in (before, after)
    ]
    return p_of_varying(np.subtract(scores[1], scores[0]))


def p_of_varying(differences: np.ndarray) -> float:
    """The p-value of an F test of doses in a table of differences, shape (doses, seeds), with blocks of
    seeds.
    """
    from scipy.special import fdtrc  # takes a second to import

    doses, seeds = differences.shape
    of_doses = differences.mean(axis=1, keepdims=True)
    residual = differences - of_doses - differences.mean(axis=0) + differences.mean()
    between = seeds * ((of_doses - differences.mean()) ** 2).sum() / (doses - 1)
    within = (residual**2).sum() / ((doses - 1) * (seeds - 1))
    if within < SMALLEST_VARIANCE:
        return 1.0 if between < SMALLEST_VARIANCE else 0.0
    return float(fdtrc(doses - 1, (doses - 1) * (seeds - 1), between / within))


def _points(doses: Mapping[str, tuple[Mapping[str, Any], Arms]], tests: Sequence[str]) -> list[Point]:
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


def table(curve: Curve, dose: str, test: str = ALL) -> pd.DataFrame:
    """The differences of a curve in points, with their intervals: a row for each dose, called ``dose``."""
    rows = {
        point.dose: {name: tables.points(by_test[test]) for name, by_test in point.differences.items()}
        for point in curve.points
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=dose).reset_index()


def conclusions(curve: Curve, test: str = ALL) -> str:
    """What a curve shows about each pair of arms, as a list."""
    return "\n".join(f"- {compared(curve, *pair, test)}" for pair in COMPARED)


def compared(curve: Curve, before: str, after: str, test: str = ALL) -> str:
    """Whether the difference of two arms varies with the dose.

    If that is shown, where it is significant, after Holm's correction for the number of doses; else how large
    it is on average. Verdicts dose by dose alone would read as if it varied: the difference between
    significant and not significant is not itself significant (Gelman and Stern 2006).
    """
    name, start = _name(before, after), f"Compared with {emphasized(before)}, {emphasized(after)} is"
    overall, p = curve.overall[name][test], curve.p_varies[name][test]
    if p >= 1 - LEVEL:
        return (
            f"{start} **{relation(overall)}** on average over the points: {points(overall)} points "
            f"({interval(overall)}). That the difference varies between the points is not shown (p {_p(p)})."
        )
    differences = {_shown(point.dose): point.differences[name][test] for point in curve.points}
    words = {
        Verdict.BETTER: "significantly better",
        Verdict.WORSE: "significantly worse",
        Verdict.UNCLEAR: "not shown to differ",
    }
    parts = []
    for verdict, at in estimates.grouped(estimates.adjusted_verdicts(differences)).items():
        if len(at) == len(curve.points):
            parts.append(f"**{words[verdict]}** at {'any' if verdict is Verdict.UNCLEAR else 'every'} point")
        elif at:
            parts.append(f"**{words[verdict]}** at {conjunction(at)}")
    return f"{start} {conjunction(parts)}. The difference varies between the points (p {_p(p)})."


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _shown(dose: str) -> str:
    """A number as it is, and other doses in quotation marks."""
    return dose if dose.replace(".", "").isdigit() else f"“{dose}”"
