"""Kernels that start at once do not get into each other's way."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache import db
from nbclient import execute
from nbformat.v4 import new_code_cell, new_notebook

from kdbook.settings import machine
from kdbook.website.sphinx_ext.parallel import (
    CHAPTERS_PER_CORE,
    THREADS,
    IpcKernelManager,
    _create_engine,
    _keep_exclusively,
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


@pytest.mark.parametrize(
    "name", ["per%41cent", "quest?ion", "a b", "ünïcode", "ha#sh", "sem;i", "amp&er=sand"]
)
def test_executed_chapters_are_kept_under_any_path(tmp_path, monkeypatch, name):
    monkeypatch.setattr(db, "create_engine", _create_engine)
    cache = get_cache(tmp_path / name / "cache")
    assert cache.list_cache_records() == []
    assert {path.parent for path in tmp_path.rglob("global.db")} == {tmp_path / name / "cache"}


def test_no_chapter_that_is_kept_while_others_are_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(db, "create_engine", _create_engine)
    get_cache(tmp_path).list_cache_records()  # makes the tables, as a build does before it reads chapters

    def keep(thread: int) -> None:
        cache = get_cache(tmp_path)
        for chapter in range(25):
            cell = new_code_cell(f"{thread}, {chapter}", execution_count=1)
            _keep_exclusively(cache, CacheBundleIn(new_notebook(cells=[cell]), f"{thread}-{chapter}.md"))

    with ThreadPoolExecutor() as pool:
        list(pool.map(keep, range(4)))
    assert len(get_cache(tmp_path).list_cache_records()) == 100


@pytest.mark.parametrize(
    ("cores", "pages", "own", "parallel", "threads"),
    [(8, 13, None, 16, "1"), (8, 2, None, 1, "8"), (1, 13, None, 2, "1"), (8, 13, "3", 16, "3")],
)
def test_kernels_share_the_cores(monkeypatch, cores, pages, own, parallel, threads):
    """Unless the reader has chosen a number of threads."""
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setenv(THREADS, own or "")
    if not own:
        monkeypatch.delenv(THREADS)
    app = SimpleNamespace(parallel=CHAPTERS_PER_CORE * cores)
    share_cores(app, None, [f"page-{number}" for number in range(pages)])
    assert (app.parallel, os.environ[THREADS]) == (parallel, threads)
