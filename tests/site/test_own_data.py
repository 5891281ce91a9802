"""The book over data of one's own: a hundred reviews of three classes in three languages."""

import re
from pathlib import Path

import nbformat
import pytest
import reviews
from changes import copy_project, without_own_data
from helpers import CHAPTERS, build, executed, kdbook

from kdbook.website.notebooks import FOLDER
from kdbook.website.sphinx_ext.demo import FOLDER as DEMO

ROOT = Path(__file__).parents[2]
OF_PAIRS = re.compile(r"sentence pair|mean the same|same meaning|two sentences", re.IGNORECASE)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The project, built over such a file with a profile that ``kdbook new`` wrote."""
    project = copy_project(ROOT, tmp_path_factory.mktemp("few") / "project")
    without_own_data(project)
    reviews.generate(items=60).head(100).to_json(
        project / "reviews.jsonl", orient="records", lines=True, force_ascii=False
    )
    options = (
        "--data",
        str(project / "reviews.jsonl"),
        "--text",
        "review",
        "--label",
        "mood",
        "--language",
        "language",
    )
    kdbook("new", str(project / "few"), *options, "--base", "smoke", store=project / "store")
    done = build(project, project / "store", KDBOOK_PROFILE="few.toml")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert executed(done) == set(CHAPTERS) - {"own-data"}
    return project / "_build" / "html"


def test_a_hundred_rows_are_too_few_to_tell_and_the_first_page_says_so(few, browser):
    page = browser.new_page()
    page.goto((few / "book" / "index.html").as_uri())
    text = page.inner_text("article")
    assert "inconclusive, since this study is too small" in text
    assert "predict one of 3 classes: bad, fair and good" in text
    assert {"de", "en", "fr", "all"} <= set(page.locator("table").first.inner_text().split())
    page.close()


@pytest.mark.parametrize("chapter", ["index", "data", "teacher", "baseline", "evaluation", "deployment"])
def test_no_page_speaks_of_pairs_of_sentences(few, browser, chapter):
    page = browser.new_page()
    page.goto((few / "book" / f"{chapter}.html").as_uri())
    text = page.inner_text("article")
    allowed = re.sub(
        r"What these models can and cannot show.*?Summary|Exercises.*", "", text, flags=re.DOTALL
    )
    assert not OF_PAIRS.findall(allowed.partition("Where the rows come from")[0])
    page.close()


def test_the_student_is_shipped_and_has_no_demo(few):
    assert not (few / DEMO).exists()
    assert "student-demo" not in "".join(
        re.findall(r"<script[^>]*>", (few / "book" / "index.html").read_text("utf-8"))
    )
    notebook = nbformat.read(few / FOLDER / "deployment-with-outputs.ipynb", as_version=4)
    said = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert "bad" in said and "fair" in said and "good" in said
    assert re.search(r"\*\*(\d+) of \1\*\* test rows", said)


def test_its_notebooks_name_the_profile_as_a_file(few):
    notebook = nbformat.read(few / FOLDER / "index.ipynb", as_version=4)
    assert '"few.toml"' in notebook.cells[1].source
    assert "PAWS-X" not in notebook.cells[2].source
