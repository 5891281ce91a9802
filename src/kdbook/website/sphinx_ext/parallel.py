"""Several chapters executed at once."""

import os
import subprocess
from typing import Any
from uuid import uuid4

from jupyter_client.manager import AsyncKernelManager
from sphinx.application import Sphinx
from traitlets import default

from kdbook.settings import environment, machine

CHAPTERS_PER_CORE = 2  # a chapter mostly imports libraries and shares the processor well
THREADS = "OMP_NUM_THREADS"  # read by PyTorch and scikit-learn when they are imported


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


def share_cores(app: Sphinx) -> None:
    """Do what ``sphinx-build --jobs`` would, since ``jupyter-book build`` has no such option, and let kernels
    that run at the same time compute with fewer threads: those of several kernels on a core wait for each
    other.
    """
    app.parallel = CHAPTERS_PER_CORE * machine.cores()
    os.environ.setdefault(THREADS, "1")
