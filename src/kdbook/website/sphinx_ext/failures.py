"""What the cells of chapters reported when they failed, as the last words of a build.

Sphinx drops the messages of a process that reads chapters and fails, and jupyter-book prints tracebacks of
its own behind them; jupyter-cache keeps what the cell reported.
"""

import atexit
import re
import sys

from jupyter_cache import get_cache
from sphinx.application import Sphinx

MAX_CHAPTERS = 3
MAX_CELL_LINES = 1
MAX_CHARACTERS = 300  # of a line
ADVICE = "Correct the cell or what it calls, and build again: finished runs and chapters are kept."
CELL = re.compile(r"-{18}\n(?P<source>.*?)\n-{18}\n", re.DOTALL)  # as nbclient writes it


def report_last(app: Sphinx, error: Exception | None) -> None:
    """When this process ends, name the chapters that failed, each with its cell and its error."""
    settings = getattr(app.env, "mystnb_config", None)
    if not error or not settings:
        return
    names = {str(app.env.doc2path(name)): name for name in app.env.found_docs}
    records = get_cache(settings.execution_cache_path).list_project_records()
    tracebacks = {names[record.uri]: record.traceback for record in records if record.uri in names}
    failed = {name: traceback for name, traceback in sorted(tracebacks.items()) if traceback}
    if failed:
        atexit.register(_print, summary(failed))


def summary(failed: dict[str, str]) -> str:
    """A few lines on the chapters that failed.

    Parameters
    ----------
    failed
        What nbclient reported by name of the chapter.
    """
    lines = []
    for name, traceback in list(failed.items())[:MAX_CHAPTERS]:
        cell = CELL.search(traceback)
        source = cell["source"].strip().splitlines() if cell else []
        lines.append(f"The chapter {name} failed in a cell that ends with:")
        lines += [f"    {line}" for line in source[-MAX_CELL_LINES:]]
        lines.append(_error(traceback))
    if len(failed) > MAX_CHAPTERS:
        lines.append(f"Other chapters failed as well: {', '.join(list(failed)[MAX_CHAPTERS:])}")
    return "\n".join(line[:MAX_CHARACTERS] for line in [*lines, ADVICE])


def _error(traceback: str) -> str:
    """The error of a cell, which is the last line of its traceback that is not indented."""
    lines = [line for line in traceback.strip().splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit|Warning)?: ", line)]
    return (errors or lines or ["no message"])[-1]


def _print(text: str) -> None:
    sys.stdout.flush()
    print(f"\n{text}", file=sys.stderr, flush=True)
