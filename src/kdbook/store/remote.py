"""A run store behind a URL, such as ``s3://bucket/folder``, with a local copy of what this machine uses.

A run is uploaded into a folder of its own; then one small object, its *commit marker*, names that folder and
the hash of every file. The marker exists or not, so no reader ever sees half of a run, and what is read is
checked against the hashes. Nothing that was uploaded is changed afterwards: where two machines trained the
same run, the first marker stays.

The small files of a run are downloaded when the run is looked up, the weights when they are needed.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import fsspec
import platformdirs
from pydantic import BaseModel

from kdbook.errors import KdbookError
from kdbook.hashing import digest_of
from kdbook.store.files import DamagedError, explaining_errors, fetch
from kdbook.store.local import COPY, OUR_LAYOUT, UNSENT, Store
from kdbook.store.run import MANIFEST, RESULTS, Manifest, Run, is_key, read_manifest, write_manifest

MARKERS = "commits"
FILES = "files"
BUCKETS = {"s3", "s3a", "gs", "gcs"}  # protocols of which the first part of a path is a bucket


class CommitMarker(BaseModel):
    """The object that commits a remote run: the folder of its files, their hashes, and a hash of these."""

    layout: str
    folder: str
    manifest: Manifest
    digest: str | None = None  # earlier versions wrote none

    def has_arrived_whole(self) -> bool:
        """Whether nothing of it changed on the way."""
        return self.digest in (None, digest_of(self.model_dump(exclude={"digest"})))


class Bucket:
    """The objects behind a URL. Every failure is a :class:`KdbookError` that names the URL."""

    def __init__(self, url: str, local_copy: Path) -> None:
        self.url, self.local_copy = url.rstrip("/"), local_copy

    def __getstate__(self) -> dict[str, object]:
        """A connection is not for another process."""
        return {"url": self.url, "local_copy": self.local_copy}

    def committed_keys(self) -> list[str]:
        """The keys of all committed runs."""
        with self._objects() as (files, base), suppress(FileNotFoundError):
            names = [Path(name) for name in files.ls(f"{base}/{MARKERS}", detail=False)]
            return sorted(name.stem for name in names if is_key(name.stem) and name.suffix == ".json")
        return []

    def marker(self, key: str) -> CommitMarker | None:
        """The commit marker of a run, or None if the run is not there."""
        with self._objects() as (files, base):
            try:
                text = files.cat_file(f"{base}/{MARKERS}/{key}.json")
            except FileNotFoundError:
                return None
        try:
            marker = CommitMarker.model_validate_json(text)
            read_manifest(json.dumps(marker.manifest))
            suffix = marker.folder.removeprefix(f"{key}-")
            if not marker.has_arrived_whole():
                raise ValueError("it was changed, perhaps on the way")
            if marker.layout != OUR_LAYOUT or suffix == marker.folder or not suffix.isalnum():
                raise ValueError(f"layout {marker.layout!r}, folder {marker.folder!r}")
        except ValueError as error:
            raise KdbookError(
                f"the commit marker of the run {key} in {self.url} can't be read "
                f"({str(error).splitlines()[0]}); "
                f"remove {MARKERS}/{key}.json there"
            ) from error
        return marker

    def commit(self, run: Run) -> None:
        """Upload the files of a run, then its commit marker."""
        folder, manifest = f"{run.key}-{uuid.uuid4().hex[:8]}", run.manifest
        marker = CommitMarker(layout=OUR_LAYOUT, folder=folder, manifest=manifest)
        marker = marker.model_copy(update={"digest": digest_of(marker.model_dump(exclude={"digest"}))})
        with self._objects() as (files, base):
            for name in manifest:
                files.put_file(str(run.path / name), f"{base}/{FILES}/{folder}/{name}")
            files.pipe_file(f"{base}/{MARKERS}/{run.key}.json", marker.model_dump_json().encode())

    def download(self, marker: CommitMarker, name: str, folder: Path) -> None:
        """Download one file of a run into a folder, and check it; see :func:`kdbook.store.files.fetch`."""
        with self._objects() as (files, base):
            source = f"{base}/{FILES}/{marker.folder}/{name}"
            fetch(
                lambda target: files.get_file(source, str(target)),
                folder / name,
                marker.manifest[name],
                f"{name} of {marker.folder} in {self.url}",
            )

    def retract(self, key: str) -> None:
        """Remove the commit marker of a run, if there is one."""
        with self._objects() as (files, base), suppress(FileNotFoundError):
            files.rm_file(f"{base}/{MARKERS}/{key}.json")

    def delete(self, folder: str) -> None:
        """Remove the files of a run."""
        with self._objects() as (files, base), suppress(FileNotFoundError):
            files.rm(f"{base}/{FILES}/{folder}", recursive=True)

    @contextmanager
    def _objects(self) -> Iterator[tuple[Any, str]]:
        """The file system, and the store's folder in it; every failure of it is explained."""
        with explaining_errors(
            f"the run store {self.url} can't be reached",
            f"{self.local_copy}, the copy of {self.url},",
            f". Finished runs are kept in {self.local_copy} and uploaded once it can",
            f"the run store {self.url} denies access; it needs the rights to list the bucket and to read, "
            "write and delete objects",
        ):
            yield self._files

    @cached_property
    def _files(self) -> tuple[Any, str]:
        """The file system, and the store's folder in it."""
        try:
            files, base = fsspec.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise KdbookError(f"the run store {self.url} can't be used: {error}") from error
        if self.url.partition(":")[0] in BUCKETS:
            self._require_bucket(files, base.partition("/")[0])
        return files, base

    def _require_bucket(self, files: Any, bucket: str) -> None:
        """A bucket that does not exist looks like an empty one until something is written."""
        if not bucket:
            raise KdbookError(f"the run store {self.url} names no bucket; write s3://BUCKET/FOLDER")
        try:
            files.info(bucket)
        except FileNotFoundError as error:
            raise KdbookError(
                f"the bucket {bucket!r} of the run store {self.url} does not exist; create it, or correct "
                "KDBOOK_STORE"
            ) from error
        except PermissionError:
            return  # it may exist; what is denied is said when it is needed


class RemoteStore(Store):
    """A store whose runs are kept behind a URL; its ``root`` is the copy on this machine."""

    def __init__(self, url: str, root: Path | None = None) -> None:
        name = hashlib.sha256(url.encode()).hexdigest()[:12]
        super().__init__(root or platformdirs.user_cache_path("kdbook") / name)
        self.bucket = Bucket(url, self.root)
        self._synced = False

    def get(self, key: str) -> Run | None:
        """The run of this key; downloaded if it is not here, uploaded if it exists only here."""
        if (self.root / UNSENT / key).exists():
            self._upload(key)
        if not (self.root / key).is_dir():
            self._download_results(key)
        return super().get(key)

    def keys(self) -> list[str]:
        """The keys of all runs of the store."""
        self._sync_index()
        return super().keys()

    def verify(self, key: str) -> list[str]:
        """Hash every file of a run again, weights included.

        A damaged run is quarantined here; it is retracted only if it is damaged behind the URL.

        Raises
        ------
        KdbookError
            If a file can't be read or downloaded; then the run stays as it is in both places.
        """
        try:
            self._download_weights(key)
        except DamagedError:
            self.bucket.retract(key)
        except KdbookError:
            if not self._is_outdated(key):
                raise
        return super().verify(key)

    def _is_outdated(self, key: str) -> bool:
        """Whether the copy here is of other files than those that are committed."""
        marker = self.bucket.marker(key)
        return marker is not None and marker.manifest != self._run(key).manifest

    def remove(self, key: str) -> None:
        """Delete a run, its commit marker first."""
        marker = self.bucket.marker(key)
        self.bucket.retract(key)
        if marker:
            self.bucket.delete(marker.folder)
        super().remove(key)

    def _run(self, key: str) -> Run:
        return Run(self.root / key, partial(self._download_weights, key))

    def _runs(self) -> list[Run]:
        self._sync_index()
        return super()._runs()

    def _commit(self, finished: Path) -> None:
        self._note(UNSENT, finished.name, "")
        super()._commit(finished)
        self._upload(finished.name)

    def _upload(self, key: str) -> None:
        """Upload a run that is whole here, unless another machine committed it before."""
        if not self.bucket.marker(key) and (self.root / key / MANIFEST).is_file():
            self._download_weights(key)
            self.bucket.commit(Run(self.root / key))
        (self.root / UNSENT / key).unlink(missing_ok=True)

    def _sync_index(self) -> None:
        """Download the small files of all runs, once in a process."""
        if self._synced:
            return
        for key in self.bucket.committed_keys():
            if not (self.root / key).is_dir():
                self._download_results(key)
        self._synced = True

    def _download_results(self, key: str) -> None:
        """Download the small files of a run, if the store has it; one that is damaged there is retracted."""
        marker = self.bucket.marker(key)
        if not marker:
            return
        with self.arriving(key, COPY) as copy:
            if (self.root / key).is_dir():
                return
            try:
                for name in marker.manifest.keys() & set(RESULTS):
                    self.bucket.download(marker, name, copy)
            except DamagedError as error:
                self.bucket.retract(key)
                self.withdrawn[key] = str(error)
                return
            write_manifest(copy, marker.manifest)
            copy.rename(self.root / key)

    def _download_weights(self, key: str) -> None:
        """Download the weights of a run, if they are not here, each file whole or not at all."""
        path = self.root / key
        try:
            manifest = self._run(key).manifest
        except (OSError, ValueError):
            return
        missing = [name for name in manifest if not (path / name).is_file()]
        marker = self.bucket.marker(key) if missing else None
        if not marker:
            return
        with self.arriving(key, COPY) as copy:
            for name in missing:
                if marker.manifest.get(name) != manifest[name]:
                    raise KdbookError(
                        f"another machine trained the run {key} again since it was copied here; fetch it "
                        "with: kdbook verify"
                    )
                self.bucket.download(marker, name, copy)
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).rename(path / name)
