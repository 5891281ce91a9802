"""One schedule for every executor: a run not before its teacher, with progress, results and errors."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from kdbook.errors import KdbookError
from kdbook.execution.forecast import Event, Forecast, PlannedRun
from kdbook.execution.progress import Reporter
from kdbook.settings import profile
from kdbook.store.location import open_store
from kdbook.store.run import RunSpec
from kdbook.study.status import RunStatus
from kdbook.study.study import Study

if TYPE_CHECKING:
    from kdbook.training.resume import FitProgress

SECONDS_BETWEEN_REPORTS = 0.5


class Executor(Protocol):
    """Trains runs in other processes, which meet this one only in the run store."""

    slots: int  # runs that it takes at once

    def submit(self, name: str) -> Future[bool]:
        """Train a run whose teacher is in the store; False if another process trained it meanwhile."""

    def events(self) -> Iterable[Event]:
        """What runs have reported since the last call."""


ExecutorFactory = Callable[[Study, int], AbstractContextManager[Executor]]  # and the number of runs at once


def open_study(name: str | None = None) -> Study:
    """The study of a profile, which trains missing runs in this process when they are needed.

    Parameters
    ----------
    name
        A shipped profile or the path of a ``.toml`` file; by default the one that ``KDBOOK_PROFILE`` names,
        else ``embedded``.

    Raises
    ------
    KdbookError
        If there is no such profile, or the run store can't be used.
    """
    return Study(profile.load(name), open_store(), train_in_process)


def train_in_process(study: Study, missing: Sequence[RunStatus]) -> None:
    """Train runs one after the other in this process."""
    train_all(study, missing)


def train_all(
    study: Study, missing: Sequence[RunStatus], executor: ExecutorFactory | None = None, jobs: int = 1
) -> None:
    """Train runs of a study, and show the progress.

    Parameters
    ----------
    study
        The study of the runs.
    missing
        Their statuses, teachers first.
    executor
        Makes the executor; without one, runs are trained one after the other in this process.
    jobs
        How many runs the executor trains at once.

    Raises
    ------
    KdbookError
        If a run can't be trained. What was finished stays in the store, as after an interruption.
    """
    specs = [study.specs[status.name] for status in missing]
    for spec in specs:
        study.check(spec)
    with Reporter(_forecast(study, missing, jobs)) as reporter:
        if executor:
            _train_side_by_side(study, specs, executor(study, jobs), reporter)
        else:
            for spec in specs:
                _finish(study, spec.name, train_one(study, spec.name, reporter.show), reporter)


def _forecast(study: Study, missing: Sequence[RunStatus], jobs: int) -> Forecast:
    from kdbook.execution import plan  # imports pandas

    rows = plan.rows_of(study)
    runs = []
    for status in missing:
        spec = study.specs[status.name]
        work = 0 if spec.is_linear else plan.train_rows(spec, rows) * plan.epochs(spec)
        seconds = 0.0 if spec.is_linear else status.seconds
        runs.append(PlannedRun(spec.name, spec.teacher, spec.checkpoint, work, seconds))
    return Forecast(runs, jobs)


def _train_side_by_side(
    study: Study, specs: Sequence[RunSpec], executor: AbstractContextManager[Executor], reporter: Reporter
) -> None:
    waiting = list(specs)
    running: dict[Future[bool], str] = {}
    try:
        with executor as workers:
            while waiting or running:
                unfinished = {spec.name for spec in waiting} | set(running.values())
                ready = [spec for spec in waiting if spec.teacher not in unfinished]
                for spec in ready[: workers.slots - len(running)]:
                    waiting.remove(spec)
                    running[workers.submit(spec.name)] = spec.name
                done, _ = wait(running, SECONDS_BETWEEN_REPORTS, FIRST_COMPLETED)
                for event in workers.events():
                    reporter.show(event)
                for future in done:
                    trained_here = future.result()
                    _finish(study, running.pop(future), trained_here, reporter)
    except BrokenExecutor as error:
        lost = " or ".join(name for future, name in running.items() if future.done() and future.exception())
        raise KdbookError(
            f"a process that trained {lost} was killed, perhaps for lack of memory. The finished runs are "
            "kept; go on with fewer at once: kdbook run --jobs 1"
        ) from error


def _finish(study: Study, name: str, trained_here: bool, reporter: Reporter) -> None:
    """Report a run with the time that its record states."""
    run = study.resolve(study.specs[name]).stored
    if not run:
        raise KdbookError(
            f"{name} was trained, but is not in the store {study.store.root}: the machines do not share it. "
            "Name one that they all see with KDBOOK_STORE, on a shared disk or as s3://bucket/folder"
        )
    reporter.finished(name, run.measurements.seconds if trained_here else None)


def train_one(study: Study, name: str, notify: Callable[[Event], None]) -> bool:
    """Train a run and report progress at intervals; returns False if another process trained it."""
    last_report = time.perf_counter()

    def on_progress(progress: "FitProgress") -> None:
        nonlocal last_report
        now = time.perf_counter()
        if now - last_report >= SECONDS_BETWEEN_REPORTS:
            last_report = now
            notify(Event(name, progress.step / progress.steps, progress.seconds))

    notify(Event(name, 0.0))
    return study.train(study.specs[name], on_progress, lambda: notify(Event(name, None)))
