"""Data sets of the Hugging Face hub, as tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kdbook.data.table import Record, Table
from kdbook.errors import KdbookError

CHOICE_OF_CONFIGURATION = "Config name is missing"  # how the message of ``datasets`` begins


@dataclass(frozen=True)
class HubTables:
    """The table of each split of a data set that is used, and the names of its other splits."""

    tables: dict[str, Table]
    unused: list[str]


def tables(
    name: str, configuration: str | None, splits: Mapping[str, Iterable[str]], language: str | None = None
) -> HubTables:
    """The table of each split of a data set; splits that do not exist are left out.

    Parameters
    ----------
    name, configuration
        As for ``datasets.load_dataset``.
    splits
        For each of our splits, the names that it may have there. Class indices become class names, and an
        index of no class, such as -1, a missing value.
    language
        Names the configuration if the data set has several and none is given.

    Raises
    ------
    KdbookError
        If the data set can't be loaded.
    """
    title = f"{name!r} ({configuration})" if configuration else repr(name)
    try:
        loaded = _load(name, configuration, language)
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
    first_choices = {
        split: next((choice for choice in choices if choice in loaded), None)
        for split, choices in splits.items()
    }
    chosen = {split: hub_split for split, hub_split in first_choices.items() if hub_split}
    used = {
        split: _table(loaded[hub_split], f"{name} ({', '.join(filter(None, [configuration, hub_split]))})")
        for split, hub_split in chosen.items()
    }
    return HubTables(used, unused=[split for split in loaded if split not in chosen.values()])


def _load(name: str, configuration: str | None, language: str | None) -> Any:
    from datasets import load_dataset  # takes seconds to import

    try:
        return load_dataset(name, configuration)
    except ValueError as error:
        if configuration or not language or CHOICE_OF_CONFIGURATION not in str(error):
            raise
        return load_dataset(name, language)


def _table(split: Any, where: str) -> Table:
    return Table(where, list(split.column_names), partial(_records, split, where))


def _records(split: Any, where: str, positions: Sequence[int]) -> Iterator[Record]:
    columns = [split.column_names[position] for position in positions]
    class_names = [getattr(split.features[column], "names", None) for column in columns]
    for number, row in enumerate(split.select_columns(columns), start=1):
        values = [_named(row[column], names) for column, names in zip(columns, class_names, strict=True)]
        yield Record(f"{where}, row {number}", values)


def _named(value: object, class_names: list[str] | None) -> object:
    if class_names is None or not isinstance(value, int):
        return value
    return class_names[value] if 0 <= value < len(class_names) else None
