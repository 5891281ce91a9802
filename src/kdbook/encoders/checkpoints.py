"""Pretrained encoders to fine-tune: compact ones that ship with the package, local directories, and the
hub's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.resources import as_file, files
from pathlib import Path

from kdbook.encoders import packed
from kdbook.errors import KdbookError
from kdbook.paths import expanded, is_dir
from kdbook.store.run import hash_of, key_of

EMBEDDED = "embedded:"
NEEDED = ("config.json", "tokenizer_config.json")
CUSTOM_CODE = "auto_map"  # in the configuration of a checkpoint that ships Python code
CONTENT_SUFFIXES = (
    *(".json", ".safetensors", ".bin"),
    *(".model", ".txt", ".codes", ".bpe", ".spm", ".vocab", ".tiktoken"),  # of tokenizers
)
RELATIVE = ("deberta", "deberta-v2", "t5", "mt5", "xlnet", "roformer")  # they have no table of positions
OFFSET = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk, and a hash that identifies its content."""

    identity: str
    _find: Callable[[], Path]

    @cached_property
    def path(self) -> Path:
        """The directory in Hugging Face layout; a packed encoder is unpacked now."""
        return self._find()


def locate(name: str) -> Checkpoint:
    """Find a checkpoint, downloading it if it is a hub id.

    Parameters
    ----------
    name
        ``embedded:teacher`` or the like, a local directory in Hugging Face layout, or a hub id.

    Raises
    ------
    KdbookError
        If there is no such checkpoint, or files are missing from it.
    """
    if name.startswith(EMBEDDED):
        return _embedded(name)
    path = expanded(name)
    if is_dir(path):
        return _local(path.absolute(), name)
    if name.startswith((".", "/", "~")):
        raise KdbookError(f"the checkpoint directory {name!r} does not exist")
    return _hub(name)


def max_positions(path: Path) -> int | None:
    """The largest number of tokens that an encoder takes; None where its positions are relative.

    Encoders of the RoBERTa family count positions from the one after that of the padding.
    """
    config = json.loads((path / "config.json").read_text("utf-8"))
    positions = config.get("max_position_embeddings")
    kind = config.get("model_type")
    if not isinstance(positions, int) or kind in RELATIVE or config.get("relative_attention"):
        return None
    return positions - config.get("pad_token_id", 1) - 1 if kind in OFFSET else positions


def pretraining_seconds(name: str) -> float | None:
    """How long the pretraining of an encoder took, known for those that ship with the package."""
    if name.removeprefix(EMBEDDED) not in _pretrained_here():
        return None
    record = json.loads((_embedded(name).path / "pretraining.json").read_text("utf-8"))
    return float(record["seconds"])


def embedded() -> list[str]:
    """Names of the checkpoints that ship with the package."""
    return [EMBEDDED + name for name in (*_pretrained_here(), *packed.NAMES)]


def _pretrained_here() -> list[str]:
    with as_file(files(__package__) / "checkpoints") as folder:
        return sorted(path.name for path in folder.iterdir())


def _embedded(name: str) -> Checkpoint:
    if name not in embedded():
        raise KdbookError(f"there is no checkpoint {name!r}. Choose from: {', '.join(embedded())}")
    short = name.removeprefix(EMBEDDED)
    if short in packed.NAMES:
        return Checkpoint(packed.identity(short), partial(packed.unpacked, short))
    with as_file(files(__package__) / "checkpoints") as folder:
        return _local(folder / short, name)


def _local(path: Path, name: str) -> Checkpoint:
    missing = [file for file in NEEDED if not (path / file).is_file()]
    if missing:
        raise KdbookError(
            f"the checkpoint {name!r} has no {missing[0]}; it must contain a model and its tokenizer"
        )
    _refuse_code(path, name)
    contents = [file for file in path.rglob("*") if file.is_file() and file.suffix in CONTENT_SUFFIXES]
    return Checkpoint(
        key_of({file.relative_to(path).as_posix(): hash_of(file) for file in contents}), lambda: path
    )


def _hub(name: str) -> Checkpoint:
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(name, allow_patterns=[f"*{suffix}" for suffix in CONTENT_SUFFIXES]))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise KdbookError(
            f"the checkpoint {name!r} could not be downloaded: {reason}. Check the connection, or give a "
            "local directory"
        ) from error
    _refuse_code(path, name)
    return Checkpoint(f"{name}@{path.name}", lambda: path)  # a snapshot's directory is named by its commit


def _refuse_code(path: Path, name: str) -> None:
    """Refuse a checkpoint that could be loaded only by running code that comes with it."""
    for file in NEEDED:
        try:
            settings = json.loads((path / file).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise KdbookError(f"the checkpoint {name!r}: {file} can't be read as JSON: {error}") from error
        if not isinstance(settings, dict) or CUSTOM_CODE in settings:
            raise KdbookError(
                f"the checkpoint {name!r} ships code, which is never executed; choose one that "
                "transformers knows"
            )
