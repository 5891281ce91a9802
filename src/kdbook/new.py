"""A profile for data of one's own, written from a look at them."""

import json
from dataclasses import dataclass
from pathlib import Path

from kdbook import data, profile
from kdbook.errors import KdbookError

TEMPLATE = """\
base = {base} # models and settings; what stands here replaces what stands there
description = {description}

[data]
source = {source}
languages = {languages}
columns = {{ {columns} }}
{checkpoints}"""


@dataclass(frozen=True)
class Request:
    """What a profile is to be made of: a data source, the columns of its tables, its languages, and a profile to start from.

    ``languages`` may be empty where a column tells them: then all that the source has are taken.
    """

    source: str
    texts: tuple[str, ...]
    label: str
    language: str | None = None
    id: str | None = None
    languages: tuple[str, ...] = ()
    base: str = "pawsx"
    teacher: str | None = None
    student: str | None = None


def write(path: Path, request: Request) -> data.TextData:
    """Write a profile, and return its data, which were read and audited before: a profile that is there can be used.

    Raises
    ------
    KdbookError
        If the file exists, or the data can't be read: the message says why.
    """
    if path.suffix != ".toml":
        raise KdbookError(f"{str(path)!r} does not end in .toml, as profiles do")
    if path.exists():
        raise KdbookError(f"{str(path)!r} exists already; name a new file")
    partial = path.with_name(f".{path.stem}.partial.toml")
    try:
        partial.write_text(text(request, _languages(request, path.parent)), "utf-8")
        found = data.load(profile.load(str(partial)).data)
        partial.rename(path)
    except OSError as error:
        raise KdbookError(f"{path} can't be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return found


def text(request: Request, languages: tuple[str, ...]) -> str:
    """The profile as TOML."""
    columns = {"texts": list(request.texts), "label": request.label, "language": request.language, "id": request.id}
    checkpoints = {"teacher": request.teacher, "student": request.student}
    return TEMPLATE.format(
        base=_toml(request.base),
        description=_toml(f"{request.label} by {' and '.join(request.texts)} in {Path(request.source).name}"),
        source=_toml(request.source),
        languages=_toml(languages),
        columns=", ".join(f"{name} = {_toml(value)}" for name, value in columns.items() if value is not None),
        checkpoints="".join(f"\n[{arm}]\ncheckpoint = {_toml(name)}\n" for arm, name in checkpoints.items() if name),
    )


def _languages(request: Request, folder: Path) -> tuple[str, ...]:
    if request.languages:
        return request.languages
    if not request.language:
        raise KdbookError("say which languages the texts are in, with --languages en,de or, where a column tells, --language COLUMN")
    columns = profile.Columns(texts=request.texts, label=request.label, language=request.language, id=request.id)
    return data.own.languages(profile.Data(source=profile.located(request.source, folder), columns=columns))


def _toml(value: object) -> str:
    """Strings and lists of strings in JSON are TOML as well."""
    return json.dumps(value, ensure_ascii=False)
