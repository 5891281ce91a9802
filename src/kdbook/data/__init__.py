"""Texts, or pairs of texts, for training, validation and test, from any source, audited."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from kdbook import profile
from kdbook.data import corpus, own, pawsx
from kdbook.data.audit import Audit, audit, texts
from kdbook.errors import KdbookError

SPLITS = ("train", "validation", "test")
MISALIGNED = 0.2  # share of ids with conflicting labels that no translation explains; PAWS-X has about 0.02
CLASSES = ("0", "1")  # of PAWS-X
MEANINGS = ("different meaning", "same meaning")


@dataclass(frozen=True)
class TextData:
    """Audited rows; frames have the columns ``id``, ``language``, ``sentence1``, for pairs ``sentence2``, and ``label``.

    ``classes`` are the labels 0, 1 and so on as the source writes them, ``meanings`` what they are called on a page. The generated
    corpus adds ``edit`` (what distinguishes the two sentences), ``pattern`` and ``true_label``, from which ``label`` differs where
    an annotator erred.
    """

    source: str
    languages: tuple[str, ...]
    classes: tuple[str, ...]
    meanings: tuple[str, ...]
    audits: dict[str, Audit]
    splits: dict[str, pd.DataFrame]

    def __getitem__(self, split: str) -> pd.DataFrame:
        """The rows of a split that are used, the languages one after the other."""
        return self.splits[split]

    @property
    def test_dfs(self) -> dict[str, pd.DataFrame]:
        """The test rows of each language, and of ``all`` languages together."""
        test = self["test"]
        return {language: test[test["language"] == language] for language in self.languages} | {"all": test}

    def sizes(self) -> pd.DataFrame:
        """Number of rows that are used by split and language, and in total."""
        counts = {split: self[split]["language"].value_counts() for split in SPLITS}
        table = pd.DataFrame(counts).reindex(list(self.languages)).fillna(0).astype(int)
        return pd.concat([table, table.sum().to_frame("all").T])

    def audit_table(self) -> pd.DataFrame:
        """Rows read, dropped by reason, and kept, for each split and language."""
        return pd.concat({split: self.audits[split].counts() for split in SPLITS}, names=["split"])

    @property
    def pairs(self) -> bool:
        """Whether a row holds two texts."""
        return len(texts(self["train"])) == 2

    @property
    def paraphrases(self) -> bool:
        """Whether these are pairs of which the label says if they mean the same, as in PAWS-X."""
        return self.meanings == MEANINGS

    def examples(self, split: str, label: int, items: int = 3) -> pd.DataFrame:
        """The first items of a label that all languages of the split have; where there is none, the first rows of each language."""
        rows = self[split].query("label == @label")
        ids = rows["id"].value_counts()
        complete = [name for name in rows["id"].drop_duplicates() if ids[name] == self[split]["language"].nunique()][:items]
        if complete:
            chosen = rows[rows["id"].isin(complete)].sort_values("id", key=lambda column: column.map(complete.index), kind="stable")
        else:
            chosen = rows.groupby("language", sort=False).head(items)
        return chosen[["language", *texts(rows), "label"]].assign(label=chosen["label"].map(self.named())).reset_index(drop=True)

    def named(self) -> dict[int, str]:
        """What the source writes for each label."""
        return dict(enumerate(self.classes))

    def digest(self) -> str:
        """A hash of the rows that models see, and of their order."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for column in ("id", "language", *inputs(self[split])):
                digest.update("\x1f".join(map(str, self[split][column])).encode())
            digest.update(b"\x1e")
        return digest.hexdigest()


def inputs(rows: pd.DataFrame) -> list[str]:
    """The columns that a model sees: texts and label. AutoMM would take an id for a feature."""
    return [*texts(rows), "label"]


@lru_cache(maxsize=4)
def load(settings: profile.Data) -> TextData:
    """Read or generate the data that a profile names, audit every row, and take the chosen number of items."""
    raw, classes = own.load(settings) if settings.columns else (_read(settings), CLASSES)
    audits = {split: audit(raw[split]) for split in SPLITS}
    for split, result in audits.items():
        _check_usable(result, f"{settings.source}: {split}", settings.languages)
    splits = {split: _limit(audits[split].kept, getattr(settings, f"{split}_items"), settings.seed) for split in SPLITS}
    for split in ("train", "validation"):
        splits[split] = splits[split][~splits[split]["language"].isin(settings.unseen)].reset_index(drop=True)
    _check_classes(splits, classes, settings.source)
    meanings = classes if settings.columns else MEANINGS
    return TextData(settings.source, settings.languages, classes, meanings, audits, splits)


def word_overlap(pairs: pd.DataFrame) -> pd.Series:
    """Jaccard overlap of the word sets of the two texts of each row, between 0 and 1."""

    def share(first: str, second: str) -> float:
        a, b = (set(text.lower().strip(". ").split()) for text in (first, second))
        return len(a & b) / len(a | b) if a | b else 1.0

    return pd.Series([share(*pair) for pair in zip(pairs["sentence1"], pairs["sentence2"], strict=True)], index=pairs.index, dtype=float)


def word_counts(rows: pd.DataFrame) -> pd.Series:
    """Number of words between spaces in all texts of each row."""
    return rows[texts(rows)].map(lambda text: len(text.split())).sum(axis=1)


def describe_label_noise(train: pd.DataFrame) -> str:
    """How many training labels are wrong, in a line of Markdown."""
    if "true_label" not in train:
        return "Nobody knows which labels of these rows are wrong."
    share = (train["label"] != train["true_label"]).mean()
    return f"**{100 * share:.1f} % of the {len(train):,} training labels are wrong.**"


def _read(settings: profile.Data) -> dict[str, pd.DataFrame]:
    """All rows of every split, all languages in one frame."""
    if settings.source == profile.GENERATED:
        return _generate(settings)
    directory = Path(settings.source).expanduser()
    if not directory.is_dir() and _looks_like_a_path(settings.source):
        raise KdbookError(f"the data directory {settings.source!r} does not exist")
    splits = {
        language: pawsx.from_directory(directory, language) if directory.is_dir() else pawsx.from_hub(settings.source, language)
        for language in settings.languages
    }
    return {
        split: pd.concat([splits[language][split].assign(language=language) for language in settings.languages], ignore_index=True)
        for split in SPLITS
    }


def _generate(settings: profile.Data) -> dict[str, pd.DataFrame]:
    unknown = set(settings.languages) - set(corpus.LANGUAGES)
    if unknown:
        raise KdbookError(f"the generated corpus has no language {min(unknown)!r}. Choose from: {', '.join(corpus.LANGUAGES)}")
    items = {split: getattr(settings, f"{split}_items") for split in SPLITS}
    if None in items.values():
        raise KdbookError("the generated corpus needs train_items, validation_items and test_items")
    generated = corpus.generate(items, settings.seed)
    generated["train"] = corpus.with_label_noise(generated["train"], settings.train_label_noise, settings.seed)
    order = {language: rank for rank, language in enumerate(settings.languages)}
    return {
        split: rows[rows["language"].isin(order)].sort_values(
            "language", key=lambda column: column.map(order), kind="stable", ignore_index=True
        )
        for split, rows in generated.items()
    }


def _check_usable(result: Audit, where: str, languages: tuple[str, ...]) -> None:
    """Stop if nothing of a language can be used, or if the languages can't be translations of each other."""
    conflicts = result.dropped.loc[result.dropped["reason"] == "conflict", "id"].nunique()
    several = int((result.kept["id"].value_counts() > 1).sum())
    if conflicts > MISALIGNED * (conflicts + several):
        raise KdbookError(
            f"{where}: for {conflicts} of {conflicts + several} ids the languages differ in the label, "
            "so the ids are not aligned; give translations of a pair the same id"
        )
    for language in languages:
        if not (result.kept["language"] == language).any():
            reasons = result.dropped.loc[result.dropped["language"] == language, "reason"].value_counts()
            found = ", ".join(f"{count} dropped as {reason}" for reason, count in reasons.items()) or "there is none"
            raise KdbookError(f"{where}: no usable row in the language {language!r} ({found})")


def _check_classes(splits: dict[str, pd.DataFrame], classes: tuple[str, ...], source: str) -> None:
    """A model can't learn what no training row shows."""
    lacking = set(range(len(classes))) - set(splits["train"]["label"])
    if lacking:
        raise KdbookError(f"{source}: no training row that is used has the label {classes[min(lacking)]!r}; use more, or drop that class")


def _limit(rows: pd.DataFrame, items: int | None, seed: int) -> pd.DataFrame:
    """Keep at most ``items`` ids, the same in every language, chosen by a hash so that the choice is fixed."""
    ids = rows["id"].drop_duplicates()
    if items is None or len(ids) <= items:
        return rows.reset_index(drop=True)
    rank = ids.map(lambda value: hashlib.sha256(f"{seed}:{value}".encode()).hexdigest())
    chosen = set(ids[rank.sort_values().index[:items]])
    return rows[rows["id"].isin(chosen)].reset_index(drop=True)


def _looks_like_a_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or source.count("/") > 1
