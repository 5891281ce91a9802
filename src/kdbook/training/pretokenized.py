"""Tokens that are prepared once per fit instead of once per epoch, and the teacher's outputs by row.

AutoMM tokenizes a text each time that a batch needs it, for the student and again for the teacher
(``data/dataset.py``, ``data/process_text.py``). Without augmentation the tokens of a row never change, so
they are kept. The samples are AutoMM's own, in its own order and batches; a fit ends with the same weights,
bit for bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from autogluon.multimodal.constants import GET_ITEM_ERROR_RETRY
from autogluon.multimodal.data.datamodule import BaseDataModule
from autogluon.multimodal.data.dataset import BaseDataset
from autogluon.multimodal.data.utils import get_collate_fn
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from kdbook.data import digest_rows
from kdbook.errors import KdbookError
from kdbook.hashing import digest_of
from kdbook.training import automm
from kdbook.training.automm import TEXT, Batch, Learner, Processors
from kdbook.training.teacher_outputs import Attachable

if TYPE_CHECKING:
    from autogluon.multimodal import MultiModalPredictor

TRAIN = "train"
BATCH_RATIO = "env.inference_batch_size_ratio"
DEFAULT_BATCH_RATIO = (
    4  # AutoMM's default; its configuration is not read here, to keep it out of the key of runs
)


class RowIndexInput:
    """Stands in a data module for the teacher's text processor: the teacher's only input is the number of the
    row.
    """

    def __init__(self, model: Any) -> None:
        self.keys: list[str] = model.input_keys


class BatchTokenizer:
    """Replaces a tokenizer while samples are made: all texts are tokenized in one call, which is many times
    faster. Texts that are no valid Unicode are left to AutoMM.
    """

    def __init__(self, tokenizer: Any, texts: list[str]) -> None:
        self.tokenizer = tokenizer
        valid = [text for text in texts if _is_unicode(text)]
        self.ids = dict(zip(valid, tokenizer(valid, add_special_tokens=False)["input_ids"], strict=True))

    def encode(self, text: str, **settings: Any) -> list[int]:
        """The token ids of a text; one that AutoMM has changed before is tokenized now."""
        ids: list[int] = self.ids[text] if text in self.ids else self.tokenizer.encode(text, **settings)
        return ids


@dataclass(frozen=True)
class TokenizedRows(Dataset[dict[str, Tensor]]):
    """All rows laid out as one batch, from which a loader takes slices, each cut to the longest of its rows.

    ``whole`` holds tensors of shape (rows, tokens) or (rows,), ``lengths`` the tokens of each row, ``rows``
    the number of the row that was read, which AutoMM replaces by the next one if it can't read a text.
    """

    whole: dict[str, Tensor]
    lengths: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        """A batch with these rows, in the form of AutoMM's own collator."""
        longest = int(self.lengths[rows].max())
        return {
            key: part[rows, :longest] if part.ndim > 1 else part[rows] for key, part in self.whole.items()
        }


class PersistentLoader(DataLoader[dict[str, Tensor]]):
    """Draws random numbers as a loader with persistent worker processes does, which AutoMM uses by default:
    the seed of the workers once, and not once per epoch. The order of the rows depends on it.
    """

    def __iter__(self) -> Any:
        """The iterator of the first epoch, started again."""
        if self._iterator is None:
            self._iterator = super().__iter__()
        else:
            self._iterator._reset(self)
        return self._iterator


# By split, the hash and the rows that this process tokenized last: the students of a study share them.
_latest: dict[str, tuple[str, TokenizedRows]] = {}


class PretokenizedDataModule(BaseDataModule):
    """AutoMM's data module for training, with batches of samples that are made once."""

    def __init__(self, *automm_arguments: Any, validation_batch_size: int, **data: pd.DataFrame) -> None:
        super().__init__(*automm_arguments, **data)
        self.validation_batch_size = validation_batch_size

    def set_dataset(self, split: str) -> None:
        """Make all samples of ``train`` or ``validate``: the student's inputs, and for a teacher the number
        of the row.
        """
        rows = getattr(self, f"{split}_data")
        fingerprint = self._fingerprint(rows, split)
        if split not in _latest or _latest[split][0] != fingerprint:
            _latest[split] = (fingerprint, self._tokenize(rows, split))
        shared = _latest[split][1]
        teachers = [teacher for group in self.data_processors[1:] for teacher in group[TEXT]]
        row_inputs = {key: shared.rows[:, None] for teacher in teachers for key in teacher.keys}
        setattr(self, f"{split}_dataset", replace(shared, whole=shared.whole | row_inputs))

    def _tokenize(self, rows: pd.DataFrame, split: str) -> TokenizedRows:
        preprocessors, processors = self.df_preprocessor[:1], self.data_processors[:1]
        dataset = BaseDataset(rows, preprocessors, processors, is_training=split == TRAIN)
        with _tokenizing_at_once(processors[0][TEXT], rows[preprocessors[0].text_feature_names]):
            rows_read, samples = zip(*(_sample(dataset, row) for row in range(len(dataset))), strict=True)
        lengths = torch.tensor([max(np.size(part) for part in sample.values()) for sample in samples])
        whole = get_collate_fn(preprocessors, processors, self.per_gpu_batch_size)(list(samples))
        return TokenizedRows(whole, lengths, torch.tensor(rows_read))

    def _fingerprint(self, rows: pd.DataFrame, split: str) -> str:
        """A hash of all that decides the samples: the rows, the classes, and the processors with their
        tokenizers.
        """
        classes = self.df_preprocessor[0].label_generator.classes_
        rows_digest = digest_rows(rows, list(rows.columns))
        processors = [settings_of(processor) for processor in self.data_processors[0][TEXT]]
        return digest_of([rows_digest, split, repr(list(classes)), self.per_gpu_batch_size, *processors])

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches in AutoMM's random order; slices need no worker processes."""
        return self._loader(self.train_dataset, self.per_gpu_batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Rows of similar length together, in batches as large as AutoMM's for predictions.

        Accuracy is the same.
        """
        order = self.validate_dataset.lengths.argsort().tolist()
        return self._loader(self.validate_dataset, self.validation_batch_size, sampler=order)

    def _loader(self, rows: TokenizedRows, batch_size: int, **order: Any) -> DataLoader[dict[str, Tensor]]:
        loader = PersistentLoader if self.num_workers else DataLoader
        return loader(rows, batch_size, collate_fn=_unchanged, **order)


def _sample(dataset: BaseDataset, row: int) -> tuple[int, Batch]:
    """AutoMM's sample of a row, and the number of the row that it read.

    Where AutoMM can't make one it takes the next row instead (``data/dataset.py``), and so must the teacher's
    outputs. Each attempt is made as if it were the last one, which raises the error.
    """
    for attempt in range(GET_ITEM_ERROR_RETRY):
        read = (row + attempt) % len(dataset)
        dataset._consecutive_errors = GET_ITEM_ERROR_RETRY
        try:
            return read, dataset[read]
        except Exception as error:
            reason = error
    raise KdbookError(
        f"AutoMM can't read row {row} of the {'training' if dataset.is_training else 'validation'} data: "
        f"{reason}"
    ) from reason


def settings_of(processor: Any) -> str:
    """All that decides how a text processor turns a text into tokens."""
    plain = {
        name: value for name, value in vars(processor).items() if isinstance(value, str | int | float | None)
    }
    return repr(sorted(plain.items())) + _tokenizer_state(processor.tokenizer)


def _tokenizer_state(tokenizer: Any) -> str:
    """All that decides what a tokenizer does."""
    if tokenizer.is_fast:
        state: str = tokenizer.backend_tokenizer.to_str()
        return state
    return repr((type(tokenizer).__name__, sorted(tokenizer.get_vocab().items()), tokenizer.init_kwargs))


def _unchanged(batch: Any) -> Any:
    return batch


def _is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which a tokenizer can't read."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


@contextmanager
def _tokenizing_at_once(processors: list[Any], texts: pd.DataFrame) -> Iterator[None]:
    distinct = pd.concat([texts[column] for column in texts]).dropna().astype(str).unique().tolist()
    tokenizers = [processor.tokenizer for processor in processors]
    for processor in processors:
        processor.tokenizer = BatchTokenizer(processor.tokenizer, distinct)
    try:
        yield
    finally:
        for processor, tokenizer in zip(processors, tokenizers, strict=True):
            processor.tokenizer = tokenizer


def prepare(predictor: "MultiModalPredictor", outputs: Attachable | None) -> None:
    """Make a predictor's next fit tokenize once and, if the teacher's outputs are kept, run the teacher once.

    Fits that would not be the same (augmentation, dropped or randomly cut texts, templates) stay as AutoMM
    makes them.

    Raises
    ------
    KdbookError
        If the teacher's outputs are to be kept but would differ from epoch to epoch, or if this AutoMM
        release is unknown.
    """
    automm.check_version()
    learner = automm.learner_of(predictor)
    automm.replace_data_module(learner, lambda *arguments: _data_module(learner, outputs, *arguments))
    if outputs:
        automm.after_loading_teacher(learner, lambda teacher: outputs.attach(teacher, learner._train_data))
        automm.skip_teacher_in_validation(learner)


def why_tokens_vary(processors: Processors) -> str | None:
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


def _data_module(
    learner: Learner,
    outputs: Attachable | None,
    df_preprocessor: Any,
    data_processors: Processors,
    per_gpu_batch_size: int,
    num_workers: int,
) -> PretokenizedDataModule | None:
    """The data module of a fit, or None where AutoMM's own is needed."""
    teacher = learner._teacher_learner
    reason = why_tokens_vary(data_processors) or (
        why_tokens_vary(teacher._data_processors) if teacher else None
    )
    if outputs and reason:
        raise KdbookError(f"the teacher's outputs can't be kept: {reason}")
    if reason or (teacher and not outputs):
        return None
    ratio = learner._hyperparameters.get(BATCH_RATIO, DEFAULT_BATCH_RATIO)
    preprocessors = [df_preprocessor]
    processors = [data_processors]
    if teacher:
        preprocessors.append(teacher._df_preprocessor)
        processors.append({TEXT: [RowIndexInput(teacher._model)]})
        for processor in data_processors[TEXT]:
            processor.requires_column_info = False  # column features that no loss term uses
    return PretokenizedDataModule(
        preprocessors,
        processors,
        per_gpu_batch_size,
        num_workers,
        validation_batch_size=int(per_gpu_batch_size * ratio),
        train_data=learner._train_data,
        validate_data=learner._tuning_data,
    )
