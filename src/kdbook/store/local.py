"""A directory of finished runs.

A run is written into a directory of its own under ``partial`` and renamed into place when it is complete, so
a reader never sees half of one, and an interrupted run is never taken for a finished one.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kdbook.atomic import PARTIAL_SUFFIX, atomic
from kdbook.errors import KdbookError
from kdbook.store.run import (
    KEY,
    KEY_LENGTH,
    MANIFEST,
    PROGRESS,
    RECORD,
    RESULTS,
    FitCheckpoint,
    Run,
    RunRecord,
    file_names,
    hash_of,
    is_key,
    is_of_system,
    write,
    write_manifest,
)

PARTIAL = "partial"
DAMAGED = "damaged"
LOCKS = "locks"
OUTPUTS = "teacher_outputs"
DIGESTS = "digests"
IMPORTED = "imported"
UNSENT = "unsent"
FOLDERS = (PARTIAL, DAMAGED, LOCKS, OUTPUTS, DIGESTS, IMPORTED, UNSENT)
COPY = ".copy"  # marks the copy of a remote run, and its lock
UNPACKED = ".import"  # marks a run that is being unpacked
# interrupted and damaged runs, copies and downloads of remote ones, unpacked ones
LEFTOVER = re.compile(rf"{KEY.pattern}({COPY}|{UNPACKED}|-[0-9a-z]+\.[0-9a-z]+)?")
DIGEST = re.compile(r"[0-9a-f]{64}")
DISK_FULL_BELOW_BYTES = 2_000_000
LAYOUT = "layout"  # a file with the version of the layout
OUR_LAYOUT = "2"


class Store:
    """A directory of finished runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.withdrawn: dict[str, str] = {}  # why runs were withdrawn from a shared store, by key
        self._sound: set[str] = set()  # keys of runs whose results were checked
        self._index: tuple[int | None, list[Run]] = (None, [])

    def get(self, key: str) -> Run | None:
        """The run of this key, or None if it has not been finished or is damaged."""
        run = self._run(key)
        return run if run.path.is_dir() and not self.problems(key) and run.has_record() else None

    def problems(self, key: str) -> list[str]:
        """What is wrong with the stored run of this key: files missing or foreign, results changed, or
        quarantined.

        The presence of every file and the content of the results are checked, once per process;
        :meth:`verify` hashes everything.
        """
        run, quarantined = self._run(key), Run(self.root / DAMAGED / key)
        if not run.path.is_dir():
            return quarantined.problems() if quarantined.path.is_dir() else []
        problems = [] if key in self._sound else run.problems(RESULTS)
        if not problems:
            self._sound.add(key)
        return problems

    def __iter__(self) -> Iterator[Run]:
        """All undamaged runs, newest first."""
        return self.where(lambda record: True)

    def where(self, predicate: Callable[[RunRecord], bool]) -> Iterator[Run]:
        """Undamaged runs whose record satisfies a predicate, newest first.

        Damage is checked only for those.
        """
        return (run for run in self._runs() if predicate(run.record) and not self.problems(run.key))

    def keys(self) -> list[str]:
        """The keys of all runs that were finished, damaged ones included."""
        return sorted(path.name for path in _entries(self.root) if _is_own_folder(path))

    def verify(self, key: str) -> list[str]:
        """Hash every file of a run again.

        A damaged run is quarantined and will be retrained. Returns what is wrong.

        Raises
        ------
        KdbookError
            If a file can't be read; then the run stays.
        """
        problems = Run(self.root / key).problems()
        if problems:
            self._quarantine(key)
        return problems

    @contextmanager
    def writing(self, key: str, wait: Callable[[], None] | None = None) -> Iterator[Path]:
        """Give a directory to write a run into.

        Once :meth:`finish` has committed it, it becomes the run of this key.

        The directory holds what an interrupted writer left there. One process writes a key at a time;
        ``wait`` is called once if another one holds the lock.
        """
        partial = self.ensure_folder(PARTIAL) / key
        if partial.is_symlink():
            raise self._is_link(partial)
        with self.locked(key, wait):
            self._sound.discard(key)
            if not Run(partial).problems():  # committed by a writer that was stopped before it moved its run
                self._commit(partial)
            partial.mkdir(parents=True, exist_ok=True)
            (partial / MANIFEST).unlink(missing_ok=True)
            yield partial
            if (partial / MANIFEST).is_file():
                self._commit(partial)
            elif not any(partial.iterdir()):
                partial.rmdir()

    @contextmanager
    def arriving(self, key: str, suffix: str) -> Iterator[Path]:
        """Give an empty folder to copy a run into, one process at a time; what stays in it is removed."""
        with self.locked(f"{key}{suffix}"):
            folder = self.ensure_folder(PARTIAL) / f"{key}{suffix}"
            if folder.is_symlink():
                raise self._is_link(folder)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def put(self, key: str, run: Path, imported: bool) -> None:
        """Move a finished run, in a folder on the same disk, into the store, unless it is there by now."""
        with self.writing(key) as directory:
            if self.get(key):
                return
            if imported:
                self._note(IMPORTED, key, (run / MANIFEST).read_text("utf-8"))
            else:
                self.trust(key)
            shutil.rmtree(directory)
            run.rename(directory)

    @contextmanager
    def explaining_full_disk(self) -> Iterator[None]:
        """Turn any failure inside this context into a clear message if the disk is full."""
        try:
            yield
        except Exception as error:
            free = shutil.disk_usage(self.root).free
            if free > DISK_FULL_BELOW_BYTES:
                raise
            raise KdbookError(
                f"the disk of the run store {self.root} is full ({free / 1e6:.1f} MB are free). The "
                "finished runs are kept; free some space, perhaps with kdbook gc, or choose another store "
                "with KDBOOK_STORE, and go on"
            ) from error

    def finish(self, directory: Path, record: RunRecord) -> None:
        """Write the record of a run, and last its manifest: with that the run is complete."""
        write(directory / RECORD, record.model_dump_json(indent=2))
        write_manifest(directory, {name: hash_of(directory / name) for name in sorted(file_names(directory))})

    def cached_digest(self, origin: str, compute: Callable[[], str]) -> str:
        """The digest of the data of this origin, computed once and remembered where the store is writable."""
        path = self.root / DIGESTS / origin
        with suppress(OSError, UnicodeDecodeError):
            if DIGEST.fullmatch(kept := path.read_text("utf-8")):
                return kept
        digest = compute()
        with suppress(OSError, KdbookError):
            self.ensure_folder(DIGESTS)
            with atomic(path) as partial:
                write(partial, digest)
        return digest

    def interrupted(self, key: str) -> FitCheckpoint | None:
        """How far an interrupted run came; None if there is none, or none that has reached a checkpoint."""
        try:
            return FitCheckpoint.model_validate_json((self.root / PARTIAL / key / PROGRESS).read_bytes())
        except (OSError, ValueError):
            return None

    def was_begun(self, key: str) -> bool:
        """Whether an interrupted run of this key left files."""
        return (self.root / PARTIAL / key).is_dir()

    def is_locked(self, key: str) -> bool:
        """Whether a process is writing the run of this key now."""
        path = self.root / LOCKS / f"{key}.lock"
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a store that can't be written has no writer
            return False
        lock.release()
        return False

    def leftovers(self) -> list[Path]:
        """What is left of interrupted, damaged and downloaded runs, and is not being written."""
        folders = [self.root / name for name in (PARTIAL, DAMAGED) if not (self.root / name).is_symlink()]
        found = [path for folder in folders for path in _entries(folder)]
        ours = [path for path in found if LEFTOVER.fullmatch(path.name) and not path.is_symlink()]
        locks = (f"{path.name[:KEY_LENGTH]}{lock}" for path in ours for lock in ("", COPY, UNPACKED))
        locked = {name[:KEY_LENGTH] for name in locks if self.is_locked(name)}
        return sorted(path for path in ours if path.name[:KEY_LENGTH] not in locked)

    def discard(self, path: Path) -> None:
        """Delete one of the :meth:`leftovers`, but for files that are not the store's."""
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        try:
            manifest = Run(path).manifest
        except (OSError, ValueError):
            manifest = {}  # it was never finished, so all of it is the store's
        if manifest and set(file_names(path)) - manifest.keys():
            _remove_listed(path, manifest)
        else:
            shutil.rmtree(path)

    def remove(self, key: str) -> None:
        """Delete a run. It is renamed first, so that no reader ever sees a part of it."""
        self.discard(self._quarantine(key))
        self.trust(key)
        for path in (self.outputs(key), self.outputs(key).with_suffix(".sha256")):
            with suppress(NotADirectoryError):
                path.unlink(missing_ok=True)

    def outputs(self, key: str) -> Path:
        """The file for the outputs of the teacher of this key; see :mod:`kdbook.training.teacher_outputs`."""
        return self.root / OUTPUTS / f"{key}.safetensors"

    def trust(self, key: str) -> None:
        """Let an imported run be used like one that was trained here."""
        with suppress(NotADirectoryError):
            (self.root / IMPORTED / key).unlink(missing_ok=True)

    def imported(self, key: str) -> bool:
        """Whether the run of this key was trained elsewhere; one retrained here has another manifest."""
        try:
            noted = (self.root / IMPORTED / key).read_text("utf-8")
            return noted == (self.root / key / MANIFEST).read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return False

    @contextmanager
    def locked(self, name: str, wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold a lock of the store; ``wait`` is called once if another process holds it.

        Raises
        ------
        KdbookError
            If the store can't be written.
        """
        lock = FileLock(self.ensure_folder(LOCKS) / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if wait:
                wait()
            lock.acquire()
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def ensure_folder(self, name: str) -> Path:
        """A folder of the store, made if it does not exist.

        Raises
        ------
        KdbookError
            If the store can't be written.
        """
        path = self.root / name
        if path.is_symlink():
            raise self._is_link(path)
        self.check()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self._layout() != OUR_LAYOUT:
                with atomic(self.root / LAYOUT) as partial:
                    write(partial, OUR_LAYOUT)
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return path

    def check(self) -> None:
        """Refuse a folder that is not a run store and has other things in it.

        Raises
        ------
        KdbookError
            If it is one, or a store that another version of kdbook made.
        """
        try:
            layout = self._layout()
            entries = [] if layout == OUR_LAYOUT else _entries(self.root)  # thousands in a store
        except OSError as error:
            raise KdbookError(f"the run store {self.root} can't be read: {error.strerror}") from error
        if layout and layout != OUR_LAYOUT:
            raise KdbookError(
                f"the run store {self.root} has the layout {layout[:20]!r} of another version of kdbook, and "
                f"this one reads {OUR_LAYOUT!r}. Choose another folder with KDBOOK_STORE"
            )
        was_store = layout == ""  # an empty file is what a full disk left
        ours = [path for path in entries if _is_layout(path) or (was_store and _is_of_store(path))]
        if foreign := sorted(path.name for path in entries if path not in ours):
            raise KdbookError(
                f"the folder {self.root} is not a run store, and has {foreign[0]!r} in it. Choose a new or "
                "empty folder with KDBOOK_STORE"
            )

    def _layout(self) -> str | None:
        """The version of the layout; empty if its file is, None if there is no such file."""
        try:
            return (self.root / LAYOUT).read_bytes().decode("utf-8", "replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _run(self, key: str) -> Run:
        return Run(self.root / key)

    def _runs(self) -> list[Run]:
        """All committed runs with a readable record, newest first.

        Indexed once for as long as none is added or removed.
        """
        modified = self.root.stat().st_mtime_ns if self.root.is_dir() else None
        if modified != self._index[0]:
            committed = _committed_runs(self.root) if modified else []
            self._index = modified, [run for run in map(self._run, committed) if run.has_record()]
        return self._index[1]

    def _commit(self, finished: Path) -> None:
        """Rename a committed run into place; a damaged one of the same key makes room."""
        damaged = self.root / DAMAGED / finished.name
        if (self.root / finished.name).exists():
            damaged = self._quarantine(finished.name)
        finished.replace(self.root / finished.name)
        if _is_own_folder(damaged):
            self.discard(damaged)

    def _quarantine(self, key: str) -> Path:
        """Move a run aside, and return its new place; a damaged one that was there before is deleted.

        Raises
        ------
        KdbookError
            If something else bears the name of the run, or of the place.
        """
        run, target = self.root / key, self.ensure_folder(DAMAGED) / key
        for path in (run, target):
            if path.is_symlink():
                raise self._is_link(path)
        if target.exists():
            self.discard(target)
        if target.exists():
            raise KdbookError(f"{target} has files that are not kdbook's; move them elsewhere")
        self._sound.discard(key)
        if run.is_dir():
            run.replace(target)
        return target

    def _note(self, folder: str, key: str, text: str) -> None:
        """Write a small file about a run."""
        path = self.ensure_folder(folder) / key
        if path.is_symlink():
            raise self._is_link(path)
        write(path, text)

    def _is_link(self, path: Path) -> KdbookError:
        return KdbookError(f"{path} is a link, which kdbook never makes in a run store; it stays as it is")

    def _unwritable(self, error: OSError) -> KdbookError:
        return KdbookError(
            f"the run store {self.root} can't be written: {error.strerror}. Choose another with KDBOOK_STORE"
        )


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, but for what systems leave; nothing if it does not exist."""
    try:
        return [path for path in folder.iterdir() if not is_of_system(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_own_folder(path: Path) -> bool:
    """Whether a path is the directory of a run, and not a link to somebody's."""
    return is_key(path.name) and path.is_dir() and not path.is_symlink()


def _is_of_store(path: Path) -> bool:
    return path.name in FOLDERS or _is_own_folder(path)


def _is_layout(path: Path) -> bool:
    """Whether a file is the layout, or the one that another process is writing."""
    if path.is_symlink():
        return False
    return path.name == LAYOUT or (path.name.startswith(f"{LAYOUT}.") and path.suffix == PARTIAL_SUFFIX)


def _remove_listed(folder: Path, names: Iterable[str]) -> None:
    """Delete some files of a folder, its manifest, and the folders that are empty then."""
    for name in (*names, MANIFEST):
        (folder / name).unlink(missing_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


def _committed_runs(root: Path) -> list[str]:
    """Keys of the directories that have a manifest, newest first.

    ``os.scandir`` keeps thousands of them fast.
    """
    times: dict[str, float] = {}
    for entry in os.scandir(root):
        if not is_key(entry.name) or entry.is_symlink():
            continue
        with suppress(OSError):
            times[entry.name] = os.stat(f"{entry.path}/{MANIFEST}").st_mtime  # noqa: PTH116  # fast
    return sorted(times, key=times.__getitem__, reverse=True)
