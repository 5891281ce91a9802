"""What looks like an oversight in data that can still be used: it is reported, and nothing is changed."""

from collections.abc import Iterable, Mapping

import pandas as pd

from kdbook.data.audit import REASONS, texts
from kdbook.data.dataset import SourceRows, TextData
from kdbook.data.statistics import word_counts
from kdbook.settings.data import Data
from kdbook.settings.names import skeleton

WITHOUT_BLANKS = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # scripts


def on_names(source: SourceRows, settings: Data) -> list[str]:
    """Classes whose names are nearly the same, and languages that are left out."""
    languages = pd.concat(source.splits.values())["language"].value_counts()
    remarks = [
        f"the {kind} {', '.join(map(ascii_or_plain, group))} differ only in spelling"
        for kind, names in (("classes", source.classes), ("languages", settings.languages))
        for group in _alike(names)
    ]
    for name, rows in languages[~languages.index.isin(settings.languages)].items():
        remark = f"{rows:,} rows in the language {name!r} are left out"
        alike = [known for known in settings.languages if skeleton(known) == skeleton(str(name))]
        remarks.append(f"{remark}; should it be {alike[0]!r}?" if alike else remark)
    return remarks


def on_duplicates(splits: Mapping[str, pd.DataFrame]) -> list[str]:
    """Texts that test rows share with another split, and texts with different labels, among the rows that are
    used. Blanks do not count.
    """
    rows = pd.concat([frame.assign(split=split) for split, frame in splits.items()], ignore_index=True)
    columns = ["language", *texts(rows)]
    for column in texts(rows):
        rows[column] = rows[column].str.split().str.join(" ")
    repeated = rows[rows.duplicated(columns, keep=False)]
    groups = repeated.groupby(columns, sort=False)
    is_tested = groups["split"].agg(lambda names: "test" in set(names) and len(set(names)) > 1)
    counts = {
        "in the test rows and in another split, which flatters the results": is_tested.astype(bool),
        "with different labels": groups["label"].nunique() > 1,
    }
    return [f"{_count(int(found.sum()))} {where}" for where, found in counts.items() if found.any()]


def on_dropped_rows(data: TextData) -> list[str]:
    """How many rows are dropped for each reason."""
    counts = data.audit_table()[list(REASONS)].sum()
    return [
        f"{number:,} {'row is' if number == 1 else 'rows are'} dropped: {REASONS[str(name)]}"
        for name, number in counts.items()
        if number
    ]


def on_long_texts(rows: pd.DataFrame, longest: int) -> list[str]:
    """How many rows are likely to be cut to the ``longest`` number of tokens: a word is at least one, and in
    scripts without blanks two characters are about one.
    """
    characters = rows[texts(rows)].apply(lambda column: column.str.count(WITHOUT_BLANKS)).sum(axis=1)
    number = int(((word_counts(rows) > longest) | (characters > 2 * longest)).sum())
    share = f"{number:,} of {len(rows):,} training rows have more than {longest} words"
    or_more = (
        f", or {2 * longest} characters of a script without blanks"
        if (characters > 2 * longest).any()
        else ""
    )
    return [f"{share}{or_more}, and models read at most {longest} tokens of a row"] if number else []


def ascii_or_plain(name: str) -> str:
    """A name in quotes, with the codes of characters that can't be told apart from others."""
    return repr(name) if name.isascii() else ascii(name)


def _count(number: int) -> str:
    return "1 text occurs" if number == 1 else f"{number:,} texts occur"


def _alike(names: Iterable[str]) -> Iterable[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(skeleton(name), []).append(name)
    return (group for group in groups.values() if len(group) > 1)
