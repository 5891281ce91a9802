"""Tables show text as text and numbers as they are best read."""

import pandas as pd
import pytest
from runs import make_run, with_probabilities

from kdbook.analysis import spread, tables
from kdbook.data import TextData
from kdbook.study.arms import Arms


def test_what_looks_like_html_is_shown_as_text():
    frame = pd.DataFrame({"<b>sentence": ["<script>alert(1)</script>"]}, index=["<i>row"])
    html = tables.styled(frame).to_html()
    assert "<script" not in html and "<b>" not in html and "<i>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_numbers_are_rounded_and_rows_are_not_counted():
    frame = pd.DataFrame({"accuracy": [0.123456], tables.FIT: [12.3456]})
    html = tables.styled(frame).to_html()
    assert ">0.123<" in html and ">12.3<" in html and "row_heading" not in html
    assert ">0.1<" in tables.styled(frame, precision=1).to_html()
    assert "row_heading" in tables.styled(frame.set_axis(["run"])).to_html()


def test_an_ensemble_is_the_mean_of_the_probabilities(tmp_path):
    def run(number, of_one):
        frame = pd.DataFrame({"id": range(3), "language": "en", "label": [1, 1, 0]})
        predicted = frame.assign(prediction=[int(value > 0.5) for value in of_one])
        return make_run(tmp_path, f"baseline-{number}", with_probabilities(predicted, pd.Series(of_one)))

    arms = Arms({"baseline": [run(0, [0.9, 0.4, 0.4]), run(1, [0.4, 0.9, 0.7])]})
    row = spread.ensemble_table(arms).loc["baseline"]
    assert row["runs"] == 2 and row["mean of the runs"] == pytest.approx(1 / 2)
    assert row["ensemble"] == pytest.approx(2 / 3)  # 0.65, 0.65 and 0.55


def test_accuracy_by_kind_of_pair(tmp_path):
    test = pd.DataFrame({"id": range(4), "language": "en", "label": [0, 0, 0, 1]})
    test["edit"] = ["swapped names", "swapped places", "other year", "reordered"]
    frame = with_probabilities(test[["id", "language", "label"]].assign(prediction=[0, 1, 0, 0]), 0.5)
    data = TextData("generated", "paraphrase", ("en",), ("0", "1"), ("a", "b"), {}, {"test": test})
    arms = Arms({"baseline": [make_run(tmp_path, "baseline-0", frame)]})
    kinds = tables.kind_table(arms, data).loc["baseline"]
    assert kinds.to_dict() == {"swapped words": 0.5, "other edits": 1.0, "same meaning": 0.0}


def test_the_best_trials_of_a_profile_and_none_of_another():
    table = tables.tuning_table("embedded")
    assert {"teacher", "baseline", "distilled", "transfer"} <= set(table.index) and table[
        "trials"
    ].nunique() == 1
    assert (table["accuracy"] >= table["worst trial"]).all()
    assert tables.tuning_table("pawsx").empty
