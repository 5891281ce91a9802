"""What a teacher says about every training example, computed once.

AutoMM runs the teacher in every training and validation step of every epoch (``optim/lit_distiller.py``,
``_shared_step``). A teacher in evaluation mode gives the same output for the same text, so its logits and pooled features
are computed once, kept on disk by the teacher's key, and looked up by row from then on.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from kdbook.data import texts
from kdbook.errors import KdbookError
from kdbook.store import hash_of, write

BATCH = 128
FEATURES, LOGITS, TEXTS = "features", "logits", "texts"


class TeacherOutputs:
    """Pooled features (rows, width) and logits (rows, classes) of one teacher in fp32, in a memory-mapped safetensors file.

    If ``shuffled``, a student is given those of another row with the same label, so that they tell how sure the teacher tends
    to be, and nothing about the row.
    """

    def __init__(self, path: Path, shuffled: bool = False) -> None:
        self.path, self.shuffled = path, shuffled

    def attach(self, teacher: Any, rows: pd.DataFrame) -> None:
        """Make the model of a teacher's AutoMM learner look its outputs up, the first token of a text being its row in ``rows``.

        Raises
        ------
        KdbookError
            If the teacher gives a number that is not finite, as mDeBERTa does in 16 bits, or is asked in training mode.
        """
        features, logits = self.read(rows) or self.compute(teacher, rows)
        if self.shuffled:
            order = _shuffled_within(rows["label"])
            features, logits = features[order], logits[order]

        def look_up(ids: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
            if teacher._model.training:
                raise KdbookError("a teacher in training mode says something else each time; its outputs can't be looked up")
            row = ids[:, 0].cpu()
            return features[row].to(ids.device), logits[row].to(ids.device)

        teacher._model.forward = look_up

    def read(self, rows: pd.DataFrame) -> tuple[Tensor, Tensor] | None:
        """Features and logits of these rows, None if the file lacks them or is damaged."""
        try:
            if self._seal.read_text("utf-8") != hash_of(self.path):
                return None
        except OSError:
            return None
        with safe_open(self.path, framework="pt") as file:
            return (file.get_tensor(FEATURES), file.get_tensor(LOGITS)) if file.metadata()[TEXTS] == _digest(rows) else None

    def compute(self, teacher: Any, rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Ask the teacher about all rows, and keep what it says."""
        features, logits = _ask(teacher, rows)
        if not (torch.isfinite(features).all() and torch.isfinite(logits).all()):
            raise KdbookError("the teacher gives numbers that are not finite; train it with env.precision = '32'")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}")
        save_file({FEATURES: features, LOGITS: logits}, partial, {TEXTS: _digest(rows)})
        self._seal.unlink(missing_ok=True)
        os.replace(partial, self.path)
        write(self._seal, hash_of(self.path))
        return features, logits

    @property
    def _seal(self) -> Path:
        return self.path.with_suffix(".sha256")


def _shuffled_within(labels: pd.Series) -> Tensor:
    """For each row the number of another one with the same label, each row taken once; always the same for the same labels."""
    rng = np.random.default_rng(0)
    places = np.arange(len(labels))
    for label in labels.unique():
        same = np.flatnonzero(labels == label)
        places[same] = rng.permutation(same)
    return torch.from_numpy(places)


def _digest(rows: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for column in texts(rows):
        digest.update("\x1f".join(rows[column]).encode())
    return digest.hexdigest()


def _ask(teacher: Any, rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
    """Features and logits in the order of ``rows``, in large batches of like length, leaving the random numbers as they were."""
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    order = rows[texts(rows)].map(len).sum(axis=1).to_numpy().argsort(kind="stable")
    module = BaseDataModule(teacher._df_preprocessor, teacher._data_processors, BATCH, num_workers=0, predict_data=rows.iloc[order])
    module.setup("predict")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = teacher._model.to(device).eval()
    said: dict[str, list[Tensor]] = {FEATURES: [], LOGITS: []}
    with torch.random.fork_rng(), torch.no_grad():
        for batch in module.predict_dataloader():
            output = run_model(model, {name: part.to(device) for name, part in batch.items()})[model.prefix]
            for part, tensors in said.items():
                tensors.append(output[part].float().cpu())
    model.cpu()
    back = torch.from_numpy(order.argsort())
    return torch.cat(said[FEATURES])[back], torch.cat(said[LOGITS])[back]
