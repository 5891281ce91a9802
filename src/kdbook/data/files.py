"""The rows of a file as frames, whatever its format.

Formats are ``.csv`` (commas, quotes as in spreadsheets), ``.tsv`` (tabs, quotes are plain text), ``.jsonl``
(one object per line) and ``.parquet``; text is UTF-8. Nothing is guessed and nothing is dropped but empty
lines. Text is read with the standard library: the CSV readers of pandas and Arrow accept faulty quotes, which
changes the texts.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from kdbook.data.checks import as_text
from kdbook.data.table import positions, quoted, separator_hint, table
from kdbook.errors import KdbookError
from kdbook.paths import is_file

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LARGEST_FIELD = 2**31 - 1  # of the csv module
SEPARATOR_OF_EXCEL = re.compile(r"sep=(.)\s*")
ROWS_AT_ONCE = 65_536

NumberedRows = Iterator[tuple[int, Sequence[Any]]]  # lines and cells; the first row names the columns
Batch = tuple[
    Sequence[int], Callable[[int], Sequence[object]]
]  # places, and the values of the column at a position


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a file as text, empty where a value is missing; other columns may contain anything.

    Parameters
    ----------
    path
        The file; its suffix names the format.
    columns
        Names of columns, in the order of the result.

    Returns
    -------
    One row per row of the file; the index gives their places (see :mod:`kdbook.data.table`).

    Raises
    ------
    KdbookError
        If the file can't be read as such a table: the message names file and line and says what to do.
    """
    return as_text(pd.concat(chunks(path, columns)))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def chunks(
    path: Path,
    columns: Sequence[str],
    others: bool = False,
    size: int = ROWS_AT_ONCE,
    opener: Callable[[Path], BinaryIO] = _open,
) -> Iterator[pd.DataFrame]:
    """The values of a file as they are, in one or more frames of at most ``size`` rows.

    With ``others``, all columns are read, in the order of the file; ``columns`` have to be among them. The
    ``opener`` opens the file for its rows; one that counts what is read can show progress. Errors are those
    of :func:`read`.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise KdbookError(f"{str(path)!r} is not a {', '.join(FORMATS)} file")
    if not is_file(path):
        raise KdbookError(f"the file {str(path)!r} does not exist")
    try:
        _refuse_pointer(path)
        with opener(path) as file:
            header, batches = FORMATS[suffix](file, path, size)
            if not header:
                raise KdbookError(f"{path} is empty; its first line names its columns")
            names = _without_blanks(header)
            wanted = positions(str(path), names, columns)
            chosen = range(len(names)) if others else wanted
            place = f"{path}, {'row' if suffix == '.parquet' else 'line'}"
            first = next(batches, ((), lambda _: ()))
            for numbers, values in chain([first], batches):
                yield table([names[at] for at in chosen], map(values, chosen), numbers, place)
    except OSError as error:
        raise KdbookError(f"{path} can't be read: {error.strerror or error}") from error


def _without_blanks(header: Sequence[str]) -> list[str]:
    """The names of columns without blanks and byte order marks around them, unless two would be the same."""
    names = [name.strip().strip("\ufeff").strip() for name in header]
    is_unique = all(
        names.count(name) == header.count(given) for name, given in zip(names, header, strict=True) if name
    )
    return names if is_unique else list(header)


def _refuse_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise KdbookError(f"{path} is a pointer of Git LFS in place of the data; run: git lfs pull")


def _text(
    numbered_rows: Callable[[BinaryIO, Path], NumberedRows], file: BinaryIO, path: Path, size: int
) -> tuple[Sequence[str], Iterator[Batch]]:
    """The header of a file that is read row by row, and its rows below."""
    rows = numbered_rows(file, path)
    _, header = next(rows, (0, ()))
    return header, _batches(rows, path, len(header), size)


def _batches(rows: NumberedRows, path: Path, width: int, size: int) -> Iterator[Batch]:
    while batch := list(islice(rows, size)):
        numbers, cells = zip(*batch, strict=True)
        for number, row in batch:
            if len(row) != width:
                raise _wrong_width(path, number, row, width)
        yield numbers, list(zip(*cells, strict=True)).__getitem__


def _wrong_width(path: Path, line: int, cells: Sequence[str], width: int) -> KdbookError:
    if any("\r" in cell for cell in cells):
        return _carriage_returns(path, line)
    has_quotes = path.suffix.lower() == ".tsv" and any('"' in cell for cell in cells)
    hint = " In a .tsv file, quotes do not enclose cells" if has_quotes else ""
    return KdbookError(
        f"{path}, line {line}: {len(cells)} cells where the header has {width}; is the separator right?{hint}"
    )


def _carriage_returns(path: Path, line: int) -> KdbookError:
    return KdbookError(
        f"{path}, line {line}: the lines end with carriage returns (CR); save the file with line feeds (LF)"
    )


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a file, without byte order mark and line ends.

    Raises
    ------
    KdbookError
        If a line is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            is_utf16 = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            problem = "the file is in UTF-16" if is_utf16 else f"byte {error.start + 1} is not UTF-8"
            raise KdbookError(f"{path}, line {number}: {problem}; save the file as UTF-8") from error
        yield number, text.removesuffix("\n").removesuffix("\r")


def _tsv_rows(file: BinaryIO, path: Path) -> NumberedRows:
    for number, text in _lines(file, path):
        if number == 1 and "\r" in text:
            raise _carriage_returns(path, number)
        if text:
            yield number, text.split("\t")


def _csv_rows(file: BinaryIO, path: Path) -> NumberedRows:
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
    while True:
        first_line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError:
            _refuse_encoding(path)
            raise
        except csv.Error as error:
            raise _csv_error(path, first_line, reader.line_num, error) from error
        if first_line == 1 and len(cells) <= 2 and SEPARATOR_OF_EXCEL.fullmatch(",".join(cells)):
            raise KdbookError(
                f"{path}, line 1: {','.join(cells)!r} names a separator for Excel; remove the line, and "
                "separate the cells by commas"
            )
        if cells:
            yield reader.line_num, cells


def _csv_error(path: Path, first_line: int, line: int, error: csv.Error) -> KdbookError:
    """What is wrong with a row that begins and breaks off at these lines."""
    if "unexpected end of data" in str(error):
        return KdbookError(f"{path}, line {first_line}: a quote begins in this row and never ends")
    with path.open("r", encoding="utf-8-sig", errors="replace") as file:  # any line ends
        header = next(file, "")
        text = next(islice(file, max(0, line - 2), None), "")
    hint = "" if "," in header else separator_hint([header])
    if not hint and '\\"' in text:
        hint = ". In a .csv file, a quote within a cell is doubled, without a backslash"
    return KdbookError(f"{path}, line {line}: {error}{hint}")


def _refuse_encoding(path: Path) -> None:
    """Raise for the line that is not UTF-8; a decoder that reads ahead does not have its number."""
    with path.open("rb") as file:
        for _ in _lines(file, path):
            pass


def _json_rows(file: BinaryIO, path: Path) -> NumberedRows:
    """All fields that occur, since writers of JSON may leave out those without a value, and their values."""
    with path.open("rb") as whole:
        names = list({name: None for _, value in _json_objects(whole, path) for name in value})
    yield 0, names
    for number, value in _json_objects(file, path):
        yield number, list(map(value.get, names))


def _json_objects(file: BinaryIO, path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    for number, text in _lines(file, path):
        if not text.strip():
            continue
        try:
            value = json.loads(text, object_pairs_hook=_unique_fields)
        except (ValueError, RecursionError) as error:
            if "\r" in text.strip():
                raise _carriage_returns(path, number) from error
            raise KdbookError(f"{path}, line {number}: not valid JSON ({error})") from error
        if not isinstance(value, dict):
            raise KdbookError(
                f"{path}, line {number}: {quoted(text)!r} is not a JSON object; give each row as one object "
                "per line"
            )
        yield number, value


def _unique_fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {max(names, key=names.count)!r} occurs twice")
    return fields


def _parquet(file: BinaryIO, path: Path, size: int) -> tuple[list[str], Iterator[Batch]]:
    from pyarrow import parquet  # takes a while to import

    with _explaining_arrow_errors(path):
        table = parquet.ParquetFile(file)
        return list(table.schema_arrow.names), _parquet_batches(table, path, size)


def _parquet_batches(table: Any, path: Path, size: int) -> Iterator[Batch]:
    start = 1
    with _explaining_arrow_errors(path):
        for batch in table.iter_batches(size):
            yield range(start, start + len(batch)), partial(_python_values, path, batch)
            start += len(batch)


def _python_values(path: Path, batch: Any, position: int) -> list[object]:
    """The values of a column of Arrow; those that Python has no type for, such as the year 10000, as text."""
    import pyarrow as arrow

    column = batch.columns[position]
    with _explaining_arrow_errors(path):
        try:
            values: list[object] = column.to_pylist()
        except (OverflowError, ValueError, LookupError):  # of dates; of time zones, which share no class
            values = _as_arrow_writes(column)
    if arrow.types.is_float32(column.type) or arrow.types.is_float16(column.type):
        shortest = np.float32 if arrow.types.is_float32(column.type) else np.float16
        return [None if value is None else float(str(shortest(float(str(value))))) for value in values]
    return values


def _as_arrow_writes(column: Any) -> list[object]:
    import pyarrow as arrow

    try:
        values: list[object] = column.cast(arrow.string()).to_pylist()
    except arrow.ArrowException:
        rows = (column.slice(number, 1) for number in range(len(column)))
        return [" ".join(row.to_string().split())[1:-1].strip() if row[0].is_valid else None for row in rows]
    return values


@contextmanager
def _explaining_arrow_errors(path: Path) -> Iterator[None]:
    import pyarrow as arrow

    try:
        yield
    except (arrow.ArrowException, ValueError, LookupError, OverflowError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise KdbookError(f"{path} can't be read as a Parquet file: {reason}") from error


FORMATS: dict[str, Callable[[BinaryIO, Path, int], tuple[Sequence[str], Iterator[Batch]]]] = {
    ".csv": partial(_text, _csv_rows),
    ".tsv": partial(_text, _tsv_rows),
    ".jsonl": partial(_text, _json_rows),
    ".parquet": _parquet,
}
