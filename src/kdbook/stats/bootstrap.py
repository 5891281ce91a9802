"""Intervals for scores and their differences, from stored predictions.

Two things vary: the seed of a run, and which items the test set happens to contain; the translations of one
item are not independent, so an item counts as one. A *contrast* is therefore an array with a row per seed and
a column per item. Its mean is the difference of two scores, and the bootstrap resamples rows and columns.

Predictions may have a column ``error``, see :mod:`kdbook.settings.metrics`; without it the score is accuracy.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from kdbook.stats.estimates import LEVEL, MIN_SEEDS, Estimate, ThreeWayComparison
from kdbook.stats.moderation import Spread, seed_error, spreads
from kdbook.stats.resampling import Array, Resampler, estimate_from

RESAMPLES = 10_000
FEWEST_ROWS = 10  # of a class that a metric weighs; with fewer, intervals are too narrow
NO_SPREAD = (0.0, 0.0)  # of seeds: a standard error of 0 without any degree of freedom


def difference(
    before: Sequence[pd.DataFrame],
    after: Sequence[pd.DataFrame],
    resamples: int = RESAMPLES,
    margin: float | None = None,
) -> Estimate:
    """Score of ``after`` minus that of ``before``, each a frame of predictions per seed, in the same
    order.

    Parameters
    ----------
    before, after
        Columns ``id``, ``language``, ``label`` and ``prediction``, the same test rows in each.
    resamples
        Number of bootstrap resamples of seeds and items. With one seed, only items are resampled: the
        interval then describes these two models, not others like them.
    margin
        The largest difference that does not matter.

    Raises
    ------
    ValueError
        If the numbers of runs differ, or the runs do not have the same test rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": range(50), "language": "en", "label": 1})
    >>> worse, better = rows.assign(prediction=[0] * 10 + [1] * 40), rows.assign(prediction=1)
    >>> round(difference([worse], [better]).value, 2)
    0.2
    """
    contrast, rows = _paired_matrix(before, after)
    estimate = Resampler(contrast.shape, rows, resamples).estimate(contrast, margin=margin)
    return _without_verdict(estimate, before[0])


def differences(
    arms: Mapping[str, Sequence[pd.DataFrame]],
    pairs: Iterable[tuple[str, str]],
    resamples: int = RESAMPLES,
    margin: float | None = None,
) -> dict[tuple[str, str], Estimate]:
    """Several differences of arms that were trained with the same few seeds, each pair of names being
    ``(before, after)``.

    Two or three seeds say little about how much the seed matters to one arm, but those of ten arms say much.
    So it is estimated from all arms, see :mod:`kdbook.stats.moderation`. One seed says nothing about it,
    and the estimates have no verdict.

    Raises
    ------
    ValueError
        If the arms do not have the same number of runs and the same test rows.
    """
    pairs = list(pairs)
    contrasts = {pair: _paired_matrix(arms[pair[0]], arms[pair[1]]) for pair in pairs}
    of_arm = spreads_of({name: arms[name] for pair in pairs for name in pair})
    estimates = {}
    for pair, (contrast, rows) in contrasts.items():
        error = seed_error(of_arm[pair[0]], of_arm[pair[1]], len(contrast))
        resampler = Resampler(contrast.shape, rows, resamples)
        estimate = resampler.estimate(contrast, error, margin=margin)
        estimates[pair] = _without_verdict(estimate, arms[pair[0]][0])
    return estimates


def spreads_of(arms: Mapping[str, Sequence[pd.DataFrame]]) -> dict[str, Spread]:
    """How much the score of each arm varies between its seeds, see :mod:`kdbook.stats.moderation`."""
    return spreads({name: [_errors(run).mean() for run in runs] for name, runs in arms.items()})


def differences_by_group(
    groups: Mapping[str, tuple[Sequence[pd.DataFrame], Sequence[pd.DataFrame]]], resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """The difference in each of several groups of seeds, each given as ``(before, after)``.

    How much the seed matters is estimated from all groups together, so that a group with few seeds is not
    taken for a group without an effect. Errors as for :func:`difference`.
    """
    contrasts = {name: _paired_matrix(*arms) for name, arms in groups.items()}
    by_seed = {name: contrast.sum(axis=1) / rows.sum() for name, (contrast, rows) in contrasts.items()}
    freedom = sum(len(values) - 1 for values in by_seed.values())
    squares = sum(((values - values.mean()) ** 2).sum() for values in by_seed.values())
    spread = math.sqrt(squares / freedom) if freedom else 0.0
    return {
        name: Resampler(contrast.shape, rows, resamples).estimate(
            contrast, (spread / math.sqrt(len(contrast)), freedom)
        )
        for name, (contrast, rows) in contrasts.items()
    }


def mean_score(runs: Sequence[pd.DataFrame], resamples: int = RESAMPLES) -> Estimate:
    """Score of an arm, the mean over its runs.

    The interval of two or three runs is that of these models, over the items alone: their spread says too
    little about other runs. Parameters and errors as for :func:`difference`. Ignore its ``p``.
    """
    rows = runs[0].groupby("id", sort=True).size()
    wrong = np.stack([_errors_per_item(run, rows.index) for run in runs])  # (seeds, items)
    seed_error = None if len(runs) >= MIN_SEEDS else NO_SPREAD
    errors = Resampler(wrong.shape, rows.to_numpy(), resamples).estimate(wrong, seed_error)
    low, high = max(0.0, 1 - errors.high), min(1.0, 1 - errors.low)
    return replace(errors, value=1 - errors.value, low=low, high=high)


def compare(
    teachers: Sequence[pd.DataFrame],
    baselines: Sequence[pd.DataFrame],
    distilled: Sequence[pd.DataFrame],
    resamples: int = RESAMPLES,
) -> ThreeWayComparison:
    """Compare three arms by their predictions, a frame per seed of the students.

    ``teachers`` contains the teacher of each distilled run, the same one as often as it taught. Parameters
    and errors are those of :func:`difference`.
    """
    gain, rows = _paired_matrix(baselines, distilled)
    gap, _ = _paired_matrix(baselines, teachers)
    resampler = Resampler(gain.shape, rows, resamples)
    resampled_gain, resampled_gap = resampler.resample(gain), resampler.resample(gap)
    gain_estimate, gap_estimate = (
        _without_verdict(each.estimate(), baselines[0]) for each in (resampled_gain, resampled_gap)
    )
    recovery = None
    if gap_estimate.low > 0 and gap_estimate.p < 1 - LEVEL:
        share = gain_estimate.value / gap_estimate.value
        recovery = estimate_from(share, resampled_gain.means / resampled_gap.means, gain_estimate.seeds)
    return ThreeWayComparison(gain_estimate, gap_estimate, recovery)


def interaction(
    before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame], languages: tuple[str, str]
) -> Estimate | None:
    """The difference in one language minus that in another, over the items that both languages have.

    None if there is no such item. Parameters and errors as for :func:`difference`.
    """
    first, second = (
        [[run[run["language"] == language] for run in arm] for arm in (before, after)]
        for language in languages
    )
    common = set(first[0][0]["id"]) & set(second[0][0]["id"])
    if not common:
        return None
    kept = [
        [[run[run["id"].isin(common)] for run in arm] for arm in in_language]
        for in_language in (first, second)
    ]
    contrasts = [_paired_matrix(*arms) for arms in kept]
    contrast, rows = contrasts[0][0] - contrasts[1][0], contrasts[0][1]
    return Resampler(contrast.shape, rows, RESAMPLES).estimate(contrast, largest=2.0)


def _paired_matrix(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame]) -> tuple[Array, Array]:
    """Errors of ``before`` minus those of ``after``, shape (seeds, items), and the rows of each item."""
    if len(before) != len(after) or not before:
        raise ValueError("both sides need the same number of runs, at least one")
    rows = before[0].groupby("id", sort=True).size()
    earlier, later = (
        np.stack([_errors_per_item(run, rows.index) for run in runs]) for runs in (before, after)
    )
    return earlier - later, rows.to_numpy()


def _errors_per_item(run: pd.DataFrame, ids: pd.Index) -> Array:
    """The sum of the errors of each item."""
    errors = _errors(run).groupby(run["id"]).sum()
    if not errors.index.equals(ids):
        raise ValueError("the runs do not have the same test rows")
    return errors.to_numpy()


def _errors(run: pd.DataFrame) -> pd.Series:
    """The error of each row; where a metric gave none, 1 for a wrong prediction."""
    return run["error"] if "error" in run else (run["prediction"] != run["label"]).astype(float)


def _without_verdict(estimate: Estimate, run: pd.DataFrame) -> Estimate:
    """An estimate that shows nothing if its errors weigh classes and one of these has very few rows.

    Its interval then covers too rarely, whatever the number of the other rows.
    """
    weighs_classes = "error" in run and not run["error"].isin((0.0, 1.0)).all()
    if weighs_classes and run["label"].value_counts().min() < FEWEST_ROWS:
        return replace(estimate, p=1.0, p_margin=1.0)
    return estimate
