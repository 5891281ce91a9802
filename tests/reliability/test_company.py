"""Several builds at once, and a worker that the system kills for its memory."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
from helpers import FEW_RUNS, assert_same_results, build, few_profile, wait_until

from kdbook.store.local import PARTIAL, Store
from kdbook.store.run import PROGRESS


def test_two_builds_of_one_book_at_once(built, smoke_store, tally):
    project = built("two")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: build(project, smoke_store), range(2)))
    for one in done:
        with tally.trial("two builds of one book at once"):
            assert one.returncode == 0
    assert sum("another build of this book is running" in one.stdout for one in done) == 1


def test_four_builds_on_one_store_at_once(built, tmp_path, smoke_store, tally):
    """Of four books: every run is trained once, all end with the same results."""
    projects = [built(str(number)) for number in range(4)]
    store = tmp_path / "store"
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda project: build(project, store), projects))
    for one in done:
        with tally.trial("four builds on one store at once"):
            assert one.returncode == 0, (one.stdout + one.stderr)[-2000:]
    assert sum(one.stderr.count("finished in") for one in done) == len(Store(store).keys()) == FEW_RUNS
    assert_same_results(store, smoke_store, FEW_RUNS)


def test_a_worker_killed_for_its_memory(tmp_path, tally):
    """The other one is in the middle of a fit, in which Lightning catches the signal that would end it."""
    long = few_profile(tmp_path)
    long.write_text(
        long.read_text("utf-8").replace("optim.max_epochs = 1", "optim.max_epochs = 100"), "utf-8"
    )
    store = tmp_path / "store"
    running = subprocess.Popen(
        [sys.executable, "-m", "kdbook.cli", "run", "--profile", str(long), "--jobs", "2"],
        env=os.environ | {"KDBOOK_STORE": str(store)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(list(store.glob(f"{PARTIAL}/*/{PROGRESS}"))) == 2 or running.poll() is not None)
    workers = [
        child for child in psutil.Process(running.pid).children() if "spawn_main" in " ".join(child.cmdline())
    ]
    with tally.trial("worker killed for its memory"):
        max(workers, key=lambda worker: worker.memory_info().rss).kill()
        _, stderr = running.communicate(timeout=120)
        assert running.returncode == 1 and "Traceback" not in stderr
        assert "was killed, perhaps for lack of memory" in stderr and "--jobs 1" in stderr
        assert not any(map(Store(store).verify, Store(store).keys()))
