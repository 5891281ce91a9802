"""What the outputs of a chapter depend on, and whether they are still those of today's code, runs, data and packages."""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from kdbook import encoders, profile, source, study
from kdbook.store import Record

CELL = re.compile(r"^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?P<code>.*?)^(?P=fence)", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?:^:[^\n]*\n)*)", re.MULTILINE | re.DOTALL)
DISPLAYING_PACKAGES = ("ipykernel", "matplotlib", "myst-nb", "numpy", "pandas", "scipy")
READERS = ("run", "runs", "runs_by_arm")  # methods of a study that read the runs they name
TABLE_OF_CONTENTS = "_toc.yml"
BUILT = Path("_build/.doctrees/chapters.json")  # what jupyter-book's last build executed, written by the Sphinx extension

Dependencies = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Status:
    """Whether the page of a chapter is ``current``, ``missing`` or ``outdated``, why, and the seconds that executing it took."""

    name: str
    state: str
    reason: str
    seconds: float | None


def dependencies(text: str, opened: study.Study) -> Dependencies | None:
    """What the outputs of a chapter depend on, by kind and name, as hashes or versions; None for a page without cells."""
    cells = [OPTIONS.sub("", match["code"], count=1) for match in CELL.finditer(text)]
    if not cells:
        return None
    code = "\n".join(line for cell in cells for line in cell.splitlines() if not line.lstrip().startswith(("%", "!")))
    settings = opened.profile.model_dump(mode="json", include={"name", "description", "primary", "data"})
    settings |= {f"base {name}": profile.text(name) for name in _bases(code)}
    return {
        "code": source.fingerprints(source.used_names(code)),
        "run": runs_read(code, opened),
        "profile": {name: json.dumps(value) for name, value in settings.items()},
        "data": {"rows": opened.data_digest},
        "version of": _versions() | opened.versions | _encoders(),
    }


def fingerprint(found: Dependencies) -> str:
    """A hash of all dependencies."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:20]


def runs_read(code: str, opened: study.Study) -> dict[str, str]:
    """Key and title of the runs that a chapter's cells read, by name; all runs where the code does not say which."""
    tree = ast.parse(code)
    others = _other_studies(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    arguments = [argument for call in calls if _is_reader(call.func, others) for argument in call.args]
    named = {argument.value for argument in arguments if isinstance(argument, ast.Constant)}
    everything = len(named) < len(set(map(ast.dump, arguments)))  # an argument that only the running code knows
    return {
        name: f"{opened.key(spec)} {spec.title}".strip() for name, spec in opened.specs.items() if everything or named & {name, spec.arm}
    }


def _is_reader(function: ast.expr, others: set[str]) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in READERS:
        return False
    return not (isinstance(function.value, ast.Name) and function.value.id in others)


def _bases(code: str) -> set[str]:
    """The shipped profiles on which a chapter builds profiles of its own."""
    keywords = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.keyword) and node.arg == "base")
    return {str(keyword.value.value) for keyword in keywords if isinstance(keyword.value, ast.Constant)}


def _other_studies(tree: ast.AST) -> set[str]:
    """Variables that hold the study of a profile that the chapter names, and not the one that the book is built with."""
    assigned = ((node.targets, node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign))
    opened = ((targets, call) for targets, call in assigned if isinstance(call, ast.Call) and call.args)
    named = (targets for targets, call in opened if ast.unparse(call.func).endswith("open_study"))
    return {target.id for targets in named for target in targets if isinstance(target, ast.Name)}


def differences(before: Dependencies, now: Dependencies) -> list[str]:
    """In words, what changed since a chapter was executed."""
    if before["profile"]["name"] != now["profile"]["name"]:
        return [f"profile {json.loads(before['profile']['name'])} → {json.loads(now['profile']['name'])}"]
    return [
        f"{kind} {name}"
        for kind in now
        for name in sorted(before[kind].keys() | now[kind].keys())
        if before[kind].get(name) != now[kind].get(name)
    ]


def status(root: Path, opened: study.Study) -> list[Status]:
    """Where every chapter of the project in ``root`` stands, compared with its last ``jupyter-book build``."""
    built = _built(root)
    return [
        _status(name, found, built.get(name))
        for name in _names(root)
        if (found := dependencies((root / f"{name}.md").read_text("utf-8"), opened))
    ]


def _status(name: str, now: Dependencies, before: Record | None) -> Status:
    if before is None:
        return Status(name, study.MISSING, "never built", None)
    changes = differences(before["dependencies"], now)
    state = study.OUTDATED if changes else study.CURRENT
    return Status(name, state, "; ".join(changes), before["seconds"] if changes else 0.0)


def _built(root: Path) -> Mapping[str, Any]:
    try:
        return json.loads((root / BUILT).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in DISPLAYING_PACKAGES}


@cache
def _encoders() -> dict[str, str]:
    """The shipped checkpoints, with which a chapter may train a study of its own."""
    return {name: encoders.locate(name).identity for name in encoders.embedded()}


def _names(root: Path) -> list[str]:
    """The pages of the table of contents in reading order, none where there is no book."""
    path = root / TABLE_OF_CONTENTS
    if not path.is_file():
        return []
    contents = yaml.safe_load(path.read_text("utf-8"))
    return [contents["root"], *(entry["file"] for entry in contents["chapters"])]
