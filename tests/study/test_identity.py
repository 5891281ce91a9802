"""What changes the key of every run, and what does not: tried on copies of the package."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdbook import fingerprint
from kdbook.fingerprint import names
from kdbook.study import identity
from kdbook.website import chapters

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "kdbook"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, whose code is looked at in place of the installed one."""
    copy = Path(
        shutil.copytree(
            PACKAGE, tmp_path / "kdbook", ignore=shutil.ignore_patterns("*.safetensors", "__pycache__")
        )
    )
    monkeypatch.setattr(names, "root", lambda: copy)
    forget()
    yield copy
    monkeypatch.undo()
    forget()


def forget() -> None:
    for cached in (names._path, names._parsed, fingerprint._parsed_definition):
        cached.cache_clear()


def digest() -> str:
    forget()
    return fingerprint.digest(*identity.DECIDING)


def replace(package: Path, file: str, old: str, new: str) -> None:
    text = (package / file).read_text("utf-8")
    assert old in text, (file, old)
    (package / file).write_text(text.replace(old, new), "utf-8")


def move(package: Path, module: str, target: str) -> None:
    """Move a module to another package, and adjust every import of it."""
    source = package / f"{module.replace('.', '/')}.py"
    source.rename(package / f"{target.replace('.', '/')}.py")
    (old_package, _, name), (new_package, _, new_name) = (
        f"kdbook.{path}".rpartition(".") for path in (module, target)
    )
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8").replace(f"kdbook.{module} ", f"kdbook.{target} ")
        line = re.compile(rf"^( *)from {re.escape(old_package)} import (.*\b{name}\b.*)$", re.MULTILINE)

        def adjusted(match: re.Match[str]) -> str:
            others = [part.strip() for part in match[2].split(",") if part.strip() != name]
            moved = f"{match[1]}from {new_package} import {new_name} as {name}"
            return "\n".join(
                [moved, *([f"{match[1]}from {old_package} import {', '.join(others)}"] if others else [])]
            )

        path.write_text(line.sub(adjusted, text), "utf-8")


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("training.pretokenized", "encoders.pretokenized"),
        ("training.teacher_outputs", "store.outputs_of_teachers"),
        ("training.automm", "settings.learner"),
        ("training.resume", "execution.resume"),
        ("data.audit", "data.checks"),
    ],
)
def test_moving_a_module_changes_no_key(package, module, target):
    before = digest()
    move(package, module, target)
    roots = [root.replace(f"kdbook.{module}.", f"kdbook.{target}.") for root in identity.DECIDING]
    forget()
    assert fingerprint.digest(*roots) == before


NOT_DECIDING = [
    ("training/timing.py", "TURNS = 3", "TURNS = 4"),
    ("settings/machine.py", 'CLEAR_PEAK.write_text("5")', 'CLEAR_PEAK.write_text("6")'),
    ("training/measure.py", "cores=os.cpu_count()", "cores=1"),
    ("training/automm.py", '"lightning.pytorch", "autogluon"', '"lightning.pytorch", "autogluon", "ray"'),
    ("training/run.py", "predictor_bytes=sum", "predictor_bytes=1 + sum"),
    ("training/resume.py", "self.interruptions = 0", "self.interruptions = 1"),
    ("training/fit.py", "Compute on this number", "Use this number"),
    ("training/teacher_outputs.py", "the teacher's outputs are not finite", "some outputs are not finite"),
    ("store/run.py", 'MANIFEST = "manifest.json"', 'MANIFEST = "files.json"'),
    ("store/run.py", "os.fsync(file.fileno())", "pass"),
    ("data/dataset.py", "def sizes(self)", "def counts(self)"),
]
DECIDING = [
    ("training/automm.py", '"accuracy": "accuracy"', '"accuracy": "f1"'),
    ("training/predict.py", "TRAIN_ITEMS_PREDICTED = 500", "TRAIN_ITEMS_PREDICTED = 400"),
    ("training/teacher_outputs.py", "BATCH = 128", "BATCH = 64"),
    ("training/teacher_outputs.py", "np.roll(same, 1)", "np.roll(same, 2)"),
    ("training/lessons.py", 'teaching.lesson == "shuffled"', 'teaching.lesson != "shuffled"'),
    ("training/pretokenized.py", "shuffle=True", "shuffle=False"),
    ("training/resume.py", "torch.set_rng_state(state", "torch.set_rng_state(1 + state"),
    (
        "data/audit.py",
        'TEXTS = ("sentence1", "sentence2")',
        'TEXTS = ("sentence1", "sentence3")',
    ),  # behind a re-export
]


@pytest.mark.parametrize(("file", "old", "new"), NOT_DECIDING)
def test_what_is_measured_or_said_beside_a_result_changes_no_key(package, file, old, new):
    before = digest()
    replace(package, file, old, new)
    assert digest() == before


@pytest.mark.parametrize(("file", "old", "new"), DECIDING)
def test_what_decides_a_result_changes_the_key(package, file, old, new):
    before = digest()
    replace(package, file, old, new)
    assert digest() != before


def test_a_function_behind_a_relative_import_changes_the_key(package):
    replace(
        package,
        "training/fit.py",
        "from kdbook.data import inputs, texts",
        "from ..data import inputs, texts",
    )
    before = digest()
    replace(package, "data/audit.py", "if column in rows.columns", "if column in set(rows.columns)")
    assert digest() != before


def test_the_readable_map_names_the_definition_that_changed(package):
    forget()
    before = fingerprint.definitions(identity.DECIDING)
    replace(package, "training/teacher_outputs.py", "BATCH = 128", "BATCH = 64")
    forget()
    after = fingerprint.definitions(identity.DECIDING)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"kdbook.training.teacher_outputs.BATCH"}


def code_of(chapter: str) -> dict[str, str]:
    """What the cells of a chapter depend on."""
    forget()
    text = (ROOT / "book" / f"{chapter}.md").read_text("utf-8")
    code = "\n".join(chapters.OPTIONS.sub("", cell["code"], count=1) for cell in chapters.CELL.finditer(text))
    return fingerprint.definitions(fingerprint.used_names(code))


@pytest.mark.training
@pytest.mark.parametrize(
    ("edit", "chapter", "other"),
    [
        (
            lambda package: replace(package, "export/model-card.md", "## Limits", "## Limitations"),
            "deployment",
            "teacher",
        ),
        (
            lambda package: replace(package, "export/student.py", "An exported student", "A student"),
            "deployment",
            "teacher",
        ),
        (
            lambda package: replace(package, "data/statistics.py", "text.lower()", "text.casefold()"),
            "data",
            "deployment",
        ),
    ],
)
def test_a_data_file_or_source_that_a_chapter_reads_counts(
    package, edit: Callable[[Path], None], chapter, other
):
    before, untouched = code_of(chapter), code_of(other)
    edit(package)
    assert code_of(chapter) != before
    assert code_of(other) == untouched


def test_a_data_file_of_the_corpus_changes_the_origin_of_the_rows(package):
    forget()
    before = fingerprint.digest(identity.LOADING)
    replace(package, "data/generated/lexicon.toml", '"Adam"', '"Adrian"')
    forget()
    assert fingerprint.digest(identity.LOADING) != before
