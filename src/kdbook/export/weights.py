"""The weights and settings of a run, read from plain files; nothing is unpickled."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbook.settings.automm import MAX_TEXT_LEN, POOLING, number
from kdbook.store.run import Run

if TYPE_CHECKING:
    from torch import Tensor

ENCODER = "hf_text"  # AutoMM's folder for the tokenizer and the configuration of a text encoder
UNLIMITED = 10**30  # as transformers writes it
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
    """The largest number of tokens of a row, marks included.

    AutoMM's ``get_text_token_max_len`` (``models/utils.py``).
    """
    config = read_json(encoder_folder(run) / "config.json")
    tokenizer = read_json(encoder_folder(run) / "tokenizer_config.json")
    limit = tokenizer.get("model_max_length") or UNLIMITED
    if not config.get("relative_attention") and "relative" not in config.get("position_embedding_type", ""):
        limit = config.get("max_position_embeddings", limit)
    chosen = number(run.record.identity.hyperparameters, MAX_TEXT_LEN)
    return int(min(chosen, limit) if chosen > 0 else limit)


def pooling(run: Run) -> str:
    """How the features of a row are made of its tokens: ``"cls"`` or ``"mean"``."""
    return str(run.record.identity.hyperparameters.get(POOLING, "cls"))


def read_json(path: Path) -> Json:
    """A JSON object from a file; empty if there is no such file."""
    contents: Json = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return contents
