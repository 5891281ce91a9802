"""Checks of cells, rows and splits: what can't be used is refused in one line, with its place and what to do.

Each check raises a :class:`kdbook.errors.KdbookError`. The index of the columns that are checked gives the
places of their rows (see :mod:`kdbook.data.table`).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from kdbook.data.audit import Audit
from kdbook.data.classes import usable_rows
from kdbook.data.dataset import UNLABELLED
from kdbook.data.table import quoted
from kdbook.errors import KdbookError
from kdbook.settings.data import Data
from kdbook.settings.names import name_problem

MAX_CELL_CHARACTERS = 1_000_000
CONTAINERS = (list, tuple, dict, bytes)
UNWRITABLE = re.compile("[\0\ud800-\udfff]")
MAX_CONFLICTING_SHARE = 0.2  # of the ids; PAWS-X has about 0.02, and more can't be explained by translation
MIN_CONFLICTS = 5  # ids; fewer may be mistranslated one by one


def refuse(
    values: pd.Series, is_faulty: pd.Series, problem: Callable[[Any], str], show_column: bool = False
) -> None:
    """Stop at the first faulty value of a column; ``problem`` is what is wrong with it, and what to do."""
    if is_faulty.any():
        position = int(is_faulty.to_numpy(bool).argmax())
        column = f" (column {quoted(str(values.name))!r})" if show_column else ""
        raise KdbookError(f"{_place(values, position)}: {problem(values.iloc[position])}{column}")


def _place(rows: pd.Series | pd.DataFrame, position: int) -> str:
    return f"{rows.index.name} {rows.index[position]}"


def as_text(rows: pd.DataFrame, longest: int | None = MAX_CELL_CHARACTERS) -> pd.DataFrame:
    """All cells as text of at most ``longest`` characters, truth values as in JSON; empty where a value is
    missing: null, not a number, or infinite.
    """
    return pd.DataFrame({column: _as_text(rows[column], longest) for column in rows}, index=rows.index)


def _as_text(values: pd.Series, longest: int | None) -> pd.Series:
    if pd.api.types.infer_dtype(values, skipna=False) not in ("string", "empty"):
        refuse(values, values.map(lambda value: isinstance(value, CONTAINERS)), _not_text, show_column=True)
        values = values.map(lambda value: "" if is_missing(value) else as_json(value)).astype(object)
    if longest:
        advice = f"more than {longest:,} are implausible; check the line ends"
        refuse(
            values,
            values.str.len() > longest,
            lambda cell: f"a cell has {len(cell):,} characters; {advice}",
            show_column=True,
        )
    return writable(values)


def _not_text(value: object) -> str:
    return f"{quoted(str(value))!r} is neither text nor number; choose a column with one value per row"


def is_missing(value: object) -> bool:
    """Whether a value is null, not a number, or infinite."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or (isinstance(value, Decimal) and not value.is_finite())


def as_json(value: object) -> str:
    """A value as text, with truth values as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def writable(cells: pd.Series) -> pd.Series:
    """The texts of a column, of which each can be written to a file."""
    refuse(cells, cells.str.contains(UNWRITABLE), unwritable, show_column=True)
    return cells


def unwritable(text: str) -> str:
    """Why a text can't be written to a file; empty if it can."""
    if "\0" in text:
        return "a cell contains a character of code 0; remove it"
    if UNWRITABLE.search(text):
        return f"{quoted(text)!r} contains half of a surrogate pair, not a character; repair it"
    return ""


def refuse_repeated(rows: pd.DataFrame, key: Sequence[str], advice: str) -> None:
    """Stop at the first row whose id, the first column of the ``key``, occurs before."""
    repeated = rows.duplicated(list(key)).to_numpy()
    if repeated.any():
        position = int(repeated.argmax())
        is_same = (rows[list(key)] == rows[list(key)].iloc[position]).all(axis=1).to_numpy()
        before = _place(rows, int(is_same.argmax())).rpartition(", ")[2]
        item = quoted(rows[key[0]].iloc[position])
        raise KdbookError(f"{_place(rows, position)}: the id {item!r} was given before ({before}); {advice}")


def refuse_bad_names(names: pd.Series) -> None:
    """Stop at the first name of a class or language that pages, figures and files can't show."""
    problems = {name: name_problem(name) for name in names.unique()}
    refuse(names, names.map(problems) != "", problems.__getitem__)


def check_labels(splits: Mapping[str, pd.DataFrame], settings: Data) -> None:
    """Stop where a split has no label, or there are about as many classes as rows."""
    for split, rows in splits.items():
        if split != UNLABELLED and len(rows) and rows["label"].isna().all():
            advice = (
                f'leave the split out with data.ignored_splits = ["{split}"] (kdbook new --without {split}), '
                "and a tenth of the training rows takes its place"
                if split != "train"
                else "is data.columns.label right?"
            )
            raise KdbookError(f"{settings.source}: no {split} row has a label; {advice}")
    train = usable_rows(splits["train"], settings)
    if train.empty:
        names = ", ".join(settings.languages)
        raise KdbookError(
            f"{settings.source}: there is no labelled training row in {names}; are data.languages right?"
        )
    classes = train["label"].nunique()
    if classes > len(train) / 2:
        raise KdbookError(
            f"{settings.source}: {classes} classes for {len(train)} training rows; is data.columns.label "
            "right?"
        )


def check_audit(result: Audit, settings: Data, split: str) -> None:
    """Stop if nothing of a language is usable, or if the languages can't be translations of each other."""
    where = f"{settings.source}: {split}"
    _check_alignment(result, where)
    zero_shot = settings.languages_without_labels if split != "test" else ()
    for language in settings.languages:
        if language not in zero_shot and not (result.kept["language"] == language).any():
            reasons = result.dropped.loc[result.dropped["language"] == language, "reason"].value_counts()
            dropped = ", ".join(f"{count} dropped as {reason}" for reason, count in reasons.items())
            raise KdbookError(
                f"{where}: no usable row in the language {language!r} ({dropped or 'there is none'})"
            )


def _check_alignment(result: Audit, where: str) -> None:
    conflicts = result.dropped[result.dropped["reason"] == "conflict"]
    aligned = pd.concat([result.kept[result.kept["id"].duplicated(keep=False)], conflicts])
    ids, different = aligned["id"].nunique(), conflicts["id"].nunique()
    shares = aligned["label"].value_counts(normalize=True)
    by_chance = float(1 - (shares**2).sum())  # ids that differ if the labels of two languages are independent
    is_chance = different >= MIN_CONFLICTS and different > by_chance / 2 * ids
    if different > MAX_CONFLICTING_SHARE * ids or is_chance:
        raise KdbookError(
            f"{where}: for {different} of {ids} ids the languages differ in the label (labels of unrelated "
            f"texts would for {by_chance:.0%}), so the ids are not aligned; give translations of a text the "
            "same id, and other texts ids of their own"
        )


def check_classes(splits: Mapping[str, pd.DataFrame], classes: tuple[str, ...], settings: Data) -> None:
    """Stop if there is nothing to tell apart, or nothing to select an epoch by.

    In pairs of sentences both classes are needed.
    """
    trained = splits["train"]["label"].nunique()
    if trained < (2 if settings.columns else len(classes)):
        raise KdbookError(
            f"{settings.source}: no training row that is used has the label {classes[trained]!r}; use more "
            "rows"
        )
    if splits["validation"].empty:
        raise KdbookError(
            f"{settings.source}: no validation row has a label of a training row; use more training rows"
        )
