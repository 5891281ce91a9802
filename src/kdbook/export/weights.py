"""The weights and settings of a run, read from plain files; nothing is unpickled."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbook.settings.automm import number
from kdbook.store.run import Run

if TYPE_CHECKING:
    from torch import Tensor

ENCODER = "hf_text"  # AutoMM's folder for the tokenizer and the configuration of a text encoder
PREFIX = "model."  # of the name of each weight in AutoMM's checkpoint


Json = dict[str, Any]  # a file of transformers or tokenizers


def read(run: Run) -> "dict[str, Tensor]":
    """The tensors of a run's model in 32 bits: ``model.*`` the encoder, ``head.*`` the head."""
    import torch

    state = torch.load(run.predictor / "model.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    return {name.removeprefix(PREFIX): tensor.float() for name, tensor in state.items()}


def size(run: Run) -> int:
    """Bytes of the file of weights."""
    return (run.predictor / "model.ckpt").stat().st_size


def encoder_folder(run: Run) -> Path:
    """The folder with configuration and tokenizer of the run's encoder."""
    return run.predictor / ENCODER


def max_tokens(run: Run) -> int:
    """The largest number of tokens of a row, marks included."""
    return number(run.record.identity.hyperparameters, "model.hf_text.max_text_len")


def read_json(path: Path) -> Json:
    """A JSON object from a file; empty if there is no such file."""
    contents: Json = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return contents
