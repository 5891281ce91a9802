"""The ``kdbook`` command."""

import json
import shutil
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from kdbook import archive, chapters, cluster, profile, study, workers
from kdbook.errors import KdbookError
from kdbook.progress import duration
from kdbook.store import DAMAGED, PARTIAL, open_store, project_root

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Train and read the studies of the book."
)
data_app = typer.Typer(no_args_is_help=True, help="Look at data before training on them.")
app.add_typer(data_app, name="data")

ProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="Name of a profile or path of a .toml file; default: $KDBOOK_PROFILE, else embedded.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class Executor(StrEnum):
    """Who trains missing runs."""

    local = "local"
    ray = "ray"


@app.command(epilog="Example: kdbook run --profile smoke")
def run(
    name: ProfileOption = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Runs to train at once; default: as many as cores and memory allow.")
    ] = None,
    executor: Annotated[
        Executor,
        typer.Option("--executor", help="local: this machine; ray: a Ray cluster, by RAY_ADDRESS or of this machine."),
    ] = Executor.local,
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="Only take the first steps, with encoders of the true shape."),
    ] = False,
) -> None:
    """Train the runs of a profile that are not in the store yet."""
    if rehearse:
        _rehearse(name)
        return
    opened = study.open_study(name)
    missing = [status for status in opened.status() if status.state != study.CURRENT]
    _say(f"profile {opened.profile.name}: {len(opened.specs)} runs, {len(missing)} to train")
    for status in missing:
        _say(f"  {status.name}: {status.state}, {status.reason}; takes {duration(status.seconds)}")
    if missing:
        train = cluster.train if executor == Executor.ray else workers.train
        train(opened, missing, jobs or workers.default_jobs(opened.profile.threads))


def _rehearse(name: str | None) -> None:
    from kdbook import plan as planning
    from kdbook import rehearsal  # imports AutoMM

    opened = study.open_study(name)
    found = rehearsal.rehearse(opened, _say)
    rows = [
        {
            "arm": one.arm,
            "M parameters": f"{one.parameters / 1e6:.0f}",
            "tokens": f"{one.tokens:.0f}",
            "s/step": f"{one.seconds:.2f}",
            "steps": f"{one.steps:,}",
            "h/run": f"{one.hours:.1f}",
            "peak GB": f"{one.memory:.1f}",
            "loss": f"{one.loss:.3f}",
        }
        for one in found
    ]
    _print_table(rows, list(rows[0]))
    tokens = max(one.tokens for one in found) / 2
    for gpu, peak in planning.GPUS.items():
        hours = sum(arm.runs * arm.hours for arm in planning.arms(opened, peak, tokens))
        _say(f"all {len(opened.specs)} runs on one {gpu}: about {hours:.0f} hours by estimate")


@app.command(epilog="Example: kdbook plan --profile pawsx --gpu H100")
def plan(
    name: ProfileOption = None,
    gpu: Annotated[str, typer.Option("--gpu", help="T4, L4, A100 or H100: what runs are trained on.")] = "A100",
    as_json: JsonOption = False,
) -> None:
    """Estimate what a profile will take: runs, hours, memory, disk, and what can run side by side; trains nothing."""
    from kdbook import plan as planning  # imports torch when it is needed

    if gpu not in planning.GPUS:
        raise KdbookError(f"there is no figure for the GPU {gpu!r}. Choose from: {', '.join(planning.GPUS)}")
    opened = study.open_study(name)
    found = planning.arms(opened, planning.GPUS[gpu])
    walls = {count: planning.wall_hours(opened.profile, found, count) for count in (1, 2, 4, 8)}
    if as_json:
        _print_json({"profile": opened.profile.name, "gpu": gpu, "arms": [asdict(arm) for arm in found], "hours by GPUs": walls})
        return
    rows = [
        {
            "arm": arm.name,
            "runs": arm.runs,
            "h each": f"{arm.hours:.2f}",
            "h all": f"{arm.runs * arm.hours:.1f}",
            "GPU GB": f"{arm.memory:.1f}",
            "disk GB": f"{arm.runs * arm.disk:.1f}",
            "from": "measured" if arm.measured else "estimated",
        }
        for arm in found
    ]
    _print_table(rows, list(rows[0]))
    hours, disk = sum(arm.runs * arm.hours for arm in found), sum(arm.runs * arm.disk for arm in found)
    _say(f"{sum(arm.runs for arm in found)} runs, {hours:.1f} hours of one {gpu}, {disk:.0f} GB on disk")
    for count, wall in walls.items():
        teachers, students = planning.side_by_side(opened.profile, count)
        _say(f"with {count} at once: {wall:.1f} hours, {teachers} teachers or {students} students side by side")


@app.command(epilog="Example: kdbook status --json")
def status(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show where every run and chapter of a profile stands, why, and what bringing it up to date will take."""
    opened = study.open_study(name)
    runs = [asdict(row) for row in opened.status()]
    pages = [asdict(row) for row in chapters.status(project_root(), opened)]
    if as_json:
        _print_json({"profile": opened.profile.name, "runs": runs, "chapters": pages})
        return
    for rows, columns in ((runs, ["name", "state", "reason", "time", "key"]), (pages, ["name", "state", "reason", "time"])):
        times = ("" if row["state"] == study.CURRENT else duration(row["seconds"]) for row in rows)
        _print_table([row | {"time": time} for row, time in zip(rows, times, strict=True)], columns)
    _say(f"to train: {_total(runs)}; to execute: {_total(pages)}")


@app.command(epilog="Example: kdbook results --profile embedded --json")
def results(name: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show the accuracies and times of the finished runs; trains nothing."""
    from kdbook import evaluate  # imports pandas and scipy, which takes seconds

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


@app.command(epilog="Example: kdbook new my-study --data reviews.csv --text review --label mood --language language")
def new(
    name: Annotated[str, typer.Argument(help="What the profile is called; it is written to NAME.toml.")],
    source: Annotated[str | None, typer.Option("--data", help="A file, a directory, or the id of a data set of the hub.")] = None,
    texts: Annotated[list[str] | None, typer.Option("--text", help="Column of the text; give it twice for pairs of texts.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column of the label.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="Column of the language, if one tells it.")] = None,
    languages: Annotated[str | None, typer.Option("--languages", help="Languages, as in en,de; default: all in that column.")] = None,
    item: Annotated[str | None, typer.Option("--id", help="Column of the id that a text has in all languages.")] = None,
    base: Annotated[str, typer.Option("--base", help="Profile to take models and settings from.")] = "pawsx",
    teacher: Annotated[str | None, typer.Option("--teacher", help="A text encoder: hub id or directory.")] = None,
    student: Annotated[str | None, typer.Option("--student", help="A smaller one.")] = None,
) -> None:
    """Write a profile for data of your own, after reading and auditing all rows; asks for what is left out."""
    from kdbook import new as asked  # imports pandas, which takes seconds

    source = source or _ask("--data", "Data (a file, a directory, or a hub id)")
    texts = texts or [text.strip() for text in _ask("--text", "Column of the text (two with a comma for pairs)").split(",")]
    label = label or _ask("--label", "Column of the label")
    given = tuple(part.strip() for part in (languages or "").split(",") if part.strip())
    if not given and not language:
        language = _ask("--languages or --language", "Column of the language (a dash if there is none)")
        if language == "-":
            language, given = None, (_ask("--languages", "Language of the texts, such as en"),)
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    rows = asked.write(path, asked.Request(source, tuple(texts), label, language, item, given, base, teacher, student))
    sizes = ", ".join(f"{count:,} {split}" for split, count in rows.sizes().loc[profile.ALL].items())
    _say(f"{path}: {sizes} rows; {len(rows.classes)} classes: {', '.join(rows.classes)[:200]}")
    _say(f"Build the book over them with: make book PROFILE={path}; or train alone with: kdbook run --profile {path}")


def _ask(option: str, question: str) -> str:
    if not sys.stdin.isatty():
        raise KdbookError(f"give {option}")
    return typer.prompt(question, err=True)


@app.command(epilog="Example: kdbook verify")
def verify(as_json: JsonOption = False) -> None:
    """Hash every file of the store again and name what is damaged; a damaged run is set aside and trained anew when it is asked for."""
    store = open_store()
    found = {key: store.verify(key) for key in track(store.keys(), "verifying", console=Console(stderr=True), transient=True)}
    damaged = {key: words for key, words in found.items() if words}
    if as_json:
        _print_json({"verified": len(found), "damaged": damaged})
    for key, words in damaged.items():
        _say(f"{key}: {'; '.join(words)}")
    _say(f"{len(found)} runs verified, {len(damaged)} damaged")
    if damaged:
        sys.exit(1)


@app.command(epilog="Example: kdbook gc --profile my-profile.toml")
def gc(
    profiles: Annotated[list[str] | None, typer.Option("--profile", "-p", help="A .toml file of your own whose runs stay.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove the runs that no profile reaches any more, and what interrupted and damaged runs left, after showing them."""
    store = open_store()
    runs, unknown = study.unreached(store, profiles or [])
    for profile_name, reason in unknown.items():
        _say(f"keeping all runs of the profile {profile_name}, which can't be looked at: {reason}")
    leftovers = store.leftovers()
    if not runs and not leftovers:
        _say("nothing to remove")
        return
    rows = [{"run": run.record["name"], "profile": run.record["profile"], "key": run.key, "MB": f"{run.bytes / 1e6:.1f}"} for run in runs]
    rows += [
        {"run": f"left by a run that was {_WHY_LEFT[path.parent.name]}", "profile": "", "key": path.name, "MB": ""} for path in leftovers
    ]
    _print_table(rows, list(rows[0]))
    if not yes:
        typer.confirm(f"Remove these {len(rows)}?", abort=True)
    for run in runs:
        store.remove(run.key)
    for path in leftovers:
        shutil.rmtree(path)
    _say(f"removed {len(rows)}")


_WHY_LEFT = {PARTIAL: "interrupted", DAMAGED: "damaged"}


@app.command(epilog="Example: kdbook export runs.zip --profile pawsx")
def export(file: Annotated[Path, typer.Argument(help="The zip file to write.")], name: ProfileOption = None) -> None:
    """Write the finished runs of a profile into one file, for kdbook import on another machine."""
    if file.exists():
        raise KdbookError(f"{str(file)!r} exists already; name a new file")
    opened = study.open_study(name)
    runs = [run for _, run in opened.finished()]
    if not runs:
        raise KdbookError(f"the profile {opened.profile.name!r} has no finished run. Train some with: kdbook run")
    archive.export(runs, file, lambda run: _say(f"exported {run.record['name']}  {run.key}"))
    _say(f"{len(runs)} of {len(opened.specs)} runs of the profile {opened.profile.name}, {file.stat().st_size / 1e6:.1f} MB")


@app.command("import", epilog="Example: kdbook import runs.zip")
def import_runs(
    file: Annotated[Path, typer.Argument(help="A file that kdbook export wrote.")],
    trust: Annotated[bool, typer.Option("--trust", help="Let students be distilled from its teachers; see above.")] = False,
) -> None:
    """Put the runs of such a file into the store, with all hashes checked.

    Their results are read, and nothing in them is executed. To distil another student from an imported teacher, AutoMM
    loads it with pickle, which can run any code: that takes --trust.
    """
    archive.import_runs(file, open_store(), trust, lambda key, new: _say(f"{'imported' if new else 'already there:'} {key}"))


@app.command(epilog="Example: kdbook export-student my-student")
def export_student(
    folder: Annotated[Path, typer.Argument(help="The new directory to write.")],
    name: ProfileOption = None,
    of: Annotated[
        str | None, typer.Option("--run", help="Name of the run; default: the distilled one that does best on validation rows.")
    ] = None,
) -> None:
    """Write a distilled student as ONNX in 32 and 8 bits, with its tokenizer, a model card and the code that runs it."""
    opened = study.open_study(name)
    missing = [spec.name for spec in opened.missing() if spec.arm in profile.MAIN_ARMS]
    if missing:
        raise KdbookError(f"{', '.join(missing)} must be trained first, with: kdbook run --profile {name or opened.profile.name}")
    from kdbook import deployment, words  # imports torch when it is needed

    arms = opened.runs_by_arm(*profile.MAIN_ARMS)
    chosen = opened.run(of) if of else deployment.choose(arms[profile.DISTILLED])
    shipped = deployment.export(opened, arms, chosen, folder)
    _say(f"{chosen.record['name']} is in {folder}. {words.parity(shipped)} {words.speed(shipped)}".replace("**", ""))


@app.command(epilog="Example: kdbook predict pairs.csv answers.csv --student my-student")
def predict(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file with the student's columns of text.")],
    output: Annotated[Path, typer.Argument(help="The .csv or .tsv file to write.")],
    folder: Annotated[Path, typer.Option("--student", help="A directory that kdbook export-student wrote.")],
) -> None:
    """Answer the rows of a file with an exported student; needs neither AutoMM nor torch."""
    from kdbook import labelling  # imports onnxruntime

    count = labelling.label(file, output, folder)
    _say(f"{count:,} rows answered in {output}")


@app.command(epilog="Example: kdbook pretrain student my-student")
def pretrain(
    name: Annotated[str, typer.Argument(help="teacher or student: the shipped encoder to pretrain anew.")],
    output: Annotated[Path, typer.Argument(help="Directory for the checkpoint, in Hugging Face layout.")],
) -> None:
    """Pretrain a compact encoder on generated text, as the shipped ones were; takes minutes to an hour, and can be interrupted."""
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
    from kdbook import data  # imports pandas, which takes seconds

    if not directory.is_dir():
        raise KdbookError(f"the data directory {str(directory)!r} does not exist")
    asked = profile.load(name, str(directory.absolute())).data
    everything = {"train_items": None, "validation_items": None, "test_items": None}
    found = data.load(asked.model_copy(update=everything))
    rows = found.audit_table().reset_index().to_dict("records")
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


def _total(rows: list[dict]) -> str:
    """How many of the rows are not current, and how long those take."""
    waiting = [row["seconds"] for row in rows if row["state"] != study.CURRENT]
    known = [seconds for seconds in waiting if seconds is not None]
    if not waiting:
        return "nothing"
    return f"{len(waiting)}, {duration(sum(known) if known else None)}" + (" and more" if 0 < len(known) < len(waiting) else "")


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(rows: list[dict], columns: list[str]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()
