"""Tables as frames whose index gives the place of each row, and the columns that are read of them.

The name of the index is what messages call the table, and the unit, such as ``"train.tsv, line"``; its
values are numbers of lines or rows.
"""

from collections.abc import Iterable, Sequence

import pandas as pd

from kdbook.errors import KdbookError
from kdbook.settings.names import difference, skeleton

MAX_QUOTED_CHARACTERS = 60  # of what a message quotes
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "vertical bars"}


def table(
    names: Sequence[str], columns: Iterable[Sequence[object]], numbers: Sequence[int], unit: str
) -> pd.DataFrame:
    """A frame of these columns as they are, with the place of each row: ``unit`` and a number."""
    index = pd.Index(list(numbers), name=unit, dtype="int64")
    series = {number: pd.Series(list(values), index, object) for number, values in enumerate(columns)}
    return pd.DataFrame(series, index).set_axis(list(names), axis="columns")


def title(rows: pd.DataFrame) -> str:
    """What messages call a table."""
    return str(rows.index.name).rpartition(", ")[0]


def positions(name: str, header: Sequence[str], columns: Iterable[str]) -> list[int]:
    """Positions of some columns in the header of a table.

    Raises
    ------
    KdbookError
        If there is no such column, or more than one.
    """
    return [_position(name, header, column) for column in columns]


def _position(name: str, header: Sequence[str], column: str) -> int:
    number = header.count(column)
    if number == 1:
        return header.index(column)
    alike = [other for other in header if skeleton(other) == skeleton(column)]
    if number == 0 and len(alike) == 1:
        raise KdbookError(
            f"{name} has no column {column!r}, but {alike[0]!a}, in which {difference(column, alike[0])}; "
            "rename it"
        )
    names = quoted(", ".join(header)) or "none"
    problem = f"has {number} columns" if number else "has no column"
    raise KdbookError(f"{name} {problem} {column!r}; it has {names}{separator_hint(header)}")


def separator_hint(columns: Sequence[str]) -> str:
    """What to do where the header looks like that of another format."""
    if len(columns) > 1 and all(len(name) > 1 and name[0] == name[-1] == '"' for name in columns):
        return ". In a .tsv file quotes are plain text; save it as .csv if they enclose the cells"
    if len(columns) == 1:
        for separator, name in SEPARATORS.items():
            if separator in columns[0]:
                return (
                    f". Its cells seem to be separated by {name}; use commas in .csv and tabs in .tsv files"
                )
    return ""


def quoted(text: str) -> str:
    """A text as a message quotes it, cut to a readable length."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"


def in_order_of_languages(rows: pd.DataFrame, languages: Iterable[str]) -> pd.DataFrame:
    """The rows one language after the other, otherwise in their order; other languages come last."""
    rank = {language: number for number, language in enumerate(languages)}
    return rows.sort_values(
        "language",
        key=lambda column: column.map(rank).fillna(len(rank)),
        kind="stable",
        ignore_index=True,
    )
