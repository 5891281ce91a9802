"""The runs of some arms of a study."""

from collections.abc import Iterator, Mapping, Sequence

from kdbook.settings.arms import BASELINE, DISTILLED, MAIN_ARMS, TEACHER, TRANSFER
from kdbook.store.run import Run


class Arms(Mapping[str, Sequence[Run]]):
    """Runs by the name of their arm, each arm in the order of its seeds.

    >>> Arms({"baseline": []}).baselines
    []
    """

    def __init__(self, runs: Mapping[str, Sequence[Run]]) -> None:
        self._runs = dict(runs)

    def __getitem__(self, arm: str) -> Sequence[Run]:
        """The runs of an arm."""
        return self._runs[arm]

    def __iter__(self) -> Iterator[str]:
        """The names of the arms."""
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def only(self, *arms: str) -> "Arms":
        """Some of the arms, in this order."""
        return Arms({arm: self[arm] for arm in arms})

    def without(self, arms: Sequence[str]) -> "Arms":
        """All arms but these."""
        return Arms({arm: runs for arm, runs in self.items() if arm not in arms})

    @property
    def main(self) -> "Arms":
        """Teacher, baseline and distilled students."""
        return self.only(*(arm for arm in MAIN_ARMS if arm in self))

    @property
    def teachers(self) -> Sequence[Run]:
        """The runs of the teacher."""
        return self[TEACHER]

    @property
    def baselines(self) -> Sequence[Run]:
        """The runs of the student without a teacher."""
        return self[BASELINE]

    @property
    def distilled_arm(self) -> str:
        """The name of the arm in which distillation may use all rows: transfer, if there are rows without
        labels.
        """
        return TRANSFER if TRANSFER in self else DISTILLED

    @property
    def distilled(self) -> Sequence[Run]:
        """The runs of the student with a teacher, on all rows that there are."""
        return self[self.distilled_arm]

    def teacher_of(self, student: Run) -> Run:
        """The teacher that the profile pairs with the seed of a student, whether or not the student learns
        from it.
        """
        name = student.record.spec.paired_teacher
        return next(teacher for teacher in self.teachers if teacher.name == name)

    def teachers_of(self, arm: str) -> list[Run]:
        """The paired teacher of each run of an arm, in the order of its runs."""
        return [self.teacher_of(student) for student in self[arm]]

    def by_seed(self, arm: str) -> dict[int, Run]:
        """The runs of an arm by their seed."""
        return {run.seed: run for run in self[arm]}
