"""The ``kdbook`` command."""

import errno
import os
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

import typer

from kdbook.cli import data, runs, store, student
from kdbook.cli.console import say
from kdbook.errors import KdbookError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train and read the studies of the book.",
)
data_app = typer.Typer(no_args_is_help=True, help="Check data before training on them.")
app.add_typer(data_app, name="data")

COMMANDS = (
    ("run", runs.run, "kdbook run --profile smoke"),
    ("plan", runs.plan, "kdbook plan --profile pawsx"),
    ("status", runs.status, "kdbook status --json"),
    ("results", runs.results, "kdbook results --profile embedded --json"),
    (
        "new",
        data.new,
        "kdbook new my-study --data reviews.csv --text review --label mood --language language",
    ),
    ("verify", store.verify, "kdbook verify"),
    ("gc", store.gc, "kdbook gc --profile my-profile.toml"),
    ("export", store.export, "kdbook export runs.zip --profile pawsx"),
    ("import", store.import_runs, "kdbook import runs.zip"),
    ("export-student", student.export_student, "kdbook export-student my-student"),
    ("predict", student.predict, "kdbook predict pairs.csv predictions.csv --student my-student"),
)
EXTRAS = {  # that install a package
    **dict.fromkeys(("onnxruntime", "tokenizers"), "predict"),
    **dict.fromkeys(("huggingface_hub", "onnx", "torch", "transformers"), "export"),
    **dict.fromkeys(("autogluon", "datasets", "lightning", "nlpaug", "ray"), "train"),
    **dict.fromkeys(("safetensors", "sklearn"), "train"),
    "s3fs": "s3",
}
NARROWEST = 20  # columns in which a table can be read


for name, command, example in COMMANDS:
    app.command(name, epilog=f"Example: {example}")(command)
data_app.command("check", epilog="Example: kdbook data check x-final")(data.check)


def main() -> None:
    """Run the command. An error is one line: what the user can do, where it is known, else a file with the
    details.
    """
    _prepare_terminal()
    try:
        _run()
    finally:
        for stream in (sys.stdout, sys.stderr):
            _end(stream)


def _run() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except KdbookError as error:
        say(f"kdbook: {error}")
        sys.exit(1)
    except OSError as error:
        _fail_of_system(error)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            _fail_unexpectedly(error)
        command = f'pip install "kdbook[{EXTRAS[package]}]"'
        say(f"kdbook: this needs the package {package}; install it with: {command}")
        sys.exit(1)
    except Exception as error:
        _fail_unexpectedly(error)


def _prepare_terminal() -> None:
    """Make the streams and the width of the terminal such that everything can be printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # until the end
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    columns = os.environ.get("COLUMNS", "80")
    if not (columns.isascii() and columns.isdigit() and len(columns) < 4 and int(columns) >= NARROWEST):
        os.environ["COLUMNS"] = "80"


def _end(stream: TextIO) -> None:
    """Write what is left for a stream; if it takes no more, drop it, since Python would fail at the end."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail_of_system(error: OSError) -> NoReturn:
    """End with the line of an error of the system; one without a file is that of a stream or unexpected."""
    if error.filename is not None:
        say(f"kdbook: {error.filename}: {error.strerror or error}")
    elif error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO):
        if error.errno != errno.EPIPE:  # the reader of a pipe, such as head, has ended
            with suppress(OSError):
                say(f"kdbook: the output can't be written: {error.strerror}")
    else:
        _fail_unexpectedly(error)
    sys.exit(1)


def _fail_unexpectedly(error: Exception) -> NoReturn:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    say(f"kdbook: unexpected {type(error).__name__}: {reason}; details for a report are in {_details()}")
    sys.exit(1)


def _details() -> str:
    """The name of a new file with the traceback of the present error, if there can be one."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="kdbook-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(traceback.format_exc())
            return file.name
    except OSError:
        return "no file, since no temporary one can be written"
