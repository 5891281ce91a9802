"""Which rows of a data set can't be used, and why. Such rows are dropped and counted, never repaired."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

PLACEHOLDER = "NS"  # PAWS-X writes it where translators had no sentence
TEXTS = ("sentence1", "sentence2")  # columns of text; data of single texts have the first alone
REASONS = {
    "other language": "language not among those of the profile",
    "unlabelled": "no label",
    "placeholder": f'a text is the placeholder "{PLACEHOLDER}"',
    "blank": "a text is blank",
    "conflict": "another label in another language for the same id",
}


@dataclass(frozen=True)
class Audit:
    """The rows that were kept, and the dropped ones with a column ``reason`` (a key of :data:`REASONS`)."""

    kept: pd.DataFrame
    dropped: pd.DataFrame

    def differing_ids(self) -> int:
        """Number of ids whose label differs between languages, among all rows read."""
        rows = pd.concat([self.kept, self.dropped])
        labels = rows["label"].dropna().groupby(rows["id"])
        return int((labels.min() != labels.max()).sum())

    def counts(self) -> pd.DataFrame:
        """Rows read, dropped for each reason, and kept, for each language."""
        languages = list(dict.fromkeys([*self.kept["language"], *self.dropped["language"]]))
        table = pd.crosstab(self.dropped["language"], self.dropped["reason"])
        table = table.reindex(index=languages, columns=list(REASONS), fill_value=0)
        kept = self.kept["language"].value_counts().reindex(languages, fill_value=0)
        table.insert(0, "read", table.sum(axis=1) + kept)
        return table.assign(kept=kept).rename_axis(index="language", columns=None).astype(int)


def texts(rows: pd.DataFrame) -> list[str]:
    """The columns of text that some rows have: one, or for pairs two."""
    return [column for column in TEXTS if column in rows.columns]


def audit(
    rows: pd.DataFrame,
    languages: Sequence[str] | None = None,
    placeholder: str | None = PLACEHOLDER,
    labelled: bool = True,
) -> Audit:
    """Split the rows of one split, all languages together, into usable and unusable ones.

    Parameters
    ----------
    rows
        Columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label``, NaN where it is
        missing; an id occurs at most once per language.
    languages
        The languages that are used, by default all.
    placeholder
        What the source writes where it has no text, if it does.
    labelled
        Whether the rows have labels; where they have none, the column ``label`` stays empty.

    Returns
    -------
    Every row is either kept or dropped for the first reason of :data:`REASONS` that applies.
    """
    sentences = rows[texts(rows)].fillna("").apply(lambda column: column.astype(str).str.strip())
    flags = pd.DataFrame(
        {
            "other language": ~rows["language"].isin(languages) if languages else False,
            "unlabelled": rows["label"].isna() & labelled,
            "placeholder": (sentences == placeholder).any(axis=1),
            "blank": (sentences == "").any(axis=1),
        },
        index=rows.index,
    )
    usable = ~flags.any(axis=1)
    labels = rows["label"][usable & rows["label"].notna()].groupby(rows["id"])
    flags["conflict"] = (labels.transform("min") != labels.transform("max")).reindex(
        rows.index, fill_value=False
    )
    reason = flags[list(REASONS)].idxmax(axis=1).where(flags.any(axis=1))
    kept = rows[reason.isna()]
    if labelled:
        kept = kept.assign(label=kept["label"].astype(int))
    return Audit(kept, rows.assign(reason=reason)[reason.notna()])
