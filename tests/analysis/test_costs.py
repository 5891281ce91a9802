"""Costs are those of the records."""

import pytest
from runs import make_arms

from kdbook.analysis import costs


def test_a_share_of_all_teachers_falls_on_every_student_that_learns_from_one(tmp_path):
    table = costs.training(make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=4))
    assert table.loc["distilled", "share of teachers"] == pytest.approx((10 + 11) / 4)
    assert table.loc["baseline", "share of teachers"] == 0
    assert (table["in all"] == table["fit"] + table["share of teachers"]).all()


def test_serving_and_latency(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    row = costs.serving(arms).loc["baseline"]
    assert (row["parameters (M)"], row["backbone (M)"], row["disk (MB)"], row["forward 32 (ms)"]) == (
        2.0,
        0.5,
        3.0,
        2.0,
    )
    table = costs.score_and_latency(arms)
    assert len(table) == 12 and set(table["milliseconds"]) == {4.0}
    assert costs.seconds_per_row(arms["baseline"][0]) == pytest.approx(0.004 / 32)
