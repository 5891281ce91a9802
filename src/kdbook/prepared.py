"""Tokens that are prepared once per fit instead of once per epoch, and the teacher's outputs by row.

AutoMM tokenises a text each time that a batch needs it, for the student and again for the teacher (``data/dataset.py``,
``data/process_text.py``). Without augmentation the tokens of a row are always the same, so they are kept. The samples are
AutoMM's own, in its own order and batches; a fit ends with the same weights, bit for bit.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from autogluon.multimodal.data.datamodule import BaseDataModule
from autogluon.multimodal.data.dataset import BaseDataset
from autogluon.multimodal.data.utils import get_collate_fn
from autogluon.multimodal.models.utils import run_model
from packaging.specifiers import SpecifierSet
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from kdbook.data import inputs, texts
from kdbook.errors import KdbookError
from kdbook.teacher_outputs import TeacherOutputs

SUPPORTED = SpecifierSet("~=1.6.0")  # AutoMM releases whose inside is known to fit
TRAIN, TEXT = "train", "text"
INFERENCE_BATCHES = 4  # training batches in one without gradients: the default of env.inference_batch_size_ratio


class TeacherRow:
    """Stands in a data module for the teacher's text processor: the teacher's only input is the number of the row."""

    def __init__(self, model: Any) -> None:
        self.keys = model.input_keys


class TokenizedTexts:
    """Stands for a tokenizer while samples are made: all texts are tokenised in one call, which is many times as fast."""

    def __init__(self, tokenizer: Any, texts: list[str]) -> None:
        self.tokenizer = tokenizer
        self.ids = dict(zip(texts, tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True))

    def encode(self, text: str, **settings: Any) -> list[int]:
        """The token ids of a text; one that AutoMM has changed before is tokenised now."""
        return self.ids[text] if text in self.ids else self.tokenizer.encode(text, **settings)


class Batches(Dataset):
    """All rows laid out as one batch, from which a loader takes slices, each cut to the longest of its texts."""

    def __init__(self, whole: dict[str, Tensor], lengths: Tensor) -> None:
        self.whole, self.lengths = whole, lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        """A batch with these rows, in the form of AutoMM's own collator."""
        longest = int(self.lengths[rows].max())
        return {key: part[rows, :longest] if part.ndim > 1 else part[rows] for key, part in self.whole.items()}


class PreparedData(BaseDataModule):
    """AutoMM's data module for training, with batches of samples that are made once."""

    last: ClassVar[dict[str, tuple[str, Batches]]] = {}  # by split: what this process made last; a study's students share it

    def __init__(self, *automm: Any, validation_batch_size: int, **data: pd.DataFrame) -> None:
        super().__init__(*automm, **data)
        self.validation_batch_size = validation_batch_size

    def set_dataset(self, split: str) -> None:
        """Make all samples of ``train`` or ``validate``: what the student's processors make of a row, and its number for a teacher."""
        rows = getattr(self, f"{split}_data")
        made_from = self._made_from(rows, split)
        if split not in self.last or self.last[split][0] != made_from:
            self.last[split] = (made_from, self._batches(rows, split))
        shared = self.last[split][1]
        numbers = torch.arange(len(rows))[:, None]
        asked = {key: numbers for group in self.data_processors[1:] for teacher in group[TEXT] for key in teacher.keys}
        setattr(self, f"{split}_dataset", Batches(shared.whole | asked, shared.lengths))

    def _batches(self, rows: pd.DataFrame, split: str) -> Batches:
        preprocessors, processors = self.df_preprocessor[:1], self.data_processors[:1]
        dataset = BaseDataset(rows, preprocessors, processors, is_training=split == TRAIN)
        with _tokenized_at_once(processors[0][TEXT], rows):
            samples = [dataset[row] for row in range(len(dataset))]
        lengths = torch.tensor([max(np.size(part) for part in sample.values()) for sample in samples])
        return Batches(get_collate_fn(preprocessors, processors, self.per_gpu_batch_size)(samples), lengths)

    def _made_from(self, rows: pd.DataFrame, split: str) -> str:
        """A hash of all that decides the samples: the rows, the classes, and the processors with their tokenizers."""
        digest = hashlib.sha256(pd.util.hash_pandas_object(rows[inputs(rows)], index=False).to_numpy().tobytes())
        digest.update(repr((split, self.df_preprocessor[0].label_generator.classes_, self.per_gpu_batch_size)).encode())
        for processor in self.data_processors[0][TEXT]:
            plain = {name: value for name, value in vars(processor).items() if isinstance(value, str | int | float | None)}
            digest.update(repr(sorted(plain.items())).encode() + processor.tokenizer.backend_tokenizer.to_str().encode())
        return digest.hexdigest()

    def train_dataloader(self) -> DataLoader:
        """Batches in AutoMM's random order; slices need no worker processes."""
        return DataLoader(self.train_dataset, self.per_gpu_batch_size, shuffle=True, collate_fn=_as_it_is)

    def val_dataloader(self) -> DataLoader:
        """Rows of like length together, in batches as large as AutoMM's for predictions; the accuracy of an epoch is the same."""
        order = self.validate_dataset.lengths.argsort().tolist()
        return DataLoader(self.validate_dataset, self.validation_batch_size, sampler=order, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    return batch


@contextmanager
def _tokenized_at_once(processors: list[Any], rows: pd.DataFrame) -> Iterator[None]:
    distinct = pd.concat([rows[column] for column in texts(rows)]).unique().tolist()
    tokenizers = [processor.tokenizer for processor in processors]
    for processor in processors:
        processor.tokenizer = TokenizedTexts(processor.tokenizer, distinct)
    try:
        yield
    finally:
        for processor, tokenizer in zip(processors, tokenizers, strict=True):
            processor.tokenizer = tokenizer


def prepare(learner: Any, outputs: TeacherOutputs | None) -> None:
    """Make an AutoMM learner's next fit tokenise once and, if its teacher's outputs are to be kept, ask the teacher once.

    Fits that would not be the same (augmentation, dropped or randomly cut texts, templates) stay as AutoMM makes them.

    Raises
    ------
    KdbookError
        If the teacher's outputs are to be kept and would not be the same in every epoch, or if this AutoMM is not one that
        is known.
    """
    check_version(version("autogluon.multimodal"))
    _replace_data(learner, outputs)
    if outputs:
        _replace_teacher(learner, outputs)
        _leave_teacher_out_of_validation(learner)


def check_version(found: str) -> None:
    """Raise ``KdbookError`` if the inside of this AutoMM release is not known."""
    if found not in SUPPORTED:
        raise KdbookError(f"AutoMM {found} is not supported ({SUPPORTED} is): its data and distillation modules may work otherwise")


def varies(processors: dict[str, list[Any]]) -> str | None:
    """Why the tokens of a text differ from epoch to epoch, or None if they do not."""
    for processor in processors.get(TEXT, ()):
        if processor.train_augmenter is not None:
            return "texts are augmented (set model.hf_text.text_trivial_aug_maxscale = 0)"
        if processor.dropout > 0:
            return "texts are dropped at random (set data.modality_dropout = 0)"
        if processor.stochastic_chunk:
            return "long texts are cut at random (set model.hf_text.stochastic_chunk = false)"
        if processor.template_config.turn_on:
            return "templates are drawn at random (set data.templates.turn_on = false)"
    return None


def _replace_data(learner: Any, outputs: TeacherOutputs | None) -> None:
    own = learner.get_datamodule_per_run

    def get(df_preprocessor: Any, data_processors: Any, per_gpu_batch_size: int, num_workers: int, predict_data=None, is_train=True):
        reason = varies(data_processors) or (learner._teacher_learner and varies(learner._teacher_learner._data_processors))
        if is_train and outputs and reason:
            raise KdbookError(f"the teacher can't be asked once: {reason}")
        if not is_train or reason or (learner._teacher_learner and not outputs):
            return own(df_preprocessor, data_processors, per_gpu_batch_size, num_workers, predict_data, is_train)
        preprocessors, processors = [df_preprocessor], [data_processors]
        if teacher := learner._teacher_learner:
            preprocessors.append(teacher._df_preprocessor)
            processors.append({TEXT: [TeacherRow(teacher._model)]})
            for processor in data_processors[TEXT]:
                processor.requires_column_info = False  # AutoMM asks for features of each column, and no loss term uses them
        ratio = learner._hyperparameters.get("env.inference_batch_size_ratio", INFERENCE_BATCHES)
        return PreparedData(
            preprocessors,
            processors,
            per_gpu_batch_size,
            num_workers,
            validation_batch_size=int(per_gpu_batch_size * ratio),
            train_data=learner._train_data,
            validate_data=learner._tuning_data,
        )

    learner.get_datamodule_per_run = get


def _replace_teacher(learner: Any, outputs: TeacherOutputs) -> None:
    """Put the look-up in the teacher's place as soon as AutoMM has loaded it (``utils/distillation.py``)."""
    own = learner.setup_distillation

    def setup(*args: Any, **kwargs: Any):
        prepared = own(*args, **kwargs)
        outputs.attach(learner._teacher_learner, learner._train_data)
        return prepared

    learner.setup_distillation = setup


def _leave_teacher_out_of_validation(learner: Any) -> None:
    """Choose the epoch without the teacher: the metric that chooses it is the student's alone (``optim/lit_distiller.py``)."""
    own = learner.get_litmodule_per_run

    def get(*args: Any, **kwargs: Any):
        module = own(*args, **kwargs)
        if not hasattr(module, "student_model"):
            return module
        step = module._shared_step

        def shared_step(batch: dict[str, Any]):
            if module.training:
                return step(batch)
            output = run_model(module.student_model, batch)
            return output, module._compute_hard_label_loss(output, batch[module.student_model.label_key])

        module._shared_step = shared_step
        return module

    learner.get_litmodule_per_run = get
