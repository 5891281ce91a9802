"""Audited rows in three splits."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from kdbook.data.audit import Audit, texts
from kdbook.hashing import digest_of
from kdbook.settings.arms import Rows
from kdbook.settings.data import ALL, Task

SPLITS = ("train", "validation", "test")
UNLABELLED = "unlabelled"  # a fourth split of some data


@dataclass(frozen=True)
class SourceRows:
    """All rows of a source in three splits, or four.

    Frames have the columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label`` (0 for
    the first class, NaN where it is missing). ``classes`` are the names of the labels, ``notes`` remarks on
    what was not read; ``placeholder`` is what the source writes where it has no text, if it does.
    """

    splits: dict[str, pd.DataFrame]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    placeholder: str | None = None


@dataclass(frozen=True)
class TextData:
    """Audited rows.

    Frames have columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label``.

    ``classes`` are the labels 0, 1 and so on as the source writes them, ``meanings`` their names on a page.
    ``notes`` are remarks on what looks like an oversight, each one line of text.
    The generated corpus adds ``edit`` (what distinguishes the two sentences), ``pattern`` and ``true_label``,
    from which ``label`` differs where an annotator erred.

    A fourth split, ``unlabelled``, may contain rows without a column ``label``; where their labels were
    hidden on purpose, these are in ``true_label``.
    """

    source: str
    task: Task
    languages: tuple[str, ...]
    classes: tuple[str, ...]
    meanings: tuple[str, ...]
    audits: dict[str, Audit]
    splits: dict[str, pd.DataFrame]
    notes: tuple[str, ...] = ()

    def __getitem__(self, split: str) -> pd.DataFrame:
        """The rows of a split that are used, the languages one after the other."""
        return self.splits[split]

    @property
    def test_dfs(self) -> dict[str, pd.DataFrame]:
        """The test rows of each language, and of ``all`` languages together."""
        test = self["test"]
        return {language: test[test["language"] == language] for language in self.languages} | {ALL: test}

    def sizes(self) -> pd.DataFrame:
        """Number of rows that are used by split and language, and in total."""
        counts = {split: rows["language"].value_counts() for split, rows in self.splits.items()}
        table = pd.DataFrame(counts).reindex(list(self.languages)).fillna(0).astype(int)
        return pd.concat([table, table.sum().to_frame(ALL).T])

    def audit_table(self) -> pd.DataFrame:
        """Rows read, dropped by reason, kept, and of these used, for each split and language.

        Kept rows are not used beyond the number of items that the profile asks for, and for training and
        validation in languages that it only tests.
        """
        table = pd.concat({split: each.counts() for split, each in self.audits.items()}, names=["split"])
        used = pd.concat({split: rows["language"].value_counts() for split, rows in self.splits.items()})
        return table.assign(used=used.reindex(table.index, fill_value=0).astype(int))

    @property
    def lacks_labels(self) -> bool:
        """Whether some training rows have no label, not even a hidden one."""
        others = self.splits.get(UNLABELLED)
        return others is not None and ("true_label" not in others or bool(others["true_label"].isna().any()))

    @property
    def pairs(self) -> bool:
        """Whether a row holds two texts."""
        return len(texts(self["train"])) == 2

    def examples(self, split: str, label: int, items: int = 3) -> pd.DataFrame:
        """The first items of a label that exist in all languages of the split.

        Without any, each language's first rows.
        """
        rows = self[split].query("label == @label")
        translations = rows["id"].value_counts()
        languages = self[split]["language"].nunique()
        complete = [item for item in rows["id"].drop_duplicates() if translations[item] == languages][:items]
        if complete:
            in_order = rows[rows["id"].isin(complete)]
            chosen = in_order.sort_values("id", key=lambda ids: ids.map(complete.index), kind="stable")
        else:
            chosen = rows.groupby("language", sort=False).head(items)
        named = chosen["label"].map(self.class_names())
        return chosen[["language", *texts(rows), "label"]].assign(label=named).reset_index(drop=True)

    def class_names(self) -> dict[int, str]:
        """What the source writes for each label."""
        return dict(enumerate(self.classes))

    def digest(self, rows: Rows = "all") -> str:
        """A hash of the labelled rows, or of all rows, that models see, and of their order."""
        splits = self.splits if rows == "all" else SPLITS
        return digest_of([digest_rows(self[split], _hashed(self[split], split)) for split in splits])

    def pool(self) -> pd.DataFrame:
        """All training rows, labelled ones first; the column ``label`` is not to be used for the others."""
        rows = self.splits.get(UNLABELLED)
        return self["train"] if rows is None else pd.concat([self["train"], rows], ignore_index=True)


def digest_rows(rows: pd.DataFrame, columns: Sequence[str]) -> str:
    """A hash of some columns of some rows, in their order; missing values differ from every text."""
    return digest_of([digest_of([column, *_as_json(rows[column])]) for column in columns])


def _as_json(values: pd.Series) -> list[str | None]:
    """Each value as text, None where it is missing."""
    return [None if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]


def _hashed(rows: pd.DataFrame, split: str) -> list[str]:
    """The columns of a split that decide what a model can learn from it."""
    hidden = ["true_label"] if split == UNLABELLED and "true_label" in rows else []
    return ["id", "language", *texts(rows), *(hidden if split == UNLABELLED else ["label"])]


def inputs(rows: pd.DataFrame) -> list[str]:
    """The columns that a model sees: texts and label. AutoMM would treat an id as a feature."""
    return [*texts(rows), "label"]
