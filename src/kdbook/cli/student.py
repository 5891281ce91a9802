"""Commands for students outside the book."""

from pathlib import Path
from typing import Annotated

import typer

from kdbook.cli.console import ProfileOption, say
from kdbook.errors import KdbookError
from kdbook.execution.schedule import open_study


def export_student(
    folder: Annotated[Path, typer.Argument(help="The new directory to write.")],
    name: ProfileOption = None,
    run_name: Annotated[
        str | None,
        typer.Option(
            "--run", help="Name of the run; default: the distilled one with the best validation accuracy."
        ),
    ] = None,
) -> None:
    """Write a distilled student as ONNX in 32 and 8 bits, with its tokenizer, a model card and the code that
    runs it.
    """
    study = open_study(name)
    missing = [spec.name for spec in study.missing() if spec.arm in study.profile.main_arms]
    if missing:
        command = f"kdbook run --profile {name or study.profile.name}"
        raise KdbookError(f"{', '.join(missing)} must be trained first, with: {command}")
    from kdbook.export import onnx_export  # imports torch when it is needed
    from kdbook.pages import descriptions

    arms = study.get_or_train_arms(*study.profile.main_arms)
    run = study.get_or_train(run_name) if run_name else onnx_export.choose(arms.distilled)
    columns = study.profile.data.columns
    report = onnx_export.export_student(
        run,
        folder,
        study.data,
        arms,
        about=descriptions.about(study),
        columns=columns.texts if columns else None,
    )
    say(f"{run.name} is in {folder}. {report.parity()} {report.speed()}".replace("**", ""))


def predict(
    file: Annotated[
        Path, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file with the text columns.")
    ],
    output: Annotated[Path, typer.Argument(help="The .csv or .tsv file to write.")],
    folder: Annotated[Path, typer.Option("--student", help="A directory that kdbook export-student wrote.")],
) -> None:
    """Predict the rows of a file with an exported student; needs neither AutoMM nor torch."""
    from kdbook.export.predict import predict_file  # imports onnxruntime

    counts = predict_file(file, output, folder)
    missing = (
        f"; without a text, and so without a prediction: {counts.without_text:,}"
        if counts.without_text
        else ""
    )
    say(f"{counts.rows:,} rows in {output}{missing}")
