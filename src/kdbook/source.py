"""Which code of this package a piece of code depends on, and whether its meaning changed.

A definition enters with its syntax tree, without comments, docstrings and layout, so that only a change of meaning
counts. Dependencies are followed from definition to definition: a new plot does not touch what training consists of.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = __name__.partition(".")[0]

Definitions = dict[str, list[ast.stmt]]


def fingerprints(names: Iterable[str]) -> dict[str, str]:
    """A hash of every definition of this package that the named ones consist of.

    Parameters
    ----------
    names
        Qualified names of definitions or modules, such as ``"kdbook.train.fit"``.

    Returns
    -------
    Hash by qualified name, sorted by name, the named definitions included.
    """
    seen: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        if found := _examined(name, _modified(_split(name)[0])):
            seen[name], references = found
            waiting += references
    return dict(sorted(seen.items()))


@cache
def _examined(name: str, modified: int) -> tuple[str, list[str]] | None:
    """Hash of a definition or module and the names of this package that it mentions, None if there is no such thing."""
    module, definition = _split(name)
    nodes = _definitions(module).get(definition) if definition else list(_all(module))
    return (_hash(nodes), _references(nodes, module, _imports(module))) if nodes else None


def _modified(module: str) -> int:
    path = _path(module)
    return path.stat().st_mtime_ns if path else 0


def used_names(code: str) -> set[str]:
    """Qualified names of this package that free-standing code, such as the cells of a chapter, refers to."""
    tree = ast.parse(code)
    return set(_references(tree.body, "", {}))


def _references(nodes: Iterable[ast.AST], module: str, imports: dict[str, str]) -> list[str]:
    """Qualified names of this package that the nodes mention, import statements inside them included."""
    parts = [part for node in nodes for part in ast.walk(node)]
    inside = _imported(parts)
    own = {name: f"{module}.{name}" for name in _definitions(module)} if module else {}
    known = imports | own | inside
    mentioned = [_resolved(part, known) for part in parts if isinstance(part, ast.Attribute | ast.Name)]
    return [name for name in [*inside.values(), *mentioned] if name and _is_definition(name)]


def _resolved(node: ast.expr, known: dict[str, str]) -> str | None:
    """The qualified name that ``name``, ``module.name`` or ``package.module.name`` stands for."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        base = _resolved(node.value, known)
        return f"{base}.{node.attr}" if base and not _split(base)[1] else None
    return None


def _imported(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Local name -> qualified name of what import statements bring in from this package."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == PACKAGE:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {
                alias.asname or PACKAGE: alias.name if alias.asname else PACKAGE
                for alias in node.names
                if alias.name.partition(".")[0] == PACKAGE
            }
    return names


def _split(name: str) -> tuple[str, str]:
    """Module and definition of a qualified name; the definition is empty where the name is a module's."""
    if _path(name):
        return name, ""
    module, _, definition = name.rpartition(".")
    return module, definition


def _is_definition(name: str) -> bool:
    module, definition = _split(name)
    return bool(definition) and bool(_path(module)) and definition in _definitions(module)


@cache
def _path(module: str) -> Path | None:
    if module.partition(".")[0] != PACKAGE:
        return None
    root = find_spec(PACKAGE)
    assert root and root.submodule_search_locations
    base = Path(root.submodule_search_locations[0]).joinpath(*module.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


@cache
def _tree(path: Path, modified: int) -> ast.Module:
    tree = ast.parse(path.read_text("utf-8"))
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
        waiting += [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.expr)]  # no expression has a docstring
    return tree


def _body(module: str) -> list[ast.stmt]:
    path = _path(module)
    return _tree(path, _modified(module)).body if path else []


def _all(module: str) -> Iterator[ast.stmt]:
    for nodes in _definitions(module).values():
        yield from nodes


def _definitions(module: str) -> Definitions:
    """Top-level definitions of a module: functions, classes, assigned names."""
    path = _path(module)
    return _definitions_in(path, _modified(module)) if path else {}


@cache
def _definitions_in(path: Path, modified: int) -> Definitions:
    found: Definitions = {}
    for node in _tree(path, modified).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        found.setdefault(part.id, []).append(node)
    return found


def _imports(module: str) -> dict[str, str]:
    return _imported(_body(module))


def _hash(nodes: list[ast.stmt]) -> str:
    return hashlib.sha256("\n".join(ast.dump(node) for node in nodes).encode()).hexdigest()[:16]
