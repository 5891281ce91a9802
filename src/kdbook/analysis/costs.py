"""What accuracy costs: seconds of training, memory, disk, and latency."""

from collections.abc import Sequence
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
    outputs = _output_seconds(arms) / max(1, sum(map(len, _taught(arms).values())))
    rows = {}
    for arm, runs in arms.items():
        name = runs[0].record.spec.teacher
        costs = {
            "pretraining": checkpoints.pretraining_seconds(runs[0].record.spec.checkpoint),
            "fit": mean(seconds[run] - _paid(run) for run in runs),
            "teacher outputs": outputs if name in teacher_names else mean(map(_paid, runs)),
            "share of teachers": 0.0 if name is None else share if name in teacher_names else baseline,
        }
        rows[arm] = costs | {"in all": sum(costs[part] or 0.0 for part in list(costs)[1:])}
    table = pd.DataFrame.from_dict(rows, orient="index").astype(float).dropna(axis="columns", how="all")
    return table if table["teacher outputs"].any() else table.drop(columns="teacher outputs")


def _taught(arms: Arms) -> dict[str, Sequence[Run]]:
    """The arms that learn from the teachers of the study."""
    names = {run.name for run in arms.teachers}
    return {arm: runs for arm, runs in arms.items() if runs[0].record.spec.teacher in names}


def _output_seconds(arms: Arms) -> float:
    """Seconds in which teachers computed their outputs, for all students of the study."""
    return sum(_paid(run) for runs in _taught(arms).values() for run in runs)


def _paid(run: Run) -> float:
    """Seconds in which the teacher of this run computed outputs; the first of its students pays for all."""
    return run.measurements.teacher_seconds or 0.0


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
    table = training(arms)
    arm = arms.distilled_arm
    plain, distilled, in_all = table["fit"][BASELINE], table["fit"][DISTILLED], table["in all"][arm]
    known = all(map(in_processor_time, arms.values()))
    unit = "seconds of processor time" if known else "seconds"
    return (
        f"With the settings of each arm, a fit of the baseline takes {plain:.0f} {unit}, and one of the "
        f"arm {emphasized(DISTILLED)} **{distilled:.0f}**. They may differ in epochs and batch size, so the "
        f"ratio is not the price of distillation.{_payment(arms)} Including its share of the teachers' "
        f"training, the {arm_name(arm)} takes {in_all:.0f} seconds, {in_all / plain:.1f} times as long as "
        "the baseline."
    )


def _payment(arms: Arms) -> str:
    """What the first student of each teacher pays for the outputs that all of them read, as a sentence."""
    first: dict[str | None, Run] = {}
    for run in (run for runs in _taught(arms).values() for run in runs):
        name = run.record.spec.teacher
        first[name] = max(run, first.get(name, run), key=_paid)
    paid = sum(map(_paid, first.values()))
    if not paid:
        return ""
    share = paid / sum(run.measurements.processor_seconds or 0.0 for run in first.values())
    return (
        f" The first student of a teacher also pays for its outputs, {paid / len(first):.0f} seconds or "
        f"{share:.0%} of its time; the others read them."
    )


def budget(arms: Arms, control: str) -> str:
    """Whether a control was given at least the time of distillation, and how much of it the control used."""
    if control not in arms:
        return f"This profile has no control named {emphasized(control)}."
    seconds = training(arms)["in all"]
    used, needed = seconds[control], seconds[arms.distilled_arm]
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
