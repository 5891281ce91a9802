"""Rows of a file, one after the other, whatever its format, each with the place where it stands.

``.csv`` (commas, quotes as in spreadsheets), ``.tsv`` (tabs, quotes are plain text), ``.jsonl`` (an object a line) or ``.parquet``;
text in UTF-8. Nothing is guessed and nothing is dropped but empty lines.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from kdbook.errors import KdbookError

LONGEST = 1_000_000  # characters of a cell; a longer one is a file whose lines are not rows
SHOWN = 60  # characters of what a message quotes

Row = tuple[str, list[str]]


def read(path: Path, opened: Callable[[Path], BinaryIO] = lambda path: path.open("rb")) -> tuple[list[str], Iterator[Row]]:
    """Names of the columns, and for each row its place in words and its cells as text, as many as there are columns.

    Parameters
    ----------
    opened
        Opens the file; one that counts what is read can show how far it is.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table, at once or when the faulty row is reached: the message names file and line
        and says what to do.
    """
    form = FORMATS.get(path.suffix.lower())
    if not form:
        raise KdbookError(f"{str(path)!r} is no {', '.join(FORMATS)} file")
    if not path.is_file():
        raise KdbookError(f"the file {str(path)!r} does not exist")
    rows = _told(form(opened, path), path)
    _, header = next(rows, ("", []))
    twice = [name for name in header if header.count(name) > 1]
    if not header or twice:
        raise KdbookError(f"{path} names the column {twice[0]!r} twice" if twice else f"{path} is empty; its first line names its columns")
    return header, _checked(rows, header)


def shown(text: str) -> str:
    """A text as a message quotes it."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def lines(file: BinaryIO, path: Path) -> Iterator[tuple[str, str]]:
    """Where each line of a file stands, and its text, without marks of byte order and line ends; read as they are asked for."""
    for number, line in enumerate(file, start=1):
        where = f"{path}, line {number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise KdbookError(f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
        yield where, text.removesuffix("\n").removesuffix("\r")


def _told(rows: Iterator[Row], path: Path) -> Iterator[Row]:
    try:
        yield from rows
    except OSError as error:
        raise KdbookError(f"{path} can't be read: {error.strerror or error}") from error


def _checked(rows: Iterable[Row], header: list[str]) -> Iterator[Row]:
    for where, row in rows:
        if len(row) != len(header):
            raise KdbookError(f"{where}: {len(row)} cells where the header has {len(header)}; is the separator right?")
        if any("\0" in cell for cell in row):
            raise KdbookError(f"{where}: a character of code 0 stands in it; remove it")
        longest = max(map(len, row))
        if longest > LONGEST:
            raise KdbookError(f"{where}: a cell of {longest:,} characters; more than {LONGEST:,} are no text, so check the line ends")
        yield where, row


def _tsv(opened: Callable[[Path], BinaryIO], path: Path) -> Iterator[Row]:
    with opened(path) as file:
        yield from ((where, text.split("\t")) for where, text in lines(file, path) if text)


def _csv(opened: Callable[[Path], BinaryIO], path: Path) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    with opened(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise KdbookError(f"{path} is not in UTF-8 ({error.reason}); save it as UTF-8") from error
            except csv.Error as error:
                raise KdbookError(f"{path}, line {reader.line_num}: {error}") from error
            if row:
                yield f"{path}, line {reader.line_num}", row


def _jsonl(opened: Callable[[Path], BinaryIO], path: Path) -> Iterator[Row]:
    names: list[str] = []
    with opened(path) as file:
        for where, text in lines(file, path):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise KdbookError(f"{where}: not valid JSON ({error})") from error
            if not isinstance(record, dict):
                raise KdbookError(f"{where}: {shown(text)!r} is no JSON object; give each row as one, in a line")
            if not names:
                names = list(record)
                yield where, names
            if unknown := record.keys() - set(names):
                raise KdbookError(f"{where}: the field {min(unknown)!r} is not in the first row; give every row the same fields")
            yield where, [_text(record.get(name), where) for name in names]


def _parquet(opened: Callable[[Path], BinaryIO], path: Path) -> Iterator[Row]:
    import pyarrow as arrow
    from pyarrow import parquet  # takes a while to import

    try:
        with opened(path) as file:
            table = parquet.ParquetFile(file)
            yield str(path), list(table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches():
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    where = f"{path}, row {number}"
                    yield where, [_text(cell, where) for cell in cells]
    except arrow.ArrowException as error:
        raise KdbookError(f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}") from error


def _text(value: object, where: str) -> str:
    if isinstance(value, list | dict | bytes):
        raise KdbookError(f"{where}: {shown(str(value))!r} is neither text nor number; give each row one value a column")
    return "" if value is None else str(value)


FORMATS: dict[str, Callable[[Callable[[Path], BinaryIO], Path], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
