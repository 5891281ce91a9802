"""Custom data: texts or pairs of texts with a label, of any classes, in any languages.

The source is a file (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``), a directory with ``train``,
``validation`` and ``test`` files, or a hub id. Either a column names the language of each row, or each
language has a directory, or a configuration on the hub, of its own. A missing split is replaced by a tenth of
the training rows of each language and class, chosen by a hash: of the id if there are ids, else of the texts,
so that the same text never occurs in two splits.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.audit import TEXTS, texts
from kdbook.data.table import Row, Table, UniqueIds, in_order_of_languages, quoted
from kdbook.errors import KdbookError
from kdbook.settings.profile import Columns, Data

SPLITS = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}
SPLIT_OFF = 0.1  # of the training rows


def load(settings: Data) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The three splits, and the names of the classes in the order of their labels.

    Frames have the columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label`` (0 for
    the first class).

    Raises
    ------
    KdbookError
        If rows can't be read or used: the message names file and row and says what to do.
    """
    columns = settings.columns
    assert columns
    one_table_per_language = not columns.language and len(settings.languages) > 1
    cells: dict[str, list[list[str]]] = {}
    for language in settings.languages if one_table_per_language else [None]:
        for split, table in _tables(settings, language).items():
            reader = _RowReader(table, split, columns, language or settings.languages[0])
            cells.setdefault(split, []).extend(reader.read())
    header = ["id", "language", *TEXTS[: len(columns.texts)], "label"]
    frames = {split: pd.DataFrame(rows, columns=header, dtype=object) for split, rows in cells.items()}
    frames = {split: frame[frame["language"].isin(settings.languages)] for split, frame in frames.items()}
    _check_training_rows(frames["train"], settings)
    splits = _in_three(frames, bool(columns.id), settings.source)
    classes = _classes(splits, settings.source)
    labelled = {
        split: frame.assign(label=frame["label"].map(classes.index)) for split, frame in splits.items()
    }
    return {
        split: in_order_of_languages(frame, settings.languages) for split, frame in labelled.items()
    }, classes


def languages(settings: Data) -> tuple[str, ...]:
    """The distinct values of the language column, in alphabetical order.

    Raises
    ------
    KdbookError
        If rows can't be read.
    """
    columns = settings.columns
    assert columns
    assert columns.language
    rows = (
        row for table in _tables(settings, None).values() for row in _RowReader(table, "", columns, "").read()
    )
    return tuple(sorted({language for _, language, *_ in rows}))


def _tables(settings: Data, language: str | None) -> Mapping[str, Table]:
    """The table of each split that exists; of one language if each has its own."""
    path = Path(settings.source).expanduser()
    if path.is_dir():
        folder = path / language if language else path
        tables = {
            split: files.read(file) for split, stems in SPLITS.items() if (file := _file(folder, stems))
        }
        if "train" not in tables:
            raise KdbookError(f"{folder} has no training file; expected train{', train'.join(files.FORMATS)}")
        return tables
    if path.suffix.lower() in files.FORMATS:
        if language:
            raise KdbookError(f"{path} holds several languages; name their column in data.columns.language")
        return {"train": files.read(path)}
    return hub.tables(settings.source, language, SPLITS)


def _file(folder: Path, stems: Iterable[str]) -> Path | None:
    choices = [folder / f"{stem}{suffix}" for stem in stems for suffix in files.FORMATS]
    existing = [path for path in choices if path.is_file()]
    if len(existing) > 1:
        raise KdbookError(f"{folder} has {existing[0].name} and {existing[1].name}; keep one of them")
    return existing[0] if existing else None


class _RowReader:
    """Reads id, language, texts and label of each row of a table."""

    def __init__(self, table: Table, split: str, columns: Columns, language: str) -> None:
        self.table, self.split, self.language = table, split, language
        self.id = table.position(columns.id) if columns.id else None
        self.language_column = table.position(columns.language) if columns.language else None
        self.others = [table.position(column) for column in (*columns.texts, columns.label)]

    def read(self) -> Iterator[list[str]]:
        """The cells of each row, checked."""
        ids = UniqueIds()
        for number, row in enumerate(self.table.rows, start=1):
            cells = [row.cells[position].strip() for position in self.others]
            if not cells[-1]:
                raise KdbookError(f"{row.where}: the label is empty; label the row or remove it")
            language = self.language
            if self.language_column is not None:
                language = row.cells[self.language_column].strip()
            item = self._item(row, number)
            ids.add(row, item, language, advice="an id may occur only once per language")
            yield [item, language, *cells]

    def _item(self, row: Row, number: int) -> str:
        if self.id is None:
            return f"{self.split}-{self.language}-{number}"
        item = row.cells[self.id].strip()
        if not item:
            raise KdbookError(
                f"{row.where}: the id is empty; give each row an id, or leave data.columns.id out"
            )
        return item


def _check_training_rows(train: pd.DataFrame, settings: Data) -> None:
    if train.empty:
        names = ", ".join(settings.languages)
        raise KdbookError(
            f"{settings.source}: there is no training row in {names}; are data.languages right?"
        )
    classes = train["label"].nunique()
    if classes > len(train) / 2:
        raise KdbookError(
            f"{settings.source}: {classes} classes for {len(train)} training rows; is data.columns.label "
            "right?"
        )


def _in_three(frames: Mapping[str, pd.DataFrame], by_id: bool, source: str) -> dict[str, pd.DataFrame]:
    """All three splits, the missing ones taken from the training rows."""
    missing = [split for split in SPLITS if split not in frames]
    train = frames["train"]
    items = train["id"] if by_id else train[texts(train)].apply("\x1f".join, axis=1)
    split_of_row = items.map(_split_off(items, train, missing))
    for split in missing:
        if not (split_of_row == split).any():
            raise KdbookError(
                f"{source}: {len(train)} rows are too few to split off {split} rows; give more, or a "
                f"{split} file"
            )
    taken = {split: train[split_of_row == split] for split in missing}
    splits = {**frames, "train": train[split_of_row.isna()], **taken}
    return {split: frame.reset_index(drop=True) for split, frame in splits.items()}


def _split_off(items: pd.Series, rows: pd.DataFrame, splits: Sequence[str]) -> dict[str, str]:
    """For each split a tenth of the items with the same languages and labels, at least one where there are
    enough.
    """
    strata: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for item, group in rows.groupby(items):
        stratum = tuple(sorted(set(zip(group["language"], group["label"], strict=True))))
        strata.setdefault(stratum, []).append(str(item))
    split_of_item = {}
    for members in strata.values():
        members.sort(key=lambda item: hashlib.sha256(item.encode()).digest())
        share = max(1, round(SPLIT_OFF * len(members)))
        if len(members) > share * len(splits):
            for number, split in enumerate(splits):
                split_of_item.update(dict.fromkeys(members[number * share : (number + 1) * share], split))
    return split_of_item


def _classes(frames: Mapping[str, pd.DataFrame], source: str) -> tuple[str, ...]:
    classes = tuple(sorted(frames["train"]["label"].unique(), key=_natural))
    if len(classes) < 2:
        raise KdbookError(
            f"{source}: the training rows have {len(classes)} class; a classifier needs at least two"
        )
    for split, frame in frames.items():
        unknown = frame["label"][~frame["label"].isin(classes)]
        if len(unknown):
            name = quoted(unknown.iloc[0])
            raise KdbookError(
                f"{source}: the {split} rows have the class {name!r}, which no training row has; "
                "give it more rows, or drop it"
            )
    return classes


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts ``class 2`` before ``class 10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text)]
