"""What may be said about a difference: better, worse, equivalent, or nothing."""

import math

import numpy as np
import pytest
from helpers import STUDIES
from scipy import stats

from kdbook.pages.markup import relation
from kdbook.stats.estimates import Estimate, Relation, Verdict, of_replicates, shown
from kdbook.stats.resampling import Resampler

MARGIN = 0.02


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.03, 0.05, Relation.BETTER_BY_MORE),
        (0.005, 0.015, Relation.BETTER_BY_LESS),
        (0.005, 0.05, Relation.BETTER),
        (-0.05, -0.03, Relation.WORSE_BY_MORE),
        (-0.015, -0.005, Relation.WORSE_BY_LESS),
        (-0.05, -0.005, Relation.WORSE),
        (-0.01, 0.015, Relation.EQUIVALENT),
        (-0.01, 0.05, Relation.NOT_WORSE),
        (-0.05, 0.01, Relation.NOT_BETTER),
        (-0.05, 0.05, Relation.OPEN),
    ],
)
def test_an_interval_beside_a_margin(low, high, expected):
    p = 0.01 if low > 0 or high < 0 else 0.5
    estimate = Estimate((low + high) / 2, low, high, p, seeds=5, margin=MARGIN)
    assert estimate.relation is expected
    assert "2 points" in relation(estimate) or expected is Relation.OPEN


def test_without_a_margin_or_with_one_seed_nothing_is_equivalent():
    narrow = {"value": 0.0, "low": -0.001, "high": 0.001, "p": 1.0}
    assert Estimate(**narrow, seeds=5).relation is Relation.OPEN
    assert Estimate(**narrow, seeds=1, margin=MARGIN).relation is Relation.OPEN
    assert relation(Estimate(**narrow, seeds=5)) == "inconclusive"
    better = Estimate(0.05, 0.03, 0.07, 0.01, seeds=5)
    assert better.relation is Relation.BETTER and relation(better) == "better"


def test_equivalence_after_correction_needs_its_own_p_value():
    assert shown(-0.01, 0.01, 1.0, 0.01) is Relation.EQUIVALENT
    assert shown(-0.01, 0.01, 1.0, 0.2) is Relation.OPEN
    assert shown(0.001, 0.01, 0.01, 0.2) is Relation.BETTER
    assert shown(-0.01, -0.001, 0.01, 0.2) is Relation.WORSE


@pytest.mark.parametrize("mean", [0.0, 0.015, -0.03])
def test_replicates_have_the_t_tests_of_scipy(mean):
    values = np.random.default_rng(3).normal(mean, 0.01, 10)
    found = of_replicates(list(values), MARGIN)
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    sides = [
        stats.ttest_1samp(values, -MARGIN, alternative="greater").pvalue,
        stats.ttest_1samp(values, MARGIN, alternative="less").pvalue,
    ]
    assert found.p_margin == pytest.approx(min(1.0, 2 * max(sides)))
    assert (found.p_margin < 0.05) == (found.low > -MARGIN and found.high < MARGIN)


def test_replicates_that_are_all_alike():
    found = of_replicates([0.1] * 5, MARGIN)
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert found.relation is Relation.BETTER_BY_MORE


@pytest.mark.parametrize("seeds", [4, 5, 6, 10, 30])
def test_the_difference_that_a_study_detects_is_found_in_four_of_five_studies_like_it(seeds):
    """Both the study that states it and the one that looks for it estimate their standard error."""
    shares = (np.arange(300) + 0.5) / 300
    errors = np.sqrt(stats.chi2.ppf(shares, seeds - 1) / (seeds - 1))
    reach = stats.t.ppf(0.975, seeds - 1) * errors
    stated = [Estimate(0, -each, each, 1, seeds=seeds, seed_share=1.0).detectable for each in reach]
    power = stats.norm.cdf(np.array(stated)[:, None] - reach).mean()
    assert power == pytest.approx(0.8, abs=0.03)


@pytest.mark.training
@pytest.mark.parametrize("truth", [0.0, MARGIN, -MARGIN])
@pytest.mark.parametrize("seeds", [3, 10])
def test_false_statements_are_rare(truth, seeds):
    """No difference that is not there, and on the margin, the worst case, no equivalence."""
    rng, items = np.random.default_rng(seeds), 400
    resampler = Resampler((seeds, items), np.ones(items), 1000)
    false = {"different": 0, "equivalent": 0, "interval": 0}
    for _ in range(STUDIES):
        means = truth + rng.normal(0, 0.013, (seeds, 1)) + rng.normal(0, 0.1, (1, items))
        better, worse = 0.1 + means / 2, 0.1 - means / 2
        drawn = rng.random((seeds, items))
        contrast = (drawn < better).astype(float) - (drawn > 1 - worse)
        found = resampler.estimate(contrast, margin=MARGIN)
        false["different"] += truth == 0 and found.verdict is not Verdict.UNCLEAR
        false["equivalent"] += truth != 0 and found.relation is Relation.EQUIVALENT
        false["interval"] += not found.low <= truth <= found.high
    for statement, allowed in {"different": 0.05, "equivalent": 0.05, "interval": 0.07}.items():
        chance = 2 * math.sqrt(allowed * (1 - allowed) / STUDIES)
        assert false[statement] / STUDIES <= allowed + chance, false
