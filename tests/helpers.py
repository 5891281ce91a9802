"""The command and the build as a user starts them, in processes of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from kdbook.store import Run, Store

CHAPTERS = (
    "index",
    "data",
    "teacher",
    "baseline",
    "distillation",
    "customization",
    "evaluation",
    "deployment",
    "own-data",
    "reproduce",
)

Done = subprocess.CompletedProcess[str]


def kdbook(*arguments: str, store: Path, expect: int = 0) -> Done:
    """Run the command ``kdbook`` on a store."""
    environment = os.environ | {"KDBOOK_STORE": str(store), "COLUMNS": "200"}
    command = [sys.executable, "-m", "kdbook.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done


def building(project: Path, store: Path, **environment: str) -> dict[str, Any]:
    """Arguments that start a build of a copy of the project with the smoke profile; stderr lists what the process imports."""
    script = str(Path(sys.executable).with_name("jupyter-book"))
    command = [sys.executable, "-X", "importtime", script, "build", "-W", "--keep-going", "."]
    settings = {"KDBOOK_PROFILE": "smoke", "KDBOOK_STORE": str(store), "PYTHONPATH": str(project / "src"), "NO_COLOR": "1"}
    return {"args": command, "cwd": project, "env": os.environ | settings | environment}


def build(project: Path, store: Path, **environment: str) -> Done:
    """Build the book of a copy of the project."""
    return subprocess.run(**building(project, store, **environment), capture_output=True, text=True, check=False)


def executed(done: Done) -> set[str]:
    """Names of the chapters that a build executed."""
    return set(re.findall(r"book/([\w-]+)\.md: Executing notebook", done.stdout + done.stderr))


def assert_same_results(one: Path, other: Path) -> None:
    """Every run of the smoke profile in a store has the key and the predictions of that in another."""
    runs = {run.key: run for run in Store(one) if run.record["profile"] == "smoke"}
    assert runs.keys() == {run.key for run in Store(other) if run.record["profile"] == "smoke"}
    for run in runs.values():
        pd.testing.assert_frame_equal(run.predictions, Run(other / run.key).predictions)


def stock_fit(path, train, validation, checkpoint, hyperparameters, seed, teacher=None, callbacks=()):
    """The fit that AutoMM makes when nothing of it is replaced."""
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.data import inputs
    from kdbook.train import _added_callbacks

    predictor = MultiModalPredictor(label="label", eval_metric="accuracy", path=str(path), verbosity=0, enable_progress_bar=False)
    with _added_callbacks(predictor, callbacks):
        predictor.fit(
            train_data=train[inputs(train)],
            tuning_data=validation[inputs(validation)],
            teacher_predictor=str(teacher.predictor) if teacher else None,
            hyperparameters={"model.names": ["hf_text"], "model.hf_text.checkpoint_name": checkpoint, **hyperparameters},
            seed=seed,
        )
    return predictor
