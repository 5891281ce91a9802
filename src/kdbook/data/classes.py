"""The labels of custom data: which rows have a usable one, and which classes there are."""

import re
from collections.abc import Mapping

import pandas as pd

from kdbook.data.dataset import UNLABELLED
from kdbook.data.table import quoted
from kdbook.errors import KdbookError
from kdbook.settings.data import Data


def usable_rows(rows: pd.DataFrame, settings: Data) -> pd.DataFrame:
    """The rows with a label in a language of the profile."""
    return rows[rows["language"].isin(settings.languages) & rows["label"].notna()]


def check_labels(frames: Mapping[str, pd.DataFrame], settings: Data) -> None:
    """Stop where a split has no label, or there are about as many classes as rows.

    Raises
    ------
    KdbookError
        If it is so; the message says what to do.
    """
    for split, frame in frames.items():
        if split != UNLABELLED and len(frame) and frame["label"].isna().all():
            advice = (
                f'leave the split out with data.ignored_splits = ["{split}"] (kdbook new --without {split}), '
                "and a tenth of the training rows takes its place"
                if split != "train"
                else "is data.columns.label right?"
            )
            raise KdbookError(f"{settings.source}: no {split} row has a label; {advice}")
    train = usable_rows(frames["train"], settings)
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


def classes_of(frames: Mapping[str, pd.DataFrame], settings: Data) -> tuple[str, ...]:
    """The classes of the training rows, in the order of numbers where all are numbers, else in natural order.

    Raises
    ------
    KdbookError
        If there are fewer than two, or another split has a class that the training rows lack.
    """
    labels = usable_rows(frames["train"], settings)["label"].unique()
    classes = tuple(sorted(labels, key=_numeric if all(map(_is_number, labels)) else _natural))
    if len(classes) < 2:
        raise KdbookError(
            f"{settings.source}: the training rows have {len(classes)} class; a classifier needs at least two"
        )
    for split, frame in frames.items():
        usable = usable_rows(frame, settings)["label"]
        unknown = usable[~usable.isin(classes)]
        if len(unknown):
            hidden = len(unknown) == len(usable) and unknown.nunique() == 1 and split != "train"
            advice = (
                f'if its labels are hidden, leave the split out with data.ignored_splits = ["{split}"]'
                if hidden
                else "give it more rows, or drop it"
            )
            raise KdbookError(
                f"{settings.source}: the {split} rows have the class {quoted(unknown.iloc[0])!r}, which no "
                f"training row has; {advice}"
            )
    return classes


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
