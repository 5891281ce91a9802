"""Commands for the runs of a study."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from kdbook.cli.console import JsonOption, ProfileOption, print_json, print_table, say
from kdbook.execution import local, ray_cluster, schedule
from kdbook.execution.forecast import duration
from kdbook.execution.schedule import open_study
from kdbook.settings.data import ALL
from kdbook.store.location import project_root
from kdbook.study.status import RunStatus, State
from kdbook.website import chapters
from kdbook.website.chapters import ChapterStatus

if TYPE_CHECKING:
    from kdbook.execution.plan import ArmPlan


class Executor(StrEnum):
    """Where missing runs are trained."""

    LOCAL = "local"
    RAY = "ray"


def run(
    name: ProfileOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Runs to train at once; default: as cores and memory allow."
        ),
    ] = None,
    executor: Annotated[
        Executor,
        typer.Option(
            "--executor", help="local: this machine; ray: the cluster at RAY_ADDRESS, or a local one."
        ),
    ] = Executor.LOCAL,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Only take the first steps, and time them.")
    ] = False,
) -> None:
    """Train the runs of a profile that the store lacks."""
    if rehearse:
        _rehearse(name)
        return
    study = open_study(name)
    missing = study.to_train(study.specs.values())
    say(f"profile {study.profile.name}: {len(study.specs)} runs, {len(missing)} to train")
    for each in missing:
        say(f"  {each.name}: {each.state}, {each.reason}; takes {duration(each.seconds)}")
    if missing:
        workers = ray_cluster.ray_executor if executor is Executor.RAY else local.ProcessPool
        schedule.train_all(study, missing, workers, jobs or local.default_jobs(study.profile.threads))


def _rehearse(name: str | None) -> None:
    from kdbook.execution import rehearsal  # imports torch

    study = open_study(name)
    rehearsals = rehearsal.rehearse(study, say)
    rows = [
        {
            "arm": each.arm,
            "parameters (M)": f"{each.parameters / 1e6:.1f}",
            "s per step": f"{each.seconds:.2f}",
            "loss": f"{each.loss:.3f}",
            "steps per run": each.steps,
            "h per run": f"{each.hours:.1f}",
            "peak GB": f"{each.memory:.1f}",
        }
        for each in rehearsals
    ]
    print_table(rows, list(rows[0]))
    hours = rehearsal.hours_of_all_runs(study, rehearsals)
    say(f"the steps of all {len(study.specs)} runs take about {hours:.1f} hours here, one run at a time")


def plan(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Count the runs, rows and steps of a profile, and add up the hours and the disk that were measured.

    Trains nothing.
    """
    from kdbook.execution.plan import arm_plans  # imports pandas

    study = open_study(name)
    plans = arm_plans(study)
    if as_json:
        print_json({"profile": study.profile.name, "arms": list(map(asdict, plans))})
        return
    rows = list(map(_plan_row, plans))
    print_table(rows, list(rows[0]))
    say(f"{sum(arm.runs for arm in plans)} runs, {sum(arm.runs * arm.steps for arm in plans):,} steps")
    unmeasured = [arm.name for arm in plans if arm.hours is None]
    if len(unmeasured) < len(plans):
        hours = sum(arm.runs * (arm.hours or 0.0) for arm in plans)
        gigabytes = sum(arm.runs * (arm.gigabytes or 0.0) for arm in plans)
        say(f"by the runs in the store: {hours:.1f} hours one run at a time, {gigabytes:.1f} GB on disk")
    if unmeasured:
        arms = ", ".join(unmeasured) if len(unmeasured) < len(plans) else "any arm"
        command = f"kdbook run --rehearse --profile {name or study.profile.name}"
        say(f"no measured run of {arms}; to time some steps on this machine: {command}")


def _plan_row(arm: "ArmPlan") -> dict[str, object]:
    return {
        "arm": arm.name,
        "runs": arm.runs,
        "rows": f"{arm.rows:,}",
        "epochs": arm.epochs,
        "steps each": f"{arm.steps:,}",
        "h each": "" if arm.hours is None else f"{arm.hours:.2f}",
        "GB each": "" if arm.gigabytes is None else f"{arm.gigabytes:.2f}",
    }


def status(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show the state of every run and chapter of a profile, why, and how long an update takes."""
    study = open_study(name)
    runs = study.status()
    pages = chapters.status(project_root(), study)
    if as_json:
        rows = {"runs": list(map(asdict, runs)), "chapters": list(map(asdict, pages))}
        print_json({"profile": study.profile.name, **rows})
        return
    print_table(_rows(runs), ["name", "state", "reason", "time", "key"])
    print_table(_rows(pages), ["name", "state", "reason", "time"])
    say(f"to train: {_total(runs)}; to execute: {_total(pages)}")


def _rows(statuses: Sequence[RunStatus | ChapterStatus]) -> list[dict[str, object]]:
    times = ("" if each.state is State.CURRENT else duration(each.seconds) for each in statuses)
    return [{**asdict(each), "time": time} for each, time in zip(statuses, times, strict=True)]


def _total(statuses: Sequence[RunStatus | ChapterStatus]) -> str:
    """How many are not current, and how long those take."""
    waiting = [each.seconds for each in statuses if each.state is not State.CURRENT]
    known = [seconds for seconds in waiting if seconds is not None]
    if not waiting:
        return "nothing"
    more = " and more" if 0 < len(known) < len(waiting) else ""
    return f"{len(waiting)}, {duration(sum(known) if known else None)}{more}"


def results(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show the accuracies and times of the finished runs; trains nothing."""
    from kdbook.pages import tables  # imports pandas and scipy, which takes seconds
    from kdbook.stats.results import summary

    study = open_study(name)
    completed = [run for _, run in study.completed_runs()]
    missing = len(study.specs) - len(completed)
    if missing:
        command = f"kdbook run --profile {name or study.profile.name}"
        say(f"{missing} of {len(study.specs)} runs are not finished; train them with: {command}")
    if as_json:
        print_json(summary(study))
        return
    if not completed:
        return
    tests = [*study.profile.data.languages, ALL]
    table = tables.run_table(completed)
    rows = [
        {
            "name": run.name,
            **{test: f"{table[test][run.name]:.3f}" for test in tests},
            "fit (s)": f"{run.measurements.fit_seconds:.1f}",
            "key": run.key,
        }
        for run in completed
    ]
    print_table(rows, ["name", *tests, "fit (s)", "key"])
