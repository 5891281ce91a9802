"""Custom data: texts or pairs of texts with a label, of any classes, in any languages.

The source is a file (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``), a directory with ``train``,
``validation`` and ``test`` files, or a hub id. Either a column names the language of each row, or each
language has a directory, or a configuration on the hub, of its own. A missing split is replaced by a tenth of
the training rows of each language and class, chosen by a hash: of the id if there are ids, else of the texts,
so that the same text never occurs in two splits.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.audit import TEXTS
from kdbook.data.classes import check_labels, classes_of, usable_rows
from kdbook.data.dataset import UNLABELLED
from kdbook.data.split_off import in_three
from kdbook.data.table import Row, Table, UniqueIds, id_text, in_order_of_languages
from kdbook.errors import KdbookError
from kdbook.paths import expanded, is_dir, is_file
from kdbook.settings.data import Columns, Data
from kdbook.settings.names import name_problem, skeleton

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval", "development", "validation_matched"),
    "test": ("test", "testing", "test_matched"),
    UNLABELLED: ("unlabelled", "unlabeled", "unsupervised"),
}
SUFFIXES_OF_FILES = {  # no hub id ends like this
    *(".arrow", ".csv", ".feather", ".gz", ".json", ".jsonl", ".ndjson", ".ods", ".parquet", ".pkl", ".tsv"),
    *(".txt", ".xls", ".xlsx", ".xml", ".zip", ".parq", ".sqlite", ".db", ".doc", ".docx", ".pdf", ".html"),
    *(".zst", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".orc", ".avro", ".h5", ".npz", ".npy", ".sav", ".dta"),
}
QUOTED_CELL = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')  # as a spreadsheet writes a text with quotes
ENCLOSED_CELL = re.compile(r'"[^"]*"')
HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?", re.ASCII)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
MOST_NAMED = 8  # files in a message


@dataclass(frozen=True)
class SourceRows:
    """All rows of a source in three splits.

    Frames have the columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label`` (0 for
    the first class, NaN where it is missing). ``classes`` are the names of the labels, ``notes`` remarks on
    what was not read.
    """

    splits: dict[str, pd.DataFrame]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """The tables of a source by split, remarks on what is not read, and the names of some files in it."""

    tables: dict[str, Table]
    notes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def load(settings: Data) -> SourceRows:
    """The rows of a source.

    Raises
    ------
    KdbookError
        If rows can't be read or used: the message says where and what to do.
    """
    columns = settings.columns
    assert columns
    cells: dict[str, list[list[str]]] = {}
    notes: list[str] = []
    for language, source in _sources(settings):
        notes += source.notes
        for split, table in source.tables.items():
            reader = _RowReader(table, split, columns, language)
            cells.setdefault(split, []).extend(reader.read())
            notes += reader.notes()
    header = ["id", "language", *TEXTS[: len(columns.texts)], "label"]
    frames = {split: _frame(rows, header) for split, rows in cells.items()}
    if settings.unlabelled:
        frames |= _without_labels(frames)
    elif UNLABELLED in frames:
        rows = len(frames.pop(UNLABELLED))
        notes.append(
            f"{settings.source}: {rows:,} rows without labels are not used (data.unlabelled = true would)"
        )
    notes += _without_translations(frames, settings)
    check_labels(frames, settings)
    splits = in_three(frames, usable_rows(frames["train"], settings).index, bool(columns.id), settings.source)
    classes = classes_of(splits, settings)
    numbers = {name: number for number, name in enumerate(classes)}
    ordered = {
        split: in_order_of_languages(frame.assign(label=frame["label"].map(numbers)), settings.languages)
        for split, frame in splits.items()
    }
    return SourceRows(ordered, classes, tuple(notes))


def _without_translations(frames: Mapping[str, pd.DataFrame], settings: Data) -> list[str]:
    """The languages that share no id with any other, though ids stand for translations."""
    assert settings.columns
    if not settings.columns.id or len(settings.languages) == 1:
        return []
    rows = pd.concat(frames.values())[["id", "language"]].drop_duplicates()
    translated = rows[rows["id"].duplicated(keep=False)]["language"]
    alone = [name for name in settings.languages if name in set(rows["language"]) - set(translated)]
    if not alone:
        return []
    return [
        f"no id in {', '.join(alone)} occurs in another language; translations of a text need the same id"
    ]


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
    tables = [table for _, source in _sources(settings) for table in source.tables.values()]
    rows = (row for table in tables for row in _RowReader(table, "", columns, "").read())
    return tuple(sorted({language for _, language, *_ in rows}))


def _sources(settings: Data) -> Iterator[tuple[str, _Source]]:
    """The source of each language if each has its own, else that of all, with the first language."""
    columns = settings.columns
    assert columns
    first, *others = settings.languages
    if columns.language or not others:
        source = _open(settings, None if columns.language else first, only_source=True)
        _require_training_rows(settings, source, settings.source)
        yield first, source
        return
    if settings.configuration:
        raise KdbookError(
            "data.configuration is the same for all languages; name the column of the language in "
            "data.columns.language"
        )
    for language in settings.languages:
        source = _open(settings, language, only_source=False)
        if language not in settings.languages_without_labels:
            _require_training_rows(settings, source, f"{settings.source}, {language}")
        yield language, source


def _require_training_rows(settings: Data, source: _Source, where: str) -> None:
    if "train" not in source.tables:
        there = f"; it has {', '.join(source.names)}" if source.names else "; it is empty"
        raise KdbookError(
            f"{where} has no training file; expected train{', train'.join(files.FORMATS)}{there}"
        )


def _open(settings: Data, language: str | None, only_source: bool) -> _Source:
    """The tables of a source.

    Parameters
    ----------
    settings
        Where the source is.
    language
        Names the folder or configuration; None where a column names the language of each row.
    only_source
        Whether the source may also have no folders or configurations.
    """
    if URL.match(settings.source):
        raise KdbookError(f"URLs such as {settings.source!r} are not read; download the file and name it")
    path = expanded(settings.source)
    if is_dir(path):
        has_folder = language is not None and (not only_source or is_dir(path / language))
        return _without_ignored(_open_folder(path / str(language) if has_folder else path), settings)
    if is_file(path):
        if not only_source:
            raise KdbookError(f"{path} holds several languages; name their column in data.columns.language")
        return _Source({"train": files.read(path)}, _beside(path))
    if looks_like_a_path(settings.source):
        raise KdbookError(f"the file or directory {settings.source!r} does not exist")
    configuration = settings.configuration or (None if only_source else language)
    tables = hub.tables(settings.source, configuration, SPLIT_NAMES, language)
    unused = [f"{settings.source}: the split {split!r} is not used" for split in tables.unused]
    return _without_ignored(_Source(tables.tables, unused), settings)


def _open_folder(folder: Path) -> _Source:
    """The tables of a directory, and the names of files that are none of a split."""
    if not is_dir(folder):
        raise KdbookError(
            f"{folder.parent} has no directory for the language {folder.name!r}; give it one, or name the "
            "column of the language in data.columns.language"
        )
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise KdbookError(f"the directory {folder} can't be read: {error.strerror}") from error
    found = ((split, _file(folder, entries, stems)) for split, stems in SPLIT_NAMES.items())
    chosen = {split: file for split, file in found if file}
    unused = [path for path in entries if path not in chosen.values() and _may_have_rows(path)]
    notes = [f"{path} is not read, since {_why_not_read(path)}" for path in unused[:MOST_NAMED]]
    if rest := len(unused) - len(notes):
        notes.append(f"{folder}: {rest:,} more files are not read")
    names = [path.name for path in entries[:MOST_NAMED]] + ["…"] * (len(entries) > MOST_NAMED)
    return _Source({split: files.read(file) for split, file in chosen.items()}, notes, names)


def _beside(path: Path) -> list[str]:
    """Files of other splits beside a file that is named as one of training rows."""
    if path.stem.lower() not in SPLIT_NAMES["train"]:
        return []
    others = _file_names(stem for stems in SPLIT_NAMES.values() for stem in stems)
    found = sorted(
        other.name for other in path.parent.iterdir() if other.name.lower() in others - {path.name.lower()}
    )
    return [f"{path.parent / name} is not read; name the directory to use it as well" for name in found]


def _file_names(stems: Iterable[str]) -> set[str]:
    return {f"{stem}{suffix}" for stem in stems for suffix in files.FORMATS}


def _may_have_rows(path: Path) -> bool:
    """Whether somebody may take a file or folder for a split, in another form or under another name."""
    first_word = re.split(r"[\s._-]", path.name.lower())[0]
    has_split_name = any(first_word in stems for stems in SPLIT_NAMES.values())
    return has_split_name or (path.is_file() and path.suffix.lower() in files.FORMATS)


def _why_not_read(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "it is a link that leads nowhere"
    if path.is_dir():
        return "it is a directory"
    if path.suffix.lower() in files.FORMATS:
        return "its name is not that of a split"
    return f"it is not a {', '.join(files.FORMATS)} file"


def _without_ignored(source: _Source, settings: Data) -> _Source:
    """A source without the splits that the profile ignores; how many rows these have is noted."""
    ignored = {split: table for split, table in source.tables.items() if split in settings.ignored_splits}
    counts = [
        f"{table.name}: {sum(1 for _ in table.read([])):,} rows are not used (data.ignored_splits)"
        for table in ignored.values()
    ]
    tables = {split: table for split, table in source.tables.items() if split not in ignored}
    return _Source(tables, [*source.notes, *counts], source.names)


def looks_like_a_path(source: str) -> bool:
    """Whether a source can't be a hub id."""
    suffix = Path(source).suffix.lower()
    return not HUB_ID.fullmatch(source) or suffix in SUFFIXES_OF_FILES or ("/" not in source and suffix != "")


def _file(folder: Path, entries: Iterable[Path], stems: Sequence[str]) -> Path | None:
    """The file of a split, whatever the case of its name."""
    names = _file_names(stems)
    existing = [path for path in entries if path.name.lower() in names and path.is_file()]
    if len(existing) > 1:
        raise KdbookError(f"{folder} has {existing[0].name} and {existing[1].name}; keep one of them")
    return existing[0] if existing else None


class _RowReader:
    """Reads id, language, texts and label of each row of a table."""

    def __init__(self, table: Table, split: str, columns: Columns, language: str) -> None:
        self.table, self.split, self.columns, self.language = table, split, columns, language
        self.names: set[str] = set()  # that were checked
        self.rows = self.quoted_rows = self.enclosed_rows = 0
        self.repeated_headers: list[str] = []

    def read(self) -> Iterator[list[str]]:
        """The cells of each row, checked; the label is empty where it is missing."""
        columns = self.columns
        ids = UniqueIds()
        optional = [column for column in (columns.id, columns.language) if column]
        label_column = [] if self.split == UNLABELLED else [columns.label]
        header = [*columns.texts, *optional, *label_column]
        for number, row in enumerate(self.table.rows(header), start=1):
            cells = [cell.strip() for cell in row.cells]
            if len(header) > 1 and list(map(skeleton, cells)) == list(map(skeleton, header)):
                self.repeated_headers.append(row.where.rpartition(", ")[2])
                continue
            content, rest = cells[: len(columns.texts)], cells[len(columns.texts) :]
            item = id_text(rest.pop(0)) if columns.id else f"{self.split}-{self.language}-{number}"
            language = self._language(row, rest.pop(0)) if columns.language else self.language
            label = rest.pop(0) if label_column else ""
            if not item:
                raise KdbookError(
                    f"{row.where}: the id is empty; give each row an id, or leave data.columns.id out"
                )
            ids.add(row, item, language, advice="an id may occur only once per language")
            self._check_name(row, label)
            self.rows += 1
            self.quoted_rows += any(QUOTED_CELL.fullmatch(cell) for cell in content)
            self.enclosed_rows += all(ENCLOSED_CELL.fullmatch(cell) for cell in content)
            yield [item, language, *content, label]

    def notes(self) -> list[str]:
        """What looks like an oversight in the rows that were read."""
        notes = []
        if self.repeated_headers:
            places = ", ".join(self.repeated_headers[:3]) + ", …" * (len(self.repeated_headers) > 3)
            number = len(self.repeated_headers)
            rows = "row repeats" if number == 1 else "rows repeat"
            notes.append(f"{self.table.name}: {number:,} {rows} the header (left out: {places})")
        quoted_rows = self.enclosed_rows if 2 * self.enclosed_rows > self.rows else self.quoted_rows
        if quoted_rows and self.table.name.lower().endswith(".tsv"):
            problem = f"{quoted_rows:,} texts are quoted as in a .csv file"
            notes.append(f"{self.table.name}: {problem}; in a .tsv file quotes are part of the text")
        return notes

    def _language(self, row: Row, language: str) -> str:
        if not language:
            raise KdbookError(f"{row.where}: the language is empty; name it, or remove the row")
        self._check_name(row, language)
        return language

    def _check_name(self, row: Row, name: str) -> None:
        if name not in self.names:
            if problem := name_problem(name):
                raise KdbookError(f"{row.where}: {problem}")
            self.names.add(name)


def _frame(rows: list[list[str]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return frame.assign(label=frame["label"].mask(frame["label"] == ""))


def _without_labels(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The training rows that have labels, and all others, those of the split for them included."""
    train = frames["train"]
    empty = train["label"].isna()
    others = [train[empty], *([frames[UNLABELLED].assign(label=None)] if UNLABELLED in frames else [])]
    return {
        "train": train[~empty].reset_index(drop=True),
        UNLABELLED: pd.concat(others, ignore_index=True),
    }
