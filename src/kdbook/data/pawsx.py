"""PAWS-X (Yang, Zhang, Tar and Baldridge 2019) from the hub, or from a directory in the layout of its release."""

from pathlib import Path

import pandas as pd

from kdbook.errors import KdbookError

COLUMNS = ["id", "sentence1", "sentence2", "label"]
HUB_SPLITS = {"train": "train", "validation": "validation", "test": "test"}
RELEASE_FILES = {"train": ("train.tsv", "translated_train.tsv"), "validation": ("dev_2k.tsv",), "test": ("test_2k.tsv",)}


def from_hub(name: str, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language of a hub data set with the columns of PAWS-X, every value as text."""
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
    return {
        split: _checked(loaded[theirs].to_pandas().astype(str), f"{name} ({language}, {theirs})") for split, theirs in HUB_SPLITS.items()
    }


def from_directory(directory: Path, language: str) -> dict[str, pd.DataFrame]:
    """The three splits of one language from ``<directory>/<language>/*.tsv``, every value as text."""
    folder = directory / language
    if not folder.is_dir():
        found = sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
        raise KdbookError(f"{directory} has no folder for the language {language!r}" + (f", only {', '.join(found)}" if found else ""))
    return {split: read_tsv(_existing(folder, choices)) for split, choices in RELEASE_FILES.items()}


def read_tsv(path: Path) -> pd.DataFrame:
    """One file of the release: tab-separated, UTF-8, header ``id sentence1 sentence2 label``, quotes are plain text."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KdbookError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    lines = [line.removesuffix("\r").split("\t") for line in text.removesuffix("\n").split("\n")]
    header, rows = lines[0], lines[1:]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise KdbookError(f"{path}, line {number}: {len(row)} columns instead of {len(header)}; columns are separated by single tabs")
    return _checked(pd.DataFrame(rows, columns=header, dtype=str), str(path))


def _existing(folder: Path, choices: tuple[str, ...]) -> Path:
    for name in choices:
        if (folder / name).is_file():
            return folder / name
    raise KdbookError(f"{folder} has none of: {', '.join(choices)}")


def _checked(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise KdbookError(
            f"{where} lacks the column {missing[0]!r}; expected {', '.join(COLUMNS)}, found {', '.join(map(str, frame.columns))}"
        )
    return frame[COLUMNS]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
