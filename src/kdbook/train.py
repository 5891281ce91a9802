"""Fit one model with AutoMM and measure it.

Only this module and those that it imports within its functions import AutoGluon, which takes tens of seconds.
"""

import json
import logging
import os
import platform
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kdbook import latency, memory, store
from kdbook.data import inputs, texts

if TYPE_CHECKING:
    from kdbook.data import TextData

WARM_UP_ROWS = 64
TRAIN_ITEMS_PREDICTED = 500
EMBEDDINGS = "embeddings."
LAST_CHECKPOINT = "last.ckpt"

Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """How far a fit has come: optimizer-sized batches done and planned, seconds since its start."""

    step: int
    steps: int
    seconds: float


@dataclass(frozen=True)
class Teaching:
    """A teacher to distil from: the directory of its fitted predictor, and the file in which its outputs are kept.

    Without a file the teacher runs in every step, as AutoMM does it. ``shuffled`` gives each training pair what the teacher
    says about another one with the same label.
    """

    predictor: Path
    outputs: Path | None = None
    shuffled: bool = False


def fit(
    path: Path,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    checkpoint: str,
    hyperparameters: dict[str, Any],
    seed: int,
    teacher: Teaching | None = None,
    callbacks: tuple = (),
    resume: bool = False,
):
    """Fine-tune a pretrained encoder on texts or pairs of texts; with a teacher, distil from it.

    Parameters
    ----------
    path
        Directory for the fitted predictor.
    train, validation
        Columns ``sentence1``, for pairs ``sentence2``, and ``label``; validation chooses the best epoch.
    checkpoint
        Hub id or directory of the encoder.
    hyperparameters
        AutoMM settings by dotted key.
    seed
        Seed of AutoMM: initial head, dropout, order of the rows.
    teacher
        The teacher, if there is one. AutoMM would rename an in-memory teacher's parts, so it gets the path.
    callbacks
        Lightning callbacks to add to AutoMM's own.
    resume
        Go on from the checkpoint that an interrupted fit left in ``path``.

    Returns
    -------
    The fitted ``MultiModalPredictor``.
    """
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.prepared import prepare
    from kdbook.teacher_outputs import TeacherOutputs

    kind = "binary" if train["label"].nunique() == 2 else "multiclass"
    predictor = MultiModalPredictor(
        label="label", problem_type=kind, eval_metric="accuracy", path=str(path), verbosity=0, enable_progress_bar=False
    )
    if resume:
        _go_on(predictor, path)
    prepare(predictor._learner, TeacherOutputs(teacher.outputs, teacher.shuffled) if teacher and teacher.outputs else None)
    with _added_callbacks(predictor, callbacks), _without_denormals():
        predictor.fit(
            train_data=train[inputs(train)],
            tuning_data=validation[inputs(validation)],
            column_types=dict.fromkeys(texts(train), "text"),  # few or short texts AutoMM would take for categories
            teacher_predictor=str(teacher.predictor) if teacher else None,
            hyperparameters={"model.names": ["hf_text"], "model.hf_text.checkpoint_name": checkpoint, **hyperparameters},
            seed=seed,
        )
    return predictor


def train(
    directory: Path,
    data: "TextData",
    checkpoint: str,
    hyperparameters: dict[str, Any],
    seed: int,
    teacher: Teaching | None = None,
    threads: int | None = None,
    measure_speed: bool = True,
    report: Report = lambda progress: None,
) -> store.Record:
    """Fit a model, predict the test rows and some training rows, and write all that it gives into ``directory``.

    A fit that was interrupted in ``directory`` goes on after its last validated checkpoint, with the state of the random
    numbers, so that it ends as it would have; without a readable checkpoint it starts again.

    Parameters
    ----------
    data
        The model learns from its ``train`` rows; ``validation`` rows choose the best epoch; ``test`` rows are predicted.
    checkpoint, hyperparameters, seed, teacher
        As for :func:`fit`.
    threads
        Processor cores to compute on; ``None``: all.
    measure_speed
        Measure latencies as well; see :func:`kdbook.latency.measure`.
    report
        Told the progress of the fit.

    Returns
    -------
    ``fit_seconds`` (fit and choice of the best epoch, earlier attempts included), ``predict_seconds`` by language and for
    ``all`` (after a warm-up, start-up of AutoMM's trainer included), ``seconds`` of all this, ``interruptions`` of the fit,
    ``parameters`` (``total``, ``embeddings``, ``backbone``), ``predictor_bytes`` on disk, ``peak_bytes`` of memory during the
    fit, libraries included, ``latency`` or None, ``validation_accuracy`` and ``hardware``.
    """
    _prepare()
    path = directory / store.PREDICTOR
    resume = _can_go_on(path)
    if not resume:
        _clear(directory)
    with _threads(threads):
        watch = _watcher(report, directory / store.PROGRESS)
        start = time.perf_counter()
        memory.reset()
        predictor = fit(path, data["train"], data["validation"], checkpoint, hyperparameters, seed, teacher, (watch,), resume)
        fit_seconds = watch.seconds_before + time.perf_counter() - start
        peak_bytes = memory.peak()
        tests = {str(language): rows for language, rows in data["test"].groupby("language", sort=False)}
        others = {"train": _first_items(data["train"], TRAIN_ITEMS_PREDICTED), "validation": data["validation"]}
        found, seconds = predict(predictor, tests | others)
        validated = found["validation"]
        speed = latency.measure(predictor, data["test"][texts(data["test"])]) if measure_speed else None
        pd.concat([found[language] for language in tests], ignore_index=True).to_parquet(directory / store.PREDICTIONS, index=False)
        found["train"].to_parquet(directory / store.TRAIN_PREDICTIONS, index=False)
        pd.DataFrame(watch.history).to_parquet(directory / store.HISTORY, index=False)
        _drop_leftovers(directory)
        return {
            "fit_seconds": fit_seconds,
            "predict_seconds": {language: seconds[language] for language in tests} | {"all": sum(seconds[language] for language in tests)},
            "seconds": watch.seconds_before + time.perf_counter() - start,
            "interruptions": watch.interruptions,
            "parameters": parameters(predictor),
            "predictor_bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            "peak_bytes": peak_bytes,
            "latency": speed,
            "validation_accuracy": float((validated["prediction"] == validated["label"]).mean()),
            "hardware": hardware(),
        }


def _first_items(rows: pd.DataFrame, items: int) -> pd.DataFrame:
    return rows[rows["id"].isin(rows["id"].drop_duplicates().head(items))]


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Compute on so many cores meanwhile."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for zero meanwhile.

    Adam's averages of gradients become as small for words that are rarely seen, and processors are slow at them; the weights
    end the same, bit for bit.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def predict(predictor, parts: Mapping[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Predictions for every row of some tables, and the seconds that each table took, after a warm-up.

    The columns of the predictions are those of :attr:`kdbook.store.Run.predictions`.
    """
    first = next(iter(parts.values()))
    predictor.predict(first[texts(first)].head(WARM_UP_ROWS))
    labels = list(predictor.class_labels)
    tables, seconds = {}, {}
    for name, rows in parts.items():
        start = time.perf_counter()
        probabilities = predictor.predict_proba(rows[texts(rows)], as_pandas=False)
        seconds[name] = time.perf_counter() - start
        said = {f"probability_{label}": probabilities[:, place] for place, label in enumerate(labels)}
        if len(labels) == 2:
            said = {"probability": said["probability_1"]}
            answers = (said["probability"] > 0.5).astype(int)
        else:
            answers = np.array(labels)[probabilities.argmax(axis=1)]
        tables[name] = rows[["id", "language", "label"]].assign(**said, prediction=answers)
    return tables, seconds


def parameters(predictor) -> dict[str, int]:
    """Number of parameters: in the embeddings, in the backbone (all else), and in total."""
    sizes = {name: weight.numel() for name, weight in predictor._learner._model.named_parameters()}
    embeddings = sum(size for name, size in sizes.items() if EMBEDDINGS in name)
    return {"total": sum(sizes.values()), "embeddings": embeddings, "backbone": sum(sizes.values()) - embeddings}


def hardware() -> dict[str, Any]:
    """The machine, in words that do not identify it."""
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "system": platform.system(),
    }


class _added_callbacks:
    """Let AutoMM's trainer call ours too; AutoMM has no argument for it (``learners/base.py``)."""

    def __init__(self, predictor, callbacks: tuple) -> None:
        self.learner, self.callbacks = predictor._learner, list(callbacks)

    def __enter__(self) -> None:
        own = self.learner.get_callbacks_per_run
        self.learner.get_callbacks_per_run = lambda *args, is_train=True, **kwargs: (
            own(*args, is_train=is_train, **kwargs) + (self.callbacks if is_train else [])
        )

    def __exit__(self, *exception) -> None:
        del self.learner.get_callbacks_per_run


def _watcher(report: Report, progress: Path):
    """A Lightning callback that reports progress, and keeps in every checkpoint what a resumed fit needs beside the weights."""
    from lightning.pytorch import Callback

    class Watcher(Callback):
        def __init__(self) -> None:
            self.history: list[dict[str, float]] = []
            self.seconds_before = 0.0
            self.interruptions = 0
            self.batches = 0
            self.start = time.perf_counter()

        def seconds(self) -> float:
            return self.seconds_before + time.perf_counter() - self.start

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
            per_epoch = trainer.num_training_batches
            self.batches = trainer.current_epoch * per_epoch + batch_index + 1
            report(Progress(self.batches, int(per_epoch * trainer.max_epochs), self.seconds()))

        def on_validation_end(self, trainer, module) -> None:
            if trainer.sanity_checking:
                return
            metrics = trainer.callback_metrics
            done = {"epoch": self.batches / trainer.num_training_batches, "seconds": self.seconds()}
            scores = {"train_loss": float(metrics["train_loss"]), "validation_accuracy": float(metrics["val_accuracy"])}
            self.history.append(done | scores)
            store.write(progress, json.dumps(done | {"epochs": trainer.max_epochs}))

        def state_dict(self) -> dict[str, Any]:
            kept = {"history": self.history, "seconds": self.seconds(), "interruptions": self.interruptions, "batches": self.batches}
            return kept | {"random": _random_state()}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.history, self.seconds_before, self.batches = list(state["history"]), state["seconds"], state["batches"]
            self.interruptions = state["interruptions"] + 1
            self.start = time.perf_counter()
            _set_random_state(state["random"])

    return Watcher()


def _random_state() -> dict[str, Any]:
    """State of all generators, in types that ``torch.load(weights_only=True)`` accepts."""
    import torch

    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _set_random_state(state: dict[str, Any]) -> None:
    import torch

    name, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    torch.cuda.set_rng_state_all(state["cuda"])


def _can_go_on(path: Path) -> bool:
    """Whether an interrupted fit left a checkpoint that can be read.

    AutoMM does not write ``last.ckpt`` in one piece; if it is cut off, the best epoch's checkpoint takes its place.
    """
    last = path / LAST_CHECKPOINT
    whole = next((found for found in (last, *path.glob("epoch=*.ckpt")) if _can_be_read(found)), None)
    if whole and whole != last:
        shutil.copyfile(whole, last)
    return whole is not None


def _can_be_read(checkpoint: Path) -> bool:
    import torch

    try:
        return bool(torch.load(checkpoint, map_location="cpu", weights_only=True))
    except Exception:  # torch names no base class for what a cut-off file makes it raise
        return False


def _go_on(predictor, path: Path) -> None:
    """Make the next fit continue from the last checkpoint.

    ``MultiModalPredictor.load(resume=True)`` is made for this, but AutoMM 1.6 writes the files it needs only when a fit is
    over (``learners/base.py``, ``on_fit_per_run_end``), and its reader of checkpoints (``utils/checkpoint.py``) lacks an
    argument that Lightning 2.6 passes; without it Lightning reads them itself.
    """
    predictor._learner._resume = True
    predictor._learner._ckpt_path = str(path / LAST_CHECKPOINT)
    predictor._learner.get_plugins_per_run = lambda **kwargs: []


def _clear(directory: Path) -> None:
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _drop_leftovers(directory: Path) -> None:
    """Remove the logs and checkpoints (the teacher's weights among them) that AutoMM leaves beside the model."""
    predictor = directory / store.PREDICTOR
    (directory / store.PROGRESS).unlink(missing_ok=True)
    for pattern in ("events.out.tfevents.*", "hparams.yaml", "epoch=*.ckpt", "last*.ckpt", "best_k_models.yaml"):
        for path in predictor.rglob(pattern):
            path.unlink()
    assets = predictor / "assets.json"
    assets.write_text(json.dumps(json.loads(assets.read_text("utf-8")) | {"save_path": "", "pretrained_path": ""}), "utf-8")
    for folder in predictor.iterdir():
        if folder.is_dir() and not any(folder.iterdir()):
            shutil.rmtree(folder)


def _prepare() -> None:
    """Import AutoMM, so that no run's time contains it, and keep its libraries' many notes out of the output."""
    warnings.filterwarnings("ignore")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import autogluon.multimodal  # noqa: F401
    from transformers.utils import logging as transformers_logging

    for name in ("lightning", "lightning.fabric", "lightning.pytorch", "autogluon"):
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
