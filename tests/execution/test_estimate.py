"""Estimates hold what they are made of, and what was measured takes their place."""

import json

import pytest
from helpers import kdbook_here

from kdbook.encoders import hub_configs
from kdbook.execution import estimate
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.specs import expand
from kdbook.study.study import Study


@pytest.fixture
def full(tmp_path) -> Study:
    return Study(profile.load("pawsx"), Store(tmp_path))


@pytest.mark.parametrize("arm", ["teacher", "student"])
def test_a_shape_is_that_of_the_fitted_model_without_its_head(smoke, arm):
    size = estimate.size_of(f"embedded:{arm}")
    run = smoke.get_or_train("teacher" if arm == "teacher" else "baseline")
    head = 2 * (size.width + 1)
    assert size.parameters + head == run.measurements.parameters.total
    assert size.backbone + head == run.measurements.parameters.backbone


def test_published_shapes_have_the_published_sizes():
    """He et al. (2023) and Wang et al. (2021): 86 and 10.6 million parameters without embeddings, 190 and 96 million in them."""
    teacher, student = (estimate.size_of(name) for name in hub_configs.CONFIGURATIONS)
    assert 85e6 < teacher.backbone < 87e6 and 277e6 < teacher.parameters < 279e6
    assert 10.5e6 < student.backbone < 11e6 and 106e6 < student.parameters < 108e6


def test_the_full_study_counts_its_rows_and_runs(full):
    assert estimate.rows_per_split(full.profile.data) == {"train": 98_802, "validation": 4_000, "test": 4_000}
    zero_shot = profile.load("pawsx-zero-shot").data
    assert estimate.rows_per_split(zero_shot) == {"train": 49_401, "validation": 2_000, "test": 14_000}
    arms = {arm.name: arm for arm in estimate.estimate(full, "A100").arms}
    assert sum(arm.runs for arm in arms.values()) == len(full.specs) - 1  # the linear model takes seconds
    assert not any(arm.measured for arm in arms.values())
    assert arms["teacher"].hours > 3 * arms["baseline"].hours > 0
    assert arms["longer"].hours == pytest.approx(1.5 * arms["baseline"].hours, rel=0.05)
    quicker = {arm.name: arm for arm in estimate.estimate(full, "H100").arms}
    assert quicker["teacher"].hours < arms["teacher"].hours


def test_more_gpus_take_less_time_but_not_less_than_the_longest_runs(full):
    arms = estimate.estimate(full, "A100").arms
    walls = [estimate.wall_hours(full.profile, arms, gpus) for gpus in (1, 2, 4, 1000)]
    assert walls == sorted(walls, reverse=True)
    assert walls[0] == pytest.approx(sum(arm.runs * arm.hours for arm in arms))
    assert walls[-1] == pytest.approx(max(arm.hours for arm in arms if arm.name != "teacher") + arms[0].hours)
    assert estimate.side_by_side(full.profile, 4) == (4, 8)


def test_measured_times_take_the_place_of_estimates(smoke_store, smoke):
    said = json.loads(kdbook_here("plan", "--profile", "smoke", "--json", store=smoke_store).stdout)
    arms = {arm["name"]: arm for arm in said["arms"]}
    assert all(arm["measured"] for arm in arms.values())
    seconds = [run.measurements.seconds for run in smoke.get_or_train_arms("baseline")["baseline"]]
    assert arms["baseline"]["hours"] * 3600 == pytest.approx(sum(seconds) / len(seconds))


def test_the_command_names_what_it_knows(tmp_path):
    assert (
        "there is no figure for the GPU 'abacus'. Choose from: T4"
        in kdbook_here("plan", "--gpu", "abacus", store=tmp_path, expect=1).stderr
    )
    done = kdbook_here("plan", "--profile", "pawsx", store=tmp_path)
    assert f"{len(expand(profile.load('pawsx'))) - 1} runs" in done.stderr and "estimated" in done.stdout
