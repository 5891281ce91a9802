"""What is wrong with a profile, in one line."""

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, JsonValue, ValidationError

MOST_CHARACTERS = 700
MOST_CHARACTERS_OF_PLACE = 100


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem: where it is, what it is, and what is allowed there, in one line."""
    return " ".join(_explanation(error, model).split())[:MOST_CHARACTERS]


def _explanation(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors()[0]
    path = first["loc"]
    place = ".".join(map(str, path))[:MOST_CHARACTERS_OF_PLACE]
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}. Choose from: {', '.join(_siblings(model, path[:-1]))}"
    if first["type"] == "value_error":
        prefix = f"{place}: " if place else ""
        return prefix + first["msg"].removeprefix("Value error, ") + _got(path, first["input"])
    return f"{place or 'top level'}: {first['msg']}" + (
        "" if first["type"] == "missing" else f", got {str(first['input'])[:60]!r}"
    )


def _got(path: Iterable[int | str], value: JsonValue) -> str:
    """What was given in place of a table of settings."""
    return f", got {str(value)[:60]!r}" if "hyperparameters" in path or "distiller" in path else ""


def _siblings(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the keys allowed in the table at ``path``; a profile has a base and is named by its file."""
    table: Any = model
    for part in path:
        fields = getattr(table, "model_fields", {})
        annotation = fields[part].annotation if part in fields else table
        table = _model_in(annotation) or table
    return [*(["base"] if table is model else []), *(name for name in table.model_fields if name != "name")]


def _model_in(annotation: Any) -> Any:
    """The model of a table, also where it is optional or one of many under names of the user."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
