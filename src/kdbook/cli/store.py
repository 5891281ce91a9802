"""Commands for the run store."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from kdbook.cli.console import JsonOption, ProfileOption, print_json, print_table, say
from kdbook.errors import KdbookError
from kdbook.execution.schedule import open_study
from kdbook.paths import exists
from kdbook.store import archive
from kdbook.store.local import DAMAGED, PARTIAL
from kdbook.store.location import open_store
from kdbook.store.run import bytes_of
from kdbook.study.orphans import orphaned_runs

WHY_LEFT = {PARTIAL: "left by an interrupted training, download or import", DAMAGED: "damaged"}


def verify(as_json: JsonOption = False) -> None:
    """Hash every file of the store again; damaged runs are named and set aside, and retrained when needed."""
    store = open_store()
    damaged: dict[str, list[str]] = {}
    unreadable: dict[str, str] = {}  # unreachable or forbidden, which is not damage
    keys = store.keys()
    for key in track(keys, "verifying", console=Console(stderr=True), transient=True):
        try:
            if problems := store.verify(key):
                damaged[key] = problems
        except KdbookError as error:
            unreadable[key] = str(error)
    damaged |= {key: [reason] for key, reason in store.withdrawn.items()}
    verified = len(keys) - len(unreadable)
    if as_json:
        print_json({"verified": verified, "damaged": damaged, "not verified": unreadable})
    for key, problems in damaged.items():
        say(f"{key}: {'; '.join(problems)}")
    for key, reason in unreadable.items():
        say(f"{key}: {reason}")
    rest = f"; {len(unreadable)} could not be read, and stay as they are" if unreadable else ""
    say(f"{verified} runs verified, {len(damaged)} damaged{rest}")
    if damaged or unreadable:
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
    runs, unreadable = orphaned_runs(store, profiles or [])
    for profile, reason in unreadable.items():
        say(f"keeping all runs of the profile {profile}, which can't be read: {reason}")
    leftovers = store.leftovers()
    rows = [
        {
            "key": run.key,
            "MB": f"{run.bytes / 1e6:.1f}",
            "why": f"no profile asks for {run.name} of {run.record.profile} any more",
        }
        for run in runs
    ]
    rows += [
        {"key": path.name, "MB": f"{bytes_of(path) / 1e6:.1f}", "why": WHY_LEFT[path.parent.name]}
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
        store.discard(path)
    kept = [path for path in leftovers if path.exists()]
    say(f"removed {len(rows) - len(kept)}")
    for path in kept:
        say(f"{path} has files that are not kdbook's, which stay")


def export(
    file: Annotated[Path, typer.Argument(help="The zip file to write.")], name: ProfileOption = None
) -> None:
    """Write the finished runs of a profile into one file, for kdbook import on another machine."""
    if exists(file):
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

    Hashes show that nothing changed on the way, not who computed the results. These are read, and nothing in
    them is executed. To distil another student from an imported
    teacher, AutoMM unpickles it, which can run arbitrary code: that takes --trust.
    """
    archive.import_runs(
        file, open_store(), trust, lambda key, new: say(f"{'imported' if new else 'already there:'} {key}")
    )
