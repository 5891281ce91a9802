"""Intervals for accuracies and their differences, from stored predictions.

Two things vary: the seed of a run, and which items the test set happens to contain; the translations of one
item are not independent, so an item counts as one. A *contrast* is therefore an array with a row per seed and
a column per item. Its mean is the difference of two accuracies, and the bootstrap resamples rows and columns.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import pandas as pd

RESAMPLES = 10_000
CHUNK_ELEMENTS = 10_000_000  # numbers drawn or multiplied at once
LEVEL = 0.95
POWER = 0.8

Array = np.ndarray


class Verdict(Enum):
    """What an interval says about a difference: its sign, or nothing."""

    BETTER = 1
    WORSE = -1
    UNCLEAR = 0


@dataclass(frozen=True)
class Estimate:
    """A value, the ends of its 95 % interval, and the two-sided bootstrap p-value of the hypothesis that it
    is 0.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> Verdict:
        """The sign of the value if the whole interval has it."""
        return Verdict((self.low > 0) - (self.high < 0))

    @property
    def detectable(self) -> float:
        """The minimum difference that a study of this size detects with 80 % power.

        The standard error is taken from the width of the interval (Cohen 1988, "Statistical Power Analysis").
        """
        z = NormalDist().inv_cdf((1 + LEVEL) / 2)
        return (self.high - self.low) / (2 * z) * (z + NormalDist().inv_cdf(POWER))


@dataclass(frozen=True)
class ThreeWayComparison:
    """Differences in accuracy, and the share of the teacher's lead that distillation recovers.

    ``gain`` is distilled minus baseline, ``gap`` teacher minus baseline, ``recovery`` the ratio of their
    means (performance gap recovered); it is None where the interval of the gap is not above 0.
    """

    gain: Estimate
    gap: Estimate
    recovery: Estimate | None


@dataclass(frozen=True)
class McNemar:
    """Test rows that only the first or only the second of two models gets right, and the exact two-sided
    p-value.
    """

    only_first: int
    only_second: int
    p: float


def difference(
    before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame], resamples: int = RESAMPLES
) -> Estimate:
    """Accuracy of ``after`` minus that of ``before``, each a frame of predictions per seed, in the same
    order.

    Parameters
    ----------
    before, after
        Columns ``id``, ``language``, ``label`` and ``prediction``, the same test rows in each.
    resamples
        Number of bootstrap resamples of seeds and items. With one seed, only items are resampled: the
        interval then describes these two models, not others like them.

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
    return _estimate(_mean(contrast, rows), Resampler(contrast.shape, rows, resamples).means(contrast))


def differences(
    arms: Mapping[str, Sequence[pd.DataFrame]], pairs: Iterable[tuple[str, str]], resamples: int = RESAMPLES
) -> dict[tuple[str, str], Estimate]:
    """Several differences of arms that were trained with the same few seeds, each pair of names being
    ``(before, after)``.

    How much the seed matters is estimated from all arms together, as in the analysis of variance of a block
    design with seeds as blocks: two seeds of one arm say next to nothing about it, two seeds of ten arms do.

    Raises
    ------
    ValueError
        If the arms do not have the same number of runs and the same test rows.
    """
    rng = np.random.default_rng(0)
    pairs = list(pairs)
    contrasts = {pair: _paired_matrix(arms[pair[0]], arms[pair[1]]) for pair in pairs}
    used = {name: arms[name] for pair in pairs for name in pair}
    accuracies = np.array(
        [[(run["prediction"] == run["label"]).mean() for run in runs] for runs in used.values()]
    )
    spread, freedom = _two_way_residual_sd(accuracies)
    estimates = {}
    for pair, (contrast, rows) in contrasts.items():
        items = Resampler(contrast.shape, rows, resamples).means(contrast, by_seed=False)
        of_mean = spread * math.sqrt(2 / len(contrast))
        seeds = of_mean * rng.standard_t(freedom, resamples) if freedom else 0.0
        estimates[pair] = _estimate(_mean(contrast, rows), items + seeds)
    return estimates


def mean_accuracy(runs: Sequence[pd.DataFrame], resamples: int = RESAMPLES) -> Estimate:
    """Accuracy of an arm, the mean over its runs.

    Parameters and errors as for :func:`difference`. Ignore its ``p``.
    """
    rows = runs[0].groupby("id", sort=True).size()
    correct = np.stack([_correct_per_item(run, rows.index) for run in runs])  # (seeds, items)
    resampler = Resampler(correct.shape, rows.to_numpy(), resamples)
    return _estimate(_mean(correct, rows.to_numpy()), resampler.means(correct))


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
    gain_means, gap_means = resampler.means(gain), resampler.means(gap)
    gain_estimate = _estimate(_mean(gain, rows), gain_means)
    gap_estimate = _estimate(_mean(gap, rows), gap_means)
    recovery = None
    if gap_estimate.verdict is Verdict.BETTER:
        recovery = _estimate(gain_estimate.value / gap_estimate.value, gain_means / gap_means)
    return ThreeWayComparison(gain_estimate, gap_estimate, recovery)


def mcnemar(first: pd.DataFrame, second: pd.DataFrame) -> McNemar:
    """Exact McNemar test of two models on the same test rows (McNemar 1947); it ignores seeds and items."""
    from scipy.stats import binomtest  # takes seconds to import

    joined = first.merge(second, on=["id", "language"], suffixes=("", "_second"), validate="one_to_one")
    if len(joined) != len(first) or len(joined) != len(second):
        raise ValueError("the runs do not have the same test rows")
    first_correct = joined["prediction"] == joined["label"]
    second_correct = joined["prediction_second"] == joined["label"]
    only_first, only_second = (
        int((first_correct & ~second_correct).sum()),
        int((second_correct & ~first_correct).sum()),
    )
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return McNemar(only_first, only_second, p)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for the number of comparisons (Holm 1979)."""
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


class Resampler:
    """Bootstrap weights for seeds and items, applied alike to every contrast that is compared with another.

    A resample is the mean plus a deviation due to the drawn seeds plus one due to the drawn items (the
    bootstrap of a table with two random factors: Owen 2007, "The pigeonhole bootstrap"). Three things keep
    its intervals valid for few seeds and items:

    - The weights of the seeds are such that their mean follows Student's t distribution, as that of a small
      normal sample
      does. Resampling five seeds with replacement gives intervals that are too narrow.
    - If a handful of predictions all agree by chance, a resample has no variance. We therefore add one
      discordant
      pseudo-observation among two (Agresti and Min 2005, "Simple improved confidence intervals for comparing
      matched proportions").
    - What is neither seed nor item, but chance of one run on one item, varies with rows and columns and would
      be counted
      twice, so its share in the items is removed by analysis of variance.
    """

    def __init__(self, shape: tuple[int, ...], rows: Array, resamples: int) -> None:
        seeds, items = shape
        rng = np.random.default_rng((seeds, items))
        self.total = rows.sum()
        self.counts = item_counts(items, resamples)
        self.rows = self._sums(rows)  # (resamples,)
        self.seeds = _t_weights(rng, seeds, resamples)  # (resamples, seeds)
        self.pseudo = rng.normal(0, 1 / (seeds * (items + 2)), resamples)  # (resamples,)

    def means(self, contrast: Array, by_seed: bool = True) -> Array:
        """The resampled means of a contrast of shape (seeds, items).

        Only items are resampled if not ``by_seed``.
        """
        of_seeds = contrast.sum(axis=1) / self.total  # (seeds,)
        of_items = contrast.mean(axis=0)  # (items,)
        value = of_seeds.mean()
        from_items = math.sqrt(_share_of_items(contrast)) * (self._sums(of_items) / self.rows - value)
        from_seeds = self.seeds @ (of_seeds - value) if by_seed else 0.0
        return np.asarray(value + from_items + self.pseudo + from_seeds)  # (resamples,)

    def _sums(self, of_items: Array) -> Array:
        """The sum of a number per item over the items of each resample, shape (resamples,)."""
        return np.concatenate([part.astype(float) @ of_items for part in self.counts])


@lru_cache(maxsize=1)
def item_counts(items: int, resamples: int) -> list[Array]:
    """How often each resample draws each item, in chunks of shape (resamples of the chunk, items).

    The same for every contrast over the same number of items, so a page with twenty intervals draws them
    once. A count takes a byte, since none reaches 256; as 64-bit numbers those of 80,000 items would take 6.4
    GB.
    """
    rng = np.random.default_rng(0)
    chances = np.full(items, 1 / items)
    chunk = CHUNK_ELEMENTS // items + 1
    sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
    return [rng.multinomial(items, chances, size).astype(np.uint8) for size in sizes]


def _two_way_residual_sd(table: Array) -> tuple[float, int]:
    """Standard deviation of a table (arms, seeds) without the means of both, and its degrees of freedom."""
    residual = (
        table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean() if table.size else table
    )
    freedom = max(0, table.shape[0] - 1) * max(0, table.shape[-1] - 1)
    return (math.sqrt((residual**2).sum() / freedom) if freedom else 0.0), freedom


def _t_weights(rng: np.random.Generator, seeds: int, resamples: int) -> Array:
    """Weights, shape (resamples, seeds), that turn deviations from a mean into a t-distributed error of that
    mean.
    """
    if seeds == 1:
        return np.zeros((resamples, 1))
    normal = rng.standard_normal((resamples, seeds))
    centred = normal - normal.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(rng.chisquare(seeds - 1, (resamples, 1)) * seeds))


def _share_of_items(contrast: Array) -> float:
    """Share of the variance between item means that is due to the items rather than to chance of a run on an
    item.
    """
    seeds, items = contrast.shape
    if seeds == 1 or items == 1:
        return 1.0
    by_item = contrast.mean(axis=0)
    residual = contrast - by_item - contrast.mean(axis=1, keepdims=True) + contrast.mean()
    between = seeds * ((by_item - by_item.mean()) ** 2).sum() / (items - 1)
    chance = (residual**2).sum() / (items - 1) / (seeds - 1)
    return max(0.0, 1 - chance / between) if between else 1.0


def _paired_matrix(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame]) -> tuple[Array, Array]:
    """Correct predictions of ``after`` minus those of ``before``, shape (seeds, items), and the rows of each
    item.
    """
    if len(before) != len(after) or not before:
        raise ValueError("both sides need the same number of runs, at least one")
    rows = before[0].groupby("id", sort=True).size()
    earlier, later = (
        np.stack([_correct_per_item(run, rows.index) for run in runs]) for runs in (before, after)
    )
    return later - earlier, rows.to_numpy()


def _mean(contrast: Array, rows: Array) -> float:
    """The mean of a contrast over its seeds and over all rows of its items."""
    return float(contrast.sum() / len(contrast) / rows.sum())


def _correct_per_item(run: pd.DataFrame, ids: pd.Index) -> Array:
    """Number of correct predictions for each item."""
    correct = (run["prediction"] == run["label"]).groupby(run["id"]).sum()
    if not correct.index.equals(ids):
        raise ValueError("the runs do not have the same test rows")
    return correct.to_numpy()


def _estimate(value: float, resampled: Array) -> Estimate:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    tail = min((resampled <= 0).sum(), (resampled >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(resampled) + 1))
    return Estimate(float(value), float(low), float(high), float(p))
