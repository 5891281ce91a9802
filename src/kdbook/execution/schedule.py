"""One schedule for every executor: a run not before its teacher, with progress, results and errors."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from kdbook.execution.progress import Reporter
from kdbook.settings import profile
from kdbook.store.location import open_store
from kdbook.study.status import RunStatus
from kdbook.study.study import Study

if TYPE_CHECKING:
    from kdbook.training.resume import FitProgress

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True)
class Waiting:
    """The message that another process trains a run, and this one waits for it."""


Message = tuple[str, "FitProgress | Waiting"]  # the name of a run, and what happens to it
Tell = Callable[[Message], None]


class Executor(Protocol):
    """Trains runs somewhere. ``slots`` is how many it takes at once."""

    slots: int

    def submit(self, name: str) -> None:
        """Begin a run whose teacher is in the store."""

    def wait(self) -> dict[str, bool]:
        """Wait a moment, passing messages on.

        Returns the runs that finished, and whether they were trained here.
        """


ExecutorFactory = Callable[[Study, int, "Tell"], AbstractContextManager[Executor]]


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
    train_all(study, missing, InProcess, jobs=1)


def train_all(study: Study, missing: Sequence[RunStatus], executor: ExecutorFactory, jobs: int) -> None:
    """Train runs of a study with an executor, and show the progress.

    Parameters
    ----------
    study
        The study of the runs.
    missing
        Their statuses, teachers first.
    executor
        Makes the executor from the study, ``jobs``, and what is to be done with messages.
    jobs
        How many runs to train at once.

    Raises
    ------
    KdbookError
        If a run can't be trained. What was finished stays in the store, as after an interruption.
    """
    waiting = [study.specs[status.name] for status in missing]
    for spec in waiting:
        study.check(spec)
    running: set[str] = set()
    expected = {status.name: status.seconds for status in missing}
    with Reporter(expected, jobs) as reporter, executor(study, jobs, partial(_report, reporter)) as workers:
        while waiting or running:
            unfinished = {spec.name for spec in waiting} | running
            ready = [spec for spec in waiting if spec.teacher not in unfinished]
            for spec in ready[: workers.slots - len(running)]:
                waiting.remove(spec)
                running.add(spec.name)
                reporter.run_started(spec.name)
                workers.submit(spec.name)
            for name, trained_here in workers.wait().items():
                running.remove(name)
                reporter.run_finished(name, trained_here)


class InProcess(AbstractContextManager["InProcess"]):
    """Trains runs one after the other in this process."""

    def __init__(self, study: Study, jobs: int, tell: Tell) -> None:
        self.study, self.slots, self.tell = study, jobs, tell
        self.submitted: list[str] = []

    def __exit__(self, *exception: object) -> None:
        """Nothing needs to be closed."""

    def submit(self, name: str) -> None:
        """Train this run at the next wait."""
        self.submitted.append(name)

    def wait(self) -> dict[str, bool]:
        """Train what was submitted."""
        names, self.submitted = self.submitted, []
        return {name: train_one(self.study, name, self.tell) for name in names}


def train_one(study: Study, name: str, tell: Tell) -> bool:
    """Train a run and report progress at intervals; returns False if another process trained it."""
    last_report = 0.0

    def on_progress(progress: "FitProgress") -> None:
        nonlocal last_report
        now = time.perf_counter()
        if now - last_report >= SECONDS_BETWEEN_REPORTS:
            last_report = now
            tell((name, progress))

    return study.train(study.specs[name], on_progress, lambda: tell((name, Waiting())))


def _report(reporter: Reporter, message: Message) -> None:
    name, progress = message
    if isinstance(progress, Waiting):
        reporter.run_waiting(name)
    else:
        reporter.update(name, progress.step / progress.steps, progress.seconds)
