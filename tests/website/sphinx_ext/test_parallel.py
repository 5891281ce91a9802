"""Kernels that start at once do not get into each other's way."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nbclient import execute
from nbformat.v4 import new_code_cell, new_notebook

from kdbook.website.sphinx_ext.parallel import IpcKernelManager

pytestmark = pytest.mark.training

WHERE = (
    "from ipykernel.kernelapp import IPKernelApp; app = IPKernelApp.instance(); print(app.transport, app.ip)"
)


def executed(folder: Path) -> str:
    notebook = execute(
        new_notebook(cells=[new_code_cell(WHERE)]), cwd=str(folder), kernel_manager_class=IpcKernelManager
    )
    return notebook.cells[0].outputs[0].text


def test_kernels_that_start_at_once_share_no_socket_and_leave_none(tmp_path):
    with ThreadPoolExecutor() as pool:
        where = [text.split() for text in pool.map(executed, [tmp_path] * 4)]
    assert [transport for transport, _ in where] == ["ipc"] * 4
    assert len({path for _, path in where}) == 4
    assert all(Path(path).parent == Path(tempfile.gettempdir()) for _, path in where)
    assert not list(tmp_path.iterdir()) and not any(
        list(Path(path).parent.glob(f"{Path(path).name}*")) for _, path in where
    )
