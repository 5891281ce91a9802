"""The labels of custom data: which rows have a usable one, and which classes there are."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from kdbook.data.table import quoted
from kdbook.errors import KdbookError
from kdbook.settings.data import Data

LABELS = ("label", "true_label")


def usable_rows(rows: pd.DataFrame, settings: Data) -> pd.DataFrame:
    """The rows with a label in a language of the profile."""
    return rows[rows["language"].isin(settings.languages) & rows["label"].notna()]


def classes_of(frames: Mapping[str, pd.DataFrame], settings: Data) -> tuple[str, ...]:
    """The classes of the training rows, in the order of numbers where all are numbers, else in natural order;
    after them those that only other rows have.

    Raises
    ------
    KdbookError
        If the training rows have fewer than two, or no row of another split has one of theirs.
    """
    labels = usable_rows(frames["train"], settings)["label"].unique()
    classes = _in_order(labels)
    if len(classes) < 2:
        raise KdbookError(
            f"{settings.source}: the training rows have {len(classes)} class; a classifier needs at least two"
        )
    others: set[str] = set()
    for split, frame in frames.items():
        usable = usable_rows(frame, settings)["label"]
        unknown = usable[~usable.isin(classes)]
        if len(unknown) and len(unknown) == len(usable):
            is_hidden = unknown.nunique() == 1
            advice = (
                f'if its labels are hidden, leave the split out with data.ignored_splits = ["{split}"]'
                if is_hidden
                else "do both have the same labels?"
            )
            raise KdbookError(
                f"{settings.source}: the {split} rows have the class {quoted(unknown.iloc[0])!r}, which no "
                f"training row has, and none that one has; {advice}"
            )
        others |= set(unknown)
    return (*classes, *_in_order(others))


def trained_first(
    splits: Mapping[str, pd.DataFrame], classes: tuple[str, ...]
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...], list[str]]:
    """Rows and classes with those classes first that models are trained on, and a remark on each other one.

    Test rows of another class stay, and every model errs there; validation rows are left out.
    """
    known = set(splits["train"]["label"])
    if len(known) == len(classes):
        return dict(splits), classes, []
    order = sorted(range(len(classes)), key=lambda number: (number not in known, number))
    numbers = {old: new for new, old in enumerate(order)}
    renumbered = {
        split: rows.assign(**{name: rows[name].map(numbers) for name in LABELS if name in rows})
        for split, rows in splits.items()
    }
    validation = renumbered["validation"]
    selecting = validation[validation["label"] < len(known)].reset_index(drop=True)
    remarks = [
        f"no training row that is used has the label {quoted(classes[number])!r}: its "
        f"{(splits['test']['label'] == number).sum():,} test rows count as errors, and its "
        f"{(validation['label'] == numbers[number]).sum():,} validation rows are left out"
        for number in order[len(known) :]
    ]
    return renumbered | {"validation": selecting}, tuple(classes[number] for number in order), remarks


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    labels = list(labels)
    return tuple(sorted(labels, key=_numeric if all(map(_is_number, labels)) else _natural))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", text, re.ASCII) is not None


def _numeric(text: str) -> tuple[float, str]:
    return float(text), text


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts ``class 2`` before ``class 10``."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", text, flags=re.ASCII)
    ]
