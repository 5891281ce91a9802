"""What the libraries below lack: executed chapters are kept under any path, by several processes, and none is lost."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache import db
from jupyter_cache.cache.main import JupyterCacheBase
from nbformat.v4 import new_code_cell, new_notebook

from kdbook.website.sphinx_ext import patches

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    "name", ["per%41cent", "quest?ion", "a b", "ünïcode", "ha#sh", "sem;i", "amp&er=sand"]
)
def test_executed_chapters_are_kept_under_any_path(tmp_path, monkeypatch, name):
    monkeypatch.setattr(db, "create_engine", patches.create_engine)
    cache = get_cache(tmp_path / name / "cache")
    assert cache.list_cache_records() == []
    assert {path.parent for path in tmp_path.rglob("global.db")} == {tmp_path / name / "cache"}


def test_no_chapter_that_is_kept_while_others_are_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(db, "create_engine", patches.create_engine)
    get_cache(tmp_path).list_cache_records()  # makes the tables, as a build does before it reads chapters

    def keep(thread: int) -> None:
        cache = get_cache(tmp_path)
        for chapter in range(25):
            cell = new_code_cell(f"{thread}, {chapter}", execution_count=1)
            patches.keep_exclusively(
                cache, CacheBundleIn(new_notebook(cells=[cell]), f"{thread}-{chapter}.md")
            )

    with ThreadPoolExecutor() as pool:
        list(pool.map(keep, range(4)))
    assert len(get_cache(tmp_path).list_cache_records()) == 100


def test_a_module_that_is_imported_again_keeps_chapters_as_before(tmp_path, monkeypatch):
    """The change of a build may be in place then; it must not call itself."""
    monkeypatch.setattr(JupyterCacheBase, "cache_notebook_bundle", patches.keep_exclusively)
    importlib.reload(patches)
    cell = new_code_cell("1", execution_count=1)
    patches.keep_exclusively(get_cache(tmp_path), CacheBundleIn(new_notebook(cells=[cell]), "chapter.md"))
    assert len(get_cache(tmp_path).list_cache_records()) == 1


def test_no_page_loads_thebe():
    scripts = [
        SimpleNamespace(filename="https://example.org/thebe.js"),
        SimpleNamespace(filename=None, attributes={"body": "let thebe_selector = 1"}),
        SimpleNamespace(filename="_static/doctools.js", attributes={}),
    ]
    context = {"script_files": scripts}
    patches.remove_thebe(None, "book/index", "page.html", context, None)
    assert context["script_files"] == scripts[2:]
