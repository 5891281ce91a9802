"""Runs trained side by side are the runs that one process trains, and no worker outlives its command."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import kdbook

from kdbook import profile, study, workers
from kdbook.store import Store


def test_a_run_is_the_same_with_one_job_and_with_two(smoke, tmp_path):
    kdbook("run", "--profile", "smoke", "--jobs", "1", store=tmp_path)
    alone = study.Study(profile.load("smoke"), Store(tmp_path))
    for spec, run in alone.finished():
        beside = smoke.run(spec.name)
        assert beside.key == run.key
        np.testing.assert_allclose(run.predictions["probability"], beside.predictions["probability"], atol=1e-5)
    assert alone.missing() == []


@pytest.mark.parametrize(("threads", "jobs"), [(None, 1), (10**6, 1)])
def test_at_least_one_job(threads, jobs):
    assert workers.default_jobs(threads) == jobs


def test_jobs_leave_each_run_its_threads():
    assert workers.default_jobs(1) <= len(os.sched_getaffinity(0))


def test_workers_end_with_a_command_that_is_killed(tmp_path):
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", "smoke"]
    process = subprocess.Popen(command, env=os.environ | {"KDBOOK_STORE": str(tmp_path)}, stderr=subprocess.DEVNULL)
    while not (children := _children(process.pid)) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(2)
    children = _children(process.pid)
    process.kill()
    process.wait()
    assert children
    deadline = time.monotonic() + 60
    while any(_is_there(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_is_there(child) for child in children)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in listed.split()]


def _is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
