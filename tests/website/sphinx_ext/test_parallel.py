"""Kernels that start at once do not get into each other's way."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from nbclient import execute
from nbformat.v4 import new_code_cell, new_notebook

from kdbook.settings import machine
from kdbook.website.sphinx_ext.parallel import (
    CHAPTERS_PER_CORE,
    THREADS,
    IpcKernelManager,
    share_cores,
)

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


def test_kernels_start_under_a_long_temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert executed(tmp_path).split()[0] == "ipc"


@pytest.mark.parametrize(("own", "threads"), [(None, "1"), ("3", "3")])
def test_kernels_share_the_cores(monkeypatch, own, threads):
    """Unless the reader has chosen a number of threads."""
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setenv(THREADS, own or "")
    if not own:
        monkeypatch.delenv(THREADS)
    app = SimpleNamespace()
    share_cores(app)
    assert (app.parallel, os.environ[THREADS]) == (8 * CHAPTERS_PER_CORE, threads)
