"""Commands for the run store."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from kdbook.cli.console import JsonOption, ProfileOption, print_json, print_table, say
from kdbook.errors import KdbookError
from kdbook.execution.schedule import open_study
from kdbook.store import archive
from kdbook.store.local import DAMAGED, PARTIAL
from kdbook.store.location import open_store
from kdbook.study.unreached import unreached

WHY_LEFT = {PARTIAL: "interrupted", DAMAGED: "damaged"}


def verify(as_json: JsonOption = False) -> None:
    """Hash every file of the store again; damaged runs are named and set aside, and retrained when needed."""
    store = open_store()
    keys = track(store.keys(), "verifying", console=Console(stderr=True), transient=True)
    problems_by_key = {key: store.verify(key) for key in keys}
    damaged = {key: problems for key, problems in problems_by_key.items() if problems}
    if as_json:
        print_json({"verified": len(problems_by_key), "damaged": damaged})
    for key, problems in damaged.items():
        say(f"{key}: {'; '.join(problems)}")
    say(f"{len(problems_by_key)} runs verified, {len(damaged)} damaged")
    if damaged:
        sys.exit(1)


def gc(
    profiles: Annotated[
        list[str] | None, typer.Option("--profile", "-p", help="A custom .toml file whose runs stay.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove the runs that no profile reaches any more, and leftovers of interrupted and damaged runs, after
    showing them.
    """
    store = open_store()
    runs, unreadable = unreached(store, profiles or [])
    for profile, reason in unreadable.items():
        say(f"keeping all runs of the profile {profile}, which can't be read: {reason}")
    leftovers = store.leftovers()
    rows = [
        {"run": run.name, "profile": run.record.profile, "key": run.key, "MB": f"{run.bytes / 1e6:.1f}"}
        for run in runs
    ]
    rows += [
        {
            "run": f"leftover of {WHY_LEFT[path.parent.name]} training",
            "profile": "",
            "key": path.name,
            "MB": "",
        }
        for path in leftovers
    ]
    if not rows:
        say("nothing to remove")
        return
    print_table(rows, list(rows[0]))
    if not yes:
        typer.confirm(f"Remove these {len(rows)}?", abort=True)
    for run in runs:
        store.remove(run.key)
    for path in leftovers:
        shutil.rmtree(path)
    say(f"removed {len(rows)}")


def export(
    file: Annotated[Path, typer.Argument(help="The zip file to write.")], name: ProfileOption = None
) -> None:
    """Write the finished runs of a profile into one file, for kdbook import on another machine."""
    if file.exists():
        raise KdbookError(f"{str(file)!r} exists already; name a new file")
    study = open_study(name)
    runs = [run for _, run in study.completed_runs()]
    if not runs:
        raise KdbookError(
            f"the profile {study.profile.name!r} has no finished run. Train some with: kdbook run"
        )
    archive.export(runs, file, lambda run: say(f"exported {run.name}  {run.key}"))
    megabytes = file.stat().st_size / 1e6
    say(f"{len(runs)} of {len(study.specs)} runs of the profile {study.profile.name}, {megabytes:.1f} MB")


def import_runs(
    file: Annotated[Path, typer.Argument(help="A file that kdbook export wrote.")],
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Allow unpickling imported teachers when distilling (can run arbitrary code)."
        ),
    ] = False,
) -> None:
    """Put the runs of such a file into the store, with all hashes checked.

    Their results are read, and nothing in them is executed. To distil another student from an imported
    teacher, AutoMM unpickles it, which can run arbitrary code: that takes --trust.
    """
    archive.import_runs(
        file, open_store(), trust, lambda key, new: say(f"{'imported' if new else 'already there:'} {key}")
    )
