"""What the libraries below lack: every change to their modules, each until the release that makes it
unnecessary.
"""

from functools import partial, wraps
from inspect import unwrap
from typing import Any

import sqlalchemy
from filelock import FileLock
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache import db
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors import utils
from sphinx.application import Sphinx

from kdbook.website.sphinx_ext import failures
from kdbook.website.sphinx_ext.parallel import IpcKernelManager

SECONDS_TO_START = 300  # importing IPython takes that long only where a disk or a processor is busy
SECONDS_TO_WRITE = 300  # into the database of chapters, which others may lock for long on a network disk
LOCK = "kdbook.lock"


def apply(app: Sphinx) -> None:
    """Change the libraries for the builds of this process."""
    # MyST-NB passes no settings on to nbclient. Since https://github.com/executablebooks/MyST-NB/pull/725,
    # merged for version 1.5, a parser can choose the kernel manager; it can keep failures as well.
    utils.executenb = partial(
        failures.execute_and_keep_failures,
        app,
        kernel_manager_class=IpcKernelManager,
        startup_timeout=SECONDS_TO_START,
    )
    # Both for a release of jupyter-cache after 1.0.1.
    db.create_engine = create_engine
    JupyterCacheBase.cache_notebook_bundle = keep_exclusively
    # https://github.com/executablebooks/sphinx-multitoc-numbering/issues/27, for a release after 0.1.3: it
    # does not declare that it can be read in parallel. sphinx-external-toc always loads it.
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def create_engine(url: str) -> sqlalchemy.Engine:
    """The database of executed chapters at a path of any characters.

    To report to jupyter-cache: ``create_db`` pastes the path of the cache into a URL. In a folder called
    ``per%41cent``, the database is created in ``perAcent``; ``sqlalchemy.URL.create`` quotes the path. Its
    time-out of five seconds is too short for several processes on a network disk.
    """
    path = url.removeprefix("sqlite:///")
    arguments = {"timeout": SECONDS_TO_WRITE}
    return sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=path), connect_args=arguments)


_keep = unwrap(JupyterCacheBase.cache_notebook_bundle)  # not ours, even if this module is imported again


@wraps(_keep, assigned=())
def keep_exclusively(cache: JupyterCacheBase, bundle: CacheBundleIn, **settings: Any) -> db.NbCacheRecord:
    """Keep an executed chapter while no other process does.

    To report to jupyter-cache, whose issue 37 is about several processes: ``records_to_delete`` asks which
    records are the newest, and then for all others, so it deletes what another process adds between the two
    queries. One query with an offset would not.
    """
    with FileLock(cache.path / LOCK):
        return _keep(cache, bundle, **settings)


def remove_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Load no script for live cells, which the pages do not have.

    https://github.com/jupyter-book/jupyter-book/issues/1603: version 1 can't disable thebe. It even includes
    it twice, and the second copy is an error in the browser. Version 2 has another engine.
    """
    context["script_files"] = [script for script in context["script_files"] if not _is_thebe(script)]


def _is_thebe(script: Any) -> bool:
    return "thebe" in f"{script.filename} {getattr(script, 'attributes', {}).get('body', '')}".lower()
