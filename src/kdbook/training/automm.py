"""AutoMM's private parts: the members that are touched, and the patches of a fit.

Importing this module does not import AutoMM. The private members of a learner
(``autogluon/multimodal/learners/base.py``) that this package reads or replaces are those of :class:`Learner`.
:func:`check_version` refuses releases in which they may work differently.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from packaging.specifiers import SpecifierSet

from kdbook.errors import KdbookError
from kdbook.settings.arms import Metric
from kdbook.settings.automm import NUM_GPUS, Settings

if TYPE_CHECKING:
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

SUPPORTED = SpecifierSet("~=1.6.0")
TEXT = "text"  # the processors of texts among those of all modalities
LAST_CHECKPOINT = "last.ckpt"  # Lightning's name
NOISY_LOGGERS = ("lightning", "lightning.fabric", "lightning.pytorch", "autogluon")

METRICS: dict[Metric, str] = {  # AutoMM's names
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "macro-F1": "f1_macro",
}

Batch = dict[str, Any]  # AutoMM's inputs of a model, by name
Processors = dict[str, list[Any]]  # AutoMM's data processors by modality


class Learner(Protocol):
    """The private members of an AutoMM learner that this package touches."""

    _model: Any
    _df_preprocessor: Any
    _data_processors: Processors
    _teacher_learner: "Learner | None"
    _train_data: "pd.DataFrame"
    _tuning_data: "pd.DataFrame"
    _label_column: str
    _hyperparameters: dict[str, Any]
    _resume: bool
    _ckpt_path: str
    get_callbacks_per_run: Callable[..., list[Any]]
    get_datamodule_per_run: Callable[..., Any]
    get_litmodule_per_run: Callable[..., Any]
    get_plugins_per_run: Callable[..., list[Any]]
    get_validation_metric_per_run: Callable[[], tuple[Any, Any]]
    _output_shape: int
    _problem_type: str
    fit: Callable[..., Any]
    fit_sanity_check: Callable[[], None]
    setup_distillation: Callable[..., Any]


def import_quietly() -> None:
    """Import AutoMM before timing starts, and silence its libraries' logging."""
    warnings.filterwarnings("ignore")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import autogluon.multimodal  # noqa: F401
    from transformers.utils import logging as transformers_logging

    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def check_version(installed: str | None = None) -> None:
    """Refuse an AutoMM release whose inside is not known; by default the installed one.

    Raises
    ------
    KdbookError
        If it is not supported.
    """
    installed = installed or version("autogluon.multimodal")
    if installed not in SUPPORTED:
        raise KdbookError(
            f"AutoMM {installed} is not supported ({SUPPORTED} is): its data and distillation modules may "
            "differ"
        )


def learner_of(predictor: "MultiModalPredictor") -> Learner:
    """The learner behind a predictor."""
    learner: Learner = predictor._learner
    return learner


def load(path: Path) -> "MultiModalPredictor":
    """A fitted predictor from its directory."""
    from autogluon.multimodal import MultiModalPredictor

    return MultiModalPredictor.load(str(path), verbosity=0)


@contextmanager
def without_log_lines() -> Iterator[None]:
    """Drop log lines below a warning: AutoMM logs the path of what it loads at any verbosity."""
    before = logging.getLogger().manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def load_quietly(path: Path) -> "MultiModalPredictor":
    """A fitted predictor that neither logs its path nor shows progress bars, for use on a page."""
    import_quietly()
    with without_log_lines():
        predictor = load(path)
    predictor._learner._enable_progress_bar = False
    return predictor


@contextmanager
def added_callbacks(predictor: "MultiModalPredictor", callbacks: Sequence[Any]) -> Iterator[None]:
    """Let AutoMM's trainer call ours too; AutoMM has no argument for it (``learners/base.py``)."""
    learner = learner_of(predictor)
    stock = learner.get_callbacks_per_run

    def get(*args: Any, is_train: bool = True, **kwargs: Any) -> list[Any]:
        return [*stock(*args, is_train=is_train, **kwargs), *(callbacks if is_train else ())]

    learner.get_callbacks_per_run = get
    try:
        yield
    finally:
        del learner.get_callbacks_per_run


def resume_from_last_checkpoint(predictor: "MultiModalPredictor", path: Path) -> None:
    """Make the next fit continue from the last checkpoint in ``path``.

    ``MultiModalPredictor.load(resume=True)`` is made for this, but AutoMM 1.6 writes the files it needs only
    when a fit is over (``learners/base.py``, ``on_fit_per_run_end``), and its reader of checkpoints
    (``utils/checkpoint.py``) lacks an argument that Lightning 2.6 passes; without it Lightning reads them
    itself.
    """
    learner = learner_of(predictor)
    learner._resume = True
    learner._ckpt_path = str(path / LAST_CHECKPOINT)
    learner.get_plugins_per_run = lambda **kwargs: []


def problem_type(classes: int) -> str:
    """AutoMM's name for a classification with so many classes."""
    return "binary" if classes == 2 else "multiclass"


def select_epoch_by(predictor: "MultiModalPredictor", metric: Metric) -> None:
    """Let the best epoch be the one with the highest score of a metric.

    AutoMM validates by the area under the ROC curve or by accuracy where its torchmetrics lack the metric of
    the evaluation, and for two classes computes the F1 score of one of them (``optim/metrics/utils.py``).
    """
    if metric == "accuracy":
        return
    import torchmetrics

    learner = learner_of(predictor)
    kind = torchmetrics.Accuracy if metric == "balanced accuracy" else torchmetrics.F1Score

    def get() -> tuple[Any, None]:
        return kind(task="multiclass", num_classes=learner._output_shape, average="macro"), None

    learner.get_validation_metric_per_run = get


def on_one_gpu(settings: Settings) -> Settings:
    """The settings of a fit on one GPU where there are several; AutoMM would use all of them, and with as
    many times larger batches (``learners/base.py``, ``get_grad_steps``).
    """
    import torch

    return {NUM_GPUS: 1, **settings} if torch.cuda.device_count() > 1 else settings


def replace_data_module(learner: Learner, build: Callable[[Any, Processors, int, int], Any]) -> None:
    """Let training take its batches from another data module.

    ``build`` gets the preprocessor, the processors, the batch size and the number of workers, and returns a
    data module, or None to keep AutoMM's.
    """
    stock = learner.get_datamodule_per_run

    def get(
        df_preprocessor: Any,
        data_processors: Processors,
        per_gpu_batch_size: int,
        num_workers: int,
        predict_data: Any = None,
        is_train: bool = True,
    ) -> Any:
        arguments = (df_preprocessor, data_processors, per_gpu_batch_size, num_workers)
        module = build(*arguments) if is_train else None
        return module or stock(*arguments, predict_data, is_train)

    learner.get_datamodule_per_run = get


def after_loading_teacher(learner: Learner, action: Callable[[Learner], None]) -> None:
    """Do something with the teacher as soon as AutoMM has loaded it (``utils/distillation.py``)."""
    stock = learner.setup_distillation

    def setup(*args: Any, **kwargs: Any) -> Any:
        result = stock(*args, **kwargs)
        assert learner._teacher_learner
        action(learner._teacher_learner)
        return result

    learner.setup_distillation = setup


def skip_teacher_in_validation(learner: Learner) -> None:
    """Select the epoch without running the teacher: the metric is the student's alone
    (``optim/lit_distiller.py``).
    """
    from autogluon.multimodal.models.utils import run_model

    stock = learner.get_litmodule_per_run

    def get(*args: Any, **kwargs: Any) -> Any:
        module = stock(*args, **kwargs)
        if not hasattr(module, "student_model"):
            return module
        step = module._shared_step

        def shared_step(batch: Batch) -> tuple[Any, Any]:
            if module.training:
                losses: tuple[Any, Any] = step(batch)
                return losses
            output = run_model(module.student_model, batch)
            return output, module._compute_hard_label_loss(output, batch[module.student_model.label_key])

        module._shared_step = shared_step
        return module

    learner.get_litmodule_per_run = get
