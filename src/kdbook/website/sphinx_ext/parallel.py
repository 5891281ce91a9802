"""Several chapters executed at once."""

import os
import subprocess
from functools import partial
from typing import Any
from uuid import uuid4

import sqlalchemy
from filelock import FileLock
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache import db
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors import utils
from jupyter_client.manager import AsyncKernelManager
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from traitlets import default

from kdbook.settings import environment, machine
from kdbook.website.sphinx_ext import failures

CHAPTERS_PER_CORE = 2  # a chapter mostly imports libraries and shares the processor well
SECONDS_TO_WRITE = 300  # into the database of chapters, which others may lock for long on a network disk
FEW = 5  # up to which Sphinx reads chapters one after the other
THREADS = "OMP_NUM_THREADS"  # read by PyTorch and scikit-learn when they are imported
LOCK = "kdbook.lock"
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
        name = f"kdbook-{uuid4().hex}"
        return str(environment.folder_for_sockets(len(f"/{name}-65535")) / name)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **settings: Any) -> None:
        """Start a kernel whose own log is dropped: one that ends with its build would print tracebacks of it.

        What a cell prints reaches the notebook in another way.
        """
        await super()._async_launch_kernel(kernel_cmd, **settings, stderr=subprocess.DEVNULL)


def read_in_parallel(app: Sphinx) -> None:
    """Do what ``sphinx-build --jobs`` would; ``jupyter-book build`` has no such option."""
    # MyST-NB 1.5 will take a kernel manager as an argument (seen in its development branch, November 2026).
    utils.executenb = partial(
        failures.execute_and_keep_failures,
        app,
        kernel_manager_class=IpcKernelManager,
        startup_timeout=SECONDS_TO_START,
    )
    db.create_engine = _create_engine
    JupyterCacheBase.cache_notebook_bundle = _keep_exclusively
    app.parallel = CHAPTERS_PER_CORE * machine.cores()
    # sphinx-external-toc always loads this extension, which works in parallel but does not say so
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def share_cores(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Start no processes for a few pages, which takes longer than they do, and let kernels that run at the
    same time compute with fewer threads: those of several kernels on a core wait for each other.
    """
    if len(names) <= FEW:
        app.parallel = 1
    os.environ.setdefault(THREADS, str(max(1, machine.cores() // app.parallel)))


_keep = JupyterCacheBase.cache_notebook_bundle


def _keep_exclusively(cache: JupyterCacheBase, bundle: CacheBundleIn, **settings: Any) -> db.NbCacheRecord:
    """Keep an executed chapter while no other process does.

    jupyter-cache asks which records are the newest, and then removes all others: those as well that another
    process has added between the two questions.
    """
    with FileLock(cache.path / LOCK):
        return _keep(cache, bundle, **settings)


def _create_engine(url: str) -> sqlalchemy.Engine:
    """The database of executed chapters at a path of any characters, which jupyter-cache puts into a URL."""
    path = url.removeprefix("sqlite:///")
    arguments = {"timeout": SECONDS_TO_WRITE}
    return sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=path), connect_args=arguments)
