"""Predictions of an exported student for the rows of a file."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, TextIO

import rich.progress
from rich.console import Console

from kdbook.atomic import atomic
from kdbook.data import files
from kdbook.data.table import Record, as_json, checked, writable
from kdbook.errors import KdbookError
from kdbook.export.student import Student
from kdbook.paths import exists, writing
from kdbook.settings import machine

PREDICTION = "prediction"
BATCH = 256
READ = 1_000_000  # characters of a text; no student reads as many
END_OF_ROW = "\r\n"


class _Csv(csv.excel):
    lineterminator = END_OF_ROW


class _Tsv(csv.excel_tab):
    """Tabs between cells; quotes are plain text."""

    lineterminator = END_OF_ROW
    quoting = csv.QUOTE_NONE
    quotechar = None


DIALECTS: dict[str, type[csv.Dialect]] = {".csv": _Csv, ".tsv": _Tsv}


class _Writer(Protocol):
    def writerow(self, row: Sequence[str], /) -> object: ...


class Counts(NamedTuple):
    """Rows of a file, and those of them without a text, which have no prediction."""

    rows: int
    without_text: int


def predict_file(path: Path, output: Path, folder: Path) -> Counts:
    """Append the student's predictions to each row of a file.

    Every column stays; ``prediction``, the name of the class, and ``probability of`` each class are added.
    They are empty where a text is missing or blank: such rows are not used in training either. The file is of
    any format that :mod:`kdbook.data.files` reads, with the text columns that the student was trained on; the
    output is a ``.csv`` or a ``.tsv`` file. It is read and written batch by batch; ``output`` appears when it
    is complete.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table, or the output can't be written: the message names file and
        line and says what to do.
    """
    if exists(output):
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
    for name in table.columns:
        _refuse_half_characters(name, f"{path}: the name of a column")
    records = table.read(range(len(table.columns)))
    rows = without_text = 0
    with writing(output), atomic(output) as partial, partial.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(_Lines(sink), dialect)
        _write(writer, output, [*table.columns, *added])
        for cells, predicted in _predict(student, records, positions):
            _write(writer, output, [*cells, *predicted])
            rows += 1
            without_text += not predicted[0]
    return Counts(rows, without_text)


class _Lines:
    """Writes rows with a line feed at their end; a csv writer quotes a carriage return only if its own line
    ends have one.
    """

    def __init__(self, sink: TextIO) -> None:
        self.sink = sink

    def write(self, row: str) -> int:
        """Write a row that ends with a carriage return and a line feed."""
        return self.sink.write(f"{row.removesuffix(END_OF_ROW)}\n")


def _open_student(folder: Path) -> Student:
    try:
        return Student(folder, threads=machine.cores())
    except Exception as error:  # onnxruntime and tokenizers share no class
        reason = " ".join(str(error).split())[:200]
        raise KdbookError(
            f"the student in {str(folder)!r} can't be used ({reason}); make one with: kdbook export-student "
            "FOLDER"
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
    nothing = [""] * (len(student.classes) + 1)
    while batch := list(islice(records, BATCH)):
        texts = [checked(record, positions, longest=None).cells for record in batch]
        has_text = [all(cell.strip() for cell in cells) for cells in texts]
        complete = [cells for cells, is_complete in zip(texts, has_text, strict=True) if is_complete]
        columns = ([cells[number][:READ] for cells in complete] for number in range(len(positions)))
        shares = iter(student.probabilities(*columns) if complete else ())
        for record, is_complete in zip(batch, has_text, strict=True):
            predicted = _prediction(student, next(shares)) if is_complete else nothing
            yield [_as_read(value, record.where) for value in record.values], predicted


def _prediction(student: Student, shares: Any) -> list[str]:
    return [student.classes[shares.argmax()], *(f"{share:.4f}" for share in shares)]


def _as_read(value: object, where: str) -> str:
    """A value of a column that is only passed on; what is neither text nor number becomes JSON."""
    if isinstance(value, list | dict | tuple):
        value = json.dumps(value, ensure_ascii=False, default=_as_text)
    if isinstance(value, bytes):
        value = _as_text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = as_json(value)
    _refuse_half_characters(text, where)
    return text


def _as_text(value: object) -> str:
    """A value of no type that JSON has; bytes that are no text with their codes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return str(value)


def _refuse_half_characters(text: str, where: str) -> None:
    try:
        writable(text)
    except ValueError as error:
        raise KdbookError(f"{where}: {error}") from error


def _write(writer: _Writer, output: Path, cells: Sequence[str]) -> None:
    try:
        writer.writerow(cells)
    except csv.Error as error:
        raise KdbookError(
            f"{cells[0][:60]!r} can't be written to a {output.suffix} file ({error}); write a .csv file"
        ) from error
