"""Missing runs trained in several processes at once.

The steps of a small model are too short to be shared between cores, so two runs side by side on a core each
finish in little more than the time of one on both. A run computes the same in a worker as anywhere else; the
processes meet only in the run store.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import TYPE_CHECKING

from kdbook.execution.forecast import Event
from kdbook.execution.schedule import train_all, train_one
from kdbook.settings import machine
from kdbook.settings.profile import Profile
from kdbook.store.local import Store
from kdbook.study.status import RunStatus
from kdbook.study.study import Study

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

MEMORY_PER_RUN = 2.5e9  # bytes; AutoMM and the libraries below it take most of it


def default_jobs(threads: int | None) -> int:
    """Runs that cores and memory allow at once; one where a run takes all cores."""
    if threads is None:
        return 1
    return max(1, min(machine.cores() // threads, int(machine.memory() // MEMORY_PER_RUN)))


def train_in_processes(study: Study, missing: Sequence[RunStatus]) -> None:
    """Train runs of a study side by side, as many as this machine can; the trainer of a script."""
    train_all(study, missing, ProcessPool, default_jobs(study.profile.threads))


class ProcessPool:
    """Trains runs in ``jobs`` processes; see :class:`kdbook.execution.schedule.Executor`."""

    def __init__(self, study: Study, jobs: int) -> None:
        self.slots = jobs
        context = get_context("spawn")
        self.messages: SimpleQueue[Event] = context.SimpleQueue()
        self.pool = ProcessPoolExecutor(jobs, context, _begin, (study.profile, study.store, self.messages))
        self.others = active_children()  # of a notebook, say, whose own processes are not workers

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, BrokenProcessPool | KeyboardInterrupt):
            for child in active_children():  # the pool only asks them to end, and Lightning may not listen
                if child not in self.others:
                    child.kill()

    def submit(self, name: str) -> Future[bool]:
        """Begin a run in a process that is free."""
        return self.pool.submit(_train, name)

    def events(self) -> Iterator[Event]:
        """What runs have reported since the last call."""
        while not self.messages.empty():
            yield self.messages.get()


class _Worker:
    """What a worker process knows."""

    study: Study
    messages: "SimpleQueue[Event]"


def _begin(profile: Profile, store: Store, messages: "SimpleQueue[Event]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the main process reports an interruption
    # AutoMM's logging threads may fail silently; a run that fails reports its own error.
    threading.excepthook = lambda failure: None
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.study, _Worker.messages = Study(profile, store), messages


def _end_with_parent() -> None:
    """A main process that was killed leaves no worker behind; the next one resumes what a run has reached."""
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _train(name: str) -> bool:
    return train_one(_Worker.study, name, _Worker.messages.put)
