"""What a student is taught: which rows, with which labels, and which outputs of a teacher."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdbook.data import TextData
from kdbook.settings.arms import Lesson, Rows

if TYPE_CHECKING:
    import pandas as pd

    from kdbook.training.teacher_outputs import Outputs, Teacher


@dataclass(frozen=True)
class Teaching:
    """The rows and the lesson of a run, see :class:`kdbook.settings.arms.Variation`, and its teacher."""

    rows: Rows = "labelled"
    lesson: Lesson = "labels"
    teacher: "Teacher | None" = None


@dataclass(frozen=True)
class TaughtRows:
    """Training rows that all have a column ``label``, and the outputs for them that are distilled, if any."""

    rows: "pd.DataFrame"
    outputs: "Outputs | None"


def taught_rows(data: TextData, teaching: Teaching) -> TaughtRows:
    """The rows of a lesson.

    Raises
    ------
    KdbookError
        If the teacher's outputs are not finite.
    """
    labelled = data["train"]
    if not teaching.teacher:
        return TaughtRows(labelled if teaching.rows == "labelled" else with_hidden_labels(data), None)
    pool = data.pool()
    outputs = teaching.teacher.outputs(pool)  # for all rows: kept once for all lessons of a teacher
    rows = labelled
    if teaching.rows == "all":
        rows = pool.assign(
            label=pool["label"].where(pool.index < len(labelled), outputs.answers()).astype(int)
        )
    outputs = outputs.first(len(rows))
    if teaching.lesson == "answers":
        return TaughtRows(rows, None)
    return TaughtRows(rows, outputs.shuffled() if teaching.lesson == "shuffled" else outputs)


def with_hidden_labels(data: TextData) -> "pd.DataFrame":
    """All training rows, those without a label with the one that was hidden."""
    pool = data.pool()
    is_labelled = pool.index < len(data["train"])
    return pool.assign(label=pool["label"].where(is_labelled, pool.get("true_label")).astype(int))
