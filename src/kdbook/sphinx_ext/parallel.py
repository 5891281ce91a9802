"""Several chapters executed at once."""

import os

from sphinx.application import Sphinx

CHAPTERS_PER_CORE = 2  # a chapter mostly imports libraries, and shares the processor well


def read_in_parallel(app: Sphinx) -> None:
    """Do what ``sphinx-build --jobs`` would; ``jupyter-book build`` has no such option."""
    app.parallel = CHAPTERS_PER_CORE * len(os.sched_getaffinity(0))
    # sphinx-external-toc always loads this one, which works when all pages are read, and says nothing of parallel reading
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
