"""The first steps of a study, with encoders of the true shape: do they fit, are the losses finite, and how long will it take?

Encoders whose shape this package knows get random weights, and tokenizers of their own class and size that are trained on the rows;
all others are the checkpoints themselves. Steps, times and memory are those of a real fit on this machine, GPU or not.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from kdbook import data, encoders, memory, plan, study, train
from kdbook.encoders import published
from kdbook.errors import KdbookError
from kdbook.profile import MAIN_ARMS

STEPS = 4
VALIDATION_ROWS = 32


@dataclass(frozen=True)
class Rehearsed:
    """What the first steps of an arm showed.

    ``tokens`` of a row on average, ``seconds`` of a step (median without the first), ``loss`` of the last step, ``steps`` and
    ``hours`` of one whole run on this machine, and GB of memory at the peak: of the process, or of the GPU if there is one.
    """

    arm: str
    parameters: int
    tokens: float
    seconds: float
    loss: float
    steps: int
    hours: float
    memory: float


def rehearse(opened: study.Study, say: Callable[[str], None]) -> list[Rehearsed]:
    """Train some steps of the first teacher, baseline and distilled student.

    Raises
    ------
    KdbookError
        If a loss is not finite.
    """
    train._prepare()
    specs = [next(spec for spec in opened.specs.values() if spec.arm == arm) for arm in MAIN_ARMS]
    rows = plan.rows_of(opened.profile.data)["train"]
    found = []
    with tempfile.TemporaryDirectory() as place, train._threads(opened.profile.threads):
        folder = Path(place)
        paths = {spec.checkpoint: _checkpoint(spec.checkpoint, opened.data, folder / str(n)) for n, spec in enumerate(specs[:2])}
        for spec in specs:
            say(f"{spec.arm}: {STEPS} steps of {spec.checkpoint}")
            teaching = train.Teaching(folder / MAIN_ARMS[0], folder / "outputs.safetensors") if spec.teacher else None
            found.append(_steps(spec, paths[spec.checkpoint], opened.data, folder / spec.arm, teaching, rows))
    return found


def _steps(spec: study.RunSpec, checkpoint: Path, rows: data.TextData, path: Path, teaching: Any, of_a_run: int) -> Rehearsed:
    batch, _ = plan.batch_and_tokens(spec.hyperparameters, plan.TOKENS_A_TEXT)
    some = rows["train"].groupby("label", sort=False).head(STEPS * batch).sample(STEPS * batch, random_state=0)
    watch = _watch()
    once = {"optim.max_epochs": 1, "optim.val_check_interval": 1.0, "env.num_gpus": -1, "env.batch_size": batch}
    memory.reset()
    predictor = train.fit(
        path, some, rows["validation"].head(VALIDATION_ROWS), str(checkpoint), spec.hyperparameters | once, spec.seed, teaching, (watch,)
    )
    if not all(loss == loss and abs(loss) < float("inf") for loss in watch.losses):
        raise KdbookError(f"a loss of the {spec.arm} is not finite: {watch.losses}. Train it with env.precision = '32'")
    seconds = median(watch.seconds[1:])
    steps = round(plan.steps(spec, of_a_run))
    return Rehearsed(
        arm=spec.arm,
        parameters=train.parameters(predictor)["total"],
        tokens=_tokens(predictor, some),
        seconds=seconds,
        loss=watch.losses[-1],
        steps=steps,
        hours=steps * seconds / 3600,
        memory=_peak() / plan.GIGA,
    )


def _peak() -> int:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else memory.peak()


def _tokens(predictor: Any, rows: pd.DataFrame) -> float:
    """Tokens of a row on average, marks included."""
    tokenizer = predictor._learner._data_processors["text"][0].tokenizer
    texts = [rows[column].tolist() for column in data.texts(rows)]
    counts = [sum(map(len, tokenizer(part, add_special_tokens=False)["input_ids"])) for part in texts]
    return sum(counts) / len(rows) + len(texts) + 1


def _watch() -> Any:
    from lightning.pytorch import Callback

    class Watch(Callback):
        def __init__(self) -> None:
            self.losses: list[float] = []
            self.seconds: list[float] = []

        def on_train_batch_start(self, *arguments: Any) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *arguments: Any) -> None:
            self.losses.append(float(outputs["loss"]))  # waits for the GPU
            self.seconds.append(time.perf_counter() - self.start)

    return Watch()


def _checkpoint(name: str, rows: data.TextData, folder: Path) -> Path:
    if name not in published.PUBLISHED:
        return encoders.locate(name).path
    return published.random(name, pd.concat([rows["train"][column] for column in data.texts(rows["train"])]), folder)
