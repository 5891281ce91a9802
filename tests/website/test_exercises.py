"""Every chapter has an exercise whose solution runs on stored predictions, and says something."""

import re
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from helpers import CHAPTERS

from kdbook.website.chapters import CELL, OPTIONS

BOOK = Path(__file__).parents[2] / "book"
SOLUTION = re.compile(r"^:::\{dropdown\} Solution\n(?P<text>.*?)^:::$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS = 60
WITHOUT_EXERCISES = {"index", "reproduce"}


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name not in WITHOUT_EXERCISES])
def test_a_solution_runs_below_the_first_cell(smoke_store, monkeypatch, chapter):
    monkeypatch.setenv("KDBOOK_PROFILE", "smoke")
    monkeypatch.setenv("KDBOOK_STORE", str(smoke_store))
    text = (BOOK / f"{chapter}.md").read_text("utf-8")
    first = next(match["code"] for match in CELL.finditer(text) if "open_study()" in match["code"])
    solutions = [
        block["code"] for solution in SOLUTION.finditer(text) for block in CODE.finditer(solution["text"])
    ]
    assert solutions
    for solution in solutions:
        variables: dict[str, object] = {}
        exec(OPTIONS.sub("", first, count=1), variables)
        start = time.process_time()
        with redirect_stdout(StringIO()) as printed:
            exec(solution, variables)
        assert printed.getvalue().strip() and time.process_time() - start < SECONDS
