r"""Resampled means of a table of seeds and items, and the estimates that follow from them.

A contrast :math:`c_{si}`, of seed :math:`s` on item :math:`i`, is taken for

.. math:: c_{si} = \mu + a_s + b_i + e_{si}

with random seeds :math:`a`, items :math:`b`, and :math:`e`, the chance of one run on one item. A resample of
its mean is :math:`\bar c + A + B` (the bootstrap of a table with two random factors: Owen 2007, "The
pigeonhole bootstrap"):

- :math:`A = \hat\sigma_a t_{S-1}` for :math:`S` seeds, with the standard error :math:`\hat\sigma_a` of their
  mean: that of a small normal sample follows Student's t distribution. Resampling five seeds with replacement
  gives intervals that are too narrow.
- :math:`B = \sqrt{h} (\bar b^* - \bar b)`, the mean of items drawn with replacement minus that of all. Means
  over seeds contain :math:`e` as well, which :math:`A` counts already, so :math:`h` is the share of the
  variance between items that analysis of variance leaves to :math:`b`.
- Where few items differ, or none, :math:`B` varies too little: rare errors can be missing from one sample and
  present in the next. We add one discordant item (Agresti and Min 2005, "Simple improved confidence intervals
  for comparing matched proportions"), and widen :math:`B` to a score interval.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from kdbook.stats.estimates import LEVEL, Estimate, score_interval, sign_test

CHUNK_ELEMENTS = 10_000_000  # numbers drawn or multiplied at once
FEW_ITEMS = 30  # where more differ, the bootstrap alone is enough
TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]

Array = np.ndarray


class Resampler:
    """Bootstrap weights for seeds and items, the same for all contrasts that are compared with each other."""

    def __init__(self, shape: tuple[int, ...], rows: Array, resamples: int) -> None:
        seeds, items = shape
        rng = np.random.default_rng((seeds, items))
        self.total = rows.sum()
        self.rows_per_item = rows.mean()
        self.counts = item_counts(items, resamples)
        self.rows = self._sums(rows)  # (resamples,)
        self.seeds = _t_weights(rng, seeds, resamples)  # (resamples, seeds)
        self.pseudo_item = rng.normal(0, 1 / (items + 2), resamples)  # (resamples,)

    def estimate(
        self,
        contrast: Array,
        seed_error: tuple[float, float] | None = None,
        largest: float = 1.0,
        margin: float | None = None,
    ) -> Estimate:
        """The mean of a contrast of shape (seeds, items), with its interval.

        ``seed_error`` is the standard error due to the seeds and its degrees of freedom, if it is not that of
        the contrast itself. ``largest`` is the largest size that the mean can have: 1 for a difference of
        scores, 2 for a difference of two such differences. ``margin`` is the largest that does not matter.
        """
        return self.resample(contrast, seed_error).estimate(largest, margin)

    def resample(self, contrast: Array, seed_error: tuple[float, float] | None = None) -> "Resampled":
        """The resampled means of a contrast; parameters as for :meth:`estimate`."""
        value = float(contrast.sum() / len(contrast) / self.total)
        return Resampled(contrast, value, self._from_items(contrast), self._from_seeds(contrast, seed_error))

    def _from_items(self, contrast: Array) -> Array:
        """The deviations due to the items, shape (resamples,)."""
        of_items = contrast.mean(axis=0)  # (items,)
        value = of_items.sum() / self.total
        deviations: Array = self._sums(of_items) / self.rows - value
        deviations *= math.sqrt(_item_share(contrast))
        shares = of_items / self.rows_per_item
        if np.count_nonzero(shares) > FEW_ITEMS:
            return deviations
        low, high = score_interval_of(shares)
        return _widened(deviations + self.pseudo_item, low - value, high - value)

    def _from_seeds(self, contrast: Array, seed_error: tuple[float, float] | None) -> Array:
        """The deviations due to the seeds, shape (resamples,)."""
        seeds = len(contrast)
        of_seeds = contrast.sum(axis=1) / self.total  # (seeds,)
        if seed_error is None:
            if seeds == 1:
                return np.zeros(len(self.pseudo_item))
            error, freedom = float(np.std(of_seeds, ddof=1)) / math.sqrt(seeds), float(seeds - 1)
            deviations = self.seeds @ (of_seeds - of_seeds.mean())
        else:
            error, freedom = seed_error
            deviations = error * self._t_draws(freedom)
        half_width = error * _t_quantile(freedom) if freedom else 0.0
        return _widened(deviations, -half_width, half_width)

    def _t_draws(self, freedom: float) -> Array:
        """Draws from Student's t distribution, shape (resamples,); 0 without any degree of freedom."""
        rng = np.random.default_rng(int(freedom))
        return rng.standard_t(freedom, len(self.pseudo_item)) if freedom else np.zeros(len(self.pseudo_item))

    def _sums(self, of_items: Array) -> Array:
        """The sum of a number per item over the items of each resample, shape (resamples,)."""
        return np.concatenate([part.astype(float) @ of_items for part in self.counts])


@dataclass(frozen=True)
class Resampled:
    """The mean of a contrast, and its deviations due to the items and to the seeds, both of shape
    (resamples,).
    """

    contrast: Array
    value: float
    from_items: Array
    from_seeds: Array

    @property
    def means(self) -> Array:
        """The resampled means, shape (resamples,)."""
        means: Array = self.value + self.from_items + self.from_seeds
        return means

    def estimate(self, largest: float = 1.0, margin: float | None = None) -> Estimate:
        """The mean with its interval; where few items differ, p-values are at least those of a sign test."""
        seeds, items = self.contrast.shape
        of_seeds, of_items = self.from_seeds.var(), self.from_items.var()
        share = float(of_seeds / ((of_seeds + of_items) or 1.0))
        means = self.means
        estimate = estimate_from(self.value, means, seeds, items, share)
        by_item = self.contrast.sum(axis=0)
        better, worse = int((by_item > 0).sum()), int((by_item < 0).sum())
        exact = sign_test(better, worse) if better + worse <= FEW_ITEMS else 0.0
        low, high = max(estimate.low, -largest), min(estimate.high, largest)
        p_margin = 1.0 if margin is None else max(_p_beyond(margin - means), _p_beyond(margin + means))
        return replace(
            estimate, low=low, high=high, p=max(estimate.p, exact), margin=margin, p_margin=p_margin
        )


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


def _t_weights(rng: np.random.Generator, seeds: int, resamples: int) -> Array:
    """Weights, shape (resamples, seeds), that turn deviations from a mean into a t-distributed error of that
    mean.
    """
    if seeds == 1:
        return np.zeros((resamples, 1))
    normal = rng.standard_normal((resamples, seeds))
    centred = normal - normal.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(rng.chisquare(seeds - 1, (resamples, 1)) * seeds))


def _item_share(contrast: Array) -> float:
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


def score_interval_of(shares: Array) -> tuple[float, float]:
    """The score interval of the mean of one number per item, of which few are not 0.

    An item on which one run of five differs is not worth an item on which all five do: the counts are scaled
    so that their variance is that of the numbers.
    """
    largest = max(1.0, np.abs(shares).max())  # an error in a rare class counts more than one
    low, high = _score_interval(shares / largest)
    return largest * low, largest * high


def _score_interval(shares: Array) -> tuple[float, float]:
    total = np.abs(shares).sum()
    worth = (shares**2).sum() / total if total else 1.0
    positive, negative = shares.clip(min=0).sum(), -shares.clip(max=0).sum()
    return score_interval(positive / worth, negative / worth, len(shares) / worth)


def _widened(deviations: Array, low: float, high: float) -> Array:
    """Deviations, those on each side of 0 scaled so that a 95% CI of them contains ``low`` and ``high``."""
    lower, upper = np.quantile(deviations, TAILS)
    below = max(1.0, low / lower) if lower else 1.0
    above = max(1.0, high / upper) if upper else 1.0
    return deviations * np.where(deviations < 0, below, above)


def _t_quantile(freedom: float) -> float:
    from scipy.special import stdtrit  # takes a second to import

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def estimate_from(
    value: float, resampled: Array, seeds: int = 0, items: int = 0, seed_share: float = 0.0
) -> Estimate:
    """An estimate whose interval and p-value are those of resampled values, shape (resamples,)."""
    low, high = np.quantile(resampled, TAILS)
    p = min(_p_beyond(resampled), _p_beyond(-resampled))
    return Estimate(float(value), float(low), float(high), p, seeds, items, seed_share)


def _p_beyond(resampled: Array) -> float:
    """Twice the share of resampled values that are not positive."""
    return min(1.0, 2 * (int((resampled <= 0).sum()) + 1) / (len(resampled) + 1))
