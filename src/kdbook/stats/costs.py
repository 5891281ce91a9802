"""What accuracy costs: seconds of training, memory, disk, and latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import pandas as pd

from kdbook.encoders import checkpoints
from kdbook.stats.metrics import training_seconds
from kdbook.store.run import BatchLatency, Run
from kdbook.study.arms import Arms


@dataclass(frozen=True)
class Costs:
    """Seconds of training for one model of an arm, means over its runs.

    Attributes
    ----------
    pretraining
        Of the encoder, where it is known. All models that start from it share it, so it is not in the total.
    fit
        Without the outputs of a teacher.
    teacher_outputs
        The model's share of computing the outputs of its teacher for the training rows.
    teachers
        The model's share of training its teacher.
    """

    pretraining: float | None
    fit: float
    teacher_outputs: float
    teachers: float

    @property
    def total(self) -> float:
        """All but pretraining."""
        return self.fit + self.teacher_outputs + self.teachers


def by_arm(arms: Arms) -> dict[str, Costs]:
    """What one model of each arm costs, in processor time if that is known of all runs.

    Teachers are trained once, and compute their outputs once, for all students of the study. In the records
    the first student of a teacher pays for all of its outputs; here each that learns from a teacher bears the
    same share. The training of the teachers is divided by the number of students that the study is about, and
    a student that a baseline teaches bears the time of one.
    """
    runs = [run for of_arm in arms.values() for run in of_arm]
    seconds = dict(zip(runs, training_seconds(runs), strict=True))
    students = taught(arms)
    outputs = sum(map(paid, students)) / max(1, len(students))
    teachers = sum(seconds[run] for run in arms.teachers) / len(arms.distilled)
    baseline = mean(seconds[run] for run in arms.baselines)

    def costs(runs: Sequence[Run]) -> Costs:
        spec, is_taught = runs[0].record.spec, runs[0] in students
        return Costs(
            pretraining=checkpoints.pretraining_seconds(spec.checkpoint),
            fit=mean(seconds[run] - paid(run) for run in runs),
            teacher_outputs=outputs if is_taught else mean(map(paid, runs)),
            teachers=0.0 if spec.teacher is None else teachers if is_taught else baseline,
        )

    return {arm: costs(of_arm) for arm, of_arm in arms.items()}


def taught(arms: Arms) -> list[Run]:
    """The runs that learn from the teachers of the study."""
    names = {run.name for run in arms.teachers}
    return [run for runs in arms.values() for run in runs if run.record.spec.teacher in names]


def paid(run: Run) -> float:
    """Seconds in which the teacher of this run computed outputs during its fit."""
    return run.measurements.teacher_seconds or 0.0


def training(arms: Arms) -> pd.DataFrame:
    """The costs of each arm as a page shows them, a row per arm; what is known of no arm is left out."""
    rows = {
        arm: {
            "pretraining": each.pretraining,
            "fit": each.fit,
            "teacher outputs": each.teacher_outputs,
            "share of teachers": each.teachers,
            "in all": each.total,
        }
        for arm, each in by_arm(arms).items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").astype(float).dropna(axis="columns", how="all")
    return table if table["teacher outputs"].any() else table.drop(columns="teacher outputs")


def seconds_per_row(run: Run) -> float:
    """Seconds that a model needs per row in batches of the largest size that was measured."""
    size, latency = max(latencies(run).items())
    return latency.median / 1000 / size


def latencies(run: Run) -> dict[int, BatchLatency]:
    """Latency by batch size of a run of the main arms.

    Raises
    ------
    ValueError
        If it was not measured.
    """
    if run.measurements.latency is None:
        raise ValueError(f"the latency of {run.name} was not measured")
    return run.measurements.latency
