"""Names that would like to be markup, code or mathematics, on every page of a book and through every sink."""

import csv
import io
import os
import re
from pathlib import Path

import nbformat
import pytest
from changes import copy_project, without_own_data
from helpers import CHAPTERS, build, kdbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sinks import NAMES, SINKS

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("KDBOOK_CASES", "20"))  # the nightly tests set 1000
NAMES_EACH = 50
CLASSES = [
    "{{ cycler.__init__.__globals__.os.getcwd() }}",
    "<b onclick=window.hacked=1>bold</b>",
    "$1^$",
    "_other",
    "负面",
    'a--b "c" ... it\'s',
    "long " * 40 + "end",
]
LANGUAGES = ["{{x}}", "$de$"]
TEXT, LABEL, LANGUAGE = "te*x*t", "la|<u>bel</u>", "{doc}`index`"


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(NAMES, min_size=NAMES_EACH, max_size=NAMES_EACH, unique=True))
def send_through_every_sink(tally, recwarn, names):
    for name, shown in SINKS.items():
        for written, seen in zip(names, shown(names), strict=True):
            with tally.trial(f"any name through the sink: {name}"):
                assert seen == written
    assert not recwarn.list


def test_every_sink_gives_the_same_characters_back(tally, recwarn):
    send_through_every_sink(tally, recwarn)


@pytest.fixture(scope="module")
def odd_site(tmp_path_factory):
    """A site about rows whose classes, languages, columns and file have such names."""
    folder = tmp_path_factory.mktemp("odd")
    project = copy_project(ROOT, folder / "project")
    without_own_data(project)
    rows = [
        {TEXT: f"{word} {language} {number}", LABEL: CLASSES[number % len(CLASSES)], LANGUAGE: language}
        for language in LANGUAGES
        for number, word in enumerate(["one", "two", "three"] * 40)
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    (project / "rows *x* {{y}} $z$.csv").write_text(text.getvalue(), "utf-8", newline="")
    options = ("--text", TEXT, "--label", LABEL, "--language", LANGUAGE, "--base", "smoke")
    data = str(project / "rows *x* {{y}} $z$.csv")
    kdbook("new", str(project / "odd"), "--data", data, *options, store=folder / "store")
    done = build(project, folder / "store", KDBOOK_PROFILE="odd.toml")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project / "_build" / "html"


def test_a_book_shows_names_as_they_are(odd_site, browser, tally):
    shown = ""
    for chapter in CHAPTERS:
        page = browser.new_page()
        page.goto((odd_site / "book" / f"{chapter}.html").as_uri(), wait_until="load")
        assert page.evaluate("window.hacked") is None, chapter
        assert page.locator("article [onclick], article u").count() == 0
        assert page.locator("article .stderr").count() == 0, chapter
        shown += page.locator("article").text_content() or ""
        page.close()
    for name in (*CLASSES, *LANGUAGES, TEXT, LABEL, "rows *x* {{y}} $z$.csv"):
        with tally.trial("hostile name on the pages"):
            assert name in shown, name


def test_its_notebooks_show_names_as_they_are(odd_site, tally):
    index = nbformat.read(odd_site / "notebooks" / "index-with-outputs.ipynb", as_version=4)
    markdown = "".join(
        output.get("data", {}).get("text/markdown", "")
        for cell in index.cells
        for output in cell.get("outputs", [])
    )
    with tally.trial("hostile names in a notebook"):
        assert "{{" not in markdown and "<b" not in markdown and not re.search(r"\$\d", markdown)
        assert "cycler" in markdown and "负面" in markdown
