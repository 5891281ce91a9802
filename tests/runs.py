"""Finished runs made by hand, with the accuracies that a test wants."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from kdbook.store import HISTORY, PREDICTIONS, RECORD, TRAIN_PREDICTIONS, Run

LATENCY = {size: {part: {"median": 2.0, "p95": 3.0} for part in ("tokenize", "forward")} for size in ("1", "32")}


def predictions(rows) -> pd.DataFrame:
    """Predictions from tuples (language, label, prediction), every row an item of its own."""
    frame = pd.DataFrame(rows, columns=["language", "label", "prediction"])
    return frame.assign(id=range(len(frame)), probability=frame["prediction"] * 0.8 + 0.1)


def drawn(rng: np.random.Generator, accuracy: float, items: int = 300) -> pd.DataFrame:
    """Predictions in two languages that are right with this probability."""
    frame = pd.DataFrame({"id": np.tile(np.arange(items), 2), "language": np.repeat(["en", "de"], items)})
    frame["label"] = frame["id"] % 2
    right = rng.random(len(frame)) < accuracy
    frame["prediction"] = np.where(right, frame["label"], 1 - frame["label"])
    return frame.assign(probability=np.clip(frame["prediction"] * 0.8 + 0.1 + rng.uniform(-0.09, 0.09, len(frame)), 0, 1))


def make_run(folder: Path, name: str, frame: pd.DataFrame, teacher: str | None = None, **changes) -> Run:
    """Write the small files of a run named ``<arm>-<seed>``."""
    arm, _, seed = name.rpartition("-")
    path = folder / name
    path.mkdir(parents=True)
    for file in (PREDICTIONS, TRAIN_PREDICTIONS):
        frame.to_parquet(path / file)
    pd.DataFrame({"epoch": [1], "seconds": [1.0], "train_loss": [1.0], "validation_accuracy": [0.5]}).to_parquet(path / HISTORY)
    backbone = 5_000_000 if arm == "teacher" else 500_000
    record = {
        "name": name,
        "identity": {"seed": int(seed)},
        "spec": {"arm": arm, "teacher": teacher},
        "fit_seconds": 10.0 + int(seed),
        "predict_seconds": {"all": 2.0},
        "parameters": {"total": backbone + 1_500_000, "embeddings": 1_500_000, "backbone": backbone},
        "predictor_bytes": 3_000_000,
        "peak_bytes": 900_000_000,
        "latency": LATENCY,
    }
    (path / RECORD).write_text(json.dumps(record | changes))
    return Run(path)


def make_arms(folder: Path, teacher: float, baseline: float, distilled: float, seeds: int = 5, **others: float) -> dict[str, list[Run]]:
    """Two teachers that take turns, and students of each arm, right with the given probabilities."""
    rng = np.random.default_rng(0)
    arms = {"teacher": [make_run(folder, f"teacher-{seed}", drawn(rng, teacher)) for seed in range(2)]}
    for arm, accuracy in {"baseline": baseline, "distilled": distilled, **others}.items():
        taught = [f"teacher-{seed % 2}" if arm == "distilled" else None for seed in range(seeds)]
        arms[arm] = [make_run(folder, f"{arm}-{seed}", drawn(rng, accuracy), its) for seed, its in enumerate(taught)]
    return arms
