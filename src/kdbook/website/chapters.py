"""What the outputs of a chapter depend on, and whether they match the code, runs, data and packages of
now.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

import yaml
from pydantic import BaseModel, TypeAdapter

from kdbook import fingerprint
from kdbook.encoders import checkpoints
from kdbook.errors import KdbookError
from kdbook.settings import profile
from kdbook.settings.arms import FLOORS
from kdbook.store.location import project_root
from kdbook.store.run import hash_of
from kdbook.study import kept
from kdbook.study.status import State
from kdbook.study.study import Study

CELL = re.compile(r"^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?P<code>.*?)^(?P=fence)", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?:^:[^\n]*\n)*)", re.MULTILINE | re.DOTALL)
DISPLAYING_PACKAGES = ("ipykernel", "myst-nb")  # of every page; its code uses others
IMPORTED = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)
IMPORT = "import "  # marks a package among the definitions that code reaches
OF_ARMS = "get_or_train_arms"  # which reads the linear models as well
READERS = ("get_or_train", OF_ARMS, "predictor")  # methods of a study that read the runs they name
TABLE_OF_CONTENTS = "_toc.yml"
BOOK = "book"  # the folder of the pages, and of modules that they import
BUILT = Path("_build/.doctrees/chapters.json")  # written by the Sphinx extension after each build

Dependencies = dict[str, dict[str, str]]  # hash or version by kind and name


class BuiltChapter(BaseModel):
    """What a chapter depended on when it was executed, and the seconds that it took."""

    dependencies: Dependencies
    seconds: float | None


@dataclass(frozen=True)
class ChapterStatus:
    """Whether the page of a chapter is current, missing or outdated, why, and the seconds that executing it
    takes.
    """

    name: str
    state: State
    reason: str
    seconds: float | None


def _reached_definitions(code: str) -> dict[str, str]:
    """A hash of each definition of this package that the code of cells reaches, by name; the other packages
    that these use are marked by ``import``.
    """
    packages = {f"{IMPORT}{package}": "" for package in sorted(fingerprint.used_packages(code))}
    return fingerprint.definitions(fingerprint.used_names(code)) | packages


def dependencies(text: str, study: Study) -> Dependencies | None:
    """What the outputs of a chapter depend on, as hashes or versions; None for a page without cells."""
    cells = [OPTIONS.sub("", match["code"], count=1) for match in CELL.finditer(text)]
    if not cells:
        return None
    lines = (line for cell in cells for line in cell.splitlines())
    code = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    modules = local_modules(code)
    definitions = _reached_definitions("\n".join([code, *(path.read_text("utf-8") for path in modules)]))
    packages = [name.removeprefix(IMPORT) for name in definitions if name.startswith(IMPORT)]
    settings = study.profile.model_dump(mode="json", include={"name", "description", "primary", "data"})
    settings |= {f"base {name}": profile.text(name) for name in _bases(code)}
    return {
        "code": definitions | {path.name: hash_of(path) for path in modules},
        "run": runs_read(code, study),
        "profile": {name: json.dumps(value) for name, value in settings.items()},
        "data": {"rows": study.data_digest("all")},
        "kept results": {name: hash_of(kept.locate(name)) for name in kept.names_in(code)},
        "version of": versions_of(packages) | study.versions | _encoders(),
    }


def local_modules(code: str) -> list[Path]:
    """The modules beside the pages that the cells of a chapter import."""
    folder = project_root() / BOOK
    paths = (folder / f"{name}.py" for name in dict.fromkeys(IMPORTED.findall(code)))
    return [path for path in paths if path.is_file()]


def digest(chapter: Dependencies) -> str:
    """A hash of all dependencies."""
    return hashlib.sha256(json.dumps(chapter, sort_keys=True).encode()).hexdigest()[:20]


def runs_read(code: str, study: Study) -> dict[str, str]:
    """Key and title of the runs that a chapter's cells read, by name.

    All runs where the code does not say which.
    """
    tree = ast.parse(code)
    others = _other_studies(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_reader(node.func, others)]
    arguments = [argument for call in calls for argument in call.args]
    names = {argument.value for argument in arguments if isinstance(argument, ast.Constant)}
    if any(isinstance(call.func, ast.Attribute) and call.func.attr == OF_ARMS for call in calls):
        names |= set(FLOORS)
    known_only_when_run = not all(isinstance(argument, ast.Constant) for argument in arguments)
    everything = known_only_when_run or any(not call.args for call in calls)
    return {
        run.spec.name: f"{run.key} {run.spec.title}".strip()
        for run in study.resolved_runs()
        if everything or names & {run.spec.name, run.spec.arm}
    }


def _is_reader(function: ast.expr, others: set[str]) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in READERS:
        return False
    return not (isinstance(function.value, ast.Name) and function.value.id in others)


def _bases(code: str) -> set[str]:
    """The shipped profiles on which a chapter builds profiles of its own."""
    keywords = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.keyword) and node.arg == "base"
    ]
    return {str(keyword.value.value) for keyword in keywords if isinstance(keyword.value, ast.Constant)}


def _other_studies(tree: ast.AST) -> set[str]:
    """Variables that hold the study of a profile that the chapter names, not the one that the book is built
    with.
    """
    names = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if node.value.args and ast.unparse(node.value.func).endswith("open_study"):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def differences(before: Dependencies, now: Dependencies) -> list[str]:
    """In words, what changed since a chapter was executed."""
    name_before, name_now = before["profile"]["name"], now["profile"]["name"]
    if name_before != name_now:
        return [f"profile {json.loads(name_before)} → {json.loads(name_now)}"]
    return [
        f"{kind} {name}"
        for kind in now
        for name in sorted({*before[kind], *now[kind]})
        if before[kind].get(name) != now[kind].get(name)
    ]


def status(root: Path, study: Study) -> list[ChapterStatus]:
    """The state of every chapter of the project in ``root``, compared with its last ``jupyter-book
    build``.
    """
    built = _built(root)
    statuses = []
    for name in page_names(root):
        now = dependencies((root / f"{name}.md").read_text("utf-8"), study)
        if now:
            statuses.append(_status(name, now, built.get(name)))
    return statuses


def _status(name: str, now: Dependencies, built: BuiltChapter | None) -> ChapterStatus:
    if built is None:
        return ChapterStatus(name, State.MISSING, "never built", None)
    changes = differences(built.dependencies, now)
    if not changes:
        return ChapterStatus(name, State.CURRENT, "", 0.0)
    return ChapterStatus(name, State.OUTDATED, "; ".join(changes), built.seconds)


def _built(root: Path) -> Mapping[str, BuiltChapter]:
    try:
        return BUILT_CHAPTERS.validate_json((root / BUILT).read_bytes())
    except (OSError, ValueError):
        return {}


BUILT_CHAPTERS = TypeAdapter(dict[str, BuiltChapter])


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions of packages that are installed, and of those that show every page."""
    distributions = {name for package in packages for name in _distributions().get(package, ())}
    return {name: version(name) for name in sorted({*distributions, *DISPLAYING_PACKAGES})}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def _encoders() -> dict[str, str]:
    """The shipped checkpoints, with which a chapter may train a study of its own."""
    return {name: checkpoints.locate(name).identity for name in checkpoints.embedded()}


def page_names(root: Path) -> list[str]:
    """The pages of the table of contents in reading order, none where there is no book."""
    path = root / TABLE_OF_CONTENTS
    if not path.is_file():
        return []
    try:
        contents = yaml.safe_load(path.read_text("utf-8"))
        parts = contents.get("parts", [contents])
        return [contents["root"], *(entry["file"] for part in parts for entry in part["chapters"])]
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        raise KdbookError(f"{path} is not the table of contents of a book of kdbook") from error
