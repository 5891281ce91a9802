"""How long the missing runs of a study still take, judged by what was measured and by nothing else.

A run takes what its kind took before, or what its own pace so far comes to. Other runs of the same encoder
take as many seconds per row and epoch. Nothing is inferred from one encoder about another: a student may be
ten times as fast as its teacher, or as slow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 0.05  # share of a run, its set-up not counted, after which its pace is known


@dataclass(frozen=True)
class Event:
    """What a run reports: the ``share`` of its fit that is done, after so many ``seconds`` of it.

    The share is None while another process trains the run.
    """

    name: str
    share: float | None
    seconds: float = 0.0


@dataclass(frozen=True)
class PlannedRun:
    """A run to forecast.

    ``work`` is its number of rows times epochs, to which the seconds of runs of the same ``encoder`` are
    proportional. ``measured`` are the seconds that it takes by earlier measurements, None without any.
    """

    name: str
    teacher: str | None
    encoder: str
    work: float
    measured: float | None


class Forecast:
    """The time until some runs are finished.

    Parameters
    ----------
    runs
        The runs, in the order in which they are trained.
    jobs
        How many are trained at once.
    """

    def __init__(self, runs: Sequence[PlannedRun], jobs: int) -> None:
        self.runs = {run.name: run for run in runs}
        self.jobs = jobs
        self.finished: set[str] = set()
        self.shares: dict[str, float] = {}  # of the runs that are being trained
        self._first: dict[str, tuple[float, float]] = {}  # report of each: share and seconds
        self._taken: dict[str, tuple[float, float]] = {}  # share and seconds of each since then

    def progress(self, name: str, share: float, seconds: float) -> None:
        """A run has come this far, a share between 0 and 1, in so many seconds."""
        self.shares[name] = share
        if share:
            first_share, first_seconds = self._first.setdefault(name, (share, seconds))
            self._taken[name] = share - first_share, seconds - first_seconds

    def finish(self, name: str, seconds: float | None) -> None:
        """A run is finished; None stands for the seconds of one that another process trained."""
        self.finished.add(name)
        self.shares.pop(name, None)
        if seconds is not None:
            self._taken[name] = 1.0, seconds

    def seconds_left(self) -> tuple[float, int]:
        """Seconds until the runs that can be forecast are finished, and the number of those that can't."""
        left = {run.name: self._left_of(run) for run in self._unfinished()}
        known = {name: seconds for name, seconds in left.items() if seconds is not None}
        return self._end_of(known), len(left) - len(known)

    def words(self) -> str:
        """The same in words; for some of the runs only, if nothing was measured about the others."""
        seconds, unknown = self.seconds_left()
        unfinished = len(self._unfinished())
        if not unknown:
            return f"{duration(seconds)} left"
        if not seconds:
            return "time left not measured yet"
        return f"{duration(seconds)} left for {unfinished - unknown} of {unfinished} runs"

    def _unfinished(self) -> list[PlannedRun]:
        """Those that are being trained come first."""
        waiting = [run for run in self.runs.values() if run.name not in self.finished]
        return sorted(waiting, key=lambda run: run.name not in self.shares)

    def _left_of(self, run: PlannedRun) -> float | None:
        left = 1 - self.shares.get(run.name, 0.0)
        share, seconds = self._taken.get(run.name, (0.0, 0.0))
        if share >= ENOUGH:
            return seconds / share * left
        if run.measured is not None:
            return max(0.0, run.measured - seconds)
        pace = self._pace(run.encoder)
        return None if pace is None else pace * run.work * left

    def _pace(self, encoder: str) -> float | None:
        """Seconds per row and epoch of the runs of an encoder."""
        work = total = 0.0
        for name, (share, seconds) in self._taken.items():
            if self.runs[name].encoder == encoder and share >= ENOUGH:
                work += share * self.runs[name].work
                total += seconds
        return total / work if work else None

    def _end_of(self, left: dict[str, float]) -> float:
        """Seconds until runs are finished that take so long, ``jobs`` at once, each after its teacher."""
        free = [0.0] * max(self.jobs, len(self.shares))  # a cluster may train more
        ends: dict[str | None, float] = {}
        waiting = list(left)

        def begin(name: str) -> float:
            teacher = self.runs[name].teacher
            return math.inf if teacher in waiting else max(min(free), ends.get(teacher, 0.0))

        while waiting:
            name = min(waiting, key=begin)
            ends[name] = begin(name) + left[name]
            free[free.index(min(free))] = ends[name]
            waiting.remove(name)
        return max(free)


def duration(seconds: float | None) -> str:
    """A duration in words: ``about 90 s`` or ``about 12 min``."""
    if seconds is None:
        return "an unknown time"
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
