"""The book on paper: ``make pdf``."""

import re
import subprocess
import sys

import pytest
from helpers import PAGES, ROOT, building
from pypdf import PdfReader

SOLUTION = re.compile(r"^:::\{dropdown\} Solution\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def pdf(site, project, smoke_store, browser):
    arguments = building(project, smoke_store)
    arguments["args"][-1:] = ["--builder", "custom", "--custom-builder", "singlehtml", "."]
    for command in (arguments["args"], [sys.executable, str(ROOT / "bench" / "pdf.py")]):
        done = subprocess.run(**arguments | {"args": command}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return PdfReader(project / "_build" / "book.pdf")


def without_spaces(text):
    return re.sub(r"\s+", "", text)


def titles(outline):
    """All titles of an outline, without spaces, which a heading of two lines loses."""
    for each in outline:
        if isinstance(each, list):
            yield from titles(each)
        else:
            yield each.title.replace(" ", "")


def test_it_holds_every_page_of_the_book(pdf, project):
    in_outline = "\n".join(titles(pdf.outline))
    for page in PAGES:
        text = (project / "book" / f"{page}.md").read_text("utf-8")
        heading = next(line for line in text.splitlines() if line.startswith("# "))
        assert heading.removeprefix("# ").replace(" ", "") in in_outline


def test_code_is_whole_and_solutions_are_open(pdf, project):
    text = without_spaces("".join(page.extract_text() for page in pdf.pages))
    solutions = [
        code
        for page in PAGES
        for code in SOLUTION.findall((project / "book" / f"{page}.md").read_text("utf-8"))
    ]
    assert solutions
    for code in [(project / "book" / "quickstart.py").read_text("utf-8"), *solutions]:
        assert without_spaces(code) in text


def test_links_between_chapters_stay_within_the_file(pdf):
    addresses = [
        annotation.get_object()["/A"].get("/URI", "")
        for page in pdf.pages
        for annotation in page.get("/Annots", [])
        if "/A" in annotation.get_object()
    ]
    assert addresses and not any(address.startswith("file:") for address in addresses)
