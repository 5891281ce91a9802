"""The first steps of a study: whether they fit, and how long a run will take.

Encoders, rows, steps, times and memory are those of a real fit on this machine, GPU or not.
"""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from kdbook.data import TextData
from kdbook.encoders import checkpoints
from kdbook.errors import KdbookError
from kdbook.execution import plan
from kdbook.settings import machine
from kdbook.settings.arms import BASELINE, DISTILLED, TEACHER
from kdbook.settings.automm import Settings
from kdbook.store.run import RunSpec
from kdbook.study.study import Study
from kdbook.training import automm, measure
from kdbook.training.fit import FitSettings, fit, using_threads

if TYPE_CHECKING:
    from kdbook.training.teacher_outputs import Teacher

STEPS = 4
VALIDATION_ROWS = 32


@dataclass(frozen=True)
class Rehearsal:
    """What the first steps of an arm showed.

    ``seconds`` per step (median without the first), ``loss`` of the last step, ``steps`` and ``hours`` of one
    whole run on this machine, and peak ``memory`` in GB: of the process, or of the GPU if there is one.
    """

    arm: str
    parameters: int
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

    rows = plan.rows_of(study)
    rehearsals = []
    with tempfile.TemporaryDirectory() as temporary, using_threads(study.profile.threads):
        folder = Path(temporary)
        for spec in map(study.spec, study.profile.main_arms):
            say(f"{spec.arm}: {STEPS} steps of {spec.checkpoint}")
            outputs = OutputFile(folder / "outputs.safetensors")
            teacher = Teacher(folder / TEACHER, outputs) if spec.teacher else None
            checkpoint = str(checkpoints.locate(spec.checkpoint).path)
            settings = FitSettings(checkpoint, _few_steps(spec), spec.seed, spec.metric)
            path = folder / spec.arm
            rehearsals.append(_rehearse(spec, settings, study.data, path, teacher, plan.steps(spec, rows)))
    return rehearsals


def hours_of_all_runs(study: Study, rehearsals: Sequence[Rehearsal]) -> float:
    """Hours of the steps of all runs on this machine, one run after the other.

    A step of an arm that was not rehearsed takes as long per row as one of ``distilled``, or of ``baseline``
    where the arm has no teacher.
    """
    rows = plan.rows_of(study)
    pace = {each.arm: each.seconds / plan.batch_size(study.spec(each.arm)) for each in rehearsals}
    seconds = 0.0
    for spec in study.specs.values():
        if not spec.is_linear:
            like = spec.arm if spec.arm in pace else DISTILLED if spec.teacher else BASELINE
            seconds += plan.steps(spec, rows) * plan.batch_size(spec) * pace[like]
    return seconds / 3600


def _few_steps(spec: RunSpec) -> Settings:
    """The settings of a run, for one short epoch without accumulation."""
    return automm.on_one_gpu(spec.hyperparameters) | {
        "optim.max_epochs": 1,
        "optim.val_check_interval": 1.0,
        "env.batch_size": plan.batch_size(spec),
    }


def _rehearse(
    spec: RunSpec,
    settings: FitSettings,
    data: TextData,
    path: Path,
    teacher: "Teacher | None",
    steps: int,
) -> Rehearsal:
    needed = STEPS * plan.batch_size(spec)
    labelled = data["train"].groupby("label", sort=False).head(needed)
    few = len(labelled) < needed
    rows = labelled.sample(needed, replace=few, random_state=0, ignore_index=True)
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
    return Rehearsal(
        arm=spec.arm,
        parameters=measure.parameter_counts(automm.learner_of(predictor)._model).total,
        seconds=seconds,
        loss=recorder.losses[-1],
        steps=steps,
        hours=steps * seconds / 3600,
        memory=_peak_memory() / plan.GIGA,
    )


def _peak_memory() -> int:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else machine.peak_memory()


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
