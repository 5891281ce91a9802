"""Downloads: notebooks of the chapters, with and without outputs, and all that they need to run elsewhere.

They are all made again by a build that reads a page or whose package has changed, and stay otherwise.
"""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from pybtex.database import parse_file
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging

from kdbook.errors import KdbookError
from kdbook.settings import environment, profile
from kdbook.store import archive
from kdbook.store.run import Run, hash_of, key_of
from kdbook.study import kept
from kdbook.website import setup_cell
from kdbook.website.chapters import BOOK
from kdbook.website.notebooks import FOLDER, NotebookContext, citation, convert
from kdbook.website.sphinx_ext.build import build_of
from kdbook.website.sphinx_ext.freshness import built_with

logger = logging.getLogger(__name__)

WHEEL = f"kdbook-{version('kdbook')}-py3-none-any.whl"
PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "src/**/*")  # what the wheel is made of
READ_BY_CELLS = (f"{kept.FOLDER}/*.parquet", f"{BOOK}/*.py")  # kept results, and modules beside the pages
WITH_OUTPUTS = "-with-outputs"
ALL_CHAPTERS = "all-chapters.zip"
CONSTRAINTS = "constraints.txt"
RUNS = "runs.zip"
RECORD = "downloads.txt"
MAX_RUNS_BYTES = 300e6  # of a site; runs of full-size models are larger


def forget(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Let this build make the downloads again if it reads pages."""
    if names:
        Path(app.doctreedir, RECORD).unlink(missing_ok=True)


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the downloads into the built site, unless those of an earlier build are current."""
    if error or app.builder.name != "html":
        return
    folder, record = Path(app.outdir, FOLDER), Path(app.doctreedir, RECORD)
    runs, package = _published_runs(app), _hashes(app, PACKAGE)
    made_from = _inputs(app, package, runs)
    if folder.is_dir() and record.is_file() and record.read_text("utf-8") == made_from:
        return
    record.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(_wheel(app, package), folder)
    (folder / CONSTRAINTS).write_text(setup_cell.constraints(), "utf-8")
    for pattern in READ_BY_CELLS:
        for file in Path(app.srcdir).glob(pattern):
            shutil.copy(file, folder)
    if runs:
        archive.export(runs, folder / RUNS)
    _write_notebooks(app, folder)
    record.write_text(made_from, "utf-8")


def _inputs(app: Sphinx, package: dict[str, str], runs: list[Run]) -> str:
    """A hash of all that the downloads are made from beside the pages."""
    config = app.config
    others = _hashes(app, (*config.bibtex_bibfiles, *READ_BY_CELLS))
    site = [config.html_title, config.html_baseurl, sorted(built_with(app.env))]
    return key_of([package, others, setup_cell.constraints(), site, [run.key for run in runs]])


def _hashes(app: Sphinx, patterns: Iterable[str]) -> dict[str, str]:
    """Hashes of the files of the project that match one of some patterns, by path."""
    files = {path for pattern in patterns for path in Path(app.srcdir).glob(pattern) if path.is_file()}
    return {str(path): hash_of(path) for path in files if "__pycache__" not in path.parts}


def _write_notebooks(app: Sphinx, folder: Path) -> None:
    context = _context(app, folder)
    with zipfile.ZipFile(folder / ALL_CHAPTERS, "w", zipfile.ZIP_DEFLATED) as all_chapters:
        for page in sorted(built_with(app.env)):
            executed, source, name = _executed(app, page), Path(app.env.doc2path(page)), Path(page).name
            try:
                plain, full = (convert(executed, source, context, outputs) for outputs in (False, True))
            except KdbookError as problem:
                raise ExtensionError(str(problem)) from problem
            nbformat.write(plain, folder / f"{name}.ipynb")
            nbformat.write(full, folder / f"{name}{WITH_OUTPUTS}.ipynb")
            all_chapters.write(folder / f"{name}.ipynb", f"{name}.ipynb")
    logger.info("the site has %d notebooks and %s", len(context.chapters), WHEEL)


def _context(app: Sphinx, folder: Path) -> NotebookContext:
    """What the notebooks refer to; the wheel and the runs are in ``folder``."""
    config, chosen = app.config, build_of(app).study.profile
    address, runs = config.html_baseurl.rstrip("/"), folder / RUNS
    named = chosen.name if chosen.name in profile.names() else f"{chosen.name}.toml"  # beside the notebook
    return NotebookContext(
        title=config.html_title,
        titles={Path(page).name: title.astext() for page, title in app.env.titles.items()},
        chapters={Path(page).name for page in built_with(app.env)},
        citations={
            key: citation(entry)
            for file in config.bibtex_bibfiles
            for key, entry in parse_file(Path(app.srcdir, file)).entries.items()
        },
        address=address,
        setup=setup_cell.code(
            f"{address}/{FOLDER}", WHEEL, CONSTRAINTS, named, runs if runs.is_file() else None
        ),
        task=chosen.data.task,
    )


def _executed(app: Sphinx, page: str) -> nbformat.NotebookNode:
    """The notebook of a chapter with its outputs.

    MyST-NB writes it without them when they come from the cache.
    """
    written = nbformat.read(Path(app.outdir).parent / "jupyter_execute" / f"{page}.ipynb", as_version=4)
    cache = get_cache(app.env.mystnb_config.execution_cache_path)  # type: ignore[attr-defined]
    executed: nbformat.NotebookNode = cache.merge_match_into_notebook(written)[1]
    return executed


def _published_runs(app: Sphinx) -> list[Run]:
    """The runs of the study for readers who do not train, if the site is published and they are small
    enough.
    """
    if environment.read().site == environment.SERVED_LOCALLY:
        return []
    runs = [run for _, run in build_of(app).study.completed_runs()]
    return runs if sum(run.bytes for run in runs) <= MAX_RUNS_BYTES else []


def _wheel(app: Sphinx, package: dict[str, str]) -> Path:
    """The package as a wheel; it takes seconds, so one of the same files is kept."""
    folder = Path(app.doctreedir, "wheel", key_of(package))
    if not (folder / WHEEL).is_file():
        shutil.rmtree(folder.parent, ignore_errors=True)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        done = subprocess.run(command, cwd=app.srcdir, capture_output=True, text=True, check=False)
        if done.returncode or not (folder / WHEEL).is_file():
            raise ExtensionError(f"the wheel of the package could not be built: {done.stderr.strip()}")
    return folder / WHEEL
