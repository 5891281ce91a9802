"""What all commands share: their common options, and how they print."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

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
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value for machines, on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print some columns of some rows as a table, on standard output."""
    table = Table(*(Column(Text(column)) for column in columns))
    for row in rows:
        table.add_row(*(Text(str(row[column])) for column in columns))
    Console().print(table)


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
