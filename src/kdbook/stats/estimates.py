"""A value with its uncertainty, and what may be said about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist, fmean, stdev
from typing import TypeVar

LEVEL = 0.95
POWER = 0.8
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
DETECTABLE = Z + NormalDist().inv_cdf(POWER)  # in standard errors (Cohen 1988, "Statistical Power Analysis")
WITHIN = Z + NormalDist().inv_cdf((1 + POWER) / 2)  # standard errors between 0 and a margin, for equivalence
ALLOWANCE = 0.7  # by numerical integration over both estimates, from 3 degrees of freedom on
MIN_SEEDS = 4  # of fewer seeds the spread says too little about that of others

Name = TypeVar("Name")


class Verdict(Enum):
    """What a study says about a difference: its sign, or nothing."""

    BETTER = 1
    WORSE = -1
    UNCLEAR = 0

    def choose(self, *, better: str, worse: str, unclear: str) -> str:
        """The words for this verdict."""
        return {Verdict.BETTER: better, Verdict.WORSE: worse}.get(self, unclear)


class Relation(Enum):
    """What may be said about a difference beside a margin, the largest one that does not matter.

    At most one hypothesis about a difference is true at a time, so the tests of superiority, equivalence and
    inferiority need no correction for their number (Goeman, Solari and Stijnen 2010, "Three-sided hypothesis
    testing").
    """

    BETTER_BY_MORE = "better by more than {}"
    BETTER_BY_LESS = "better, but by less than {}"
    BETTER = "better, by more or less than {}"
    EQUIVALENT = "equivalent within {}"
    WORSE_BY_MORE = "worse by more than {}"
    WORSE_BY_LESS = "worse, but by less than {}"
    WORSE = "worse, by more or less than {}"
    NOT_WORSE = "not worse by more than {}; whether it is better is open"
    NOT_BETTER = "not better by more than {}; whether it is worse is open"
    OPEN = "open: neither a difference nor its absence is shown"


@dataclass(frozen=True)
class Estimate:
    """A value, the ends of its 95% CI, and the two-sided p-value of the hypothesis that it is 0.

    ``seeds`` and ``items`` are the numbers behind it, 0 where they are of no use, and ``seed_share`` is the
    part of the variance that is due to the seeds. ``margin`` is the largest size that does not matter, if the
    study states one; then ``p_margin`` tests that the value is not smaller: twice the larger of two one-sided
    p-values, so that it is below 5% where the interval is within the margin.
    """

    value: float
    low: float
    high: float
    p: float
    seeds: int = 0
    items: int = 0
    seed_share: float = 0.0
    margin: float | None = None
    p_margin: float = 1.0

    @property
    def verdict(self) -> Verdict:
        """The sign of the value, if interval and p-value both show it and there is more than one seed.

        One run of each arm shows that two models differ, and nothing about the settings that they were
        trained with: the next seed may reverse it.
        """
        if self.p >= 1 - LEVEL or self.seeds == 1:
            return Verdict.UNCLEAR
        return Verdict((self.low > 0) - (self.high < 0))

    @property
    def relation(self) -> Relation:
        """What interval and margin show together; without a margin, whether there is a difference."""
        if self.verdict is Verdict.WORSE:
            return _mirrored(_of_better(-self.high, -self.low, self.margin))
        if self.verdict is Verdict.BETTER:
            return _of_better(self.low, self.high, self.margin)
        if self.margin is None or self.seeds == 1:
            return Relation.OPEN
        not_worse, not_better = self.low >= -self.margin, self.high <= self.margin
        if not_worse and not_better:
            return Relation.EQUIVALENT
        if not_worse:
            return Relation.NOT_WORSE
        return Relation.NOT_BETTER if not_better else Relation.OPEN

    @property
    def detectable(self) -> float | None:
        """The minimum difference that a study of this size detects with 80% power, at least one item's.

        None with two or three seeds, whose spread says little about that of others. The standard error is an
        estimate as well, and the power of a study that is planned with it falls short the more, the fewer
        seeds it comes from.
        """
        if 1 < self.seeds < MIN_SEEDS:
            return None
        allowance = 1.0
        if self.seeds > 1:
            allowance += ALLOWANCE * self.seed_share**2 / (self.seeds - 1)
        return max(allowance * DETECTABLE * self.standard_error, 1 / self.items if self.items else 0.0)

    @property
    def seeds_to_settle(self) -> int | None:
        """How many seeds would show with 80% power that a difference is within the margin, if there is none.

        None without a margin, or where seeds alone can't show it: then it takes more items.
        """
        from scipy.special import stdtrit  # takes a second to import

        if self.margin is None or self.seeds < 2 or not self.seed_share:
            return None
        freedom = (self.seeds - 1) / self.seed_share**2
        variance = ((self.high - self.low) / 2 / float(stdtrit(freedom, (1 + LEVEL) / 2))) ** 2
        allowed = (self.margin / WITHIN) ** 2 - (1 - self.seed_share) * variance
        return math.ceil(self.seeds * self.seed_share * variance / allowed) if allowed > 0 else None

    @property
    def standard_error(self) -> float:
        """The standard error of a normal distribution with an interval of this width."""
        return (self.high - self.low) / (2 * Z)


def _of_better(low: float, high: float, margin: float | None) -> Relation:
    if margin is None:
        return Relation.BETTER
    if low > margin:
        return Relation.BETTER_BY_MORE
    return Relation.BETTER_BY_LESS if high <= margin else Relation.BETTER


def _mirrored(relation: Relation) -> Relation:
    return Relation[relation.name.replace("BETTER", "WORSE")]


@dataclass(frozen=True)
class ThreeWayComparison:
    """Differences in accuracy, and the share of the teacher's lead that distillation recovers.

    ``gain`` is distilled minus baseline, ``gap`` teacher minus baseline, ``recovery`` the ratio of their
    means (performance gap recovered); it is None where the teacher is not shown to be better.
    """

    gain: Estimate
    gap: Estimate
    recovery: Estimate | None


def of_replicates(values: Sequence[float], margin: float | None = None) -> Estimate:
    """The mean of a number of which each replicate gives one, with the interval of Student's t."""
    from scipy.special import stdtr, stdtrit  # takes a second to import

    number = len(values)
    mean, error = fmean(values), stdev(values) / math.sqrt(number)
    reach = error * float(stdtrit(number - 1, (1 + LEVEL) / 2))

    def beyond(distance: float) -> float:
        """Twice the one-sided p-value of a mean that is so far away, or farther."""
        return min(1.0, 2 * float(stdtr(number - 1, -distance / error))) if error else float(distance <= 0)

    return Estimate(
        mean,
        mean - reach,
        mean + reach,
        beyond(abs(mean)),
        number,
        seed_share=1.0,
        margin=margin,
        p_margin=1.0 if margin is None else beyond(margin - abs(mean)),
    )


def shown(low: float, high: float, adjusted: float, adjusted_margin: float) -> Relation:
    """What an interval and two p-values that were corrected for the number of comparisons show together:
    better, worse, equivalent, or nothing.
    """
    if adjusted < 1 - LEVEL and (low > 0 or high < 0):
        return Relation.BETTER if low > 0 else Relation.WORSE
    return Relation.EQUIVALENT if adjusted_margin < 1 - LEVEL else Relation.OPEN


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """p-values adjusted for the number of comparisons (Holm 1979)."""
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def adjusted_verdicts(differences: Mapping[str, Estimate]) -> dict[str, Verdict]:
    """The verdict on each of several differences, after Holm's correction for their number."""
    adjusted = holm({name: difference.p for name, difference in differences.items()})
    return {
        name: difference.verdict if adjusted[name] < 1 - LEVEL else Verdict.UNCLEAR
        for name, difference in differences.items()
    }


def grouped(verdicts: Mapping[str, Verdict]) -> dict[Verdict, list[str]]:
    """The names of differences by their verdict, of which each is a key."""
    return {verdict: [name for name, given in verdicts.items() if given is verdict] for verdict in Verdict}


def sign_test(positive: int, negative: int) -> float:
    """Exact two-sided p-value of so many positive and negative items if both signs were equally likely."""
    from scipy.special import bdtr  # takes a second to import

    return min(1.0, 2 * float(bdtr(min(positive, negative), positive + negative, 0.5)))


def score_interval(positive: float, negative: float, items: float) -> tuple[float, float]:
    """The 95% score interval of ``(positive - negative) / items``, a difference of paired proportions.

    It holds its level where few pairs or none differ (Tango 1998, "Equivalence test and confidence interval
    for the difference in proportions for the paired-sample design"). The counts need not be whole.
    """
    value = (positive - negative) / items
    return (
        -_score_limit(negative, positive, items, -value),
        _score_limit(positive, negative, items, value),
    )


def _score_limit(positive: float, negative: float, items: float, value: float) -> float:
    """The upper limit: the largest difference that the score test does not reject, by bisection."""
    low, high = value, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        rejected = middle - value > Z * _score_error(positive, negative, items, middle)
        low, high = (low, middle) if rejected else (middle, high)
    return high


def _score_error(positive: float, negative: float, items: float, difference: float) -> float:
    """The standard error of the difference, if that is the true one."""
    b = (2 * items - positive + negative) * difference - positive - negative
    c = -negative * difference * (1 - difference)
    share = (math.sqrt(b * b - 8 * items * c) - b) / (4 * items)
    return math.sqrt(max(0.0, 2 * share + difference * (1 - difference)) / items)
