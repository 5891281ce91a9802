"""Fit one model with AutoMM and measure it. The only module that imports AutoGluon, which takes tens of seconds."""

import json
import logging
import os
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kdbook import store
from kdbook.data import INPUTS

WARM_UP_ROWS = 64
EMBEDDINGS = "embeddings."

Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """How far a fit has come: optimizer-sized batches done and planned, seconds since its start."""

    step: int
    steps: int
    seconds: float


def fit(
    path: Path,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    checkpoint: str,
    hyperparameters: dict[str, Any],
    seed: int,
    teacher: Path | None = None,
    callbacks: tuple = (),
):
    """Fine-tune a pretrained encoder on sentence pairs; with a teacher, distil from it.

    Parameters
    ----------
    path
        Directory for the fitted predictor.
    train, validation
        Columns ``sentence1``, ``sentence2``, ``label``; validation chooses the best epoch.
    checkpoint
        Hub id or directory of the encoder.
    hyperparameters
        AutoMM settings by dotted key.
    seed
        Seed of AutoMM: initial head, dropout, order of the rows.
    teacher
        Directory of a fitted predictor. AutoMM would rename an in-memory teacher's parts, so it gets the path.
    callbacks
        Lightning callbacks to add to AutoMM's own.

    Returns
    -------
    The fitted ``MultiModalPredictor``.
    """
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor(label="label", eval_metric="accuracy", path=str(path), verbosity=0, enable_progress_bar=False)
    with _added_callbacks(predictor, callbacks):
        predictor.fit(
            train_data=train[INPUTS],
            tuning_data=validation[INPUTS],
            teacher_predictor=str(teacher) if teacher else None,
            hyperparameters={"model.names": ["hf_text"], "model.hf_text.checkpoint_name": checkpoint, **hyperparameters},
            seed=seed,
        )
    return predictor


def train(
    directory: Path,
    splits: Mapping[str, pd.DataFrame],
    tests: Mapping[str, pd.DataFrame],
    checkpoint: str,
    hyperparameters: dict[str, Any],
    seed: int,
    teacher: Path | None = None,
    report: Report = lambda progress: None,
) -> store.Record:
    """Fit a model, predict the test rows, and write predictor, predictions and learning curve into ``directory``.

    Parameters
    ----------
    splits
        ``train`` and ``validation`` rows, all languages together.
    tests
        Test rows by language, with ``id`` and ``language`` beside what the model sees.
    checkpoint, hyperparameters, seed, teacher
        As for :func:`fit`.
    report
        Told the progress of the fit.

    Returns
    -------
    ``fit_seconds`` (fit and choice of the best epoch), ``predict_seconds`` by language and for ``all`` (after a
    warm-up, start-up of AutoMM's trainer included), ``parameters`` (``total``, ``embeddings``, ``backbone``),
    ``validation_accuracy`` and ``hardware``.
    """
    _prepare()
    watch = _watcher(report)
    start = time.perf_counter()
    predictor = fit(
        directory / store.PREDICTOR, splits["train"], splits["validation"], checkpoint, hyperparameters, seed, teacher, (watch,)
    )
    fit_seconds = time.perf_counter() - start
    predictions, predict_seconds = predict(predictor, tests)
    predictions.to_parquet(directory / store.PREDICTIONS, index=False)
    pd.DataFrame(watch.history).to_parquet(directory / store.HISTORY, index=False)
    _drop_leftovers(directory / store.PREDICTOR)
    return {
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "parameters": parameters(predictor),
        "validation_accuracy": float(predictor.evaluate(splits["validation"][INPUTS])["accuracy"]),
        "hardware": hardware(),
    }


def predict(predictor, tests: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, float]]:
    """Predictions for every test row, and the seconds they took for each language and in all, after a warm-up."""
    predictor.predict(next(iter(tests.values()))[INPUTS[:2]].head(WARM_UP_ROWS))
    positive = list(predictor.class_labels).index(1)
    tables, seconds = [], {}
    for language, rows in tests.items():
        start = time.perf_counter()
        probability = predictor.predict_proba(rows[INPUTS[:2]], as_pandas=False)[:, positive]
        seconds[language] = time.perf_counter() - start
        tables.append(rows[["id", "language", "label"]].assign(probability=probability))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(prediction=(table["probability"] > 0.5).astype(int)), seconds | {"all": sum(seconds.values())}


def parameters(predictor) -> dict[str, int]:
    """Number of parameters: in the embeddings, in the backbone (all else), and in total."""
    sizes = {name: weight.numel() for name, weight in predictor._learner._model.named_parameters()}
    embeddings = sum(size for name, size in sizes.items() if EMBEDDINGS in name)
    return {"total": sum(sizes.values()), "embeddings": embeddings, "backbone": sum(sizes.values()) - embeddings}


def hardware() -> dict[str, Any]:
    """The machine, in words that do not identify it."""
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "gpu": gpu, "system": platform.system()}


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


def _watcher(report: Report):
    """A Lightning callback that reports progress and keeps the learning curve in ``history``."""
    from lightning.pytorch import Callback

    class Watcher(Callback):
        def __init__(self) -> None:
            self.history: list[dict[str, float]] = []

        def on_train_start(self, trainer, module) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
            per_epoch = trainer.num_training_batches
            done = trainer.current_epoch * per_epoch + batch_index + 1
            report(Progress(done, int(per_epoch * trainer.max_epochs), time.perf_counter() - self.start))

        def on_train_epoch_end(self, trainer, module) -> None:
            metrics = trainer.callback_metrics
            self.history.append(
                {
                    "epoch": trainer.current_epoch + 1,
                    "seconds": time.perf_counter() - self.start,
                    "train_loss": float(metrics["train_loss"]),
                    "validation_accuracy": float(metrics["val_accuracy"]),
                }
            )

    return Watcher()


def _drop_leftovers(predictor: Path) -> None:
    """Remove the logs and checkpoints (the teacher's weights among them) that AutoMM leaves beside the model."""
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
