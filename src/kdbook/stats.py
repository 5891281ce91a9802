"""How sure a difference between two arms is, from stored predictions.

Two things vary by chance: the seed of a run, and which items the test set happens to hold; the languages of one item are
not independent, so an item counts as one. A *contrast* is therefore a table with a row for each seed and a column for each
item. Its mean is the difference of two accuracies, and the bootstrap draws rows and columns anew.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

RESAMPLES = 10_000
AT_ONCE = 10_000_000  # numbers drawn or multiplied at once
LEVEL = 0.95
POWER = 0.8
BINS = 10
NEARLY_SURE = 1e-6  # probabilities are kept this far from 0 and 1, where their logarithm is finite

Array = np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A value, the ends of its 95 % interval, and the two-sided bootstrap p-value of the hypothesis that it is 0."""

    value: float
    low: float
    high: float
    p: float

    @property
    def direction(self) -> int:
        """1 or -1 if the whole interval lies above or below 0, else 0: these data do not tell."""
        return (self.low > 0) - (self.high < 0)

    @property
    def detectable(self) -> float:
        """The smallest true difference that a study of this size would find in 80 % of repetitions.

        The standard error is taken from the width of the interval (Cohen 1988, "Statistical Power Analysis").
        """
        z = NormalDist().inv_cdf((1 + LEVEL) / 2)
        return (self.high - self.low) / (2 * z) * (z + NormalDist().inv_cdf(POWER))


@dataclass(frozen=True)
class Comparison:
    """Differences in accuracy, and the share of the teacher's lead that distillation recovers.

    ``gain`` is distilled minus baseline, ``gap`` teacher minus baseline, ``recovery`` the ratio of their means; it is None
    where the gap is not clearly above 0.
    """

    gain: Estimate
    gap: Estimate
    recovery: Estimate | None


@dataclass(frozen=True)
class McNemar:
    """Test rows that only the first or only the second of two models answers rightly, and the exact two-sided p-value."""

    only_first: int
    only_second: int
    p: float


def difference(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame], resamples: int = RESAMPLES) -> Estimate:
    """Accuracy of ``after`` minus that of ``before``, each a frame of predictions for every seed, in the same order.

    Parameters
    ----------
    before, after
        Columns ``id``, ``language``, ``label`` and ``prediction``, the same test rows in each.
    resamples
        Number of bootstrap resamples of seeds and items. With one seed, only items are drawn: the interval then speaks
        for these two models, not for others like them.

    Raises
    ------
    ValueError
        If the runs are not as many on both sides, or do not have the same test rows.
    """
    contrast, rows = _contrast(before, after)
    return _estimate(_mean(contrast, rows), _Draws(contrast.shape, rows, resamples).of(contrast))


def differences(
    arms: Mapping[str, Sequence[pd.DataFrame]], pairs: Iterable[tuple[str, str]], resamples: int = RESAMPLES
) -> dict[tuple[str, str], Estimate]:
    """Several differences of arms that were trained with the same few seeds, each pair of names being ``(before, after)``.

    How much the seed matters is learnt from all arms together, as in the analysis of variance of a block design with seeds as
    blocks: two seeds of one arm say next to nothing about it, two seeds of ten arms do.

    Raises
    ------
    ValueError
        If the arms do not have the same number of runs and the same test rows.
    """
    rng = np.random.default_rng(0)
    pairs = list(pairs)
    contrasts = {pair: _contrast(arms[pair[0]], arms[pair[1]]) for pair in pairs}
    used = {name: arms[name] for pair in pairs for name in pair}
    accuracies = np.array([[(run["prediction"] == run["label"]).mean() for run in runs] for runs in used.values()])
    spread, freedom = _residual(accuracies)
    found = {}
    for pair, (contrast, rows) in contrasts.items():
        value = _mean(contrast, rows)
        seeds = spread * math.sqrt(2 / len(contrast)) * rng.standard_t(freedom, resamples) if freedom else 0.0
        found[pair] = _estimate(value, _Draws(contrast.shape, rows, resamples).of(contrast, by_seed=False) + seeds)
    return found


def _residual(table: Array) -> tuple[float, int]:
    """Standard deviation of a table of arms and seeds without the means of both, and its degrees of freedom."""
    residual = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean() if table.size else table
    freedom = max(0, table.shape[0] - 1) * max(0, table.shape[-1] - 1)
    return (math.sqrt((residual**2).sum() / freedom) if freedom else 0.0), freedom


def mean_accuracy(runs: Sequence[pd.DataFrame], resamples: int = RESAMPLES) -> Estimate:
    """Accuracy of an arm, the mean over its runs; parameters and errors as for :func:`difference`. Its ``p`` means nothing."""
    rows = runs[0].groupby("id", sort=True).size()
    right = np.stack([_right(run, rows.index) for run in runs])
    return _estimate(_mean(right, rows.to_numpy()), _Draws(right.shape, rows.to_numpy(), resamples).of(right))


def compare(
    teachers: Sequence[pd.DataFrame], baselines: Sequence[pd.DataFrame], distilled: Sequence[pd.DataFrame], resamples: int = RESAMPLES
) -> Comparison:
    """Compare three arms by their predictions, a frame for each seed of the students.

    ``teachers`` holds the teacher of each distilled run, the same one as often as it taught. Parameters and errors are
    those of :func:`difference`.
    """
    gain, rows = _contrast(baselines, distilled)
    gap, _ = _contrast(baselines, teachers)
    draws = _Draws(gain.shape, rows, resamples)
    drawn_gain, drawn_gap = draws.of(gain), draws.of(gap)
    values = [_mean(contrast, rows) for contrast in (gain, gap)]
    estimates = _estimate(values[0], drawn_gain), _estimate(values[1], drawn_gap)
    if estimates[1].direction <= 0:
        return Comparison(*estimates, None)
    return Comparison(*estimates, _estimate(values[0] / values[1], drawn_gain / drawn_gap))


def mcnemar(first: pd.DataFrame, second: pd.DataFrame) -> McNemar:
    """Exact McNemar test of two models on the same test rows (McNemar 1947); it knows nothing of seeds or of items."""
    from scipy.stats import binomtest  # takes seconds to import

    joined = first.merge(second, on=["id", "language"], suffixes=("", "_second"), validate="one_to_one")
    if len(joined) != len(first) or len(joined) != len(second):
        raise ValueError("the runs do not have the same test rows")
    right = [joined["prediction"] == joined["label"], joined["prediction_second"] == joined["label"]]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    differing = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, differing).pvalue) if differing else 1.0)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for the number of comparisons (Holm 1979): each keeps its meaning however many are made."""
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def divergence(reference: Array, other: Array) -> float:
    """Mean Kullback-Leibler divergence in nats of probabilities from those of a reference; both of shape (rows, classes)."""
    p, q = (np.clip(np.asarray(probabilities, float), NEARLY_SURE, 1 - NEARLY_SURE) for probabilities in (reference, other))
    return float(np.mean((p * np.log(p / q)).sum(axis=1)))


def reliability(probability: Array, came_true: Array, bins: int = BINS) -> pd.DataFrame:
    """Bins of equal width over the probability that was given to something, empty ones left out; both arrays of shape (rows,).

    Columns: ``probability``, the mean in the bin, ``share``, that of rows in which it came true, and ``rows``, their number.
    """
    place = np.minimum((np.asarray(probability, float) * bins).astype(int), bins - 1)
    rows = pd.DataFrame({"probability": np.asarray(probability, float), "share": np.asarray(came_true, float), "rows": 1}).groupby(place)
    return rows.agg({"probability": "mean", "share": "mean", "rows": "sum"}).reset_index(drop=True)


def calibration_error(probability: Array, came_true: Array, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of probability and share over the bins of :func:`reliability`, weighted by rows."""
    table = reliability(probability, came_true, bins)
    return float(((table["probability"] - table["share"]).abs() * table["rows"]).sum() / table["rows"].sum())


class _Draws:
    """Weights for seeds and items, drawn once and applied to every contrast that is to be compared with another.

    A resample is the sum of the mean, of what the drawn seeds change, and of what the drawn items change (the bootstrap of a
    table with two random factors: Owen 2007, "The pigeonhole bootstrap"). Three things keep its intervals true for few seeds and items:

    - The weights of the seeds are such that their mean follows Student's t distribution, as that of a small normal sample
      does. Drawing five seeds with replacement gives intervals that are too narrow.
    - A handful of answers may all agree by chance, and a resample of them then knows no doubt. So one answer more is imagined that
      differs, among two, as Agresti and Min do (2005, "Simple improved confidence intervals for comparing matched proportions").
    - What is neither seed nor item, but chance of one run on one item, varies with the rows and with the columns. It would
      be counted twice, so the share of it in the items is taken out by analysis of variance.
    """

    def __init__(self, shape: tuple[int, int], rows: Array, resamples: int) -> None:
        rng = np.random.default_rng(0)
        seeds, items = shape
        self.total = rows.sum()
        # A byte each: nothing is drawn 256 times. As numbers of 64 bits those of 80,000 items would take 6.4 GB.
        chances = np.full(items, 1 / items)
        self.drawn = [rng.multinomial(items, chances, part).astype(np.uint8) for part in _parts(resamples, AT_ONCE // items + 1)]
        self.rows = self._sums(rows)
        self.seeds = _student_weights(rng, seeds, resamples)
        self.imagined = rng.normal(0, 1 / (seeds * (items + 2)), resamples)

    def of(self, contrast: Array, by_seed: bool = True) -> Array:
        """The resampled means of a contrast; only of its items, if not ``by_seed``."""
        of_seeds = contrast.sum(axis=1) / self.total
        of_items = contrast.mean(axis=0)
        value = of_seeds.mean()
        from_items = math.sqrt(_share_of_items(contrast)) * (self._sums(of_items) / self.rows - value)
        return value + from_items + self.imagined + (self.seeds @ (of_seeds - value) if by_seed else 0.0)

    def _sums(self, of_items: Array) -> Array:
        """The sum of a number of each item over the items that each resample drew."""
        return np.concatenate([part.astype(float) @ of_items for part in self.drawn])


def _parts(whole: int, part: int) -> list[int]:
    """A number as a sum of parts of this size and a rest."""
    return [part] * (whole // part) + [whole % part] * (whole % part > 0)


def _student_weights(rng: np.random.Generator, seeds: int, resamples: int) -> Array:
    """Weights by which deviations from a mean of ``seeds`` numbers give a t-distributed error of that mean; 0 for one seed."""
    if seeds == 1:
        return np.zeros((resamples, 1))
    normal = rng.standard_normal((resamples, seeds))
    centred = normal - normal.mean(axis=1, keepdims=True)
    return centred / np.sqrt(rng.chisquare(seeds - 1, (resamples, 1)) * seeds)


def _share_of_items(contrast: Array) -> float:
    """Share of the variance between item means that belongs to the items, and not to chance of a run on an item."""
    seeds, items = contrast.shape
    if seeds == 1 or items == 1:
        return 1.0
    by_item = contrast.mean(axis=0)
    residual = contrast - by_item - contrast.mean(axis=1, keepdims=True) + contrast.mean()
    between = seeds * ((by_item - by_item.mean()) ** 2).sum() / (items - 1)
    chance = (residual**2).sum() / (items - 1) / (seeds - 1)
    return max(0.0, 1 - chance / between) if between else 1.0


def _contrast(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame]) -> tuple[Array, Array]:
    """Right answers of ``after`` minus those of ``before`` for each seed and item, and the number of rows of each item."""
    if len(before) != len(after) or not before:
        raise ValueError("as many runs are needed on both sides, and one at least")
    rows = before[0].groupby("id", sort=True).size()
    earlier, later = (np.stack([_right(run, rows.index) for run in runs]) for runs in (before, after))
    return later - earlier, rows.to_numpy()


def _mean(contrast: Array, rows: Array) -> float:
    """The mean of a contrast over its seeds and over all rows of its items."""
    return contrast.sum() / len(contrast) / rows.sum()


def _right(run: pd.DataFrame, ids: pd.Index) -> Array:
    """Number of right answers for each item."""
    right = (run["prediction"] == run["label"]).groupby(run["id"]).sum()
    if not right.index.equals(ids):
        raise ValueError("the runs do not have the same test rows")
    return right.to_numpy()


def _estimate(value: float, resampled: Array) -> Estimate:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    tail = min((resampled <= 0).sum(), (resampled >= 0).sum())
    return Estimate(float(value), float(low), float(high), float(min(1.0, 2 * (tail + 1) / (len(resampled) + 1))))
