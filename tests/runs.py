"""Finished runs made by hand, with the accuracies that a test wants."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kdbook.settings.arms import LINEAR, TEACHER
from kdbook.store.run import (
    HISTORY,
    PREDICTIONS,
    RECORD,
    TRAIN_PREDICTIONS,
    BatchLatency,
    Hardware,
    Measurements,
    Milliseconds,
    ParameterCounts,
    Run,
    RunIdentity,
    RunRecord,
    RunSpec,
)
from kdbook.study.arms import Arms

HARDWARE = Hardware(processor="x86_64", cores=2, threads=1, gpu=None, system="Linux")


def latency(milliseconds: float) -> dict[int, BatchLatency]:
    """Latencies of this median for every part and batch size."""
    part = Milliseconds(median=milliseconds, p95=milliseconds + 1)
    return {size: BatchLatency(tokenize=part, forward=part) for size in (1, 32)}


def predictions(rows) -> pd.DataFrame:
    """Predictions from tuples (language, label, prediction), every row an item of its own."""
    frame = pd.DataFrame(rows, columns=["language", "label", "prediction"])
    return with_probabilities(frame.assign(id=range(len(frame))), frame["prediction"] * 0.8 + 0.1)


def with_probabilities(frame: pd.DataFrame, of_one) -> pd.DataFrame:
    """Predictions with the probabilities of two classes."""
    return frame.assign(probability_0=1 - of_one, probability_1=of_one)


def simulated(rng: np.random.Generator, accuracy: float, items: int = 300) -> pd.DataFrame:
    """Predictions in two languages that are correct with this probability."""
    frame = pd.DataFrame({"id": np.tile(np.arange(items), 2), "language": np.repeat(["en", "de"], items)})
    frame["label"] = frame["id"] % 2
    correct = rng.random(len(frame)) < accuracy
    frame["prediction"] = np.where(correct, frame["label"], 1 - frame["label"])
    noise = rng.uniform(-0.09, 0.09, len(frame))
    return with_probabilities(frame, np.clip(frame["prediction"] * 0.8 + 0.1 + noise, 0, 1))


def make_spec(name: str, teacher: str | None = None, **changes: Any) -> RunSpec:
    arm, _, seed = name.rpartition("-")
    defaults = {"checkpoint": f"embedded:{'teacher' if arm == TEACHER else 'student'}", "hyperparameters": {}}
    return RunSpec(**{"name": name, "arm": arm, "seed": seed, "teacher": teacher, **defaults, **changes})


def make_identity(spec: RunSpec, **changes: Any) -> RunIdentity:
    defaults = {
        "data": "rows",
        "checkpoint": spec.checkpoint,
        "hyperparameters": spec.hyperparameters,
        "seed": spec.seed,
        "threads": 1,
        "teacher": spec.teacher,
        "rows": spec.rows,
        "lesson": spec.lesson,
        "metric": spec.metric,
        "code": "code",
        "versions": {"torch": "2"},
    }
    return RunIdentity(**{**defaults, **changes})


def make_measurements(seed: int = 0, backbone: int = 500_000, **changes: Any) -> Measurements:
    defaults = {
        "fit_seconds": 10.0 + seed,
        "predict_seconds": {"all": 2.0},
        "seconds": 12.0,
        "interruptions": 0,
        "parameters": ParameterCounts(total=backbone + 1_500_000, embeddings=1_500_000, backbone=backbone),
        "predictor_bytes": 3_000_000,
        "peak_bytes": 900_000_000,
        "latency": latency(2.0),
        "validation_score": 0.5,
        "hardware": HARDWARE,
    }
    return Measurements(**{**defaults, **changes})


def make_record(name: str = "baseline-0", spec: RunSpec | None = None, **changes: Any) -> RunRecord:
    """The record of a run; ``changes`` are to its measurements."""
    spec = spec or make_spec(name)
    backbone = 5_000_000 if spec.arm == TEACHER else 500_000
    return RunRecord(
        name=name,
        profile="smoke",
        source="generated",
        spec=spec,
        identity=make_identity(spec),
        code={},
        measurements=make_measurements(spec.seed, backbone, **changes),
    )


def write_results(path: Path, frame: pd.DataFrame) -> None:
    """Write predictions and a history as a fit leaves them."""
    for file in (PREDICTIONS, TRAIN_PREDICTIONS):
        frame.to_parquet(path / file)
    history = {"epoch": [1], "seconds": [1.0], "train_loss": [1.0], "validation_score": [0.5]}
    pd.DataFrame(history).to_parquet(path / HISTORY)


def make_run(
    folder: Path,
    name: str,
    frame: pd.DataFrame,
    teacher: str | None = None,
    spec: RunSpec | None = None,
    **changes: Any,
) -> Run:
    """Write the small files of a run named ``<arm>-<seed>``."""
    path = folder / name
    path.mkdir(parents=True)
    write_results(path, frame)
    spec = spec or make_spec(name, teacher, paired_teacher=teacher)
    (path / RECORD).write_text(make_record(name, spec, **changes).model_dump_json())
    return Run(path)


def make_arms(
    folder: Path, teacher: float, baseline: float, distilled: float, seeds: int = 5, **others: float
) -> Arms:
    """Two teachers that take turns, and students of each arm, correct with the given probabilities."""
    rng = np.random.default_rng(0)
    arms = {"teacher": [make_run(folder, f"teacher-{seed}", simulated(rng, teacher)) for seed in range(2)]}
    for arm, accuracy in {"baseline": baseline, "distilled": distilled, **others}.items():
        arms[arm] = []
        for seed in range(seeds):
            paired = f"teacher-{seed % 2}"
            name = f"{arm}-{seed}"
            spec = make_spec(name, paired if arm == "distilled" else None, paired_teacher=paired)
            arms[arm].append(make_run(folder, name, simulated(rng, accuracy), spec=spec))
    spec = make_spec("linear-0", None)
    return Arms(arms | {LINEAR: [make_run(folder, "linear-0", simulated(rng, 0.55), spec=spec)]})


def replaced(arms: Arms, **runs: list[Run]) -> Arms:
    """The arms with the runs of some arms replaced or added."""
    return Arms({**arms, **runs})


def as_predictions(correct: np.ndarray) -> pd.DataFrame:
    """Predictions of a run, from a table of whether each is correct, shape (items, languages)."""
    items, languages = correct.shape
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(items), languages),
            "language": np.tile([*"abcd"[:languages]], items),
            "label": 1,
        }
    )
    return table.assign(prediction=correct.reshape(-1).astype(int))
