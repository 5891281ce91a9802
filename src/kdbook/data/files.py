"""The rows of a file, one after the other, whatever its format.

Formats are ``.csv`` (commas, quotes as in spreadsheets), ``.tsv`` (tabs, quotes are plain text), ``.jsonl``
(one object per line) and ``.parquet``; text is UTF-8. Nothing is guessed and nothing is dropped but empty
lines.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kdbook.data.table import Row, Table, cell_problem, quoted
from kdbook.errors import KdbookError

MAX_CELL_CHARACTERS = 1_000_000

Opener = Callable[[Path], BinaryIO]


def read(path: Path, opener: Opener = lambda path: path.open("rb")) -> Table:
    """The table in a file; its rows are read as they are asked for.

    Parameters
    ----------
    path
        The file; its suffix names the format.
    opener
        Opens the file; one that counts what is read can show progress.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table, at once or when the faulty row is reached: the message
        names file and line and says what to do.
    """
    read_rows = FORMATS.get(path.suffix.lower())
    if not read_rows:
        raise KdbookError(f"{str(path)!r} is no {', '.join(FORMATS)} file")
    if not path.is_file():
        raise KdbookError(f"the file {str(path)!r} does not exist")
    rows = _explaining_os_errors(read_rows(opener, path), path)
    header = next(rows, Row(str(path), [])).cells
    duplicates = [name for name in header if header.count(name) > 1]
    if duplicates:
        raise KdbookError(f"{path} names the column {duplicates[0]!r} twice")
    if not header:
        raise KdbookError(f"{path} is empty; its first line names its columns")
    return Table(str(path), header, _checked(rows, len(header)))


def lines(file: BinaryIO, path: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each line of a file, without byte order mark and line ends.

    Read as they are asked for.

    Raises
    ------
    KdbookError
        If a line is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        where = f"{path}, line {number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise KdbookError(
                f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
            ) from error
        yield where, text.removesuffix("\n").removesuffix("\r")


def _explaining_os_errors(rows: Iterator[Row], path: Path) -> Iterator[Row]:
    try:
        yield from rows
    except OSError as error:
        raise KdbookError(f"{path} can't be read: {error.strerror or error}") from error


def _checked(rows: Iterable[Row], width: int) -> Iterator[Row]:
    for row in rows:
        if len(row.cells) != width:
            raise KdbookError(
                f"{row.where}: {len(row.cells)} cells where the header has {width}; is the separator right?"
            )
        if problem := cell_problem(row.cells, MAX_CELL_CHARACTERS):
            raise KdbookError(f"{row.where}: {problem}")
        yield row


def _tsv(opener: Opener, path: Path) -> Iterator[Row]:
    with opener(path) as file:
        yield from (Row(where, text.split("\t")) for where, text in lines(file, path) if text)


def _csv(opener: Opener, path: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    with opener(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise KdbookError(f"{path} is not in UTF-8 ({error.reason}); save it as UTF-8") from error
            except csv.Error as error:
                raise KdbookError(f"{path}, line {reader.line_num}: {error}") from error
            if cells:
                yield Row(f"{path}, line {reader.line_num}", cells)


def _jsonl(opener: Opener, path: Path) -> Iterator[Row]:
    names: list[str] = []
    with opener(path) as file:
        for where, text in lines(file, path):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise KdbookError(f"{where}: not valid JSON ({error})") from error
            if not isinstance(record, dict):
                raise KdbookError(
                    f"{where}: {quoted(text)!r} is no JSON object; give each row as one object per line"
                )
            if not names:
                names = list(record)
                yield Row(where, names)
            if unknown := record.keys() - set(names):
                raise KdbookError(
                    f"{where}: the field {min(unknown)!r} is not in the first row; give every row the "
                    "same fields"
                )
            yield Row(where, _texts([record.get(name) for name in names], where))


def _parquet(opener: Opener, path: Path) -> Iterator[Row]:
    import pyarrow as arrow
    from pyarrow import parquet  # takes a while to import

    try:
        with opener(path) as file:
            table = parquet.ParquetFile(file)
            yield Row(str(path), list(table.schema_arrow.names))
            number = 0
            for batch in table.iter_batches():
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    where = f"{path}, row {number}"
                    yield Row(where, _texts(values, where))
    except arrow.ArrowException as error:
        raise KdbookError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


def _texts(values: Sequence[object], where: str) -> list[str]:
    """Values as text; a missing one is empty."""
    for value in values:
        if isinstance(value, list | dict | bytes):
            raise KdbookError(
                f"{where}: {quoted(str(value))!r} is neither text nor number; give each row one value per "
                "column"
            )
    return ["" if value is None else str(value) for value in values]


FORMATS: dict[str, Callable[[Opener, Path], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
