"""What a teacher says about every example, computed once.

AutoMM runs the teacher in every training and validation step of every epoch (``optim/lit_distiller.py``,
``_shared_step``). A teacher in evaluation mode gives the same output for the same tokens, so its logits and pooled
features are computed once, kept on disk by the teacher's key, and looked up by token ids from then on. Since the tokens
are the key, a look-up is never wrong: text that was not seen before, such as augmented text, is computed.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from kdbook.errors import KdbookError
from kdbook.store import hash_of, write

BATCH = 128
KEYS, FEATURES, LOGITS = "keys", "features", "logits"
KEY_BYTES = 16


class TeacherOutputs:
    """Logits and pooled features of one teacher by token ids, in a safetensors file that is memory-mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors = self._load()
        keys = self._tensors.get(KEYS)
        self._rows = {} if keys is None else {bytes(key): row for row, key in enumerate(keys.numpy())}

    def attach(self, teacher: Any, rows: pd.DataFrame) -> None:
        """Make the model of a teacher's AutoMM learner look its outputs up, after computing those of ``rows`` that are missing.

        Raises
        ------
        KdbookError
            If the teacher gives a number that is not finite, as mDeBERTa does in 16 bits.
        """
        forward = teacher._model.forward
        fresh = _compute(teacher, rows, known=self._rows.keys())
        if fresh:
            self._add(fresh)

        def look_up(ids: Tensor, segments: Tensor, lengths: Tensor, *columns: Any) -> tuple[Tensor, ...]:
            found = [self._rows.get(key) for key in keys_of(ids, lengths)]
            if teacher._model.training or None in found:
                return forward(ids, segments, lengths, *columns)
            index = torch.tensor(found)
            return tuple(self._tensors[part][index].to(ids.device) for part in (FEATURES, LOGITS))

        teacher._model.forward = look_up

    def _load(self) -> dict[str, Tensor]:
        """The tensors of an intact file; a damaged one counts as none."""
        try:
            if self._seal.read_text("utf-8") != hash_of(self.path):
                return {}
        except OSError:
            return {}
        with safe_open(self.path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in (KEYS, FEATURES, LOGITS)}

    def _add(self, fresh: dict[bytes, tuple[Tensor, Tensor]]) -> None:
        keys = torch.tensor([list(key) for key in fresh], dtype=torch.uint8)
        features, logits = (torch.stack([output[part] for output in fresh.values()]) for part in range(2))
        new = {KEYS: keys, FEATURES: features, LOGITS: logits}
        self._tensors = {name: torch.cat([self._tensors[name], part]) if self._tensors else part for name, part in new.items()}
        self._rows |= {key: len(self._rows) + row for row, key in enumerate(fresh)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}")
        save_file(self._tensors, partial)
        self._seal.unlink(missing_ok=True)
        os.replace(partial, self.path)
        write(self._seal, hash_of(self.path))

    @property
    def _seal(self) -> Path:
        return self.path.with_suffix(".sha256")


def keys_of(ids: Tensor, lengths: Tensor) -> list[bytes]:
    """A hash for each row of padded token ids (rows, tokens) up to its valid length."""
    table, ends = ids.cpu().to(torch.int32).numpy(), lengths.reshape(-1).tolist()
    return [hashlib.blake2b(row[:end].tobytes(), digest_size=KEY_BYTES).digest() for row, end in zip(table, ends, strict=True)]


def _compute(teacher: Any, rows: pd.DataFrame, known: Any) -> dict[bytes, tuple[Tensor, Tensor]]:
    """Outputs for the rows that are not known, in large batches of like length, leaving the random numbers as they were."""
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    length = rows["sentence1"].str.len() + rows["sentence2"].str.len()
    sorted_rows = rows.loc[length.sort_values(kind="stable").index]
    module = BaseDataModule(teacher._df_preprocessor, teacher._data_processors, BATCH, num_workers=0, predict_data=sorted_rows)
    module.setup("predict")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = teacher._model.to(device).eval()
    fresh: dict[bytes, tuple[Tensor, Tensor]] = {}
    with torch.random.fork_rng(), torch.inference_mode():
        for batch in module.predict_dataloader():
            keys = keys_of(batch[model.text_token_ids_key], batch[model.text_valid_length_key])
            if all(key in known for key in keys):
                continue
            output = run_model(model, {name: part.to(device) for name, part in batch.items()})[model.prefix]
            features, logits = output[FEATURES].float().cpu(), output[LOGITS].float().cpu()
            if not (torch.isfinite(features).all() and torch.isfinite(logits).all()):
                raise KdbookError("the teacher gives numbers that are not finite; train it with env.precision = '32'")
            fresh |= {key: (features[row].clone(), logits[row].clone()) for row, key in enumerate(keys) if key not in known}
    model.cpu()
    return fresh
