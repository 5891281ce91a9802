"""Sentence pairs of a file, answered by a shipped student."""

import csv
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import rich.progress
from rich.console import Console

from kdbook import student
from kdbook.errors import KdbookError

if TYPE_CHECKING:
    from _csv import Reader

TEXTS = ("sentence1", "sentence2")
ADDED = ("probability", "prediction")
DIALECTS: dict[str, dict] = {".tsv": {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}, ".csv": {}}
BATCH = 256
LARGEST_CELL = 1_000_000  # characters


def label(path: Path, output: Path, folder: Path) -> int:
    """Write the rows of a file with ``probability`` and ``prediction`` behind them, and tell how many they are.

    The file is a ``.csv`` (commas, quotes as in spreadsheets) or a ``.tsv`` (tabs, quotes are plain text) in UTF-8, with columns
    ``sentence1`` and ``sentence2`` and any others. It is read and written batch by batch; ``output`` appears when it is whole.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table: the message names file and line and says what to do.
    """
    if output.exists():
        raise KdbookError(f"{str(output)!r} exists already; name a new file")
    dialect, written = _dialect(path), _dialect(output)
    model = _student(folder)
    csv.field_size_limit(LARGEST_CELL)
    partial = output.with_name(output.name + ".partial")
    try:
        with _shown(path) as source, partial.open("w", encoding="utf-8", newline="") as sink:
            reader = csv.reader(source, strict=True, **dialect)
            header = _header(reader, path)
            writer = csv.writer(sink, lineterminator="\n", **written)
            writer.writerow([*header, *ADDED])
            places = [header.index(name) for name in TEXTS]
            rows, count = _rows(reader, header, path), 0
            while batch := list(islice(rows, BATCH)):
                probabilities = model.probabilities(*([row[place] for row in batch] for place in places))
                for row, probability in zip(batch, probabilities, strict=True):
                    _write(writer, [*row, f"{probability:.4f}", str(int(probability > 0.5))], output)
                count += len(batch)
        partial.replace(output)
        return count
    except OSError as error:
        raise KdbookError(f"{error.filename or output}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _dialect(path: Path) -> dict:
    if path.suffix.lower() not in DIALECTS:
        raise KdbookError(f"{str(path)!r} is neither a .csv nor a .tsv file")
    return DIALECTS[path.suffix.lower()]


def _student(folder: Path) -> student.Student:
    try:
        return student.Student(folder)
    except Exception as error:  # onnxruntime and tokenizers name no common class
        raise KdbookError(
            f"there is no student in {str(folder)!r} that can be read; make one with: kdbook export-student {folder}"
        ) from error


def _shown(path: Path) -> AbstractContextManager[TextIO]:
    """The file, with a bar that moves as it is read; a mark of byte order at its start is skipped."""
    console = Console(stderr=True)
    try:
        return rich.progress.open(path, "r", encoding="utf-8-sig", newline="", description="predicting", console=console, transient=True)
    except FileNotFoundError as error:
        raise KdbookError(f"the file {str(path)!r} does not exist") from error


def _header(reader: "Reader", path: Path) -> list[str]:
    header = next(_cells(reader, path), [])
    lacking = [name for name in TEXTS if name not in header]
    if lacking:
        raise KdbookError(
            f"{path} has no column {lacking[0]!r}; its first line is to name its columns, and names: {', '.join(header)[:200]}"
        )
    taken = [name for name in ADDED if name in header]
    if taken:
        raise KdbookError(f"{path} has a column {taken[0]!r} already; rename it")
    return header


def _rows(reader: "Reader", header: list[str], path: Path) -> Iterator[list[str]]:
    """The rows after the header, each with as many cells as that; empty lines are none."""
    for row in _cells(reader, path):
        if row and len(row) != len(header):
            raise KdbookError(
                f"{path}, line {reader.line_num}: {len(row)} cells where the header has {len(header)}; is the separator right?"
            )
        if row:
            yield row


def _cells(reader: "Reader", path: Path) -> Iterator[list[str]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise KdbookError(f"{path} is not in UTF-8 ({error.reason}); save it as UTF-8") from error
        except csv.Error as error:
            raise KdbookError(f"{path}, line {reader.line_num}: {error}") from error
        yield row


def _write(writer, row: list[str], output: Path) -> None:
    try:
        writer.writerow(row)
    except csv.Error as error:
        raise KdbookError(f"{row[0][:60]!r} can't be written to a {output.suffix} file ({error}); write a .csv file") from error
