"""Progress of a training with the time that is left: a bar in a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from kdbook import train

SECONDS_BETWEEN_LINES = 20


class Meter:
    """Shows the runs of one command one after the other."""

    def __init__(self, runs: int) -> None:
        self.runs, self.begun, self.console = runs, 0, Console(stderr=True)

    @contextmanager
    def watch(self, name: str) -> Iterator[Callable[["train.Progress"], None]]:
        """Show one run; gives what is to be told its progress."""
        self.begun += 1
        title = f"run {self.begun} of {self.runs}: {name}"
        start = time.perf_counter()
        with self._bar(title) if self.console.is_terminal else self._lines(title) as report:
            yield report
        self.console.print(f"{title}: finished in {time.perf_counter() - start:.0f} s", highlight=False)

    @contextmanager
    def _bar(self, title: str) -> Iterator[Callable[["train.Progress"], None]]:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda progress: bar.update(task, completed=progress.step, total=progress.steps)

    @contextmanager
    def _lines(self, title: str) -> Iterator[Callable[["train.Progress"], None]]:
        self.console.print(f"{title}: started", highlight=False)
        last = time.perf_counter()

        def report(progress: "train.Progress") -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last < SECONDS_BETWEEN_LINES:
                return
            last = now
            left = progress.seconds / progress.step * (progress.steps - progress.step)
            self.console.print(f"{title}: step {progress.step} of {progress.steps}, about {left:.0f} s left", highlight=False)

        yield report


def duration(seconds: float | None) -> str:
    """Seconds as one reads them: ``about 90 s`` or ``about 12 min``."""
    if seconds is None:
        return "an unknown time"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
