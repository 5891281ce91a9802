"""A profile says what a study trains and on what: data, checkpoints, hyperparameters, seeds, controls,
ablations.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from kdbook.errors import KdbookError
from kdbook.settings import automm, environment
from kdbook.settings.names import Name
from kdbook.settings.validation import explain

GENERATED = "generated"
TEACHER = "teacher"
BASELINE = "baseline"
DISTILLED = "distilled"
MAIN_ARMS = (TEACHER, BASELINE, DISTILLED)
ALL = "all"  # the test rows of all languages together
PROFILES = "profiles"

Hyperparameters = Annotated[automm.Settings, BeforeValidator(automm.flatten)]
Task = Literal["paraphrase", "classification"]
Toml = dict[str, Any]  # what tomllib reads


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(_Table):
    """Columns of a table: one or two texts, the label, and, where the table has them, language and id."""

    texts: Annotated[tuple[Name, ...], Field(min_length=1, max_length=2)]
    label: Name
    language: Name | None = None
    id: Name | None = None


class Data(_Table):
    """Where the rows come from, and the largest number of items to use from each split.

    ``source`` is ``"generated"``, a hub id such as ``google-research-datasets/paws-x``, or a directory in the
    layout of the PAWS-X release. With ``columns`` it is custom data: a file, a directory, or a hub id; see
    :mod:`kdbook.data.custom`. Models train on the ``train_languages`` (``None``: all) and are tested on all
    ``languages``; the others measure zero-shot transfer. An item is one id in all languages; ``None`` means
    all items. ``seed`` generates the corpus and selects subsets. ``train_label_noise`` is the share of
    generated training items whose label is flipped, as if annotators had erred. ``configuration`` is that of
    a hub data set, where no column or setting of the languages names it. Splits in ``ignored_splits`` are
    not read, and split off from the training rows instead, as where labels are hidden.
    """

    source: str
    columns: Columns | None = None
    configuration: str | None = None
    ignored_splits: tuple[Literal["validation", "test"], ...] = ()
    languages: Annotated[tuple[Name, ...], Field(min_length=1)] = ("en", "de")
    train_languages: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    train_items: PositiveInt | None = None
    validation_items: PositiveInt | None = None
    test_items: PositiveInt | None = None
    seed: NonNegativeInt = 0
    train_label_noise: Annotated[float, Field(ge=0, lt=0.5)] = 0.0

    @property
    def task(self) -> Task:
        """``"paraphrase"`` for sentence pairs as in PAWS-X, ``"classification"`` for custom data."""
        return "classification" if self.columns else "paraphrase"

    @property
    def zero_shot_languages(self) -> tuple[str, ...]:
        """The languages that no model trains on."""
        trained = self.train_languages or self.languages
        return tuple(language for language in self.languages if language not in trained)

    @model_validator(mode="after")
    def _languages_are_distinct(self) -> Self:
        if ALL in self.languages:
            raise ValueError(f"a language can't be called {ALL!r}, which stands for all of them; rename it")
        duplicates = [language for language in self.languages if self.languages.count(language) > 1]
        if duplicates:
            raise ValueError(f"languages has {duplicates[0]!r} twice")
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


class Model(_Table):
    """A pretrained encoder (hub id, local directory, or ``embedded:NAME``) and AutoMM settings for
    fine-tuning it.

    ``gpus`` is the number of GPUs, or the fraction of one, that a run takes on a cluster.
    """

    checkpoint: str
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    hyperparameters: Hyperparameters = {}
    gpus: Annotated[float, Field(ge=0)] = 0.0


class Variation(_Table):
    """The student trained in another way.

    ``teacher`` is ``"own"``, ``"none"``, or ``"shuffled"``: the teacher's outputs for another training row
    with the same label.
    """

    title: str
    teacher: Literal["own", "shuffled", "none"] = "own"
    hyperparameters: Hyperparameters = {}


class PrimaryComparison(_Table):
    """The question of a study, stated before any run: accuracy of ``arm`` minus that of ``against`` on
    ``test``.
    """

    arm: str = DISTILLED
    against: str = BASELINE
    test: str = ALL


class Profile(_Table):
    """Everything that a study depends on.

    ``hyperparameters`` apply to every model, ``distiller`` to distilled students. ``controls`` are
    alternatives that distillation has to outperform, trained with the first ``control_seeds`` seeds of the
    student (``None``: all); ``ablations`` change one thing about the distilled student or the baseline and
    are trained with the first ``ablation_seeds`` seeds. ``threads`` is the number of processor cores per run
    (``None``: all); it is part of a result, since the last digits of sums depend on it.
    """

    name: str
    description: str
    threads: PositiveInt | None = None
    primary: PrimaryComparison = PrimaryComparison()
    data: Data
    hyperparameters: Hyperparameters
    teacher: Model
    student: Model
    distiller: Hyperparameters = {}
    controls: dict[Name, Variation] = {}
    control_seeds: PositiveInt | None = None
    ablation_seeds: PositiveInt = 1
    ablations: dict[Name, Variation] = {}

    @property
    def arms(self) -> list[str]:
        """The names of all arms, in the order in which they are trained."""
        return [*MAIN_ARMS, *self.controls, *self.ablations]

    def teacher_seed(self, number: int) -> int:
        """Seed of the teacher that is paired with the student's seed at this position: teachers take
        turns.
        """
        return self.teacher.seeds[number % len(self.teacher.seeds)]

    @model_validator(mode="after")
    def _arms_are_distinct(self) -> Self:
        duplicates = {arm for arm in self.arms if self.arms.count(arm) > 1}
        if duplicates:
            raise ValueError(f"the name {min(duplicates)!r} is taken; give each control and ablation its own")
        return self

    @model_validator(mode="after")
    def _primary_is_known(self) -> Self:
        students = [arm for arm in self.arms if arm != TEACHER]
        for key, value, choices in (
            ("arm", self.primary.arm, students),
            ("against", self.primary.against, students),
            ("test", self.primary.test, [*self.data.languages, ALL]),
        ):
            if value not in choices:
                raise ValueError(f"primary.{key} = {value!r} is unknown. Choose from: {', '.join(choices)}")
        return self

    @model_validator(mode="after")
    def _settings_are_known(self) -> Self:
        tables = {
            "hyperparameters": self.hyperparameters,
            "teacher.hyperparameters": self.teacher.hyperparameters,
            "student.hyperparameters": self.student.hyperparameters,
            "distiller": self.distiller,
        }
        for kind, variations in (("controls", self.controls), ("ablations", self.ablations)):
            tables |= {
                f"{kind}.{name}.hyperparameters": each.hyperparameters for name, each in variations.items()
            }
        for where, settings in tables.items():
            automm.check(settings, f"profile {self.name!r}, table {where}")
        return self


def names() -> list[str]:
    """The profiles that ship with the package."""
    entries = (files(__package__) / PROFILES).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def load(name: str | None = None, source: str | None = None) -> Profile:
    """Read a profile. A profile with ``base = NAME`` overrides the shipped profile of that name.

    Parameters
    ----------
    name
        Name of a shipped profile or path of a TOML file. By default the environment variable
        ``KDBOOK_PROFILE``, or ``embedded``.
    source
        Replaces the profile's data source; by default the environment variable ``KDBOOK_DATA`` does, if it is
        set.

    Raises
    ------
    KdbookError
        If there is no such profile, or a key or value in it is unknown.
    """
    variables = environment.read()
    name = name or variables.profile
    if name not in names():
        refuse_shipped_name(Path(name))
    try:
        table = _with_base(tomllib.loads(text(name)))
        if "name" in table:
            raise ValueError("a profile is named after its file; remove 'name'")
        profile = Profile(name=Path(name).stem, **table)
    except ValidationError as error:
        raise KdbookError(f"profile {name!r}: {explain(error, Profile)}") from error
    except tomllib.TOMLDecodeError as error:
        raise KdbookError(f"profile {name!r} is not valid TOML: {error}") from error
    except (
        OSError,
        RecursionError,
        ValueError,
    ) as error:  # not UTF-8, or numbers and tables out of all bounds
        raise KdbookError(f"profile {name!r} can't be read: {error}") from error
    source = source or variables.data or located(profile.data.source, Path(name).parent)
    return profile.model_copy(update={"data": profile.data.model_copy(update={"source": source})})


def refuse_shipped_name(path: Path) -> None:
    """Refuse a file named like a shipped profile, for which notebooks and the store would take it.

    Raises
    ------
    KdbookError
        If it is.
    """
    if path.stem in names():
        raise KdbookError(f"a profile named {path.stem!r} ships with this package; give {path} another name")


def located(source: str, folder: Path) -> str:
    """The data source that a profile names; relative paths are resolved against the profile's ``folder``."""
    path = folder / Path(source).expanduser()
    return str(path.absolute()) if source != GENERATED and path.exists() else source


def text(name: str) -> str:
    """The TOML of a shipped profile or of a file.

    Raises
    ------
    KdbookError
        If there is no such profile.
    """
    path = Path(name)
    if name in names():
        return (files(__package__) / PROFILES / f"{name}.toml").read_text("utf-8")
    if path.suffix == ".toml" and path.is_file():
        return path.read_text("utf-8-sig")
    raise KdbookError(
        f"there is no profile {name!r}. Choose from: {', '.join(names())}, or give the path of a .toml file"
    )


def _with_base(table: Toml) -> Toml:
    """A profile's table over that of its base, if it names one."""
    base = table.pop("base", None)
    if base is None:
        return table
    if base not in names():
        raise ValueError(f"base = {base!r} is no shipped profile. Choose from: {', '.join(names())}")
    below = _with_base(tomllib.loads(text(base)))
    if "columns" in table.get("data", {}):
        del below["data"]  # item counts of one data set say nothing about another
    return _merged(below, table)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Toml:
    """Two tables, merged level by level; values that are not tables are replaced."""
    merged = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = _merged(below[key], value)
    return merged
