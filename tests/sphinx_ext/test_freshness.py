"""Which change gives which chapter a new fingerprint."""

import os
from pathlib import Path

import pytest

from kdbook import chapters, profile, study
from kdbook.sphinx_ext import freshness
from kdbook.store import Store

CHAPTER = """# Title

```{code-cell} ipython3
:tags: [remove-input]

from kdbook import evaluate, study
book = study.open_study()
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: a
---
table = evaluate.by_run(CALL)
```
"""


@pytest.fixture
def fingerprint(monkeypatch, tmp_path):
    """The fingerprint of a chapter that calls ``CALL``, for a changed smoke profile."""

    def compute(call: str, **changes) -> str | None:
        settings = profile.load("smoke").model_copy(update=changes)
        monkeypatch.setattr(freshness, "current_study", lambda: study.Study(settings, Store(tmp_path)))
        freshness._dependencies.cache_clear()
        found = freshness._dependencies(CHAPTER.replace("CALL", call))
        return found and chapters.fingerprint(found)

    yield compute
    freshness._dependencies.cache_clear()


@pytest.mark.parametrize("text", [CHAPTER, CHAPTER.replace(":tags: [remove-input]\n", "---\ntags: [remove-input]\n---\n")])
def test_the_stamp_goes_into_the_first_cell(fingerprint, text):
    expected = fingerprint('book.run("teacher")')
    texts = [text.replace("CALL", 'book.run("teacher")')]
    freshness.stamp(None, "chapter", texts)
    before, _, after = texts[0].partition("kdbook_fingerprint: ")
    assert before.count("```{code-cell}") == 1 and "remove-input" in after
    assert expected == after.split("\n")[0]


def test_settings_that_name_paths_become_absolute_and_others_stay(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").mkdir()  # a folder that happens to have the name of a profile
    (tmp_path / "rows").mkdir()
    for setting, value in (("KDBOOK_PROFILE", "smoke"), ("KDBOOK_DATA", "rows"), ("KDBOOK_STORE", "~/store")):
        monkeypatch.setenv(setting, value)
    freshness._make_paths_absolute()
    assert os.environ["KDBOOK_PROFILE"] == "smoke"
    assert os.environ["KDBOOK_DATA"] == str(tmp_path / "rows")
    assert os.environ["KDBOOK_STORE"] == str(Path.home() / "store")
