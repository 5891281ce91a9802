"""Tables from predictions, against independent calculations."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from kdbook import evaluate, profile
from kdbook.data import corpus, word_overlap
from kdbook.store import HISTORY, PREDICTIONS, RECORD, Run

ROWS = st.lists(st.tuples(st.sampled_from(["en", "de"]), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)


def predictions(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["language", "label", "prediction"])
    return frame.assign(id=range(len(frame)), probability=frame["prediction"] * 0.8 + 0.1)


@given(ROWS)
def test_accuracy_and_confusion_agree_with_scikit_learn(rows):
    frame = predictions(rows)
    found = evaluate.accuracy(frame)
    assert found["all"] == pytest.approx(accuracy_score(frame["label"], frame["prediction"]))
    for language, part in frame.groupby("language"):
        assert found[language] == pytest.approx(accuracy_score(part["label"], part["prediction"]))
    assert evaluate.confusion(frame).to_numpy().tolist() == confusion_matrix(frame["label"], frame["prediction"], labels=[0, 1]).tolist()
    assert all(type(value) is float for value in found.values())  # NumPy's floats break formats in glued text


@pytest.fixture
def make_run(tmp_path):
    def make(name: str, seed: int, rows) -> Run:
        path = tmp_path / name
        path.mkdir()
        predictions(rows).to_parquet(path / PREDICTIONS)
        pd.DataFrame({"epoch": [1], "seconds": [1.0], "train_loss": [1.0], "validation_accuracy": [0.5]}).to_parquet(path / HISTORY)
        record = {
            "name": name,
            "identity": {"seed": seed},
            "fit_seconds": 10.0 + seed,
            "predict_seconds": {"all": 2.0},
            "parameters": {"total": 2_000_000, "embeddings": 1_500_000, "backbone": 500_000},
        }
        (path / RECORD).write_text(json.dumps(record))
        return Run(path)

    return make


def test_summary_is_the_mean_over_the_runs(make_run):
    first = make_run("b0", 0, [("en", 1, 1), ("de", 1, 0)])
    second = make_run("b1", 1, [("en", 1, 1), ("de", 1, 1)])
    row = evaluate.summary({"baseline": [first, second]}).loc["baseline"]
    assert (row["en"], row["de"], row["all"]) == (1.0, 0.5, 0.75)
    assert (row[evaluate.FIT], row[evaluate.TOTAL], row[evaluate.BACKBONE], row["runs"]) == (10.5, 2.0, 0.5, 2)
    assert evaluate.spread({"baseline": [first, second]}).loc["baseline", "all"] == "0.500 to 1.000"


def test_differences_pair_the_seeds(make_run):
    before = [make_run("b0", 0, [("en", 1, 0)]), make_run("b1", 1, [("en", 1, 1)])]
    after = [make_run("d1", 1, [("en", 1, 1)]), make_run("d0", 0, [("en", 1, 1)]), make_run("d2", 2, [("en", 1, 1)])]
    assert evaluate.paired_differences(before, after).to_dict() == {0: 1.0, 1: 0.0}


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
