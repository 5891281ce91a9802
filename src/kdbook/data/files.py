"""The rows of a file, one after the other, whatever its format.

Formats are ``.csv`` (commas, quotes as in spreadsheets), ``.tsv`` (tabs, quotes are plain text), ``.jsonl``
(one object per line) and ``.parquet``; text is UTF-8. Nothing is guessed and nothing is dropped but empty
lines.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from kdbook.data.table import MAX_CELL_CHARACTERS, Record, Table, quoted
from kdbook.errors import KdbookError

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
        raise KdbookError(f"{str(path)!r} is no {', '.join(FORMATS)} file")
    if not path.is_file():
        raise KdbookError(f"the file {str(path)!r} does not exist")
    file_format = FORMATS[suffix]
    try:
        header = file_format.header(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not header:
        raise KdbookError(f"{path} is empty; its first line names its columns")
    columns = [name.strip() for name in header]
    return Table(str(path), columns, partial(_explaining_os_errors, file_format, opener, path, header))


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


def _unreadable(path: Path, error: OSError) -> KdbookError:
    return KdbookError(f"{path} can't be read: {error.strerror or error}")


def _chosen(where: str, cells: Sequence[str], width: int, positions: Sequence[int]) -> Record:
    if len(cells) != width:
        has_quotes = any('"' in cell for cell in cells)
        hint = " In a .tsv file, quotes do not enclose cells" if has_quotes else ""
        raise KdbookError(
            f"{where}: {len(cells)} cells where the header has {width}; is the separator right?{hint}"
        )
    return Record(where, [cells[position] for position in positions])


def _tsv_rows(opener: Opener, path: Path) -> Iterator[tuple[str, list[str]]]:
    with opener(path) as file:
        yield from ((where, text.split("\t")) for where, text in lines(file, path) if text)


def _csv_rows(opener: Opener, path: Path) -> Iterator[tuple[str, list[str]]]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    with opener(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError:
                _refuse_encoding(path)
                raise
            except csv.Error as error:
                raise KdbookError(f"{path}, line {reader.line_num}: {error}") from error
            if cells:
                yield f"{path}, line {reader.line_num}", cells


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
                raise KdbookError(f"{where}: not valid JSON ({error})") from error
            if not isinstance(value, dict):
                raise KdbookError(
                    f"{where}: {quoted(text)!r} is no JSON object; give each row as one object per line"
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
            chosen = [batch.columns[position].to_pylist() for position in positions]
            for values in zip(*chosen, strict=True):
                number += 1
                yield Record(f"{path}, row {number}", values)


@contextmanager
def _explaining_arrow_errors(path: Path) -> Iterator[None]:
    import pyarrow as arrow

    try:
        yield
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        raise KdbookError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


FORMATS: dict[str, Format] = {
    ".csv": _delimited(_csv_rows),
    ".tsv": _delimited(_tsv_rows),
    ".jsonl": Format(_json_header, _json_records),
    ".parquet": Format(_parquet_header, _parquet_records),
}
