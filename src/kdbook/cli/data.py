"""Commands for data."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from kdbook.cli.console import JsonOption, ProfileOption, ask, print_json, print_table, say
from kdbook.errors import KdbookError
from kdbook.paths import is_dir
from kdbook.settings import profile
from kdbook.settings.automm import MAX_TEXT_LEN, number
from kdbook.settings.data import ALL


def new(
    name: Annotated[str, typer.Argument(help="Name of the profile; it is written to NAME.toml.")],
    source: Annotated[str | None, typer.Option("--data", help="A file, a directory, or a hub id.")] = None,
    texts: Annotated[
        list[str] | None, typer.Option("--text", help="Column of the text; give it twice for pairs of texts.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column of the label.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Column of the language, if there is one.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option("--languages", help="Languages, as in en,de; default: all in that column.")
    ] = None,
    labelled_in: Annotated[
        str | None,
        typer.Option(
            "--train-languages", help="Languages whose labels are used, as in en; default: those of all."
        ),
    ] = None,
    item: Annotated[
        str | None, typer.Option("--id", help="Column of the id that translations of a text share.")
    ] = None,
    configuration: Annotated[
        str | None, typer.Option("--configuration", help="Configuration of a hub data set with several.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A split to leave out, such as test where its labels are hidden."),
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Let a student learn from rows without labels as well.")
    ] = False,
    base: Annotated[str, typer.Option("--base", help="Profile to take models and settings from.")] = "laptop",
    teacher: Annotated[
        str | None, typer.Option("--teacher", help="A text encoder: hub id or directory.")
    ] = None,
    student: Annotated[str | None, typer.Option("--student", help="A smaller one.")] = None,
) -> None:
    """Write a profile for your own data, after reading and auditing all rows; asks for what is missing."""
    from kdbook.data import remarks  # imports pandas, which takes seconds
    from kdbook.data.new_profile import ProfileRequest, write
    from kdbook.encoders import coverage

    source = source or ask("--data", "Data (a file, a directory, or a hub id)")
    columns = tuple(texts or _split(ask("--text", "Column of the text (two with a comma for pairs)")))
    label = label or ask("--label", "Column of the label")
    language, chosen = _languages(language, _split(languages or ""))
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    ignored = tuple(without or ())
    request = ProfileRequest(
        source=source,
        texts=columns,
        label=label,
        language=language,
        id=item,
        languages=chosen,
        train_languages=_split(labelled_in or ""),
        base=base,
        teacher=teacher,
        student=student,
        configuration=configuration,
        ignored_splits=ignored,
        unlabelled=unlabelled,
    )
    rows = write(path, request)
    sizes = ", ".join(f"{count:,} {split}" for split, count in rows.sizes().loc[ALL].items())
    say(f"{path}: {sizes} rows; {len(rows.classes)} classes: {', '.join(rows.classes)[:200]}")
    models = profile.load(str(path))
    metric = models.primary.metric
    proposed = [f"most rows are of one class, so the metric is {metric}"] if metric != "accuracy" else []
    longest = number(models.hyperparameters | models.student.hyperparameters, MAX_TEXT_LEN)
    for remark in [
        *remarks.on_dropped_rows(rows),
        *rows.notes,
        *remarks.on_long_texts(rows["train"], longest),
        *coverage.remarks(models.teacher.checkpoint, rows["test"]),
        *proposed,
    ]:
        say(f"- {remark}")
    shown = shlex.quote(str(path))
    say(f"Build its book with: make book PROFILE={shown}; or train only, with: kdbook run --profile {shown}")


def _languages(column: str | None, chosen: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The column of the language, if there is one, and the languages to take; asks for what is missing."""
    if chosen or column:
        return column, chosen
    column = ask("--languages or --language", "Column of the language (a dash if there is none)")
    if column != "-":
        return column, ()
    return None, (ask("--languages", "Language of the texts, such as en"),)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def check(
    directory: Annotated[Path, typer.Argument(help="A directory like the PAWS-X release: <language>/*.tsv.")],
    name: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the usable and unusable rows of a data directory, in the languages of a profile."""
    from kdbook.data import load  # imports pandas, which takes seconds

    if not is_dir(directory):
        raise KdbookError(f"the data directory {str(directory)!r} does not exist")
    settings = profile.load(name, str(directory.absolute())).data
    limits = ("train_items", "labelled_items", "unlabelled_items", "validation_items", "test_items")
    table = load(settings.model_copy(update=dict.fromkeys(limits))).audit_table().reset_index()
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    if as_json:
        print_json({"data": str(directory), "splits": rows})
    else:
        print_table(rows, list(table.columns))
