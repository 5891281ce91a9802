"""How sure a difference between two arms is, from stored predictions.

Runs of one arm differ by their seed, and the two languages of an item are not independent. The hierarchical bootstrap
therefore draws seeds and items with replacement, an item always with all its languages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

RESAMPLES = 10_000
LEVEL = 0.95

Array = np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Differences in accuracy, and the share of the teacher's lead that distillation recovers.

    ``gain`` is distilled minus baseline, ``gap`` teacher minus baseline, ``recovery`` the ratio of their means; it is None
    where the gap is not clearly above 0.
    """

    gain: Estimate
    gap: Estimate
    recovery: Estimate | None


def compare(
    teachers: Sequence[pd.DataFrame], baselines: Sequence[pd.DataFrame], distilled: Sequence[pd.DataFrame], resamples: int = RESAMPLES
) -> Comparison:
    """Compare three arms by their predictions, a frame for each run.

    Parameters
    ----------
    teachers, baselines, distilled
        Columns ``id``, ``language``, ``label`` and ``prediction``, the same test rows in each. Baseline and distilled runs are
        paired: one of each for every seed, in the same order.
    resamples
        Number of bootstrap resamples of seeds and items.

    Raises
    ------
    ValueError
        If baseline and distilled runs are not as many, or the runs do not have the same test rows.
    """
    if len(baselines) != len(distilled) or not baselines or not teachers:
        raise ValueError("as many distilled runs as baselines are needed, and a teacher")
    counts = baselines[0].groupby("id", sort=True).size()
    right = [np.stack([_right(run, counts.index) for run in runs]) for runs in (teachers, baselines, distilled)]
    means = [matrix.sum() / len(matrix) / counts.sum() for matrix in right]
    teacher, baseline, student = _resampled(right, counts.to_numpy(), resamples)
    gain = _estimate(means[2] - means[1], student - baseline)
    gap = _estimate(means[0] - means[1], teacher - baseline)
    if gap.low <= 0:
        return Comparison(gain, gap, None)
    return Comparison(gain, gap, _estimate(gain.value / gap.value, (student - baseline) / (teacher - baseline)))


def _resampled(right: list[Array], counts: Array, resamples: int) -> list[Array]:
    """Accuracy of teacher, baseline and distilled student in each resample; the students' seeds are drawn together."""
    rng = np.random.default_rng(0)
    items = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), resamples)
    rows = items @ counts
    teachers, pairs = (rng.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), resamples) for runs in right[:2])
    return [((items @ runs.T) * seeds).sum(axis=1) / len(runs) / rows for runs, seeds in zip(right, (teachers, pairs, pairs), strict=True)]


def _right(run: pd.DataFrame, ids: pd.Index) -> Array:
    """Number of right answers for each item."""
    right = (run["prediction"] == run["label"]).groupby(run["id"]).sum()
    if not right.index.equals(ids):
        raise ValueError("the runs do not have the same test rows")
    return right.to_numpy()


def _estimate(value: float, resampled: Array) -> Estimate:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))
