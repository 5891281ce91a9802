"""Several chapters executed at once."""

import os
from typing import Any

from jupyter_cache.executors import utils
from nbclient import execute
from nbformat import NotebookNode
from sphinx.application import Sphinx

CHAPTERS_PER_CORE = 2  # a chapter mostly imports libraries, and shares the processor well
STARTS = 3
DIED_AT_START = "Kernel died before replying"  # jupyter_client says so


def read_in_parallel(app: Sphinx) -> None:
    """Do what ``sphinx-build --jobs`` would; ``jupyter-book build`` has no such option."""
    utils.executenb = execute_patiently
    app.parallel = CHAPTERS_PER_CORE * len(os.sched_getaffinity(0))
    # sphinx-external-toc always loads this one, which works when all pages are read, and says nothing of parallel reading
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def execute_patiently(notebook: NotebookNode, **settings: Any) -> NotebookNode:
    """Execute a notebook, again if its kernel died before it began.

    A kernel is told ports that were free a moment before; where many processes start, another one may have taken them since.
    """
    for _ in range(STARTS - 1):
        try:
            return execute(notebook, **settings)
        except RuntimeError as error:
            if DIED_AT_START not in str(error):
                raise
    return execute(notebook, **settings)
