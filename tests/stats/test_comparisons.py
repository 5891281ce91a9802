"""Tables from predictions, against independent calculations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import make_arms, make_run, predictions
from sklearn.metrics import accuracy_score

from kdbook.data.generated import corpus
from kdbook.data.statistics import word_overlap
from kdbook.pages import tables
from kdbook.stats import comparisons
from kdbook.stats.metrics import accuracy, confidence_shares
from kdbook.study.arms import Arms

ROWS = st.lists(
    st.tuples(st.sampled_from(["en", "de"]), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30
)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_accuracy_agrees_with_scikit_learn(rows):
    frame = predictions(rows)
    result = accuracy(frame)
    assert result["all"] == pytest.approx(accuracy_score(frame["label"], frame["prediction"]))
    for language, part in frame.groupby("language"):
        assert result[language] == pytest.approx(accuracy_score(part["label"], part["prediction"]))
    assert all(
        type(value) is float for value in result.values()
    )  # NumPy's floats break formats in glued text


def test_summary_is_the_mean_over_the_runs(tmp_path):
    first = make_run(tmp_path, "baseline-0", predictions([("en", 1, 1), ("de", 1, 0)]))
    second = make_run(tmp_path, "baseline-1", predictions([("en", 1, 1), ("de", 1, 1)]))
    row = tables.summary_table(Arms({"baseline": [first, second]})).loc["baseline"]
    assert (row["en"], row["de"], row["all"]) == (1.0, 0.5, 0.75)
    assert (row[tables.FIT], row[tables.TOTAL], row[tables.BACKBONE], row["runs"]) == (10.5, 2.0, 0.5, 2)


def test_a_contrast_pairs_the_seeds_that_both_have(tmp_path):
    before = [
        make_run(tmp_path, f"b-{seed}", predictions([("en", 1, right)])) for seed, right in ((0, 0), (1, 1))
    ]
    after = [make_run(tmp_path, f"d-{seed}", predictions([("en", 1, 1)])) for seed in (1, 0, 2)]
    assert comparisons.difference_between(before, after).value == 0.5
    assert comparisons.difference_between(before[1:], after).value == 0.0


def test_contrasts_are_adjusted_for_their_number(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, same=0.7)
    result = comparisons.differences_between(arms, [("baseline", "distilled"), ("same", "distilled")])
    assert list(result.index) == ["distilled − baseline", "distilled − same"]
    assert (result["adjusted"] >= result["p"]).all()
    assert list(result["seeds"]) == [5, 5]
    assert comparisons.differences_between(arms, []).empty


def test_the_overview_carries_intervals(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    table = tables.overview_table(arms)
    assert table.loc["all"].str.fullmatch(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]").all()
    assert table.loc["all", "baseline"].startswith(
        f"{tables.summary_table(arms).loc['baseline', 'all']:.3f} "
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_share_of_sure_counts_both_ends(probabilities):
    result = confidence_shares(
        pd.DataFrame({"probability_0": 1 - np.array(probabilities), "probability_1": probabilities})
    )
    assert result["within 0.1"] == sum(min(p, 1 - p) <= 0.1 for p in probabilities) / len(probabilities)
    assert result.is_monotonic_decreasing


def test_word_overlap():
    pairs = pd.DataFrame({"sentence1": ["A b c.", "x"], "sentence2": ["c b A.", "y"]})
    assert word_overlap(pairs).tolist() == [1.0, 0.0]


def test_generated_pairs_share_most_words_whatever_the_label():
    frame = corpus.generate({"train": 500}, 0)["train"]
    means = word_overlap(frame).groupby(frame["label"]).mean()
    assert abs(means[0] - means[1]) < 0.25 and means.min() > 0.5
