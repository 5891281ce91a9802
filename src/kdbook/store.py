"""Finished runs on disk, by the hash of what produced them.

A run is written into a directory of its own under ``partial`` and renamed into place when it is complete, so a
reader never sees half of one, and an interrupted run is never taken for a finished one.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from kdbook.errors import KdbookError

DEFAULT_ROOT = ".runs"
RECORD, PREDICTIONS, HISTORY, PREDICTOR = "run.json", "predictions.parquet", "history.parquet", "predictor"

Record = dict[str, Any]


def key_of(identity: Record) -> str:
    """The name of a run in the store: a hash of everything that its result depends on."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Run:
    """A finished run, read from the store."""

    path: Path

    @property
    def key(self) -> str:
        return self.path.name

    @cached_property
    def record(self) -> Record:
        """Identity, times in seconds, parameter counts, hardware and versions; see :func:`kdbook.train.train`."""
        return json.loads((self.path / RECORD).read_text("utf-8"))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row for each test pair: ``id``, ``language``, ``label``, ``probability`` of label 1, ``prediction``."""
        return pd.read_parquet(self.path / PREDICTIONS)

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row for each validation during the fit: ``epoch``, ``seconds``, ``train_loss``, ``validation_accuracy``."""
        return pd.read_parquet(self.path / HISTORY)

    @property
    def predictor(self) -> Path:
        """Directory for ``MultiModalPredictor.load``."""
        return self.path / PREDICTOR


class Store:
    """A directory of finished runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> Run | None:
        """The run of this key, or None if it has not been finished."""
        path = self.root / key
        return Run(path) if (path / RECORD).is_file() else None

    def __iter__(self) -> Iterator[Run]:
        """All finished runs, the newest first."""
        records = sorted(self.root.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime, reverse=True)
        return (Run(path.parent) for path in records)

    @contextmanager
    def writing(self, key: str, wait=None) -> Iterator[Path]:
        """Give an empty directory to write a run into; once :meth:`finish` has sealed it, it becomes the run of this key.

        One process writes a key at a time. ``wait`` is called once if another one is at it.
        """
        partial = self.root / "partial" / key
        with self._locked(key, wait):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            yield partial
            if (partial / RECORD).is_file():
                os.replace(partial, self.root / key)
            else:
                shutil.rmtree(partial)

    def finish(self, directory: Path, record: Record) -> None:
        """Write the record of a run, the last of its files: with it the run is complete."""
        text = json.dumps(record, indent=2, ensure_ascii=False)
        with (directory / RECORD).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def interrupted(self, key: str) -> bool:
        """Whether a run was begun and not finished."""
        return (self.root / "partial" / key).is_dir()

    @contextmanager
    def _locked(self, key: str, wait) -> Iterator[None]:
        lock = FileLock(self._writable("locks") / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if wait:
                wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _writable(self, folder: str) -> Path:
        path = self.root / folder
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KdbookError(f"the run store {self.root} can't be written: {error.strerror}. Choose another with KDBOOK_STORE") from error
        return path


def open_store() -> Store:
    """The store named by the environment variable ``KDBOOK_STORE``, else ``.runs`` in the project or working directory."""
    named = os.environ.get("KDBOOK_STORE")
    return Store(Path(named).expanduser().absolute() if named else _project_root() / DEFAULT_ROOT)


def _project_root() -> Path:
    """The nearest directory upwards with a book, so that chapters, which run in ``book``, share one store."""
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if (place / "_toc.yml").is_file()), here)
