"""The bootstrap agrees with what can be computed otherwise, and its intervals cover."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
from helpers import STUDIES
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import as_predictions
from scipy.stats import norm, ttest_1samp
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from kdbook.stats import bootstrap
from kdbook.stats.estimates import Verdict, holm, score_interval, sign_test
from kdbook.stats.resampling import Resampler, item_counts


def runs(rng: np.random.Generator, accuracy: float, seeds: int, items: int = 200) -> list[pd.DataFrame]:
    return [as_predictions(rng.random((items, 2)) < accuracy) for _ in range(seeds)]


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_values_are_differences_of_mean_accuracies_inside_their_intervals(seed, seeds):
    rng = np.random.default_rng(seed)
    teachers, baselines, distilled = runs(rng, 0.95, 1) * seeds, runs(rng, 0.6, seeds), runs(rng, 0.7, seeds)
    result = bootstrap.compare(teachers, baselines, distilled, resamples=500)
    means = [
        np.mean([(one["prediction"] == one["label"]).mean() for one in arm])
        for arm in (teachers, baselines, distilled)
    ]
    assert result.gain.value == pytest.approx(means[2] - means[1])
    assert result.gap.value == pytest.approx(means[0] - means[1])
    assert (result.recovery is None) == (result.gap.low <= 0 or result.gap.p >= 0.05)
    if result.recovery:
        assert result.recovery.value == pytest.approx((means[2] - means[1]) / (means[0] - means[1]))
    for estimate in filter(None, (result.gain, result.gap, result.recovery)):
        assert estimate.low <= estimate.value <= estimate.high


def test_no_recovery_without_a_gap():
    rng = np.random.default_rng(0)
    assert (
        bootstrap.compare(runs(rng, 0.7, 3), runs(rng, 0.7, 3), runs(rng, 0.8, 3), resamples=500).recovery
        is None
    )


def test_identical_arms_differ_by_nothing_and_the_fewer_items_the_less_that_tells():
    rng = np.random.default_rng(0)
    widths = []
    for items in (10, 100, 1000):
        same = runs(rng, 0.7, 3, items)
        gain = bootstrap.difference(same, same)
        assert (gain.value, gain.verdict) == (0, Verdict.UNCLEAR) and gain.p > 0.9
        widths.append(gain.high - gain.low)
    for items, width in zip((10, 100, 1000), widths, strict=True):  # score intervals of no pair among so many
        low, high = score_interval(0, 0, items)
        assert width == pytest.approx(high - low, rel=0.1)


def test_an_item_counts_once_however_many_languages_repeat_it():
    """Four copies of a language tell no more than one, so the interval must not shrink."""
    rng = np.random.default_rng(1)
    single = [[rng.random((300, 1)) < share for _ in range(3)] for share in (0.6, 0.7)]
    narrow, wide = (
        bootstrap.difference(
            *[[as_predictions(np.repeat(right, copies, axis=1)) for right in arm] for arm in single],
            resamples=2000,
        )
        for copies in (4, 1)
    )
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, rel=1e-6)


def test_more_items_narrow_the_interval():
    rng = np.random.default_rng(2)
    widths = []
    for items in (100, 1600):
        gain = bootstrap.difference(*[runs(rng, share, 5, items) for share in (0.6, 0.7)], resamples=2000)
        widths.append(gain.high - gain.low)
    assert widths[1] < 0.5 * widths[0]


# Standard deviations of the difference between seeds and between items: none but chance of the single answer; mostly seeds,
# mostly items, both.
VARIATION = {"chance": (0.0, 0.0), "seeds": (0.03, 0.0), "items": (0.0, 0.15), "both": (0.02, 0.1)}


@pytest.mark.training
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("variation", VARIATION)
def test_the_interval_covers_the_true_difference_as_often_as_it_says(variation, seeds):
    """95 % of simulated studies, give or take what their number and the small number of seeds allow."""
    between_seeds, between_items = VARIATION[variation]
    items, gain, differing, studies = 150, 0.05, 0.2, 5 * STUDIES
    rng, rows = np.random.default_rng(seeds), np.full(items, 2)
    resampler = Resampler((seeds, items), rows, 1000)
    hits = 0
    for _ in range(studies):
        mean = gain + rng.normal(0, between_seeds, (seeds, 1)) + rng.normal(0, between_items, (1, items))
        share = (differing + mean.clip(-differing, differing)) / (
            2 * differing
        )  # of the answers that differ, those that got better
        differs = rng.random((2, seeds, items)) < differing
        contrast = (differs * np.where(rng.random((2, seeds, items)) < share, 1, -1)).sum(axis=0)
        result = resampler.estimate(contrast)
        truth = _clipped_mean(gain, np.hypot(between_seeds, between_items), differing)
        hits += result.low <= truth <= result.high
    assert abs(hits / studies - 0.95) <= 0.02 + 2 * np.sqrt(0.95 * 0.05 / studies)


@pytest.mark.training
@pytest.mark.parametrize("variation", VARIATION)
def test_the_intervals_of_several_arms_with_two_seeds_cover(variation):
    """Eight variations of one arm, whose runs of one seed have something in common."""
    between_seeds, between_items = VARIATION[variation]
    arms, items, studies = 8, 150, STUDIES
    rng = np.random.default_rng(1)
    hits = total = 0
    for _ in range(studies):
        common = rng.normal(0, 0.02, 2)
        shift = rng.normal(0, between_items, (arms + 1, items))
        share = 0.7 + shift[:, None] + common[:, None] + rng.normal(0, between_seeds, (arms + 1, 2, 1))
        table = {
            str(arm): [as_predictions(p[:, None] > rng.random((2, items)).T) for p in share[arm]]
            for arm in range(arms + 1)
        }
        result = bootstrap.differences(table, [("0", str(arm)) for arm in range(1, arms + 1)], resamples=400)
        hits += sum(estimate.low <= 0 <= estimate.high for estimate in result.values())
        total += arms
    assert 0.92 <= hits / total <= 0.995


def test_several_differences_know_their_own_values():
    rng = np.random.default_rng(5)
    arms = {name: runs(rng, share, 2) for name, share in (("a", 0.6), ("b", 0.7), ("c", 0.9))}
    result = bootstrap.differences(arms, [("a", "b"), ("a", "c")], resamples=2000)
    for (before, after), estimate in result.items():
        assert estimate.value == pytest.approx(
            bootstrap.difference(arms[before], arms[after], resamples=100).value
        )
        assert estimate.low < estimate.value < estimate.high
    assert result["a", "c"].verdict is Verdict.BETTER
    assert bootstrap.differences(arms, []) == {}


def _clipped_mean(mean: float, deviation: float, limit: float) -> float:
    points = mean + deviation * norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    return float(points.clip(-limit, limit).mean())


def test_one_seed_gives_the_interval_of_its_items():
    """For one run and one language it is the bootstrap of a mean, whose standard error is known."""
    rng = np.random.default_rng(4)
    before, after = rng.random((2, 500, 1)) < 0.7
    result = bootstrap.difference([as_predictions(before)], [as_predictions(after)])
    error = (after.astype(int) - before.astype(int)).std() / 500**0.5
    assert result.high - result.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert result.detectable == pytest.approx(2.80 * error, rel=0.05)  # 1.96 + 0.84


def test_without_differences_between_items_the_interval_is_that_of_student():
    """Every item alike, so that only seeds vary: scipy's t interval of the means of the seeds."""
    means = np.array([0, 1, 1, 0, 1, 1])
    before = [as_predictions(np.zeros((40, 2))) for _ in means]
    after = [as_predictions(np.full((40, 2), mean)) for mean in means]
    result = bootstrap.difference(before, after, resamples=100_000)
    expected = ttest_1samp(means, 0)
    low, high = expected.confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx((low, min(high, 1.0)), abs=0.02)
    assert result.p == pytest.approx(expected.pvalue, abs=0.005)


RIGHT = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(RIGHT)
@settings(deadline=None)
def test_mcnemar_agrees_with_statsmodels(pairs):
    both = np.array(pairs)
    table = [
        [int(((both[:, 0] == a) & (both[:, 1] == b)).sum()) for b in (True, False)] for a in (True, False)
    ]
    p = sign_test(table[0][1], table[1][0])
    assert p == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_agrees_with_statsmodels(p_values):
    result = holm({str(number): p for number, p in enumerate(p_values)})
    assert list(result) == [str(number) for number in range(len(p_values))]
    with mock.patch("gc.collect"):  # which it calls each time, and which takes longer than all else
        expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(list(result.values()), expected, atol=1e-12)


def test_runs_that_cannot_be_compared():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="same number of runs"):
        bootstrap.difference(runs(rng, 0.6, 2), runs(rng, 0.7, 3))
    with pytest.raises(ValueError, match="same number of runs"):
        bootstrap.difference([], [])
    with pytest.raises(ValueError, match="same test rows"):
        bootstrap.difference(runs(rng, 0.6, 1), runs(rng, 0.7, 1, items=10))


def test_the_items_of_a_page_are_drawn_once():
    item_counts.cache_clear()
    rng = np.random.default_rng(0)
    for share in (0.6, 0.7, 0.8):
        bootstrap.mean_score(runs(rng, share, 3), resamples=200)
    assert item_counts.cache_info().misses == 1


@given(
    st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1), st.integers(1, 4), st.sampled_from([5, 20, 60])
)
@settings(max_examples=40, deadline=None)
def test_a_contrast_of_gains_lies_in_its_interval_up_to_two(seed, gain, other, seeds, items):
    """A gain in one language and a loss in another differ by up to two."""
    rng = np.random.default_rng(seed)

    def runs_with(first: float, second: float) -> list[pd.DataFrame]:
        shares = np.array([first, second])
        return [as_predictions(rng.random((items, 2)) < shares) for _ in range(seeds)]

    with mock.patch.object(bootstrap, "RESAMPLES", 500):
        contrast = bootstrap.interaction(runs_with(0, other), runs_with(gain, 0), ("a", "b"))
    assert contrast and -2 <= contrast.low <= contrast.value <= contrast.high <= 2


def test_the_largest_contrast_of_gains_is_two():
    perfect, useless = np.ones((20, 1), bool), np.zeros((20, 1), bool)
    before, after = (
        [as_predictions(np.hstack(columns))] * 3 for columns in ((useless, perfect), (perfect, useless))
    )
    contrast = bootstrap.interaction(before, after, ("a", "b"))
    assert contrast and contrast.value == contrast.high == 2 and 1 < contrast.low <= 2


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0]), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_the_interval_of_a_score_stays_between_zero_and_one(seed, accuracy, seeds):
    score = bootstrap.mean_score(runs(np.random.default_rng(seed), accuracy, seeds, items=20), resamples=500)
    assert 0 <= score.low <= score.value <= score.high <= 1
