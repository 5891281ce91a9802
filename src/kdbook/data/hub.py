"""Data sets of the Hugging Face hub, as tables of text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kdbook.data.table import Row, Table
from kdbook.errors import KdbookError


def tables(name: str, configuration: str | None, splits: Mapping[str, Iterable[str]]) -> dict[str, Table]:
    """The table of each split of a data set; splits that do not exist are left out.

    Parameters
    ----------
    name, configuration
        As for ``datasets.load_dataset``.
    splits
        For each of our splits, the names that it may have there. Class indices become class names.

    Raises
    ------
    KdbookError
        If the data set can't be loaded.
    """
    from datasets import load_dataset  # takes seconds to import

    title = f"{name!r} ({configuration})" if configuration else repr(name)
    try:
        loaded = load_dataset(name, configuration)
    except Exception as error:
        raise KdbookError(
            f"the data set {title} could not be loaded: {str(error).strip().splitlines()[0]}. "
            "Check the connection, or give a directory with KDBOOK_DATA=DIR"
        ) from error
    tables = {}
    for split, choices in splits.items():
        hub_split = next((choice for choice in choices if choice in loaded), None)
        if hub_split:
            where = f"{name} ({', '.join(filter(None, [configuration, hub_split]))})"
            rows = loaded[hub_split]
            tables[split] = Table(where, list(rows.column_names), _rows(rows, where))
    if "train" not in tables:
        raise KdbookError(f"the data set {title} has no split 'train'")
    return tables


def _rows(split: Any, where: str) -> Iterator[Row]:
    class_names = {column: getattr(feature, "names", None) for column, feature in split.features.items()}
    for number, row in enumerate(split, start=1):
        cells = [_text(row[column], class_names[column]) for column in split.column_names]
        yield Row(f"{where}, row {number}", cells)


def _text(value: object, class_names: list[str] | None) -> str:
    if value is None:
        return ""
    if class_names and isinstance(value, int) and 0 <= value < len(class_names):
        return class_names[value]
    return str(value)
