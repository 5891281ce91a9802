"""Where a run stands, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kdbook.store.local import Store
from kdbook.store.run import FitCheckpoint, Run, RunIdentity, RunSpec
from kdbook.study import identity


class State(StrEnum):
    """Whether a run, or the page of a chapter, is up to date."""

    CURRENT = "current"
    MISSING = "missing"
    OUTDATED = "outdated"
    INTERRUPTED = "interrupted"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class ResolvedRun:
    """A run with what decides it, and the stored run if there is one.

    ``key`` is that of the stored run, which may differ in package versions where AutoMM is not installed,
    otherwise the key that the run would get.
    """

    spec: RunSpec
    identity: RunIdentity
    stored: Run | None

    @property
    def key(self) -> str:
        """The key of the run in the store."""
        return self.stored.key if self.stored else self.identity.key


@dataclass(frozen=True)
class RunStatus:
    """The state of a run, the reason for it, and its key.

    ``seconds`` is what bringing it up to date will take, judged by measured times; 0 if current, None if
    nothing like it was ever measured.
    """

    name: str
    arm: str
    state: State
    reason: str
    key: str
    seconds: float | None


def status_of(run: ResolvedRun, store: Store, profile: str) -> RunStatus:
    """The status of a run of a profile."""
    spec, key = run.spec, run.key
    if run.stored:
        return RunStatus(spec.name, spec.arm, State.CURRENT, "", key, 0.0)
    earlier = next(
        store.where(lambda record: (record.name, record.profile) == (spec.name, profile)),
        None,
    )
    alike = earlier or next(runs_of_arm(store, profile, spec.arm), None)
    state, reason = _state(run, store, earlier)
    seconds = _seconds_left(alike, store.interrupted(key))
    return RunStatus(spec.name, spec.arm, state, reason, key, seconds)


def runs_of_arm(store: Store, profile: str, arm: str) -> Iterator[Run]:
    """Stored runs of an arm of a profile, whatever they were trained with, newest first."""
    return store.where(lambda record: (record.spec.arm, record.profile) == (arm, profile))


def _state(run: ResolvedRun, store: Store, earlier: Run | None) -> tuple[State, str]:
    """Why a run is not current; ``earlier`` is a stored run of its name."""
    key = run.key
    if problems := store.problems(key):
        return State.DAMAGED, "; ".join(problems)
    if store.is_locked(key):
        return State.MISSING, "another process is training it now"
    if progress := store.interrupted(key):
        reason = f"its training stopped and continues after epoch {progress.epoch:g} of {progress.epochs}"
        return State.INTERRUPTED, reason
    if store.was_begun(key):
        return State.INTERRUPTED, "its training stopped before its first checkpoint and starts again"
    if earlier is None:
        return State.MISSING, "never trained"
    return State.OUTDATED, "; ".join(identity.differences(earlier.record, run.identity))


def _seconds_left(alike: Run | None, progress: FitCheckpoint | None) -> float | None:
    """Seconds that a run will take, judged by one that is like it, or by its own progress."""
    if alike is None:
        return progress.seconds * (progress.epochs / progress.epoch - 1) if progress else None
    done = progress.epoch / progress.epochs * alike.measurements.fit_seconds if progress else 0.0
    return alike.measurements.seconds - done
