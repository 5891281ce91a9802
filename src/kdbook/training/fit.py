"""Fine-tune or distil one model with AutoMM."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbook.data import inputs, texts

if TYPE_CHECKING:
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor
    from pydantic import JsonValue

    from kdbook.settings.arms import Metric
    from kdbook.training.teacher_outputs import Outputs


@dataclass(frozen=True)
class FitSettings:
    """What AutoMM is told: the encoder (hub id or directory), settings by dotted key, the seed, and the
    metric that selects the best epoch.

    The seed sets the initial head, dropout, and the order of the rows.
    """

    checkpoint: str
    hyperparameters: "dict[str, JsonValue]"
    seed: int
    metric: "Metric" = "accuracy"


def fit(
    path: Path,
    train: "pd.DataFrame",
    validation: "pd.DataFrame",
    settings: FitSettings,
    teacher: Path | None = None,
    outputs: "Outputs | None" = None,
    callbacks: Sequence[Any] = (),
    resume: bool = False,
) -> "MultiModalPredictor":
    """Fine-tune a pretrained encoder on texts or pairs of texts; with a teacher, distil from it.

    Parameters
    ----------
    path
        Directory for the fitted predictor.
    train, validation
        Columns ``sentence1``, for pairs ``sentence2``, and ``label``; validation selects the best epoch.
    settings
        Encoder, AutoMM settings and seed.
    teacher
        The directory of the teacher's predictor, if there is one: AutoMM would rename the parts of a teacher
        in memory.
    outputs
        The teacher's outputs for the ``train`` rows. Without them the teacher runs in every step, as in stock
        AutoMM.
    callbacks
        Lightning callbacks, in addition to AutoMM's own.
    resume
        Continue from the checkpoint that an interrupted fit left in ``path``.

    Returns
    -------
    The fitted predictor, on disk in ``path`` as well.
    """
    from autogluon.multimodal import MultiModalPredictor

    from kdbook.training import automm, pretokenized
    from kdbook.training.resume import RandomStateCallback

    predictor = MultiModalPredictor(
        label="label",
        problem_type=automm.problem_type(train["label"].nunique()),
        eval_metric=automm.METRICS[settings.metric],
        path=str(path),
        verbosity=0,
        enable_progress_bar=False,
    )
    if resume:
        automm.resume_from_last_checkpoint(predictor, path)
    pretokenized.prepare(predictor, outputs)
    automm.select_epoch_by(predictor, settings.metric)
    with automm.added_callbacks(predictor, [*callbacks, RandomStateCallback()]), flushing_denormals():
        predictor.fit(
            train_data=train[inputs(train)],
            tuning_data=validation[inputs(validation)],
            column_types=dict.fromkeys(
                texts(train), "text"
            ),  # AutoMM may take few or short texts for categories
            teacher_predictor=str(teacher) if teacher else None,
            hyperparameters={
                "model.names": ["hf_text"],
                "model.hf_text.checkpoint_name": settings.checkpoint,
                **settings.hyperparameters,
            },
            seed=settings.seed,
        )
    return predictor


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Compute on this number of processor cores inside the context; ``None`` leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """Flush denormal numbers to zero inside this context.

    Adam's averages of the gradients of rare words become that small, and processors are slow at denormal
    numbers; the weights end the same, bit for bit.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
