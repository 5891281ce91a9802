"""One typical variance for the arms of a table: alike widths, honest coverage, and unstable arms that are named."""

import math

import helpers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kdbook.stats.moderation import Spread, seed_error, spreads

STUDIES = 5 * helpers.STUDIES


def half_widths(scores: np.ndarray, reference: int = 0) -> np.ndarray:
    """Half of each 95% interval of an arm minus the reference, by Student's t."""
    found = list(spreads(dict(enumerate(scores))).values())
    errors = [seed_error(found[reference], each, scores.shape[1]) for each in found]
    widths = [error * stats.t.ppf(0.975, freedom) for error, freedom in errors]
    return np.delete(widths, reference)


def drawn(rng, deviations, means, seeds) -> np.ndarray:
    """Scores of arms, shape (arms, seeds), whose runs of one seed have something in common."""
    noise = rng.normal(0, 1, (len(deviations), seeds)) * np.array(deviations)[:, None]
    return np.array(means)[:, None] + rng.normal(0, 1, (1, seeds)) + noise


def test_eight_equal_arms_of_three_seeds_have_intervals_of_alike_width_and_find_a_large_difference():
    rng, ratios, found = np.random.default_rng(0), [], 0
    means = [0, -16, 6, 0, 0, 0, 0, 0]
    for _ in range(STUDIES):
        scores = drawn(rng, [1.5] * 8, means, 3)
        widths = half_widths(scores)
        ratios.append(widths.max() / widths.min())
        found += scores[0].mean() - scores[1].mean() > widths[0]
    assert np.median(ratios) <= 1.5
    assert found / STUDIES >= 0.98


@pytest.mark.parametrize(
    ("deviations", "seeds", "least"),
    [
        ([1.5] * 8, 2, 0.93),
        ([1.5] * 8, 3, 0.93),
        ([0.5] * 7 + [5], 3, 0.93),
        ([5] + [0.5] * 7, 3, 0.93),
        ([0.5] * 7 + [1.5], 3, 0.93),
        ([0.5] * 7 + [5], 2, 0.93),
        ([5] + [0.5] * 7, 2, 0.83),  # an unstable reference can look stable with two seeds
    ],
    ids=str,
)
def test_intervals_cover_whatever_arm_is_unstable(deviations, seeds, least):
    rng, covered = np.random.default_rng(1), []
    for _ in range(STUDIES):
        scores = drawn(rng, deviations, [0] * len(deviations), seeds)
        differences = scores[1:].mean(axis=1) - scores[0].mean()
        covered += list(np.abs(differences) <= half_widths(scores))
    assert np.mean(covered) >= least - 2 * math.sqrt(least * (1 - least) / STUDIES)


def test_an_arm_that_differs_far_more_between_seeds_is_named_and_the_others_are_not():
    scores = {"a": [0.70, 0.71, 0.72], "b": [0.80, 0.81, 0.83], "c": [0.60, 0.62, 0.62]}
    found = spreads({**scores, "d": [0.9, 0.4, 0.7]})
    assert [name for name, spread in found.items() if spread.unstable] == ["d"]
    assert found["d"].freedom == 2 and found["a"].freedom > 2
    assert not any(spread.unstable for spread in spreads(scores).values())


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.floats(0, 0.1),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_spreads_are_numbers_whatever_the_table(arms, seeds, deviation, seed):
    table = np.random.default_rng(seed).normal(0.7, 1, (arms, seeds)) * deviation
    found = spreads({str(arm): list(row) for arm, row in enumerate(table)})
    assert list(found) == [str(arm) for arm in range(arms)]
    for spread in found.values():
        assert math.isfinite(spread.variance) and spread.variance >= 0
        assert 0 <= spread.freedom <= max(2 + seeds, (arms - 1) * (seeds - 1))
    error, freedom = seed_error(found["0"], found[str(arms - 1)], seeds)
    assert math.isfinite(error) and math.isfinite(freedom)


def test_two_arms_have_the_paired_t_test():
    rng = np.random.default_rng(2)
    first, second = rng.normal(0, 1, (2, 5))
    found = spreads({"a": list(first), "b": list(second)})
    error, freedom = seed_error(found["a"], found["b"], 5)
    assert error == pytest.approx((second - first).std(ddof=1) / math.sqrt(5)) and freedom == 4
    assert stats.ttest_rel(second, first).statistic == pytest.approx((second - first).mean() / error)


def test_one_seed_tells_nothing():
    assert spreads({"a": [0.7], "b": [0.9]}) == {"a": Spread(0, 0), "b": Spread(0, 0)}
    assert spreads({}) == {}
