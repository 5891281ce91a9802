"""The data of a profile: read or generated, audited, and cut to the chosen number of items."""

import hashlib
from functools import lru_cache
from pathlib import Path

import pandas as pd

from kdbook.data import custom, pawsx
from kdbook.data.audit import Audit, audit
from kdbook.data.dataset import SPLITS, TextData
from kdbook.data.generated import corpus
from kdbook.data.table import in_order_of_languages
from kdbook.errors import KdbookError
from kdbook.settings.profile import GENERATED, Data

MAX_CONFLICTING_SHARE = 0.2  # of the ids; PAWS-X has about 0.02, and more can't be explained by translation
CLASSES = ("0", "1")  # of PAWS-X
MEANINGS = ("different meaning", "same meaning")


@lru_cache(maxsize=4)
def load(settings: Data) -> TextData:
    """Read or generate the data that a profile names, audit every row, and take the chosen number of items.

    Raises
    ------
    KdbookError
        If the data can't be read, or too few rows are usable; the message says why.
    """
    rows_by_split, classes = custom.load(settings) if settings.columns else (_read(settings), CLASSES)
    audits = {split: audit(rows_by_split[split]) for split in SPLITS}
    for split, result in audits.items():
        _check_usable(result, f"{settings.source}: {split}", settings.languages)
    limits = {
        "train": settings.train_items,
        "validation": settings.validation_items,
        "test": settings.test_items,
    }
    splits = {split: _first_items(audits[split].kept, limits[split], settings.seed) for split in SPLITS}
    for split in ("train", "validation"):
        zero_shot = splits[split]["language"].isin(settings.zero_shot_languages)
        splits[split] = splits[split][~zero_shot].reset_index(drop=True)
    _check_classes(splits, classes, settings.source)
    meanings = MEANINGS if settings.task == "paraphrase" else classes
    return TextData(settings.source, settings.task, settings.languages, classes, meanings, audits, splits)


def _read(settings: Data) -> dict[str, pd.DataFrame]:
    """All rows of every split of PAWS-X or the generated corpus, all languages in one frame."""
    if settings.source == GENERATED:
        return _generate(settings)
    directory = Path(settings.source).expanduser()
    if not directory.is_dir() and _looks_like_a_path(settings.source):
        raise KdbookError(f"the data directory {settings.source!r} does not exist")
    by_language = {
        language: pawsx.from_directory(directory, language)
        if directory.is_dir()
        else pawsx.from_hub(settings.source, language)
        for language in settings.languages
    }
    return {
        split: pd.concat(
            [by_language[language][split].assign(language=language) for language in settings.languages],
            ignore_index=True,
        )
        for split in SPLITS
    }


def _generate(settings: Data) -> dict[str, pd.DataFrame]:
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
    return {split: in_order_of_languages(rows, settings.languages) for split, rows in generated.items()}


def _check_usable(result: Audit, where: str, languages: tuple[str, ...]) -> None:
    """Stop if nothing of a language is usable, or if the languages can't be translations of each other."""
    conflicts = result.dropped.loc[result.dropped["reason"] == "conflict", "id"].nunique()
    in_several_languages = int((result.kept["id"].value_counts() > 1).sum())
    if conflicts > MAX_CONFLICTING_SHARE * (conflicts + in_several_languages):
        raise KdbookError(
            f"{where}: for {conflicts} of {conflicts + in_several_languages} ids the languages differ in "
            "the label, so the ids are not aligned; give translations of a pair the same id"
        )
    for language in languages:
        if not (result.kept["language"] == language).any():
            reasons = result.dropped.loc[result.dropped["language"] == language, "reason"].value_counts()
            dropped = ", ".join(f"{count} dropped as {reason}" for reason, count in reasons.items())
            raise KdbookError(
                f"{where}: no usable row in the language {language!r} ({dropped or 'there is none'})"
            )


def _check_classes(splits: dict[str, pd.DataFrame], classes: tuple[str, ...], source: str) -> None:
    """Stop if a class has no training row, since no model could learn it."""
    missing = set(range(len(classes))) - set(splits["train"]["label"])
    if missing:
        name = classes[min(missing)]
        raise KdbookError(
            f"{source}: no training row that is used has the label {name!r}; use more, or drop that class"
        )


def _first_items(rows: pd.DataFrame, items: int | None, seed: int) -> pd.DataFrame:
    """At most ``items`` ids, the same in every language, chosen by a hash so that the choice is fixed."""
    ids = rows["id"].drop_duplicates()
    if items is None or len(ids) <= items:
        return rows.reset_index(drop=True)
    rank = ids.map(lambda value: hashlib.sha256(f"{seed}:{value}".encode()).hexdigest())
    chosen = set(ids[rank.sort_values().index[:items]])
    return rows[rows["id"].isin(chosen)].reset_index(drop=True)


def _looks_like_a_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or source.count("/") > 1
