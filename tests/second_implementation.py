"""Intervals and verdicts of a study a second time, from its predictions, with numpy and scipy alone and without the package.

No bootstrap: an analysis of variance with seeds and items as random factors, Satterthwaite's degrees of freedom, and
Student's t. A table is an array of shape (seeds, items) with the share of each item's rows that a run predicts correctly,
weighted by the item's number of rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

PRIOR, UNSTABLE = (
    2,
    0.01,
)  # degrees of freedom of a typical variance, and the level of the test for an own one


@dataclass(frozen=True)
class Difference:
    """A difference of two arms, its standard error with degrees of freedom, and what follows."""

    value: float
    error: float
    freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        reach = stats.t.ppf(0.975, self.freedom) * self.error
        return self.value - reach, self.value + reach

    @property
    def p(self) -> float:
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))

    def p_within(self, margin: float) -> float:
        """Twice the larger of two one-sided p-values: below 0.05 where the interval lies within the margin."""
        return float(min(1.0, 2 * stats.t.sf((margin - abs(self.value)) / self.error, self.freedom)))


def correct(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Correct rows per item, in the order of the ids, as a share of the mean number of rows of an item."""
    ids, item = np.unique(rows["id"], return_inverse=True)
    right = (rows["label"] == rows["prediction"]).astype(float)
    return np.bincount(item, right, len(ids)) * len(ids) / len(right)


def table(runs: list[dict[str, np.ndarray]], like: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """The table of an arm; its runs, and one of another arm, must have the same rows with the same labels."""
    first = like or runs[0]
    for run in runs:
        for column in ("id", "language", "label"):
            if len(run[column]) != len(first[column]) or (run[column] != first[column]).any():
                raise ValueError(f"runs differ in {column}")
    if len(set(zip(first["id"], first["language"], strict=True))) < len(first["id"]):
        raise ValueError("a row occurs twice")
    return np.stack([correct(run) for run in runs])


def difference(
    before: np.ndarray, after: np.ndarray, seed_error: tuple[float, float] | None = None
) -> Difference:
    """Score of one table minus that of another; ``seed_error`` replaces the error that is due to the seeds."""
    contrast = after - before
    seeds, items = contrast.shape
    by_seed, by_item, mean = contrast.mean(axis=1), contrast.mean(axis=0), contrast.mean()
    if seeds == 1:
        return Difference(mean, by_item.std(ddof=1) / np.sqrt(items), items - 1)
    residual = contrast - by_item - by_seed[:, None] + mean
    chance = (residual**2).sum() / (seeds - 1) / (items - 1)
    of_items = seeds * by_item.var(ddof=1)
    item_part = max(0.0, of_items - chance) / (seeds * items)
    seed_part, freedom = seed_error or (by_seed.std(ddof=1) / np.sqrt(seeds), seeds - 1)
    variance = seed_part**2 + item_part
    parts = [(seed_part**2, freedom), (item_part, items - 1)]
    satterthwaite = variance**2 / sum(part**2 / degrees for part, degrees in parts if part)
    return Difference(float(mean), float(np.sqrt(variance)), float(satterthwaite))


def moderated(scores: dict[str, np.ndarray]) -> dict[str, tuple[float, float, bool]]:
    """The variance of each arm between seeds, its degrees of freedom, and whether it is its own."""
    names, values = list(scores), np.array(list(scores.values()))
    freedom = values.shape[1] - 1
    own = np.array([_is_unstable(values[arm], np.delete(values, arm, axis=0)) for arm in range(len(values))])
    stable = values[~own]
    each = _variances(stable)
    prior = PRIOR if len(stable) > 2 else 0
    mixed = iter((prior * each.mean() + freedom * each) / (prior + freedom))
    least = min(prior + freedom, (len(stable) - 1) * freedom)
    return {
        name: ((values[arm] - stable.mean(axis=0)).var(ddof=1), freedom, True)
        if own[arm]
        else (float(next(mixed)), least, False)
        for arm, name in enumerate(names)
    }


def _variances(values: np.ndarray) -> np.ndarray:
    arms, seeds = values.shape
    residual = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return (residual**2).sum(axis=1) / (seeds - 1) / (1 - 1 / arms)


def _is_unstable(values: np.ndarray, others: np.ndarray) -> bool:
    if len(others) < 2:
        return False
    ratio = (values - others.mean(axis=0)).var(ddof=1) / (1 + 1 / len(others)) / _variances(others).mean()
    degrees = len(values) - 1
    return bool(stats.f.sf(ratio, degrees, (len(others) - 1) * degrees) < UNSTABLE)


def differences(
    tables: dict[str, np.ndarray], pairs: list[tuple[str, str]]
) -> dict[tuple[str, str], Difference]:
    """Several differences of arms with the same seeds, whose variances are moderated by all of them."""
    used = dict.fromkeys(name for pair in pairs for name in pair)
    spread = moderated({name: tables[name].mean(axis=1) for name in used})
    found = {}
    for pair in pairs:
        (first, degrees, own), (second, other_degrees, other_own) = (spread[name] for name in pair)
        freedom = min(degrees, other_degrees)
        if own != other_own:
            freedom = (first + second) ** 2 / (first**2 / degrees + second**2 / other_degrees)
        error = np.sqrt((first + second) / len(tables[pair[0]]))
        found[pair] = difference(tables[pair[0]], tables[pair[1]], (error, freedom))
    return found


def holm(p_values: list[float]) -> np.ndarray:
    order, number = np.argsort(p_values), len(p_values)
    adjusted = np.maximum.accumulate((number - np.arange(number)) * np.array(p_values)[order])
    found = np.empty(number)
    found[order] = np.minimum(adjusted, 1)
    return found


def shown(found: list[Difference], margin: float | None) -> list[str]:
    """What is shown of each of several differences, after correction: better, worse, equivalent, or open."""
    adjusted = holm([each.p for each in found])
    within = holm([1.0 if margin is None else each.p_within(margin) for each in found])
    return [
        ("better" if each.value > 0 else "worse") if p < 0.05 else "equivalent" if near < 0.05 else "open"
        for each, p, near in zip(found, adjusted, within, strict=True)
    ]
