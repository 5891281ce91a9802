"""Data sets of the Hugging Face hub, as frames, and how their names differ from paths."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from kdbook.data.checks import as_text
from kdbook.data.table import positions, table
from kdbook.errors import KdbookError
from kdbook.paths import expanded, is_dir, is_file

CHOICE_OF_CONFIGURATION = "Config name is missing"  # how the message of ``datasets`` begins
HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?", re.ASCII)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
SUFFIXES_OF_FILES = {  # no hub id ends like this
    *(".arrow", ".csv", ".feather", ".gz", ".json", ".jsonl", ".ndjson", ".ods", ".parquet", ".pkl", ".tsv"),
    *(".txt", ".xls", ".xlsx", ".xml", ".zip", ".parq", ".sqlite", ".db", ".doc", ".docx", ".pdf", ".html"),
    *(".zst", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".orc", ".avro", ".h5", ".npz", ".npy", ".sav", ".dta"),
}

Reader = Callable[[Sequence[str]], pd.DataFrame]  # reads some columns as text, as files.read does


def local_path(source: str) -> Path | None:
    """The file or directory of a source; None if it is a data set of the hub.

    Raises
    ------
    KdbookError
        If it is a URL, or looks like a path that does not exist.
    """
    if URL.match(source):
        raise KdbookError(
            f"URLs such as {source!r} are not read; download the data, and name the file or the directory"
        )
    path = expanded(source)
    if is_dir(path) or is_file(path):
        return path
    suffix = Path(source).suffix.lower()
    if not HUB_ID.fullmatch(source) or suffix in SUFFIXES_OF_FILES or ("/" not in source and suffix):
        raise KdbookError(f"the file or directory {source!r} does not exist")
    return None


def splits(
    name: str, configuration: str | None, choices: Mapping[str, Iterable[str]], language: str | None = None
) -> tuple[dict[str, Reader], list[str]]:
    """A reader for each split of a data set that is used and exists, and the names of its other splits.

    Parameters
    ----------
    name, configuration
        As for ``datasets.load_dataset``.
    choices
        For each of our splits, the names that it may have there.
    language
        Names the configuration if the data set has several and none is given.

    Raises
    ------
    KdbookError
        If the data set can't be loaded.
    """
    loaded = _load_or_explain(name, configuration, language)
    found = {
        split: next((name for name in names if name in loaded), None) for split, names in choices.items()
    }
    chosen = {split: hub_split for split, hub_split in found.items() if hub_split}
    readers: dict[str, Reader] = {
        split: partial(
            _read, loaded[hub_split], f"{name} ({', '.join(filter(None, [configuration, hub_split]))})"
        )
        for split, hub_split in chosen.items()
    }
    return readers, [split for split in loaded if split not in chosen.values()]


def _load_or_explain(name: str, configuration: str | None, language: str | None) -> Any:
    title = f"{name!r} ({configuration})" if configuration else repr(name)
    try:
        return _load(name, configuration, language)
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".")
        if CHOICE_OF_CONFIGURATION in reason:
            raise KdbookError(
                f"the data set {title} could not be loaded: {reason}. Name one with data.configuration"
            ) from error
        raise KdbookError(
            f"the data set {title} could not be loaded: {reason}. Check the connection, or give a directory "
            f"with KDBOOK_DATA=DIR; there is no file or directory {name!r} here"
        ) from error


def _load(name: str, configuration: str | None, language: str | None) -> Any:
    from datasets import load_dataset  # takes seconds to import

    try:
        return load_dataset(name, configuration)
    except ValueError as error:
        if configuration or not language or CHOICE_OF_CONFIGURATION not in str(error):
            raise
        return load_dataset(name, language)


def _read(split: Any, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of a split; an index of a class becomes its name, and another one, such as -1, is missing."""
    positions(name, split.column_names, columns)
    values = split.select_columns(list(columns))[:] if columns else {}
    named = [_named(values[column], getattr(split.features[column], "names", None)) for column in columns]
    return as_text(table(columns, named, range(1, len(split) + 1), f"{name}, row"))


def _named(values: list[object], class_names: list[str] | None) -> list[object]:
    if class_names is None:
        return values
    names = dict(enumerate(class_names))
    return [names.get(value) if isinstance(value, int) else value for value in values]
