"""The outputs of a teacher for every training row, computed once.

AutoMM runs the teacher in every training and validation step of every epoch (``optim/lit_distiller.py``,
``_shared_step``). A teacher in evaluation mode gives the same output for the same text, so its logits and
pooled features are computed once, kept on disk by the teacher's key, and looked up by row from then on.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from kdbook.atomic import PARTIAL_SUFFIX, atomic
from kdbook.data import digest_rows, texts
from kdbook.errors import KdbookError
from kdbook.store.run import hash_of, write
from kdbook.training import automm

if TYPE_CHECKING:
    from kdbook.training.automm import Learner

BATCH = 128
FEATURES = "features"
LOGITS = "logits"
TEXTS = "texts"
SECONDS_OF_A_WRITE = 3600  # at most; an older partial file has no writer


class OutputCache(Protocol):
    """Where the outputs of a teacher are kept between fits, for texts: frames of text columns alone."""

    def read(self, rows: pd.DataFrame) -> "Outputs | None":
        """The outputs for these texts, None if they are not there."""

    def keep(self, rows: pd.DataFrame, outputs: "Outputs") -> None:
        """Keep the outputs for these texts."""


class Attachable(Protocol):
    """What makes the model of a teacher look its outputs up instead of computing them."""

    def attach(self, teacher: "Learner", rows: pd.DataFrame) -> None:
        """Make the teacher look its outputs for these rows up."""


@dataclass(frozen=True)
class Outputs:
    """Pooled features (rows, width) and logits (rows, classes) of one teacher in fp32, by row."""

    features: Tensor
    logits: Tensor

    def answers(self) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """The predicted class of each row, shape (rows,)."""
        return self.logits.argmax(dim=1).numpy()

    def first(self, rows: int) -> "Outputs":
        """The outputs for the first rows."""
        return Outputs(self.features[:rows], self.logits[:rows])

    def shuffled(self) -> "Outputs":
        """For each row the outputs for another one with the same predicted class, each row taken once.

        The predictions stay; how certain the teacher is of them no longer belongs to the row. The order is
        random and fixed; a cyclic shift along it leaves no row its own outputs, unless its class has no
        other.
        """
        order = np.arange(len(self.logits))
        answers = self.answers()
        rng = np.random.default_rng(0)
        for answer in np.unique(answers):
            same = rng.permutation(np.flatnonzero(answers == answer))
            order[same] = np.roll(same, 1)
        return Outputs(self.features[order], self.logits[order])

    def attach(self, teacher: "Learner", rows: pd.DataFrame) -> None:
        """Make the model of a teacher look its outputs up, the first token of a text being its row in
        ``rows``.

        Raises
        ------
        KdbookError
            If there are not as many outputs as rows, or if the teacher is run in training mode.
        """
        if len(rows) != len(self.logits):
            raise KdbookError(
                f"there are outputs for {len(self.logits)} rows, and AutoMM trains on {len(rows)}"
            )

        def look_up(ids: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
            if teacher._model.training:
                raise KdbookError("outputs of a teacher in training mode vary and can't be looked up")
            row = ids[:, 0].cpu()
            return self.features[row].to(ids.device), self.logits[row].to(ids.device)

        teacher._model.forward = look_up


@dataclass(frozen=True)
class Teacher:
    """A fitted predictor on disk, and where its outputs are kept."""

    predictor: Path
    cache: OutputCache

    def outputs(self, rows: pd.DataFrame) -> Outputs:
        """The outputs for some rows, computed only if they are not kept.

        Raises
        ------
        KdbookError
            If an output is not finite, or would differ from epoch to epoch.
        """
        rows = rows[texts(rows)]
        return self.cache.read(rows) or compute_and_keep(
            automm.learner_of(automm.load(self.predictor)), rows, self.cache
        )


class OutputFile:
    """An :class:`OutputCache` in a memory-mapped safetensors file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, rows: pd.DataFrame) -> Outputs | None:
        """The outputs for these texts, None if the file lacks them or is damaged."""
        try:
            if self._seal.read_text("utf-8") != hash_of(self.path):
                return None
            with safe_open(self.path, framework="pt") as file:
                if (file.metadata() or {}).get(TEXTS) != digest_rows(rows, list(rows.columns)):
                    return None
                return Outputs(file.get_tensor(FEATURES), file.get_tensor(LOGITS))
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, rows: pd.DataFrame, outputs: Outputs) -> None:
        """Write the file, and a hash of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        tensors = {FEATURES: outputs.features, LOGITS: outputs.logits}
        with atomic(self.path) as partial:
            save_file(tensors, partial, {TEXTS: digest_rows(rows, list(rows.columns))})
            self._seal.unlink(missing_ok=True)
        write(self._seal, hash_of(self.path))

    def _sweep(self) -> None:
        """Remove what writers of this file left that were killed before they renamed it."""
        for partial in self.path.parent.glob(f"{self.path.name}.*{PARTIAL_SUFFIX}"):
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > SECONDS_OF_A_WRITE:
                    partial.unlink()

    @property
    def _seal(self) -> Path:
        return self.path.with_suffix(".sha256")


def compute_and_keep(teacher: "Learner", rows: pd.DataFrame, cache: OutputCache) -> Outputs:
    """The outputs of a teacher for some texts, which are kept as well; errors as for :func:`compute`."""
    outputs = compute(teacher, rows)
    cache.keep(rows, outputs)
    return outputs


def compute(teacher: "Learner", rows: pd.DataFrame) -> Outputs:
    """The outputs in the order of ``rows``, from large batches of similar length.

    Of the rows only the text columns that the teacher was fitted on are used.

    Random numbers stay untouched.

    Raises
    ------
    KdbookError
        If an output is not finite.
    """
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    preprocessor, processors = teacher._df_preprocessor, teacher._data_processors
    read = rows[preprocessor.text_feature_names]
    lengths = read.fillna("").astype(str).map(len)  # AutoMM takes a missing text for an empty one
    order = lengths.sum(axis=1).to_numpy().argsort(kind="stable")
    # AutoMM transforms labels also where it does not use them
    known = preprocessor.label_generator.classes_[0]
    sorted_rows = read.iloc[order].assign(**{preprocessor.label_column: known})
    module = BaseDataModule(preprocessor, processors, BATCH, num_workers=0, predict_data=sorted_rows)
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
    return Outputs(features, logits)
