"""Chapters to take home: a notebook of each, with and without outputs, all of them in one file, and the package as a wheel."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from pybtex.database import Entry, parse_file
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from kdbook import browser, profile
from kdbook.errors import KdbookError
from kdbook.sphinx_ext import freshness
from kdbook.sphinx_ext.notebooks import Site, take_home

logger = logging.getLogger(__name__)

FOLDER = "notebooks"  # on the site
WITH_OUTPUTS = "-with-outputs"
DEMO = "demo"
ALL = "all-chapters.zip"
CONSTRAINTS = "constraints.txt"

SETUP = """\
# What this notebook needs, in the versions that the page was made with (about 8 GB the first time).
import importlib.util, os

if importlib.util.find_spec("kdbook") is None:
    %pip install --quiet --constraint {folder}/{constraints} "kdbook[train] @ {folder}/{wheel}"

os.environ.setdefault("KDBOOK_PROFILE", "{profile}")  # what to train; runs are kept in .runs, and trained once
"""


def add_buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Put the notebooks of a chapter into the theme's download menu."""
    if page not in freshness.remembered(app.env):
        return
    name = Path(page).name
    for group in context["header_buttons"]:
        if group.get("label") == "download-buttons":
            group["buttons"][:0] = [
                _button(context["pathto"](f"{FOLDER}/{name}.ipynb", 1), ".ipynb", "Notebook, to run it", "download-notebook-button"),
                _button(
                    context["pathto"](f"{FOLDER}/{name}{WITH_OUTPUTS}.ipynb", 1),
                    ".ipynb with outputs",
                    "Notebook with the outputs of this page",
                    "download-executed-notebook-button",
                ),
                _button(context["pathto"](f"{FOLDER}/{ALL}", 1), "all, .zip", "Notebooks of all chapters", "download-all-button"),
            ]


def _button(url: str, text: str, tooltip: str, label: str) -> dict[str, str]:
    return {"type": "link", "url": url, "text": text, "tooltip": tooltip, "icon": "fas fa-code", "label": label}


def write(app: Sphinx, error: Exception | None) -> None:
    """Write all downloads into the built site."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir, FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wheel = _build_wheel(Path(app.srcdir), folder)
    (folder / CONSTRAINTS).write_text(_constraints(), "utf-8")
    names = sorted(freshness.remembered(app.env))
    site = _site(app, names, wheel)
    for name in names:
        source, notebook = Path(app.env.doc2path(name)), _executed(app, name)
        for outputs in (False, True):
            target = folder / f"{source.stem}{WITH_OUTPUTS if outputs else ''}.ipynb"
            try:
                nbformat.write(take_home(notebook, source, site, outputs), target)
            except KdbookError as problem:
                raise ExtensionError(str(problem)) from problem
    with zipfile.ZipFile(folder / ALL, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            file = f"{Path(name).name}.ipynb"
            archive.write(folder / file, file)
    _write_demo(Path(app.outdir))
    logger.info("wrote %d notebooks and %s", len(names), wheel.name)


def _executed(app: Sphinx, name: str) -> nbformat.NotebookNode:
    """The notebook of a chapter with its outputs; MyST-NB writes it without them when they come from the cache."""
    cache = get_cache(app.env.mystnb_config.execution_cache_path)  # type: ignore[attr-defined]
    notebook = nbformat.read(Path(app.outdir).parent / "jupyter_execute" / f"{name}.ipynb", as_version=4)
    return cache.merge_match_into_notebook(notebook)[1]


def _write_demo(site: Path) -> None:
    """The first distilled student, for the demo in the reader's browser, which compares two sentences."""
    asked = freshness.current_study()
    if asked.profile.data.columns or not browser.write(asked.run(profile.DISTILLED), site / DEMO):
        shutil.rmtree(site / DEMO, ignore_errors=True)  # of another profile
        logger.info("the student of this profile is too large or of another kind for a browser; the site has no demo")


def _site(app: Sphinx, names: list[str], wheel: Path) -> Site:
    address = app.config.html_baseurl.rstrip("/")
    settings = freshness.current_study().profile
    entries = parse_file(Path(app.srcdir, app.config.bibtex_bibfiles[0])).entries
    return Site(
        title=app.config.html_title,
        titles={Path(page).name: title.astext() for page, title in app.env.titles.items()},
        chapters={Path(name).name for name in names},
        citations={key: _cited(entry) for key, entry in entries.items()},
        address=address,
        setup=SETUP.format(folder=f"{address}/{FOLDER}", constraints=CONSTRAINTS, wheel=wheel.name, profile=_profile(settings.name)),
        own_data=settings.data.columns is not None,
    )


def _profile(name: str) -> str:
    """A profile of one's own is a file, which has to lie beside the notebook, as its data have."""
    return name if name in profile.names() else f"{name}.toml"


def _cited(entry: Entry) -> str:
    """Authors, year and title, with a link where the bibliography has one: a notebook has no list of references."""
    names = [" ".join(person.last_names) for person in entry.persons["author"]]
    authors = names[0] + (" et al." if len(names) > 2 else f" and {names[1]}" if len(names) == 2 else "")
    said = f"{authors}, {entry.fields['year']}, *{entry.fields['title'].replace('{', '').replace('}', '')}*"
    return f"[{said}]({entry.fields['url']})" if "url" in entry.fields else said


def _build_wheel(project: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExtensionError(f"the wheel of the package could not be built: {done.stderr.strip()}")
    return next(folder.glob(f"kdbook-{version('kdbook')}-*.whl"))


def _constraints() -> str:
    """Versions of all packages installed here, without what is particular to a build of them (``+cpu``)."""
    found = {found.name: found.version.split("+")[0] for found in distributions() if found.name != "kdbook"}
    return "".join(f"{name}=={number}\n" for name, number in sorted(found.items()))
