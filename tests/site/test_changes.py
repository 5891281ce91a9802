"""Every change costs what it must and nothing else, in real builds of the smoke profile."""

from pathlib import Path

import pytest
from changes import CHANGES, EXECUTED, RUNS, Change, Workshop

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Workshop:
    """Built from an empty store, on rows of one's own in the layout of PAWS-X, named by a path relative to the project."""
    shop = Workshop(tmp_path_factory.mktemp("workshop"), ROOT)
    first = shop.build()
    assert first.runs == RUNS and first.chapters == EXECUTED
    page = (shop.project / "_build" / "html" / "book" / "data.html").read_text("utf-8")
    assert "PAWS-X or data in its layout" in page
    shop.keep()
    return shop


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_costs_what_it_must(workshop: Workshop, change: Change):
    built = workshop.make(change)
    assert (built.runs, built.chapters) == (change.runs, change.chapters)
