"""What looks like an oversight in data that can be used all the same. It is said, and nothing is changed."""

import unicodedata
from collections.abc import Iterable, Mapping

import pandas as pd

from kdbook.data.audit import REASONS, texts
from kdbook.data.custom import SourceRows
from kdbook.data.dataset import TextData
from kdbook.data.statistics import word_counts
from kdbook.settings.data import Data


def on_names(source: SourceRows, settings: Data) -> list[str]:
    """Classes whose names are nearly the same, and languages that are left out."""
    languages = pd.concat(source.splits.values())["language"].value_counts()
    remarks = [
        f"the classes {', '.join(map(repr, group))} differ only in spelling" for group in _alike(source)
    ]
    for name, rows in languages[~languages.index.isin(settings.languages)].items():
        remark = f"{rows:,} rows in the language {name!r} are left out"
        alike = [known for known in settings.languages if _spelling(known) == _spelling(str(name))]
        remarks.append(f"{remark}; should it be {alike[0]!r}?" if alike else remark)
    return remarks


def on_duplicates(splits: Mapping[str, pd.DataFrame]) -> list[str]:
    """Texts that occur in several splits, and texts with different labels, among the rows that are used."""
    rows = pd.concat([frame.assign(split=split) for split, frame in splits.items()], ignore_index=True)
    columns = ["language", *texts(rows)]
    repeated = rows[rows.duplicated(columns, keep=False)]
    groups = repeated.groupby(columns, sort=False)
    counts = {
        "in more than one split, which flatters the results on test rows": groups["split"].nunique() > 1,
        "with different labels": groups["label"].nunique() > 1,
    }
    return [f"{_count(int(found.sum()))} {where}" for where, found in counts.items() if found.any()]


def on_dropped_rows(data: TextData) -> list[str]:
    """How many rows are dropped for each reason."""
    counts = data.audit_table()[list(REASONS)].sum()
    return [f"{number:,} rows are dropped: {REASONS[str(name)]}" for name, number in counts.items() if number]


def on_long_texts(rows: pd.DataFrame, longest: int) -> list[str]:
    """How many rows are certainly cut to the ``longest`` number of tokens, since a word is at least one."""
    number = int((word_counts(rows) > longest).sum())
    share = f"{number:,} of {len(rows):,} training rows have more than {longest} words"
    return [f"{share}, and models read at most {longest} tokens of a row"] if number else []


def _count(number: int) -> str:
    return "1 text occurs" if number == 1 else f"{number:,} texts occur"


def _alike(source: SourceRows) -> Iterable[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in source.classes:
        groups.setdefault(_spelling(name), []).append(name)
    return (group for group in groups.values() if len(group) > 1)


def _spelling(name: str) -> str:
    """The same for names that differ in case, in the form of Unicode, or in how a number is written."""
    folded = unicodedata.normalize("NFKC", name).casefold().replace("_", "-")
    try:
        return str(float(folded))
    except ValueError:
        return folded
