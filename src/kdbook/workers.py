"""Missing runs trained in several processes at once.

The steps of a small model are too short to be shared between cores, so two runs side by side on a core each finish in little
more than the time of one on both. A run computes the same in a worker as anywhere else; the processes meet in the run store
alone.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from kdbook import study
from kdbook.errors import KdbookError
from kdbook.profile import Profile
from kdbook.progress import Meter
from kdbook.store import Store

MEMORY_OF_A_RUN = 2.5e9  # bytes; AutoMM and the libraries below it take most of it
SECONDS_BETWEEN_LOOKS = 0.5


def default_jobs(threads: int | None) -> int:
    """Runs that cores and memory allow at once; one where a run takes all cores."""
    if threads is None:
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)) // threads, int(memory // MEMORY_OF_A_RUN)))


def train(opened: study.Study, missing: Sequence[study.Status], jobs: int) -> None:
    """Train the missing runs of a study, a run not before its teacher, and show how far they are.

    Raises
    ------
    KdbookError
        If a worker was killed. What was finished stays in the store, as after any other error or an interruption.
    """
    context = get_context("spawn")
    messages = context.SimpleQueue()
    meter = Meter({status.name: status.seconds for status in missing}, jobs)
    waiting = [opened.specs[status.name] for status in missing]
    running: dict[Future, str] = {}
    with ProcessPoolExecutor(jobs, context, _begin, (opened.profile, opened.store, messages)) as pool, meter:
        try:
            while waiting or running:
                unfinished = {spec.name for spec in waiting} | set(running.values())
                for spec in [spec for spec in waiting if spec.teacher not in unfinished][: jobs - len(running)]:
                    waiting.remove(spec)
                    running[pool.submit(_train, spec.name)] = spec.name
                    meter.started(spec.name)
                done, _ = wait(running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                while not messages.empty():
                    meter.hear(*messages.get())
                for future in done:
                    meter.finished(running.pop(future), here=future.result())
        except BrokenProcessPool as error:
            raise KdbookError(
                f"a process that trained {' or '.join(running.values())} was killed, perhaps for lack of memory. "
                "The finished runs are kept; go on with fewer at once: kdbook run --jobs 1"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """What a worker process knows."""

    study: study.Study
    messages: Any


def _begin(settings: Profile, store: Store, messages: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the main process says what an interruption means
    threading.excepthook = lambda failed: None  # AutoMM's threads write logs that nobody keeps; a run that fails says so itself
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.study, _Worker.messages = study.Study(settings, store), messages


def _end_with_parent() -> None:
    """A main process that was killed leaves no worker behind; what a run has reached is resumed by the next one."""
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _train(name: str) -> bool:
    return train_one(_Worker.study, name, _Worker.messages.put)


def train_one(opened: study.Study, name: str, tell: Callable[[tuple[str, Any]], None]) -> bool:
    """Train a run, and tell now and then its name and progress; whether that was here, and not by another command that was at it."""
    waited: list[str] = []
    reported = 0.0

    def report(progress: Any) -> None:
        nonlocal reported
        waited.clear()
        now = time.perf_counter()
        if now - reported >= SECONDS_BETWEEN_LOOKS:
            reported = now
            tell((name, progress))

    def wait() -> None:
        waited.append(name)
        tell((name, None))

    opened.train(opened.specs[name], report, wait)
    return not waited
