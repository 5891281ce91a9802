"""Several chapters executed at once."""

import os

from jupyter_client.connect import ConnectionFileMixin
from sphinx.application import Sphinx

CHAPTERS_PER_CORE = 2  # a chapter mostly imports libraries, and shares the processor well


def read_in_parallel(app: Sphinx) -> None:
    """Do what ``sphinx-build --jobs`` would; ``jupyter-book build`` has no such option."""
    # Kernels that start at once would fight for ports, and whoever loses the race dies; sockets of files have names of their own.
    ConnectionFileMixin.transport.default_value = "ipc"
    app.parallel = CHAPTERS_PER_CORE * len(os.sched_getaffinity(0))
    # sphinx-external-toc always loads this one, which works when all pages are read, and says nothing of parallel reading
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
