"""A run store behind a URL, such as ``s3://bucket/folder``, with a copy of what was used of it on this machine.

A run is sent into a folder of its own, and then one small object, its *seal*, names that folder and the hash of every file. A seal
is there or not, so no reader ever sees half of a run; what it reads is held against the hashes. Nothing that was sent is changed
afterwards: where two machines trained the same run, the first seal stays.

The small files of a run are copied when the run is looked up, the weights when they are needed.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import platformdirs

from kdbook.errors import KdbookError
from kdbook.store import MANIFEST, OUR_LAYOUT, PARTIAL, RESULTS, UNSENT, Manifest, Run, Store, hash_of, read_manifest, write

SEALS, FILES = "seals", "files"

T = TypeVar("T")


def _put(source: Path, target: str, files: Any, base: str) -> None:
    files.put_file(str(source), f"{base}/{target}")


class RemoteStore(Store):
    """A store whose runs are kept behind a URL; its ``root`` is the copy on this machine."""

    def __init__(self, url: str, root: Path | None = None) -> None:
        name = hashlib.sha256(url.encode()).hexdigest()[:12]
        super().__init__(root or platformdirs.user_cache_path("kdbook") / name)
        self.url = url.rstrip("/")
        self._listed = False

    def __getstate__(self) -> dict[str, Any]:
        """A connection is not for another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_files"}

    @cached_property
    def _files(self) -> tuple[Any, str]:
        """The file system, and the store's folder in it."""
        try:
            return fsspec.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise KdbookError(f"the run store {self.url} can't be used: {error}") from error

    def get(self, key: str) -> Run | None:
        """The run of this key; copied from the store if it is not here, sent there if it is here alone."""
        if (self.root / UNSENT / key).exists():
            self._send(key)
        if not (self.root / key).is_dir():
            self._copy(key)
        return super().get(key)

    def keys(self) -> list[str]:
        """The keys of all runs of the store."""
        self._copy_all()
        return super().keys()

    def verify(self, key: str) -> list[str]:
        """Hash every file of a run again, weights included; a damaged run is set aside here, and loses its seal in the store."""
        try:
            self._bring(key)
        except KdbookError:
            self._unseal(key)
        return super().verify(key)

    def remove(self, key: str) -> None:
        """Delete a run, its seal first."""
        seal = self._seal(key)
        self._unseal(key)
        if seal:
            self._attempt(lambda files, base: files.rm(f"{base}/{FILES}/{seal[0]}", recursive=True))
        super().remove(key)

    def _run(self, key: str) -> Run:
        return Run(self.root / key, partial(self._bring, key))

    def _all_sealed(self) -> list[Run]:
        self._copy_all()
        return super()._all_sealed()

    def _move_in(self, finished: Path) -> None:
        write(self._writable(UNSENT) / finished.name, "")
        super()._move_in(finished)
        self._send(finished.name)

    def _send(self, key: str) -> None:
        """Send a run that is whole here, and seal it there, unless another machine did so before."""
        if not self._seal(key) and (self.root / key / MANIFEST).is_file():
            self._bring(key)
            folder, manifest = f"{key}-{uuid.uuid4().hex[:8]}", (self.root / key / MANIFEST).read_text("utf-8")
            for name in read_manifest(manifest):
                self._attempt(partial(_put, self.root / key / name, f"{FILES}/{folder}/{name}"))
            seal = json.dumps({"layout": OUR_LAYOUT, "folder": folder, "manifest": json.loads(manifest)}).encode()
            self._attempt(lambda files, base: files.pipe_file(f"{base}/{SEALS}/{key}.json", seal))
        (self.root / UNSENT / key).unlink(missing_ok=True)

    def _copy_all(self) -> None:
        """Copy the small files of all runs, once in a process."""
        if self._listed:
            return
        there: list[str] = self._attempt(lambda files, base: files.ls(f"{base}/{SEALS}", detail=False), missing=[])
        for key in sorted(Path(name).stem for name in there):
            if not (self.root / key).is_dir():
                self._copy(key)
        self._listed = True

    def _copy(self, key: str) -> None:
        """Copy the small files of a run, if the store has it."""
        seal = self._seal(key)
        if not seal:
            return
        folder, manifest = seal
        with self._locked(f"{key}.copy", None):
            if (self.root / key).is_dir():
                return
            copy = self._writable(PARTIAL) / f"{key}.copy"
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir()
            for name in manifest.keys() & set(RESULTS):
                self._fetch(folder, name, manifest, copy)
            write(copy / MANIFEST, json.dumps(manifest, indent=2))
            copy.rename(self.root / key)

    def _bring(self, key: str) -> None:
        """Copy the weights of a run, if they are not here."""
        path = self.root / key
        try:
            manifest = read_manifest((path / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            return
        lacking = [name for name in manifest if not (path / name).is_file()]
        seal = self._seal(key) if lacking else None
        if not seal:
            return
        folder, sealed = seal
        with self._locked(f"{key}.copy", None):
            for name in lacking:
                if sealed.get(name) == manifest[name]:
                    self._fetch(folder, name, manifest, path)

    def _fetch(self, folder: str, name: str, manifest: Manifest, target: Path) -> None:
        """Copy one file, whole and with the right content."""
        arriving = self._writable(PARTIAL) / f"{folder}.{uuid.uuid4().hex[:8]}"

        def fetch(files: Any, base: str) -> None:
            files.get_file(f"{base}/{FILES}/{folder}/{name}", str(arriving))
            if hash_of(arriving) != manifest[name]:
                raise OSError(f"{name} of {folder} is not what its seal says")

        try:
            self._attempt(fetch)
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            arriving.rename(target / name)
        finally:
            arriving.unlink(missing_ok=True)

    def _seal(self, key: str) -> tuple[str, Manifest] | None:
        """The folder of a run in the store, and the hashes of its files; None if the store does not have it."""
        text = self._attempt(lambda files, base: files.cat_file(f"{base}/{SEALS}/{key}.json"), missing=b"")
        if not text:
            return None
        try:
            seal = json.loads(text)
            folder = seal["folder"]
            if seal["layout"] != OUR_LAYOUT or not folder.startswith(f"{key}-") or not folder.replace("-", "").isalnum():
                raise ValueError(f"layout {seal['layout']!r}, folder {folder!r}")
            return folder, read_manifest(json.dumps(seal["manifest"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KdbookError(
                f"the seal of the run {key} in {self.url} can't be read ({error}); remove {SEALS}/{key}.json there"
            ) from error

    def _unseal(self, key: str) -> None:
        self._attempt(lambda files, base: files.rm_file(f"{base}/{SEALS}/{key}.json"), missing=False)

    def _attempt(self, act: Callable[[Any, str], T], missing: T | None = None) -> T:
        """Do something with the store's files."""
        files, base = self._files
        try:
            return act(files, base)
        except Exception as error:  # of boto, aiohttp and others, which have no common class and have tried several times
            if isinstance(error, FileNotFoundError) and missing is not None:
                return missing
            raise KdbookError(
                f"the run store {self.url} can't be reached: {(str(error) or type(error).__name__).splitlines()[0]}. "
                f"Finished runs are kept in {self.root} and sent when it can"
            ) from error
