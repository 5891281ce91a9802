"""Predictions of an exported student for the rows of a file."""

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import rich.progress
from rich.console import Console

from kdbook.data import files
from kdbook.data.table import Record, checked
from kdbook.errors import KdbookError
from kdbook.export.student import Student
from kdbook.settings import machine
from kdbook.store.atomic import atomic

PREDICTION = "prediction"
BATCH = 256


class _Csv(csv.excel):
    lineterminator = "\n"


class _Tsv(csv.excel_tab):
    """Tabs between cells; quotes are plain text."""

    lineterminator = "\n"
    quoting = csv.QUOTE_NONE
    quotechar = None


DIALECTS: dict[str, type[csv.Dialect]] = {".csv": _Csv, ".tsv": _Tsv}


class _Writer(Protocol):
    def writerow(self, row: Sequence[str], /) -> object: ...


def predict_file(path: Path, output: Path, folder: Path) -> int:
    """Append the student's predictions to each row of a file; returns the number of rows.

    Every column stays; ``prediction``, the name of the class, and ``probability of`` each class are added.
    The file is of any format that :mod:`kdbook.data.files` reads, with the text columns that the student was
    trained on; the output is a ``.csv`` or a ``.tsv`` file. It is read and written batch by batch; ``output``
    appears when it is complete.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table: the message names file and line and says what to do.
    """
    if output.exists():
        raise KdbookError(f"{str(output)!r} exists already; name a new file")
    dialect = DIALECTS.get(output.suffix.lower())
    if dialect is None:
        raise KdbookError(f"predictions are written to a .csv or .tsv file; {str(output)!r} is neither")
    student = _open_student(folder)
    table = files.read(path, _with_progress_bar)
    added = [PREDICTION, *(f"probability of {name}" for name in student.classes)]
    positions = [table.position(name) for name in student.columns]
    if taken := [name for name in added if name in table.columns]:
        raise KdbookError(f"{path} has a column {taken[0]!r} already; rename it")
    records = table.read(range(len(table.columns)))
    rows = 0
    try:
        with atomic(output) as partial, partial.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.writer(sink, dialect)
            _write(writer, output, [*table.columns, *added])
            for cells, predicted in _predict(student, records, positions):
                _write(writer, output, [*cells, *predicted])
                rows += 1
    except OSError as error:
        raise KdbookError(f"{error.filename or output}: {error.strerror}") from error
    return rows


def _open_student(folder: Path) -> Student:
    try:
        return Student(folder, threads=machine.cores())
    except Exception as error:  # onnxruntime and tokenizers share no class
        raise KdbookError(
            f"there is no readable student in {str(folder)!r}; make one with: kdbook export-student {folder}"
        ) from error


def _with_progress_bar(path: Path) -> BinaryIO:
    """The file, with a bar that moves as it is read."""
    console = Console(stderr=True)
    opened: Any = rich.progress.open(path, "rb", description="predicting", console=console, transient=True)
    reader: BinaryIO = opened
    return reader


def _predict(
    student: Student, records: Iterator[Record], positions: Sequence[int]
) -> Iterator[tuple[list[str], list[str]]]:
    """The cells of each row, and what is added to them."""
    while batch := list(islice(records, BATCH)):
        rows = [checked(record, positions).cells for record in batch]
        columns = ([cells[number] for cells in rows] for number in range(len(positions)))
        for record, shares in zip(batch, student.probabilities(*columns), strict=True):
            predicted = [student.classes[shares.argmax()], *(f"{share:.4f}" for share in shares)]
            yield [_as_read(value) for value in record.values], predicted


def _as_read(value: object) -> str:
    """A value of a column that is only passed on; what is neither text nor number becomes JSON."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value)


def _write(writer: _Writer, output: Path, cells: Sequence[str]) -> None:
    try:
        writer.writerow(cells)
    except csv.Error as error:
        raise KdbookError(
            f"{cells[0][:60]!r} can't be written to a {output.suffix} file ({error}); write a .csv file"
        ) from error
