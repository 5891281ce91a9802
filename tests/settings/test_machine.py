import os
import sys
from types import SimpleNamespace

import psutil
import pytest

from kdbook.settings import machine


def test_cores_and_memory():
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    assert machine.memory() == psutil.virtual_memory().total


def test_without_affinity_all_cores_count(monkeypatch):
    """As on macOS and Windows."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cores() == os.cpu_count()


@pytest.mark.parametrize("system", ["Linux", "without /proc", "without resource"])
def test_the_peak_is_about_what_the_process_holds(monkeypatch, tmp_path, system):
    if system != "Linux":
        monkeypatch.setattr(machine, "STATUS", tmp_path / "nowhere")
    if system == "without resource":
        monkeypatch.setitem(sys.modules, "resource", None)
        held = psutil.Process().memory_info().rss
        info = SimpleNamespace(rss=held, peak_wset=2 * held)
        monkeypatch.setattr(psutil.Process, "memory_info", lambda process: info)
        assert machine.peak_memory() == info.peak_wset
    else:
        assert machine.peak_memory() >= 0.5 * psutil.Process().memory_info().rss


def test_a_large_array_shows_in_the_peak_until_the_reset():
    machine.reset_peak_memory()
    before = machine.peak_memory()
    block = bytearray(200_000_000)
    block[::4096] = b"x" * len(block[::4096])
    grown = machine.peak_memory()
    assert grown - before > 150_000_000
    del block
    machine.reset_peak_memory()
    assert machine.peak_memory() < grown - 100_000_000
