"""What accuracy costs: seconds of training, memory, disk, and latency."""

from statistics import mean

import pandas as pd

from kdbook.analysis.markup import emphasized
from kdbook.analysis.metrics import score
from kdbook.analysis.phrases import conjunction, times
from kdbook.encoders import checkpoints
from kdbook.settings.arms import BASELINE, DISTILLED
from kdbook.store.run import BatchLatency, Run
from kdbook.study.arms import Arms

MEGA = 1e6


def training(arms: Arms) -> pd.DataFrame:
    """Seconds of training for one model of each arm, means over its runs.

    Columns: ``pretraining`` of the encoder where it is known, which all models that start from it share;
    ``fit``; ``share of teachers`` (the time of all teachers of the study divided by the number of students
    that the study is about, or for a student that a baseline teaches the time of that); and ``in all``, fit
    and share.
    """
    share = sum(run.measurements.fit_seconds for run in arms.teachers) / len(arms.distilled)
    baseline = mean(run.measurements.fit_seconds for run in arms.baselines)
    teacher_names = {run.name for run in arms.teachers}
    rows = {}
    for arm, runs in arms.items():
        fit = mean(run.measurements.fit_seconds for run in runs)
        name = runs[0].record.spec.teacher
        teachers = 0.0 if name is None else share if name in teacher_names else baseline
        pretraining = checkpoints.pretraining_seconds(runs[0].record.spec.checkpoint)
        costs = {"fit": fit, "share of teachers": teachers, "in all": fit + teachers}
        rows[arm] = costs if pretraining is None else {"pretraining": pretraining, **costs}
    return pd.DataFrame.from_dict(rows, orient="index")


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
    """
    rows = [
        {
            "arm": arm,
            "score": score(run),
            "milliseconds": latencies(run)[batch_size].median,
        }
        for arm, runs in arms.items()
        for run in runs
    ]
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
    """What a distilled student costs in seconds of training, without and with its share of the teachers."""
    table = training(arms)
    plain, distilled = table["fit"][BASELINE], table["fit"][DISTILLED]
    in_all = table["in all"][DISTILLED]
    return (
        f"A plain fit of the student takes {plain:.0f} seconds, a distilled one {distilled:.0f}: "
        f"**{distilled / plain:.2f} times** as long. Including its share of the teachers' training, it takes "
        f"{in_all:.0f} seconds, {in_all / plain:.1f} times as long."
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
        else "so it had less time, which favours distillation"
    )
    kept = conjunction(
        f"{run.history['validation_score'].argmax() + 1} of {len(run.history)}" for run in arms[control]
    )
    return (
        f"{emphasized(control)} took {used:.0f} seconds, distillation including its share of the teachers "
        f"{needed:.0f}, {verdict}. Of its epochs, it kept {kept}."
    )


def sizes(arms: Arms) -> str:
    """How much smaller and faster the student is than the teacher."""
    teacher, student = arms.teachers[0], arms.baselines[0]
    large, small = teacher.measurements.parameters, student.measurements.parameters
    speed = seconds_per_row(teacher) / seconds_per_row(student)
    return (
        f"Without embeddings, the teacher has {large.backbone / small.backbone:.1f} times as many "
        f"parameters as the student; with embeddings, {large.total / small.total:.1f} times. In large "
        f"batches, the student predicts {times(speed)} as many rows per second."
    )
