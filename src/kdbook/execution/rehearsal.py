"""The first steps of a study with full-size encoders: whether they fit, and how long a run will take.

Encoders whose configuration this package knows get random weights and a tokenizer of their own class and
size, trained on the rows; all others are the checkpoints themselves. Steps, times and memory are those of a
real fit on this machine, GPU or not.
"""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd

from kdbook.data import TextData, texts
from kdbook.encoders import checkpoints, hub_configs
from kdbook.errors import KdbookError
from kdbook.execution import estimate
from kdbook.settings import machine
from kdbook.settings.arms import TEACHER
from kdbook.settings.automm import Settings
from kdbook.store.run import RunSpec
from kdbook.study.study import Study
from kdbook.training import automm, measure
from kdbook.training.fit import FitSettings, fit, using_threads

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.training.teacher_outputs import Teacher

STEPS = 4
VALIDATION_ROWS = 32


@dataclass(frozen=True)
class Rehearsal:
    """What the first steps of an arm showed.

    ``tokens`` per row on average, ``seconds`` per step (median without the first), ``loss`` of the last step,
    ``steps`` and ``hours`` of one whole run on this machine, and peak ``memory`` in GB: of the process, or of
    the GPU if there is one.
    """

    arm: str
    parameters: int
    tokens: float
    seconds: float
    loss: float
    steps: int
    hours: float
    memory: float


def rehearse(study: Study, say: Callable[[str], None]) -> list[Rehearsal]:
    """Train some steps of the first run of each main arm; ``say`` gets a line for each.

    Raises
    ------
    KdbookError
        If a loss is not finite.
    """
    automm.import_quietly()
    from kdbook.training.teacher_outputs import OutputFile, Teacher

    specs = [study.spec(arm) for arm in study.profile.main_arms]
    rows = estimate.rows_per_split(study.profile.data)
    rehearsals = []
    with tempfile.TemporaryDirectory() as temporary, using_threads(study.profile.threads):
        folder = Path(temporary)
        paths = {
            spec.checkpoint: _checkpoint(spec.checkpoint, study.data, folder / f"{spec.arm}-encoder")
            for spec in specs[:2]
        }
        for spec in specs:
            say(f"{spec.arm}: {STEPS} steps of {spec.checkpoint}")
            outputs = OutputFile(folder / "outputs.safetensors")
            teacher = Teacher(folder / TEACHER, outputs) if spec.teacher else None
            settings = FitSettings(str(paths[spec.checkpoint]), _few_steps(spec), spec.seed, spec.metric)
            path = folder / spec.arm
            rehearsals.append(
                _rehearse(spec, settings, study.data, path, teacher, estimate.train_rows(spec, rows))
            )
    return rehearsals


def _few_steps(spec: RunSpec) -> Settings:
    """The settings of a run, for one short epoch without accumulation."""
    batch, _ = estimate.batch_and_tokens(spec.hyperparameters, estimate.TOKENS_PER_TEXT)
    return automm.on_one_gpu(spec.hyperparameters) | {
        "optim.max_epochs": 1,
        "optim.val_check_interval": 1.0,
        "env.batch_size": batch,
    }


def _rehearse(
    spec: RunSpec,
    settings: FitSettings,
    data: TextData,
    path: Path,
    teacher: "Teacher | None",
    train_rows: int,
) -> Rehearsal:
    batch, _ = estimate.batch_and_tokens(spec.hyperparameters, estimate.TOKENS_PER_TEXT)
    labelled = data["train"].groupby("label", sort=False).head(STEPS * batch)
    few = len(labelled) < STEPS * batch
    rows = labelled.sample(STEPS * batch, replace=few, random_state=0, ignore_index=True)
    recorder = _step_recorder()
    machine.reset_peak_memory()
    validation = data["validation"].head(VALIDATION_ROWS)
    outputs = teacher.outputs(rows) if teacher else None
    predictor_path = teacher.predictor if teacher else None
    predictor = fit(path, rows, validation, settings, predictor_path, outputs, [recorder])
    if not all(map(math.isfinite, recorder.losses)):
        raise KdbookError(
            f"a loss of the {spec.arm} is not finite: {recorder.losses}. Train it with env.precision = '32'"
        )
    seconds = median(recorder.seconds[1:])
    steps = round(estimate.steps(spec, train_rows))
    return Rehearsal(
        arm=spec.arm,
        parameters=measure.parameter_counts(automm.learner_of(predictor)._model).total,
        tokens=_tokens_per_row(predictor, rows),
        seconds=seconds,
        loss=recorder.losses[-1],
        steps=steps,
        hours=steps * seconds / 3600,
        memory=_peak_memory() / estimate.GIGA,
    )


def _peak_memory() -> int:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else machine.peak_memory()


def _tokens_per_row(predictor: "MultiModalPredictor", rows: pd.DataFrame) -> float:
    """Tokens of a row on average, marks included."""
    tokenizer = automm.learner_of(predictor)._data_processors[automm.TEXT][0].tokenizer
    columns = [rows[column].tolist() for column in texts(rows)]
    counts = [sum(map(len, tokenizer(column, add_special_tokens=False)["input_ids"])) for column in columns]
    return sum(counts) / len(rows) + len(columns) + 1


def _step_recorder() -> Any:
    """A Lightning callback that keeps loss and seconds of each step."""
    from lightning.pytorch import Callback

    class StepRecorder(Callback):
        def __init__(self) -> None:
            self.losses: list[float] = []
            self.seconds: list[float] = []

        def on_train_batch_start(self, *arguments: Any) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *arguments: Any) -> None:
            self.losses.append(float(outputs["loss"]))  # reading the value synchronizes with the GPU
            self.seconds.append(time.perf_counter() - self.start)

    return StepRecorder()


def _checkpoint(name: str, data: TextData, folder: Path) -> Path:
    if name not in hub_configs.CONFIGURATIONS:
        return checkpoints.locate(name).path
    rows = data["train"]
    return hub_configs.random_checkpoint(name, pd.concat([rows[column] for column in texts(rows)]), folder)
