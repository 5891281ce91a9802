"""Downloads: notebooks of the chapters, with and without outputs, and the package as a wheel."""

import shutil
import subprocess
import sys
import zipfile
from functools import cache, cached_property, partial
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
from kdbook.store.run import Run, hash_of
from kdbook.study import kept
from kdbook.website import setup_cell
from kdbook.website.chapters import BOOK
from kdbook.website.notebooks import FOLDER, NotebookContext, convert
from kdbook.website.sphinx_ext.addresses import GITHUB
from kdbook.website.sphinx_ext.build import build_of
from kdbook.website.sphinx_ext.freshness import built_with, read_from
from kdbook.website.sphinx_ext.incremental import IncrementalFolder

logger = logging.getLogger(__name__)

WITH_OUTPUTS = "-with-outputs"
DEMO = "demo"
ALL_CHAPTERS = "all-chapters.zip"
CONSTRAINTS = "constraints.txt"
RECORD = "downloads.json"
DESCRIBING = ("pyproject.toml", "README.md", "LICENSE")  # the package, beside its sources
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
    """Write into the built site those downloads that are missing or out of date."""
    if error or app.builder.name != "html":
        return
    project = Path(app.srcdir)
    folder = IncrementalFolder(Path(app.outdir, FOLDER), Path(app.doctreedir, RECORD))
    describing = {name: hash_of(project / name) for name in DESCRIBING}
    package, installed = [build_of(app).package, describing], setup_cell.installed()
    wheel = f"kdbook-{version('kdbook')}-py3-none-any.whl"
    folder.make(wheel, package, partial(_build_wheel, project))
    folder.make(CONSTRAINTS, installed, lambda path: path.write_text(setup_cell.constraints(), "utf-8"))
    for file in sorted([*project.glob(f"{kept.FOLDER}/*.parquet"), *project.glob(f"{BOOK}/*.py")]):
        folder.make(file.name, hash_of(file), partial(shutil.copyfile, file))
    runs = _published_runs(app)
    packed = folder.make(RUNS, [run.key for run in runs], partial(archive.export, runs)) if runs else None
    notebooks = _Notebooks(app, [package, installed], wheel, packed)
    made_from = {name: notebooks.made_from(name) for name in notebooks.chapters}
    for name in notebooks.chapters:
        for outputs in (False, True):
            target = f"{Path(name).name}{WITH_OUTPUTS if outputs else ''}.ipynb"
            folder.make(target, made_from[name], partial(notebooks.write, name, outputs))
    folder.make(ALL_CHAPTERS, made_from, notebooks.pack)
    folder.close()
    _write_demo(app)
    logger.info("the site has %d notebooks and %s", len(notebooks.chapters), wheel)


class _Notebooks:
    """The chapters of a site as notebooks.

    Parameters
    ----------
    app
        The build, at its end.
    packages
        All that decides the wheel and the first cell.
    wheel
        Name of the package's file.
    runs
        The file of the study's runs, if the site has it.
    """

    def __init__(self, app: Sphinx, packages: object, wheel: str, runs: Path | None) -> None:
        self.app, self.packages, self.wheel, self.runs = app, packages, wheel, runs
        self.chapters = sorted(built_with(app.env))
        self.profile = build_of(app).study.profile
        self.titles = {Path(page).name: title.astext() for page, title in app.env.titles.items()}
        self.bibliography = Path(app.srcdir, app.config.bibtex_bibfiles[0])
        self.executed = cache(self._executed)

    def made_from(self, name: str) -> list[object]:
        """All that decides the notebooks of a chapter."""
        return [*read_from(self.app.env, name), *self._site]

    @cached_property
    def _site(self) -> list[object]:
        """All that decides the notebooks of every chapter."""
        config, runs = self.app.config, self.runs and self.runs.stat().st_size
        site = [config.html_title, config.html_baseurl, self.titles, self.chapters, runs]
        study = [self.profile.name, self.profile.data.task]
        return [self.packages, *site, hash_of(self.bibliography), *study]

    def write(self, name: str, outputs: bool, target: Path) -> None:
        """Write the notebook of a chapter."""
        page = Path(self.app.env.doc2path(name))
        try:
            notebook = convert(self.executed(name), page, self.context, outputs)
        except KdbookError as problem:
            raise ExtensionError(str(problem)) from problem
        nbformat.write(notebook, target)

    def pack(self, target: Path) -> None:
        """Write the notebooks of all chapters, without outputs, into one file."""
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in self.chapters:
                file = f"{Path(name).name}.ipynb"
                packed.write(target.with_name(file), file)

    @cached_property
    def context(self) -> NotebookContext:
        """What the notebooks refer to."""
        address = self.app.config.html_baseurl.rstrip("/")
        entries = parse_file(self.bibliography).entries
        return NotebookContext(
            title=self.app.config.html_title,
            titles=self.titles,
            chapters={Path(chapter).name for chapter in self.chapters},
            citations={key: _citation(entry) for key, entry in entries.items()},
            address=address,
            setup=self._setup(f"{address}/{FOLDER}"),
            task=self.profile.data.task,
        )

    def _setup(self, address: str) -> str:
        """The code of the first cell, where ``address`` is that of the downloads."""
        name = self.profile.name
        named = name if name in profile.names() else f"{name}.toml"  # a file beside the notebook
        folder = Path(self.app.doctreedir, "setup")
        setups = IncrementalFolder(folder, folder.with_suffix(".json"))
        made_from = [self.packages, address, named, self.runs and self.runs.stat().st_size]

        def write(path: Path) -> None:
            path.write_text(setup_cell.code(address, self.wheel, CONSTRAINTS, named, self.runs), "utf-8")

        code = setups.make("cell.py", made_from, write).read_text("utf-8")
        setups.close()
        return code

    def _executed(self, name: str) -> nbformat.NotebookNode:
        """The notebook of a chapter with its outputs.

        MyST-NB writes it without them when they come from the cache.
        """
        cached = get_cache(self.app.env.mystnb_config.execution_cache_path)  # type: ignore[attr-defined]
        path = Path(self.app.outdir).parent / "jupyter_execute" / f"{name}.ipynb"
        executed: nbformat.NotebookNode = cached.merge_match_into_notebook(nbformat.read(path, as_version=4))[
            1
        ]
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


def _published_runs(app: Sphinx) -> list[Run]:
    """The runs of the study for readers who do not train, if the site is published and they are small
    enough.
    """
    if environment.read().site == environment.SERVED_LOCALLY:
        return []
    runs = [run for _, run in build_of(app).study.completed_runs()]
    return runs if sum(run.bytes for run in runs) <= MAX_RUNS_BYTES else []


def _citation(entry: Entry) -> str:
    """Authors, year and title, linked where the bibliography has a URL: a notebook has no list of
    references.
    """
    names = [" ".join(person.last_names) for person in entry.persons["author"]]
    more = " et al." if len(names) > 2 else f" and {names[1]}" if len(names) == 2 else ""
    title = entry.fields["title"].replace("{", "").replace("}", "")
    text = f"{names[0]}{more}, {entry.fields['year']}, *{title}*"
    return f"[{text}]({entry.fields['url']})" if "url" in entry.fields else text


def _build_wheel(project: Path, target: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target.parent)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode or not target.is_file():
        raise ExtensionError(f"the wheel of the package could not be built: {done.stderr.strip()}")
