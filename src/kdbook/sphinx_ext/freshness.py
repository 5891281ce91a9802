"""Chapters whose numbers can't be stale.

Sphinx re-reads a page when its text changed, and jupyter-cache executes it when its cells changed. Neither looks at
what the cells import or read. Here every chapter has a fingerprint of that: the code of this package that its cells
reach, the keys of the runs that they read, the profile and the data. A changed fingerprint makes Sphinx read the
chapter again, and stands in the metadata of its first cell, which jupyter-cache hashes.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from kdbook import chapters, study
from kdbook.chapters import Dependencies
from kdbook.errors import KdbookError
from kdbook.store import hash_of, is_url

logger = logging.getLogger(__name__)


def train_missing(app: Sphinx) -> None:
    """Train all missing runs in one process before any chapter is executed.

    What the user can put right ends the build with one line; jupyter-book would print a traceback around it.
    """
    _make_paths_absolute()
    try:
        missing = current_study().missing()
    except KdbookError as error:
        raise SystemExit(f"kdbook: {error}") from error
    if missing:
        done = subprocess.run([sys.executable, "-m", "kdbook.cli", "run"], check=False)
        if done.returncode:
            raise SystemExit("kdbook: training failed, see above; the chapters were not executed")
        current_study.cache_clear()
        _dependencies.cache_clear()


def outdated_chapters(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Names of the chapters whose dependencies are not those that they were last built with."""
    stale = [name for name, digest in _contents(env).items() if _contents_read(env).get(name) not in (None, digest)]
    for name in env.found_docs - set(stale):
        path = Path(env.doc2path(name))
        now = _dependencies(path.read_text("utf-8")) if path.suffix == ".md" else None
        before = remembered(env).get(name)
        if now and now != before:
            stale.append(name)
            if before and name not in added | changed:
                logger.info("%s is read again: %s", name, "; ".join(chapters.differences(before, now)))
    return stale


def prepare(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Note what the chapters depend on that are about to be read, perhaps by several processes at once."""
    get_cache(env.mystnb_config.execution_cache_path).list_cache_records()  # type: ignore[attr-defined]  # makes its tables
    for name in names:
        if found := _dependencies(Path(env.doc2path(name)).read_text("utf-8")):
            remembered(env)[name] = found


def stamp(app: Sphinx, name: str, texts: list[str]) -> None:
    """Put the fingerprint into the metadata of the chapter's first cell."""
    found = _dependencies(texts[0])
    if not found:
        return
    first = chapters.CELL.search(texts[0])
    assert first
    at = first.start("code")
    block = first["code"].startswith("---\n")
    entry = f"kdbook_fingerprint: {chapters.fingerprint(found)}\n"
    at += len("---\n") if block else 0
    texts[0] = texts[0][:at] + (entry if block else f":{entry}") + texts[0][at:]


def remember(app: Sphinx, env: BuildEnvironment) -> None:
    """Forget the chapters that are gone, and write the others down for ``kdbook status``."""
    for name in set(remembered(env)) - env.found_docs:
        del remembered(env)[name]
    env.kdbook_contents = _contents(env)  # type: ignore[attr-defined]
    executed = getattr(env, "nb_metadata", {})
    record = {
        name: {"dependencies": found, "seconds": executed.get(name, {}).get("exec_data", {}).get("runtime")}
        for name, found in remembered(env).items()
    }
    Path(app.doctreedir, chapters.BUILT.name).write_text(json.dumps(record, indent=1), "utf-8")


def _make_paths_absolute() -> None:
    """Chapters run in the directory of their file, so a relative path in a setting would mean another place there."""
    for setting in ("KDBOOK_PROFILE", "KDBOOK_DATA", "KDBOOK_STORE"):
        value = os.environ.get(setting)
        path = Path(value or "").expanduser()
        names_a_path = {"KDBOOK_PROFILE": path.suffix == ".toml", "KDBOOK_DATA": path.exists(), "KDBOOK_STORE": not is_url(value or "")}[
            setting
        ]
        if value and names_a_path:
            os.environ[setting] = str(path.absolute())


@cache
def current_study() -> study.Study:
    """The study that this build shows, opened once."""
    return study.open_study()


@cache
def _dependencies(text: str) -> Dependencies | None:
    return chapters.dependencies(text, current_study())


def _contents(env: BuildEnvironment) -> dict[str, str]:
    """A hash of every page's text and of the files that it includes; Sphinx looks at their times, which a clock can turn back."""
    found = {}
    for name in env.found_docs:
        files = [Path(env.doc2path(name)), *(Path(env.srcdir, file) for file in sorted(env.dependencies.get(name, ())))]
        found[name] = " ".join(hash_of(file) for file in files if file.is_file())
    return found


def _contents_read(env: BuildEnvironment) -> dict[str, str]:
    return getattr(env, "kdbook_contents", {})


def remembered(env: BuildEnvironment) -> dict[str, Dependencies]:
    """Dependencies by chapter, kept in Sphinx's environment from build to build."""
    if not hasattr(env, "kdbook_chapters"):
        env.kdbook_chapters = {}  # type: ignore[attr-defined]
    return env.kdbook_chapters  # type: ignore[attr-defined]
