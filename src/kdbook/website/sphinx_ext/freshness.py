"""Chapters whose numbers can't be stale.

Sphinx re-reads a page when its text changed, and jupyter-cache executes it when its cells changed. Neither
looks at what the cells import or read. Here every chapter has a fingerprint of that: the code of this package
that its cells reach, the keys of the runs that they read, the profile and the data. A changed fingerprint
makes Sphinx read the chapter again, and it is part of the metadata of its first cell, which jupyter-cache
hashes.
"""

import subprocess
import sys
from pathlib import Path

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from kdbook.settings import environment
from kdbook.store.run import hash_of
from kdbook.website import chapters
from kdbook.website.chapters import BUILT_CHAPTERS, BuiltChapter, Dependencies
from kdbook.website.sphinx_ext.build import build_of, ended_by_a_line

logger = logging.getLogger(__name__)


def train_missing(app: Sphinx) -> None:
    """Train all missing runs in one process before any chapter is executed."""
    environment.make_paths_absolute()
    with ended_by_a_line():
        missing = build_of(app).study.missing()
    if missing:
        done = subprocess.run([sys.executable, "-m", "kdbook.cli", "run"], check=False)
        if done.returncode:
            raise SystemExit("kdbook: training failed, see above; the chapters were not executed")
        build_of(app).forget()


def outdated_chapters(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Names of the chapters whose dependencies are not those that they were last built with."""
    contents_read = getattr(env, "kdbook_contents", {})
    stale = [name for name, digest in _contents(env).items() if contents_read.get(name) not in (None, digest)]
    for name in env.found_docs - set(stale):
        path, before = Path(env.doc2path(name)), built_with(env).get(name)
        now = build_of(app).dependencies(path.read_text("utf-8")) if path.suffix == ".md" else None
        if now and now != before:
            stale.append(name)
            if before and name not in added | changed:
                logger.info("%s is read again: %s", name, "; ".join(chapters.differences(before, now)))
    return stale


def prepare(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Record the dependencies of the chapters that are about to be read, perhaps by several processes at
    once.
    """
    get_cache(env.mystnb_config.execution_cache_path).list_cache_records()  # type: ignore[attr-defined]  # makes tables
    for name in names:
        if now := build_of(app).dependencies(Path(env.doc2path(name)).read_text("utf-8")):
            built_with(env)[name] = now


def stamp(app: Sphinx, name: str, texts: list[str]) -> None:
    """Put the fingerprint into the metadata of the chapter's first cell."""
    now = build_of(app).dependencies(texts[0])
    if not now:
        return
    cell = chapters.CELL.search(texts[0])
    assert cell
    start = cell.start("code")
    entry = f"kdbook_fingerprint: {chapters.digest(now)}\n"
    if cell["code"].startswith("---\n"):
        start += len("---\n")
    else:
        entry = f":{entry}"
    texts[0] = texts[0][:start] + entry + texts[0][start:]


def remember(app: Sphinx, env: BuildEnvironment) -> None:
    """Forget the chapters that are gone, and write the others down for ``kdbook status``."""
    for name in set(built_with(env)) - env.found_docs:
        del built_with(env)[name]
    env.kdbook_contents = _contents(env)  # type: ignore[attr-defined]
    record = {
        name: BuiltChapter(dependencies=dependencies, seconds=_seconds(env, name))
        for name, dependencies in built_with(env).items()
    }
    Path(app.doctreedir, chapters.BUILT.name).write_bytes(BUILT_CHAPTERS.dump_json(record, indent=1))


def _seconds(env: BuildEnvironment, name: str) -> float | None:
    """How long a chapter was executed, as MyST-NB notes it; None for a page without cells."""
    seconds: float | None = getattr(env, "nb_metadata", {}).get(name, {}).get("exec_data", {}).get("runtime")
    return seconds


def _contents(env: BuildEnvironment) -> dict[str, str]:
    """A hash of the text of every page and of the files that it includes.

    Sphinx compares times, which may go back.
    """
    digests = {}
    for name in env.found_docs:
        included = [Path(env.srcdir, file) for file in sorted(env.dependencies.get(name, ()))]
        files = [Path(env.doc2path(name)), *included]
        digests[name] = " ".join(hash_of(file) for file in files if file.is_file())
    return digests


def built_with(env: BuildEnvironment) -> dict[str, Dependencies]:
    """Dependencies by chapter, kept in Sphinx's environment from build to build."""
    if not hasattr(env, "kdbook_chapters"):
        env.kdbook_chapters = {}  # type: ignore[attr-defined]
    dependencies: dict[str, Dependencies] = env.kdbook_chapters  # type: ignore[attr-defined]
    return dependencies
