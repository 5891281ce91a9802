"""Rows of text from any source, and the checks that every row has to pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from kdbook.errors import KdbookError

MAX_QUOTED_CHARACTERS = 60  # of what a message quotes


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row as text, and where they come from, such as ``"train.tsv, line 3"``."""

    where: str
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A table that is read row by row: what messages call it, its columns, and an iterator over its rows."""

    name: str
    columns: list[str]
    rows: Iterator[Row]

    def position(self, column: str) -> int:
        """Position of a column among the cells of a row.

        Raises
        ------
        KdbookError
            If there is no such column.
        """
        if column not in self.columns:
            raise KdbookError(
                f"{self.name} has no column {column!r}; it has {quoted(', '.join(self.columns))}"
            )
        return self.columns.index(column)


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


def quoted(text: str) -> str:
    """A text as a message quotes it, cut to a readable length."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"


def cell_problem(cells: Sequence[str], longest: int) -> str:
    """What is wrong with the characters of some cells, and what to do; empty if nothing is.

    Parameters
    ----------
    cells
        The cells of one row.
    longest
        The largest plausible number of characters in a cell.
    """
    if any("\0" in cell for cell in cells):
        return "a character of code 0 stands in it; remove it"
    characters = max(map(len, cells))
    if characters > longest:
        return (
            f"a cell of {characters:,} characters; more than {longest:,} are implausible; check the line ends"
        )
    return ""


def in_order_of_languages(rows: pd.DataFrame, languages: Iterable[str]) -> pd.DataFrame:
    """The rows in these languages, one language after the other, otherwise in their order."""
    rank = {language: number for number, language in enumerate(languages)}
    chosen = rows[rows["language"].isin(rank)]
    return chosen.sort_values(
        "language", key=lambda column: column.map(rank), kind="stable", ignore_index=True
    )
