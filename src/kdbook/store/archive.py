"""Runs in one file, to be moved to another machine: train where the GPU is, build the book on a laptop."""

import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath

from kdbook.atomic import atomic
from kdbook.errors import KdbookError
from kdbook.paths import is_file, writing
from kdbook.store.files import explaining_errors, fetch
from kdbook.store.local import PARTIAL, UNPACKED, Store
from kdbook.store.run import MANIFEST, Manifest, Run, is_key, read_manifest, write_manifest

MAX_MANIFEST_BYTES = 2**20
MAX_COMPRESSION = 100  # ratio of sizes; weights, tables and text compress less
SMALL_FILE_BYTES = 2**20  # whose compression does not matter
SUFFIXES = frozenset(
    {".ckpt", ".json", ".model", ".parquet", ".pkl", ".txt", ".yaml"}
)  # of the files that a run consists of


def export(runs: Iterable[Run], path: Path, report: Callable[[Run], None] = lambda run: None) -> None:
    """Write runs into a zip file, every file of them verified.

    Raises
    ------
    KdbookError
        If a run is damaged, or the file can't be written; then there is no file.
    """
    with (
        writing(path),
        atomic(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for run in runs:
            if problems := run.problems():
                raise KdbookError(
                    f"the run {run.key} is damaged ({problems[0]}); set it aside with kdbook verify, "
                    "and retrain it with kdbook run"
                )
            if run.download_weights:
                run.download_weights()
            for name in sorted([*run.manifest, MANIFEST]):
                archive.write(run.path / name, f"{run.key}/{name}")
            report(run)


def import_runs(
    path: Path,
    store: Store,
    trust: bool = False,
    report: Callable[[str, bool], None] = lambda key, new: None,
) -> None:
    """Put the runs of a zip file into a store, after checking every name and hash.

    Only names that a run's manifest lists are written, so no file can land outside the run's own directory.
    Nothing in an imported run is unpickled unless ``trust`` allows it. The hashes show that nothing changed
    on the way; who computed the results they can't show. ``report`` gets each key and whether it was new.

    Raises
    ------
    KdbookError
        If the file is no such archive, or a run in it is incomplete or changed; that run and those after it
        are not imported.
    """
    if not is_file(path):
        raise KdbookError(f"the file {str(path)!r} does not exist")
    with (
        explaining_errors(
            f"{str(path)!r} can't be read as an export of kdbook", f"the run store {store.root}"
        ),
        zipfile.ZipFile(path) as archive,
    ):
        _refuse_bombs(archive, path, store)
        keys = list(dict.fromkeys(_key(name, path) for name in archive.namelist()))
        if not keys:
            raise KdbookError(f"{str(path)!r} has no run in it")
        for key in keys:
            manifest = _manifest(archive, key, path)
            new = store.get(key) is None
            if new:
                with store.arriving(key, UNPACKED) as folder:
                    _unpack(archive, key, manifest, folder, path)
                    store.put(key, folder, imported=not trust)
            elif trust:
                store.trust(key)
            report(key, new)


def _refuse_bombs(archive: zipfile.ZipFile, path: Path, store: Store) -> None:
    """Stop at links, at files that no run has, and at more data than there can be."""
    entries = archive.infolist()
    for entry in entries:
        if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise KdbookError(
                f"{str(path)!r} is not an export of kdbook: {entry.filename!r} is not a plain file"
            )
        if PurePosixPath(entry.filename).suffix not in SUFFIXES:
            raise KdbookError(f"{str(path)!r} is not an export of kdbook: {entry.filename[:60]!r} is in it")
        if entry.file_size > max(SMALL_FILE_BYTES, MAX_COMPRESSION * entry.compress_size):
            raise KdbookError(
                f"{str(path)!r}: {entry.filename!r} would grow to {entry.file_size / 1e6:,.0f} MB, as no "
                "file of a run does"
            )
    needed = sum(entry.file_size for entry in entries)
    free = shutil.disk_usage(store.ensure_folder(PARTIAL)).free
    if needed > free:
        raise KdbookError(
            f"{str(path)!r} needs {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free at {store.root}"
        )


def _key(name: str, path: Path) -> str:
    key = PurePosixPath(name).parts[0] if name else ""
    if not is_key(key) or "/" not in name:
        raise KdbookError(f"{str(path)!r} is not an export of kdbook: {name[:60]!r} is in it")
    return key


def _manifest(archive: zipfile.ZipFile, key: str, path: Path) -> Manifest:
    """The manifest of a run, which names exactly the files that the archive holds of it."""
    name = f"{key}/{MANIFEST}"
    names = [entry for entry in archive.namelist() if entry.startswith(f"{key}/")]
    try:
        if archive.getinfo(name).file_size > MAX_MANIFEST_BYTES:
            raise ValueError("its manifest is too large")
        manifest = read_manifest(archive.read(name).decode("utf-8"))
    except (KeyError, ValueError) as error:
        raise KdbookError(f"{str(path)!r}: the run {key} has no valid manifest: {error}") from error
    if sorted(names) != sorted([name, *(f"{key}/{file}" for file in manifest)]):
        raise KdbookError(f"{str(path)!r}: the files of the run {key} are not those of its manifest")
    return manifest


def _unpack(archive: zipfile.ZipFile, key: str, manifest: Manifest, folder: Path, path: Path) -> None:
    """Unpack a run into a folder, and check that it is the one of this key."""
    for name, sha256 in manifest.items():
        read = partial(_extract, archive, f"{key}/{name}")
        fetch(read, folder / name, sha256, f"{name} of the run {key} in {str(path)!r}")
    write_manifest(folder, manifest)
    if problem := _problem(Run(folder), key):
        raise KdbookError(f"{str(path)!r}: the run {key} can't be imported: {problem}")


def _extract(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    with archive.open(name) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)  # zipfile reads no more than the announced size


def _problem(run: Run, key: str) -> str:
    """Why an unpacked run is not the one of this key; empty if it is."""
    if problems := run.problems(only=()):
        return problems[0]
    if not run.has_record():
        return "its record can't be read by this version of kdbook"
    if run.record.identity.key != key:
        return "its key is that of another run"
    return "" if run.has_results() else "its results are not tables of predictions"
