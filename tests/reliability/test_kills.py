"""``kill -9`` at random moments of a build: nothing finished is lost, and the site is always a whole one."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
from changes import copy_project, without_own_data
from helpers import CHAPTERS, assert_same_results, building

from kdbook.store import Run, Store

ROOT = Path(__file__).parents[2]
TRAINING, RENDERING = 22, 28  # kills of each kind of build; a build that renders ends sooner
GRACE = 3  # seconds to end by itself for a build that lost one process


class Victim:
    """Builds of one project on one store, killed one after the other."""

    def __init__(self, project: Path, store: Path, seed: int) -> None:
        self.project, self.store = project, store
        self.random = random.Random(seed)
        self.survived = self.lost = 0
        self.finished: set[str] = set()
        self.site = ""

    def start(self) -> subprocess.Popen:
        log = (self.project.parent / "build.log").open("wb")
        return subprocess.Popen(**building(self.project, self.store), stdout=log, stderr=log)

    def build(self) -> None:
        """Build to the end; it must succeed whatever happened before."""
        started = self.start()
        assert started.wait(600) == 0, (self.project.parent / "build.log").read_text("utf-8", "replace")[-4000:]

    def kill(self, longest: float) -> None:
        """Start a build, kill the whole of it or one process of it after a random time, and look at what is left."""
        started = self.start()
        time.sleep(self.random.uniform(0.3, longest))
        tree = _tree(started.pid)
        if tree and self.random.random() < 0.5:
            _kill([self.random.choice(tree)])
            self._wait(started)
        _kill(tree + _tree(started.pid))
        started.wait()
        self.look()

    def look(self) -> None:
        store = Store(self.store)
        there = set(store.keys())
        broken = [key for key in there if Run(self.store / key).damage()]
        lost = len(self.finished - there) + len(broken)
        self.finished |= there
        self.lost += lost
        self.survived += not lost and self._site_is_whole()

    def _site_is_whole(self) -> bool:
        """Whether the site is the one that was there, or another one with all its pages and downloads."""
        site = self.project / "_build" / "html"
        if not (site / "index.html").is_file():
            return not self.site
        now = _digest(site)
        whole = now == self.site or all(
            (site / file).is_file()
            for file in ("sitemap.xml", "searchindex.js", "notebooks/all-chapters.zip", *(f"book/{name}.html" for name in CHAPTERS))
        )
        self.site = now
        return whole

    @staticmethod
    def _wait(started: subprocess.Popen) -> None:
        with suppress(subprocess.TimeoutExpired):
            started.wait(GRACE)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _digest(site: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(site)).encode() + path.read_bytes())
    return digest.hexdigest()


def kill_while_training(victim: Victim) -> None:
    """From an empty store; when all is trained, it begins again."""
    for _ in range(TRAINING):
        victim.kill(longest=16)
        if len(Store(victim.store).keys()) == 11:
            shutil.rmtree(victim.store)
            victim.finished = set()


def kill_while_rendering(victim: Victim) -> None:
    """On a full store; every build has something to execute and to write."""
    words = victim.project / "src" / "kdbook" / "words.py"
    text = words.read_text("utf-8")
    for number in range(RENDERING):
        words.write_text(text.replace('return f"', f'"{number}"; return f"', 1), "utf-8")
        victim.kill(longest=14)


def test_kill_9(built, tmp_path, smoke_store, tally):
    copy = copy_project(ROOT, tmp_path / "training" / "project")
    without_own_data(copy)
    training = Victim(copy, tmp_path / "training" / "store", seed=1)
    rendering = Victim(built("rendering"), smoke_store, seed=2)
    rendering.look()
    with ThreadPoolExecutor() as pool:
        for lane in (pool.submit(kill_while_training, training), pool.submit(kill_while_rendering, rendering)):
            lane.result()
        tally.count("kill -9 while training", TRAINING, training.survived, training.lost)
        tally.count("kill -9 while rendering", RENDERING, rendering.survived - 1, rendering.lost)
        assert training.survived == TRAINING and rendering.survived == RENDERING + 1
        for lane in (pool.submit(training.build), pool.submit(rendering.build)):
            lane.result()
    assert_same_results(training.store, smoke_store)


def test_a_polite_end_keeps_what_was_finished(tmp_path, tally):
    signals = (signal.SIGINT, signal.SIGTERM)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: end_politely(tmp_path / number.name, number), signals))
    for number in signals:
        tally.count(number.name)


def end_politely(root: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", "smoke"]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell lets what it starts in the background ignore it
    environment = os.environ | {"KDBOOK_STORE": str(root)}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    store = Store(root)
    while not store.keys():
        assert running.poll() is None
        time.sleep(0.2)
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert store.keys() and not any(Run(root / key).damage() for key in sorted(store.keys()))
