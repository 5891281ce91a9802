"""PAWS-X (Yang, Zhang, Tar and Baldridge 2019) from the hub, or from a directory in the layout of its
release.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.table import Row, Table, UniqueIds, cell_problem, quoted
from kdbook.errors import KdbookError

ITEMS = {"train": 49_401, "validation": 2_000, "test": 2_000}  # of each language, according to the data card
COLUMNS = ["id", "sentence1", "sentence2", "label"]
LABELS = {"0": 0, "1": 1}
HUB_SPLITS = {"train": ["train"], "validation": ["validation"], "test": ["test"]}
RELEASE_FILES = {
    "train": ("train.tsv", "translated_train.tsv"),
    "validation": ("dev_2k.tsv",),
    "test": ("test_2k.tsv",),
}
MAX_SENTENCE_CHARACTERS = 100_000


def from_hub(name: str, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language of a hub data set with the columns of PAWS-X.

    Raises
    ------
    KdbookError
        If the data set can't be loaded, lacks a split, or has a row that is none of PAWS-X.
    """
    tables = hub.tables(name, language, HUB_SPLITS)
    missing = HUB_SPLITS.keys() - tables.keys()
    if missing:
        raise KdbookError(f"the data set {name!r} ({language}) has no split {min(missing)!r}")
    return {split: _frame(table) for split, table in tables.items()}


def from_directory(directory: Path, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language from ``<directory>/<language>/*.tsv``.

    Raises
    ------
    KdbookError
        If a file is missing or has a row that is none of PAWS-X.
    """
    folder = directory / language
    if not folder.is_dir():
        folders = (
            sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
        )
        others = f", only {', '.join(folders)}" if folders else ""
        raise KdbookError(f"{directory} has no folder for the language {language!r}{others}")
    return {split: read_tsv(_existing(folder, choices)) for split, choices in RELEASE_FILES.items()}


def read_tsv(path: Path) -> pd.DataFrame:
    """One file of the release: tab-separated, UTF-8, header ``id sentence1 sentence2 label``, quotes are
    plain text.

    Every line after the first is one row of the result, with ``label`` as a number and all else as text.

    Raises
    ------
    KdbookError
        If a line is not such a row: the message names file and line and says what to do.
    """
    rows = _lines(path)
    header = next(rows, Row(str(path), [""]))
    return _frame(Table(header.where, header.cells, rows))


def _lines(path: Path) -> Iterator[Row]:
    """The cells of each line of a file; an empty line is one cell."""
    try:
        with path.open("rb") as file:
            yield from (Row(where, line.split("\t")) for where, line in files.lines(file, path))
    except OSError as error:
        raise KdbookError(f"{path} can't be read: {error.strerror}") from error


def _existing(folder: Path, choices: tuple[str, ...]) -> Path:
    for name in choices:
        if (folder / name).is_file():
            return folder / name
    raise KdbookError(f"{folder} has none of: {', '.join(choices)}")


def _positions(table: Table) -> dict[str, int]:
    """Position of each column of PAWS-X among all columns."""
    for column in COLUMNS:
        if table.columns.count(column) != 1:
            problem = "lacks the column" if column not in table.columns else "has more than once the column"
            raise KdbookError(
                f"{table.name} {problem} {column!r}; expected {', '.join(COLUMNS)}, separated by tabs, "
                f"found {quoted(', '.join(table.columns)) or 'nothing'}"
            )
    return {column: table.columns.index(column) for column in COLUMNS}


def _frame(table: Table) -> pd.DataFrame:
    """The rows of a table as a frame, each of them checked."""
    positions = _positions(table)
    cells: dict[str, list[str]] = {column: [] for column in COLUMNS}
    ids = UniqueIds()
    for row in table.rows:
        if problem := _problem(row.cells, len(table.columns), positions):
            raise KdbookError(f"{row.where}: {problem}")
        ids.add(row, row.cells[positions["id"]], advice="give each row an id of its own")
        for column, position in positions.items():
            cells[column].append(row.cells[position])
    labels = [LABELS[label.strip()] for label in cells["label"]]
    return pd.DataFrame(cells, dtype=object).assign(label=labels)


def _problem(cells: Sequence[str], width: int, positions: Mapping[str, int]) -> str:
    """What is wrong with a row, and what to do; empty if nothing is."""
    if len(cells) != width:
        return (
            f"{len(cells)} columns instead of {width}; separate columns by single tabs, and rows by line ends"
        )
    if problem := cell_problem([cells[position] for position in positions.values()], MAX_SENTENCE_CHARACTERS):
        return problem
    if not cells[positions["id"]].strip():
        return "the id is empty; give each row an id of its own"
    label = cells[positions["label"]]
    if label.strip() not in LABELS:
        return f"the label is {quoted(label)!r}; write {' or '.join(LABELS)}"
    return ""
