"""Encoders that ship in fewer bits, and are unpacked once into the cache of the user.

``e5`` is multilingual-e5-small (Wang et al. 2024) with the pieces of six languages, in blocks of 32 weights
of 4 bits; ``e5-6`` and ``e5-3`` are its first layers. ``compact`` has its word vectors, projected to fewer
dimensions, and layers of its own. How the files were made: ``tools/e5.py`` and ``tools/compact.py``.
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from kdbook.atomic import atomic
from kdbook.hashing import digest_of
from kdbook.store.run import hash_of

PACKED = "packed"  # folder beside this module
E5 = "e5"
LAYERS = {E5: 12, "e5-6": 6, "e5-3": 3}
COMPACT = "compact"
NAMES = (*LAYERS, COMPACT)
PACKED_WEIGHTS = "weights.safetensors"
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
WORDS = "embeddings.word_embeddings.weight"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
FILES = (WEIGHTS, CONFIG, *TOKENIZER)
HASHES = "hashes.json"  # of the files of an unpacked encoder, to find damage

Array = np.ndarray[Any, np.dtype[Any]]


@cache
def identity(name: str) -> str:
    """A hash of all that an encoder is unpacked from."""
    with as_file(files(__package__) / PACKED) as folder:
        parts = (E5, COMPACT) if name == COMPACT else (E5,)
        files_of = {f"{part}/{file}": folder / part / file for part in parts for file in _files(part)}
        return digest_of({"name": name, "files": {file: hash_of(path) for file, path in files_of.items()}})


def unpacked(name: str) -> Path:
    """The folder of an encoder in Hugging Face layout, unpacked where the cache lacks it or it is damaged.

    Without a cache that can be written to, it is unpacked for this process alone.
    """
    folder = user_cache_path("kdbook") / "encoders" / f"{name}-{identity(name)[:12]}"
    try:
        if not _is_whole(folder):
            _unpack(name, folder)
    except OSError:
        return folder if _is_whole(folder) else _for_this_process(name)  # whole: by another process meanwhile
    return folder


def tokenizer() -> str:
    """The tokenizer of all packed encoders as JSON, without unpacking one."""
    return (files(__package__) / PACKED / E5 / TOKENIZER[0]).read_text("utf-8")


def blocks(weights: Array, scales: Array) -> Array:
    """The numbers of 4-bit blocks, shape (rows, 32 × blocks of a row).

    Parameters
    ----------
    weights
        16 bytes for each block, shape (rows, blocks, 16): the first 16 numbers are in the lower halves.
    scales
        A factor for each block, shape (rows, blocks).
    """
    numbers = np.concatenate([weights & 15, weights >> 4], axis=-1).astype(np.float32) - 8
    scaled: Array = (numbers * scales[..., None].astype(np.float32)).reshape(len(weights), -1)
    return scaled


def _is_whole(folder: Path) -> bool:
    try:
        expected = json.loads((folder / HASHES).read_text("utf-8"))
        return all(hash_of(folder / name) == expected[name] for name in FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@cache
def _for_this_process(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kdbook-encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _unpack(name, folder / name)
    return folder / name


def _unpack(name: str, folder: Path) -> None:
    """Write the files, each whole or not at all, and their hashes last; other files of the folder stay."""
    from safetensors.numpy import save  # save_file has an error of its own for a full disk

    folder.mkdir(parents=True, exist_ok=True)
    with as_file(files(__package__) / PACKED) as source:
        config, tensors = _compact(source) if name == COMPACT else _e5(source, LAYERS[name])
        with atomic(folder / WEIGHTS) as partial:
            partial.write_bytes(save(tensors, metadata={"format": "pt"}))
        with atomic(folder / CONFIG) as partial:
            partial.write_text(json.dumps(config), "utf-8")
        for file in TOKENIZER:
            with atomic(folder / file) as partial:
                shutil.copyfile(source / E5 / file, partial)
    written = {file: hash_of(folder / file) for file in FILES}
    with atomic(folder / HASHES) as partial:
        partial.write_text(json.dumps(written), "utf-8")


def _files(part: str) -> tuple[str, ...]:
    """The packed files of an encoder that decide what it computes."""
    return (PACKED_WEIGHTS, CONFIG) if part == COMPACT else (PACKED_WEIGHTS, CONFIG, *TOKENIZER)


def _e5(source: Path, layers: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Configuration and tensors of the first layers."""
    config = json.loads((source / E5 / CONFIG).read_text("utf-8")) | {"num_hidden_layers": layers}
    return config, dict(_tensors(source / E5, lambda name: _layer(name) < layers))


def _compact(source: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Configuration and tensors of the compact encoder."""
    config = json.loads((source / COMPACT / CONFIG).read_text("utf-8"))
    own = dict(_tensors(source / COMPACT))
    (words,) = (tensor for _, tensor in _tensors(source / E5, WORDS.__eq__))
    return config, {WORDS: words @ own.pop("projection") + own.pop("offset"), **own}


def _tensors(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, Array]]:
    """The packed tensors whose names are wanted, in 32 bits."""
    from safetensors import safe_open

    with safe_open(folder / PACKED_WEIGHTS, "np") as packed:
        for key in packed.keys():  # noqa: SIM118, it is no dictionary
            name, _, kind = key.rpartition(".")
            if kind == "blocks" and wanted(name):
                yield name, blocks(packed.get_tensor(key), packed.get_tensor(f"{name}.scale"))
            elif kind not in ("blocks", "scale") and wanted(key):
                yield key, packed.get_tensor(key).astype(np.float32)


def _layer(name: str) -> int:
    """The number of the layer that a tensor belongs to; -1 for the embeddings."""
    return int(name.split(".")[2]) if name.startswith("encoder.layer.") else -1
