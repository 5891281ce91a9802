"""Runs trained side by side are the runs that one process trains, and no worker outlives its command."""

import os
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import pytest
from helpers import few_profile, kdbook, wait_until

from kdbook.execution import local
from kdbook.settings import machine, profile
from kdbook.store.local import Store
from kdbook.study.study import Study

pytestmark = pytest.mark.training


def test_a_run_is_the_same_with_one_job_and_with_two(smoke, tmp_path):
    few = str(few_profile(tmp_path))
    kdbook("run", "--profile", few, "--jobs", "1", store=tmp_path / "store")
    alone = Study(profile.load(few), Store(tmp_path / "store"))
    for spec, run in alone.completed_runs():
        beside = smoke.get_or_train(spec.name)
        assert beside.key == run.key
        np.testing.assert_allclose(
            run.predictions["probability_1"], beside.predictions["probability_1"], atol=1e-5
        )
    assert alone.missing() == []


@pytest.mark.parametrize(("threads", "jobs"), [(None, 1), (10**6, 1)])
def test_at_least_one_job(threads, jobs):
    assert local.default_jobs(threads) == jobs


@pytest.mark.parametrize(
    ("cores", "gigabytes", "threads", "jobs"), [(8, 100, 2, 4), (8, 6, 1, 2), (3, 100, 2, 1)]
)
def test_jobs_leave_each_run_its_threads_and_its_memory(monkeypatch, cores, gigabytes, threads, jobs):
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "memory", lambda: gigabytes * 10**9)
    assert local.default_jobs(threads) == jobs


def test_workers_end_with_a_command_that_is_killed(tmp_path):
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", "smoke"]
    process = subprocess.Popen(
        command, env=os.environ | {"KDBOOK_STORE": str(tmp_path)}, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: _children(process.pid) or process.poll() is not None)
    time.sleep(2)
    children = _children(process.pid)
    process.kill()
    process.wait()
    assert children
    wait_until(lambda: not any(map(_is_there, children)), 60)


def test_a_broken_pool_spares_processes_that_are_not_its_workers(smoke):
    context = get_context("spawn")
    other = context.Process(target=time.sleep, args=(60,))
    other.start()
    with pytest.raises(BrokenProcessPool), local.ProcessPool(smoke, 1):
        raise BrokenProcessPool
    assert other.is_alive()
    other.kill()


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(child) for child in listed.split()]


def _is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
