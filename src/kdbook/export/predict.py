"""Predictions of an exported student for the rows of a file."""

import csv
import json
import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, TextIO

import pandas as pd
import rich.progress
from rich.console import Console

from kdbook.atomic import atomic
from kdbook.data import files
from kdbook.data.checks import as_json, as_text, unwritable, writable
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
    chunks = files.chunks(path, student.columns, others=True, size=BATCH, opener=_with_progress_bar)
    first = next(chunks)
    added = [PREDICTION, *(f"probability of {name}" for name in student.classes)]
    _check_names(path, first.columns.to_list(), added)
    rows = without_text = 0
    with writing(output), atomic(output) as partial, partial.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(_Lines(sink), dialect)
        _write(writer, output, [*first, *added])
        for chunk in chain([first], chunks):
            predictions = _predictions(student, chunk)
            for cells, predicted in zip(_as_read(chunk).to_numpy().tolist(), predictions, strict=True):
                _write(writer, output, [*cells, *predicted])
            rows += len(chunk)
            without_text += sum(not predicted[0] for predicted in predictions)
    return Counts(rows, without_text)


def _check_names(path: Path, names: Sequence[str], added: Sequence[str]) -> None:
    if taken := [name for name in added if name in names]:
        raise KdbookError(f"{path} has a column {taken[0]!r} already; rename it")
    for name in names:
        if problem := unwritable(name):
            raise KdbookError(f"{path}: the name of a column: {problem}")


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


def _predictions(student: Student, rows: pd.DataFrame) -> list[list[str]]:
    """What is added to each row."""
    texts = as_text(rows[list(student.columns)], longest=None)
    has_text = texts.apply(lambda column: column.str.strip() != "").all(axis=1)
    complete = texts[has_text]
    columns = (complete[column].str[:READ].tolist() for column in complete)
    shares = iter(student.probabilities(*columns) if len(complete) else ())
    nothing = [""] * (len(student.classes) + 1)
    return [_prediction(student, next(shares)) if is_complete else nothing for is_complete in has_text]


def _prediction(student: Student, shares: Any) -> list[str]:
    return [student.classes[shares.argmax()], *(f"{share:.4f}" for share in shares)]


def _as_read(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows as text, also of columns that are only passed on; what is neither text nor number becomes JSON."""
    return rows.apply(lambda column: writable(column.map(_passed_on).astype(object)))


def _passed_on(value: object) -> str:
    if isinstance(value, list | dict | tuple):
        value = json.dumps(value, ensure_ascii=False, default=_as_text)
    if isinstance(value, bytes):
        value = _as_text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return as_json(value)


def _as_text(value: object) -> str:
    """A value of no type that JSON has; bytes that are no text with their codes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return str(value)


def _write(writer: _Writer, output: Path, cells: Sequence[str]) -> None:
    try:
        writer.writerow(cells)
    except csv.Error as error:
        raise KdbookError(
            f"{cells[0][:60]!r} can't be written to a {output.suffix} file ({error}); write a .csv file"
        ) from error
