"""Runs trained on a Ray cluster are the runs that one process trains, also where a worker is lost."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import psutil
import pytest
import ray
from helpers import FEW_RUNS, assert_same_results, few_profile, kdbook

from kdbook.errors import KdbookError
from kdbook.execution import ray_cluster
from kdbook.settings import profile
from kdbook.store.local import PARTIAL, Store
from kdbook.store.run import PROGRESS
from kdbook.study.study import Study

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def no_cluster_of_someone(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_two_workers_give_the_same_results_and_a_killed_one_loses_nothing(smoke_store, tmp_path):
    options = ("--profile", str(few_profile(tmp_path)), "--executor", "ray", "--jobs", "2")
    command = [sys.executable, "-m", "kdbook.cli", "run", *options]
    store = tmp_path / "store"
    environment = os.environ | {"KDBOOK_STORE": str(store)}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    killed = kill_a_worker(running.pid, store)
    said = running.communicate(timeout=600)[1]
    assert running.returncode == 0, said
    assert killed and not list((store / PARTIAL).iterdir())
    finished = re.findall(rf"run \d+ of {FEW_RUNS}: (\S+) finished", said)
    assert len(finished) == len(set(finished)) == FEW_RUNS
    assert_same_results(store, smoke_store, FEW_RUNS)


def kill_a_worker(pid: int, store: Path) -> bool:
    """Kill a worker that has begun to train; Ray calls it by the name of its run."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if list((store / PARTIAL).glob(f"*/{PROGRESS}")) or list((store / PARTIAL).glob("*/predictor")):
            for worker in psutil.Process(pid).children(recursive=True):
                if any(part.startswith("ray::") and "-" in part for part in worker.cmdline()[:1]):
                    os.kill(worker.pid, signal.SIGKILL)
                    return True
        time.sleep(0.05)
    return False


def test_what_no_machine_has_is_said_at_once(tmp_path):
    (tmp_path / "large.toml").write_text('base = "smoke"\n[teacher]\ngpus = 1\n')
    said = kdbook(
        "run",
        "--profile",
        str(tmp_path / "large.toml"),
        "--executor",
        "ray",
        store=tmp_path / "store",
        expect=1,
    ).stderr
    assert (
        "no machine of the cluster has the 1 cores and 1 GPUs that the profile 'large' gives to a teacher"
        in said
    )
    assert "Traceback" not in said


def test_a_cluster_that_can_t_be_reached_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAY_gcs_rpc_server_connect_timeout_s", "1")
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "1")
    said = kdbook("run", "--profile", "smoke", "--executor", "ray", store=tmp_path, expect=1).stderr
    assert "the Ray cluster '127.0.0.1:1' can't be reached" in said and "Traceback" not in said


def test_what_a_run_raises_and_a_lost_process_arrive_as_elsewhere(tmp_path):
    def raise_a_line() -> None:
        raise KdbookError("one line")

    study = Study(profile.load("smoke"), Store(tmp_path))
    for task, error in ((raise_a_line, KdbookError), (lambda: os._exit(1), BrokenExecutor)):
        with pytest.raises(error) as raised, ray_cluster.ray_executor(study, 1):
            ray.remote(task).options(max_retries=0).remote().future().result(timeout=120)
        assert str(raised.value) in ("one line", "")


def test_an_error_of_a_training_is_not_taken_for_one_of_the_cluster():
    with pytest.raises(ValueError, match="^of a training$"), ray_cluster._connected(1, profile.load("smoke")):
        raise ValueError("of a training")
