"""Chapters taken home: downloaded in a browser, run in an empty folder with nothing but what the site gives."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from helpers import CHAPTERS, build, executed
from nbclient import NotebookClient

from kdbook.store import archive
from kdbook.store.local import Store
from kdbook.website.notebooks import FOLDER
from kdbook.website.sphinx_ext.downloads import ALL_CHAPTERS, RUNS, WITH_OUTPUTS

TIMES = re.compile(r"\d+ (seconds|rows per second)|On one core, the faster export .*")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """An environment that has all packages of this one but not the book's own."""
    home = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (next(home.glob("lib/*/site-packages")) / "others.pth").write_text(packages)
    missing = subprocess.run(
        [home / "bin" / "python", "-c", "import torch, kdbook"], capture_output=True, text=True, check=False
    )
    assert "No module named 'kdbook'" in missing.stderr
    return home


def download(browser, page_address: str, button: str, target: Path) -> Path:
    page = browser.new_page(accept_downloads=True)
    page.goto(page_address, wait_until="load")
    page.get_by_label("Download this page").click()
    with page.expect_download() as caught:
        page.get_by_text(button, exact=True).click()
    path = target / caught.value.suggested_filename
    caught.value.save_as(path)
    page.close()
    return path


def run(notebook: Path, environment: Path, monkeypatch, store: Path | None = None) -> nbformat.NotebookNode:
    """Execute a notebook in its own folder, with the Python of an environment, by default with a store of its own."""
    kernel = notebook.parent / "kernels" / "python3"
    kernel.mkdir(parents=True, exist_ok=True)
    command = f'["{environment}/bin/python", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(
        f'{{"argv": {command}, "display_name": "Python 3", "language": "python"}}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(notebook.parent))
    for name in ("KDBOOK_PROFILE", "KDBOOK_STORE", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    if store:
        monkeypatch.setenv("KDBOOK_STORE", str(store))
    done = nbformat.read(notebook, as_version=4)
    NotebookClient(done, timeout=600, resources={"metadata": {"path": str(notebook.parent)}}).execute()
    return done


def sentences(notebook: nbformat.NotebookNode) -> list[str]:
    """What the chapter's cells say, without times."""
    cells = [cell for cell in notebook.cells[2:] if cell.cell_type == "code"]
    said = [
        output.data["text/markdown"]
        for cell in cells
        for output in cell.outputs
        if "text/markdown" in output.get("data", {})
    ]
    return [TIMES.sub("", text) for text in said]


def test_a_chapter_runs_in_an_empty_folder_and_reaches_the_numbers_of_the_page(
    site, smoke, address, browser, elsewhere, tmp_path, monkeypatch
):
    plain = download(browser, f"{address}/book/teacher.html", ".ipynb", tmp_path)
    before = download(browser, f"{address}/book/teacher.html", ".ipynb with outputs", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["teacher-with-outputs.ipynb", "teacher.ipynb"]
    here = run(plain, elsewhere, monkeypatch)
    assert len(sentences(here)) == 6 and sentences(here) == sentences(nbformat.read(before, as_version=4))
    trained = {run.key: run for run in Store(tmp_path / ".runs")}
    expected = [smoke.get_or_train(arm) for arm in ("teacher", "linear", "linear-taught")]
    assert set(trained) == {run.key for run in expected}
    for run_of_page in expected:
        pd.testing.assert_frame_equal(trained[run_of_page.key].predictions, run_of_page.predictions)
    said = " ".join(str(output) for cell in here.cells for output in cell.get("outputs", []))
    assert "run 1 of 1" in said and "stderr" not in said
    where = [elsewhere / "bin" / "python", "-c", "import kdbook; print(kdbook.__file__)"]
    installed = subprocess.run(where, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert installed.stdout.startswith(str(elsewhere))


def test_a_published_site_has_the_runs_of_its_pages(site, smoke, tmp_path):
    store = Store(tmp_path)
    archive.import_runs(site / FOLDER / RUNS, store)
    assert {run.key for run in store} == {run.key for _, run in smoke.completed_runs()}
    notebook = nbformat.read(site / FOLDER / "teacher.ipynb", as_version=4)
    assert "QUICK = False" in notebook.cells[1].source


def test_all_chapters_come_in_one_file_and_hold_no_myst(site, tmp_path):
    with zipfile.ZipFile(site / FOLDER / ALL_CHAPTERS) as archive:
        archive.extractall(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(CHAPTERS)
    for path in tmp_path.iterdir():
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert not re.search(r"\{[\w:-]+\}`|^[:`]{3,}\{", text, re.MULTILINE)
        assert not any(cell.get("outputs") for cell in notebook.cells)
        outputs = nbformat.read(site / FOLDER / f"{path.stem}{WITH_OUTPUTS}.ipynb", as_version=4)
        assert any(cell.get("outputs") for cell in outputs.cells)


def test_a_chapter_that_is_read_again_keeps_its_outputs_and_the_site_its_pages(site, project, smoke_store):
    """Its page then comes from the cache, and MyST-NB writes the notebook without them."""
    notebook = site / FOLDER / f"reproduce{WITH_OUTPUTS}.ipynb"
    before = sentences(nbformat.read(notebook, as_version=4))
    with (project / "book" / "reproduce.md").open("a", encoding="utf-8") as chapter:
        chapter.write("\nOne more sentence.\n")
    done = build(project, smoke_store)
    assert done.returncode == 0 and executed(done) == set()
    assert "One more sentence." in notebook.read_text("utf-8")
    assert sentences(nbformat.read(notebook, as_version=4)) == before != []
    sitemap = (site / "sitemap.xml").read_text("utf-8")
    assert all(f"/book/{name}.html</loc>" in sitemap for name in CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_runs_elsewhere_and_finds_the_runs_of_the_page(
    site, smoke_store, elsewhere, tmp_path, monkeypatch, chapter
):
    """With the package of the site's wheel, and the runs that the page was made from: their keys are the same."""
    with zipfile.ZipFile(site / FOLDER / ALL_CHAPTERS) as archive:
        archive.extract(f"{chapter}.ipynb", tmp_path)
    done = run(tmp_path / f"{chapter}.ipynb", elsewhere, monkeypatch, store=smoke_store)
    assert not re.search(r"<progress|trained \d+ of", str([cell.get("outputs") for cell in done.cells]))
    assert sentences(done) == sentences(
        nbformat.read(site / FOLDER / f"{chapter}{WITH_OUTPUTS}.ipynb", as_version=4)
    )
