"""Disks that are full, read-only or rotten, and clocks that jump."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import CHAPTERS, FEW_RUNS, build, executed, few_profile, kdbook

from kdbook.store import archive
from kdbook.store.local import LAYOUT, Store
from kdbook.store.run import MANIFEST, PREDICTIONS, Run

YEARS = 365.25 * 24 * 3600
ROTTEN = 20  # files to cut off, and as many to flip a bit of


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own, in memory."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"NOT TRIED: a file system can't be mounted here; be root ({done.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def assert_one_line(stderr: str) -> str:
    """The only line that complains."""
    assert "Traceback" not in stderr, stderr
    (line,) = [line for line in stderr.splitlines() if line.startswith("kdbook: ")]
    return line


def test_a_full_disk_under_the_store(tmp_path, tally):
    with small_disk(tmp_path / "disk", "15m"):
        store, few = tmp_path / "disk" / "store", str(few_profile(tmp_path))
        with tally.trial("full disk under the store"):
            message = assert_one_line(kdbook("run", "--profile", few, store=store, expect=1).stderr)
            assert "is full" in message
            assert not any(Run(store / key).problems() for key in Store(store).keys())  # noqa: SIM118
            remount(tmp_path / "disk", "size=200m")
            kdbook("run", "--profile", few, store=store)
            assert len(Store(store).keys()) == FEW_RUNS


def test_a_full_disk_under_the_site(built, smoke_store, tally):
    project = built("full")
    pages = project / "_build"
    pages.rename(project / "before")
    with small_disk(pages, "10m"):
        shutil.copytree(project / "before" / ".jupyter_cache", pages / ".jupyter_cache")
        with tally.trial("full disk under the site"):
            done = build(project, smoke_store)
            assert done.returncode != 0 and "No space left" in done.stdout + done.stderr
            assert not (pages / "html" / "index.html").is_file()
            remount(pages, "size=200m")
            assert build(project, smoke_store).returncode == 0
        page = project / "book" / "index.md"
        page.write_text(page.read_text("utf-8") + "\nMore.\n", "utf-8")
        remount(pages, f"size={_used(pages) + 2}m")
        with tally.trial("full disk under the site"):
            assert build(project, smoke_store).returncode != 0
            assert all((pages / "html" / "book" / f"{name}.html").is_file() for name in CHAPTERS)


def _used(place: Path) -> int:
    """Megabytes."""
    return shutil.disk_usage(place).used // 2**20


def test_a_read_only_store(built, tmp_path, smoke_store, tally):
    project = built("read-only")
    with small_disk(tmp_path / "disk", "200m"):
        store = tmp_path / "disk" / "store"
        shutil.copytree(smoke_store, store)
        remount(tmp_path / "disk", "ro")
        for command in ("status", "results"):
            with tally.trial("read-only store"):
                kdbook(command, "--profile", "smoke", store=store)
        with tally.trial("read-only store"):
            assert build(project, store).returncode == 0
        run = next(iter(Store(smoke_store)))
        archive.export([run], tmp_path / "run.zip")
        remount(tmp_path / "disk", "rw")
        shutil.rmtree(store / run.key)
        remount(tmp_path / "disk", "ro")
        for command in (("run", "--profile", "smoke"), ("import", str(tmp_path / "run.zip"))):
            with tally.trial("read-only store"):
                assert "can't be written" in assert_one_line(kdbook(*command, store=store, expect=1).stderr)


def test_truncated_and_bit_flipped_files(tmp_path, smoke_store, tally):
    """Every one is found, by those who read results or by ``verify``; results are never read from one."""
    choose = random.Random(4)
    files = [
        path.relative_to(smoke_store)
        for run in Store(smoke_store)
        for path in run.path.rglob("*")
        if path.is_file()
    ]
    for number in range(2 * ROTTEN):
        store = tmp_path / str(number)
        name = choose.choice(files)
        shutil.copytree(smoke_store / name.parts[0], store / name.parts[0])
        shutil.copy(smoke_store / LAYOUT, store)
        content = bytearray((store / name).read_bytes())
        place = choose.randrange(len(content))
        if number % 2:
            content[place] ^= 1 << choose.randrange(8)
        else:
            del content[place:]
        (store / name).write_bytes(content)
        with tally.trial(f"{'bit-flipped' if number % 2 else 'truncated'} file in the store"):
            run = Store(store).get(name.parts[0])
            if run:
                # weights, and the manifest's lines on them, are read before a teacher is loaded, and by verify
                assert name.parts[1] in ("predictor", MANIFEST)
                original = smoke_store / run.key / PREDICTIONS
                assert (run.path / PREDICTIONS).read_bytes() == original.read_bytes()
            assert kdbook_finds_damage(store)
        shutil.rmtree(store)


def kdbook_finds_damage(root: Path) -> bool:
    store = Store(root)
    return all(store.verify(key) for key in store.keys()) and not Store(root).keys()  # noqa: SIM118


def test_a_clock_that_jumps(built, tmp_path, smoke_store, tally):
    """Times of files say nothing: nothing is trained or executed for them, and what did change is read again."""
    project, store = built("clock"), tmp_path / "store"
    shutil.copytree(smoke_store, store)
    assert build(project, store).returncode == 0
    for jump in (-20 * YEARS, 10 * YEARS):
        for place in (project / "book", project / "src", store):
            for path in place.rglob("*"):
                os.utime(path, (time.time() + jump,) * 2)
        with tally.trial("clock that jumps"):
            done = build(project, store)
            assert done.returncode == 0 and executed(done) == set() and "finished in" not in done.stderr
    page = project / "book" / "teacher.md"
    page.write_text(page.read_text("utf-8") + "\nA late sentence.\n", "utf-8")
    os.utime(page, (0, 0))
    with tally.trial("clock that jumps"):
        done = build(project, store)
        assert done.returncode == 0 and executed(done) == set()
        assert "A late sentence." in (project / "_build" / "html" / "book" / "teacher.html").read_text(
            "utf-8"
        )
