"""What accuracy costs: seconds of training, memory, disk, and latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

import pandas as pd

from kdbook.analysis.markup import emphasized
from kdbook.analysis.metrics import in_processor_time, score, training_seconds
from kdbook.analysis.phrases import arm_name, conjunction, times
from kdbook.encoders import checkpoints
from kdbook.settings.arms import BASELINE, DISTILLED
from kdbook.store.run import BatchLatency, Run
from kdbook.study.arms import Arms

MEGA = 1e6


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
    taught = _taught(arms)
    outputs = sum(map(_paid, taught)) / max(1, len(taught))
    teachers = sum(seconds[run] for run in arms.teachers) / len(arms.distilled)
    baseline = mean(seconds[run] for run in arms.baselines)

    def costs(runs: Sequence[Run]) -> Costs:
        spec, is_taught = runs[0].record.spec, runs[0] in taught
        return Costs(
            pretraining=checkpoints.pretraining_seconds(spec.checkpoint),
            fit=mean(seconds[run] - _paid(run) for run in runs),
            teacher_outputs=outputs if is_taught else mean(map(_paid, runs)),
            teachers=0.0 if spec.teacher is None else teachers if is_taught else baseline,
        )

    return {arm: costs(of_arm) for arm, of_arm in arms.items()}


def _taught(arms: Arms) -> list[Run]:
    """The runs that learn from the teachers of the study."""
    names = {run.name for run in arms.teachers}
    return [run for runs in arms.values() for run in runs if run.record.spec.teacher in names]


def _paid(run: Run) -> float:
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


def serving(arms: Arms) -> pd.DataFrame:
    """The cost of keeping and using one model of each arm whose latency was measured; medians over its runs.

    Columns: millions of parameters with and without embeddings, MB on disk, MB of memory at the peak of
    training, and for batches of 1 and 32 rows the milliseconds of tokenization (median) and of the forward
    pass (median and 95th percentile).
    """
    rows = {arm: pd.DataFrame(map(_serving, runs)).median() for arm, runs in arms.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _serving(run: Run) -> dict[str, float]:
    measurements = run.measurements
    row = {
        "parameters (M)": measurements.parameters.total / MEGA,
        "backbone (M)": measurements.parameters.backbone / MEGA,
        "disk (MB)": measurements.predictor_bytes / MEGA,
        "peak memory (MB)": measurements.peak_bytes / MEGA,
    }
    for size, latency in latencies(run).items():
        row[f"tokenize {size} (ms)"] = latency.tokenize.median
        row[f"forward {size} (ms)"] = latency.forward.median
        row[f"forward {size}, p95 (ms)"] = latency.forward.p95
    return row


def score_and_latency(arms: Arms, batch_size: int = 1) -> pd.DataFrame:
    """A row per run: ``arm``, ``score`` on all test rows, ``milliseconds`` per batch (tokenization and
    forward pass).

    Runs of an arm have the same network, so their latencies differ by chance alone; each row has the median
    of its arm.
    """
    rows = []
    for arm, runs in arms.items():
        milliseconds = median(latencies(run)[batch_size].median for run in runs)
        rows += [{"arm": arm, "score": score(run), "milliseconds": milliseconds} for run in runs]
    return pd.DataFrame(rows)


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


def price(arms: Arms) -> str:
    """What a distilled student costs in seconds of training, without and with its teachers."""
    costs, arm = by_arm(arms), arms.distilled_arm
    plain, in_all = costs[BASELINE].fit, costs[arm].total
    known = all(map(in_processor_time, arms.values()))
    unit = "seconds of processor time" if known else "seconds"
    return (
        f"With the settings of each arm, a fit of the baseline takes {plain:.0f} {unit}, and one of the "
        f"arm {emphasized(DISTILLED)} **{costs[DISTILLED].fit:.0f}**. They may differ in epochs and batch "
        f"size, so the ratio is not the price of distillation.{_payment(_taught(arms))} Including its share "
        f"of the teachers' training, the {arm_name(arm)} takes {in_all:.0f} seconds, {in_all / plain:.1f} "
        "times as long as the baseline."
    )


def _payment(taught: Sequence[Run]) -> str:
    """What the first student of each teacher pays for the outputs that all of them read, as a sentence."""
    first = {run.record.spec.teacher: run for run in sorted(taught, key=_paid)}.values()
    paid = sum(map(_paid, first))
    if not paid:
        return ""
    share = paid / sum(run.measurements.processor_seconds or 0.0 for run in first)
    return (
        f" The first student of a teacher also pays for its outputs, {paid / len(first):.0f} seconds or "
        f"{share:.0%} of its time; the others read them."
    )


def budget(arms: Arms, control: str) -> str:
    """Whether a control was given at least the time of distillation, and how much of it the control used."""
    if control not in arms:
        return f"This profile has no control named {emphasized(control)}."
    costs = by_arm(arms)
    used, needed = costs[control].total, costs[arms.distilled_arm].total
    verdict = (
        "so it was given at least as much time"
        if used >= needed
        else "so it had less time, which favours the student with a teacher"
    )
    kept = conjunction(
        f"{run.history['validation_score'].argmax() + 1} of {len(run.history)}" for run in arms[control]
    )
    return (
        f"{emphasized(control)} took {used:.0f} seconds, the {arm_name(arms.distilled_arm)} including its "
        f"share of the teachers {needed:.0f}, {verdict}. Its runs kept epoch {kept}."
    )


def sizes(arms: Arms) -> str:
    """How much smaller and faster the student is than the teacher."""
    teacher, student = arms.teachers[0], arms.baselines[0]
    large, small = teacher.measurements.parameters, student.measurements.parameters
    speed = seconds_per_row(teacher) / seconds_per_row(student)
    return (
        f"Without embeddings, the teacher has {large.backbone / small.backbone:.1f} times as many "
        f"parameters as the student; with embeddings, {large.total / small.total:.1f} times. In batches "
        f"of 32, the student predicts {times(speed)} as many rows per second."
    )
