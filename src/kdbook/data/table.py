"""Rows of text from any source: one door for files of every format and for data sets of the hub."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from kdbook.errors import KdbookError
from kdbook.settings.names import difference, skeleton

MAX_QUOTED_CHARACTERS = 60  # of what a message quotes
MAX_CELL_CHARACTERS = 1_000_000
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "vertical bars"}


@dataclass(frozen=True, slots=True)
class Record:
    """The values of some columns of one row as the source has them, and where they come from, such as
    ``"train.tsv, line 3"``.
    """

    where: str
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row as text, empty where a value is missing, and where they come from."""

    where: str
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A table that is read row by row: what messages call it, its columns, and a function that reads the
    values at some positions, in their order.
    """

    name: str
    columns: list[str]
    read: Callable[[Sequence[int]], Iterator[Record]]

    def position(self, column: str) -> int:
        """Position of a column.

        Raises
        ------
        KdbookError
            If there is no such column, or more than one.
        """
        number = self.columns.count(column)
        if number == 1:
            return self.columns.index(column)
        alike = [name for name in self.columns if skeleton(name) == skeleton(column)]
        if number == 0 and len(alike) == 1:
            raise KdbookError(
                f"{self.name} has no column {column!r}, but {alike[0]!a}, in which "
                f"{difference(column, alike[0])}; rename it"
            )
        names = quoted(", ".join(self.columns)) or "none"
        problem = f"has {number} columns" if number else "has no column"
        raise KdbookError(f"{self.name} {problem} {column!r}; it has {names}{separator_hint(self.columns)}")

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """The cells of these columns, in their order; other columns may hold anything.

        Raises
        ------
        KdbookError
            If there is no such column, or when a row is reached of which a cell is no text.
        """
        positions = [self.position(column) for column in columns]
        return (checked(record, range(len(positions))) for record in self.read(positions))


WHOLE_NUMBER = re.compile(r"([-+]?\d+)\.0+")


def id_text(cell: str) -> str:
    """An id as text: a whole number is the same with and without a point, which tables add beside a gap."""
    number = WHOLE_NUMBER.fullmatch(cell)
    return number[1] if number else cell


class UniqueIds:
    """The ids seen so far, each with its place, to refuse one that occurs twice."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], str] = {}

    def add(self, row: Row, *key: str, advice: str) -> None:
        """Remember the id of a row; ``key`` is the id, and the language if ids may recur in other languages.

        Raises
        ------
        KdbookError
            If a row before had the same key.
        """
        if key in self._places:
            raise KdbookError(
                f"{row.where}: the id {quoted(key[0])!r} was given before ({self._places[key]}); {advice}"
            )
        self._places[key] = row.where.rpartition(", ")[2]


def checked(record: Record, positions: Iterable[int], longest: int | None = MAX_CELL_CHARACTERS) -> Row:
    """The cells at some positions of a record, of at most so many characters.

    Raises
    ------
    KdbookError
        If one is no text: the message says where, and what to do.
    """
    try:
        return Row(record.where, [cell_text(record.values[position], longest) for position in positions])
    except ValueError as error:
        raise KdbookError(f"{record.where}: {error}") from error


def cell_text(value: object, longest: int | None = None) -> str:
    """A value as text; empty if it is missing: null, not a number, or infinite.

    Truth values are written as in JSON.

    Raises
    ------
    ValueError
        If it is no text or number, or has characters that no text has. The message says what to do.
    """
    if value is None or _is_no_number(value):
        return ""
    if isinstance(value, list | tuple | dict | bytes):
        raise ValueError(
            f"{quoted(str(value))!r} is neither text nor number; choose a column with one value per row"
        )
    text = as_json(value)
    if longest and len(text) > longest:
        raise ValueError(
            f"a cell has {len(text):,} characters; more than {longest:,} are implausible; check the line ends"
        )
    return writable(text)


def as_json(value: object) -> str:
    """A value as text, with truth values as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def writable(text: str) -> str:
    """A text that can be written to a file.

    Raises
    ------
    ValueError
        If it has characters that no text has: the message says what to do.
    """
    if "\0" in text:
        raise ValueError("a cell contains a character of code 0; remove it")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{quoted(text)!r} contains half of a surrogate pair, not a character; repair it")
    return text


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


def _is_no_number(value: object) -> bool:
    return (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, Decimal) and not value.is_finite()
    )


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
