"""A profile says what a study trains and on what: data, checkpoints, hyperparameters, seeds, ablations."""

import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from kdbook import hyperparameters
from kdbook.errors import KdbookError

DEFAULT = "embedded"
GENERATED = "generated"
TEACHER, BASELINE, DISTILLED = "teacher", "baseline", "distilled"
MAIN_ARMS = (TEACHER, BASELINE, DISTILLED)
ALL = "all"  # the test rows of all languages together

Hyperparameters = Annotated[dict[str, Any], BeforeValidator(hyperparameters.flatten)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(_Table):
    """Which columns of a table hold what: one or two texts, the label, and where there are such columns the language and the id."""

    texts: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    label: str
    language: str | None = None
    id: str | None = None


class Data(_Table):
    """Where the rows come from and how many items of each split are used at most.

    ``source`` is ``"generated"``, a hub id such as ``google-research-datasets/paws-x``, or a directory in the
    layout of the PAWS-X release. With ``columns`` it is data of one's own: a file, a directory, or a hub id; see
    :mod:`kdbook.data.own`. Models learn from the ``train_languages`` (``None``: all) and are tested in all ``languages``; what
    they do in the others is zero-shot transfer. An item is one id in all languages; ``None`` means all items. ``seed`` generates the
    corpus and chooses subsets. ``train_label_noise`` is the share of generated training items that get the wrong label,
    as if annotators had erred.
    """

    source: str
    columns: Columns | None = None
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en", "de")
    train_languages: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    train_items: PositiveInt | None = None
    validation_items: PositiveInt | None = None
    test_items: PositiveInt | None = None
    seed: NonNegativeInt = 0
    train_label_noise: Annotated[float, Field(ge=0, lt=0.5)] = 0.0

    @property
    def unseen(self) -> tuple[str, ...]:
        """The languages that no model learns from."""
        return tuple(language for language in self.languages if language not in (self.train_languages or self.languages))


class Model(_Table):
    """A pretrained encoder (hub id, local directory, or ``embedded:NAME``) and AutoMM settings for fine-tuning it.

    ``gpus`` is the number of GPUs, or the share of one, that a run takes where several are trained at once on a cluster.
    """

    checkpoint: str
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    hyperparameters: Hyperparameters = {}
    gpus: Annotated[float, Field(ge=0)] = 0.0


class Variation(_Table):
    """The student trained in another way.

    ``teacher`` is ``"own"``, ``"none"``, or ``"shuffled"``: what the teacher says about another training pair with the same
    label.
    """

    title: str
    teacher: Literal["own", "shuffled", "none"] = "own"
    hyperparameters: Hyperparameters = {}


class Contrast(_Table):
    """The question of a study, asked before any run: the accuracy of ``arm`` minus that of ``against`` on the ``test`` set."""

    arm: str = DISTILLED
    against: str = BASELINE
    test: str = ALL


class Profile(_Table):
    """Everything that a study depends on.

    ``hyperparameters`` apply to every model, ``distiller`` to distilled students. ``controls`` are what distillation has to
    beat, trained with the first ``control_seeds`` seeds of the student (``None``: all); ``ablations`` change one thing of the
    distilled student or of the baseline and are trained with the first ``ablation_seeds`` seeds. ``threads`` is the number of
    processor cores that a run computes on (``None``: all); it is a setting of the result, since sums differ in their last
    digits with it.
    """

    name: str
    description: str
    threads: PositiveInt | None = None
    primary: Contrast = Contrast()
    data: Data
    hyperparameters: Hyperparameters
    teacher: Model
    student: Model
    distiller: Hyperparameters = {}
    controls: dict[str, Variation] = {}
    control_seeds: PositiveInt | None = None
    ablation_seeds: PositiveInt = 1
    ablations: dict[str, Variation] = {}


def names() -> list[str]:
    """The profiles that ship with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in (files("kdbook") / "profiles").iterdir() if entry.name.endswith(".toml"))


def load(name: str | None = None, source: str | None = None) -> Profile:
    """Read a profile. One with ``base = NAME`` says what it has other than the shipped profile of that name.

    Parameters
    ----------
    name
        Name of a shipped profile or path of a TOML file. By default the environment variable ``KDBOOK_PROFILE``,
        or ``embedded``.
    source
        Replaces the profile's data source; by default the environment variable ``KDBOOK_DATA`` does, if it is set.

    Raises
    ------
    KdbookError
        If there is no such profile, or a key or value in it is not known.
    """
    name = name or os.environ.get("KDBOOK_PROFILE") or DEFAULT
    try:
        table = _completed(tomllib.loads(text(name)))
        if "name" in table:
            raise ValueError("its name is that of its file, so 'name' can't stand in it")
        profile = Profile(name=Path(name).stem, **table)
    except ValidationError as error:
        raise KdbookError(f"profile {name!r}: {_explain(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise KdbookError(f"profile {name!r} is not valid TOML: {error}") from error
    except (OSError, RecursionError, ValueError) as error:  # text that is not UTF-8, numbers and tables beyond all measure
        raise KdbookError(f"profile {name!r} can't be read: {error}") from error
    _check(profile)
    source = source or os.environ.get("KDBOOK_DATA") or located(profile.data.source, Path(name).parent)
    return profile.model_copy(update={"data": profile.data.model_copy(update={"source": source})})


def located(source: str, folder: Path) -> str:
    """A data source that a profile in a folder names: a path there is meant as seen from the profile."""
    seen = folder / Path(source).expanduser()
    return str(seen.absolute()) if source != GENERATED and seen.exists() else source


def _completed(table: dict[str, Any]) -> dict[str, Any]:
    base = table.pop("base", None)
    if base is None:
        return table
    if base not in names():
        raise ValueError(f"base = {base!r} is no shipped profile. Choose from: {', '.join(names())}")
    below = _completed(tomllib.loads(text(base)))
    if "columns" in table.get("data", {}):
        del below["data"]  # how many rows of other data are taken says nothing about these
    return _merged(below, table)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables in each other; whatever is no table is replaced."""
    both = {key: _merged(below[key], value) for key, value in above.items() if isinstance(value, dict) and isinstance(below.get(key), dict)}
    return below | above | both


def text(name: str) -> str:
    """The TOML of a shipped profile, or of a file."""
    shipped = files("kdbook") / "profiles" / f"{name}.toml"
    path = Path(name)
    if name in names():
        return shipped.read_text("utf-8")
    if path.suffix == ".toml" and path.is_file():
        return path.read_text("utf-8")
    raise KdbookError(f"there is no profile {name!r}. Choose from: {', '.join(names())}, or give the path of a .toml file")


def _check(profile: Profile) -> None:
    tables = {
        "hyperparameters": profile.hyperparameters,
        "teacher.hyperparameters": profile.teacher.hyperparameters,
        "student.hyperparameters": profile.student.hyperparameters,
        "distiller": profile.distiller,
    }
    for table in ("controls", "ablations"):
        tables |= {f"{table}.{name}.hyperparameters": variation.hyperparameters for name, variation in getattr(profile, table).items()}
    for where, settings in tables.items():
        hyperparameters.check(settings, f"profile {profile.name!r}, table {where}")
    unknown = set(profile.data.train_languages or ()) - set(profile.data.languages)
    if unknown:
        raise KdbookError(
            f"profile {profile.name!r}: data.train_languages has {min(unknown)!r}, which is not in data.languages "
            f"({', '.join(profile.data.languages)})"
        )
    arms = [*MAIN_ARMS, *profile.controls, *profile.ablations]
    twice = {arm for arm in arms if arms.count(arm) > 1}
    if twice:
        raise KdbookError(f"profile {profile.name!r}: the name {min(twice)!r} is taken; give each control and ablation its own")
    asked = profile.primary
    students = [arm for arm in arms if arm != TEACHER]
    for key, value, choices in (
        ("arm", asked.arm, students),
        ("against", asked.against, students),
        ("test", asked.test, [*profile.data.languages, ALL]),
    ):
        if value not in choices:
            raise KdbookError(f"profile {profile.name!r}: primary.{key} = {value!r} is unknown. Choose from: {', '.join(choices)}")


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "top level"
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}. Choose from: {', '.join(_siblings(first['loc'][:-1]))}"
    return f"{place}: {first['msg']}" + (f", got {first['input']!r}" if first["type"] != "missing" else "")


def _siblings(path: tuple[int | str, ...]) -> list[str]:
    """Names of the keys allowed in the table at ``path``."""
    table: type[BaseModel] = Profile
    for part in path:
        if part in ("controls", "ablations"):
            return list(Variation.model_fields)
        table = table.model_fields[str(part)].annotation  # type: ignore[assignment]
    return [*(["base"] if table is Profile else []), *(field for field in table.model_fields if field != "name")]
