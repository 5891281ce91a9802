"""PAWS-X (Yang, Zhang, Tar and Baldridge 2019) from the hub, or from a directory in the layout of its release."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.files import shown
from kdbook.errors import KdbookError

ITEMS = {"train": 49_401, "validation": 2_000, "test": 2_000}  # of each language, by the data card
COLUMNS = ["id", "sentence1", "sentence2", "label"]
LABELS = {"0": 0, "1": 1}
HUB_SPLITS = {"train": ["train"], "validation": ["validation"], "test": ["test"]}
RELEASE_FILES = {"train": ("train.tsv", "translated_train.tsv"), "validation": ("dev_2k.tsv",), "test": ("test_2k.tsv",)}
LONGEST = 100_000  # characters of a sentence; a longer one is a file whose lines are not rows


def from_hub(name: str, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language of a hub data set with the columns of PAWS-X."""
    found = hub.tables(name, language, HUB_SPLITS)
    missing = HUB_SPLITS.keys() - found.keys()
    if missing:
        raise KdbookError(f"the data set {name!r} ({language}) has no split {min(missing)!r}")
    return {split: _table(rows, len(header), _places(header, where)) for split, (where, header, rows) in found.items()}


def from_directory(directory: Path, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language from ``<directory>/<language>/*.tsv``."""
    folder = directory / language
    if not folder.is_dir():
        found = sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
        raise KdbookError(f"{directory} has no folder for the language {language!r}" + (f", only {', '.join(found)}" if found else ""))
    return {split: read_tsv(_existing(folder, choices)) for split, choices in RELEASE_FILES.items()}


def read_tsv(path: Path) -> pd.DataFrame:
    """One file of the release: tab-separated, UTF-8, header ``id sentence1 sentence2 label``, quotes are plain text.

    Every line after the first is one row of the result, with ``label`` as a number and all else as text.

    Raises
    ------
    KdbookError
        If a line is not such a row: the message names file and line and says what to do.
    """
    rows = _rows(path)
    where, header = next(rows, (str(path), [""]))
    return _table(rows, len(header), _places(header, where))


def _rows(path: Path) -> Iterator[files.Row]:
    """Where each line of a file stands, and its cells; an empty line is one cell."""
    try:
        with path.open("rb") as file:
            yield from ((where, line.split("\t")) for where, line in files.lines(file, path))
    except OSError as error:
        raise KdbookError(f"{path} can't be read: {error.strerror}") from error


def _existing(folder: Path, choices: tuple[str, ...]) -> Path:
    for name in choices:
        if (folder / name).is_file():
            return folder / name
    raise KdbookError(f"{folder} has none of: {', '.join(choices)}")


def _places(header: Sequence[str], where: str) -> dict[str, int]:
    """Where each of our columns stands among all columns."""
    for column in COLUMNS:
        if header.count(column) != 1:
            problem = "lacks the column" if column not in header else "has more than once the column"
            found = shown(", ".join(header)) or "nothing"
            raise KdbookError(f"{where} {problem} {column!r}; expected {', '.join(COLUMNS)}, separated by tabs, found {found}")
    return {column: header.index(column) for column in COLUMNS}


def _table(rows: Iterable[tuple[str, Sequence[str]]], width: int, places: dict[str, int]) -> pd.DataFrame:
    """Rows of so many cells as a frame, each of them checked."""
    cells: dict[str, list] = {column: [] for column in COLUMNS}
    seen: dict[str, str] = {}
    for where, row in rows:
        if problem := _problem(row, width, places):
            raise KdbookError(f"{where}: {problem}")
        name = row[places["id"]]
        if name in seen:
            raise KdbookError(f"{where}: the id {shown(name)!r} was given before ({seen[name]}); give each row an id of its own")
        seen[name] = where.rpartition(", ")[2]
        for column, place in places.items():
            cells[column].append(row[place])
    return pd.DataFrame(cells, dtype=object).assign(label=[LABELS[label.strip()] for label in cells["label"]])


def _problem(row: Sequence[str], width: int, places: dict[str, int]) -> str:
    """What is wrong with a row, and what to do; empty if nothing is."""
    if len(row) != width:
        return f"{len(row)} columns instead of {width}; separate columns by single tabs, and rows by line ends"
    cells = [row[place] for place in places.values()]
    if any("\0" in cell for cell in cells):
        return "a character of code 0 stands in it; remove it"
    if max(map(len, cells)) > LONGEST:
        return f"a cell of {max(map(len, cells)):,} characters; more than {LONGEST:,} are no sentence, so check the line ends"
    if not row[places["id"]].strip():
        return "the id is empty; give each row an id of its own"
    if row[places["label"]].strip() not in LABELS:
        return f"the label is {shown(row[places['label']])!r}; write {' or '.join(LABELS)}"
    return ""
