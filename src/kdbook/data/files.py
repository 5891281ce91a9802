"""The rows of a file, one after the other, whatever its format.

Formats are ``.csv`` (commas, quotes as in spreadsheets), ``.tsv`` (tabs, quotes are plain text), ``.jsonl``
(one object per line) and ``.parquet``; text is UTF-8. Nothing is guessed and nothing is dropped but empty
lines.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kdbook.data.table import Record, Table, quoted, separator_hint
from kdbook.errors import KdbookError
from kdbook.paths import is_file

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LARGEST_FIELD = 2**31 - 1  # of the csv module
SEPARATOR_OF_EXCEL = re.compile(r"sep=(.)\s*")

Opener = Callable[[Path], BinaryIO]
DelimitedRows = Callable[[Opener, Path], Iterator[tuple[str, list[str]]]]  # place and cells, the header first


@dataclass(frozen=True)
class Format:
    """How to read the names of the columns of a file, and, given these, some columns of its rows."""

    header: Callable[[Path], list[str]]
    records: Callable[[Opener, Path, Sequence[str], Sequence[int]], Iterator[Record]]


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def read(path: Path, opener: Opener = _open) -> Table:
    """The table in a file; its rows are read as they are asked for.

    Parameters
    ----------
    path
        The file; its suffix names the format.
    opener
        Opens the file for its rows; one that counts what is read can show progress.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table, at once or when the faulty row is reached: the message
        names file and line and says what to do.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise KdbookError(f"{str(path)!r} is not a {', '.join(FORMATS)} file")
    if not is_file(path):
        raise KdbookError(f"the file {str(path)!r} does not exist")
    file_format = FORMATS[suffix]
    try:
        _refuse_pointer(path)
        header = file_format.header(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not header:
        raise KdbookError(f"{path} is empty; its first line names its columns")
    columns = _without_blanks(header)
    return Table(str(path), columns, partial(_explaining_os_errors, file_format, opener, path, header))


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
            is_utf16 = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            problem = "the file is in UTF-16" if is_utf16 else f"byte {error.start + 1} is not UTF-8"
            raise KdbookError(f"{where}: {problem}; save the file as UTF-8") from error
        yield where, text.removesuffix("\n").removesuffix("\r")


def _explaining_os_errors(
    file_format: Format, opener: Opener, path: Path, header: Sequence[str], positions: Sequence[int]
) -> Iterator[Record]:
    try:
        yield from file_format.records(opener, path, header, positions)
    except OSError as error:
        raise _unreadable(path, error) from error


def _carriage_returns(where: str) -> KdbookError:
    return KdbookError(
        f"{where}: the lines end with carriage returns (CR); save the file with line feeds (LF)"
    )


def _unreadable(path: Path, error: OSError) -> KdbookError:
    return KdbookError(f"{path} can't be read: {error.strerror or error}")


def _chosen(where: str, cells: Sequence[str], width: int, positions: Sequence[int]) -> Record:
    if len(cells) != width:
        has_quotes = ".tsv" in where.lower() and any('"' in cell for cell in cells)
        hint = " In a .tsv file, quotes do not enclose cells" if has_quotes else ""
        if any("\r" in cell for cell in cells):
            raise _carriage_returns(where)
        raise KdbookError(
            f"{where}: {len(cells)} cells where the header has {width}; is the separator right?{hint}"
        )
    return Record(where, [cells[position] for position in positions])


def _tsv_rows(opener: Opener, path: Path) -> Iterator[tuple[str, list[str]]]:
    with opener(path) as file:
        for number, (where, text) in enumerate(lines(file, path)):
            if number == 0 and "\r" in text:
                raise _carriage_returns(where)
            if text:
                yield where, text.split("\t")


def _csv_rows(opener: Opener, path: Path) -> Iterator[tuple[str, list[str]]]:
    csv.field_size_limit(LARGEST_FIELD)
    with opener(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
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
                yield f"{path}, line {reader.line_num}", cells


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
    """Say which line is not UTF-8; a decoder that reads ahead does not know it."""
    with path.open("rb") as file:
        for _ in lines(file, path):
            pass


def _delimited(rows: DelimitedRows) -> Format:
    """A format whose first row names the columns."""

    def header(path: Path) -> list[str]:
        return next(rows(_open, path), ("", []))[1]

    def records(
        opener: Opener, path: Path, names: Sequence[str], positions: Sequence[int]
    ) -> Iterator[Record]:
        below_header = islice(rows(opener, path), 1, None)
        return (_chosen(where, cells, len(names), positions) for where, cells in below_header)

    return Format(header, records)


def _json_objects(opener: Opener, path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    with opener(path) as file:
        for where, text in lines(file, path):
            if not text.strip():
                continue
            try:
                value = json.loads(text, object_pairs_hook=_unique_fields)
            except (ValueError, RecursionError) as error:
                if "\r" in text.strip():
                    raise _carriage_returns(where) from error
                raise KdbookError(f"{where}: not valid JSON ({error})") from error
            if not isinstance(value, dict):
                raise KdbookError(
                    f"{where}: {quoted(text)!r} is not a JSON object; give each row as one object per line"
                )
            yield where, value


def _unique_fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {max(names, key=names.count)!r} occurs twice")
    return fields


def _json_header(path: Path) -> list[str]:
    """All fields that occur, since writers of JSON may leave out those without a value."""
    return list({name: None for _, value in _json_objects(_open, path) for name in value})


def _json_records(
    opener: Opener, path: Path, names: Sequence[str], positions: Sequence[int]
) -> Iterator[Record]:
    chosen = [names[position] for position in positions]
    for where, value in _json_objects(opener, path):
        yield Record(where, [value.get(name) for name in chosen])


def _parquet_header(path: Path) -> list[str]:
    from pyarrow import parquet  # takes a while to import

    with _explaining_arrow_errors(path):
        return list(parquet.ParquetFile(path).schema_arrow.names)


def _parquet_records(
    opener: Opener, path: Path, names: Sequence[str], positions: Sequence[int]
) -> Iterator[Record]:
    from pyarrow import parquet

    number = 0
    with _explaining_arrow_errors(path), opener(path) as file:
        for batch in parquet.ParquetFile(file).iter_batches():
            chosen = [_python_values(batch.columns[position]) for position in positions]
            for values in zip(*chosen, strict=True):
                number += 1
                yield Record(f"{path}, row {number}", values)


def _python_values(column: Any) -> list[object]:
    """The values of a column of Arrow; those that Python has no type for, such as the year 10000, as text."""
    import pyarrow as arrow

    try:
        values: list[object] = column.to_pylist()
    except (OverflowError, ValueError, LookupError):  # of dates; of time zones, which share no class
        try:
            values = column.cast(arrow.string()).to_pylist()
        except arrow.ArrowException:
            rows = (column.slice(number, 1) for number in range(len(column)))
            values = [
                " ".join(row.to_string().split())[1:-1].strip() if row[0].is_valid else None for row in rows
            ]
    if arrow.types.is_float32(column.type) or arrow.types.is_float16(column.type):
        shortest = np.float32 if arrow.types.is_float32(column.type) else np.float16
        return [None if value is None else float(str(shortest(float(str(value))))) for value in values]
    return values


@contextmanager
def _explaining_arrow_errors(path: Path) -> Iterator[None]:
    import pyarrow as arrow

    try:
        yield
    except (arrow.ArrowException, ValueError, LookupError, OverflowError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise KdbookError(f"{path} can't be read as a Parquet file: {reason}") from error


FORMATS: dict[str, Format] = {
    ".csv": _delimited(_csv_rows),
    ".tsv": _delimited(_tsv_rows),
    ".jsonl": Format(_json_header, _json_records),
    ".parquet": Format(_parquet_header, _parquet_records),
}
