"""Code enters a key by its meaning: comments, docstrings and layout do not count, dependencies do."""

from pathlib import Path

import pytest

from kdbook import fingerprint
from kdbook.fingerprint import names
from kdbook.study import identity

FACE = """
from toy.tools import halve as divide
from toy.tools import *  # never followed, and never used here
"""
TRAIN = '''
"""Docstring."""
import toy
from toy import divide, tools
from . import deep
from .deep import inner

RATE, UNUSED = 2, 3

def fit(x: float) -> float:
    """What it does."""
    from .tools import triple
    if x < 0:
        raise ValueError("negative")
    return divide(x) * RATE + tools.double(x) + inner(triple(x)) + deep.constant(x) + len(words())

def words():
    from importlib.resources import files
    return (files(__package__) / "words.txt").read_text()

def plot(x):
    return x

def copy():
    return open(tools.__file__).read()
'''
TOOLS = """
def halve(x):
    return x / 2

def double(x):
    return _twice(x)

def _twice(x):
    return 2 * x

def triple(x):
    return 3 * x

def even(x):
    return x == 0 or odd(x - 1)

def odd(x):
    return x != 0 and even(x - 1)

def unused(x):
    return x
"""
DEEP = """
from ..tools import halve as smaller

def inner(x):
    return smaller(x)

def constant(x):
    return x
"""
WORDS = "one two\n"
FILES = {
    "__init__.py": FACE,
    "train.py": TRAIN,
    "tools.py": TOOLS,
    "deep/__init__.py": DEEP,
    "words.txt": WORDS,
}


class Toy:
    """A package of a few modules that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "toy"
        self.files = dict(FILES)
        self.write()

    def change(self, *changes: tuple[str, str]) -> "Toy":
        """Replace texts wherever they occur."""
        for old, new in changes:
            assert any(old in text for text in self.files.values()), old
            self.files = {name: text.replace(old, new) for name, text in self.files.items()}
        self.write()
        return self

    def write(self) -> None:
        forget()
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def definitions(self, *roots: str) -> dict[str, str]:
        return fingerprint.definitions(roots or ["toy.train.fit"])

    def digest(self, *roots: str) -> str:
        return fingerprint.digest(*(roots or ["toy.train.fit"]))


def forget() -> None:
    for cached in (names._path, names._parsed, fingerprint._parsed_definition):
        cached.cache_clear()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(names, "PACKAGE", "toy")
    yield Toy(tmp_path)
    forget()


def test_it_follows_names_aliases_reexports_relative_imports_and_data_files(toy):
    assert set(toy.definitions()) == {
        "toy.train.fit",
        "toy.train.RATE",
        "toy.train.words",
        "toy.train:./words.txt",
        "toy.tools.halve",
        "toy.tools.double",
        "toy.tools._twice",
        "toy.tools.triple",
        "toy.deep.inner",
        "toy.deep.constant",
    }


NOT_COUNTED = [
    ("What it does.", "Other words."),
    ("def fit(x: float) -> float:", "def fit(x):"),
    ("divide(x) * RATE", "divide( x )  *  RATE"),
    ('ValueError("negative")', 'ValueError("x must not be negative")'),
    ("def plot(x):\n    return x", "def plot(x):\n    return x + 1"),
    ("RATE, UNUSED = 2, 3", "RATE, UNUSED = 2, 4"),
    ("def unused(x):\n    return x", "def unused(x):\n    return 7"),
]
COUNTED = [
    ("RATE, UNUSED = 2, 3", "RATE, UNUSED = 5, 3", "toy.train.RATE"),
    ("2 * x", "3 * x", "toy.tools._twice"),
    ("x / 2", "x / 4", "toy.tools.halve"),  # behind a re-export, and behind a relative import
    ("3 * x", "4 * x", "toy.tools.triple"),  # behind an import inside a function
    ("return smaller(x)", "return smaller(x) + 1", "toy.deep.inner"),
    ("* RATE", "/ RATE", "toy.train.fit"),
    ("inner(triple(x))", "triple(inner(x))", "toy.train.fit"),
    ("one two", "one two three", "toy.train:./words.txt"),
]


@pytest.mark.parametrize("change", NOT_COUNTED)
def test_what_does_not_count(toy, change):
    before = toy.definitions(), toy.digest()
    toy.change(change)
    assert (toy.definitions(), toy.digest()) == before


@pytest.mark.parametrize(("old", "new", "changed"), COUNTED)
def test_what_counts_is_named(toy, old, new, changed):
    before, digest = toy.definitions(), toy.digest()
    after = toy.change((old, new)).definitions()
    assert {name for name in before if before[name] != after[name]} == {changed}
    assert toy.digest() != digest


def test_a_reexport_that_points_elsewhere_counts(toy):
    digest = toy.digest()
    after = toy.change(("import halve as divide", "import double as divide")).definitions()
    assert "toy.tools.double" in after
    assert toy.digest() != digest


@pytest.mark.parametrize(
    "changes",
    [
        [("_twice", "_two_times")],
        [("def fit(", "def train("), ("from .tools", "from toy.tools")],
        [
            ("import halve as divide", "import halve as divide_by_two"),
            ("divide", "split"),
            ("split_by_two", "split"),
        ],
        [("RATE", "SPEED")],
    ],
)
def test_the_digest_does_not_depend_on_names(toy, changes):
    before = toy.digest()
    root = "toy.train.train" if any("def train(" in new for _, new in changes) else "toy.train.fit"
    assert toy.change(*changes).digest(root) == before


def test_the_digest_does_not_depend_on_places(toy):
    before = toy.digest()
    toy.files["parts/helpers.py"] = toy.files["tools.py"]
    toy.files["parts/__init__.py"] = ""
    toy.files["tools.py"] = ""
    toy.change(
        ("from toy.tools import halve", "from toy.parts.helpers import halve"),
        ("from toy.tools import *", ""),
        ("from toy import divide, tools", "from toy import divide\nfrom toy.parts import helpers as tools"),
        ("from .tools import", "from toy.parts.helpers import"),
        ("from ..tools import", "from ..parts.helpers import"),
    )
    assert toy.digest() == before


def test_cycles_have_a_digest_that_does_not_depend_on_names(toy):
    even, odd = toy.digest("toy.tools.even"), toy.digest("toy.tools.odd")
    assert even != odd
    toy.change(("odd", "uneven"))
    assert (toy.digest("toy.tools.even"), toy.digest("toy.tools.uneven")) == (even, odd)
    toy.change(("x != 0", "x != 1"))
    assert toy.digest("toy.tools.even") != even


def test_reading_the_source_of_a_module_makes_all_of_it_count(toy):
    before = toy.definitions("toy.train.copy")
    after = toy.change(("\ndef unused(x):", "\n# a comment\ndef unused(x):")).definitions("toy.train.copy")
    assert before["toy.tools.__file__"] != after["toy.tools.__file__"]


def test_an_unknown_root_is_an_error():
    with pytest.raises(ValueError, match=r"kdbook\.nothing"):
        fingerprint.digest("kdbook.nothing")


def test_names_used_by_cells():
    code = (
        "from kdbook import open_study\nfrom kdbook.pages import tables\nfrom kdbook.data import load\n"
        "open_study()\ntables.summary_table({})\nprint(load)"
    )
    assert fingerprint.used_names(code) == {
        "kdbook.execution.schedule.open_study",
        "kdbook.pages.tables.summary_table",
        "kdbook.data.load.load",
    }


def test_what_decides_a_result_is_training_and_nothing_else():
    modules = {name.rsplit(".", 1)[0] for name in identity.code_map()}
    assert modules == {
        "kdbook.data.audit",
        "kdbook.data.dataset",
        "kdbook.hashing",
        *(
            f"kdbook.training.{name}"
            for name in (
                "automm",
                "fit",
                "lessons",
                "predict",
                "pretokenized",
                "resume",
                "teacher_outputs",
            )
        ),
    }


def test_data_files_of_the_package_are_followed():
    reached = fingerprint.definitions(["kdbook.export.onnx_export.export_student", identity.LOADING])
    assert "kdbook.export.report:./model-card.md" in reached
    assert "kdbook.export.student.__file__" in reached
    files = {name for name in reached if name.startswith("kdbook.data.generated.corpus:")}
    assert files == {f"kdbook.data.generated.corpus:./{name}.toml" for name in ("study_patterns", "lexicon")}


def test_every_data_file_of_the_package_reaches_a_fingerprint():
    """By the folder or file that code names, or, for profiles and checkpoints, by the value that is read from it."""
    package = Path(fingerprint.__file__).parents[1]
    modules = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts) for path in package.rglob("*.py")
    ]
    named = {
        Path(package.parent, *module.split(".")[:-1], data)
        for name in fingerprint.definitions(module.removesuffix(".__init__") for module in modules)
        for module, marker, data in [name.partition(f":{names.DATA}")]
        if marker
    }
    by_value = {package / "settings" / "profiles", package / "encoders" / "checkpoints"}
    for path in package.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".typed"):
            assert named & {path, *path.parents} or by_value & {*path.parents}, path
    assert all(path.suffix == ".toml" for path in (package / "settings" / "profiles").iterdir())
