"""Train one run: fit, predict, measure, and write everything into its directory."""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import pandas as pd

from kdbook.data import TextData, texts
from kdbook.errors import KdbookError
from kdbook.settings import machine, metrics
from kdbook.settings.data import ALL
from kdbook.store.run import (
    HISTORY,
    PREDICTIONS,
    PREDICTOR,
    PROGRESS,
    TRAIN_PREDICTIONS,
    FitCheckpoint,
    Measurements,
    write,
)
from kdbook.training import automm, measure
from kdbook.training.fit import FitSettings, fit, using_threads
from kdbook.training.lessons import Teaching, taught_rows
from kdbook.training.predict import predict_splits

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.training.resume import FitProgress, HistoryCallback

TRAINING_FILES = ("events.out.tfevents.*", "hparams.yaml", "epoch=*.ckpt", "last*.ckpt", "best_k_models.yaml")


def train_run(
    directory: Path,
    data: TextData,
    settings: FitSettings,
    teaching: Teaching,
    threads: int | None = None,
    measure_latency: bool = True,
    report: "Callable[[FitProgress], None]" = lambda progress: None,
) -> Measurements:
    """Fit a model, predict the test rows and some training rows, and write predictor, predictions and
    history.

    A fit that was interrupted in ``directory`` continues after its last validated checkpoint, with the state
    of the random numbers, so that it ends as it would have; without a readable checkpoint it starts again.

    Parameters
    ----------
    directory
        Where everything is written; see :mod:`kdbook.store.run` for the names.
    data
        The model trains on ``train`` rows, and on ``unlabelled`` ones if it is taught so; ``validation`` rows
        select the best epoch; ``test`` rows are predicted.
    settings
        As for :func:`kdbook.training.fit.fit`.
    teaching
        Which rows the model learns, with which labels, and from which teacher.
    threads
        Processor cores to compute on; ``None`` means all.
    measure_latency
        Whether to measure the latency of inference as well.
    report
        Called with the progress of the fit.
    """
    automm.import_quietly()
    from kdbook.training.resume import HistoryCallback, restore_last_checkpoint

    settings = replace(settings, hyperparameters=automm.on_one_gpu(settings.hyperparameters))
    path = directory / PREDICTOR
    resume = restore_last_checkpoint(path)
    if not resume:
        _empty_folder(directory)
    with using_threads(threads):
        history = HistoryCallback(report, lambda checkpoint: _write_progress(directory, checkpoint))
        start = time.perf_counter()
        predictor, costs = _fit(path, data, settings, teaching, history, resume)
        _refuse_lost_fit(history)
        predictions = predict_splits(predictor, data)
        latency = measure.latency(predictor, data["test"][texts(data["test"])]) if measure_latency else None
        _write_results(directory, predictions.test, predictions.train, history)
        _remove_training_files(directory)
        seconds = predictions.test_seconds
        labels, predicted = (predictions.validation[name].to_numpy() for name in ("label", "prediction"))
        return Measurements(
            **costs,
            predict_seconds=seconds | {ALL: sum(seconds.values())},
            seconds=history.seconds_before + time.perf_counter() - start,
            interruptions=history.interruptions,
            parameters=measure.parameter_counts(automm.learner_of(predictor)._model),
            predictor_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            latency=latency,
            validation_score=metrics.score(labels, predicted, settings.metric),
            hardware=measure.hardware(),
        )


class _Costs(TypedDict):
    """The measurements of a fit alone, see :class:`kdbook.store.run.Measurements`."""

    fit_seconds: float
    processor_seconds: float | None
    teacher_seconds: float | None
    peak_bytes: int


def _fit(
    path: Path,
    data: TextData,
    settings: FitSettings,
    teaching: Teaching,
    history: "HistoryCallback",
    resume: bool,
) -> "tuple[MultiModalPredictor, _Costs]":
    start, processor_start = time.perf_counter(), machine.processor_seconds()
    machine.reset_peak_memory()
    taught = taught_rows(data, teaching)
    teacher_seconds = machine.processor_seconds() - processor_start
    teacher = teaching.teacher.predictor if teaching.teacher and taught.outputs else None
    predictor = fit(
        path, taught.rows, data["validation"], settings, teacher, taught.outputs, [history], resume
    )
    on_processor = measure.hardware().gpu is None and not history.interruptions
    return predictor, {
        "fit_seconds": history.seconds_before + time.perf_counter() - start,
        "processor_seconds": machine.processor_seconds() - processor_start if on_processor else None,
        "teacher_seconds": teacher_seconds if on_processor else None,
        "peak_bytes": machine.peak_memory(),
    }


def _refuse_lost_fit(history: "HistoryCallback") -> None:
    """Stop at a fit whose loss was not a number: it trained nothing that is worth keeping."""
    if not all(math.isfinite(row["train_loss"]) for row in history.history):
        raise KdbookError(
            "the training loss is not finite; try a smaller optim.lr, env.precision = '32', or other weights "
            "of the distiller"
        )


def _write_progress(directory: Path, checkpoint: FitCheckpoint) -> None:
    write(directory / PROGRESS, checkpoint.model_dump_json())


def _write_results(
    directory: Path, test: pd.DataFrame, train: pd.DataFrame, history: "HistoryCallback"
) -> None:
    test.to_parquet(directory / PREDICTIONS, index=False)
    train.to_parquet(directory / TRAIN_PREDICTIONS, index=False)
    pd.DataFrame(history.history).to_parquet(directory / HISTORY, index=False)


def _empty_folder(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_training_files(directory: Path) -> None:
    """Remove the logs and checkpoints (the teacher's weights among them) that AutoMM leaves beside the
    model.
    """
    predictor = directory / PREDICTOR
    (directory / PROGRESS).unlink(missing_ok=True)
    for pattern in TRAINING_FILES:
        for path in predictor.rglob(pattern):
            path.unlink()
    assets = predictor / "assets.json"
    without_paths = json.loads(assets.read_text("utf-8")) | {"save_path": "", "pretrained_path": ""}
    assets.write_text(json.dumps(without_paths), "utf-8")
    for folder in predictor.iterdir():
        if folder.is_dir() and not any(folder.iterdir()):
            shutil.rmtree(folder)
