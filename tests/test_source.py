"""Code enters a key by its meaning: comments, docstrings and layout do not count, dependencies do."""

from pathlib import Path

import pytest

from kdbook import source

TRAIN = '''
"""Docstring."""
from toy import tools
from toy.tools import halve as half

RATE = 2

def fit(x):
    """What it does."""
    return half(x) * RATE + tools.double(x)

def plot(x):
    return x
'''
TOOLS = """
def halve(x):
    return x / 2

def double(x):
    return _twice(x)

def _twice(x):
    return 2 * x

def unused(x):
    return x
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package of two modules, and a function that hashes ``toy.train.fit`` after changes to the texts."""
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(source, "PACKAGE", "toy")

    def fingerprints(*changes: tuple[str, str]) -> dict[str, str]:
        source._path.cache_clear()
        source._tree.cache_clear()
        for name, text in (("train", TRAIN), ("tools", TOOLS)):
            for old, new in changes:
                text = text.replace(old, new)
            (package / f"{name}.py").write_text(text)
        return source.fingerprints(["toy.train.fit"])

    yield fingerprints
    source._path.cache_clear()
    source._tree.cache_clear()


def test_it_follows_names_attributes_and_aliases(toy):
    assert list(toy()) == ["toy.tools._twice", "toy.tools.double", "toy.tools.halve", "toy.train.RATE", "toy.train.fit"]


@pytest.mark.parametrize(
    "change",
    [
        ("What it does.", "Other words."),
        ("return half(x) *", "return  half( x )  *"),
        ("return x\n", "return x + 1\n"),
        ("RATE = 2", "RATE = 2\n\n\n"),
    ],
)
def test_what_does_not_count(toy, change):
    before = toy()
    assert toy(change) == before


@pytest.mark.parametrize(
    ("change", "changed"),
    [(("RATE = 2", "RATE = 3"), "toy.train.RATE"), (("2 * x", "3 * x"), "toy.tools._twice"), (("* RATE", "/ RATE"), "toy.train.fit")],
)
def test_what_counts_is_named(toy, change, changed):
    before, after = toy(), toy(change)
    assert {name for name in before if before[name] != after[name]} == {changed}


def test_names_used_by_cells():
    code = "from kdbook import evaluate, study\nfrom kdbook.data.audit import audit\nstudy.open_study()\nevaluate.summary({})\nprint(audit)"
    assert source.used_names(code) == {"kdbook.study.open_study", "kdbook.evaluate.summary", "kdbook.data.audit.audit"}


def test_training_reaches_neither_plots_nor_reports():
    modules = {name.rsplit(".", 1)[0] for name in source.fingerprints(["kdbook.train.train"])}
    assert modules == {
        f"kdbook.{name}" for name in ("train", "prepared", "teacher_outputs", "latency", "memory", "data", "data.audit", "store", "errors")
    }
