"""Several chapters executed at once."""

import os
import tempfile
from functools import partial
from pathlib import Path
from uuid import uuid4

from jupyter_cache.executors import utils
from jupyter_client.manager import AsyncKernelManager
from nbclient import execute
from sphinx.application import Sphinx
from traitlets import default

CHAPTERS_PER_CORE = 2  # a chapter mostly imports libraries and shares the processor well
SECONDS_TO_START = 300  # importing IPython takes that long only where a disk or a processor is busy


class IpcKernelManager(AsyncKernelManager):
    """Talks to a kernel through sockets in files of its own.

    Over TCP, ports are chosen before the kernel binds them; where several kernels start, another process may
    have taken them since.
    """

    @default("transport")
    def _transport(self) -> str:
        return "ipc"

    @default("ip")
    def _socket_prefix(self) -> str:
        return str(Path(tempfile.gettempdir()) / f"kdbook-{uuid4().hex}")


def read_in_parallel(app: Sphinx) -> None:
    """Do what ``sphinx-build --jobs`` would; ``jupyter-book build`` has no such option."""
    # MyST-NB 1.5 will take a kernel manager as an argument (seen in its development branch, November 2026).
    utils.executenb = partial(
        execute, kernel_manager_class=IpcKernelManager, startup_timeout=SECONDS_TO_START
    )
    app.parallel = CHAPTERS_PER_CORE * len(os.sched_getaffinity(0))
    # sphinx-external-toc always loads this extension, which works in parallel but does not say so
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
