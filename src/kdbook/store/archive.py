"""Runs in one file, to be moved to another machine: train where the GPU is, build the book on a laptop."""

import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from kdbook.errors import KdbookError
from kdbook.store.atomic import atomic
from kdbook.store.local import Store
from kdbook.store.run import MANIFEST, Manifest, Run, read_manifest

MAX_MANIFEST_BYTES = 2**20
MAX_COMPRESSION = 100  # ratio of sizes; weights, tables and text compress less
SMALL_FILE_BYTES = 2**20  # whose compression does not matter
SUFFIXES = frozenset(
    {".ckpt", ".json", ".model", ".parquet", ".pkl", ".txt", ".yaml"}
)  # of the files that a run consists of
KEY_CHARACTERS = frozenset("0123456789abcdef")


def export(runs: Iterable[Run], path: Path, report: Callable[[Run], None] = lambda run: None) -> None:
    """Write runs into a zip file, every file of them verified.

    Raises
    ------
    KdbookError
        If a run is damaged; then there is no file.
    """
    with (
        atomic(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for run in runs:
            if problems := run.problems():
                raise KdbookError(
                    f"the run {run.key} is damaged ({problems[0]}); set it aside with kdbook verify, "
                    "and retrain it with kdbook run"
                )
            if run.download_weights:
                run.download_weights()
            for file in sorted(file for file in run.path.rglob("*") if file.is_file()):
                archive.write(file, f"{run.key}/{file.relative_to(run.path).as_posix()}")
            report(run)


def import_runs(
    path: Path,
    store: Store,
    trust: bool = False,
    report: Callable[[str, bool], None] = lambda key, new: None,
) -> None:
    """Put the runs of a zip file into a store, after checking every name and hash.

    Only names that a run's manifest lists are written, so no file can land outside the run's own directory.
    Nothing in an imported run is unpickled unless ``trust`` allows it. ``report`` gets each key and whether
    it was new.

    Raises
    ------
    KdbookError
        If the file is no such archive, or a run in it is incomplete or changed; that run and those after it
        are not imported.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bombs(archive, path, store)
            for key in dict.fromkeys(_key(name, path) for name in archive.namelist()):
                manifest = _manifest(archive, key, path)
                new = store.get(key) is None
                if trust:
                    store.trust(key)
                elif new:
                    store.mark_imported(key, archive.read(f"{key}/{MANIFEST}").decode("utf-8"))
                if new:
                    _import_run(archive, key, manifest, store, path)
                report(key, new)
    except (OSError, zipfile.BadZipFile) as error:
        raise KdbookError(f"{str(path)!r} can't be read as an export of kdbook: {error}") from error


def _refuse_bombs(archive: zipfile.ZipFile, path: Path, store: Store) -> None:
    """Stop at links, at files that no run has, and at more data than there can be."""
    entries = archive.infolist()
    for entry in entries:
        if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise KdbookError(
                f"{str(path)!r} is not an export of kdbook: {entry.filename!r} is no plain file"
            )
        if PurePosixPath(entry.filename).suffix not in SUFFIXES:
            raise KdbookError(f"{str(path)!r} is not an export of kdbook: it holds {entry.filename!r}")
        if entry.file_size > max(SMALL_FILE_BYTES, MAX_COMPRESSION * entry.compress_size):
            raise KdbookError(
                f"{str(path)!r}: {entry.filename!r} would grow to {entry.file_size / 1e6:,.0f} MB, as no "
                "file of a run does"
            )
    store.root.mkdir(parents=True, exist_ok=True)
    needed = sum(entry.file_size for entry in entries)
    free = shutil.disk_usage(store.root).free
    if needed > free:
        raise KdbookError(
            f"{str(path)!r} needs {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free at {store.root}"
        )


def _key(name: str, path: Path) -> str:
    key = PurePosixPath(name).parts[0] if name else ""
    if not key or set(key) - KEY_CHARACTERS or "/" not in name:
        raise KdbookError(f"{str(path)!r} is not an export of kdbook: it holds {name!r}")
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


def _import_run(archive: zipfile.ZipFile, key: str, manifest: Manifest, store: Store, path: Path) -> None:
    with store.writing(key) as directory:
        shutil.rmtree(directory)
        for file in (*manifest, MANIFEST):
            target = directory / file
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(f"{key}/{file}") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)  # zipfile reads no more than the announced size
        imported = Run(directory)
        if problem := _problem(imported, key):
            shutil.rmtree(directory)
            directory.mkdir()
            raise KdbookError(f"{str(path)!r}: the run {key} was changed after its export: {problem}")


def _problem(run: Run, key: str) -> str:
    """Why an unpacked run is not the one of this key; empty if it is."""
    if problems := run.problems():
        return problems[0]
    if not run.has_record():
        return "its record can't be read by this version of kdbook"
    return "" if run.record.identity.key == key else "its key is that of another run"
