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
from changes import with_few_chapters
from helpers import CHAPTERS, FEW_RUNS, assert_same_results, building, wait_until

from kdbook.store.local import Store
from kdbook.store.run import Run

ROOT = Path(__file__).parents[2]
# Kills of each kind of build; KDBOOK_KILLS multiplies them for a longer soak.
TRAINING, RENDERING = (number * int(os.environ.get("KDBOOK_KILLS", "1")) for number in (6, 8))
GRACE = 3  # seconds to end by itself for a build that lost one process


class Victim:
    """Builds of one project on one store, killed one after the other."""

    def __init__(self, project: Path, store: Path, seed: int, tally) -> None:
        self.project, self.store, self.tally = project, store, tally
        self.random = random.Random(seed)
        self.finished: set[str] = set()
        self.site = ""

    def start(self) -> subprocess.Popen:
        log = (self.project.parent / "build.log").open("wb")
        return subprocess.Popen(**building(self.project, self.store), stdout=log, stderr=log)

    def build(self) -> None:
        """Build to the end; it must succeed whatever happened before."""
        started = self.start()
        assert started.wait(600) == 0, (self.project.parent / "build.log").read_text("utf-8", "replace")[
            -4000:
        ]

    def kill(self, fault: str, longest: float) -> None:
        """Start a build, kill the whole of it or one process of it after a random time, and look at what is left."""
        started = self.start()
        time.sleep(self.random.uniform(0.3, longest))
        tree = _tree(started.pid)
        if tree and self.random.random() < 0.5:
            _kill([self.random.choice(tree)])
            self._wait(started)
        _kill(tree + _tree(started.pid))
        started.wait(60)
        with self.tally.trial(fault):
            lost = self.look()
            self.tally.lost(fault, lost)
            assert lost == 0
            assert self._site_is_whole()

    def look(self) -> int:
        """How many finished runs are gone or broken."""
        store = Store(self.store)
        there = set(store.keys())
        broken = [key for key in there if Run(self.store / key).problems()]
        lost = len(self.finished - there) + len(broken)
        self.finished |= there
        return lost

    def _site_is_whole(self) -> bool:
        """Whether the site is the one that was there, or another one with all its pages and downloads."""
        site = self.project / "_build" / "html"
        if not (site / "index.html").is_file():
            return not self.site
        now = _digest(site)
        whole = now == self.site or all(
            (site / file).is_file()
            for file in (
                "sitemap.xml",
                "searchindex.js",
                "notebooks/all-chapters.zip",
                *(f"book/{name}.html" for name in CHAPTERS),
            )
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
        victim.kill("kill -9 while training", longest=16)
        if len(Store(victim.store).keys()) == FEW_RUNS:
            shutil.rmtree(victim.store)
            victim.finished = set()


def kill_while_rendering(victim: Victim) -> None:
    """On a full store; every build has something to execute and to write."""
    module = victim.project / "src" / "kdbook" / "pages" / "sentences.py"
    text = module.read_text("utf-8")
    for number in range(RENDERING):
        module.write_text(
            text.replace("so distillation has room", f"so distillation has {number} rooms"), "utf-8"
        )
        victim.kill("kill -9 while rendering", longest=14)


def test_kill_9(built, tmp_path, smoke_store, tally):
    copy = with_few_chapters(ROOT, tmp_path / "training" / "project")
    training = Victim(copy, tmp_path / "training" / "store", seed=1, tally=tally)
    rendering = Victim(built("rendering"), smoke_store, seed=2, tally=tally)
    assert rendering.look() == 0 and rendering._site_is_whole()
    with ThreadPoolExecutor() as pool:
        for lane in (
            pool.submit(kill_while_training, training),
            pool.submit(kill_while_rendering, rendering),
        ):
            lane.result()
        for lane in (pool.submit(training.build), pool.submit(rendering.build)):
            lane.result()
    assert_same_results(training.store, smoke_store, FEW_RUNS)


def test_a_polite_end_keeps_what_was_finished(tmp_path, tally):
    signals = (signal.SIGINT, signal.SIGTERM)
    with ThreadPoolExecutor() as pool:
        ends = [pool.submit(end_politely, tmp_path / number.name, number) for number in signals]
        for number, end in zip(signals, ends, strict=True):
            with tally.trial(number.name):
                end.result()


def end_politely(root: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "kdbook.cli", "run", "--profile", "smoke"]
    listen = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a shell lets what it starts in the background ignore it
    environment = os.environ | {"KDBOOK_STORE": str(root)}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    store = Store(root)
    try:
        wait_until(lambda: store.keys() or running.poll() is not None, seconds=500, interval=0.2)
        assert running.poll() is None
        running.send_signal(number)
        running.communicate(timeout=500)  # workers end the runs that they have begun
    finally:
        _kill(_tree(running.pid))
    assert running.returncode != 0
    assert store.keys() and not any(Run(root / key).problems() for key in sorted(store.keys()))
