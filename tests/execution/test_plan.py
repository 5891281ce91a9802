"""A plan counts runs, rows and steps, and states hours and disk only where they were measured."""

import json
from statistics import mean

import pytest
from helpers import kdbook_here
from runs import make_record

from kdbook.execution import plan
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.specs import expand
from kdbook.study.study import Study


def put(study: Study, name: str, seconds: float) -> None:
    """Put a run of a profile into the store that took so long, without training it."""
    spec = study.specs[name]
    record = make_record(name, spec)
    measurements = record.measurements.model_copy(update={"seconds": seconds, "predictor_bytes": 5 * 10**8})
    with study.store.writing(record.identity.key) as directory:
        changes = {"measurements": measurements, "profile": study.profile.name}
        study.store.finish(directory, record.model_copy(update=changes))


def test_the_full_study_counts_its_rows_and_runs(tmp_path):
    full = Study(profile.load("pawsx"), Store(tmp_path))
    assert plan.rows_of(full) == {"train": 98_802, "validation": 4_000, "test": 4_000}
    zero_shot = profile.load("pawsx-zero-shot").data
    assert plan.rows_per_split(zero_shot) == {"train": 49_401, "validation": 2_000, "test": 14_000}
    arms = {arm.name: arm for arm in plan.arm_plans(full)}
    assert sum(arm.runs for arm in arms.values()) == len(full.specs) - 1  # the linear model takes seconds
    assert (arms["teacher"].rows, arms["teacher"].epochs, arms["teacher"].steps) == (98_802, 8, 8 * 3_088)
    assert arms["longer"].steps == 1.5 * arms["baseline"].steps
    assert {(arm.hours, arm.gigabytes) for arm in arms.values()} == {(None, None)}


@pytest.mark.parametrize("name", ["smoke", "embedded"])
def test_rows_are_counted_as_they_are_read(name, tmp_path):
    study = Study(profile.load(name), Store(tmp_path))
    assert plan.rows_of(study) == {split: len(rows) for split, rows in study.data.splits.items()}


@pytest.mark.training
def test_steps_of_a_fit_are_those_of_the_plan(tmp_path):
    study = Study(profile.load("smoke"), Store(tmp_path))
    reported: list[int] = []
    spec = study.specs["baseline-0"]
    study.train(spec, lambda progress: reported.append(progress.steps))
    assert set(reported) == {plan.steps(spec, plan.rows_of(study))} == {len(reported)}


def test_hours_and_disk_are_means_of_the_runs_in_the_store(tmp_path):
    study = Study(profile.load("smoke"), Store(tmp_path))
    seconds = {"baseline-0": 1800.0, "baseline-1": 5400.0}
    for name, each in seconds.items():
        put(study, name, each)
    shown = json.loads(kdbook_here("plan", "--profile", "smoke", "--json", store=tmp_path).stdout)
    arms = {arm["name"]: arm for arm in shown["arms"]}
    assert arms["baseline"]["hours"] == pytest.approx(mean(seconds.values()) / 3600)
    assert arms["baseline"]["gigabytes"] == pytest.approx(0.5)
    assert arms["teacher"]["hours"] is None
    done = kdbook_here("plan", "--profile", "smoke", store=tmp_path)
    assert "2.0 hours one run at a time, 1.0 GB on disk" in done.stderr
    assert "no measured run of teacher, distilled" in done.stderr


def test_without_a_run_the_command_names_the_one_that_measures(tmp_path):
    done = kdbook_here("plan", "--profile", "pawsx", store=tmp_path)
    assert f"{len(expand(profile.load('pawsx'))) - 1} runs" in done.stderr
    assert "kdbook run --rehearse --profile pawsx" in done.stderr and " hours" not in done.stderr
