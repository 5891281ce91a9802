"""Which change gives which chapter a new fingerprint."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from kdbook.settings import environment, profile
from kdbook.store.local import Store
from kdbook.study.study import Study
from kdbook.website import chapters
from kdbook.website.sphinx_ext import freshness
from kdbook.website.sphinx_ext.build import build_of

CHAPTER = """# Title

```{code-cell} ipython3
:tags: [remove-input]

from kdbook import open_study
from kdbook.pages import tables

study = open_study()
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: a
---
tables.run_table(CALL)
```
"""
CALL = 'study.get_or_train("teacher")'


@pytest.fixture
def app(tmp_path) -> SimpleNamespace:
    """What is needed of a Sphinx application whose build shows the smoke profile."""
    app = SimpleNamespace()
    build_of(app).__dict__["study"] = Study(profile.load("smoke"), Store(tmp_path))
    return app


@pytest.mark.parametrize("options", [":tags: [remove-input]\n", "---\ntags: [remove-input]\n---\n"])
def test_the_stamp_goes_into_the_first_cell(app, options):
    text = CHAPTER.replace("CALL", CALL).replace(":tags: [remove-input]\n", options)
    texts = [text]
    freshness.stamp(app, "chapter", texts)
    before, _, after = texts[0].partition("kdbook_fingerprint: ")
    assert before.count("```{code-cell}") == 1 and "remove-input" in after
    assert after.split("\n")[0] == chapters.digest(build_of(app).dependencies(text))


def test_a_build_that_trained_looks_everything_up_again(app, monkeypatch):
    before = build_of(app).study
    assert build_of(app).study is before
    build_of(app).forget()
    monkeypatch.setenv("KDBOOK_PROFILE", "smoke")
    assert build_of(app).study is not before


def test_settings_that_name_paths_become_absolute_and_others_stay(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").mkdir()  # a folder that happens to have the name of a profile
    (tmp_path / "rows").mkdir()
    for setting, value in (("KDBOOK_PROFILE", "smoke"), ("KDBOOK_DATA", "rows"), ("KDBOOK_STORE", "~/store")):
        monkeypatch.setenv(setting, value)
    environment.make_paths_absolute()
    assert os.environ["KDBOOK_PROFILE"] == "smoke"
    assert os.environ["KDBOOK_DATA"] == str(tmp_path / "rows")
    assert os.environ["KDBOOK_STORE"] == str(Path.home() / "store")
