"""Distillation at the price of fine-tuning, for any script that uses AutoMM."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from autogluon.multimodal.learners import BaseLearner

from kdbook.data import digest_rows
from kdbook.data.table import quoted
from kdbook.errors import KdbookError
from kdbook.hashing import digest_of
from kdbook.settings.automm import NUM_GPUS
from kdbook.training import automm, pretokenized
from kdbook.training.automm import TEXT, Learner
from kdbook.training.teacher_outputs import OutputFile, compute_and_keep

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

LABEL = "label"  # the processors of labels among those of all modalities
PRECISION, DEFAULT_PRECISION = "env.precision", "16-mixed"
ALL_GPUS = -1  # AutoMM's default
EXACT_PRECISIONS = ("32", "32-true")
OTHER_PROBLEM = "fast_distillation is for one classifier of texts, and this is {problem}; fit without it"
CLASSIFICATION = ("binary", "multiclass")
REPLACED = (
    "fit",
    "fit_sanity_check",
    "get_datamodule_per_run",
    "setup_distillation",
    "get_litmodule_per_run",
)


@contextmanager
def fast_distillation(predictor: "MultiModalPredictor", folder: str | Path) -> Iterator[None]:
    """Let the next fit of a predictor run its teacher once instead of in every step of every epoch.

    The student is the one that AutoMM alone trains, up to rounding: the same batches in the same order, the
    same losses. The teacher's logits and features for the training rows are computed before the first epoch
    and kept in ``folder``, so that further students of the same teacher on the same rows need no teacher at
    all; texts are tokenized once. Without a teacher, only the tokens are kept.

    Parameters
    ----------
    predictor
        A predictor of texts that is not fitted yet.
    folder
        Where the outputs of teachers are kept, by teacher and rows.

    Raises
    ------
    KdbookError
        If the predictor is not a classifier. While fitting, but before the teacher runs: if the folder can't
        be written, if the teacher has other classes, if its outputs would vary from epoch to epoch (augmented
        or randomly dropped texts), if it reads more than texts, if a GPU computes in 16 bits, or on several
        GPUs. The message says what to do.

    Examples
    --------
    ::

        student = MultiModalPredictor(label="label")
        with kdbook.fast_distillation(student, "teacher-outputs"):
            student.fit(train, teacher_predictor="teacher", hyperparameters=...)
    """
    learner = automm.learner_of(predictor)
    stock_fit, stock_check = learner.fit, learner.fit_sanity_check

    def fit(*args: Any, teacher_learner: "str | Learner | None" = None, **kwargs: Any) -> Any:
        outputs = _OutputsOnDemand(learner, writable(Path(folder))) if teacher_learner else None
        pretokenized.prepare(predictor, outputs)
        return stock_fit(*args, teacher_learner=teacher_learner, **kwargs)

    def check() -> None:
        if learner._problem_type not in CLASSIFICATION:
            raise KdbookError(OTHER_PROBLEM.format(problem=learner._problem_type))
        stock_check()

    if type(learner) is not BaseLearner:  # of ensembles, of other problems
        raise KdbookError(OTHER_PROBLEM.format(problem=type(learner).__name__))
    learner.fit, learner.fit_sanity_check = fit, check
    try:
        yield
    finally:
        for name in REPLACED:
            vars(learner).pop(name, None)


class _OutputsOnDemand:
    """The outputs of whatever teacher AutoMM loads, read from a folder or computed."""

    def __init__(self, student: Learner, folder: Path) -> None:
        self.student, self.folder = student, folder

    def attach(self, teacher: Learner, rows: pd.DataFrame) -> None:
        """Make the teacher look its outputs for these rows up."""
        _check(self.student, teacher)
        texts = rows[teacher._df_preprocessor.text_feature_names]
        name = f"{_digest(teacher)[:16]}-{digest_rows(texts, list(texts.columns))[:16]}.safetensors"
        cache = OutputFile(self.folder / name)
        outputs = cache.read(texts) or compute_and_keep(teacher, texts, cache)
        outputs.attach(teacher, rows)


def writable(folder: Path) -> Path:
    """The folder, made if it does not exist.

    Raises
    ------
    KdbookError
        If nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise KdbookError(
            f"the folder {folder} for the outputs of teachers can't be written: {error.strerror}; name "
            "another one"
        ) from error


def _check(student: Learner, teacher: Learner) -> None:
    known = {*teacher._df_preprocessor.label_generator.classes_}
    labels = {*student._train_data[student._label_column].dropna()}
    if labels != known:
        raise KdbookError(
            f"the teacher has the classes {_listed(known)}, and the training rows have {_listed(labels)}; "
            "give the student rows of the teacher's classes"
        )
    other = {*teacher._data_processors} - {TEXT, LABEL}
    if other:
        raise KdbookError(
            f"fast_distillation is for texts alone, and the teacher reads {min(other)} columns as well; drop "
            "them, or set model.names = ['hf_text']"
        )
    reason = pretokenized.why_tokens_vary(teacher._data_processors)
    if reason:
        raise KdbookError(f"the teacher's outputs can't be kept: {reason}")
    precision = str(student._hyperparameters.get(PRECISION, DEFAULT_PRECISION))
    if torch.cuda.is_available() and precision not in EXACT_PRECISIONS:
        raise KdbookError(
            f"on a GPU, {PRECISION} = {precision!r} would give the teacher other outputs in other batches; "
            f"set hyperparameters['{PRECISION}'] = '32', or fit without fast_distillation"
        )
    if torch.cuda.device_count() > 1 and student._hyperparameters.get(NUM_GPUS, ALL_GPUS) not in (0, 1):
        raise KdbookError(
            f"on several GPUs AutoMM makes other batches; set hyperparameters['{NUM_GPUS}'] = 1, or fit "
            "without fast_distillation"
        )


def _listed(classes: set[Any]) -> str:
    """Some classes as a message quotes them."""
    return quoted(", ".join(sorted(map(repr, classes))))


def _digest(teacher: Learner) -> str:
    """A hash of the weights of a teacher, and of how it reads texts."""
    weights = {
        name: [str(tensor.dtype), list(tensor.shape), _digest_of_tensor(tensor)]
        for name, tensor in teacher._model.state_dict().items()
    }
    return digest_of([weights, *map(pretokenized.settings_of, teacher._data_processors[TEXT])])


def _digest_of_tensor(tensor: torch.Tensor) -> str:
    flat = tensor.cpu().reshape(-1).contiguous()  # a scalar can't be viewed as bytes
    return hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()
