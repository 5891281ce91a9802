"""Rows of a file, answered by a shipped student."""

import csv
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import rich.progress
from rich.console import Console

from kdbook import student
from kdbook.data import files
from kdbook.errors import KdbookError

ANSWER = "prediction"
DIALECTS: dict[str, dict] = {".tsv": {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}, ".csv": {}}
BATCH = 256


def label(path: Path, output: Path, folder: Path) -> int:
    """Write the rows of a file with the student's answers behind them, and tell how many they are.

    Every column stays; behind them stand ``prediction``, the name of the class, and ``probability of`` each class. The file is of
    any format that :mod:`kdbook.data.files` reads, with the columns of text that the student was trained on; the answers are a
    ``.csv`` or a ``.tsv`` file. It is read and written batch by batch; ``output`` appears when it is whole.

    Raises
    ------
    KdbookError
        If the file can't be read as such a table: the message names file and line and says what to do.
    """
    if output.exists():
        raise KdbookError(f"{str(output)!r} exists already; name a new file")
    if output.suffix.lower() not in DIALECTS:
        raise KdbookError(f"answers are written to a .csv or .tsv file; {str(output)!r} is neither")
    model = _student(folder)
    header, rows = files.read(path, _shown)
    added = [ANSWER, *(f"probability of {name}" for name in model.classes)]
    places = [header.index(name) for name in _present(model.columns, header, path)]
    if taken := [name for name in added if name in header]:
        raise KdbookError(f"{path} has a column {taken[0]!r} already; rename it")
    unfinished = output.with_name(output.name + ".partial")
    count = 0
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as sink:
            write = partial(_write, csv.writer(sink, lineterminator="\n", **DIALECTS[output.suffix.lower()]), output)
            write([*header, *added])
            for row, answer in _answered(model, rows, places):
                write([*row, *answer])
                count += 1
        unfinished.replace(output)
        return count
    except OSError as error:
        raise KdbookError(f"{error.filename or output}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _student(folder: Path) -> student.Student:
    try:
        return student.Student(folder)
    except Exception as error:  # onnxruntime and tokenizers name no common class
        raise KdbookError(
            f"there is no student in {str(folder)!r} that can be read; make one with: kdbook export-student {folder}"
        ) from error


def _shown(path: Path) -> BinaryIO:
    """The file, with a bar that moves as it is read."""
    return rich.progress.open(path, "rb", description="predicting", console=Console(stderr=True), transient=True)  # type: ignore[return-value]


def _present(names: list[str], header: list[str], path: Path) -> list[str]:
    for name in names:
        if name not in header:
            raise KdbookError(f"{path} has no column {name!r}; its first line is to name its columns, and names: {', '.join(header)[:200]}")
    return names


def _answered(model: student.Student, rows: Iterator[files.Row], places: list[int]) -> Iterator[tuple[list[str], list[str]]]:
    while batch := [row for _, row in islice(rows, BATCH)]:
        for row, probabilities in zip(batch, model.probabilities(*([row[place] for row in batch] for place in places)), strict=True):
            yield row, [model.classes[probabilities.argmax()], *(f"{probability:.4f}" for probability in probabilities)]


def _write(writer, output: Path, row: list[str]) -> None:
    try:
        writer.writerow(row)
    except csv.Error as error:
        raise KdbookError(f"{row[0][:60]!r} can't be written to a {output.suffix} file ({error}); write a .csv file") from error
