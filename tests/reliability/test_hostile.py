"""Data that would like to be code: shown as the text that it is, on every page and in every notebook."""

from pathlib import Path

import nbformat
import pytest
from changes import copy_project
from helpers import CHAPTERS, build

from kdbook.data import corpus

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
def hostile_site(tmp_path_factory, request):
    """A site about rows in which half of the sentences are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    project = copy_project(ROOT, folder / "project")
    rows = corpus.generate({"train": 24, "dev_2k": 10, "test_2k": 20}, seed=3)
    for language, train in (("en", "train"), ("de", "translated_train")):
        (folder / "x-final" / language).mkdir(parents=True)
        for split, frame in rows.items():
            mine = frame[frame["language"] == language][["id", "sentence1", "sentence2", "label"]].reset_index(drop=True)
            for number in range(len(mine)):
                mine.loc[number, f"sentence{1 + number % 2}"] = HOSTILE[number % len(HOSTILE)]
            mine.to_csv(folder / "x-final" / language / f"{train if split == 'train' else split}.tsv", sep="\t", index=False, quoting=3)
    done = build(project, folder / "store", KDBOOK_DATA=str(folder / "x-final"))
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project / "_build" / "html"


def test_no_sentence_runs_as_a_script(hostile_site, browser, tally):
    shown = ""
    for chapter in CHAPTERS:
        page = browser.new_page()
        dialogs: list[str] = []
        page.on("dialog", lambda dialog, found=dialogs: (found.append(dialog.message), dialog.dismiss()))
        page.goto(f"file://{hostile_site}/book/{chapter}.html", wait_until="load")
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None and not dialogs, chapter
        assert page.locator("main iframe, main svg[onload], main img[onerror]").count() == 0
        shown += page.locator("main").text_content() or ""
        page.close()
    for sentence in HOSTILE:
        assert " ".join(sentence.split()) in " ".join(shown.split()), sentence
    tally.count("hostile sentence on the pages", len(HOSTILE), len(HOSTILE))
    for path in (hostile_site / "notebooks").glob("*-with-outputs.ipynb"):
        outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
        html = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
        assert not any(sentence in html for sentence in HOSTILE[:4]), path.name
