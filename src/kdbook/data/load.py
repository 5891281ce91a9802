"""The data of a profile: read or generated, audited, and cut to the chosen number of items."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import pandas as pd

from kdbook.data import custom, pawsx, remarks
from kdbook.data.audit import PLACEHOLDER, Audit, audit
from kdbook.data.checks import check_audit, check_classes
from kdbook.data.classes import trained_first
from kdbook.data.dataset import SPLITS, UNLABELLED, SourceRows, TextData
from kdbook.data.generated import corpus
from kdbook.data.table import in_order_of_languages
from kdbook.errors import KdbookError
from kdbook.settings.data import GENERATED, Data

CLASSES = ("0", "1")  # of PAWS-X and the generated corpus
MEANINGS = ("different meaning", "same meaning")


@lru_cache(maxsize=4)
def load(settings: Data) -> TextData:
    """Read or generate the data that a profile names, audit every row, and take the chosen number of items.

    Raises
    ------
    KdbookError
        If the data can't be read, or too few rows are usable; the message says why.
    """
    source = SOURCES[_kind(settings)](settings)
    audits = {
        split: audit(rows, settings.languages, source.placeholder, labelled=split != UNLABELLED)
        for split, rows in source.splits.items()
    }
    for split in SPLITS:
        check_audit(audits[split], settings, split)
    splits = {split: _used(audits[split].kept, split, settings) for split in SPLITS}
    if settings.has_unlabelled_rows:
        splits |= _hide_labels(splits["train"], audits, settings)
    splits, classes, untrained = trained_first(splits, source.classes)
    check_classes(splits, classes, settings)
    meanings = MEANINGS if settings.task == "paraphrase" else classes
    notes = [*source.notes, *untrained, *remarks.on_names(source, settings), *remarks.on_duplicates(splits)]
    return TextData(
        settings.source,
        settings.task,
        settings.languages,
        classes,
        meanings,
        audits,
        splits,
        tuple(notes),
    )


def _used(kept: pd.DataFrame, split: str, settings: Data) -> pd.DataFrame:
    """The rows of a split that models see: of the chosen number of items, in the languages for this split."""
    limits = {
        "train": settings.train_items,
        "validation": settings.validation_items,
        "test": settings.test_items,
    }
    choose = _first_items_of_every_class if split == "train" else _first_items
    rows = choose(kept, limits[split], settings.seed)
    if split == "test":
        return rows
    return rows[~rows["language"].isin(settings.languages_without_labels)].reset_index(drop=True)


def _hide_labels(train: pd.DataFrame, audits: Mapping[str, Audit], settings: Data) -> dict[str, pd.DataFrame]:
    """The training rows that keep their labels, and those that lose them or have none.

    The first items by a hash keep them, so that those of a smaller number are among those of a larger one.
    """
    kept = _first_items_of_every_class(audits["train"].kept, settings.train_items, settings.seed)
    labelled = _first_items_of_every_class(train, settings.labelled_items, settings.seed)
    is_labelled = kept["id"].isin(labelled["id"]) & ~kept["language"].isin(settings.languages_without_labels)
    hidden = kept[~is_labelled]
    if "true_label" not in hidden:
        hidden = hidden.assign(true_label=hidden["label"])
    frames = [hidden, *([audits[UNLABELLED].kept] if UNLABELLED in audits else [])]
    without_labels = pd.concat(frames, ignore_index=True).drop(columns="label")
    used = _first_items(without_labels, settings.unlabelled_items, settings.seed)
    unlabelled = in_order_of_languages(used, settings.languages)
    if unlabelled.empty:
        raise KdbookError(
            f"{settings.source}: all {train['id'].nunique():,} training items have a label; set "
            "data.labelled_items to a smaller number, or leave it out"
        )
    return {"train": labelled, UNLABELLED: unlabelled}


def _generate(settings: Data) -> SourceRows:
    unknown = set(settings.languages) - set(corpus.LANGUAGES)
    if unknown:
        known = ", ".join(corpus.LANGUAGES)
        raise KdbookError(f"the generated corpus has no language {min(unknown)!r}. Choose from: {known}")
    if not (settings.train_items and settings.validation_items and settings.test_items):
        raise KdbookError("the generated corpus needs train_items, validation_items and test_items")
    items = {
        "train": settings.train_items,
        "validation": settings.validation_items,
        "test": settings.test_items,
    }
    generated = corpus.generate(items, settings.seed)
    generated["train"] = corpus.with_label_noise(
        generated["train"], settings.train_label_noise, settings.seed
    )
    splits = {
        split: in_order_of_languages(rows[rows["language"].isin(settings.languages)], settings.languages)
        for split, rows in generated.items()
    }
    return SourceRows(splits, CLASSES, placeholder=PLACEHOLDER)


def _first_items(rows: pd.DataFrame, items: int | None, seed: int) -> pd.DataFrame:
    """At most ``items`` ids, the same in every language, chosen by a hash so that the choice is fixed."""
    if items is None:
        return rows.reset_index(drop=True)
    return _of_items(rows, _in_random_order(rows["id"], seed)[:items])


def _first_items_of_every_class(rows: pd.DataFrame, items: int | None, seed: int) -> pd.DataFrame:
    """The same, with the first item of each class in place of the last items that would be chosen."""
    if items is None:
        return rows.reset_index(drop=True)
    ids = _in_random_order(rows["id"], seed)
    labels = rows.drop_duplicates("id").set_index("id")["label"]
    of_class = labels.loc[ids].drop_duplicates().index  # in the order of the ids
    if of_class.isin(ids[:items]).all():
        return _of_items(rows, ids[:items])
    others = [item for item in ids if item not in of_class]
    return _of_items(rows, [*of_class, *others][:items])


def _in_random_order(ids: pd.Series, seed: int) -> list[str]:
    """The distinct ids in the order of a hash."""
    return sorted(
        ids.drop_duplicates(), key=lambda item: hashlib.sha256(f"{seed}:{item}".encode()).hexdigest()
    )


def _of_items(rows: pd.DataFrame, items: Iterable[str]) -> pd.DataFrame:
    return rows[rows["id"].isin(set(items))].reset_index(drop=True)


def _kind(settings: Data) -> str:
    if settings.columns:
        return "custom"
    return GENERATED if settings.source == GENERATED else "PAWS-X"


SOURCES: dict[str, Callable[[Data], SourceRows]] = {
    "custom": custom.load,
    GENERATED: _generate,
    "PAWS-X": pawsx.load,
}
