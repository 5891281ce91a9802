"""A profile says what a study trains and on what: data, checkpoints, hyperparameters, seeds, ablations."""

import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from kdbook import hyperparameters
from kdbook.errors import KdbookError

DEFAULT = "embedded"
GENERATED = "generated"

Hyperparameters = Annotated[dict[str, Any], BeforeValidator(hyperparameters.flatten)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Table):
    """Where the sentence pairs come from and how many items of each split are used at most.

    ``source`` is ``"generated"``, a hub id such as ``google-research-datasets/paws-x``, or a directory in the
    layout of the PAWS-X release. An item is one id in all languages; ``None`` means all items. ``seed`` generates the
    corpus and chooses subsets. ``train_label_noise`` is the share of generated training items that get the wrong label,
    as if annotators had erred.
    """

    source: str
    languages: tuple[str, ...] = ("en", "de")
    train_items: PositiveInt | None = None
    validation_items: PositiveInt | None = None
    test_items: PositiveInt | None = None
    seed: NonNegativeInt = 0
    train_label_noise: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class Model(_Table):
    """A pretrained encoder (hub id, local directory, or ``embedded:NAME``) and AutoMM settings for fine-tuning it."""

    checkpoint: str
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    hyperparameters: Hyperparameters = {}


class Ablation(_Table):
    """A variation of the distilled student, trained with the first seed only and shown in the last chapter."""

    title: str
    hyperparameters: Hyperparameters = {}


class Profile(_Table):
    """Everything that a study depends on. ``hyperparameters`` apply to every model, ``distiller`` to distilled students."""

    name: str
    description: str
    data: Data
    hyperparameters: Hyperparameters
    teacher: Model
    student: Model
    distiller: Hyperparameters = {}
    ablations: dict[str, Ablation] = {}


def names() -> list[str]:
    """The profiles that ship with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in (files("kdbook") / "profiles").iterdir() if entry.name.endswith(".toml"))


def load(name: str | None = None, source: str | None = None) -> Profile:
    """Read a profile.

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
        table = tomllib.loads(_text(name))
        profile = Profile(name=Path(name).stem, **table)
    except tomllib.TOMLDecodeError as error:
        raise KdbookError(f"profile {name!r} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise KdbookError(f"profile {name!r}: {_explain(error)}") from error
    _check(profile)
    source = source or os.environ.get("KDBOOK_DATA")
    return profile.model_copy(update={"data": profile.data.model_copy(update={"source": source})}) if source else profile


def _text(name: str) -> str:
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
    } | {f"ablations.{name}.hyperparameters": ablation.hyperparameters for name, ablation in profile.ablations.items()}
    for where, settings in tables.items():
        hyperparameters.check(settings, f"profile {profile.name!r}, table {where}")


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
        if part == "ablations":
            return list(Ablation.model_fields)
        table = table.model_fields[str(part)].annotation  # type: ignore[assignment]
    return [field for field in table.model_fields if field != "name"]
