"""A rehearsal takes real steps with the encoders of the study."""

import pytest
from helpers import kdbook

from kdbook.errors import KdbookError
from kdbook.execution import plan, rehearsal
from kdbook.execution.rehearsal import Rehearsal
from kdbook.settings import profile
from kdbook.settings.arms import MAIN_ARMS
from kdbook.store.local import Store
from kdbook.study.study import Study


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(profile.load("smoke"), Store(tmp_path))


@pytest.mark.training
def test_the_main_arms_take_finite_steps(study):
    messages: list[str] = []
    measured = rehearsal.rehearse(study, messages.append)
    assert [one.arm for one in measured] == list(MAIN_ARMS) and len(messages) == 4
    assert all(one.seconds > 0 and one.loss == one.loss and one.memory > 0 for one in measured)
    rows = plan.rows_of(study)
    assert [one.steps for one in measured] == [plan.steps(study.spec(arm), rows) for arm in MAIN_ARMS]
    assert measured[0].hours == pytest.approx(measured[0].steps * measured[0].seconds / 3600)
    assert not list(study.store.keys())


def test_all_runs_take_their_steps_at_the_pace_that_was_measured(study):
    seconds = dict(zip(MAIN_ARMS, (8.0, 1.0, 2.0, 2.0), strict=True))
    measured = [Rehearsal(arm, 1, each, 0.5, 1, 1.0, 1.0) for arm, each in seconds.items()]
    rows = plan.rows_of(study)
    expected = 0.0
    for spec in study.specs.values():
        if not spec.is_linear:
            pace = seconds.get(spec.arm, 2.0 if spec.teacher else 1.0)
            expected += plan.steps(spec, rows) * pace
    assert rehearsal.hours_of_all_runs(study, measured) == pytest.approx(expected / 3600)


@pytest.mark.training
def test_a_loss_that_is_not_finite_is_reported(study, monkeypatch):
    watch = rehearsal._step_recorder

    def broken():
        watching = watch()
        watching.losses = [float("nan")]
        return watching

    monkeypatch.setattr(rehearsal, "_step_recorder", broken)
    with pytest.raises(KdbookError, match="a loss of the teacher is not finite"):
        rehearsal.rehearse(study, lambda line: None)


@pytest.mark.training
def test_the_command_prints_what_it_measured_and_trains_no_run(tmp_path):
    done = kdbook("run", "--profile", "smoke", "--rehearse", store=tmp_path)
    assert "teacher: 4 steps of embedded:teacher" in done.stderr and "peak GB" in done.stdout
    assert "the steps of all" in done.stderr
    assert not list(tmp_path.iterdir())
