"""The data of a profile: where the rows come from, and which of them are used."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from kdbook.settings.names import Name

GENERATED = "generated"
ALL = "all"  # the test rows of all languages together

MOST_ITEMS = 100_000_000
MOST_GENERATED_ITEMS = 1_000_000

Task = Literal["paraphrase", "classification"]
Languages = Annotated[tuple[Name, ...], Field(min_length=1, max_length=200)]
Count = Annotated[int, Strict(), Field(ge=1, le=MOST_ITEMS)]
Seed = Annotated[int, Strict(), Field(ge=0, le=2**32 - 1)]  # of NumPy's generators


class Table(BaseModel):
    """A table of a profile, of known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(Table):
    """Columns of a table: one or two texts, the label, and, where the table has them, language and id."""

    texts: Annotated[tuple[Name, ...], Field(min_length=1, max_length=2)]
    label: Name
    language: Name | None = None
    id: Name | None = None

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        used = [*self.texts, *filter(None, (self.label, self.language, self.id))]
        duplicates = [name for name in used if used.count(name) > 1]
        if duplicates:
            raise ValueError(
                f"the column {duplicates[0]!r} is named twice; text, label, language and id differ"
            )
        return self


class Data(Table):
    """Where the rows come from, and the largest number of items to use from each split.

    ``source`` is ``"generated"``, a hub id such as ``google-research-datasets/paws-x``, or a directory in the
    layout of the PAWS-X release. With ``columns`` it is custom data: a file, a directory, or a hub id; see
    :mod:`kdbook.data.custom`. Models train on the ``train_languages`` (``None``: all) and are tested on all
    ``languages``; the others measure zero-shot transfer. An item is one id in all languages; ``None`` means
    all items. ``seed`` generates the corpus and selects subsets. ``train_label_noise`` is the share of
    generated training items whose label is flipped, as if annotators had erred. ``configuration`` is that of
    a hub data set, where no column or setting of the languages names it. Splits in ``ignored_splits`` are
    not read, and split off from the training rows instead, as where labels are hidden.

    A study may use rows without labels. With ``labelled_items`` only this number of training items keep their
    labels, one of every class among them. With ``unlabelled`` the rows that have none are used: in custom
    data those of a split ``unlabelled`` and training rows with an empty label, in all data the training rows
    of languages that are not in ``train_languages``. Of the items without labels, at most
    ``unlabelled_items`` are used.
    """

    source: Name
    columns: Columns | None = None
    configuration: str | None = None
    ignored_splits: tuple[Literal["validation", "test"], ...] = ()
    languages: Languages = ("en", "de")
    train_languages: Languages | None = None
    train_items: Count | None = None
    labelled_items: Count | None = None
    unlabelled: Annotated[bool, Strict()] = False
    unlabelled_items: Count | None = None
    validation_items: Count | None = None
    test_items: Count | None = None
    seed: Seed = 0
    train_label_noise: Annotated[float, Strict(), Field(ge=0, lt=0.5)] = 0.0

    @property
    def task(self) -> Task:
        """``"paraphrase"`` for sentence pairs as in PAWS-X, ``"classification"`` for custom data."""
        return "classification" if self.columns else "paraphrase"

    @property
    def languages_without_labels(self) -> tuple[str, ...]:
        """Languages whose labels no model is trained on; their texts may be among the unlabelled rows."""
        trained = self.train_languages or self.languages
        return tuple(language for language in self.languages if language not in trained)

    @property
    def has_unlabelled_rows(self) -> bool:
        """Whether some training rows are used without their labels, or have none."""
        return self.labelled_items is not None or self.unlabelled

    @model_validator(mode="after")
    def _some_rows_stay_unlabelled(self) -> Self:
        if self.labelled_items and self.train_items and self.labelled_items >= self.train_items:
            raise ValueError(
                f"labelled_items = {self.labelled_items} leaves none of the {self.train_items} train_items "
                "without a label; use fewer, or leave it out"
            )
        if self.unlabelled and not (self.columns or self.languages_without_labels or self.labelled_items):
            raise ValueError(
                "unlabelled = true finds no row: every language is among the train_languages; set "
                "labelled_items"
            )
        if self.unlabelled_items and not self.has_unlabelled_rows:
            raise ValueError(
                "unlabelled_items limits rows without labels, and there are none; set labelled_items or "
                "unlabelled"
            )
        return self

    @model_validator(mode="after")
    def _generated_items_are_few_enough(self) -> Self:
        items = sum(filter(None, (self.train_items, self.validation_items, self.test_items)))
        if self.source == GENERATED and items > MOST_GENERATED_ITEMS:
            raise ValueError(f"{items:,} items are more than the {MOST_GENERATED_ITEMS:,} that are generated")
        return self

    @model_validator(mode="after")
    def _languages_are_distinct(self) -> Self:
        if ALL in self.languages:
            raise ValueError(f"a language can't be called {ALL!r}, which stands for all of them; rename it")
        for key, names in (("languages", self.languages), ("train_languages", self.train_languages or ())):
            duplicates = [language for language in names if names.count(language) > 1]
            if duplicates:
                raise ValueError(f"{key} has {duplicates[0]!r} twice")
        return self

    @model_validator(mode="after")
    def _only_custom_data_has_parts(self) -> Self:
        if not self.columns and (self.configuration or self.ignored_splits):
            raise ValueError("configuration and ignored_splits need data.columns")
        return self

    @model_validator(mode="after")
    def _train_languages_are_known(self) -> Self:
        unknown = set(self.train_languages or ()) - set(self.languages)
        if unknown:
            raise ValueError(
                f"train_languages has {min(unknown)!r}, which is not in data.languages "
                f"({', '.join(self.languages)})"
            )
        return self
