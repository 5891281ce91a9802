"""Costs are those of the records."""

import pytest
from runs import make_arms, replaced

from kdbook.pages import sentences
from kdbook.stats import costs
from kdbook.stats.metrics import in_processor_time
from kdbook.store.run import RECORD, Run


def test_a_share_of_all_teachers_falls_on_every_student_that_learns_from_one(tmp_path):
    table = costs.training(make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=4))
    assert table.loc["distilled", "share of teachers"] == pytest.approx((10 + 11) / 4)
    assert table.loc["baseline", "share of teachers"] == 0
    assert (table["in all"] == table["fit"] + table["share of teachers"]).all()


def with_measurements(arms, tmp_path, **by_arm):
    """The arms with other measurements, those of an arm given by the number of the run."""
    changed = {}
    for arm, change in by_arm.items():
        for number, run in enumerate(arms[arm]):
            measurements = run.record.measurements.model_copy(update=change(number))
            record = run.record.model_copy(update={"measurements": measurements})
            (run.path / RECORD).write_text(record.model_dump_json())
        changed[arm] = [Run(run.path) for run in arms[arm]]
    return replaced(arms, **changed)


def known(arms) -> bool:
    return all(map(in_processor_time, arms.values()))


def test_processor_time_counts_where_all_runs_know_it(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7, seeds=4).main
    assert not known(arms) and "teacher outputs" not in costs.training(arms)
    measured = dict.fromkeys(("teacher", "baseline"), lambda _: {"processor_seconds": 20.0})
    some = with_measurements(arms, tmp_path, **measured)
    assert not known(some) and costs.training(some).loc["baseline", "fit"] < 20

    def first_of_each_teacher_pays(number):
        paid = 8.0 if number < 2 else 0.0
        return {"processor_seconds": 20.0 + paid, "teacher_seconds": paid}

    every = with_measurements(some, tmp_path, distilled=first_of_each_teacher_pays)
    table = costs.training(every)
    assert table.loc["distilled"].drop("pretraining").to_dict() == {
        "fit": 20.0,
        "teacher outputs": 2 * 8 / 4,
        "share of teachers": 2 * 20 / 4,
        "in all": 34.0,
    }
    assert table.loc["baseline", "teacher outputs"] == 0 and table.loc["baseline", "in all"] == 20
    sentence = sentences.price(every)
    assert "20 seconds of processor time" in sentence and "is not the price of distillation" in sentence
    assert "8 seconds or 29% of its time" in sentence


def test_seconds_per_row_are_those_of_the_largest_batch(tmp_path):
    arms = make_arms(tmp_path, 0.9, 0.6, 0.7)
    assert costs.seconds_per_row(arms["baseline"][0]) == pytest.approx(0.004 / 32)
