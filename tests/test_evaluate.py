"""Tables from predictions, against independent calculations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import make_arms, make_run, predictions
from scipy.stats import entropy
from sklearn.metrics import accuracy_score, confusion_matrix

from kdbook import evaluate, profile, stats, tables
from kdbook.data import corpus, word_overlap

ROWS = st.lists(st.tuples(st.sampled_from(["en", "de"]), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)


@given(ROWS)
def test_accuracy_and_confusion_agree_with_scikit_learn(rows):
    frame = predictions(rows)
    found = evaluate.accuracy(frame)
    assert found["all"] == pytest.approx(accuracy_score(frame["label"], frame["prediction"]))
    for language, part in frame.groupby("language"):
        assert found[language] == pytest.approx(accuracy_score(part["label"], part["prediction"]))
    expected = confusion_matrix(frame["label"], frame["prediction"], labels=[0, 1])
    assert evaluate.confusion(frame, "01").to_numpy().tolist() == expected.tolist()
    assert all(type(value) is float for value in found.values())  # NumPy's floats break formats in glued text


def test_summary_is_the_mean_over_the_runs(tmp_path):
    first = make_run(tmp_path, "baseline-0", predictions([("en", 1, 1), ("de", 1, 0)]))
    second = make_run(tmp_path, "baseline-1", predictions([("en", 1, 1), ("de", 1, 1)]))
    row = evaluate.summary({"baseline": [first, second]}).loc["baseline"]
    assert (row["en"], row["de"], row["all"]) == (1.0, 0.5, 0.75)
    assert (row[tables.FIT], row[tables.TOTAL], row[tables.BACKBONE], row["runs"]) == (10.5, 2.0, 0.5, 2)
    assert evaluate.spread({"baseline": [first, second]}).loc["baseline", "all"] == "0.500 to 1.000"


def test_a_contrast_pairs_the_seeds_that_both_have(tmp_path):
    before = [make_run(tmp_path, f"b-{seed}", predictions([("en", 1, right)])) for seed, right in ((0, 0), (1, 1))]
    after = [make_run(tmp_path, f"d-{seed}", predictions([("en", 1, 1)])) for seed in (1, 0, 2)]
    assert evaluate.contrast(before, after).value == 0.5
    assert evaluate.contrast(before[1:], after).value == 0.0


def test_every_distilled_run_is_compared_with_its_own_teacher(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    assert [run.record["identity"]["seed"] for run in evaluate.teachers_of(arms)] == [0, 1, 0, 1, 0]
    copies = arms | {
        "distilled": [_copy(tmp_path, run, its) for run, its in zip(arms["distilled"], evaluate.teachers_of(arms), strict=True)]
    }
    faithful = evaluate.fidelity(copies).loc["distilled"]
    assert faithful[["agreement (test)", "where it errs", "agreement (train)"]].tolist() == [1, 1, 1]
    assert faithful[["divergence (test)", "divergence (train)"]].tolist() == [0, 0]
    assert evaluate.agreement_gain(copies).direction == 1
    assert evaluate.by_teacher(arms)["students"].tolist() == [3, 2]


def _copy(folder, student, teacher):
    """A student that says exactly what its teacher says."""
    return make_run(folder / "copies", student.record["name"], teacher.predictions, teacher.record["name"])


def test_fidelity_agrees_with_scipy_and_scikit_learn(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=1)
    teacher, student = arms["teacher"][0].predictions, arms["distilled"][0].predictions
    found = evaluate.fidelity(arms).loc["distilled"]
    assert found["agreement (test)"] == pytest.approx(accuracy_score(teacher["prediction"], student["prediction"]))
    errs = teacher["prediction"] != teacher["label"]
    assert found["where it errs"] == pytest.approx(accuracy_score(teacher["prediction"][errs], student["prediction"][errs]))
    p, q = (np.stack([1 - frame["probability"], frame["probability"]]) for frame in (teacher, student))
    assert found["divergence (test)"] == pytest.approx(entropy(p, q).mean())


def test_contrasts_are_adjusted_for_their_number(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, same=0.7)
    found = evaluate.contrasts(arms, [("baseline", "distilled"), ("same", "distilled")])
    assert list(found.index) == ["distilled − baseline", "distilled − same"]
    assert (found["adjusted"] >= found["p"]).all()
    assert list(evaluate.contrasts_table(found)["seeds"]) == [5, 5]
    assert evaluate.contrasts_table(evaluate.contrasts(arms, [])).empty


def test_the_overview_carries_intervals(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    table = evaluate.overview(arms)
    assert table.loc["all"].str.fullmatch(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]").all()
    assert table.loc["all", "baseline"].startswith(f"{evaluate.summary(arms).loc['baseline', 'all']:.3f} ")


def test_accuracy_by_edit_adds_up_to_accuracy(smoke):
    arms = {arm: smoke.runs(arm) for arm in ("teacher", "baseline")}
    table = evaluate.by_edit(arms, smoke.data)
    overall = (table["baseline"] * table["pairs"]).sum() / table["pairs"].sum()
    assert table["pairs"].sum() == len(smoke.data["test"])
    assert overall == pytest.approx(evaluate.summary(arms).loc["baseline", "all"])


def test_disagreements_are_rows_with_different_answers(smoke):
    arms = {arm: smoke.run(arm) for arm in ("teacher", "baseline")}
    table = evaluate.disagreements(arms, smoke.data, "en")
    assert ((table["teacher"] > 0.5) != (table["baseline"] > 0.5)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_share_of_sure_counts_both_ends(probabilities):
    found = evaluate.share_of_sure(pd.DataFrame({"probability": probabilities}))
    assert found["within 0.1"] == sum(min(p, 1 - p) <= 0.1 for p in probabilities) / len(probabilities)
    assert found.is_monotonic_decreasing


def test_word_overlap():
    pairs = pd.DataFrame({"sentence1": ["A b c.", "x"], "sentence2": ["c b A.", "y"]})
    assert word_overlap(pairs).tolist() == [1.0, 0.0]


def test_generated_pairs_share_most_words_whatever_the_label():
    frame = corpus.generate({"train": 500}, 0)["train"]
    means = word_overlap(frame).groupby(frame["label"]).mean()
    assert abs(means[0] - means[1]) < 0.25 and means.min() > 0.5


def test_settings_table_is_markdown():
    assert evaluate.settings_table(profile.load("smoke").hyperparameters).startswith("| setting | value |\n|---|---|\n| `model.")


def test_twice_as_fine_takes_four_times_the_rows():
    found = stats.Estimate(0.0, -0.05, 0.05, 1.0)
    table = evaluate.rows_needed(found, 100, (found.detectable, found.detectable / 2))
    assert table["test rows"].tolist() == [100, 400]
