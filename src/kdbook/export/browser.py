"""A student for the reader's browser: its weights and vocabulary in two files that ``student-demo.js`` reads.

The script computes what AutoMM does with two sentences (``data/process_text.py``, ``models/hf_text.py``):
pieces of a unigram vocabulary, an encoder of the XLM-R family, and a linear head on the first token or on the
mean of all. A model of another kind, or one too large to download, has no demo.
"""

import json
from pathlib import Path

from kdbook.export import weights
from kdbook.export.weights import Json
from kdbook.store.run import Run

CONFIG = "student.json"
WEIGHTS = "student.bin"
MAX_BYTES = 20_000_000
SETTINGS = (
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
)


def write(run: Run, folder: Path) -> bool:
    """Write a run's model for the browser, weights as little-endian 32-bit floats.

    False if the script can't run it.
    """
    if weights.read_json(folder / CONFIG).get("key") == run.key:
        return True
    encoder = weights.encoder_folder(run)
    config, tokenizer = (
        weights.read_json(encoder / "config.json"),
        weights.read_json(encoder / "tokenizer.json"),
    )
    if not _is_supported(config, tokenizer) or weights.size(run) > MAX_BYTES:
        return False
    tensors: dict[str, dict[str, int]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, tensor in weights.read(run).items():
        values = tensor.contiguous().numpy().astype("<f4")
        tensors[name] = {"offset": offset, "size": values.size}
        offset += values.size
        parts.append(values.tobytes())
    settings = {name: config[name] for name in SETTINGS}
    settings |= {
        "unknown": tokenizer["model"]["unk_id"],
        "longest": weights.max_tokens(run),
        "pooling": weights.pooling(run),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(b"".join(parts))
    description = {
        "key": run.key,
        "settings": settings,
        "tensors": tensors,
        "pieces": tokenizer["model"]["vocab"],
    }
    (folder / CONFIG).write_text(json.dumps(description, ensure_ascii=False), "utf-8")
    return True


def _is_supported(config: Json, tokenizer: Json) -> bool:
    """Whether the script computes this kind of encoder and tokenizer."""
    pretokenizers = [part["type"] for part in (tokenizer.get("pre_tokenizer") or {}).get("pretokenizers", [])]
    encoder = config.get("model_type") == "xlm-roberta" and config.get("hidden_act") == "gelu"
    pieces = (
        pretokenizers == ["WhitespaceSplit", "Metaspace"]
        and tokenizer["model"]["type"] == "Unigram"
        and not tokenizer["normalizer"]
    )
    return encoder and pieces
