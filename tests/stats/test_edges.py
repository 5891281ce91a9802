"""Intervals and verdicts at the edges: rare errors, few items, few seeds, arms that vary more than others."""

import numpy as np
import pytest
from helpers import STUDIES
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import as_predictions
from scipy.optimize import minimize_scalar
from scipy.stats import beta, binom, norm

from kdbook.stats import bootstrap
from kdbook.stats.estimates import Estimate, Verdict, holm, score_interval, sign_test
from kdbook.stats.resampling import Resampler

RESAMPLES = 2000


def coverage(share: float, seeds: int, items: int, seed_error: tuple[float, int] | None = None) -> float:
    """How often the interval of a share of items covers it, if all seeds err on the same items.

    The interval depends on the number of these items alone, so their distribution gives the answer without simulation.
    """
    resampler = Resampler((seeds, items), np.full(items, 2), RESAMPLES)
    covered = 0.0
    for number in range(items + 1):
        chance = binom.pmf(number, items, share)
        if chance > 1e-5:
            contrast = np.zeros((seeds, items))
            contrast[:, :number] = 2
            estimate = resampler.estimate(contrast, seed_error)
            covered += chance * (estimate.low <= share <= estimate.high)
    return covered


@pytest.mark.parametrize("seeds", [1, 5, 10])
@pytest.mark.parametrize("items", [20, 50, 100, 200])
@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_rare_errors_that_all_seeds_share_are_covered(share, items, seeds):
    assert coverage(share, seeds, items) >= 0.93


@pytest.mark.parametrize(("error", "items"), [(0.01, 50), (0.1, 10), (0.02, 100)])
def test_accuracies_near_1_are_covered(error, items):
    assert coverage(error, 5, items) >= 0.93
    assert coverage(error, 3, items, bootstrap.NO_SPREAD) >= 0.93


@pytest.mark.parametrize("seeds", [1, 2, 5, 10])
@pytest.mark.parametrize("items", [1, 2, 3, 5])
def test_a_handful_of_items_gives_no_verdict(items, seeds):
    resampler = Resampler((seeds, items), np.ones(items), RESAMPLES)
    for value in (1, -1):
        estimate = resampler.estimate(np.full((seeds, items), value))
        assert estimate.verdict is Verdict.UNCLEAR and estimate.p >= 0.0625


def test_one_run_each_gives_no_verdict_and_two_may():
    better = np.ones((2, 100))
    assert Resampler((2, 100), np.ones(100), RESAMPLES).estimate(better).verdict is Verdict.BETTER
    assert Resampler((1, 100), np.ones(100), RESAMPLES).estimate(better[:1]).verdict is Verdict.UNCLEAR


@given(st.integers(1, 10), st.integers(1, 60), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_an_estimate_is_finite_and_inside_its_limits(seeds, items, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 4, items)
    contrast = rng.integers(-rows, rows + 1, (seeds, items)) * (rng.random(items) < rng.random())
    estimate = Resampler((seeds, items), rows, 300).estimate(contrast)
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert 0 < estimate.p <= 1 and 0 <= estimate.seed_share <= 1
    if estimate.detectable is not None:
        assert estimate.detectable >= 1 / items


def test_what_is_detectable_is_not_stated_for_two_or_three_seeds():
    stated = [Estimate(0.0, -0.1, 0.1, 1.0, seeds, 100).detectable is not None for seeds in range(1, 6)]
    assert stated == [True, False, False, True, True]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
@settings(deadline=None)
def test_the_score_interval_contains_the_difference_and_mirrors(positive, negative, equal):
    items = positive + negative + equal
    if not items:
        return
    low, high = score_interval(positive, negative, items)
    assert -1 - 1e-9 <= low <= (positive - negative) / items + 1e-9 <= high + 2e-9 <= 1 + 3e-9
    assert score_interval(negative, positive, items) == pytest.approx((-high, -low))


@pytest.mark.parametrize(("positive", "negative", "items"), [(1, 0, 44), (0, 0, 20), (4, 1, 50), (2, 7, 60)])
def test_the_ends_of_the_score_interval_solve_its_equation(positive, negative, items):
    """With the share of negative pairs that is most likely for a difference, found numerically."""

    def most_likely(difference):
        def loss(share):
            same = 1 - difference - 2 * share
            counts = ((positive, share + difference), (negative, share), (items - positive - negative, same))
            return -sum(count * np.log(chance) for count, chance in counts if count)

        bounds = (max(0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
        return minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x

    for end in score_interval(positive, negative, items):
        variance = (2 * most_likely(end) + end - end**2) / items
        distance = (positive - negative) / items - end
        assert abs(distance) / variance**0.5 == pytest.approx(norm.ppf(0.975), rel=0.01)


def test_the_score_interval_of_44_pairs_of_which_one_differs():
    low, high = score_interval(1, 0, 44)
    assert (low, high) == pytest.approx((-0.060, 0.118), abs=0.002)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_is_that_of_the_binomial_distribution(positive, negative):
    tail = binom.cdf(min(positive, negative), positive + negative, 0.5)
    assert sign_test(positive, negative) == pytest.approx(min(1, 2 * tail))


def test_no_pair_among_many_leaves_about_what_an_exact_interval_does():
    for items in (20, 100, 500):
        _, high = score_interval(0, 0, items)
        exact = beta.ppf(0.975, 1, items)
        assert exact * 0.95 < high < exact * 1.2


SPREADS = {
    "half a point": [0.005] * 9,
    "a point": [0.01] * 9,
    "two points": [0.02] * 9,
    "an unstable arm": [0.005] * 8 + [0.05],
    "an unstable reference": [0.05] + [0.005] * 8,
}


@pytest.mark.training
@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("spread", SPREADS)
def test_equal_variations_are_not_told_apart(spread, seeds):
    """Nine arms of the same true accuracy, eight of them compared with the first."""
    rng = np.random.default_rng(seeds)
    false, covered = 0, []
    for _ in range(STUDIES):
        common = rng.normal(0, 0.01, seeds)
        accuracies = 0.75 + common + rng.normal(0, 1, (9, seeds)) * np.array(SPREADS[spread])[:, None]
        arms = {
            str(arm): [as_predictions(rng.random((300, 1)) < accuracy) for accuracy in of_arm]
            for arm, of_arm in enumerate(accuracies)
        }
        results = bootstrap.differences(arms, [("0", str(arm)) for arm in range(1, 9)], resamples=400)
        adjusted = holm({arm: estimate.p for (_, arm), estimate in results.items()})
        false += any(
            adjusted[arm] < 0.05 and estimate.verdict is not Verdict.UNCLEAR
            for (_, arm), estimate in results.items()
        )
        covered += [estimate.low <= 0 <= estimate.high for estimate in results.values()]
    assert false / STUDIES <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / STUDIES)
    if seeds > 1:
        assert np.mean(covered) >= 0.93
