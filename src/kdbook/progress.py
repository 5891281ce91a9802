"""Progress of a training with the time that is left: bars in a terminal, one bar in a notebook, a line now and then elsewhere."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kdbook import notebook

if TYPE_CHECKING:
    from kdbook import train

SECONDS_BETWEEN_LINES = 20


class Meter:
    """Shows how far the runs of one command are, as a context that ends with it.

    ``expected`` gives the seconds that each run will take where that is known, ``jobs`` how many are trained at once.
    """

    def __init__(self, expected: Mapping[str, float | None], jobs: int) -> None:
        self.expected, self.jobs = dict(expected), jobs
        self.runs, self.console = len(expected), Console(stderr=True)
        self.shares: dict[str, float] = {}
        self.begun: dict[str, float] = {}
        self.taken: dict[str, float] = {}
        self.begin = self.last_line = time.perf_counter()
        self.bar_on_page: Any = None  # IPython's handle of what it has displayed
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        self.bars = Progress(*columns, console=self.console, transient=True)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Meter":
        if notebook.shell():
            from IPython.display import HTML, display

            self.bar_on_page = display(HTML(""), display_id=True)
        elif self.console.is_terminal:
            self.tasks[""] = self.bars.add_task("all runs", total=self.runs, left="")
            self.bars.start()
        return self

    def __exit__(self, *exception) -> None:
        if self.bars.live.is_started:
            self.bars.stop()
        if self.bar_on_page:
            self._say(f"trained {len(self.taken)} of {self.runs} runs in {duration(time.perf_counter() - self.begin)}")

    def started(self, name: str) -> None:
        """Take note that a process has taken up a run; where that is not known, its first progress tells."""
        self.begun[name] = time.perf_counter()

    def hear(self, name: str, progress: "train.Progress | None") -> None:
        """Take note of how far a run is; None means that another process trains it and this one waits."""
        if progress is None:
            self._say(f"waiting for another process that trains {name}")
            return
        self.begun.setdefault(name, time.perf_counter() - progress.seconds)
        self.shares[name] = progress.step / progress.steps
        self._show(name)

    def finished(self, name: str, here: bool) -> None:
        """Take note that a run is in the store, trained ``here`` or by another process."""
        self.taken[name] = time.perf_counter() - self.begun.get(name, self.begin)
        self.shares.pop(name, None)
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))
        how = f"finished in {self.taken[name]:.0f} s" if here else "was trained by another process"
        self._say(f"run {len(self.taken)} of {self.runs}: {name} {how}")

    def left(self) -> float | None:
        """Seconds until all runs are done, None as long as nothing tells."""
        known = [seconds for seconds in self.expected.values() if seconds is not None] + list(self.taken.values())
        known = known or [(time.perf_counter() - self.begun[name]) / share for name, share in self.shares.items() if share > 0]
        if not known:
            return None
        usual = sum(known) / len(known)
        waiting = [name for name in self.expected if name not in self.taken]
        return sum((self.expected[name] or usual) * (1 - self.shares.get(name, 0.0)) for name in waiting) / self.jobs

    def _show(self, name: str) -> None:
        now = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        line = f"training {now}; {duration(self.left())} left for all"
        done = len(self.taken) + sum(self.shares.values())
        if self.bar_on_page:
            self._say(f'<progress max="{self.runs}" value="{done:.3f}" aria-label="runs trained"></progress> {line}')
        elif self.console.is_terminal:
            if name not in self.tasks:
                self.tasks[name] = self.bars.add_task(name, total=1.0, left="")
            self.bars.update(self.tasks[name], completed=self.shares[name])
            self.bars.update(self.tasks[""], completed=done, left=f"{duration(self.left())} left")
        elif time.perf_counter() - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = time.perf_counter()
            self._say(line)

    def _say(self, text: str) -> None:
        """A line; in a notebook it takes the place of the one before."""
        if self.bar_on_page:
            from IPython.display import HTML

            self.bar_on_page.update(HTML(text))
        else:
            self.console.print(text, highlight=False)


def duration(seconds: float | None) -> str:
    """Seconds as one reads them: ``about 90 s`` or ``about 12 min``."""
    if seconds is None:
        return "an unknown time"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
