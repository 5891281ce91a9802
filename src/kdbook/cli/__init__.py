"""The ``kdbook`` command."""

import sys

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
    ("plan", runs.plan, "kdbook plan --profile pawsx --gpu H100"),
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
    ("pretrain", student.pretrain, "kdbook pretrain student my-student"),
)
EXTRAS = {  # that install a package
    **dict.fromkeys(("onnxruntime", "tokenizers"), "predict"),
    **dict.fromkeys(("huggingface_hub", "onnx", "torch", "transformers"), "export"),
    **dict.fromkeys(("autogluon", "datasets", "lightning", "nlpaug", "ray"), "train"),
    **dict.fromkeys(("safetensors", "sklearn"), "train"),
    "s3fs": "s3",
}
for name, command, example in COMMANDS:
    app.command(name, epilog=f"Example: {example}")(command)
data_app.command("check", epilog="Example: kdbook data check x-final")(data.check)


def main() -> None:
    """Run the command; an error that the user can fix, such as a package that is not installed, is one line,
    without a traceback.
    """
    try:
        app()
    except KdbookError as error:
        say(f"kdbook: {error}")
        sys.exit(1)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            raise
        command = f'pip install "kdbook[{EXTRAS[package]}]"'
        say(f"kdbook: this needs the package {package}; install it with: {command}")
        sys.exit(1)
