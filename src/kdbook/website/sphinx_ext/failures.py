"""What the cells of chapters reported when they failed, as the last words of a build.

Sphinx drops the messages of a process that reads chapters and fails, and jupyter-book prints tracebacks of
its own behind them. So each failure is kept in a file, and the process that builds prints them when it ends.
"""

import atexit
import re
import shutil
import sys
from multiprocessing import active_children
from pathlib import Path
from typing import Any

from nbclient import execute
from nbclient.exceptions import CellExecutionError, DeadKernelError
from sphinx.application import Sphinx

FOLDER = "failures"
MAX_CHAPTERS = 3
SECONDS_TO_END = 20
MAX_CHARACTERS = 300  # of a line
ADVICE = "Correct the cell or what it calls, and build again: finished runs and chapters are kept."
COLOUR = re.compile(r"\x1b\[[\d;]*m")
FAILED_LINE = re.compile(r"^-+> \d+ (?P<code>.*)$", re.MULTILINE)  # as IPython marks it, in the cell first
ERROR = re.compile(r"[\w.]+: |[\w.]+(Error|Exception)$")


def forget(app: Sphinx) -> None:
    """Remove what an earlier build kept."""
    shutil.rmtree(_folder(app), ignore_errors=True)


def execute_and_keep_failures(app: Sphinx, notebook: Any, **settings: Any) -> Any:
    """Execute the notebook of the chapter that this process reads; a failure is kept before it is raised."""
    try:
        return execute(notebook, **settings)
    except (CellExecutionError, DeadKernelError) as error:
        _folder(app).mkdir(parents=True, exist_ok=True)
        path = _folder(app) / f"{app.env.docname.replace('/', '.')}.txt"
        path.write_text(f"{app.env.docname}\n{type(error).__name__}: {error}", "utf-8", "replace")
        raise


def report_last(app: Sphinx, error: Exception | None) -> None:
    """When this process ends, name the chapters that failed, each with its cell and its error."""
    kept = [path.read_text("utf-8").partition("\n") for path in sorted(_folder(app).glob("*.txt"))]
    if error and kept:
        atexit.register(_print, summary({name: report for name, _, report in kept}))


def summary(failed: dict[str, str]) -> str:
    """A few lines on the chapters that failed.

    Parameters
    ----------
    failed
        What nbclient reported by name of the chapter.
    """
    lines = []
    for name, report in list(failed.items())[:MAX_CHAPTERS]:
        plain = COLOUR.sub("", report)
        at = FAILED_LINE.search(plain)
        lines.append(f"The chapter {name} failed in the line" if at else f"The chapter {name} failed")
        lines += [f"    {at['code'].strip()}"] if at else []
        lines.append(_error(plain))
    if len(failed) > MAX_CHAPTERS:
        lines.append(f"Other chapters failed as well: {', '.join(list(failed)[MAX_CHAPTERS:])}")
    return "\n".join(line[:MAX_CHARACTERS] for line in [*lines, ADVICE])


def _error(report: str) -> str:
    """The error of a cell, the last line of the report that names one."""
    lines = [line for line in report.strip().splitlines() if line.strip()]
    return next((line for line in reversed(lines) if ERROR.match(line)), (lines or ["no message"])[-1])


def _folder(app: Sphinx) -> Path:
    return Path(app.doctreedir) / FOLDER


def _print(text: str) -> None:
    """Print what is to be read last, after the processes that still read other chapters have ended."""
    for child in active_children():
        child.terminate()
        child.join(SECONDS_TO_END)
    sys.stdout.flush()
    print(f"\n{text}", file=sys.stderr, flush=True)
