"""A profile says what a study trains and on what: data, checkpoints, hyperparameters, seeds, controls,
ablations.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from kdbook.errors import KdbookError
from kdbook.paths import exists, expanded, is_file
from kdbook.settings import environment, limits
from kdbook.settings.arms import (
    BASELINE,
    DISTILLED,
    FLOORS,
    MAIN_ARMS,
    MAIN_STUDENTS,
    TEACHER,
    TRANSFER,
    Hyperparameters,
    Model,
    PrimaryComparison,
    Variation,
)
from kdbook.settings.automm import DISTILLER_PREFIX, Settings
from kdbook.settings.data import ALL, GENERATED, Count, Data, Table
from kdbook.settings.names import Name
from kdbook.settings.validation import explain

PROFILES = "profiles"
MOST_THREADS = 1_024
MOST_VARIATIONS = 100

Toml = dict[str, Any]  # what tomllib reads


class Profile(Table):
    """Everything that a study depends on.

    ``hyperparameters`` apply to every model, ``distiller`` to distilled students, and ``tuned`` to the main
    arm that they are named after. A variation has the settings of the arm that it varies, and its own.
    ``controls`` are alternatives that distillation has to outperform, trained with the first
    ``control_seeds`` seeds of the student (``None``: all); ``ablations`` change one thing about the distilled
    student or the baseline and are trained with the first ``ablation_seeds`` seeds. ``threads`` is the number
    of processor cores per run (``None``: all); it is part of a result, since the last digits of sums depend
    on it.
    """

    name: str
    description: str
    threads: Annotated[Count, Field(le=MOST_THREADS)] | None = None
    primary: PrimaryComparison = PrimaryComparison()
    data: Data
    hyperparameters: Hyperparameters
    teacher: Model
    student: Model
    distiller: Hyperparameters = Field({})
    tuned: dict[Name, Hyperparameters] = Field({})
    controls: dict[Name, Variation] = Field({}, max_length=MOST_VARIATIONS)
    control_seeds: Count | None = None
    ablation_seeds: Count = 1
    ablations: dict[Name, Variation] = Field({}, max_length=MOST_VARIATIONS)

    @property
    def main_arms(self) -> tuple[str, ...]:
        """The teacher, the student without one, and the distilled students."""
        return MAIN_ARMS if self.data.has_unlabelled_rows else MAIN_ARMS[:-1]

    @property
    def floors(self) -> tuple[str, ...]:
        """The linear model, and the same on the teacher's predictions where there are rows without labels."""
        return FLOORS if self.data.has_unlabelled_rows else FLOORS[:1]

    @property
    def arms(self) -> list[str]:
        """The names of all arms, in the order in which they are trained."""
        return [*self.main_arms, *self.floors, *self.controls, *self.ablations]

    @property
    def students(self) -> list[str]:
        """The names of the arms of students, in the order in which they are trained."""
        return [*self.main_arms[1:], *self.controls, *self.ablations]

    def teacher_seed(self, number: int) -> int:
        """Seed of the teacher that is paired with the student's seed at this position: teachers take
        turns.
        """
        return self.teacher.seeds[number % len(self.teacher.seeds)]

    @model_validator(mode="after")
    def _arms_are_distinct(self) -> Self:
        arms = [*MAIN_ARMS, *FLOORS, *self.controls, *self.ablations]
        duplicates = {arm for arm in arms if arms.count(arm) > 1}
        if duplicates:
            raise ValueError(f"the name {min(duplicates)!r} is taken; give each control and ablation its own")
        runs = {f"{arm}-{seed}" for arm in arms for seed in (*self.teacher.seeds, *self.student.seeds)}
        if shadowing := runs & set(arms):
            raise ValueError(f"the name {min(shadowing)!r} is that of a run; choose another")
        return self

    @model_validator(mode="before")
    @classmethod
    def _primary_arm_by_default(cls, table: Toml) -> Toml:
        """The arm of the primary comparison is known only when the data are."""
        data, primary = table.get("data") or {}, table.get("primary") or {}
        if isinstance(data, dict) and isinstance(primary, dict) and not primary.get("arm"):
            has_unlabelled_rows = bool(data.get("labelled_items") or data.get("unlabelled"))
            return {**table, "primary": {**primary, "arm": TRANSFER if has_unlabelled_rows else DISTILLED}}
        return table

    @model_validator(mode="after")
    def _variations_are_possible(self) -> Self:
        for name, each in (self.controls | self.ablations).items():
            if each.rows == "all" and not self.data.has_unlabelled_rows:
                raise ValueError(
                    f"{name!r} has rows = 'all', but the data have no rows without labels; set "
                    "data.labelled_items or data.unlabelled"
                )
            may_lack_labels = self.data.unlabelled and not self.data.languages_without_labels
            if each.rows == "all" and each.lesson == "labels" and may_lack_labels and self.data.columns:
                raise ValueError(
                    f"{name!r} needs the labels of all rows (rows = 'all', lesson = 'labels'), but "
                    "data.unlabelled says that some have none; remove it"
                )
            if each.varied_arm not in self.students:
                raise ValueError(
                    f"{name!r} varies {each.varied_arm!r}, which is no arm of students. Choose from: "
                    f"{', '.join(self.students)}"
                )
            if name in self._varied_by(name):
                raise ValueError(
                    f"{name!r} varies itself, by way of {each.varied_arm!r}; set another against"
                )
        if unknown := set(self.tuned) - set(MAIN_ARMS[1:]):
            raise ValueError(
                f"tuned.{min(unknown)} names no main arm of students ({', '.join(MAIN_ARMS[1:])})"
            )
        return self

    def _varied_by(self, arm: str) -> list[str]:
        """The arm that an arm varies, the one that this varies, and so on."""
        variations, varied = self.controls | self.ablations, [arm]
        while varied[-1] in variations and varied[-1] not in varied[:-1]:
            varied.append(variations[varied[-1]].varied_arm)
        return varied[1:]

    @model_validator(mode="after")
    def _primary_is_known(self) -> Self:
        for key, value, choices in (
            ("arm", self.primary.arm, self.students),
            ("against", self.primary.against, self.students),
            ("test", self.primary.test, [*self.data.languages, ALL]),
        ):
            if value not in choices:
                raise ValueError(f"primary.{key} = {value!r} is unknown. Choose from: {', '.join(choices)}")
        if self.primary.arm == self.primary.against:
            raise ValueError(
                f"primary.arm and primary.against are both {self.primary.arm!r}; compare two arms"
            )
        return self

    @model_validator(mode="after")
    def _settings_are_known(self) -> Self:
        tables = {
            "hyperparameters": self.hyperparameters,
            "teacher.hyperparameters": self.teacher.hyperparameters,
            "student.hyperparameters": self.student.hyperparameters,
            "distiller": self.distiller,
            **{f"tuned.{arm}": settings for arm, settings in self.tuned.items()},
        }
        for kind, variations in (("controls", self.controls), ("ablations", self.ablations)):
            tables |= {
                f"{kind}.{name}.hyperparameters": each.hyperparameters for name, each in variations.items()
            }
        for where, settings in tables.items():
            if problem := limits.problem(settings):
                raise ValueError(f"table {where}: {problem}")
        for arm in (TEACHER, *self.students):
            if conflict := self._fit(arm).conflict():
                raise ValueError(f"the arm {arm!r}: {conflict}")
        return self

    def _fit(self, arm: str) -> limits.Fit:
        """What a fit of an arm is."""
        texts = len(self.data.columns.texts) if self.data.columns else 2
        classes = None if self.data.columns else 2
        if arm == TEACHER:
            return limits.Fit(self.teacher_settings, texts, is_teacher=True, teaches=True, classes=classes)
        variations = (self.controls | self.ablations).values()
        return limits.Fit(
            self.student_settings(arm),
            texts,
            is_teacher=False,
            distils=self.variation(arm).distils,
            teaches=arm == BASELINE and any(each.teacher == "self" for each in variations),
            classes=classes,
        )

    @property
    def teacher_settings(self) -> Settings:
        """The AutoMM settings of the teacher."""
        return self.hyperparameters | self.teacher.hyperparameters

    def student_settings(self, arm: str) -> Settings:
        """The AutoMM settings of a student's arm: a variation starts from those of the arm that it varies."""
        variation = self.variation(arm)
        if arm in MAIN_STUDENTS:
            return {
                **self.hyperparameters,
                **self.student.hyperparameters,
                **(self.distiller if variation.distils else {}),
                **self.tuned.get(arm, {}),
            }
        varied = self.student_settings(variation.varied_arm)
        if not variation.distils:
            varied = {key: value for key, value in varied.items() if not key.startswith(DISTILLER_PREFIX)}
        elif not self.variation(variation.varied_arm).distils:
            varied = varied | self.distiller
        return varied | variation.hyperparameters

    def variation(self, arm: str) -> Variation:
        """How the students of an arm are trained."""
        return MAIN_STUDENTS.get(arm) or (self.controls | self.ablations)[arm]


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
        Replaces the profile's data source. By default the environment variable ``KDBOOK_DATA`` does, if it is
        set, except in a profile of custom data: it names rows in the layout of PAWS-X.

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
        profile = parsed(text(name), name)
    except (OSError, UnicodeDecodeError) as error:
        raise KdbookError(f"profile {name!r} can't be read: {error}") from error
    replacement = source or ("" if profile.data.columns else variables.data)
    return with_source(profile, replacement or located(profile.data.source, Path(name).parent))


def with_source(profile: Profile, source: str) -> Profile:
    """A profile with another data source."""
    return profile.model_copy(update={"data": profile.data.model_copy(update={"source": source})})


def parsed(toml: str, name: str) -> Profile:
    """The profile in a text, as that of a file of this name; directories of checkpoints are relative to it.

    Raises
    ------
    KdbookError
        If a key or value in it is unknown.
    """
    try:
        table = _with_base(tomllib.loads(toml))
        if "name" in table:
            raise ValueError("a profile is named after its file; remove 'name'")
        for model in ("teacher", "student"):
            _locate_checkpoint(table.get(model), Path(name).parent)
        return Profile(name=Path(name).stem, **table)
    except ValidationError as error:
        raise KdbookError(f"profile {name!r}: {explain(error, Profile)}") from error
    except tomllib.TOMLDecodeError as error:
        raise KdbookError(f"profile {name!r} is not valid TOML: {error}") from error
    except (OverflowError, RecursionError, ValueError) as error:  # numbers and tables out of all bounds
        raise KdbookError(f"profile {name!r} can't be read: {error}") from error


def _locate_checkpoint(model: object, folder: Path) -> None:
    """Make the directory of a checkpoint absolute where a profile names one; a hub id stays."""
    if isinstance(model, dict) and str(model.get("checkpoint")).startswith((".", "~")):
        model["checkpoint"] = str((folder / expanded(model["checkpoint"])).absolute())


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
    path = folder / expanded(source)
    return str(path.absolute()) if source != GENERATED and exists(path) else source


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
    if path.suffix == ".toml" and is_file(path):
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
        raise ValueError(f"base = {base!r} is not a shipped profile. Choose from: {', '.join(names())}")
    below = _with_base(tomllib.loads(text(base)))
    data = table.get("data")
    if isinstance(data, dict) and "columns" in data:
        _forget_data(below, data)
    return _merged(below, table)


def _forget_data(below: Toml, data: Toml) -> None:
    """Remove from a base what holds for its own data set alone: counts of items, and the question.

    Where the new ``data`` have no rows without labels, distillation on all rows becomes one on the labelled
    rows; variations that need such rows, or their hidden labels, are left out.
    """
    del below["data"]
    below.pop("primary", None)
    has_unlabelled_rows = bool(data.get("unlabelled"))
    has_hidden_labels = "labelled_items" in data or (has_unlabelled_rows and "train_languages" in data)
    for kind in ("controls", "ablations"):
        kept = {}
        for name, each in below.get(kind, {}).items():
            lesson = each.get("lesson", "outputs")
            if each.get("rows") != "all" or has_hidden_labels or (has_unlabelled_rows and lesson != "labels"):
                kept[name] = each
            elif lesson in ("outputs", "shuffled"):
                kept[name] = {**each, "rows": "labelled"}
        below[kind] = kept


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Toml:
    """Two tables, merged level by level; values that are not tables are replaced."""
    merged = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = _merged(below[key], value)
    return merged
