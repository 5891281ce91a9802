"""PAWS-X (Yang, Zhang, Tar and Baldridge 2019) from the hub, or from a directory in the layout of its
release.
"""

from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.table import Table, UniqueIds, quoted
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


def from_hub(name: str, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language of a hub data set with the columns of PAWS-X.

    Raises
    ------
    KdbookError
        If the data set can't be loaded, lacks a split, or has a row that is none of PAWS-X.
    """
    tables = hub.tables(name, language, HUB_SPLITS).tables
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
    return _frame(files.read(path))


def _existing(folder: Path, choices: tuple[str, ...]) -> Path:
    for name in choices:
        if (folder / name).is_file():
            return folder / name
    raise KdbookError(f"{folder} has none of: {', '.join(choices)}")


def _frame(table: Table) -> pd.DataFrame:
    """The rows of a table as a frame, each of them checked."""
    cells: dict[str, list[str]] = {column: [] for column in COLUMNS}
    ids = UniqueIds()
    for row in table.rows(COLUMNS):
        item, *_, label = row.cells
        if not item.strip():
            raise KdbookError(f"{row.where}: the id is empty; give each row an id of its own")
        if label.strip() not in LABELS:
            raise KdbookError(f"{row.where}: the label is {quoted(label)!r}; write {' or '.join(LABELS)}")
        ids.add(row, item, advice="give each row an id of its own")
        for column, cell in zip(COLUMNS, row.cells, strict=True):
            cells[column].append(cell)
    labels = [LABELS[label.strip()] for label in cells["label"]]
    return pd.DataFrame(cells, dtype=object).assign(label=labels)
