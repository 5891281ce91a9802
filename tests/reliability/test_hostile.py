"""Data that would like to be code: shown as the text that it is, on every page and in every notebook."""

from pathlib import Path

import nbformat
import pytest
from changes import copy_project, without_own_data, write_rows
from helpers import CHAPTERS, build

ROOT = Path(__file__).parents[2]
HOSTILE = [
    "<script>window.hacked = 1</script> Anna wrote to Boris .",
    '<img src="nowhere" onerror="window.hacked = 1"> Anna paid Boris .',
    "</td></tr></table><iframe srcdoc='<script>parent.hacked = 1</script>'></iframe> Anna saw Boris .",
    "<svg onload=window.hacked=1> [link](javascript:window.hacked=1) Anna met Boris .",
    "{{ 7 * 7 }} {% raw %} {glue}`x` {eval-rst} Anna {cite:p}`nobody` Boris .",
    "$x^2$ **bold** `code` <!-- Anna asked Boris . --> &lt;script&gt; &amp;amp;",
]


@pytest.fixture(scope="module")
def hostile_site(tmp_path_factory):
    """A site about pairs with one sentence that joins all hostile ones, each time starting with another:
    whichever pairs the pages show, every hostile sentence is among them."""
    folder = tmp_path_factory.mktemp("hostile")
    project = copy_project(ROOT, folder / "project")
    without_own_data(project)
    write_rows(folder / "x-final")
    for path in (folder / "x-final").rglob("*.tsv"):
        header, *rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
        for number, row in enumerate(rows):
            first = number % len(HOSTILE)
            row[1 + number % 2] = " ".join(HOSTILE[first:] + HOSTILE[:first])
        path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)), "utf-8")
    done = build(project, folder / "store", KDBOOK_DATA=str(folder / "x-final"))
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project / "_build" / "html"


def test_no_sentence_runs_as_a_script(hostile_site, browser, tally):
    shown = ""
    for chapter in CHAPTERS:
        page = browser.new_page()
        dialogs: list[str] = []
        page.on(
            "dialog", lambda dialog, messages=dialogs: (messages.append(dialog.message), dialog.dismiss())
        )
        page.goto(f"file://{hostile_site}/book/{chapter}.html", wait_until="load")
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None and not dialogs, chapter
        assert page.locator("main iframe, main svg[onload], main img[onerror]").count() == 0
        shown += page.locator("main").text_content() or ""
        page.close()
    for sentence in HOSTILE:
        with tally.trial("hostile sentence on the pages"):
            assert " ".join(sentence.split()) in " ".join(shown.split()), sentence
    for path in (hostile_site / "notebooks").glob("*-with-outputs.ipynb"):
        outputs = [
            output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])
        ]
        html = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
        assert not any(sentence in html for sentence in HOSTILE[:4]), path.name
