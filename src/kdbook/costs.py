"""What accuracy costs: seconds of training, memory, disk, and how long a user waits for an answer."""

from collections.abc import Mapping, Sequence
from statistics import mean, median

import pandas as pd

from kdbook.evaluate import accuracy
from kdbook.latency import FORWARD, TOKENIZE
from kdbook.profile import ALL, DISTILLED, TEACHER
from kdbook.store import Run

MEGA = 1e6


def training(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Seconds of training for one model of each arm, means over its runs.

    Columns: ``fit``, ``share of teachers`` (what all teachers of the study took, divided by the number of students that the
    arm ``distilled`` has; for arms that learn from a teacher), and ``in all``.
    """
    teaching = sum(run.record["fit_seconds"] for run in arms[TEACHER]) / len(arms[DISTILLED])
    rows = {}
    for arm, runs in arms.items():
        fit = mean(run.record["fit_seconds"] for run in runs)
        share = teaching if runs[0].record["spec"]["teacher"] else 0.0
        rows[arm] = {"fit": fit, "share of teachers": share, "in all": fit + share}
    return pd.DataFrame.from_dict(rows, orient="index")


def serving(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """What it takes to keep and to use one model of each arm whose speed was measured; medians over its runs.

    Columns: millions of parameters with and without embeddings, MB on disk, MB of memory at the peak of training, and for
    batches of 1 and 32 rows the milliseconds of tokenizing (median) and of the forward pass (median and 95th percentile).
    """
    return pd.DataFrame.from_dict({arm: _medians([_serving(run) for run in runs]) for arm, runs in arms.items()}, orient="index")


def _serving(run: Run) -> dict[str, float]:
    sizes = run.record["parameters"]
    row = {
        "parameters (M)": sizes["total"] / MEGA,
        "backbone (M)": sizes["backbone"] / MEGA,
        "disk (MB)": run.record["predictor_bytes"] / MEGA,
        "peak memory (MB)": run.record["peak_bytes"] / MEGA,
    }
    for size, measured in run.record["latency"].items():
        row[f"tokenize {size} (ms)"] = measured[TOKENIZE]["median"]
        row[f"forward {size} (ms)"] = measured[FORWARD]["median"]
        row[f"forward {size}, p95 (ms)"] = measured[FORWARD]["p95"]
    return row


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(row[name] for row in rows) for name in rows[0]}


def accuracy_and_latency(arms: Mapping[str, Sequence[Run]], batch_size: int = 1) -> pd.DataFrame:
    """A row for each run: ``arm``, ``accuracy`` on all test rows, ``milliseconds`` for a batch (tokenizing and forward pass)."""
    rows = []
    for arm, runs in arms.items():
        for run in runs:
            measured = run.record["latency"][str(batch_size)]
            milliseconds = measured[TOKENIZE]["median"] + measured[FORWARD]["median"]
            rows.append({"arm": arm, "accuracy": accuracy(run.predictions)[ALL], "milliseconds": milliseconds})
    return pd.DataFrame(rows)


def seconds_per_row(run: Run) -> float:
    """Seconds that a model needs for a row in batches of the largest size that was measured."""
    size = max(run.record["latency"], key=int)
    measured = run.record["latency"][size]
    return (measured[TOKENIZE]["median"] + measured[FORWARD]["median"]) / 1000 / int(size)
