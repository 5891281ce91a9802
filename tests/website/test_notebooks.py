"""MyST becomes Markdown that any notebook reader renders, and no word of it is lost."""

import re
from pathlib import Path

import nbformat
import pytest
from helpers import CHAPTERS
from hypothesis import given
from hypothesis import strategies as st

from kdbook.errors import KdbookError
from kdbook.website.notebooks import ROLE, NotebookContext, convert, plain

BOOK = Path(__file__).parents[2] / "book"
PAGE = BOOK / "teacher.md"
SITE = NotebookContext(
    title="Book",
    titles={"teacher": "The teacher", "glossary": "Glossary"},
    chapters=CHAPTERS,
    citations={"hinton2015": "Hinton et al., 2015", "park2019": "Park et al., 2019"},
    address="https://example.org",
    setup="import kdbook",
)


@pytest.mark.parametrize(
    ("myst", "markdown"),
    [
        ("See {doc}`teacher`.", "See [The teacher](teacher.ipynb)."),
        ("See {doc}`the\nteacher <teacher>`.", "See [the teacher](teacher.ipynb)."),
        ("{doc}`glossary`", "[Glossary](https://example.org/book/glossary.html)"),
        ("{term}`student`", "[student](https://example.org/book/glossary.html)"),
        ("{cite:p}`hinton2015,park2019`", "(Hinton et al., 2015; Park et al., 2019)"),
        ("(here)=\n# Title", "# Title"),
        (
            ":::{admonition} Mind\n:class: note\nSee {doc}`teacher`.\n:::",
            "> **Mind**\n>\n> See [The teacher](teacher.ipynb).",
        ),
        ("```{warning}\nHot.\n```\nafter", "> **Warning**\n>\n> Hot.\n\nafter"),
        (
            "::::{admonition} Exercise\nWhy?\n\n:::{dropdown} Solution\nSo.\n:::\n::::",
            "> **Exercise**\n>\n> Why?\n>\n> <details>\n> <summary>Solution</summary>\n>\n> So.\n>\n> </details>",
        ),
        ("```python\nx = '{doc}'\n```", "```python\nx = '{doc}'\n```"),
        ("```{math}\nx^2\n```", "$$\nx^2\n$$"),
        ("`on [the] {name}`, and `x`", "`on [the] {name}`, and `x`"),
        ("`a {doc}` {doc}`teacher` ``b ` {doc}``", "`a {doc}` [The teacher](teacher.ipynb) ``b ` {doc}``"),
    ],
)
def test_plain(myst, markdown):
    assert plain(myst, PAGE, SITE) == markdown


def test_included_code_stands_in_the_notebook():
    shown = plain(
        "```{literalinclude} ../src/kdbook/training/fit.py\n:language: python\n:pyobject: fit\n```",
        PAGE,
        SITE,
    )
    assert shown.startswith("```python\ndef fit(") and "return predictor" in shown


@pytest.mark.parametrize("myst", ["{unknown}`x`", "```{unknown}\n```"])
def test_what_has_no_plain_form_stops_the_build(myst):
    with pytest.raises(KdbookError, match=r"teacher\.md: .*unknown"):
        plain(myst, PAGE, SITE)


WORDS = st.lists(st.from_regex(r"[a-zäöüß]{1,9}", fullmatch=True), min_size=1, max_size=6).map(" ".join)


@given(
    st.lists(
        st.one_of(
            WORDS,
            WORDS.map(lambda words: f":::{{note}}\n{words}\n:::"),
            WORDS.map(lambda words: f"```\n{words}\n```"),
        ),
        max_size=5,
    )
)
def test_no_word_is_lost(blocks):
    myst = "\n\n".join(blocks)
    wanted = re.findall(r"[a-zäöüß]+", myst.replace(":::{note}", ""))
    assert re.findall(r"[a-zäöüß]+", plain(myst, PAGE, SITE).replace("> **Note**", "")) == wanted


def test_outputs_come_only_when_asked_for_and_hidden_code_stays_folded():
    output = nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    cell = nbformat.v4.new_code_cell(
        "1 + 1", outputs=[output], metadata={"tags": ["remove-input"], "kdbook_fingerprint": "x"}
    )
    executed = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell])
    for outputs in (False, True):
        notebook = convert(executed, PAGE, SITE, outputs)
        nbformat.validate(notebook)
        *_, last = notebook.cells
        assert bool(last.outputs) == outputs and last.metadata == {"jupyter": {"source_hidden": True}}
        assert notebook.cells[1].source == SITE.setup


def test_the_caption_of_a_figure_follows_its_cell():
    metadata = {"mystnb": {"figure": {"caption": "What it shows."}, "image": {"alt": "A line"}}}
    executed = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("plot()", metadata=metadata)])
    *_, cell, caption = convert(executed, PAGE, SITE, outputs=False).cells
    assert (cell.source, caption.source) == ("plot()", "*What it shows.*")


def test_a_notebook_downloads_the_kept_results_that_it_reads():
    cells = [nbformat.v4.new_code_cell(code) for code in ('kept.read("some")', 'kept.read("others")')]
    notebook = convert(nbformat.v4.new_notebook(cells=cells), PAGE, SITE, outputs=False)
    download = notebook.cells[2].source
    assert "['kept/some.parquet', 'kept/others.parquet']" in download
    assert "https://example.org/notebooks/" in download
    without = convert(nbformat.v4.new_notebook(cells=[]), PAGE, SITE, outputs=False)
    assert len(without.cells) == 2


def test_a_notebook_downloads_the_modules_that_it_imports(monkeypatch, tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "fillers.py").touch()
    monkeypatch.chdir(tmp_path)
    cell = nbformat.v4.new_code_cell("import pandas as pd\nfrom fillers import fill")
    download = convert(nbformat.v4.new_notebook(cells=[cell]), PAGE, SITE, outputs=False).cells[2].source
    addresses = []
    monkeypatch.setattr("urllib.request.urlretrieve", lambda address, file: addresses.append((address, file)))
    exec(download, {})
    assert addresses == [("https://example.org/notebooks/fillers.py", Path("fillers.py"))]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_role_is_left_in_any_chapter(chapter):
    titles = {path.stem: path.stem for path in BOOK.glob("*.md")}
    keys = re.findall(r"@\w+\{(\w+),", (BOOK / "references.bib").read_text("utf-8"))
    site = NotebookContext("Book", titles, CHAPTERS, dict.fromkeys(keys, "cited"), "https://example.org", "")
    page = BOOK / f"{chapter}.md"
    text = re.sub(
        r"\A---\n.*?^---\n|^```\{code-cell\}.*?^```$",
        "",
        page.read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    assert not any(match["name"] for match in ROLE.finditer(plain(text, page, site)))
