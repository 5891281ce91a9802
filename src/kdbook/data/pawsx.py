"""PAWS-X (Yang, Zhang, Tar and Baldridge 2019) from the hub, or from a directory in the layout of its release."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from kdbook.errors import KdbookError

COLUMNS = ["id", "sentence1", "sentence2", "label"]
LABELS = {"0": 0, "1": 1}
HUB_SPLITS = {"train": "train", "validation": "validation", "test": "test"}
RELEASE_FILES = {"train": ("train.tsv", "translated_train.tsv"), "validation": ("dev_2k.tsv",), "test": ("test_2k.tsv",)}
LONGEST = 100_000  # characters of a sentence; a longer one is a file whose lines are not rows
SHOWN = 60  # characters of what a message quotes


def from_hub(name: str, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language of a hub data set with the columns of PAWS-X."""
    from datasets import load_dataset  # takes seconds to import

    try:
        loaded = load_dataset(name, language)
    except Exception as error:
        raise KdbookError(
            f"the data set {name!r} ({language}) could not be loaded: {_first_line(error)}. "
            "Check the connection, or give a directory with KDBOOK_DATA=DIR"
        ) from error
    missing = [split for split in HUB_SPLITS.values() if split not in loaded]
    if missing:
        raise KdbookError(f"the data set {name!r} ({language}) has no split {missing[0]!r}")
    return {split: _from_hub_split(loaded[theirs], f"{name} ({language}, {theirs})") for split, theirs in HUB_SPLITS.items()}


def _from_hub_split(split, where: str) -> pd.DataFrame:
    places = _places(split.column_names, where)
    rows = (["" if row[name] is None else str(row[name]) for name in split.column_names] for row in split)
    return _table(((f"{where}, row {number}", row) for number, row in enumerate(rows, start=1)), len(split.column_names), places)


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
    lines = _lines(path)
    where, header = next(lines, (str(path), [""]))
    return _table(lines, len(header), _places(header, where))


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Where each line of a file stands, and its cells; read as they are asked for."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}, line {number}"
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise KdbookError(f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
                yield where, text.removesuffix("\n").removesuffix("\r").split("\t")
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
            found = _shown(", ".join(header)) or "nothing"
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
            raise KdbookError(f"{where}: the id {_shown(name)!r} was given before ({seen[name]}); give each row an id of its own")
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
        return f"the label is {_shown(row[places['label']])!r}; write {' or '.join(LABELS)}"
    return ""


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
