"""A chapter is outdated exactly when something that its outputs depend on changed, and says what."""

import json
from pathlib import Path

import pytest
from helpers import ROOT

from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study
from kdbook.website import chapters

CHAPTER = """# Title

```{code-cell} ipython3
:tags: [remove-input]

from kdbook import open_study
from kdbook.pages import tables

study = open_study()
tables.run_table(CALL)
```
"""


def opened(tmp_path: Path, **changes) -> Study:
    return Study(profile.load("smoke").model_copy(update=changes), Store(tmp_path))


def dependencies(call: str, some: Study) -> chapters.Dependencies:
    result = chapters.dependencies(CHAPTER.replace("CALL", call), some)
    assert result
    return result


def test_a_page_without_cells_depends_on_nothing(tmp_path):
    assert chapters.dependencies("# Only text", opened(tmp_path)) is None


def test_only_chapters_that_read_a_changed_run_change(tmp_path):
    student = profile.load("smoke").student
    faster = opened(tmp_path, student=student.model_copy(update={"hyperparameters": {"optim.lr": 5e-5}}))
    plain = opened(tmp_path)
    changes = {
        call: chapters.differences(dependencies(call, plain), dependencies(call, faster))
        for call in (
            'study.get_or_train_arms("teacher")',
            'study.get_or_train("baseline-0")',
            "study.get_or_train_arms(arm)",
        )
    }
    assert changes['study.get_or_train_arms("teacher")'] == []
    assert changes['study.get_or_train("baseline-0")'] == ["run baseline-0"]
    assert set(changes["study.get_or_train_arms(arm)"]) == {
        f"run {name}" for name in plain.specs if not name.startswith(("teacher", "linear"))
    }


def test_profile_and_data_count(tmp_path):
    call = 'study.get_or_train_arms("teacher")'
    plain = dependencies(call, opened(tmp_path))
    assert chapters.differences(plain, dependencies(call, opened(tmp_path, name="other"))) == [
        "profile smoke → other"
    ]
    other_rows = opened(tmp_path, data=profile.load("smoke").data.model_copy(update={"seed": 9}))
    assert set(chapters.differences(plain, dependencies(call, other_rows))) == {
        "profile data",
        "data rows",
        "run teacher-0",
        "run linear-0",
        "run linear-taught-0",
    }


def test_kept_results_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    file = tmp_path / "kept" / "some.parquet"
    digests = []
    for content in (b"before", b"after", b"after"):
        file.write_bytes(content)
        found = dependencies('kept.read("some")', opened(tmp_path))["kept results"]
        digests.append(found["some"])
    assert digests[0] != digests[1] == digests[2]


def test_runs_read_by_name_arm_or_all(tmp_path):
    some = opened(tmp_path)
    assert set(chapters.runs_read('study.get_or_train("teacher-0")', some)) == {"teacher-0"}
    assert set(chapters.runs_read('study.get_or_train_arms("baseline")', some)) == {
        "baseline-0",
        "baseline-1",
        "linear-0",
        "linear-taught-0",
    }
    assert set(chapters.runs_read("[study.get_or_train(x) for x in y]", some)) == set(some.specs)
    assert set(chapters.runs_read("study.get_or_train_arms()", some)) == set(some.specs)
    assert chapters.runs_read("1 + 1", some) == {}


def test_status_of_chapters(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: book/teacher\n- file: book/words\n"
    )
    text = CHAPTER.replace("CALL", 'study.get_or_train_arms("teacher")')
    for name, content in (("index", text), ("teacher", text), ("words", "# Words")):
        (tmp_path / "book" / f"{name}.md").write_text(content)
    some = opened(tmp_path / "runs")
    now = dependencies('study.get_or_train_arms("teacher")', some)
    before = {**now, "code": {**now["code"], "kdbook.pages.tables.run_table": "another"}}
    built = tmp_path / chapters.BUILT
    built.parent.mkdir(parents=True)
    built.write_text(json.dumps({"book/teacher": {"dependencies": before, "seconds": 4.0}}))
    index, teacher = chapters.status(tmp_path, some)
    assert (index.name, index.state, index.seconds) == ("book/index", "missing", None)
    assert (teacher.state, teacher.reason, teacher.seconds) == (
        "outdated",
        "code kdbook.pages.tables.run_table",
        4.0,
    )
    built.write_text(json.dumps({"book/teacher": {"dependencies": now, "seconds": 4.0}}))
    assert chapters.status(tmp_path, some)[1].state == "current"


def test_no_book_no_chapters(tmp_path):
    assert chapters.status(tmp_path, opened(tmp_path)) == []


@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("deployment", "onnxruntime"),
        ("choosing", "onnxruntime"),
        ("own-data", "hassil"),
        ("own-data", "home-assistant-intents"),
        ("customization", "nlpaug"),
        ("evaluation", "scipy"),
        ("baseline", "pandas"),
    ],
)
def test_a_chapter_depends_on_the_versions_of_the_packages_that_its_code_reaches(
    tmp_path, monkeypatch, page, package
):
    text = (ROOT / "book" / f"{page}.md").read_text("utf-8")
    some = opened(tmp_path)
    before = chapters.dependencies(text, some)
    installed = chapters.version
    monkeypatch.setattr(chapters, "version", lambda name: "99" if name == package else installed(name))
    assert chapters.differences(before, chapters.dependencies(text, some)) == [f"version of {package}"]


def test_a_chapter_does_not_depend_on_what_its_code_does_not_reach(tmp_path):
    text = (ROOT / "book" / "quickstart.md").read_text("utf-8")
    assert "nlpaug" not in chapters.dependencies(text, opened(tmp_path))["version of"]


def test_a_chapter_depends_on_a_module_beside_it_and_on_what_that_uses(tmp_path, monkeypatch):
    (module := tmp_path / "book" / "fillers.py").parent.mkdir()
    monkeypatch.chdir(tmp_path)
    text, some = CHAPTER.replace("from kdbook import", "import fillers\nfrom kdbook import"), opened(tmp_path)
    found = []
    for code in ("import nlpaug\nnlpaug", "import nlpaug\n1"):
        module.write_text(code)
        found.append(chapters.dependencies(text, some))
    assert chapters.differences(*found) == ["code fillers.py"]
    assert "nlpaug" in found[0]["version of"]
