"""The bootstrap agrees with what can be computed otherwise, and its intervals cover."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbook import stats


def run(right: np.ndarray) -> pd.DataFrame:
    """Predictions of a run, from a table of right answers (items, languages)."""
    items, languages = right.shape
    table = pd.DataFrame({"id": np.repeat(np.arange(items), languages), "language": np.tile([*"abcd"[:languages]], items), "label": 1})
    return table.assign(prediction=right.reshape(-1).astype(int))


def runs(rng: np.random.Generator, accuracy: float, seeds: int, items: int = 200) -> list[pd.DataFrame]:
    return [run(rng.random((items, 2)) < accuracy) for _ in range(seeds)]


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_values_are_differences_of_mean_accuracies_inside_their_intervals(seed, seeds):
    rng = np.random.default_rng(seed)
    teachers, baselines, distilled = runs(rng, 0.95, 1), runs(rng, 0.6, seeds), runs(rng, 0.7, seeds)
    found = stats.compare(teachers, baselines, distilled, resamples=500)
    means = [np.mean([(one["prediction"] == one["label"]).mean() for one in arm]) for arm in (teachers, baselines, distilled)]
    assert found.gain.value == pytest.approx(means[2] - means[1])
    assert found.gap.value == pytest.approx(means[0] - means[1])
    assert found.recovery and found.recovery.value == pytest.approx((means[2] - means[1]) / (means[0] - means[1]))
    for estimate in (found.gain, found.gap, found.recovery):
        assert estimate.low <= estimate.value <= estimate.high


def test_no_recovery_without_a_gap():
    rng = np.random.default_rng(0)
    assert stats.compare(runs(rng, 0.7, 1), runs(rng, 0.7, 3), runs(rng, 0.8, 3), resamples=500).recovery is None


def test_identical_arms_differ_by_nothing():
    rng = np.random.default_rng(0)
    same = runs(rng, 0.7, 3)
    gain = stats.compare(runs(rng, 0.9, 1), same, same, resamples=500).gain
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_an_item_counts_once_however_many_languages_repeat_it():
    """Four copies of a language tell no more than one, so the interval must not shrink."""
    rng = np.random.default_rng(1)
    single = [[rng.random((300, 1)) < share for _ in range(3)] for share in (0.9, 0.6, 0.7)]
    narrow, wide = (
        stats.compare(*[[run(np.repeat(right, copies, axis=1)) for right in arm] for arm in single], resamples=2000).gain
        for copies in (4, 1)
    )
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, rel=1e-6)


def test_more_items_narrow_the_interval():
    rng = np.random.default_rng(2)
    widths = []
    for items in (100, 1600):
        gain = stats.compare(*[runs(rng, share, 5, items) for share in (0.9, 0.6, 0.7)], resamples=2000).gain
        widths.append(gain.high - gain.low)
    assert widths[1] < 0.5 * widths[0]


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        gain = stats.compare(runs(rng, 0.9, 1), runs(rng, 0.6, 5), runs(rng, 0.65, 5), resamples=300).gain
        hits += gain.low <= 0.05 <= gain.high
    assert hits >= 88


def test_runs_that_cannot_be_compared():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="as many"):
        stats.compare(runs(rng, 0.9, 1), runs(rng, 0.6, 2), runs(rng, 0.7, 3))
    with pytest.raises(ValueError, match="same test rows"):
        stats.compare(runs(rng, 0.9, 1), runs(rng, 0.6, 1), runs(rng, 0.7, 1, items=10))
