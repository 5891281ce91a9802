"""Data sets of the hub, as tables of text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kdbook.data.files import Row
from kdbook.errors import KdbookError


def tables(name: str, configuration: str | None, splits: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, list[str], Iterator[Row]]]:
    """What each split of a data set is called, its columns and its rows; splits that are not there are left out.

    ``splits`` holds, for each of ours, the names that it may have there. Numbers that stand for a class become its name.

    Raises
    ------
    KdbookError
        If the data set can't be loaded.
    """
    from datasets import load_dataset  # takes seconds to import

    shown = f"{name!r} ({configuration})" if configuration else repr(name)
    try:
        loaded = load_dataset(name, configuration)
    except Exception as error:
        raise KdbookError(
            f"the data set {shown} could not be loaded: {str(error).strip().splitlines()[0]}. "
            "Check the connection, or give a directory with KDBOOK_DATA=DIR"
        ) from error
    found = {ours: next((theirs for theirs in names if theirs in loaded), None) for ours, names in splits.items()}
    if found["train"] is None:
        raise KdbookError(f"the data set {shown} has no split 'train'")
    described = {ours: f"{name} ({', '.join(filter(None, [configuration, theirs]))})" for ours, theirs in found.items()}
    return {
        ours: (described[ours], list(loaded[theirs].column_names), _rows(loaded[theirs], described[ours]))
        for ours, theirs in found.items()
        if theirs
    }


def _rows(split: Any, where: str) -> Iterator[Row]:
    names = {column: getattr(feature, "names", None) for column, feature in split.features.items()}
    for number, row in enumerate(split, start=1):
        yield f"{where}, row {number}", [_text(row[column], names[column]) for column in split.column_names]


def _text(value: Any, names: list[str] | None) -> str:
    if value is None:
        return ""
    return names[value] if names and isinstance(value, int) and 0 <= value < len(names) else str(value)
