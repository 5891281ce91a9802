"""The site, replaced by builds that succeeded and by no other."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kdbook.website.sphinx_ext import publish

CONFIGURATION = """
import os
from kdbook.website.sphinx_ext import publish

def break_off(app, *arguments):
    if "BREAK_OFF" in os.environ:
        raise OSError("No space left on device")

def setup(app):
    publish.setup(app)
    app.connect("html-page-context", break_off)
"""


@pytest.fixture
def source(tmp_path) -> Path:
    (tmp_path / "conf.py").write_text(CONFIGURATION, "utf-8")
    (tmp_path / "index.rst").write_text("Title\n=====\n\nThe whole page.\n", "utf-8")
    return tmp_path


def make(source: Path, **environment: str) -> int:
    """Build the site and return the exit status."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-d", "_build/.doctrees", ".", "_build/html"]
    return subprocess.run(command, cwd=source, env=os.environ | environment, check=False).returncode


def test_only_what_a_broken_build_left_is_written_again(source):
    page, work = source / "_build" / "html" / "index.html", source / "_build" / ".html"
    assert make(source) == 0
    whole = page.read_text("utf-8")
    (work / "kept.txt").touch()
    assert make(source) == 0
    assert page.with_name("kept.txt").is_file()
    (source / "index.rst").touch()
    assert make(source, BREAK_OFF="1") != 0
    assert page.read_text("utf-8") == whole
    for path in work.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert make(source) == 0
    assert page.read_text("utf-8") == whole
    assert all(path.stat().st_size for path in (page.parent / "_static").iterdir())


def test_files_that_did_not_change_are_shared_between_sites_and_with_no_build(source):
    page, work = source / "_build" / "html" / "index.html", source / "_build" / ".html"
    assert make(source) == 0
    script = page.parent / "_static" / "doctools.js"
    before, whole = script.stat().st_ino, script.read_bytes()
    with (source / "index.rst").open("a", encoding="utf-8") as text:
        text.write("\nOne more sentence.\n")
    assert make(source) == 0
    assert "One more sentence." in page.read_text("utf-8")
    assert script.stat().st_ino == before
    (work / "_static" / "doctools.js").write_bytes(b"")  # as a build may do that breaks off
    assert script.read_bytes() == whole


def test_a_site_without_hard_links_is_copied(tmp_path, monkeypatch):
    work, site = tmp_path / publish.WORK, tmp_path / publish.SITE
    for folder in (work, site):
        folder.mkdir()
        (folder / "index.html").write_text("page")
        os.utime(folder / "index.html", ns=(1, 1))
    assert _published(work, site).stat().st_nlink == 1  # the other name went with the site before
    monkeypatch.setattr(os, "link", _refuse)
    assert _published(work, site).read_text() == "page"


def _published(work: Path, site: Path) -> Path:
    app = SimpleNamespace(outdir=work, _warncount=0, keep_going=False)
    publish._finish(app, None, site)
    return site / "index.html"


def _refuse(*arguments: object) -> None:
    raise PermissionError("Operation not permitted")
