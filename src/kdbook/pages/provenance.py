"""Where the numbers of a page come from, stated on the page itself."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from kdbook.pages.markup import plain
from kdbook.store.run import Run
from kdbook.study.study import Study

HASH_PREFIX = 12  # characters of a hash that are enough to tell two apart


def executed_on(study: Study) -> str:
    """When, with what and on what a page was executed, as HTML that opens on a click."""
    rows = {
        "commit": _commit() or "not known (no git checkout)",
        "profile": study.profile.name,
        "data": study.data_digest("all")[:HASH_PREFIX],
        "executed on": (
            f"{platform.machine()}, {_cores(os.cpu_count())}, {platform.system()}, Python "
            f"{platform.python_version()}"
        ),
        "package": f"kdbook {version('kdbook')}",
        "computed with": ", ".join(f"{name} {number}" for name, number in study.versions.items()),
    }
    items = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f'<details class="executed-on"><summary>Executed on {day}</summary><dl>{items}</dl></details>'


def machines(runs: Sequence[Run]) -> str:
    """The machines on which the runs were trained, a line of Markdown for each kind."""
    counts = Counter(_machine(run) for run in runs)
    return "\n".join(f"- {count} of {len(runs)} runs: {plain(machine)}" for machine, count in counts.items())


def _machine(run: Run) -> str:
    hardware = run.measurements.hardware
    processor = hardware.gpu or f"{hardware.processor}, {hardware.threads} of {_cores(hardware.cores)}"
    return f"{processor}, {hardware.system}"


def _cores(number: int | None) -> str:
    return "1 core" if number == 1 else f"{number} cores"


def _commit() -> str | None:
    """The commit of this package's source, marked if files differ from it.

    A package that is installed in an environment within someone else's repository is not of that repository's
    commit.
    """
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
