"""The outputs of a teacher for every training row, computed once.

AutoMM runs the teacher in every training and validation step of every epoch (``optim/lit_distiller.py``,
``_shared_step``). A teacher in evaluation mode gives the same output for the same text, so its logits and
pooled features are computed once, kept on disk by the teacher's key, and looked up by row from then on.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from kdbook.data import digest_rows, texts
from kdbook.errors import KdbookError
from kdbook.store.run import hash_of, write

if TYPE_CHECKING:
    from kdbook.training.automm import Learner

BATCH = 128
FEATURES = "features"
LOGITS = "logits"
TEXTS = "texts"


class OutputCache(Protocol):
    """Where the features (rows, width) and logits (rows, classes) of a teacher are kept between fits."""

    def read(self, rows: pd.DataFrame) -> tuple[Tensor, Tensor] | None:
        """Features and logits of these rows, None if they are not there."""

    def keep(self, rows: pd.DataFrame, features: Tensor, logits: Tensor) -> None:
        """Keep the features and logits of these rows."""


class TeacherOutputs:
    """Pooled features (rows, width) and logits (rows, classes) of one teacher in fp32.

    With ``shuffled``, a student gets the outputs for another row with the same label, so they carry the
    teacher's typical confidence but no information about the row.
    """

    def __init__(self, cache: OutputCache, shuffled: bool = False) -> None:
        self.cache, self.shuffled = cache, shuffled

    def attach(self, teacher: "Learner", rows: pd.DataFrame) -> None:
        """Make the model of a teacher look its outputs up, the first token of a text being its row in
        ``rows``.

        Raises
        ------
        KdbookError
            If an output is not finite, as with mDeBERTa in 16 bits, or if the teacher is run in training
            mode.
        """
        outputs = self.cache.read(rows)
        if not outputs:
            outputs = compute(teacher, rows)
            self.cache.keep(rows, *outputs)
        features, logits = outputs
        if self.shuffled:
            order = _shuffled_within(rows["label"])
            features, logits = features[order], logits[order]

        def look_up(ids: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
            if teacher._model.training:
                raise KdbookError("outputs of a teacher in training mode vary and can't be looked up")
            row = ids[:, 0].cpu()
            return features[row].to(ids.device), logits[row].to(ids.device)

        teacher._model.forward = look_up


class OutputFile:
    """An :class:`OutputCache` in a memory-mapped safetensors file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, rows: pd.DataFrame) -> tuple[Tensor, Tensor] | None:
        """Features and logits of these rows, None if the file lacks them or is damaged."""
        try:
            if self._seal.read_text("utf-8") != hash_of(self.path):
                return None
            with safe_open(self.path, framework="pt") as file:
                if (file.metadata() or {}).get(TEXTS) != digest_rows(rows, texts(rows)):
                    return None
                return file.get_tensor(FEATURES), file.get_tensor(LOGITS)
        except OSError:
            return None

    def keep(self, rows: pd.DataFrame, features: Tensor, logits: Tensor) -> None:
        """Write the file, and a hash of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}")
        save_file({FEATURES: features, LOGITS: logits}, partial, {TEXTS: digest_rows(rows, texts(rows))})
        self._seal.unlink(missing_ok=True)
        partial.replace(self.path)
        write(self._seal, hash_of(self.path))

    @property
    def _seal(self) -> Path:
        return self.path.with_suffix(".sha256")


def compute(teacher: "Learner", rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
    """Features and logits in the order of ``rows``, from large batches of similar length.

    Random numbers stay untouched.

    Raises
    ------
    KdbookError
        If an output is not finite.
    """
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    order = rows[texts(rows)].map(len).sum(axis=1).to_numpy().argsort(kind="stable")
    preprocessor, processors = teacher._df_preprocessor, teacher._data_processors
    module = BaseDataModule(preprocessor, processors, BATCH, num_workers=0, predict_data=rows.iloc[order])
    module.setup("predict")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = teacher._model.to(device).eval()
    batches: dict[str, list[Tensor]] = {FEATURES: [], LOGITS: []}
    with torch.random.fork_rng(), torch.no_grad():
        for batch in module.predict_dataloader():
            output = run_model(model, {name: part.to(device) for name, part in batch.items()})[model.prefix]
            for part, tensors in batches.items():
                tensors.append(output[part].float().cpu())
    model.cpu()
    back = torch.from_numpy(order.argsort())
    features, logits = torch.cat(batches[FEATURES])[back], torch.cat(batches[LOGITS])[back]
    if not (torch.isfinite(features).all() and torch.isfinite(logits).all()):
        raise KdbookError("the teacher's outputs are not finite; train it with env.precision = '32'")
    return features, logits


def _shuffled_within(labels: pd.Series) -> Tensor:
    """For each row the number of another one with the same label, each row taken once.

    Fixed for the same labels.
    """
    rng = np.random.default_rng(0)
    order = np.arange(len(labels))
    for label in labels.unique():
        same = np.flatnonzero(labels == label)
        order[same] = rng.permutation(same)
    return torch.from_numpy(order)
