"""Where the numbers of a page come from, said on the page itself."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from kdbook.profile import BASELINE, DISTILLED, TEACHER
from kdbook.store import Run
from kdbook.study import Study

SHORT = 12  # letters of a hash that are enough to tell two apart


def executed_on(study: Study) -> str:
    """When, with what and on what a page was executed, as HTML that opens when it is clicked."""
    rows = {
        "commit": _commit() or "not known (no git checkout)",
        "profile": study.profile.name,
        "data": study.data_digest[:SHORT],
        "executed on": f"{platform.machine()}, {_cores(os.cpu_count())}, {platform.system()}, Python {platform.python_version()}",
        "package": f"kdbook {version('kdbook')}",
        "computed with": ", ".join(f"{name} {number}" for name, number in study.versions.items()),
    }
    items = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f'<details class="executed-on"><summary>Executed on {day}</summary><dl>{items}</dl></details>'


def run_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each run: its key, what it learns from, the settings in which it differs from the main student of its kind, the
    seconds it took, and how often it was interrupted.
    """
    first = {run.record["spec"]["arm"]: run for run in reversed(runs)}
    rows = [
        {
            "run": run.record["name"],
            "key": run.key[:SHORT],
            "seed": run.record["identity"]["seed"],
            "teacher": run.record["spec"]["teacher"] or "",
            "differs in": _varied(run, first),
            "fit (s)": run.record["fit_seconds"],
            "all (s)": run.record["seconds"],
            "interruptions": run.record["interruptions"],
        }
        for run in runs
    ]
    return pd.DataFrame(rows).set_index("run")


def _varied(run: Run, first: Mapping[str, Run]) -> str:
    arm = run.record["spec"]["arm"]
    main = first[DISTILLED if run.record["spec"]["teacher"] else BASELINE]
    usual = main.record["identity"]["hyperparameters"]
    settings = run.record["identity"]["hyperparameters"] if arm != TEACHER else {}
    shuffled = ["another row's answers"] if run.record["identity"]["shuffled"] else []
    return ", ".join(shuffled + [f"{key.split('.', 1)[1]} = {value}" for key, value in settings.items() if usual.get(key) != value])


def machines(runs: Sequence[Run]) -> str:
    """What the runs were trained on, in a line for each kind of machine, as Markdown."""
    counts = Counter(_machine(run) for run in runs)
    return "\n".join(f"- {count} of {len(runs)} runs: {machine}" for machine, count in counts.items())


def _machine(run: Run) -> str:
    hardware = run.record["hardware"]
    computed_on = hardware["gpu"] or f"{hardware['processor']}, {hardware['threads']} of {_cores(hardware['cores'])}"
    return f"{computed_on}, {hardware['system']}"


def _cores(number: int | None) -> str:
    return "1 core" if number == 1 else f"{number} cores"


def _commit() -> str | None:
    """The commit of this package's source, and whether files differ from it.

    A package that is installed in an environment within someone's own repository is not of that repository's commit.
    """
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
