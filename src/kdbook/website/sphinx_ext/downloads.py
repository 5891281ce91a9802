"""Downloads: notebooks of the chapters, with and without outputs, and the package as a wheel."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from pybtex.database import Entry, parse_file
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from kdbook.errors import KdbookError
from kdbook.export import browser
from kdbook.settings import environment, profile
from kdbook.store import archive
from kdbook.website import setup_cell
from kdbook.website.notebooks import NotebookContext, convert
from kdbook.website.sphinx_ext.addresses import GITHUB
from kdbook.website.sphinx_ext.build import build_of
from kdbook.website.sphinx_ext.freshness import built_with

logger = logging.getLogger(__name__)

FOLDER = "notebooks"
WITH_OUTPUTS = "-with-outputs"
DEMO = "demo"
ALL_CHAPTERS = "all-chapters.zip"
CONSTRAINTS = "constraints.txt"

RUNS = "runs.zip"
COLAB = "https://colab.research.google.com/github"  # it opens notebooks that a branch on GitHub has
BRANCH = "notebooks"  # to which .github/workflows/book.yml pushes them
MAX_RUNS_BYTES = 300e6  # of a site; runs of full-size models are larger


def add_buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Add the notebooks of a chapter to the theme's download menu, and Colab for a repository on GitHub."""
    if page not in built_with(app.env):
        return
    name = Path(page).name
    with_outputs = f"{name}{WITH_OUTPUTS}.ipynb"
    files = (
        (f"{name}.ipynb", ".ipynb", "Notebook, to run it", "download-notebook-button"),
        (with_outputs, ".ipynb with outputs", "Notebook with outputs", "download-executed-notebook-button"),
        (ALL_CHAPTERS, "all, .zip", "Notebooks of all chapters", "download-all-button"),
    )
    links = [(context["pathto"](f"{FOLDER}/{file}", 1), *rest) for file, *rest in files]
    repository = environment.read().repository or ""
    if repository.startswith(GITHUB):
        address = f"{COLAB}/{repository.removeprefix(GITHUB)}/blob/{BRANCH}/{name}.ipynb"
        links.append((address, "Open in Colab", "Run this chapter on Colab", "open-in-colab-button"))
    keys = ("url", "text", "tooltip", "label")
    buttons = [dict(zip(keys, link, strict=True), type="link", icon="fas fa-code") for link in links]
    for group in context["header_buttons"]:
        if group.get("label") == "download-buttons":
            group["buttons"][:0] = buttons


def write(app: Sphinx, error: Exception | None) -> None:
    """Write all downloads into the built site."""
    if error or app.builder.name != "html":
        return
    folder = Path(app.outdir, FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wheel = _build_wheel(Path(app.srcdir), folder)
    (folder / CONSTRAINTS).write_text(setup_cell.constraints(), "utf-8")
    names = sorted(built_with(app.env))
    site = _context(app, names, wheel, _write_runs(app, folder))
    for name in names:
        source, notebook = Path(app.env.doc2path(name)), _executed(app, name)
        for outputs in (False, True):
            target = folder / f"{source.stem}{WITH_OUTPUTS if outputs else ''}.ipynb"
            try:
                nbformat.write(convert(notebook, source, site, outputs), target)
            except KdbookError as problem:
                raise ExtensionError(str(problem)) from problem
    with zipfile.ZipFile(folder / ALL_CHAPTERS, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            file = f"{Path(name).name}.ipynb"
            archive.write(folder / file, file)
    _write_demo(app)
    logger.info("wrote %d notebooks and %s", len(names), wheel.name)


def _executed(app: Sphinx, name: str) -> nbformat.NotebookNode:
    """The notebook of a chapter with its outputs.

    MyST-NB writes it without them when they come from the cache.
    """
    cache = get_cache(app.env.mystnb_config.execution_cache_path)  # type: ignore[attr-defined]
    notebook = nbformat.read(Path(app.outdir).parent / "jupyter_execute" / f"{name}.ipynb", as_version=4)
    executed: nbformat.NotebookNode = cache.merge_match_into_notebook(notebook)[1]
    return executed


def _write_demo(app: Sphinx) -> None:
    """Write the first distilled student for the demo in the reader's browser, which compares two
    sentences.
    """
    study, folder = build_of(app).study, Path(app.outdir, DEMO)
    is_paraphrase = study.profile.data.task == "paraphrase"
    if not (is_paraphrase and browser.write(study.get_or_train(study.profile.main_arms[-1]), folder)):
        shutil.rmtree(folder, ignore_errors=True)  # of another profile
        logger.info(
            "the student of this profile is too large or of another kind for a browser; there is no demo"
        )


def _write_runs(app: Sphinx, folder: Path) -> Path | None:
    """Write the runs of the study for readers who do not train, if the site is published and they are small
    enough.
    """
    if environment.read().site == environment.SERVED_LOCALLY:
        return None
    runs = [run for _, run in build_of(app).study.completed_runs()]
    if sum(run.bytes for run in runs) > MAX_RUNS_BYTES:
        return None
    archive.export(runs, folder / RUNS)
    return folder / RUNS


def _context(app: Sphinx, names: list[str], wheel: Path, runs: Path | None) -> NotebookContext:
    address = app.config.html_baseurl.rstrip("/")
    study_profile = build_of(app).study.profile
    entries = parse_file(Path(app.srcdir, app.config.bibtex_bibfiles[0])).entries
    name = study_profile.name
    named = name if name in profile.names() else f"{name}.toml"  # a file beside the notebook
    setup = setup_cell.code(f"{address}/{FOLDER}", wheel.name, CONSTRAINTS, named, runs)
    return NotebookContext(
        title=app.config.html_title,
        titles={Path(page).name: title.astext() for page, title in app.env.titles.items()},
        chapters={Path(name).name for name in names},
        citations={key: _citation(entry) for key, entry in entries.items()},
        address=address,
        setup=setup,
        task=study_profile.data.task,
    )


def _citation(entry: Entry) -> str:
    """Authors, year and title, linked where the bibliography has a URL: a notebook has no list of
    references.
    """
    names = [" ".join(person.last_names) for person in entry.persons["author"]]
    more = " et al." if len(names) > 2 else f" and {names[1]}" if len(names) == 2 else ""
    title = entry.fields["title"].replace("{", "").replace("}", "")
    text = f"{names[0]}{more}, {entry.fields['year']}, *{title}*"
    return f"[{text}]({entry.fields['url']})" if "url" in entry.fields else text


def _build_wheel(project: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExtensionError(f"the wheel of the package could not be built: {done.stderr.strip()}")
    return next(folder.glob(f"kdbook-{version('kdbook')}-*.whl"))
