"""A new profile for custom data, written after reading all of it."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from kdbook.atomic import atomic
from kdbook.data import custom
from kdbook.data.dataset import TextData
from kdbook.data.load import load
from kdbook.errors import KdbookError
from kdbook.paths import exists, expanded, is_dir, writing
from kdbook.settings import profile
from kdbook.settings.arms import Metric
from kdbook.settings.data import Columns, Data
from kdbook.settings.validation import explain

MAJORITY = 0.7  # of the training rows; beyond it accuracy says little about the other classes
PATHS = (".", "/", "~")  # how a checkpoint begins that is a directory
HEAD = "# Models and settings come from the base; what is set here replaces what is set there.\n"


@dataclass(frozen=True)
class ProfileRequest:
    """What a profile is made of: a data source, the columns of its tables, its languages, and a profile to
    start from.

    ``languages`` may be empty where a column names them: then all that occur are taken. ``train_languages``,
    ``configuration``, ``ignored_splits`` and ``unlabelled`` are those of :class:`kdbook.settings.data.Data`.
    """

    source: str
    texts: tuple[str, ...]
    label: str
    language: str | None = None
    id: str | None = None
    languages: tuple[str, ...] = ()
    base: str = "laptop"
    teacher: str | None = None
    student: str | None = None
    configuration: str | None = None
    ignored_splits: tuple[str, ...] = ()
    unlabelled: bool = False
    train_languages: tuple[str, ...] = ()


def write(path: Path, request: ProfileRequest) -> TextData:
    """Write a profile; returns its data, which are read and audited first, so that the profile is usable.

    Where most training rows are of one class, it proposes balanced accuracy as the metric.

    Raises
    ------
    KdbookError
        If the file exists, or the data can't be read: the message says why.
    """
    if path.suffix != ".toml":
        raise KdbookError(f"{str(path)!r} is not the name of a profile; write NAME or NAME.toml")
    if not is_dir(path.parent):
        raise KdbookError(f"{path} can't be written: the folder {path.parent} does not exist")
    if exists(path):
        raise KdbookError(f"{str(path)!r} exists already; name a new file")
    profile.refuse_shipped_name(path)
    request = _as_seen_from(path.parent, request)
    languages = _languages(request, path.parent)
    settings = profile.parsed(toml(request, languages), str(path))
    rows = load(profile.with_source(settings, profile.located(request.source, path.parent)).data)
    is_unbalanced = rows["train"]["label"].value_counts(normalize=True).max() > MAJORITY
    text = toml(request, languages, "balanced accuracy" if is_unbalanced else "accuracy")
    with writing(path), atomic(path) as partial:
        partial.write_text(text, "utf-8")
    return rows


def toml(request: ProfileRequest, languages: tuple[str, ...], metric: Metric = "accuracy") -> str:
    """The profile as TOML."""
    columns = {
        "texts": list(request.texts),
        "label": request.label,
        "language": request.language,
        "id": request.id,
    }
    table: dict[str, object] = {
        "base": request.base,
        "description": f"{request.label} by {' and '.join(request.texts)} in {Path(request.source).name}",
        "data": {
            "source": request.source,
            **({"configuration": request.configuration} if request.configuration else {}),
            **({"ignored_splits": list(request.ignored_splits)} if request.ignored_splits else {}),
            **({"unlabelled": True} if request.unlabelled else {}),
            "languages": list(languages),
            **({"train_languages": list(request.train_languages)} if request.train_languages else {}),
            "columns": {name: value for name, value in columns.items() if value is not None},
        },
    }
    if metric != "accuracy":
        table["primary"] = {"metric": metric}
    checkpoints = {"teacher": request.teacher, "student": request.student}
    table |= {model: {"checkpoint": checkpoint} for model, checkpoint in checkpoints.items() if checkpoint}
    return f"{HEAD}{tomli_w.dumps(table)}"


def _as_seen_from(folder: Path, request: ProfileRequest) -> ProfileRequest:
    """A request with its paths as a profile in this folder names them: relative to the profile."""

    def relative(name: str) -> str:
        path = expanded(name)
        return f"./{os.path.relpath(path, folder)}" if exists(path) and not path.is_absolute() else name

    def checkpoint(name: str | None) -> str | None:
        return relative(name) if name and name.startswith(PATHS) else name

    return replace(
        request,
        source=relative(request.source),
        teacher=checkpoint(request.teacher),
        student=checkpoint(request.student),
    )


def _languages(request: ProfileRequest, folder: Path) -> tuple[str, ...]:
    if request.languages:
        return request.languages
    if not request.language:
        raise KdbookError(
            "name the languages of the texts, with --languages en,de or, where a column has them, "
            "--language COLUMN"
        )
    try:
        columns = Columns(texts=request.texts, label=request.label, language=request.language, id=request.id)
    except ValidationError as error:
        raise KdbookError(explain(error, Columns)) from error
    source = profile.located(request.source, folder)
    return custom.languages(Data(source=source, columns=columns, configuration=request.configuration))
