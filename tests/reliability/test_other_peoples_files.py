"""Folders of others, connections that fail and forged archives: what kdbook did not make stays, what is whole stays whole."""

import errno
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import traceback
import zipfile
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import ANY

import helpers
import pandas as pd
import pytest
from filelock import FileLock
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from runs import make_identity, make_record, make_run, make_spec, predictions

from kdbook.errors import KdbookError
from kdbook.settings import profile
from kdbook.store import archive
from kdbook.store.local import Store
from kdbook.store.location import open_store
from kdbook.store.remote import RemoteStore
from kdbook.store.run import HISTORY, MANIFEST, PREDICTIONS, RECORD, TRAIN_PREDICTIONS, Run, RunRecord, key_of
from kdbook.study.study import Study

CASES = int(os.environ.get("KDBOOK_CASES", "60"))  # the nightly tests set 1000
TREES, FAULTS, ARCHIVES = CASES, 2 * CASES, CASES

many = functools.partial(
    settings,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)

KEY = re.compile(r"[0-9a-f]{20}", re.ASCII)
FOLDERS = ("partial", "damaged", "teacher_outputs", "imported", "unsent", "digests", "locks")
SYSTEM = (".DS_Store", "._photo.jpg", ".nfs0001", "lost+found", ".snapshot", ".Trash-1000", "Thumbs.db")
SYSTEM_IN_RUN = (".DS_Store", "._run.json", ".nfs0001", "Thumbs.db", "desktop.ini")
OURS_ANYWHERE = r"(imported|unsent)/{key}|teacher_outputs/{key}\.(safetensors|sha256)|({part}|damaged/{part}|partial/{part})(/.*)?"
OURS = re.compile(
    OURS_ANYWHERE.format(key=KEY.pattern, part=KEY.pattern)
    + rf"|partial/{KEY.pattern}(\.copy(/.*)?|-[0-9a-z]{{8}}\.[0-9a-z]{{8}})",
    re.DOTALL,
)
PROFILE = "smoke"


def some_key(number: int) -> str:
    """A name like that of a run."""
    return key_of(number)


def kdbook_here(*arguments: str, store: Path | str, expect: object = 0) -> helpers.Done:
    """Run the command in this process; an exception that is not one line for the user is told in short."""
    try:
        return helpers.kdbook_here(*arguments, store=store, expect=expect)
    except AssertionError:
        raise
    except Exception as error:
        places = [frame for frame in traceback.extract_tb(error.__traceback__) if "kdbook" in frame.filename]
        at = f"{Path(places[-1].filename).name}:{places[-1].lineno}"
        failure = f"TRACEBACK of {arguments}: {type(error).__name__}: {str(error)[:300]} at {at}"
    raise AssertionError(failure)


@contextmanager
def scratch():
    """A temporary folder that is removed however deep it is."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):
            subprocess.run(["rm", "-rf", folder], check=False)


def snapshot(*places: Path) -> dict[str, tuple[str, object]]:
    """What is at some places and below, by path: its type, and its content or where it leads. Links are not followed."""
    found: dict[str, tuple[str, object]] = {}
    for place in places:
        if not os.path.lexists(place):
            continue
        for path in (place, *_below(place)):
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[str(path)] = "link", os.readlink(path)
            elif stat.S_ISREG(mode):
                found[str(path)] = "file", path.read_bytes()
            else:
                found[str(path)] = "folder" if stat.S_ISDIR(mode) else "other", None
    return found


def _below(place: Path):
    for folder, folders, names in os.walk(place):
        yield from (Path(folder, name) for name in (*folders, *names))


def assert_untouched(before: dict[str, tuple[str, object]], *places: Path) -> None:
    """Everything that was there is there; more may be."""
    after = snapshot(*places)
    changed = {path: (value, after.get(path)) for path, value in before.items() if after.get(path) != value}
    assert not changed, f"{len(changed)} changed, first {next(iter(changed.items()))}"


def assert_one_line(stderr: str, place: str = "") -> str:
    """The only line that is neither progress nor a report."""
    stderr.encode("utf-8")  # it can be printed
    said = ("imported ", "imported: ", "already there", "exported ")
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(said)]
    assert len(lines) == 1 and lines[0].startswith("kdbook: "), stderr
    assert len(lines[0].replace(place, "") if place else lines[0]) < 2000
    return lines[0]


@dataclass(frozen=True)
class Originals:
    """Whole runs, two of the profile and one that no profile reaches, and an export of the first two."""

    store: Path
    reached: tuple[str, str]
    unreached: str
    archive: Path

    def put(self, key: str, target: Path) -> None:
        """Copy a committed run."""
        shutil.copytree(self.store / key, target)


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Originals:
    folder = tmp_path_factory.mktemp("originals")
    store = Store(folder / "store")
    resolved = {run.spec.name: run for run in Study(profile.load(PROFILE), store).resolved_runs()}
    records = []
    for name in ("teacher-0", "baseline-0"):
        record = make_record(name, resolved[name].spec)
        records.append(record.model_copy(update={"identity": resolved[name].identity}))
    lost = make_record("baseline-1")
    records.append(lost.model_copy(update={"identity": make_identity(lost.spec, data="rows of long ago")}))
    for record in records:
        write_run(store, record, folder / record.identity.key)
    keys = [record.identity.key for record in records]
    archive.export([store.get(key) for key in keys[:2]], folder / "runs.zip")
    for command in (("verify",), ("gc",)):  # imports everything once, and keeps the digests of the data
        kdbook_here(*command, store=store.root, expect=ANY)
    return Originals(store.root, tuple(keys[:2]), keys[2], folder / "runs.zip")


def write_run(store: Store, record: RunRecord, scratch: Path, weights: bytes | None = None) -> None:
    """A whole run with all of its files, written as a study does."""
    frame = predictions([("en", 0, 0), ("en", 1, 1), ("de", 0, 1), ("de", 1, 1)])
    made = make_run(scratch.parent, scratch.name, frame, spec=record.spec)
    with store.writing(record.identity.key) as directory:
        for file in made.path.iterdir():
            shutil.copy(file, directory)
        (directory / "predictor").mkdir(exist_ok=True)
        (directory / "predictor" / "model.ckpt").write_bytes(weights or record.name.encode() * 500)
        (directory / "predictor" / "config.yaml").write_text("a: 1\n")
        store.finish(directory, record)
    shutil.rmtree(scratch)


# ---------------------------------------------------------------------------------------------------------
# (a) Any tree in the store, around it and instead of it.


@dataclass(frozen=True)
class Thing:
    """Something of somebody: a place in the store, a name, and what it is."""

    place: str
    name: str
    kind: str

    @property
    def path(self) -> str:
        return f"{self.place}/{self.name}" if self.place else self.name


NEAR = some_key(0)  # names that nearly are ours
NEARLY_KEYS = (
    NEAR.upper(),
    NEAR[:-1],
    f"{NEAR}0",
    f"{NEAR}\n",
    "\u0663" * 20,
    f"{NEAR}.copy.txt",
    f"{NEAR}-notes",
    f"{NEAR}.zip",
    f" {NEAR}",
    "g" * 20,
)
NAMES = (
    *("photos", "thesis.txt", ".git", ".hidden", "Damaged", "damaged-2019", "layout.bak", "run-1"),
    "a\nb",
    os.fsdecode(b"\xff\xfe photo"),
    *NEARLY_KEYS,
    *SYSTEM,
)
SPECIAL = {  # names that are foreign in one folder alone
    "partial": (f"{NEAR}-0123456.89abcdef", f"{NEAR}-01234567.89abcdef.txt", f"{NEAR}.lock"),
    "damaged": (f"{NEAR}.copy", f"{NEAR}-2019"),
    "teacher_outputs": (f"{NEAR}.notes", f"{NEAR}.safetensors.bak", "KEY.notes", "KEY.safetensors~"),
    "imported": (f"{NEAR}.txt", "KEY.txt"),
    "unsent": (f"{NEAR}.txt",),
}
KINDS = ("file", "file", "folder", "folder", "empty folder", "link to a folder", "link to a file", "dangling")
HOMES = ("store", "store", "store", "store behind a link", "blank layout", "foreign", "empty")
FINDS = (
    *("reached", "unreached", "damaged here", "system file in a run", "foreign file in a run"),
    *("interrupted", "quarantined", "arrived", "arriving", "copy", "copy under way", "locked", "outputs"),
    *("imported", "unsent", "sealed"),
)
KEYED = {  # links to somebody's folder or file that have the name of a run: of any, or of those that are written
    "link for a run": ("ANY", "album"),
    "link in partial": ("partial/ANY", "album"),
    "link in damaged": ("damaged/ANY", "album"),
    "link inside an interrupted run": ("partial/ANY/predictor", "album"),
    "link where a run is written": ("partial/WRITTEN", "album"),
    "link where a run is put": ("WRITTEN", "album"),
    "link where a damaged run is put": ("damaged/WRITTEN", "album"),
    "link where an import is noted": ("imported/READ", "album/cat.jpg"),
    "link where an import is put": ("READ", "album"),
    "link for the outputs of a teacher": ("teacher_outputs/WRITTEN.safetensors", "album/cat.jpg"),
    "link for a lock": ("locks/WRITTEN.lock", "album/cat.jpg"),
}
REPLACED = tuple(f"{how} {name}" for name in FOLDERS for how in ("link instead of", "file instead of"))
COMMANDS = (
    *("verify", "verify --json", "gc --yes", "gc --yes", "gc", "export new", "export there"),
    *("export missing", "import", "import a changed one", "write", "write a reached one", "remove"),
)


@st.composite
def things(draw) -> Thing:
    place = draw(st.sampled_from(("", "", *FOLDERS)))
    name = draw(st.sampled_from((*NAMES, *SPECIAL.get(place, ()))))
    return Thing(place, name, draw(st.sampled_from(KINDS)))


class Tree:
    """A folder with a store in it, or instead of one, and what others keep there."""

    def __init__(self, base: Path, originals: Originals, home: str) -> None:
        self.base, self.originals, self.home = base, originals, home
        self.root = base / "home" / "store"
        self.outside = base / "home" / "other"
        self.foreign: list[Path] = [self.outside]
        self.locks = ExitStack()
        self.healthy: set[str] = set()
        self.damaged: set[str] = set()
        self.album = self.outside / "album"
        (self.album / some_key(1) / "partial").mkdir(parents=True)
        (self.album / "cat.jpg").write_bytes(b"cat")
        (self.album / MANIFEST).write_text("of my web site")
        (self.album / some_key(1) / "manifest.json").write_text("{}")
        (self.outside / "layout").write_text("thoughts on the layout")
        self.number = 100
        real = self.base / "home" / "real" if home == "store behind a link" else self.root
        real.mkdir(parents=True)
        if real != self.root:
            self.root.symlink_to(real)
        if home in ("store", "store behind a link"):
            (self.root / "layout").write_text("2")
        if home == "blank layout":
            (self.root / "layout").write_text("")
        if home != "foreign":
            shutil.copytree(originals.store / "digests", self.root / "digests")

    def fresh_key(self) -> str:
        self.number += 1
        return some_key(self.number)

    def plant(self, thing: Thing) -> None:
        """Put something of somebody there, unless a thing of this name is there."""
        path = self.root / thing.path.replace("KEY", self.originals.reached[0])
        if os.path.lexists(path) or not (path.parent.is_dir() or not os.path.lexists(path.parent)):
            return
        if path.parent.is_symlink():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        match thing.kind:
            case "file":
                path.write_bytes(b"mine: " + os.fsencode(thing.name))
            case "folder":
                (path / some_key(2)).mkdir(parents=True)
                (path / "damaged").mkdir()
                (path / "cat.jpg").write_bytes(b"cat")
                (path / some_key(2) / MANIFEST).write_text("{}")
            case "empty folder":
                path.mkdir()
            case "link to a folder":
                path.symlink_to(self.album)
            case "link to a file":
                path.symlink_to(self.album / "cat.jpg")
            case "dangling":
                path.symlink_to("nowhere")
        self.foreign.append(path)

    def replace_folder(self, what: str) -> None:
        """A folder of the store is a link to somebody's folder, or a file."""
        how, _, name = what.rpartition(" ")
        path = self.root / name
        if os.path.lexists(path):
            return
        if how.startswith("link"):
            path.symlink_to(self.album)
        else:
            path.write_text("a file of mine")
            self.foreign.append(path)

    def put_link(self, what: str) -> None:
        """A link to somebody's folder or file that has the name of a run."""
        name, target = KEYED[what]
        name = name.replace("ANY", self.fresh_key()).replace("WRITTEN", self.originals.unreached)
        path = self.root / name.replace("READ", self.originals.reached[0])
        if (self.root / name.partition("/")[0]).is_symlink():
            return
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(self.outside / target)

    def put(self, what: str) -> None:
        """Put something there that kdbook made."""
        linked = any((self.root / name).is_symlink() for name in FOLDERS)
        if linked and "run" not in what and what not in ("reached", "unreached", "damaged here"):
            return  # it would be put into the folder of somebody
        with suppress(FileExistsError, NotADirectoryError):  # a folder is somebody's file
            self._put(what)

    def _put(self, what: str) -> None:
        baseline, teacher = self.originals.reached[1], self.originals.reached[0]
        match what:
            case "reached":
                self.originals.put(teacher, self.root / teacher)
                self.healthy.add(teacher)
            case "unreached":
                self.originals.put(self.originals.unreached, self.root / self.originals.unreached)
            case "damaged here":
                self._damage(baseline, "predictor/model.ckpt", b"!")
            case "foreign file in a run":
                self._damage(baseline, "notes.txt", b"mine")
            case "system file in a run":
                for name in SYSTEM_IN_RUN:
                    self._damage(baseline, name, b"of the system")
                    self._damage(baseline, f"predictor/{name}", b"of the system")
                if baseline not in self.damaged:
                    self.healthy.add(baseline)
            case "interrupted" | "locked" | "copy" | "copy under way":
                name = self.fresh_key() + (".copy" if what.startswith("copy") else "")
                self._left(f"partial/{name}", what in ("locked", "copy under way"), name)
            case "arrived" | "arriving":
                key = self.fresh_key()
                path = self.root / "partial" / f"{key}-0123abcd.4567cdef"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"half a file")
                if what == "arriving":
                    self._hold(f"{key}.copy", path)
            case "quarantined":
                self.originals.put(baseline, self.root / "damaged" / self.fresh_key())
            case "sealed":
                self.originals.put(self.originals.unreached, self.root / "partial" / self.originals.unreached)
            case "outputs":
                for suffix in ("safetensors", "sha256"):
                    self._write(f"teacher_outputs/{self.originals.unreached}.{suffix}")
            case "imported" | "unsent":
                self._write(f"{what}/{self.originals.unreached}")

    def _write(self, name: str) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_bytes(b"of ours")

    def _damage(self, key: str, name: str, content: bytes) -> None:
        if not (self.root / key).exists():
            self.originals.put(key, self.root / key)
        (self.root / key / name).write_bytes(content)
        if name not in SYSTEM_IN_RUN and not name.startswith("predictor/."):
            self.healthy.discard(key)
            self.damaged.add(key)

    def _left(self, name: str, is_locked: bool, lock: str) -> None:
        path = self.root / name
        path.mkdir(parents=True)
        (path / "half").write_bytes(b"half")
        if is_locked:
            self._hold(lock, path)

    def _hold(self, lock: str, path: Path) -> None:
        """Write this as another process would, which holds the lock."""
        (self.root / "locks").mkdir(exist_ok=True)
        self.locks.enter_context(FileLock(self.root / "locks" / f"{lock}.lock"))
        self.foreign.append(path)

    @property
    def must_be_refused(self) -> bool:
        """Whether this is a folder of somebody, not of ours."""
        if self.home in ("store", "store behind a link"):
            return False
        top = {path.name for path in self.root.iterdir()}
        return any(not is_of_system(name) for name in top - {*FOLDERS, "layout"} if not KEY.fullmatch(name))

    def act(self, what: str) -> None:
        """Run a command, and look at what it says and what it removed."""
        before = snapshot(self.root.resolve())
        arguments = {
            "verify": ("verify",),
            "verify --json": ("verify", "--json"),
            "gc --yes": ("gc", "--yes"),
            "gc": ("gc",),
            "export new": ("export", str(self.base / f"new{len(list(self.base.iterdir()))}.zip")),
            "export there": ("export", str(self.album / "cat.jpg")),
            "export missing": ("export", str(self.base / "nowhere" / "new.zip")),
            "import": ("import", str(self.originals.archive)),
            "import a changed one": ("import", str(self.changed())),
        }.get(what)
        if not arguments:
            self.write(what)
            return
        arguments += ("--profile", PROFILE) if arguments[0] == "export" else ()
        done = kdbook_here(*arguments, store=self.root, expect=ANY)
        assert done.returncode in (0, 1)
        said = f"{done.stdout}\n{done.stderr}"
        said.encode("utf-8")
        gone = {os.path.relpath(path, self.root.resolve()) for path in before} - {
            os.path.relpath(path, self.root.resolve()) for path in snapshot(self.root.resolve())
        }
        assert arguments[0] in ("gc", "verify", "import") or not gone
        assert all(OURS.fullmatch(name) for name in gone), sorted(gone)
        if what == "gc --yes":
            units = {
                re.sub(r"^((?:partial/|damaged/)?[^/]*).*$", r"\1", name, flags=re.DOTALL) for name in gone
            }
            named = {
                Path(unit).name
                for unit in units
                if not unit.startswith(("teacher_out", "imported", "unsent"))
            }
            assert all(name in said for name in named), (named, said)
            assert not gone or done.returncode == 0
        if what == "gc":
            assert not gone
        if self.must_be_refused or what in ("export there", "export missing", "import a changed one"):
            assert done.returncode == 1
            assert_one_line(done.stderr)
        elif what.startswith("verify") and "runs verified" in done.stderr:
            *damaged, _ = [line for line in done.stderr.splitlines() if line]
            assert all(KEY.match(line) for line in damaged) and bool(damaged) == bool(done.returncode)
        elif done.returncode and what != "gc":
            assert_one_line(done.stderr)

    def changed(self) -> Path:
        path = self.base / "changed.zip"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"{some_key(7)}/{MANIFEST}", "{}")
        return path

    def write(self, what: str) -> None:
        """Write or remove a run as a study does; a line says why if it can't be."""
        key = self.originals.unreached if what == "write" else self.originals.reached[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KDBOOK_STORE", str(self.root))
            try:
                store = open_store()
                if what == "remove":
                    if store.get(self.originals.unreached):
                        store.remove(self.originals.unreached)
                    return
                with store.writing(key) as directory:
                    shutil.copytree(self.originals.store / key, directory, dirs_exist_ok=True)
                    (directory / MANIFEST).unlink()
                    store.finish(directory, Run(self.originals.store / key).record)
                if what == "write a reached one":
                    self.healthy.add(key)
            except KdbookError as error:
                assert "\n" not in str(error)


def is_of_system(name: str) -> bool:
    return name in {".DS_Store", "lost+found", ".snapshot", "Thumbs.db", "desktop.ini"} or name.startswith(
        ("._", ".nfs", ".Trash")
    )


@many(max_examples=TREES)
@given(
    home=st.sampled_from(HOMES),
    finds=st.lists(st.sampled_from(FINDS), max_size=6, unique=True),
    keyed=st.lists(st.sampled_from(list(KEYED)), max_size=2, unique=True),
    replaced=st.lists(st.sampled_from(REPLACED), max_size=1),
    planted=st.lists(things(), max_size=8),
    commands=st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=4),
)
@example(
    home="foreign",
    finds=[],
    keyed=[],
    replaced=[],
    planted=[Thing("", "photos", "folder"), Thing("", "thesis.txt", "file")],
    commands=["verify", "gc --yes"],
)
@example(
    home="foreign",
    finds=[],
    keyed=[],
    replaced=[],
    planted=[Thing("damaged", "photos", "folder")],
    commands=["gc --yes"],
)
@example(
    home="store",
    finds=["reached", "system file in a run", "arriving", "arrived"],
    keyed=["link in damaged", "link for a run"],
    replaced=[],
    planted=[Thing("", "lost+found", "empty folder"), Thing("teacher_outputs", "KEY.notes", "file")],
    commands=["verify", "gc --yes", "verify"],
)
def keep_any_tree(originals, tally, home, finds, keyed, replaced, planted, commands):
    keep_a_tree(originals, tally, home, finds, keyed, replaced, planted, commands)


def keep_a_tree(originals, tally, home, finds, keyed, replaced, planted, commands):
    with scratch() as folder, tally.trial("somebody's files in, beside, as the store"):
        tree = Tree(Path(folder), originals, home)
        for what in replaced:
            tree.replace_folder(what)
        if home != "foreign":
            for what in finds:
                tree.put(what)
            for what in keyed:
                tree.put_link(what)
        for thing in planted:
            tree.plant(thing)
        kept = [tree.root.resolve(), tree.outside] if tree.must_be_refused else tree.foreign
        before, beside = snapshot(*kept), sorted((tree.base / "home").iterdir())
        with tree.locks:
            for command in commands:
                tree.act(command)
        assert_untouched(before, *kept)
        if not replaced:
            assert snapshot(tree.outside).keys() <= before.keys()  # and nothing is put there
        assert sorted((tree.base / "home").iterdir()) == beside
        if tree.must_be_refused:
            assert snapshot(*kept) == before
            return
        for key in tree.healthy:
            assert Store(tree.root).get(key), (key, Run(tree.root / key).problems())
            assert Store(tree.root).verify(key) == []


def test_what_kdbook_did_not_make_stays_as_it_is(originals, tally):
    keep_any_tree(originals, tally)


@pytest.mark.parametrize("command", ["verify", "gc --yes", "write", "import", "write and remove"])
@pytest.mark.parametrize("link", [*KEYED, *REPLACED])
def test_what_is_named_as_ours_is_not_followed(originals, tally, link, command):
    """Links and files of somebody that have the name of a run, or of a folder of the store."""
    keyed, replaced = ([link], []) if link in KEYED else ([], [link])
    keep_a_tree(
        originals,
        tally,
        "store",
        ["reached"][: command != "import"],
        keyed,
        replaced,
        [],
        command.split(" and "),
    )


NO_STORES = {
    "a folder of photos": lambda root: (root / "photos").mkdir(),
    "one hidden file": lambda root: (root / ".bashrc").write_text("alias"),
    "a folder named as one of ours with photos": lambda root: (root / "damaged" / "photos").mkdir(
        parents=True
    ),
    "a link": lambda root: (root / "link").symlink_to("nowhere"),
    "an empty layout beside photos": lambda root: [(root / "photos").mkdir(), (root / "layout").touch()],
    "a blank layout beside photos": lambda root: [
        (root / "photos").mkdir(),
        (root / "layout").write_text(" \n"),
    ],
    "bytes as a layout": lambda root: (root / "layout").write_bytes(b"\xff\xfe2"),
    "NULs as a layout": lambda root: (root / "layout").write_bytes(bytes(4096)),
    "another text as a layout": lambda root: (root / "layout").write_text("My notes\non the layout"),
    "a long layout": lambda root: (root / "layout").write_text("2" * 100_000),
    "a folder as a layout": lambda root: (root / "layout").mkdir(),
    "a layout that is a link to nowhere": lambda root: (root / "layout").symlink_to("nowhere"),
}
OPENING = (
    *(("run", "--profile", PROFILE, "--jobs", "1"), ("plan", "--profile", PROFILE)),
    *(("status", "--profile", PROFILE), ("results", "--profile", PROFILE), ("verify",), ("gc", "--yes")),
    ("export", "OUT", "--profile", PROFILE),
    *(("import", "RUNS"), ("export-student", "OUT", "--profile", PROFILE)),
)


@pytest.mark.parametrize("what", NO_STORES)
def test_a_folder_that_is_no_store_is_refused_by_every_command(originals, tmp_path, monkeypatch, tally, what):
    def no_training(*arguments, **settings):
        raise AssertionError("trains")

    monkeypatch.setattr("kdbook.execution.schedule.train_all", no_training)
    (root := tmp_path / "home").mkdir()
    NO_STORES[what](root)
    before = snapshot(tmp_path)
    for command in OPENING:
        words = {"OUT": str(tmp_path / "out"), "RUNS": str(originals.archive)}
        with tally.trial("a folder that is no store"):
            done = kdbook_here(*(words.get(word, word) for word in command), store=root, expect=ANY)
            assert done.returncode == 1, command
            line = assert_one_line(done.stderr)
            assert not re.search(r"\b(remove|delete|rm)\b", line, re.IGNORECASE), line
            assert snapshot(tmp_path) == before, command


@pytest.mark.parametrize("system", [(), SYSTEM])
@pytest.mark.parametrize("layout", [None, "", " \n"])
def test_an_empty_folder_becomes_a_store_at_the_first_write(originals, tmp_path, tally, system, layout):
    """Files of the system, and a layout that a full disk left empty, do not count."""
    (root := tmp_path / "store").mkdir()
    for name in system:
        (root / name).write_bytes(b"of the system") if "." in name[1:] else (root / name).mkdir()
    if layout is not None:
        (root / "layout").write_text(layout)
        (root / "locks").mkdir()
        (root / "partial" / some_key(3)).mkdir(parents=True)
    before = snapshot(*(root / name for name in system))
    with tally.trial("an empty folder, or an empty layout"):
        kdbook_here("verify", store=root)
        kdbook_here("import", str(originals.archive), store=root)
        assert (root / "layout").read_text() == "2"
        kdbook_here("gc", "--yes", store=root)
        assert Store(root).keys() == sorted(originals.reached)
        assert not (root / "partial" / some_key(3)).exists()
        assert_untouched(before, *(root / name for name in system))


@pytest.mark.parametrize("place", [Path(), Path("predictor")])
@pytest.mark.parametrize("name", [*SYSTEM_IN_RUN, "notes.txt", ".hidden", f"._{'x' * 20}", "nfs0001"])
def test_files_of_the_system_do_not_damage_a_run_and_others_do(originals, tmp_path, tally, place, name):
    key = originals.reached[0]
    shutil.copytree(originals.store, tmp_path / "store")
    (tmp_path / "store" / key / place / name).write_bytes(b"x")
    of_system = is_of_system(name)
    with tally.trial("foreign file in a run"):
        assert bool(Store(tmp_path / "store").get(key)) == of_system
        done = kdbook_here("verify", store=tmp_path / "store", expect=0 if of_system else 1)
        assert (key in done.stderr) == (not of_system)
        assert (tmp_path / "store" / "damaged" / key).is_dir() == (not of_system)
        if of_system:
            assert (tmp_path / "store" / key / place / name).read_bytes() == b"x"
            out = tmp_path / "out.zip"
            kdbook_here("export", str(out), "--profile", PROFILE, store=tmp_path / "store")
            kdbook_here("import", str(out), store=tmp_path / "there")  # what is exported can be imported
            assert Store(tmp_path / "there").verify(key) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize(
    ("name", "lock"), [("KEY", "KEY"), ("KEY.copy", "KEY.copy"), ("KEY-0123abcd.89abcdef", "KEY.copy")]
)
def test_gc_removes_what_is_left_of_a_download_but_not_one_under_way(
    originals, tmp_path, tally, name, lock, kind
):
    name, lock = (text.replace("KEY", some_key(4)) for text in (name, lock))
    shutil.copytree(originals.store, root := tmp_path / "store")
    (root / "partial").mkdir(exist_ok=True)
    left = root / "partial" / name
    left.write_bytes(b"half") if kind == "file" else (left / "x").mkdir(parents=True)
    with tally.trial("gc beside a download"):
        with FileLock(root / "locks" / f"{lock}.lock"):
            kdbook_here("gc", "--yes", store=root)
            assert left.exists()
        done = kdbook_here("gc", "--yes", store=root)
        if (kind == "file") == ("-" in name):  # what kdbook makes; it need not remove the other
            assert not left.exists()
        assert Store(root).get(originals.reached[0])
        assert done.returncode == 0


def test_gc_says_what_it_removes_how_large_it_is_and_why(originals, tmp_path, tally):
    shutil.copytree(originals.store, root := tmp_path / "store")
    names = {"partial": some_key(5), "damaged": some_key(6)}
    for place, key in names.items():
        (root / place / key).mkdir(parents=True)
        (root / place / key / "model.ckpt").write_bytes(bytes(3_400_000))
    with tally.trial("gc says what it removes"):
        before = snapshot(root)
        asked = kdbook_here("gc", store=root, expect=1)  # nobody agrees
        assert {path: value for path, value in snapshot(root).items() if path in before} == before
        rows = [line for line in asked.stdout.splitlines() if KEY.search(line)]
        assert {KEY.search(line)[0] for line in rows} == {*names.values(), originals.unreached}
        for place, key in names.items():
            (row,) = [line for line in rows if key in line]
            assert "3.4" in row and {"partial": "interrupted", "damaged": "damaged"}[place] in row
        kdbook_here("gc", "--yes", store=root)
        gone = {str(Path(path).relative_to(root)) for path in before.keys() - snapshot(root).keys()}
        assert {Path(name).parts[0] for name in gone} == {"partial", "damaged", originals.unreached}
        assert Store(root).keys() == sorted(originals.reached)


PLACES = {
    "a missing folder": lambda tmp: tmp / "nowhere" / "runs.zip",
    "an existing file": lambda tmp: tmp / "there.zip",
    "an existing folder": lambda tmp: tmp,
    "below a file": lambda tmp: tmp / "there.zip" / "runs.zip",
    "a name that is too long": lambda tmp: tmp / f"{'x' * 300}.zip",
    "a path that is too long": lambda tmp: tmp / "/".join(["x" * 200] * 30),
    "a file system of the kernel": lambda tmp: Path("/proc/runs.zip"),
    "a device": lambda tmp: Path("/dev/null"),
    "a link to nowhere": lambda tmp: tmp / "dangling.zip",
}


@pytest.mark.parametrize("command", ["export", "import"])
@pytest.mark.parametrize("where", PLACES)
def test_a_place_that_can_not_be_written_or_read_is_one_line(originals, tmp_path, tally, command, where):
    (tmp_path / "there.zip").write_bytes(b"mine")
    (tmp_path / "dangling.zip").symlink_to(tmp_path / "nowhere" / "x.zip")
    before = snapshot(tmp_path)
    place = str(PLACES[where](tmp_path))
    arguments = (command, place, *(("--profile", PROFILE) if command == "export" else ()))
    with tally.trial(f"{command} at {where}"):
        done = kdbook_here(*arguments, store=originals.store, expect=ANY)
        if (command, where) != ("export", "a link to nowhere"):  # which may be replaced
            assert done.returncode == 1
            assert_one_line(done.stderr, place)
            assert snapshot(tmp_path) == before


@contextmanager
def as_nobody():
    """Not root for a while, whom nothing is denied."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("command", ["export into", "import from", "verify in"])
def test_a_place_that_is_denied_is_one_line(originals, tally, command):
    with scratch() as folder:
        os.chmod(folder, 0o755)
        shutil.copytree(originals.store, store := Path(folder) / "store")
        closed = Path(folder) / "closed"
        shutil.copytree(originals.store, closed / "store")
        shutil.copy(originals.archive, closed)
        os.chmod(closed, 0)
        try:
            with as_nobody():
                word, *_ = command.split()
                arguments = {
                    "export": ("export", str(closed / "out.zip"), "--profile", PROFILE),
                    "import": ("import", str(closed / "runs.zip")),
                    "verify": ("verify",),
                }[word]
                with tally.trial(f"{command} a place that is denied"):
                    place = closed / "store" if word == "verify" else store
                    assert_one_line(kdbook_here(*arguments, store=place, expect=1).stderr)
        finally:
            os.chmod(closed, 0o755)


# ---------------------------------------------------------------------------------------------------------
# (b) Two machines on one bucket, and a failure of every kind at every call.

URL = "memory://bucket/runs"
BASE = "/bucket/runs"
REMOTE_RECORDS = {
    name: make_record(name).model_copy(update={"identity": make_identity(make_spec(name), data=name)})
    for name in ("teacher-0", "teacher-1", "teacher-2")
}
FIRST, SECOND, THIRD = (record.identity.key for record in REMOTE_RECORDS.values())
RECORDS = {record.identity.key: record for record in REMOTE_RECORDS.values()}
WEIGHTS = {key: hashlib.sha512(key.encode()).digest() * 20 for key in RECORDS}
CALLS = (
    *("get_file", "cat_file", "put_file", "pipe_file", "ls", "info", "rm_file", "rm", "exists", "isfile"),
    *("isdir", "find", "glob", "walk", "cat", "cat_ranges", "get", "put", "pipe", "open", "touch", "mkdir"),
    *("makedirs", "cp_file", "mv", "checksum", "ukey", "modified", "size", "sizes"),
)
ANSWERS_NO = {"exists", "isfile", "isdir"}  # fsspec takes every failure for a no
UP, DOWN = {"put_file", "pipe_file"}, {"get_file", "cat_file"}


class Odd(Exception):
    """As of boto, which share no class."""


ERRORS = {
    "time-out": lambda: TimeoutError("timed out"),
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "denied": lambda: PermissionError("Access Denied"),
    "full disk": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "odd": lambda: Odd("SlowDown\nplease"),
    "odd value": lambda: ValueError("not the size that was announced"),
    "silent": lambda: Odd(),
}
CORRUPT = ("cut", "emptied", "flipped")
OTHERS = ("other removes", "other verifies", "other sends")
FAULTS_OF = (*ERRORS, "lost answer", "half", "not found", *CORRUPT, *OTHERS)


@dataclass
class Plan:
    """Which call fails, and how."""

    fault: str = ""
    at: int = -1  # the call that fails
    lasting: bool = False  # and all after it
    place: float = 0.5  # of the byte that is changed, relative
    other: RemoteStore | None = None
    depth: int = 0
    calls: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)

    def call(self, name, original, system, arguments, keywords):
        if self.depth:
            return original(system, *arguments, **keywords)
        self.depth += 1
        try:
            self.calls.append(name)
            number = len(self.calls) - 1
            if not self.fault or (number != self.at and not (self.lasting and number > self.at >= 0)):
                return original(system, *arguments, **keywords)
            self.struck.append(name)
            return self.strike(name, functools.partial(original, system), list(arguments), keywords)
        finally:
            self.depth -= 1

    def strike(self, name, original, arguments, keywords):
        if self.fault in OTHERS:
            self.act_as_the_other()
            return original(*arguments, **keywords)
        if self.fault in CORRUPT and name in UP | DOWN:
            return self.corrupt(name, original, arguments, keywords)
        if self.fault == "lost answer" and name not in DOWN:
            original(*arguments, **keywords)
        if self.fault == "half" and name == "get_file":
            original(*arguments, **keywords)
            target = Path(arguments[1])
            target.write_bytes(self.spoilt(target.read_bytes(), "cut"))
        if name in ANSWERS_NO:
            return False
        if self.fault == "not found" and name in ("get_file", "put_file"):
            raise FileNotFoundError(arguments[0])
        raise ERRORS.get(self.fault, ERRORS["time-out"])()

    def corrupt(self, name, original, arguments, keywords):
        """Transfer other bytes, and say nothing."""
        if name == "cat_file":
            return self.spoilt(original(*arguments, **keywords))
        if name == "get_file":
            original(*arguments, **keywords)
            target = Path(arguments[1])
            return target.write_bytes(self.spoilt(target.read_bytes()))
        if name == "pipe_file":
            return original(arguments[0], self.spoilt(arguments[1]), *arguments[2:], **keywords)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.spoilt(Path(arguments[0]).read_bytes()))
            file.flush()
            return original(file.name, *arguments[1:], **keywords)

    def spoilt(self, content: bytes, how: str = "") -> bytes:
        at = int(self.place * (len(content) - 1))
        match how or self.fault:
            case "cut":
                return content[:at]
            case "emptied":
                return b""
            case _:
                return (
                    content[:at] + bytes([content[at] ^ 1 << int(self.place * 1000) % 8]) + content[at + 1 :]
                )

    def act_as_the_other(self) -> None:
        assert self.other
        match self.fault:
            case "other removes":
                self.other.remove(FIRST)
            case "other verifies":
                assert self.other.verify(FIRST) == []
            case "other sends":
                put_small(self.other, THIRD)


PLANS = [Plan()]  # the last one holds


@contextmanager
def planned(**settings):
    """Calls fail as planned in this context."""
    PLANS.append(Plan(**settings))
    try:
        yield PLANS[-1]
    finally:
        PLANS.pop()


@pytest.fixture(scope="module")
def network():
    """All connections of the session can fail."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            original = getattr(MemoryFileSystem, name)

            def replaced(system, *arguments, name=name, original=original, **keywords):
                return PLANS[-1].call(name, original, system, arguments, keywords)

            patch.setattr(MemoryFileSystem, name, replaced)
        yield


def put_small(store: Store, key: str) -> None:
    with scratch() as folder:
        write_run(store, RECORDS[key], Path(folder) / RECORDS[key].name, WEIGHTS[key])


def objects() -> dict[str, bytes]:
    return {name: file.getvalue() for name, file in MemoryFileSystem.store.items()}


def fill(content: dict[str, bytes]) -> None:
    """The bucket holds these objects and no others."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    system = MemoryFileSystem()
    for name, data in content.items():
        system.pipe_file(name, data)


@dataclass(frozen=True)
class Bucket:
    """What a bucket with two runs holds, and the copies of machines that came to know it in several ways."""

    content: dict[str, bytes]
    copies: Path

    def __repr__(self) -> str:
        return "the bucket"


@pytest.fixture(scope="module")
def bucket(network, tmp_path_factory) -> Bucket:
    folder = tmp_path_factory.mktemp("copies")
    fill({})
    whole = RemoteStore(URL, folder / "whole")
    for key in (FIRST, SECOND):
        put_small(whole, key)
    content = objects()
    RemoteStore(URL, folder / "results").keys()
    assert RemoteStore(URL, folder / "results").get(FIRST)
    (folder / "nothing").mkdir()
    shutil.copytree(folder / "whole", folder / "rotten")
    (folder / "rotten" / FIRST / "predictor" / "model.ckpt").write_bytes(b"!")
    shutil.copytree(folder / "whole", folder / "unsent")
    with planned(fault="time-out", at=0, lasting=True), pytest.raises(KdbookError):
        put_small(RemoteStore(URL, folder / "unsent"), THIRD)
    assert objects() == content
    return Bucket(content, folder)


STATES = ("nothing", "results", "whole", "rotten", "unsent")


def assert_whole(store: Store, key: str) -> None:
    """The run is there, all of it, and right."""
    assert key in set(store.keys())
    assert_right(store.get(key), key)
    assert store.verify(key) == []


def assert_right(run: Run | None, key: str) -> None:
    assert run and run.record == RECORDS[key] and len(run.predictions) == 4 and len(run.history) == 1
    assert (run.predictor / "model.ckpt").read_bytes() == WEIGHTS[key]
    assert run.problems() == []


def read_all(store: Store) -> None:
    for run in store.where(lambda record: True):
        assert run.record == RECORDS[run.key] and len(run.predictions) == 4


def read_weights(store: Store) -> None:
    run = store.get(FIRST)
    if run:
        path = run.predictor / "model.ckpt"
        assert not path.exists() or path.read_bytes() == WEIGHTS[FIRST] or store.root.name == "rotten"


def write_again(store: Store) -> None:
    """Another machine had trained it meanwhile."""
    with store.writing(FIRST) as directory:
        shutil.rmtree(directory)
        directory.mkdir()
        (directory / "predictor").mkdir()
        (directory / "predictor" / "model.ckpt").write_bytes(b"other weights")
        for name in (PREDICTIONS, TRAIN_PREDICTIONS, HISTORY):
            pd.DataFrame({"a": [1]}).to_parquet(directory / name)
        store.finish(directory, RECORDS[FIRST])


OPERATIONS = {
    "get": lambda store: store.get(FIRST),
    "get what is unsent": lambda store: store.get(THIRD),
    "verify": lambda store: store.get(FIRST) and store.verify(FIRST),
    "verify all": lambda store: [problem for key in list(store.keys()) for problem in store.verify(key)],
    "keys": lambda store: store.keys(),
    "where": read_all,
    "problems": lambda store: store.problems(FIRST),
    "outputs": lambda store: store.outputs(FIRST),
    "predictor": read_weights,
    "leftovers": lambda store: store.leftovers(),
    "remove": lambda store: store.remove(FIRST),
    "write": lambda store: put_small(store, THIRD),
    "write again": write_again,
}
LENGTHS: dict[tuple[str, str], int] = {}


def number_of_calls(bucket: Bucket, state: str, operation: str) -> int:
    """How many calls an operation makes if all goes well."""
    if (state, operation) not in LENGTHS:
        with machine(bucket, state) as store, planned() as plan, suppress(KdbookError):
            OPERATIONS[operation](store)
        LENGTHS[state, operation] = len(plan.calls)
    return LENGTHS[state, operation]


@contextmanager
def machine(bucket: Bucket, state: str):
    """A machine that has worked with the bucket before, in a process that has not."""
    fill(bucket.content)
    with scratch() as folder:
        shutil.copytree(bucket.copies / state, Path(folder) / state)
        yield RemoteStore(URL, Path(folder) / state)


def withstand(bucket, tally, state, operation, fault, at, place, lasting):
    lasting = lasting and fault not in (*CORRUPT, *OTHERS)
    with (
        machine(bucket, state) as store,
        scratch() as folder,
        tally.trial(f"{fault} on the way to a bucket"),
    ):
        other, third = RemoteStore(URL, Path(folder) / "other"), RemoteStore(URL, Path(folder) / "third")
        local = snapshot(store.root / FIRST, store.root / SECOND, store.root / THIRD)
        problems, error = None, None
        with planned(fault=fault, at=at, lasting=lasting, place=place, other=other) as plan:
            try:
                problems = OPERATIONS[operation](store)
            except KdbookError as refused:
                error = refused
        if error:
            assert "\n" not in str(error)
        struck = set(plan.struck)
        spoilt_upload = fault in CORRUPT and struck & UP
        removed = (operation == "remove" or fault == "other removes") and (struck or operation == "remove")
        check_local(store, state, operation, local, removed)
        if fault in ERRORS and struck - ANSWERS_NO and operation.startswith("verify"):
            assert error or state == "rotten" or not problems, problems
        if fault in ERRORS and struck - ANSWERS_NO and operation == "get" and not error:
            assert problems  # the run itself, from another attempt; never silently nothing
        for key in (FIRST, SECOND, THIRD):
            if key == FIRST and removed and operation == "write again":
                continue  # it may be the new one
            must_be_there = key == SECOND or (key == FIRST and not removed)
            check_other(third, key, must_be_there, by_list=not spoilt_upload)
        if not removed and not spoilt_upload:
            check_recovery(store, state, operation)


def check_local(store: Store, state: str, operation: str, before, removed) -> None:
    """The copy here is as it was; a run that is damaged here may be quarantined."""
    if operation == "remove" or removed:
        return
    kept = {
        path: value
        for path, value in before.items()
        if not (state == "rotten" and Path(path).is_relative_to(store.root / FIRST))
        and not (operation == "write again" and Path(path).is_relative_to(store.root / FIRST))
    }
    assert_untouched(kept, store.root)
    was_here = any(Path(path).is_relative_to(store.root / FIRST) for path in before)
    if was_here and state != "rotten" and operation != "write again":
        assert not (store.root / "damaged" / FIRST).exists()
    assert not (store.root / "damaged" / SECOND).exists()


def check_other(store: Store, key: str, must_be_there: bool, by_list: bool) -> None:
    """What a third machine reads is the whole run, or none."""
    if must_be_there:
        assert not by_list or key in set(store.keys())
        assert_right(store.get(key), key)
        assert store.verify(key) == []
        return
    try:
        run = store.get(key)
        if run and run.record:
            assert_right(run, key)
            assert store.verify(key) == []
    except KdbookError:  # where the upload was spoilt
        pass


def check_recovery(store: Store, state: str, operation: str) -> None:
    """The same machine goes on when the connection is back, and others get what it had to send."""
    again = RemoteStore(URL, store.root)
    if state == "rotten" or operation == "write again":
        for key in list(again.keys()):
            again.verify(key)
    assert_whole(RemoteStore(URL, store.root), FIRST) if operation != "write again" else None
    if operation == "write":
        put_small(RemoteStore(URL, store.root), THIRD)
    if operation == "write" or state == "unsent":
        assert_right(RemoteStore(URL, store.root).get(THIRD), THIRD)
        with scratch() as folder:
            assert_whole(RemoteStore(URL, Path(folder)), THIRD)


@many(max_examples=FAULTS)
@given(
    state=st.sampled_from(STATES),
    operation=st.sampled_from(list(OPERATIONS)),
    fault=st.sampled_from(FAULTS_OF),
    share=st.floats(0, 0.999),
    place=st.floats(0, 1),
    lasting=st.booleans(),
)
def fail_somewhere(bucket, tally, state, operation, fault, share, place, lasting):
    at = int(share * number_of_calls(bucket, state, operation))
    withstand(bucket, tally, state, operation, fault, at, place, lasting)


def test_a_failure_of_any_kind_at_any_call_withdraws_nothing(bucket, tally):
    fail_somewhere(bucket, tally)


@pytest.mark.parametrize("state", ["results", "rotten"])
@pytest.mark.parametrize("fault", [*ERRORS, "half", "not found", *CORRUPT])
def test_verify_during_a_failure_withdraws_nothing(bucket, tally, state, fault):
    """Each call of the command that hashes and withdraws."""
    for at in range(number_of_calls(bucket, state, "verify")):
        withstand(bucket, tally, state, "verify", fault, at, 0.4, lasting=False)


@pytest.mark.parametrize("operation", ["get", "verify"])
@pytest.mark.parametrize("part", range(20))
def test_a_marker_that_arrives_changed_withdraws_nothing(bucket, tally, operation, part):
    """One bit of it is wrong: in a hash, a name, the folder, the form."""
    withstand(bucket, tally, "nothing", operation, "flipped", 0, part / 20, lasting=False)


@pytest.mark.parametrize("how", CORRUPT)
@pytest.mark.parametrize("name", ["predictor/model.ckpt", "predictor/config.yaml", PREDICTIONS, RECORD])
def test_an_object_that_is_damaged_in_the_bucket_is_withdrawn(bucket, tally, tmp_path, name, how):
    """A machine that knows the run's results and asks for its weights finds it; whole copies elsewhere are kept."""
    with machine(bucket, "results") as store, tally.trial("an object damaged in the bucket"):
        (path,) = [each for each in objects() if FIRST in each and each.endswith(f"/{name}")]
        MemoryFileSystem().pipe_file(path, Plan(fault=how).spoilt(objects()[path]))
        fresh = RemoteStore(URL, tmp_path / "fresh")
        try:
            run = fresh.get(FIRST)
            assert not (run and run.predictor), "it is read"
        except KdbookError as error:
            assert "\n" not in str(error)
        assert not (fresh.root / FIRST / name).exists()
        whole = RemoteStore(URL, tmp_path / "whole")
        shutil.copytree(bucket.copies / "whole", whole.root, dirs_exist_ok=True)
        assert whole.verify(FIRST) == [] and whole.get(FIRST)
        if name.startswith("predictor/"):
            assert store.verify(FIRST) and store.get(FIRST) is None
            assert f"{BASE}/commits/{FIRST}.json" not in objects()
            assert RemoteStore(URL, tmp_path / "third").get(FIRST) is None
        assert_right(RemoteStore(URL, tmp_path / "fourth").get(SECOND), SECOND)


@pytest.mark.parametrize("name", [PREDICTIONS, RECORD, "predictor/model.ckpt"])
def test_a_run_that_rots_in_the_bucket_does_not_hide_the_others(bucket, tally, tmp_path, monkeypatch, name):
    """A new machine verifies: that run is withdrawn, and the other one stays."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache")
    with machine(bucket, "nothing"), tally.trial("an object damaged in the bucket"):
        (path,) = [each for each in objects() if FIRST in each and each.endswith(f"/{name}")]
        MemoryFileSystem().pipe_file(path, b"rot")
        done = kdbook_here("verify", store=URL, expect=ANY)
        assert SECOND not in done.stderr
        assert f"{BASE}/commits/{FIRST}.json" not in objects()
        assert RemoteStore(URL, tmp_path / "third").keys() == [SECOND]
        assert_whole(RemoteStore(URL, tmp_path / "fourth"), SECOND)


def test_other_objects_in_a_bucket_are_let_alone(bucket, tally):
    """Somebody keeps notes beside the runs, and a console made empty objects for folders."""
    notes = {
        f"{BASE}/thesis.txt": b"mine",
        f"{BASE}/commits/README.md": b"mine",
        f"{BASE}/commits/notes.json": b"{}",
        f"{BASE}/commits/{FIRST}.json.bak": b"mine",
        f"{BASE}/files/photos/cat.jpg": b"cat",
        f"{BASE}/files/{FIRST}-notes.txt": b"mine",
    }
    with machine(bucket, "nothing") as store, tally.trial("somebody's objects in the bucket"):
        fill(bucket.content | notes)
        assert store.keys() == sorted([FIRST, SECOND])
        assert_whole(store, FIRST)
        store.remove(FIRST)
        left = objects()
        assert {name: left.get(name) for name in notes} == notes
        assert_whole(RemoteStore(URL, store.root), SECOND)


def test_the_commands_work_on_a_bucket(bucket, originals, tmp_path, monkeypatch, tally):
    """Also gc, with a download that was killed in the copy."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache")
    fill(bucket.content)
    with tally.trial("commands on a bucket"):
        assert "2 runs verified, 0 damaged" in kdbook_here("verify", store=URL).stderr
        (copy,) = (tmp_path / "cache").iterdir()
        (copy / "partial").mkdir(exist_ok=True)
        (copy / "partial" / f"{FIRST}-01234567.01234567").write_bytes(b"half")
        (copy / "partial" / f"{FIRST}.copy").mkdir()
        kdbook_here("gc", "--yes", store=URL)  # no profile reaches the two
        assert not list((copy / "partial").iterdir())
        assert not [name for name in objects() if "/commits/" in name]
        fill({})
        kdbook_here("import", str(originals.archive), store=URL)
        kdbook_here("export", str(tmp_path / "out.zip"), "--profile", PROFILE, store=URL)


# ---------------------------------------------------------------------------------------------------------
# (c) Forged archives.

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(entries: dict[str, bytes], target: Path, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(target, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)


def rehashed(entries: dict[str, bytes], key: str) -> None:
    """Make the manifest of a run fit its files again."""
    prefix = f"{key}/"
    names = [name.removeprefix(prefix) for name in entries if name.startswith(prefix)]
    hashes = {name: hashlib.sha256(entries[prefix + name]).hexdigest() for name in names if name != MANIFEST}
    entries[f"{prefix}{MANIFEST}"] = json.dumps(hashes).encode()


def with_files(*names: str):
    """The archive holds these files as well, and the manifest names them."""

    def change(entries, key, place):
        for name in names:
            entries[f"{key}/{name}"] = b"{}"
        rehashed(entries, key)

    return change


def with_table(name: str, content):
    """A table is replaced, and the manifest fits."""

    def change(entries, key, place):
        entries[f"{key}/{name}"] = content(entries[f"{key}/{name}"], place)
        rehashed(entries, key)

    return change


def cut(content: bytes, place: float) -> bytes:
    return content[: int(place * (len(content) - 1))]


def other_columns(content: bytes, place: float) -> bytes:
    return pd.DataFrame({"a": [1]}).to_parquet()


TABLES = (PREDICTIONS, TRAIN_PREDICTIONS, HISTORY)
ENTRIES = {
    "a file that is a folder too": with_files(f"{RECORD}/a.json"),
    "a folder that is a file too": with_files("predictor.json/a.json", "predictor.json"),
    "a manifest that is a folder too": with_files(f"{MANIFEST}/a.json"),
    "1,500 folders deep": with_files("a/" * 1500 + "b.json"),
    "a path of 6,000 characters": with_files("/".join(["a" * 200] * 30) + "/b.json"),
    "a name of 300 characters": with_files("a" * 300 + ".json"),
    "a name of 300 bytes": with_files("ä" * 130 + ".json"),
    "a name with a line break": with_files("a\nb.json", "\x1b[31m.json/../x.json"),
    "a path upwards": with_files("../../outside.json"),
    "a run of somebody else's key": lambda entries, key, place: renamed(entries, key, some_key(8)),
    "a key that is too short": lambda entries, key, place: renamed(entries, key, key[:19]),
    "a key in capitals": lambda entries, key, place: renamed(entries, key, key.upper() + "A"),
    "a key of a folder of the store": lambda entries, key, place: renamed(entries, key, "damaged"),
    "other weights": lambda entries, key, place: entries.update({f"{key}/predictor/model.ckpt": b"!"}),
    "no weights": lambda entries, key, place: entries.pop(f"{key}/predictor/model.ckpt"),
    "no manifest": lambda entries, key, place: entries.pop(f"{key}/{MANIFEST}"),
    "a record of other numbers": with_table(
        RECORD, lambda content, place: content.replace(b'"seed"', b'"s"')
    ),
    "a record cut off": with_table(RECORD, cut),
    "a record that is no text": with_table(RECORD, lambda content, place: b"\xff" + content),
    "a record 3,000 deep": with_table(RECORD, lambda content, place: b'{"a":' * 3000),
    **{f"garbage as {name}": with_table(name, lambda content, place: b"garbage") for name in TABLES},
    **{f"nothing as {name}": with_table(name, lambda content, place: b"") for name in TABLES},
    **{f"half of {name}": with_table(name, cut) for name in TABLES},
    **{f"other columns as {name}": with_table(name, other_columns) for name in TABLES},
    **{
        f"a folder as {name}": lambda entries, key, place, name=name: [
            entries.pop(f"{key}/{name}"),
            with_files(f"{name}/part-0.parquet")(entries, key, place),
        ]
        for name in (*TABLES, RECORD)
    },
}


def renamed(entries: dict[str, bytes], key: str, other: str) -> None:
    for name in [name for name in entries if name.startswith(f"{key}/")]:
        entries[other + name.removeprefix(key)] = entries.pop(name)


def in_headers(local_at: int, central_at: int, size: int, value, which: str):
    """Replace a field in the headers of the entries whose name contains a text."""

    def change(content: bytearray, place: float) -> None:
        for mark, at, length_at, name_at in ((LOCAL, local_at, 26, 30), (CENTRAL, central_at, 28, 46)):
            start = content.find(mark)
            while start >= 0:
                length = int.from_bytes(content[start + length_at : start + length_at + 2], "little")
                if which.encode() in content[start + name_at : start + name_at + length]:
                    old = int.from_bytes(content[start + at : start + at + size], "little")
                    new = value(old) & ((1 << 8 * size) - 1)
                    content[start + at : start + at + size] = new.to_bytes(size, "little")
                start = content.find(mark, start + 4)

    return change


def replaced_in_names(old: bytes, new: bytes):
    assert len(old) == len(new)

    def change(content: bytearray, place: float) -> None:
        content[:] = content.replace(old, new)

    return change


SOME = ("", MANIFEST, RECORD, "model.ckpt")
BYTES = {  # each of them is refused
    **{
        f"encrypted {which or 'all'} ({bits:#x})": in_headers(
            6, 8, 2, lambda old, bits=bits: old | bits, which
        )
        for which in SOME
        for bits in (0x1, 0x41, 0x2001)
    },
    **{f"patched {which or 'all'}": in_headers(6, 8, 2, lambda old: old | 0x20, which) for which in SOME},
    **{
        f"method {method} of {which or 'all'}": in_headers(8, 10, 2, lambda old, method=method: method, which)
        for which in SOME
        for method in (1, 6, 9, 12, 14, 93, 95, 98, 99, 65535)
    },
    "no UTF-8 in names": lambda content, place: [
        in_headers(6, 8, 2, lambda old: old | 0x800, "model.ckpt")(content, place),
        replaced_in_names(b"model.ckpt", b"mod\xff\xfe.ckpt")(content, place),
    ],
    "a NUL in a name": replaced_in_names(b"config.yaml", b"con\0ig.yaml"),
    "larger than announced": in_headers(22, 24, 4, lambda old: max(1, old // 2), "model.ckpt"),
    "huge": in_headers(22, 24, 4, lambda old: 0xFFFFFFF0, ""),
    "another checksum": in_headers(14, 16, 4, lambda old: old ^ 1, "model.ckpt"),
    "an extra field that is cut": in_headers(28, 30, 2, lambda old: old + 3, "model.ckpt"),
}


def flip(content: bytearray, place: float) -> None:
    at = int(place * (len(content) * 8 - 1))
    content[at // 8] ^= 1 << at % 8


def shorten(content: bytearray, place: float) -> None:
    del content[int(place * (len(content) - 1)) :]


HARMLESS_PERHAPS = {
    "smaller than announced": in_headers(22, 24, 4, lambda old: old + 9, "model.ckpt"),
    "compressed into more": in_headers(18, 20, 4, lambda old: old + 5000, "model.ckpt"),
    "a flipped bit": flip,
    "cut off": shorten,
    "cut off in front": lambda content, place: content.__delitem__(slice(0, int(place * 40))),
    "in front of it junk": lambda content, place: content.__setitem__(slice(0, 0), b"junk" * 9),
    "after it junk": lambda content, place: content.extend(b"PK\x05\x06" + b"\0" * int(place * 40)),
    "twice": lambda content, place: content.extend(content),
    "a block zeroed": lambda content, place: content.__setitem__(
        slice(at := int(place * max(0, len(content) - 64)), at + 64), bytes(64)
    ),
}
KINDS_OF_FORGERY = (*ENTRIES, *BYTES, *HARMLESS_PERHAPS)


def forge(originals: Originals, kind: str, place: float, target: Path, victims: int) -> None:
    """Write an export that is not what it seems; its last run alone, or every run of it."""
    entries = entries_of(originals.archive)
    keys = list(dict.fromkeys(name.partition("/")[0] for name in entries))
    if kind in ENTRIES:
        for key in keys[-victims:]:
            ENTRIES[kind](entries, key, place)
    zipped(entries, target)
    if kind in ENTRIES:
        return
    content = bytearray(target.read_bytes())
    {**BYTES, **HARMLESS_PERHAPS}[kind](content, place)
    target.write_bytes(content)


def traces(root: Path) -> dict[str, tuple[str, object]]:
    """What a store holds, apart from what says that it is one, and empty folders."""
    return {
        name: value
        for path, value in snapshot(root).items()
        if not (name := os.path.relpath(path, root)).startswith(("locks", "layout", "digests"))
        and name not in (".", *FOLDERS)
    }


def refuse_an_archive(originals, tally, kind, place, victims, trust, present):
    with scratch() as folder, tally.trial("a forged archive"):
        root, path = Path(folder) / "store", Path(folder) / "runs.zip"
        if present:  # the first of the runs was imported before
            kdbook_here("import", str(originals.archive), store=root)
            store = Store(root)
            store.remove(originals.reached[-1])
        forge(originals, kind, place, path, victims)
        before, beside = traces(root), snapshot(Path(folder))
        done = kdbook_here("import", str(path), *(["--trust"] if trust else []), store=root, expect=ANY)
        after = traces(root)
        assert not [name for name in after if name.startswith(("partial/", "damaged/", "unsent/"))]
        arrived = {Path(name).parts[0] for name in after.keys() - before.keys()} - {"imported"}
        outside = [name for name in snapshot(Path(folder)) if name not in beside]
        assert all(Path(name).is_relative_to(root) for name in outside), outside
        if done.returncode:
            assert done.returncode == 1
            assert_one_line(done.stderr)
        else:
            assert kind in set(HARMLESS_PERHAPS), "accepted"
        assert arrived <= set(originals.reached)
        assert kind in set(HARMLESS_PERHAPS) or originals.reached[-1] not in arrived
        if victims == 2 and kind in ENTRIES and not present:
            assert not arrived
        marked = {Path(name).name for name in after if name.startswith("imported/")}
        keys = set(Store(root).keys())
        assert keys == arrived | ({originals.reached[0]} if present else set())
        assert marked <= keys and (trust or marked == keys)
        if done.returncode and not arrived and not present:
            assert not after
        for key in keys:
            run = Store(root).get(key)
            assert run and Store(root).verify(key) == []
            assert len(run.predictions) == len(run.train_predictions) == 4 and len(run.history) == 1
        kdbook_here("import", str(originals.archive), store=root)  # the true one still can be
        assert set(Store(root).keys()) == set(originals.reached)


@many(max_examples=ARCHIVES)
@given(
    kind=st.one_of(st.sampled_from(list(HARMLESS_PERHAPS)), st.sampled_from(KINDS_OF_FORGERY)),
    place=st.floats(0, 1),
    victims=st.sampled_from((1, 2)),
    trust=st.booleans(),
    present=st.booleans(),
)
def import_anything(originals, tally, kind, place, victims, trust, present):
    refuse_an_archive(originals, tally, kind, place, victims, trust, present)


def test_a_forged_archive_is_refused_in_one_line_and_leaves_nothing(originals, tally):
    import_anything(originals, tally)


@pytest.mark.parametrize("kind", [*ENTRIES, *(kind for kind in BYTES if not kind.startswith("method"))])
def test_every_kind_of_forgery(originals, tally, kind):
    refuse_an_archive(originals, tally, kind, 0.5, 2, trust=False, present=False)


@pytest.mark.parametrize("content", ["empty zip", "zip of a folder", "no bytes", "no zip", "folder", "zip64"])
def test_what_is_no_archive(originals, tmp_path, tally, content):
    path = tmp_path / "runs.zip"
    match content:
        case "empty zip":
            zipped({}, path)
        case "zip of a folder":
            zipped({f"{originals.reached[0]}/": b""}, path)
        case "folder":
            path.mkdir()
        case "zip64":
            path.write_bytes(
                b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + b"\xff" * 18
            )
        case _:
            path.write_bytes(b"" if content == "no bytes" else b"no zip")
    with tally.trial("no archive"):
        done = kdbook_here("import", str(path), store=tmp_path / "store", expect=ANY)
        assert done.returncode == 1
        assert_one_line(done.stderr)
        assert not traces(tmp_path / "store")


def test_the_runs_and_the_archive_are_what_these_tests_take_them_for(originals, tmp_path):
    """Otherwise they would prove nothing."""
    store = Store(originals.store)
    assert len(store.keys()) == 3 and all(
        KEY.fullmatch(key) and store.verify(key) == [] for key in list(store.keys())
    )
    kdbook_here("import", str(originals.archive), store=tmp_path / "there")
    assert Store(tmp_path / "there").keys() == sorted(originals.reached)
    listed = kdbook_here("gc", store=originals.store, expect=1).stdout
    assert Counter(KEY.findall(listed)) == {originals.unreached: 1}
