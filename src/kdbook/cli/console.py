"""What all commands share: their common options, and how they print."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from kdbook.errors import KdbookError

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Name of a profile or path of a .toml file; default: $KDBOOK_PROFILE, else embedded.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def say(text: str) -> None:
    """Print a line for the user, on standard error."""
    printable = _printable(" ".join(text.splitlines()), sys.stderr)
    Console(stderr=True).print(printable, highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value for machines, on standard output."""
    print(_printable(json.dumps(value, indent=2, ensure_ascii=False), sys.stdout))


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print some columns of some rows as a table, on standard output."""
    table = Table(*(Column(Text(column)) for column in columns))
    for row in rows:
        table.add_row(*(Text(_printable(str(row[column]), sys.stdout)) for column in columns))
    Console(safe_box=not _can_print(BOX, sys.stdout)).print(table)


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but for tabs and line feeds
BOX = "━┃┏│─"  # of tables


def _can_print(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(text: str, stream: TextIO) -> str:
    """A text with escapes in place of control characters and of what the encoding of a terminal lacks."""
    encoding = stream.encoding or "utf-8"
    text = CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def ask(option: str, question: str) -> str:
    """The answer to a question about an option that was not given.

    Raises
    ------
    KdbookError
        If nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise KdbookError(f"give {option}")
    answer: str = typer.prompt(question, err=True)
    return answer
