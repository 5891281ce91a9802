"""The command and the build as a user starts them, in processes of their own."""

import importlib.util
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.store.run import Run
from kdbook.study.specs import expand
from kdbook.website.chapters import page_names

ROOT = Path(__file__).parents[1]
PAGES = [Path(page).name for page in page_names(ROOT)]
SMOKE_RUNS = len(expand(profile.load("smoke")))
STUDIES = int(os.environ.get("KDBOOK_STUDIES", "80"))  # that are simulated; the nightly tests set more
FEW_RUNS = 6  # of the profile that few_runs makes
FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)
CHAPTERS = [page for page in PAGES if "{code-cell}" in (ROOT / "book" / f"{page}.md").read_text("utf-8")]

Done = subprocess.CompletedProcess[str]


def bench_module(name: str) -> ModuleType:
    """A script of the folder ``bench`` as a module."""
    return _script("bench", name)


def tool_module(name: str) -> ModuleType:
    """A script of the folder ``tools`` as a module."""
    return _script("tools", name)


def _script(folder: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", ROOT / folder / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait_until(condition: Callable[[], Any], seconds: float = 300, interval: float = 0.05) -> None:
    """Wait for a condition; it must come true within a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} seconds in vain"
        time.sleep(interval)


def kdbook(*arguments: str, store: Path, expect: int = 0) -> Done:
    """Run the command ``kdbook`` on a store."""
    environment = os.environ | {"KDBOOK_STORE": str(store), "COLUMNS": "200"}
    command = [sys.executable, "-m", "kdbook.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done


def kdbook_here(*arguments: str, store: Path, expect: int = 0) -> Done:
    """Run the command in this process, which saves seconds of imports."""
    from kdbook.cli import main

    output, errors, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setenv("KDBOOK_STORE", str(store))
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["kdbook", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    assert code == expect, errors.getvalue()
    return subprocess.CompletedProcess(["kdbook", *arguments], code, output.getvalue(), errors.getvalue())


def building(project: Path, store: Path, **environment: str) -> dict[str, Any]:
    """Arguments that start a build of a copy of the project with the smoke profile; stderr lists what the process imports."""
    script = str(Path(sys.executable).with_name("jupyter-book"))
    command = [sys.executable, "-X", "importtime", script, "build", "-W", "--keep-going", "."]
    settings = {
        "KDBOOK_PROFILE": "smoke",
        "KDBOOK_STORE": str(store),
        "PYTHONPATH": str(project / "src"),
        "NO_COLOR": "1",
    }
    return {"args": command, "cwd": project, "env": os.environ | settings | environment}


def build(project: Path, store: Path, **environment: str) -> Done:
    """Build the book of a copy of the project."""
    return subprocess.run(
        **building(project, store, **environment), capture_output=True, text=True, check=False
    )


def executed(done: Done) -> set[str]:
    """Names of the chapters that a build executed."""
    return set(re.findall(r"book/([\w-]+)\.md: Executing notebook", done.stdout + done.stderr))


def assert_same_results(one: Path, other: Path, number: int = SMOKE_RUNS) -> None:
    """So many runs of two stores have the same keys, and the same predictions."""
    common = set(Store(one).keys()) & set(Store(other).keys())
    assert len(common) == number
    for key in sorted(common):
        pd.testing.assert_frame_equal(Run(one / key).predictions, Run(other / key).predictions)


def few_runs(text: str) -> str:
    """A profile like smoke that asks for the first run of each main arm only; they are the same runs."""
    main, _, _ = text.partition("[controls.")
    return main.replace("seeds = [0, 1]", "seeds = [0]")


def few_profile(folder: Path) -> Path:
    """That profile in a file."""
    smoke = files("kdbook") / "settings" / "profiles" / "smoke.toml"
    (path := folder / "few.toml").write_text(few_runs(smoke.read_text("utf-8")), "utf-8")
    return path


def stock_fit(
    path, train, validation, settings, teacher=None, outputs=None, callbacks=(), around=nullcontext
):
    """The fit that AutoMM makes when nothing of it is replaced; it does not use the ``outputs``.

    ``around`` makes a context for the fit from the predictor.
    """
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.data import inputs
    from kdbook.training import automm

    predictor = MultiModalPredictor(
        label="label", eval_metric="accuracy", path=str(path), verbosity=0, enable_progress_bar=False
    )
    hyperparameters = {
        "model.names": ["hf_text"],
        "model.hf_text.checkpoint_name": settings.checkpoint,
        **settings.hyperparameters,
    }
    with automm.added_callbacks(predictor, callbacks), around(predictor):
        predictor.fit(
            train_data=train[inputs(train)],
            tuning_data=validation[inputs(validation)],
            teacher_predictor=str(teacher) if teacher else None,
            hyperparameters=hyperparameters,
            seed=settings.seed,
        )
    return predictor


def fit_settings(study, name: str, seed: int | None = None, **changes):
    """What a run of a study tells AutoMM; ``changes`` are settings by key with underscores for dots."""
    from kdbook.encoders import checkpoints
    from kdbook.training.fit import FitSettings

    spec = study.specs[name]
    checkpoint = str(checkpoints.locate(spec.checkpoint).path)
    return FitSettings(
        checkpoint, spec.hyperparameters | changes, spec.seed if seed is None else seed, spec.metric
    )
