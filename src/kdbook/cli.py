"""The ``kdbook`` command."""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kdbook import data, evaluate, profile, study
from kdbook.errors import KdbookError
from kdbook.progress import Meter

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Train and read the studies of the book."
)
data_app = typer.Typer(no_args_is_help=True, help="Look at data before training on them.")
app.add_typer(data_app, name="data")

ProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="Name of a profile or path of a .toml file; default: $KDBOOK_PROFILE, else embedded.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command(epilog="Example: kdbook run --profile smoke")
def run(name: ProfileOption = None) -> None:
    """Train the runs of a profile that are not in the store yet."""
    opened = study.open_study(name)
    missing = {status.name: status for status in opened.status() if status.state != "current"}
    _say(f"profile {opened.profile.name}: {len(opened.specs)} runs, {len(missing)} to train")
    for status in missing.values():
        _say(f"  {status.name}: {status.state}, {status.reason}")
    meter = Meter(len(missing))
    for run_name in missing:
        opened.train(opened.specs[run_name], meter.watch, partial(_say, f"waiting for another process that trains {run_name}"))


@app.command(epilog="Example: kdbook status --json")
def status(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show where every run of a profile stands, and why."""
    opened = study.open_study(name)
    rows = [asdict(row) for row in opened.status()]
    if as_json:
        _print_json({"profile": opened.profile.name, "runs": rows})
    else:
        _print_table(rows, ["name", "state", "reason", "key"])


@app.command(epilog="Example: kdbook results --profile embedded --json")
def results(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show the accuracies and times of the finished runs; trains nothing."""
    opened = study.open_study(name)
    table = evaluate.results(opened)
    lacking = len(opened.specs) - len(table["runs"])
    if lacking:
        _say(f"{lacking} of {len(opened.specs)} runs are not finished; train them with: kdbook run --profile {name or opened.profile.name}")
    if as_json:
        _print_json(table)
    else:
        rows = [
            row | {test: f"{value:.3f}" for test, value in row["accuracy"].items()} | {"fit (s)": f"{row['fit_seconds']:.1f}"}
            for row in table["runs"]
        ]
        _print_table(rows, ["name", *opened.profile.data.languages, evaluate.ALL, "fit (s)", "key"])


@app.command(epilog="Example: kdbook pretrain student my-student")
def pretrain(
    name: Annotated[str, typer.Argument(help="teacher or student: the shipped encoder to pretrain anew.")],
    output: Annotated[Path, typer.Argument(help="Directory for the checkpoint, in Hugging Face layout.")],
) -> None:
    """Pretrain a compact encoder on generated text, as the shipped ones were; takes minutes to an hour on one core."""
    from kdbook.encoders import pretrain as pretraining  # imports torch

    if name not in pretraining.SHIPPED:
        raise KdbookError(f"there is no encoder {name!r}. Choose from: {', '.join(pretraining.SHIPPED)}")
    if output.exists():
        raise KdbookError(f"{str(output)!r} exists already; name a new directory")
    pretraining.pretrain(pretraining.SHIPPED[name], output, _say)


@data_app.command("check", epilog="Example: kdbook data check x-final")
def check(
    directory: Annotated[Path, typer.Argument(help="Directory in the layout of the PAWS-X release: <language>/*.tsv.")],
    name: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the usable and unusable rows of a data directory, in the languages of a profile."""
    if not directory.is_dir():
        raise KdbookError(f"the data directory {str(directory)!r} does not exist")
    pairs = data.load(profile.Data(source=str(directory.absolute()), languages=profile.load(name).data.languages))
    rows = pairs.audit_table().reset_index().to_dict("records")
    if as_json:
        _print_json({"data": str(directory), "splits": rows})
    else:
        _print_table(rows, [str(column) for column in rows[0]])


def main() -> None:
    """Entry point: an error that the user can put right is one line, without a traceback."""
    try:
        app()
    except KdbookError as error:
        _say(f"kdbook: {error}")
        sys.exit(1)


def _say(text: str) -> None:
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(rows: list[dict], columns: list[str]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()
