"""Data of one's own: one or two texts and a label in each row, in any number of classes and languages.

They come from one file, from a directory with ``train``, ``validation`` and ``test`` files (see :mod:`kdbook.data.files` for the
formats), or from the hub. Where no column tells the language, each language has a directory, or a configuration on the hub, of its
own. A split that is not there is a tenth of the training rows of each language and class, chosen by a hash: of the id if there are ids,
else of the texts, so that the same text never stands in two splits.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from kdbook import profile
from kdbook.data import files, hub
from kdbook.data.audit import TEXTS, texts
from kdbook.errors import KdbookError

SPLITS = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}
SPLIT_OFF = 0.1  # of the training rows
Cells = list[str]


def load(settings: profile.Data) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The three splits, and the names of the classes in the order of their labels.

    Frames have the columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label`` (0 for the first class).

    Raises
    ------
    KdbookError
        If rows can't be read or used: the message names file and row and says what to do.
    """
    columns = settings.columns
    assert columns
    rows: dict[str, list[Cells]] = {}
    for language in settings.languages if not columns.language and len(settings.languages) > 1 else [None]:
        for split, table in _tables(settings, language).items():
            rows.setdefault(split, []).extend(_rows(table, split, columns, language or settings.languages[0]))
    header = ["id", "language", *TEXTS[: len(columns.texts)], "label"]
    frames = {split: pd.DataFrame(cells, columns=header, dtype=object) for split, cells in rows.items()}
    frames = {split: frame[frame["language"].isin(settings.languages)] for split, frame in frames.items()}
    if frames["train"].empty:
        raise KdbookError(f"{settings.source}: there is no training row in {', '.join(settings.languages)}; are data.languages right?")
    classes = frames["train"]["label"].nunique()
    if classes > len(frames["train"]) / 2:
        raise KdbookError(f"{settings.source}: {classes} classes for {len(frames['train'])} training rows; is data.columns.label right?")
    whole = _in_three(frames, bool(columns.id), settings.source)
    names = _classes(whole, settings.source)
    order = {language: rank for rank, language in enumerate(settings.languages)}
    return {
        split: frame.assign(label=frame["label"].map(names.index)).sort_values(
            "language", key=lambda column: column.map(order), kind="stable", ignore_index=True
        )
        for split, frame in whole.items()
    }, names


def languages(settings: profile.Data) -> tuple[str, ...]:
    """What stands in the column of the language, in alphabetical order."""
    columns = settings.columns
    assert columns and columns.language
    every = (row[1] for table in _tables(settings, None).values() for row in _rows(table, "", columns, ""))
    return tuple(sorted(set(every)))


Table = tuple[str, list[str], Iterator[files.Row]]  # what it is called, its columns, its rows


def _tables(settings: profile.Data, language: str | None) -> Mapping[str, Table]:
    """The table of each split that there is, of one language if each has its own."""
    path = Path(settings.source).expanduser()
    if path.is_dir():
        folder = path / language if language else path
        found = {split: file for split, stems in SPLITS.items() if (file := _file(folder, stems))}
        if "train" not in found:
            raise KdbookError(f"{folder} has no training file; expected train{', train'.join(files.FORMATS)}")
        return {split: (str(file), *files.read(file)) for split, file in found.items()}
    if path.suffix.lower() in files.FORMATS:
        if language:
            raise KdbookError(f"{path} holds several languages; name the column that tells them in data.columns.language")
        return {"train": (str(path), *files.read(path))}
    return hub.tables(settings.source, language, SPLITS)


def _file(folder: Path, stems: Iterable[str]) -> Path | None:
    choices = [folder / f"{stem}{suffix}" for stem in stems for suffix in files.FORMATS]
    found = [path for path in choices if path.is_file()]
    if len(found) > 1:
        raise KdbookError(f"{folder} has {found[0].name} and {found[1].name}; keep one of them")
    return found[0] if found else None


def _rows(table: Table, split: str, columns: profile.Columns, language: str) -> Iterator[Cells]:
    """Id, language, texts and label of each row."""
    name, header, rows = table
    wanted = [columns.id, columns.language, *columns.texts, columns.label]
    for column in wanted:
        if column is not None and column not in header:
            raise KdbookError(f"{name} has no column {column!r}; it has {files.shown(', '.join(header))}")
    places = [None if column is None else header.index(column) for column in wanted]
    seen: dict[tuple[str, str], str] = {}
    for number, (where, row) in enumerate(rows, start=1):
        given, tongue, *rest = (None if place is None else row[place].strip() for place in places)
        if given == "":
            raise KdbookError(f"{where}: the id is empty; give each row an id, or leave data.columns.id out")
        if not rest[-1]:
            raise KdbookError(f"{where}: the label is empty; label the row or remove it")
        tongue = language if tongue is None else tongue
        item = f"{split}-{language}-{number}" if given is None else given
        if (item, tongue) in seen:
            raise KdbookError(
                f"{where}: the id {files.shown(item)!r} was given before ({seen[item, tongue]}); an id stands once in a language"
            )
        seen[item, tongue] = where.rpartition(", ")[2]
        yield [item, tongue, *rest]  # type: ignore[list-item]  # of the parts only id and language can be None


def _in_three(frames: dict[str, pd.DataFrame], by_id: bool, source: str) -> dict[str, pd.DataFrame]:
    """All three splits, the lacking ones taken from the training rows."""
    lacking = [split for split in SPLITS if split not in frames]
    train = frames["train"]
    items = train["id"] if by_id else train[texts(train)].apply("\x1f".join, axis=1)
    place = items.map(_split_off(items, train, lacking))
    for split in lacking:
        if not (place == split).any():
            raise KdbookError(f"{source}: {len(train)} rows are too few to split off {split} rows; give more, or a {split} file")
    whole = frames | {"train": train[place.isna()]} | {split: train[place == split] for split in lacking}
    return {split: frame.reset_index(drop=True) for split, frame in whole.items()}


def _split_off(items: pd.Series, rows: pd.DataFrame, splits: list[str]) -> dict[str, str]:
    """For each split a tenth of the items with the same languages and labels, and one at least where there are enough."""
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for item, its in rows.groupby(items):
        alike.setdefault(tuple(sorted(set(zip(its["language"], its["label"], strict=True)))), []).append(str(item))
    found = {}
    for some in alike.values():
        some.sort(key=lambda item: hashlib.sha256(item.encode()).digest())
        share = max(1, round(SPLIT_OFF * len(some)))
        if len(some) > share * len(splits):
            found.update({item: split for n, split in enumerate(splits) for item in some[n * share : (n + 1) * share]})
    return found


def _classes(frames: dict[str, pd.DataFrame], source: str) -> tuple[str, ...]:
    classes = tuple(sorted(frames["train"]["label"].unique(), key=_natural))
    if len(classes) < 2:
        raise KdbookError(f"{source}: the training rows have {len(classes)} class; a classifier needs two at least")
    for split, frame in frames.items():
        strange = frame["label"][~frame["label"].isin(classes)]
        if len(strange):
            name = files.shown(strange.iloc[0])
            raise KdbookError(
                f"{source}: the {split} rows have the class {name!r}, which no training row has; give it more rows, or drop it"
            )
    return classes


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts ``class 2`` before ``class 10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text)]
