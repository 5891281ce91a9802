"""Validation and test rows taken from the training rows, where a source has none of its own."""

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd

from kdbook.data.audit import texts
from kdbook.data.dataset import SPLITS
from kdbook.errors import KdbookError

SPLIT_OFF = 0.1  # of the training rows


def in_three(
    frames: Mapping[str, pd.DataFrame], usable: pd.Index, by_id: bool, source: str
) -> dict[str, pd.DataFrame]:
    """All three splits, the missing ones taken from the training rows.

    Parameters
    ----------
    frames
        The splits that exist; ``train`` does.
    usable
        Index of the training rows that can be used; only these are taken.
    by_id
        Whether rows of one id stay together; else rows of one text do.
    source
        What messages call the data.

    Raises
    ------
    KdbookError
        If there are too few rows.
    """
    missing = [split for split in SPLITS if split not in frames]
    train = frames["train"]
    items = train["id"] if by_id else train[texts(train)].apply("\x1f".join, axis=1)
    split_of_row = items.map(_split_off(items[usable], train.loc[usable], missing))
    for split in missing:
        if not (split_of_row == split).any():
            raise KdbookError(
                f"{source}: {len(usable)} rows with {items[usable].nunique()} distinct "
                f"{'ids' if by_id else 'texts'} are too few to split off {split} rows; give more, or a "
                f"{split} file"
            )
    taken = {split: train[split_of_row == split] for split in missing}
    splits = {**frames, "train": train[split_of_row.isna()], **taken}
    return {split: frame.reset_index(drop=True) for split, frame in splits.items()}


def _split_off(items: pd.Series, rows: pd.DataFrame, splits: Sequence[str]) -> dict[str, str]:
    """For each split a tenth of the items with the same languages and labels, at least one where there are
    enough.
    """
    contents: dict[str, set[tuple[str, str]]] = {}
    for item, language, label in zip(items, rows["language"], rows["label"], strict=True):
        contents.setdefault(item, set()).add((language, label))
    strata: dict[frozenset[tuple[str, str]], list[str]] = {}
    for item, content in contents.items():
        strata.setdefault(frozenset(content), []).append(item)
    split_of_item = {}
    for members in strata.values():
        members.sort(key=lambda item: hashlib.sha256(item.encode()).digest())
        share = max(1, round(SPLIT_OFF * len(members)))
        if len(members) > share * len(splits):
            for number, split in enumerate(splits):
                split_of_item.update(dict.fromkeys(members[number * share : (number + 1) * share], split))
    return split_of_item
