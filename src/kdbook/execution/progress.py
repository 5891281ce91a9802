"""Progress of a training with the time left: bars in a terminal, one bar in a notebook, occasional lines
elsewhere.
"""

import time
from collections.abc import Mapping
from html import escape
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kdbook.settings import environment

SECONDS_BETWEEN_LINES = 20


class Reporter:
    """Shows the progress of the runs of one command; a context that ends with it.

    Parameters
    ----------
    expected
        Seconds that each run will take, None where that is unknown.
    jobs
        How many runs are trained at once.
    """

    def __init__(self, expected: Mapping[str, float | None], jobs: int) -> None:
        self.expected, self.jobs = dict(expected), jobs
        self.shares: dict[str, float] = {}
        self.begun: dict[str, float] = {}
        self.taken: dict[str, float] = {}
        self.start = time.perf_counter()
        self.display: Display = _display(len(self.expected))

    def __enter__(self) -> "Reporter":
        self.display.open()
        return self

    def __exit__(self, *exception: object) -> None:
        seconds = time.perf_counter() - self.start
        self.display.close(f"trained {len(self.taken)} of {len(self.expected)} runs in {duration(seconds)}")

    def run_started(self, name: str) -> None:
        """A process has taken up a run; where that is unknown, its first progress tells."""
        self.begun[name] = time.perf_counter()

    def run_waiting(self, name: str) -> None:
        """Another process trains a run, and this one waits for it."""
        self.display.say(f"waiting for another process that trains {name}")

    def update(self, name: str, share: float, seconds: float) -> None:
        """A run has come this far, a share between 0 and 1, after so many seconds."""
        self.begun.setdefault(name, time.perf_counter() - seconds)
        self.shares[name] = share
        self.display.show(self.shares, len(self.taken), duration(self.seconds_left()))

    def run_finished(self, name: str, trained_here: bool) -> None:
        """A run is in the store, trained here or by another process."""
        self.taken[name] = time.perf_counter() - self.begun.get(name, self.start)
        self.shares.pop(name, None)
        outcome = (
            f"finished in {self.taken[name]:.0f} s" if trained_here else "was trained by another process"
        )
        self.display.drop(name)
        self.display.say(f"run {len(self.taken)} of {len(self.expected)}: {name} {outcome}")

    def seconds_left(self) -> float | None:
        """Seconds until all runs are done, None as long as nothing tells."""
        known = [seconds for seconds in self.expected.values() if seconds is not None] + list(
            self.taken.values()
        )
        if not known:
            now = time.perf_counter()
            known = [(now - self.begun[name]) / share for name, share in self.shares.items() if share > 0]
        if not known:
            return None
        typical = sum(known) / len(known)
        waiting = [name for name in self.expected if name not in self.taken]
        seconds = ((self.expected[name] or typical) * (1 - self.shares.get(name, 0.0)) for name in waiting)
        return sum(seconds) / self.jobs


class Display(Protocol):
    """How progress is drawn."""

    def open(self) -> None:
        """Begin."""

    def show(self, shares: Mapping[str, float], done: int, left: str) -> None:
        """Draw the share of each running run, the number of finished ones, and the time left."""

    def drop(self, name: str) -> None:
        """A run is no longer running."""

    def say(self, text: str) -> None:
        """Show a line of text."""

    def close(self, summary: str) -> None:
        """End, in a notebook with a summary."""


class Lines:
    """A line now and then, for logs."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last_line = time.perf_counter()

    def open(self) -> None:
        """Nothing to draw yet."""

    def show(self, shares: Mapping[str, float], done: int, left: str) -> None:
        """A line, if the last one was long ago."""
        if time.perf_counter() - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = time.perf_counter()
            self.say(_line(shares, left))

    def drop(self, name: str) -> None:
        """Nothing was drawn."""

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, markup=False)

    def close(self, summary: str) -> None:
        """The last line was printed before."""


class Bars(Lines):
    """A bar per running run and one for all, in a terminal."""

    def __init__(self, console: Console, runs: int) -> None:
        super().__init__(console)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self.bars = Progress(*columns, console=console, transient=True)
        self.all = self.bars.add_task("all runs", total=runs, left="")
        self.tasks: dict[str, TaskID] = {}

    def open(self) -> None:
        """Draw the bars."""
        self.bars.start()

    def show(self, shares: Mapping[str, float], done: int, left: str) -> None:
        """Move the bars."""
        for name, share in shares.items():
            if name not in self.tasks:
                self.tasks[name] = self.bars.add_task(name, total=1.0, left="")
            self.bars.update(self.tasks[name], completed=share)
        self.bars.update(self.all, completed=done + sum(shares.values()), left=f"{left} left")

    def drop(self, name: str) -> None:
        """Remove the bar of a run."""
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))

    def close(self, summary: str) -> None:
        """Remove the bars."""
        self.bars.stop()


class NotebookBar:
    """One bar in the output of a notebook's cell, replaced by each line of text."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.handle: Any = None  # IPython's handle of what it has displayed

    def open(self) -> None:
        """Draw an empty output."""
        from IPython.display import HTML, display

        self.handle = display(HTML(""), display_id=True)

    def show(self, shares: Mapping[str, float], done: int, left: str) -> None:
        """Move the bar."""
        value = done + sum(shares.values())
        bar = f'<progress max="{self.runs}" value="{value:.3f}" aria-label="runs trained"></progress>'
        self._replace(f"{bar} {escape(_line(shares, left))}")

    def drop(self, name: str) -> None:
        """The next line replaces the bar."""

    def say(self, text: str) -> None:
        """Replace the output."""
        self._replace(escape(text))

    def close(self, summary: str) -> None:
        """Leave a summary."""
        self.say(summary)

    def _replace(self, html: str) -> None:
        from IPython.display import HTML

        self.handle.update(HTML(html))


def _display(runs: int) -> Display:
    """The display that fits this process."""
    console = Console(stderr=True)
    if environment.notebook_shell():
        return NotebookBar(runs)
    return Bars(console, runs) if console.is_terminal else Lines(console)


def _line(shares: Mapping[str, float], left: str) -> str:
    running = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"training {running}; {left} left for all"


def duration(seconds: float | None) -> str:
    """A duration in words: ``about 90 s`` or ``about 12 min``."""
    if seconds is None:
        return "an unknown time"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
