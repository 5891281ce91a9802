"""Progress of a training with the time left: bars in a terminal, elsewhere a line now and then."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from kdbook.execution.forecast import Event, Forecast
from kdbook.settings import environment

SECONDS_BETWEEN_LINES = 20


class Reporter:
    """Shows the progress of the runs of one command; a context that ends with it."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast = forecast
        self.console = Console(stderr=not environment.notebook_shell(), force_jupyter=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
        )
        hidden = not self.console.is_terminal
        self.bars = Progress(*columns, console=self.console, transient=True, disable=hidden)
        self.all_runs = self.bars.add_task("all runs", total=len(forecast.runs), left="")
        self.tasks: dict[str, TaskID] = {}
        self.last_line = time.perf_counter()

    def __enter__(self) -> "Reporter":
        self.bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bars.stop()

    def show(self, event: Event) -> None:
        """Show what a run reports."""
        if event.share is None:
            self._print(f"waiting for another process that trains {event.name}")
            return
        if event.name not in self.tasks:
            self.tasks[event.name] = self.bars.add_task(event.name, total=1.0, left="")
        self.bars.update(self.tasks[event.name], completed=event.share)
        self.forecast.progress(event.name, event.share, event.seconds)
        self._show_all()

    def finished(self, name: str, seconds: float | None) -> None:
        """A run is in the store, after so many seconds here; None if another process trained it."""
        self.forecast.finish(name, seconds)
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))
        outcome = "was trained by another process" if seconds is None else f"finished in {seconds:.0f} s"
        number = f"run {len(self.forecast.finished)} of {len(self.forecast.runs)}"
        self._print(f"{number}: {name} {outcome}")

    def _show_all(self) -> None:
        shares, left = self.forecast.shares, self.forecast.words()
        done = len(self.forecast.finished) + sum(shares.values())
        self.bars.update(self.all_runs, completed=done, left=left)
        if self.bars.disable and time.perf_counter() - self.last_line >= SECONDS_BETWEEN_LINES:
            running = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            self._print(f"training {running}; {left}")

    def _print(self, line: str) -> None:
        self.last_line = time.perf_counter()
        self.console.print(Text(line), soft_wrap=True)
