"""Commands for the runs of a study."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from kdbook.cli.console import JsonOption, ProfileOption, print_json, print_table, say
from kdbook.errors import KdbookError
from kdbook.execution import local, ray_cluster, schedule
from kdbook.execution.progress import duration
from kdbook.execution.schedule import open_study
from kdbook.settings.data import ALL
from kdbook.store.location import project_root
from kdbook.study.status import RunStatus, State
from kdbook.website import chapters
from kdbook.website.chapters import ChapterStatus


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
        bool, typer.Option("--rehearse", help="Only take the first steps, with full-size encoders.")
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
        workers = ray_cluster.RayCluster if executor is Executor.RAY else local.ProcessPool
        schedule.train_all(study, missing, workers, jobs or local.default_jobs(study.profile.threads))


def _rehearse(name: str | None) -> None:
    from kdbook.execution import estimate, rehearsal  # imports torch

    study = open_study(name)
    rehearsals = rehearsal.rehearse(study, say)
    rows = [
        {
            "arm": each.arm,
            "parameters (M)": f"{each.parameters / 1e6:.1f}",
            "tokens per row": f"{each.tokens:.0f}",
            "s per step": f"{each.seconds:.2f}",
            "loss": f"{each.loss:.3f}",
            "steps per run": each.steps,
            "h per run": f"{each.hours:.1f}",
            "peak GB": f"{each.memory:.1f}",
        }
        for each in rehearsals
    ]
    print_table(rows, list(rows[0]))
    tokens_per_text = max(each.tokens for each in rehearsals) / 2
    for gpu in estimate.GPUS:
        hours = estimate.estimate(study, gpu, tokens_per_text).hours
        say(f"all {len(study.specs)} runs on one {gpu}: about {hours:.0f} hours by estimate")


def plan(
    name: ProfileOption = None,
    gpu: Annotated[str, typer.Option("--gpu", help="T4, L4, A100 or H100: the GPU to train on.")] = "A100",
    as_json: JsonOption = False,
) -> None:
    """Estimate what a profile takes: runs, hours, memory, disk, and what can run side by side.

    Trains nothing.
    """
    from kdbook.execution import estimate  # imports pandas, and torch when it is needed

    if gpu not in estimate.GPUS:
        raise KdbookError(f"there is no figure for the GPU {gpu!r}. Choose from: {', '.join(estimate.GPUS)}")
    study = open_study(name)
    estimated = estimate.estimate(study, gpu)
    if as_json:
        hours = dict(estimated.hours_by_gpus)
        print_json(
            {
                "profile": estimated.profile,
                "gpu": gpu,
                "arms": list(map(asdict, estimated.arms)),
                "hours by GPUs": hours,
            }
        )
        return
    rows = [
        {
            "arm": arm.name,
            "runs": arm.runs,
            "h each": f"{arm.hours:.2f}",
            "h all": f"{arm.runs * arm.hours:.1f}",
            "GPU GB": f"{arm.memory:.1f}",
            "disk GB": f"{arm.runs * arm.disk:.1f}",
            "source": "measured" if arm.measured else "estimated",
        }
        for arm in estimated.arms
    ]
    print_table(rows, list(rows[0]))
    say(f"{estimated.runs} runs, {estimated.hours:.1f} hours of one {gpu}, {estimated.disk:.0f} GB on disk")
    for count, hours_taken in estimated.hours_by_gpus.items():
        teachers, students = estimate.side_by_side(study.profile, count)
        say(
            f"with {count} at once: {hours_taken:.1f} hours, {teachers} teachers or {students} students "
            "side by side"
        )


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
