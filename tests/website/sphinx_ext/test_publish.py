"""The site, replaced by builds that succeeded and by no other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
