"""What accuracy costs: seconds of training, memory, disk, and latency."""

from collections.abc import Sequence
from statistics import mean

import pandas as pd

from kdbook.encoders import checkpoints
from kdbook.stats.metrics import training_seconds
from kdbook.store.run import BatchLatency, Run
from kdbook.study.arms import Arms


def training(arms: Arms) -> pd.DataFrame:
    """Seconds of training for one model of each arm, means over its runs, in processor time if that is known
    of all runs.

    Columns: ``pretraining`` of the encoder where it is known, which all models that start from it share;
    ``fit``; ``teacher outputs``, where they are known: computing them for the training rows, divided by the
    number of students that use them; ``share of teachers`` (the time of all teachers of the study divided by
    the number of students that the study is about, or for a student that a baseline teaches the time of
    that); and ``in all``, without pretraining.
    """
    every = [run for runs in arms.values() for run in runs]
    seconds = dict(zip(every, training_seconds(every), strict=True))
    share = sum(seconds[run] for run in arms.teachers) / len(arms.distilled)
    baseline = mean(seconds[run] for run in arms.baselines)
    teacher_names = {run.name for run in arms.teachers}
    outputs = _output_seconds(arms) / max(1, sum(map(len, taught(arms).values())))
    rows = {}
    for arm, runs in arms.items():
        name = runs[0].record.spec.teacher
        costs = {
            "pretraining": checkpoints.pretraining_seconds(runs[0].record.spec.checkpoint),
            "fit": mean(seconds[run] - paid(run) for run in runs),
            "teacher outputs": outputs if name in teacher_names else mean(map(paid, runs)),
            "share of teachers": 0.0 if name is None else share if name in teacher_names else baseline,
        }
        rows[arm] = costs | {"in all": sum(costs[part] or 0.0 for part in list(costs)[1:])}
    table = pd.DataFrame.from_dict(rows, orient="index").astype(float).dropna(axis="columns", how="all")
    return table if table["teacher outputs"].any() else table.drop(columns="teacher outputs")


def taught(arms: Arms) -> dict[str, Sequence[Run]]:
    """The arms that learn from the teachers of the study."""
    names = {run.name for run in arms.teachers}
    return {arm: runs for arm, runs in arms.items() if runs[0].record.spec.teacher in names}


def _output_seconds(arms: Arms) -> float:
    """Seconds in which teachers computed their outputs, for all students of the study."""
    return sum(paid(run) for runs in taught(arms).values() for run in runs)


def paid(run: Run) -> float:
    """Seconds in which the teacher of this run computed outputs; the first of its students pays for all."""
    return run.measurements.teacher_seconds or 0.0


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
