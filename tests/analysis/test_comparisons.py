"""Tables from predictions, against independent calculations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import make_arms, make_run, predictions
from sklearn.metrics import accuracy_score, confusion_matrix

from kdbook.analysis import comparisons, estimates, spread, tables
from kdbook.analysis.metrics import accuracy, confidence_shares, confusion
from kdbook.data.generated import corpus
from kdbook.data.statistics import word_overlap
from kdbook.settings import profile
from kdbook.study.arms import Arms

ROWS = st.lists(
    st.tuples(st.sampled_from(["en", "de"]), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30
)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_accuracy_and_confusion_agree_with_scikit_learn(rows):
    frame = predictions(rows)
    result = accuracy(frame)
    assert result["all"] == pytest.approx(accuracy_score(frame["label"], frame["prediction"]))
    for language, part in frame.groupby("language"):
        assert result[language] == pytest.approx(accuracy_score(part["label"], part["prediction"]))
    expected = confusion_matrix(frame["label"], frame["prediction"], labels=[0, 1])
    assert confusion(frame, "01").to_numpy().tolist() == expected.tolist()
    assert all(
        type(value) is float for value in result.values()
    )  # NumPy's floats break formats in glued text


def test_summary_is_the_mean_over_the_runs(tmp_path):
    first = make_run(tmp_path, "baseline-0", predictions([("en", 1, 1), ("de", 1, 0)]))
    second = make_run(tmp_path, "baseline-1", predictions([("en", 1, 1), ("de", 1, 1)]))
    row = tables.summary_table(Arms({"baseline": [first, second]})).loc["baseline"]
    assert (row["en"], row["de"], row["all"]) == (1.0, 0.5, 0.75)
    assert (row[tables.FIT], row[tables.TOTAL], row[tables.BACKBONE], row["runs"]) == (10.5, 2.0, 0.5, 2)
    variation = spread.range_table(Arms({"baseline": [first, second]})).loc["baseline"]
    assert (variation["smallest"], variation["median"], variation["mean"], variation["largest"]) == (
        0.5,
        0.75,
        0.75,
        1.0,
    )
    assert (variation["interquartile mean"], variation["runs"]) == (0.75, 2)


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
    assert list(tables.differences_table(result)["seeds"]) == [5, 5]
    assert tables.differences_table(comparisons.differences_between(arms, [])).empty


def test_the_overview_carries_intervals(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    table = tables.overview_table(arms)
    assert table.loc["all"].str.fullmatch(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]").all()
    assert table.loc["all", "baseline"].startswith(
        f"{tables.summary_table(arms).loc['baseline', 'all']:.3f} "
    )


def test_accuracy_by_edit_adds_up_to_accuracy(smoke):
    arms = smoke.get_or_train_arms("teacher", "baseline")
    table = tables.edit_table(arms, smoke.data)
    overall = (table["baseline"] * table["pairs"]).sum() / table["pairs"].sum()
    assert table["pairs"].sum() == len(smoke.data["test"])
    assert overall == pytest.approx(tables.summary_table(arms).loc["baseline", "all"])


def test_disagreements_are_rows_with_different_answers(smoke):
    arms = {arm: smoke.get_or_train(arm) for arm in ("teacher", "baseline")}
    table = tables.disagreement_table(arms, smoke.data, "en")
    assert ((table["teacher"] > 0.5) != (table["baseline"] > 0.5)).all()


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


def test_settings_table_is_markdown():
    assert tables.markdown_table(profile.load("smoke").hyperparameters).startswith(
        "| setting | value |\n|---|---|\n| `model."
    )


def test_twice_as_fine_takes_four_times_the_rows():
    result = estimates.Estimate(0.0, -0.05, 0.05, 1.0)
    table = comparisons.rows_needed(result, 100, (result.detectable, result.detectable / 2))
    assert table["test rows"].tolist() == [100, 400]
