"""Finished runs on disk, by the hash of what produced them.

A run is written into a directory of its own under ``partial`` and renamed into place when it is complete, so a
reader never sees half of one, and an interrupted run is never taken for a finished one. A manifest with the hash of
every file seals it; a run whose files are not those of its manifest is damaged and is never read.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic_core import from_json

from kdbook.errors import KdbookError

if TYPE_CHECKING:
    import pandas as pd  # imported where tables are read: a build that finds all current needs none

DEFAULT_ROOT = ".runs"
RECORD, PREDICTIONS, HISTORY, PREDICTOR = "run.json", "predictions.parquet", "history.parquet", "predictor"
TRAIN_PREDICTIONS = "train_predictions.parquet"
MANIFEST, PROGRESS = "manifest.json", "progress.json"
RESULTS = (RECORD, PREDICTIONS, TRAIN_PREDICTIONS, HISTORY)  # small files that are hashed whenever a run is looked up
PARTIAL, DAMAGED, LOCKS, OUTPUTS, DIGESTS, IMPORTED = "partial", "damaged", "locks", "teacher_outputs", "digests", "imported"
UNSENT = "unsent"
FOLDERS = (PARTIAL, DAMAGED, LOCKS, OUTPUTS, DIGESTS, IMPORTED, UNSENT)
FULL = 2_000_000  # bytes left on a disk on which a failed write failed for lack of room
LAYOUT = "layout"  # a file with the number of the layout that a store has
OUR_LAYOUT = "1"

Record = dict[str, Any]
Manifest = dict[str, str]


def key_of(identity: Record) -> str:
    """The name of a run in the store: a hash of everything that its result depends on."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Run:
    """A finished run, read from the store.

    ``bring`` copies its weights here, where they are kept elsewhere; see :mod:`kdbook.remote`.
    """

    path: Path
    bring: Callable[[], None] | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return self.path.name

    @cached_property
    def record(self) -> Record:
        """Identity, times in seconds, parameter counts, hardware and versions; see :func:`kdbook.train.train`."""
        return from_json((self.path / RECORD).read_bytes())  # a store may hold thousands, and this is the fastest reader

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """A row for each test row: ``id``, ``language``, ``label``, ``prediction``, and ``probability`` of label 1.

        With more than two classes ``probability_0`` and so on, one for each label, stand in place of ``probability``.
        """
        import pandas as pd

        return pd.read_parquet(self.path / PREDICTIONS)

    @cached_property
    def train_predictions(self) -> "pd.DataFrame":
        """The same for the first items of the training data; their labels may be wrong where the data say so."""
        import pandas as pd

        return pd.read_parquet(self.path / TRAIN_PREDICTIONS)

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row for each validation during the fit: ``epoch``, ``seconds``, ``train_loss``, ``validation_accuracy``."""
        import pandas as pd

        return pd.read_parquet(self.path / HISTORY)

    @property
    def predictor(self) -> Path:
        """Directory for ``MultiModalPredictor.load``."""
        if self.bring:
            self.bring()
        return self.path / PREDICTOR

    @cached_property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    def damage(self, only: Collection[str] | None = None) -> list[str]:
        """What is wrong with the files, compared with the manifest; only with the named ones, if any are named."""
        try:
            manifest = read_manifest((self.path / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            return [f"{MANIFEST} can't be read"]
        there = set(_files(self.path))
        elsewhere = {name for name in manifest if self.bring and name.startswith(f"{PREDICTOR}/")}
        missing = [f"{name} is missing" for name in sorted(manifest.keys() - there - elsewhere)]
        foreign = [f"{name} does not belong to it" for name in sorted(there - manifest.keys())]
        checked = sorted(there & manifest.keys() & set(manifest if only is None else only))
        return missing + foreign + [f"{name} was changed" for name in checked if hash_of(self.path / name) != manifest[name]]


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(text: str) -> Manifest:
    """Hashes by file name.

    Raises
    ------
    ValueError
        If the text is not a manifest, or a name in it is not one inside the run's own directory.
    """
    manifest = json.loads(text)
    if not isinstance(manifest, dict) or RECORD not in manifest:
        raise ValueError(f"no {RECORD} in it")
    for name, digest in manifest.items():
        parts = name.split("/")
        if not isinstance(digest, str) or name == MANIFEST or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"{name!r} can't be a file of a run")
    return manifest


def _has_record(run: Run) -> bool:
    """Whether the record of a run can be read; it is kept by the run from then on."""
    try:
        return bool(run.record)
    except (OSError, ValueError):
        return False


def _sealed_at(path: str) -> float | None:
    """When the run in a directory was sealed; None if it was not, or is none."""
    try:
        return os.stat(f"{path}/{MANIFEST}").st_mtime
    except OSError:
        return None


def _files(directory: Path) -> Iterator[str]:
    """Names of all files of a run but its manifest."""
    names = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    return (name for name in names if name != MANIFEST)


class Store:
    """A directory of finished runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._checked: dict[str, list[str]] = {}
        self._read: tuple[int | None, list[Run]] = (None, [])

    def get(self, key: str) -> Run | None:
        """The run of this key, or None if it has not been finished or is damaged."""
        return self._run(key) if (self.root / key).is_dir() and not self.damage(key) else None

    def _run(self, key: str) -> Run:
        return Run(self.root / key)

    def damage(self, key: str) -> list[str]:
        """What is wrong with the stored run of this key: files missing or foreign, results changed, or set aside by ``verify``.

        Every file's presence is looked at, and the content of the results, once in a process; :meth:`verify` reads all.
        """
        run, aside = self._run(key), Run(self.root / DAMAGED / key)
        if not run.path.is_dir():
            return aside.damage() if aside.path.is_dir() else []
        if key not in self._checked:
            self._checked[key] = run.damage(RESULTS)
        return self._checked[key]

    def __iter__(self) -> Iterator[Run]:
        """All finished runs that are not damaged, the newest first."""
        return self.matching(lambda record: True)

    def matching(self, wanted: Callable[[Record], bool]) -> Iterator[Run]:
        """The finished runs with a record as it is wanted, the newest first; only of these it is looked whether they are damaged."""
        return (run for run in self._all_sealed() if wanted(run.record) and not self.damage(run.key))

    def keys(self) -> list[str]:
        """The keys of all runs that were finished, damaged ones included."""
        found = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path.name for path in found if path.is_dir() and path.name not in FOLDERS)

    def _all_sealed(self) -> list[Run]:
        """All sealed runs whose record can be read, the newest first; read once for as long as no run is added or removed."""
        modified = self.root.stat().st_mtime_ns if self.root.is_dir() else None
        if modified != self._read[0]:
            sealed = {entry.path: when for entry in os.scandir(self.root) if (when := _sealed_at(entry.path))} if modified else {}
            runs = [self._run(os.path.basename(path)) for path in sorted(sealed, key=sealed.__getitem__, reverse=True)]
            self._read = modified, [run for run in runs if _has_record(run)]
        return self._read[1]

    def verify(self, key: str) -> list[str]:
        """Hash every file of a run again; a damaged run is set aside, so that it is trained anew. Returns what is wrong."""
        found = Run(self.root / key).damage()
        if found:
            self._put_aside(key)
        return found

    @contextmanager
    def writing(self, key: str, wait=None) -> Iterator[Path]:
        """Give a directory to write a run into; once :meth:`finish` has sealed it, it becomes the run of this key.

        The directory holds what an interrupted writer left there. One process writes a key at a time; ``wait`` is called
        once if another one is at it.
        """
        partial = self.root / PARTIAL / key
        with self._locked(key, wait):
            self._checked.pop(key, None)
            if not Run(partial).damage():  # sealed by a writer that was stopped before it moved its run
                self._move_in(partial)
            partial.mkdir(parents=True, exist_ok=True)
            (partial / MANIFEST).unlink(missing_ok=True)
            yield partial
            if (partial / MANIFEST).is_file():
                self._move_in(partial)
            elif not any(partial.iterdir()):
                partial.rmdir()

    @contextmanager
    def room(self) -> Iterator[None]:
        """Say so if what is written meanwhile fails because the disk is full; libraries put that in words of their own."""
        try:
            yield
        except Exception as error:
            free = shutil.disk_usage(self.root).free
            if free > FULL:
                raise
            raise KdbookError(
                f"the disk of the run store {self.root} is full ({free / 1e6:.1f} MB are free). The finished runs are kept; "
                "make room, perhaps with kdbook gc, or choose another store with KDBOOK_STORE, and go on"
            ) from error

    def finish(self, directory: Path, record: Record) -> None:
        """Write the record of a run, and last its manifest: with that the run is complete."""
        write(directory / RECORD, json.dumps(record, indent=2, ensure_ascii=False))
        manifest = {name: hash_of(directory / name) for name in sorted(_files(directory))}
        write(directory / MANIFEST, json.dumps(manifest, indent=2))

    def digest(self, origin: str, compute: Callable[[], str]) -> str:
        """The digest of the data of this origin, computed once and remembered where the store can be written."""
        path = self.root / DIGESTS / origin
        try:
            return path.read_text("utf-8")
        except OSError:
            found = compute()
        with suppress(OSError, KdbookError):
            partial = self._writable(DIGESTS) / f"{origin}.{os.getpid()}"
            write(partial, found)
            os.replace(partial, path)
        return found

    def interrupted(self, key: str) -> Record | None:
        """How far a run came that was begun and not finished, None if there is none.

        ``epoch`` of ``epochs`` and ``seconds`` of the last checkpoint; empty if there was none.
        """
        partial = self.root / PARTIAL / key
        try:
            return json.loads((partial / PROGRESS).read_text("utf-8"))
        except (OSError, ValueError):
            return {} if partial.is_dir() else None

    def in_use(self, key: str) -> bool:
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
        """Directories of interrupted and damaged runs that no process is writing."""
        found = [path for folder in (PARTIAL, DAMAGED) if (self.root / folder).is_dir() for path in (self.root / folder).iterdir()]
        return sorted(path for path in found if not self.in_use(path.name))

    def remove(self, key: str) -> None:
        """Delete a run. It is renamed first, so that no reader ever sees a part of it."""
        self._put_aside(key)
        shutil.rmtree(self.root / DAMAGED / key)
        self.trust(key)
        for path in (self.root / OUTPUTS).glob(f"{key}.*"):
            path.unlink()

    def outputs(self, key: str) -> Path:
        """The file for what the teacher of this key says about its examples; see :mod:`kdbook.teacher_outputs`."""
        return self.root / OUTPUTS / f"{key}.safetensors"

    def mark_imported(self, key: str, sealed: str) -> None:
        """Note that the run of this key, with this manifest, was trained elsewhere; noted before it is moved in."""
        write(self._writable(IMPORTED) / key, sealed)

    def trust(self, key: str) -> None:
        """Let an imported run be used like one that was trained here."""
        (self.root / IMPORTED / key).unlink(missing_ok=True)

    def imported(self, key: str) -> bool:
        """Whether the run of this key was trained elsewhere; one that was trained here since has another manifest."""
        try:
            return (self.root / IMPORTED / key).read_text("utf-8") == (self.root / key / MANIFEST).read_text("utf-8")
        except FileNotFoundError:
            return False

    def _move_in(self, finished: Path) -> None:
        """Rename a sealed run into place; a damaged one that stands there makes room."""
        if (self.root / finished.name).exists():
            self._put_aside(finished.name)
        os.replace(finished, self.root / finished.name)
        shutil.rmtree(self.root / DAMAGED / finished.name, ignore_errors=True)

    def _put_aside(self, key: str) -> None:
        target = self._writable(DAMAGED) / key
        shutil.rmtree(target, ignore_errors=True)
        os.replace(self.root / key, target)
        self._checked.pop(key, None)

    @contextmanager
    def _locked(self, key: str, wait) -> Iterator[None]:
        lock = FileLock(self._writable(LOCKS) / f"{key}.lock")
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

    def _writable(self, folder: str) -> Path:
        path = self.root / folder
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not (self.root / LAYOUT).is_file():
                write(self.root / LAYOUT, OUR_LAYOUT)
        except OSError as error:
            raise self._unwritable(error) from error
        return path

    def _unwritable(self, error: OSError) -> KdbookError:
        return KdbookError(f"the run store {self.root} can't be written: {error.strerror}. Choose another with KDBOOK_STORE")


def write(path: Path, text: str) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def is_url(name: str) -> bool:
    """Whether a store is named by a URL, and not by a path."""
    return "://" in name


def open_store() -> Store:
    """The store named by the environment variable ``KDBOOK_STORE``, else ``.runs`` in the project or working directory.

    It is a path, or a URL that fsspec knows, such as ``s3://bucket/folder``.

    Raises
    ------
    KdbookError
        If another version of kdbook made it, with another layout.
    """
    named = os.environ.get("KDBOOK_STORE")
    if named and is_url(named):
        from kdbook.remote import RemoteStore  # imports fsspec

        return RemoteStore(named)
    root = Path(named).expanduser().absolute() if named else project_root() / DEFAULT_ROOT
    layout = (root / LAYOUT).read_text("utf-8").strip() if (root / LAYOUT).is_file() else OUR_LAYOUT
    if layout != OUR_LAYOUT:
        raise KdbookError(
            f"the run store {root} has the layout {layout!r} of another version of kdbook, this one reads {OUR_LAYOUT!r}. "
            "Choose another with KDBOOK_STORE"
        )
    return Store(root)


def project_root() -> Path:
    """The nearest directory upwards with a book, so that chapters, which run in ``book``, share one store."""
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if (place / "_toc.yml").is_file()), here)
