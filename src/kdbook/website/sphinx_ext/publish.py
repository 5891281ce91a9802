"""The site as readers see it: replaced atomically, and only by a build that succeeded.

Sphinx writes its pages one after the other into the directory that it is given. Here it works in one beside
that, and what it made there takes the place of the last good site when all is done. Pages of a build that
broke off may be half written and newer than their sources, so the next build writes all of them again. One
build at a time works on a book.
"""

import shutil
from pathlib import Path

from filelock import FileLock, Timeout
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

SITE = "html"
WORK = ".html"
UNFINISHED = ".html-unfinished"
NEXT = ".html-next"
BEFORE = ".html-before"
LOCK = ".lock"
LAST = 999  # after all that else happens when a build is finished


def setup(app: Sphinx) -> None:
    """Let Sphinx work beside the site; called before it makes its builder."""
    site = Path(app.outdir)
    if site.name != SITE:
        return
    lock = _alone(site.with_name(LOCK))
    if not _has_pages(site) and _has_pages(site.with_name(BEFORE)):  # stopped between the two renames
        _rename(site.with_name(BEFORE), site)
    app.outdir = app.outdir.with_name(WORK)
    unfinished = site.with_name(UNFINISHED)
    if unfinished.exists():
        shutil.rmtree(app.outdir, ignore_errors=True)
    unfinished.touch()

    def finish(app: Sphinx, error: Exception | None) -> None:
        try:
            if not error:
                unfinished.unlink()
            _finish(app, error, site)
        finally:
            lock.release()

    app.connect("build-finished", finish, priority=LAST)


def _finish(app: Sphinx, error: Exception | None, site: Path) -> None:
    if error or (app._warncount and app.keep_going):
        if _has_pages(site):
            logger.info("this build failed; the site of the last good one stays in %s", site)
        return
    following, before = site.with_name(NEXT), site.with_name(BEFORE)
    shutil.rmtree(following, ignore_errors=True)
    shutil.copytree(app.outdir, following)
    _rename(site, before)
    following.replace(site)
    shutil.rmtree(before)
    app.outdir = type(app.outdir)(site)  # Sphinx says at the end where its pages are


def _rename(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    source.replace(target)


def _has_pages(site: Path) -> bool:
    return (site / "index.html").is_file()


def _alone(path: Path) -> FileLock:
    """The lock of the book's build directory, held; a process that ends lets go of it, however it ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("another build of this book is running; waiting for it")
        lock.acquire()
    return lock
