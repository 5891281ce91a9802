"""Chapters whose numbers can't be stale.

Sphinx re-reads a page when its text changed, and jupyter-cache executes it when its cells changed. Neither looks at
what the cells import or read. Here every chapter has a fingerprint of that: the code of this package that its cells
reach, the keys of the runs that they read, the profile and the data. A changed fingerprint makes Sphinx read the
chapter again, and stands in the metadata of its first cell, which jupyter-cache hashes.
"""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging

from kdbook import source, study
from kdbook.errors import KdbookError

logger = logging.getLogger(__name__)

CELL = re.compile(r"^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?P<code>.*?)^(?P=fence)", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?:^:[^\n]*\n)*)", re.MULTILINE | re.DOTALL)
DISPLAYING_PACKAGES = ("ipykernel", "matplotlib", "myst-nb", "numpy", "pandas", "scipy")
READERS = ("run", "runs")  # methods of a study that read the runs they name


def train_missing(app: Sphinx) -> None:
    """Train all missing runs in one process before any chapter is executed."""
    _make_paths_absolute()
    opened = _study()
    if opened.missing():
        done = subprocess.run([sys.executable, "-m", "kdbook.cli", "run"], check=False)
        if done.returncode:
            raise ExtensionError("training failed, see above; the chapters were not executed")
        _study.cache_clear()
        _fingerprint.cache_clear()


def outdated_chapters(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Names of the chapters whose fingerprint is not the one that they were last built with."""
    stale = []
    for name in env.found_docs:
        path = Path(env.doc2path(name))
        now = _fingerprint(path.read_text("utf-8")) if path.suffix == ".md" else None
        if now and now != _remembered(env).get(name):
            stale.append(name)
            if name not in added | changed:
                logger.info("%s is read again: its code, runs, profile or packages changed", name)
    return stale


def stamp(app: Sphinx, name: str, texts: list[str]) -> None:
    """Put the fingerprint into the metadata of the chapter's first cell."""
    found = _fingerprint(texts[0])
    if not found:
        return
    _remembered(app.env)[name] = found
    first = CELL.search(texts[0])
    assert first
    at = first.start("code")
    block = first["code"].startswith("---\n")
    line = f"kdbook_fingerprint: {found}\n" if block else f":kdbook_fingerprint: {found}\n"
    at += len("---\n") if block else 0
    texts[0] = texts[0][:at] + line + texts[0][at:]


def remember(app: Sphinx, env: BuildEnvironment) -> None:
    """Forget the fingerprints of chapters that are gone."""
    for name in set(_remembered(env)) - env.found_docs:
        del _remembered(env)[name]


def runs_read(code: str, opened: study.Study) -> dict[str, str]:
    """Keys of the runs that a chapter's cells read, by name; all runs where the code does not say which."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS:
            argument = node.args[0] if node.args else None
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                return {name: opened.key(spec) for name, spec in opened.specs.items()}
            named.add(argument.value)
    return {name: opened.key(spec) for name, spec in opened.specs.items() if named & {name, spec.arm}}


def _make_paths_absolute() -> None:
    """Chapters run in the directory of their file, so a relative path in a setting would mean another place there."""
    for setting in ("KDBOOK_PROFILE", "KDBOOK_DATA", "KDBOOK_STORE"):
        value = os.environ.get(setting)
        path = Path(value or "").expanduser()
        names_a_path = {"KDBOOK_PROFILE": path.suffix == ".toml", "KDBOOK_DATA": path.exists(), "KDBOOK_STORE": True}[setting]
        if value and names_a_path:
            os.environ[setting] = str(path.absolute())


@cache
def _study() -> study.Study:
    try:
        return study.open_study()
    except KdbookError as error:
        raise ExtensionError(str(error)) from error


@cache
def _fingerprint(text: str) -> str | None:
    """The fingerprint of a chapter's text, None for a page without cells."""
    cells = [OPTIONS.sub("", match["code"], count=1) for match in CELL.finditer(text)]
    if not cells:
        return None
    code = "\n".join(line for cell in cells for line in cell.splitlines() if not line.lstrip().startswith(("%", "!")))
    opened = _study()
    parts = {
        "code": source.fingerprints(source.used_names(code)),
        "runs": runs_read(code, opened),
        "profile": opened.profile.model_dump(mode="json", include={"name", "description", "data"}),
        "data": opened.data.digest(),
        "packages": {name: version(name) for name in DISPLAYING_PACKAGES},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def _remembered(env: BuildEnvironment) -> dict[str, str]:
    """Fingerprints by chapter, kept in Sphinx's environment from build to build."""
    if not hasattr(env, "kdbook_fingerprints"):
        env.kdbook_fingerprints = {}  # type: ignore[attr-defined]
    return env.kdbook_fingerprints  # type: ignore[attr-defined]
