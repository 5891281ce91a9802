"""PAWS-X (Yang, Zhang, Tar and Baldridge 2019) from the hub, or from a directory in the layout of its
release.
"""

from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.audit import PLACEHOLDER
from kdbook.data.checks import refuse, refuse_repeated
from kdbook.data.dataset import SPLITS, SourceRows
from kdbook.data.table import quoted
from kdbook.errors import KdbookError
from kdbook.settings.data import Data

ITEMS = {"train": 49_401, "validation": 2_000, "test": 2_000}  # of each language, according to the data card
COLUMNS = ["id", "sentence1", "sentence2", "label"]
LABELS = {"0": 0, "1": 1}
HUB_SPLITS = {split: [split] for split in SPLITS}
RELEASE_FILES = {
    "train": ("train.tsv", "translated_train.tsv"),
    "validation": ("dev_2k.tsv",),
    "test": ("test_2k.tsv",),
}


def load(settings: Data) -> SourceRows:
    """All rows of the three splits, the languages one after the other.

    Raises
    ------
    KdbookError
        As :func:`from_directory` and :func:`from_hub`.
    """
    directory = hub.local_path(settings.source)
    by_language = {
        language: from_directory(directory, language) if directory else from_hub(settings.source, language)
        for language in settings.languages
    }
    splits = {
        split: pd.concat(
            [rows[split].assign(language=language) for language, rows in by_language.items()],
            ignore_index=True,
        )
        for split in SPLITS
    }
    return SourceRows(splits, tuple(LABELS), placeholder=PLACEHOLDER)


def from_hub(name: str, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language of a hub data set with the columns of PAWS-X.

    Raises
    ------
    KdbookError
        If the data set can't be loaded, lacks a split, or has a row that is not one of PAWS-X.
    """
    readers, _ = hub.splits(name, language, HUB_SPLITS)
    missing = HUB_SPLITS.keys() - readers.keys()
    if missing:
        raise KdbookError(f"the data set {name!r} ({language}) has no split {min(missing)!r}")
    return {split: _checked(read(COLUMNS)) for split, read in readers.items()}


def from_directory(directory: Path, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language from ``<directory>/<language>/*.tsv``.

    Raises
    ------
    KdbookError
        If a file is missing or has a row that is not one of PAWS-X.
    """
    if not directory.is_dir():
        raise KdbookError(
            f"{str(directory)!r} is not a directory like the PAWS-X release; for a file of your own, name "
            "its columns in data.columns"
        )
    folder = directory / language
    if not folder.is_dir():
        folders = sorted(path.name for path in directory.iterdir() if path.is_dir())
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
    return _checked(files.read(path, COLUMNS))


def _existing(folder: Path, choices: tuple[str, ...]) -> Path:
    for name in choices:
        if (folder / name).is_file():
            return folder / name
    raise KdbookError(f"{folder} has none of: {', '.join(choices)}")


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    advice = "give each row an id of its own"
    refuse(rows["id"], rows["id"].str.strip() == "", lambda _: f"the id is empty; {advice}")
    labels = rows["label"].str.strip().map(LABELS)
    refuse(
        rows["label"],
        labels.isna(),
        lambda label: f"the label is {quoted(label)!r}; write {' or '.join(LABELS)}",
    )
    refuse_repeated(rows, ["id"], advice)
    return rows.assign(label=labels.astype(int)).reset_index(drop=True)
