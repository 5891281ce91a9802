"""A student that answers in the reader's browser: its weights and words in two files that ``student-demo.js`` reads.

The script computes what AutoMM does with two sentences (``data/process_text.py``, ``models/hf_text.py``): pieces of a Unigram
vocabulary, an encoder of the XLM-R family, and a linear head on the first token. A model of another kind, or one too large to
be sent to a reader, has no demo.
"""

import json
from pathlib import Path
from typing import Any

from kdbook.store import Run

CONFIG, WEIGHTS = "student.json", "student.bin"
MOST_BYTES = 20_000_000
SETTINGS = ("hidden_size", "num_attention_heads", "num_hidden_layers", "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id")
PREFIX = "model."  # of AutoMM's names


def write(run: Run, folder: Path) -> bool:
    """Write a run's model for the browser, weights as little-endian floats of 32 bits; False if it can't answer there."""
    if _read(folder / CONFIG).get("key") == run.key:
        return True
    files = run.predictor / "hf_text"
    config, tokenizer = _read(files / "config.json"), _read(files / "tokenizer.json")
    if not _can_answer(config, tokenizer) or (run.predictor / "model.ckpt").stat().st_size > MOST_BYTES:
        return False
    tensors, offset, parts = {}, 0, []
    for name, tensor in weights(run).items():
        values = tensor.contiguous().numpy().astype("<f4")
        tensors[name] = {"offset": offset, "size": values.size}
        offset += values.size
        parts.append(values.tobytes())
    settings = {name: config[name] for name in SETTINGS}
    longest = run.record["identity"]["hyperparameters"]["model.hf_text.max_text_len"]
    settings |= {"unknown": tokenizer["model"]["unk_id"], "longest": longest}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(b"".join(parts))
    described = {"key": run.key, "settings": settings, "tensors": tensors, "pieces": tokenizer["model"]["vocab"]}
    (folder / CONFIG).write_text(json.dumps(described, ensure_ascii=False), "utf-8")
    return True


def weights(run: Run) -> dict[str, Any]:
    """The tensors of a run's model in 32 bits: ``model.*`` the encoder, ``head.*`` the head; nothing pickled is read."""
    import torch

    state = torch.load(run.predictor / "model.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    return {name.removeprefix(PREFIX): tensor.float() for name, tensor in state.items()}


def _can_answer(config: dict[str, Any], tokenizer: dict[str, Any]) -> bool:
    pretokenizers = [part["type"] for part in (tokenizer.get("pre_tokenizer") or {}).get("pretokenizers", [])]
    encoder = config.get("model_type") == "xlm-roberta" and config.get("hidden_act") == "gelu"
    words = pretokenizers == ["WhitespaceSplit", "Metaspace"] and tokenizer["model"]["type"] == "Unigram" and not tokenizer["normalizer"]
    return encoder and words


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}
