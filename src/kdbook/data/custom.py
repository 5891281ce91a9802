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
from functools import partial
from pathlib import Path

import pandas as pd

from kdbook.data import files, hub
from kdbook.data.audit import TEXTS, texts
from kdbook.data.checks import check_labels, refuse, refuse_bad_names, refuse_repeated
from kdbook.data.classes import classes_of, usable_rows
from kdbook.data.dataset import UNLABELLED, SourceRows
from kdbook.data.hub import Reader
from kdbook.data.split_off import in_three
from kdbook.data.table import in_order_of_languages, title
from kdbook.errors import KdbookError
from kdbook.paths import is_dir
from kdbook.settings.data import Columns, Data
from kdbook.settings.names import skeleton

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval", "development", "validation_matched"),
    "test": ("test", "testing", "test_matched"),
    UNLABELLED: ("unlabelled", "unlabeled", "unsupervised"),
}
WHOLE_NUMBER = re.compile(r"\A([-+]?\d+)\.0+\Z")  # tables add the point beside a gap
QUOTED_CELL = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')  # as a spreadsheet writes a text with quotes
ENCLOSED_CELL = re.compile(r'"[^"]*"')
MOST_NAMED = 8  # files in a message


@dataclass(frozen=True)
class _Part:
    """Splits of a source in one language or in all, remarks on what is not read, and names of files."""

    readers: dict[str, Reader]
    notes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def load(settings: Data) -> SourceRows:
    """The rows of a source.

    Raises
    ------
    KdbookError
        If rows can't be read or used: the message says where and what to do.
    """
    assert settings.columns
    splits, notes = _read(settings)
    if settings.unlabelled:
        splits |= _without_labels(splits)
    elif UNLABELLED in splits:
        rows = len(splits.pop(UNLABELLED))
        notes.append(
            f"{settings.source}: {rows:,} rows without labels are not used (data.unlabelled = true would)"
        )
    notes += _without_translations(splits, settings)
    check_labels(splits, settings)
    usable = usable_rows(splits["train"], settings).index
    splits = in_three(splits, usable, bool(settings.columns.id), settings.source)
    classes = classes_of(splits, settings)
    numbers = {name: number for number, name in enumerate(classes)}
    ordered = {
        split: in_order_of_languages(rows.assign(label=rows["label"].map(numbers)), settings.languages)
        for split, rows in splits.items()
    }
    return SourceRows(ordered, classes, tuple(notes))


def languages(settings: Data) -> tuple[str, ...]:
    """The distinct values of the language column, in alphabetical order.

    Raises
    ------
    KdbookError
        If rows can't be read.
    """
    splits, _ = _read(settings)
    return tuple(sorted(set().union(*(rows["language"] for rows in splits.values()))))


def _read(settings: Data) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The rows of each split, with labels as the source writes them, and remarks on what was not read."""
    assert settings.columns
    parts: dict[str, list[pd.DataFrame]] = {}
    notes: list[str] = []
    for language, part in _parts(settings):
        notes += part.notes
        for split, read in part.readers.items():
            if split in settings.ignored_splits:
                ignored = read([])
                notes.append(f"{title(ignored)}: {len(ignored):,} rows are not used (data.ignored_splits)")
            else:
                rows, remarks = _rows(read, settings.columns, split, language)
                parts.setdefault(split, []).append(rows)
                notes += remarks
    frames = {split: pd.concat(rows, ignore_index=True) for split, rows in parts.items()}
    return {
        split: rows.assign(label=rows["label"].mask(rows["label"] == "")) for split, rows in frames.items()
    }, notes


def _rows(read: Reader, columns: Columns, split: str, language: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a split that one reader reads, checked; remarks on what looks like an oversight."""
    label = [] if split == UNLABELLED else [columns.label]
    cells = read([*columns.texts, *filter(None, (columns.id, columns.language)), *label])
    cells = cells.apply(lambda column: column.str.strip())
    is_header = _is_repeated_header(cells)
    numbers = range(1, len(cells) + 1)
    contents = {
        "id": cells[columns.id].str.replace(WHOLE_NUMBER, r"\1", regex=True)
        if columns.id
        else [f"{split}-{language}-{n}" for n in numbers],
        "language": cells[columns.language] if columns.language else language,
        **{name: cells[column] for name, column in zip(TEXTS, columns.texts, strict=False)},
        "label": cells[columns.label] if label else "",
    }
    rows = pd.DataFrame(contents, index=cells.index)[~is_header]
    _check(rows, columns)
    return rows, [*_on_headers(cells[is_header]), *_on_quotes(rows[texts(rows)])]


def _check(rows: pd.DataFrame, columns: Columns) -> None:
    if columns.language:
        is_empty = rows["language"] == ""
        refuse(rows["language"], is_empty, lambda _: "the language is empty; name it, or remove the row")
        refuse_bad_names(rows["language"])
    if columns.id:
        advice = "give each row an id, or leave data.columns.id out"
        refuse(rows["id"], rows["id"] == "", lambda _: f"the id is empty; {advice}")
        refuse_repeated(rows, ["id", "language"], "an id may occur only once per language")
    refuse_bad_names(rows["label"])


def _is_repeated_header(cells: pd.DataFrame) -> pd.Series:
    """Whether each row repeats the names of the columns, as a single text may do by chance."""
    candidates = cells if cells.shape[1] > 1 else cells[:0]
    for column in reversed(
        cells.columns.to_list()
    ):  # labels first: few rows have one that is called like its column
        candidates = candidates.loc[candidates[column].map(skeleton) == skeleton(column)]
    return pd.Series(cells.index.isin(candidates.index), cells.index)


def _on_headers(repeated: pd.DataFrame) -> list[str]:
    if repeated.empty:
        return []
    unit = str(repeated.index.name).rpartition(", ")[2]
    places = ", ".join(f"{unit} {number}" for number in repeated.index[:3]) + ", …" * (len(repeated) > 3)
    rows = "row repeats" if len(repeated) == 1 else "rows repeat"
    return [f"{title(repeated)}: {len(repeated):,} {rows} the header (left out: {places})"]


def _on_quotes(cells: pd.DataFrame) -> list[str]:
    """Rows of a .tsv file with a text in quotes, as in a .csv file."""
    if not title(cells).lower().endswith(".tsv"):
        return []
    enclosed = int(cells.map(lambda cell: bool(ENCLOSED_CELL.fullmatch(cell))).all(axis=1).sum())
    quoted = int(cells.map(lambda cell: bool(QUOTED_CELL.fullmatch(cell))).any(axis=1).sum())
    number = enclosed if 2 * enclosed > len(cells) else quoted
    problem = f"{number:,} texts are quoted as in a .csv file; in a .tsv file quotes are part of the text"
    return [f"{title(cells)}: {problem}"] if number else []


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


def _parts(settings: Data) -> Iterator[tuple[str, _Part]]:
    """The part of each language if each has its own, else that of all, with the first language."""
    columns = settings.columns
    assert columns
    first, *others = settings.languages
    if columns.language or not others:
        part = _open(settings, None if columns.language else first, has_parts=False)
        _require_training_rows(part, settings.source)
        yield first, part
        return
    if settings.configuration:
        raise KdbookError(
            "data.configuration is the same for all languages; name the column of the language in "
            "data.columns.language"
        )
    for language in settings.languages:
        part = _open(settings, language, has_parts=True)
        if language not in settings.languages_without_labels:
            _require_training_rows(part, f"{settings.source}, {language}")
        yield language, part


def _require_training_rows(part: _Part, where: str) -> None:
    if "train" not in part.readers:
        there = f"; it has {', '.join(part.names)}" if part.names else "; it is empty"
        raise KdbookError(
            f"{where} has no training file; expected train{', train'.join(files.FORMATS)}{there}"
        )


def _open(settings: Data, language: str | None, has_parts: bool) -> _Part:
    """The readers of a source.

    Parameters
    ----------
    settings
        Where the source is.
    language
        Names the folder or configuration; None where a column names the language of each row.
    has_parts
        Whether each language has a folder or configuration of its own; a single language may have one.
    """
    path = hub.local_path(settings.source)
    if path is None:
        configuration = settings.configuration or (language if has_parts else None)
        readers, unused = hub.splits(settings.source, configuration, SPLIT_NAMES, language)
        return _Part(readers, [f"{settings.source}: the split {name!r} is not used" for name in unused])
    if is_dir(path):
        has_folder = language is not None and (has_parts or is_dir(path / language))
        return _open_folder(path / str(language) if has_folder else path)
    if has_parts:
        raise KdbookError(f"{path} holds several languages; name their column in data.columns.language")
    return _Part({"train": partial(files.read, path)}, _beside(path))


def _open_folder(folder: Path) -> _Part:
    """The readers of a directory, and the names of files that are none of a split."""
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
    return _Part({split: partial(files.read, file) for split, file in chosen.items()}, notes, names)


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


def _file(folder: Path, entries: Iterable[Path], stems: Sequence[str]) -> Path | None:
    """The file of a split, whatever the case of its name."""
    names = _file_names(stems)
    existing = [path for path in entries if path.name.lower() in names and path.is_file()]
    if len(existing) > 1:
        raise KdbookError(f"{folder} has {existing[0].name} and {existing[1].name}; keep one of them")
    return existing[0] if existing else None


def _without_labels(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The training rows that have labels, and all others, those of the split for them included."""
    train = frames["train"]
    empty = train["label"].isna()
    others = [train[empty], *([frames[UNLABELLED].assign(label=None)] if UNLABELLED in frames else [])]
    return {
        "train": train[~empty].reset_index(drop=True),
        UNLABELLED: pd.concat(others, ignore_index=True),
    }
