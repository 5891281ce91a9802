"""Forecasts are compared with the truth in simulated trainings; what nothing measured is not forecast."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kdbook.execution.forecast import ENOUGH, Forecast, PlannedRun, duration

TEACHER_SECONDS, STUDENT_SECONDS = 800.0, 25.0
TEACHERS, STUDENTS = 3, 20


def study(measured: bool = False) -> list[PlannedRun]:
    """Teachers, students of the same encoder with once, twice and three times the work, and a linear model."""
    teachers = [PlannedRun(f"teacher-{n}", None, "large", 100.0, None) for n in range(TEACHERS)]
    students = [
        PlannedRun(f"student-{n}", f"teacher-{n % 3}" if n % 2 else None, "small", 100.0 * (1 + n % 3), None)
        for n in range(STUDENTS)
    ]
    linear = PlannedRun("linear-0", None, "linear", 0.0, 0.0)
    runs = [*teachers, *students, linear]
    return [replace(run, measured=truth(run)) for run in runs] if measured else runs


def truth(run: PlannedRun) -> float:
    """Seconds that a run really takes."""
    return {"large": TEACHER_SECONDS, "small": STUDENT_SECONDS, "linear": 0.0}[run.encoder] * run.work / 100


def simulated(
    forecast: Forecast, jobs: int, elsewhere: frozenset[str] = frozenset()
) -> Iterator[tuple[float, dict[str, float]]]:
    """Train the runs of a forecast: yields the time now, and when each run ended, after every report.

    A tenth of each run passes before its first step, and a tenth after its last. Runs ``elsewhere`` are
    trained by another process, and report nothing.
    """
    rng = random.Random(0)
    waiting, begun, ends = list(forecast.runs.values()), {}, {}
    now = 0.0
    while waiting or begun:
        for run in [run for run in waiting if run.teacher is None or run.teacher in ends]:
            if len(begun) < jobs:
                waiting.remove(run)
                begun[run.name] = now
                forecast.progress(run.name, 0.0, 0.0)
        now += 1.0
        for name, start in list(begun.items()):
            total, taken = truth(forecast.runs[name]), now - start
            if taken >= total:
                ends[name] = now
                del begun[name]
                forecast.finish(name, None if name in elsewhere else taken)
            elif name not in elsewhere and taken > 0.1 * total:
                done = min(1.0, (taken / total - 0.1) / 0.8)
                forecast.progress(name, done * rng.uniform(0.98, 1.0), min(taken, 0.9 * total))
        yield now, ends


def near(left: float, true: float) -> bool:
    """Off by a fifth, and by what a teacher still does after its fit, at most."""
    return abs(left - true) <= 0.2 * true + 0.1 * TEACHER_SECONDS


def forecasts(runs, jobs, **settings) -> tuple[list[tuple[float, float, int]], dict[str, float]]:
    """Times, forecasts and numbers of runs that were not forecast, and when each run really ended."""
    forecast = Forecast(runs, jobs)
    shown = []
    truly: dict[str, float] = {}
    for now, ends in simulated(forecast, jobs, **settings):
        if now % 5 == 0:
            shown.append((now, *forecast.seconds_left()))
        truly = ends
    return shown, truly


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize("measured", [False, True])
def test_a_forecast_of_all_runs_is_near_the_truth(jobs, measured):
    shown, ends = forecasts(study(measured), jobs)
    end = max(ends.values())
    whole = [(left, end - now) for now, left, unknown in shown if not unknown]
    assert len(whole) == len(shown) if measured else len(whole) > 100
    assert all(near(*each) for each in whole)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_before_a_student_was_measured_only_the_teachers_are_forecast(jobs):
    shown, ends = forecasts(study(), jobs)
    end = max(seconds for name, seconds in ends.items() if name.startswith("teacher"))
    early = [(left, end - now) for now, left, unknown in shown if unknown == STUDENTS and left]
    assert jobs == 4 or len(early) > 100
    assert all(near(*each) for each in early)


def test_nothing_is_forecast_before_a_run_has_come_some_way():
    shown, _ = forecasts(study(), 1)
    first = next(now for now, left, _ in shown if left)
    assert first >= ENOUGH * TEACHER_SECONDS
    assert near(max(left for _, left, _ in shown), TEACHERS * TEACHER_SECONDS)


def test_runs_trained_by_others_are_finished_and_measure_nothing():
    names = frozenset(f"student-{n}" for n in range(0, STUDENTS, 2))
    shown, ends = forecasts(study(), 2, elsewhere=names)
    end = max(ends.values())
    assert all(near(left, end - now) for now, left, unknown in shown if not unknown)
    lone = Forecast([PlannedRun("a", None, "e", 1.0, None), PlannedRun("b", None, "e", 1.0, None)], 1)
    lone.finish("a", None)
    assert lone.seconds_left() == (0.0, 1)


def test_an_interrupted_run_is_judged_by_what_is_left_of_it():
    forecast = Forecast([PlannedRun("a", None, "e", 1.0, 30.0)], 1)  # of 100 seconds, 70 are done
    forecast.progress("a", 0.0, 0.0)
    assert forecast.seconds_left() == (30.0, 0)
    forecast.progress("a", 0.71, 71.0)
    forecast.progress("a", 0.72, 72.0)
    assert forecast.seconds_left() == (29.0, 0)
    forecast.progress("a", 0.81, 91.0)  # half as fast as before
    assert forecast.seconds_left() == (pytest.approx(38.0), 0)


def test_a_run_is_no_faster_on_more_jobs_and_students_follow_their_teacher():
    one = Forecast([PlannedRun("a", None, "e", 1.0, 100.0)], 8)
    assert one.seconds_left() == (100.0, 0)
    pair = Forecast([PlannedRun("t", None, "e", 1.0, 100.0), PlannedRun("s", "t", "f", 1.0, 10.0)], 8)
    assert pair.seconds_left() == (110.0, 0)


def test_words():
    forecast = Forecast(study(), 1)
    assert forecast.words() == "time left not measured yet"
    forecast.progress("teacher-0", 0.0003, 60.0)  # the first step comes after all is set up
    assert forecast.words() == "time left not measured yet"
    forecast.progress("teacher-0", 0.5003, 460.0)
    assert forecast.words() == "about 33 min left for 4 of 24 runs"
    forecast.progress("student-0", 0.1, 10)
    forecast.progress("student-0", 0.5, 20)
    assert forecast.words().endswith(" min left")


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "an unknown time"), (90, "about 90 s"), (600, "about 10 min")]
)
def test_duration(seconds, words):
    assert duration(seconds) == words
