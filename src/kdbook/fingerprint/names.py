"""What the names in a module of this package stand for, found without importing it."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
SOURCE = "__file__"  # reading a module's file makes its whole text a dependency
DATA = "./"  # marks a data file in a name such as ``kdbook.data.generated.corpus:./lexicon.toml``

Scope = dict[str, str]  # local name -> qualified name


class Module:
    """One module of the package, parsed: the statements by the names that they bind, and what its names stand
    for.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.folder = name, path.parent
        body = ast.parse(path.read_text("utf-8")).body
        self.imports, self.foreign = imported(body, name), foreign(body)
        self.nodes: dict[str, list[ast.stmt]] = {}
        for node in body:
            for bound, statement in _bound(node):
                self.nodes.setdefault(bound, []).append(statement)
        self.scope = self.imports | {local: f"{name}.{local}" for local in self.nodes}


def resolve(name: str) -> str | None:
    """The definition or module behind a name, re-exports followed; None if there is none."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        module, rest = split(name)
        if not _path(module):
            return None
        if not rest or rest == SOURCE:
            return name
        code = parsed(module)
        if rest in code.nodes:
            return name
        if rest not in code.imports:
            return None
        name = code.imports[rest]
    return None


def split(name: str) -> tuple[str, str]:
    """Module, and definition or data file in it; the second is empty where the name is a module's."""
    module, _, data = name.partition(":")
    if data:
        return module, data
    parent, _, last = name.rpartition(".")
    if _path(parent):
        code = parsed(parent)
        if last in code.nodes or code.imports.get(last, name) != name:
            return parent, last  # as in Python, a name that a package binds hides the module of that name
    return (name, "") if _path(name) else (parent, last)


def dotted(node: ast.expr, scope: Scope) -> str | None:
    """The qualified name that ``name``, ``module.name`` or ``package.module.name`` stands for."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, scope)
        return f"{base}.{node.attr}" if base and not split(base)[1] else None
    return None


def imported(nodes: Iterable[ast.AST], module: str) -> Scope:
    """Local name -> qualified name of what import statements of a module bring in from this package."""
    names: Scope = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            if is_ours(base):
                names |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if is_ours(alias.name):
                    names[alias.asname or PACKAGE] = alias.name if alias.asname else PACKAGE
    return names


def foreign(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Local name -> package of what import statements bring in from other packages."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and not node.level and not is_ours(node.module or ""):
            package = (node.module or "").partition(".")[0]
            found |= {alias.asname or alias.name: package for alias in node.names}
        elif isinstance(node, ast.Import):
            packages = [alias.name.partition(".")[0] for alias in node.names]
            names = (alias.asname or alias.name.partition(".")[0] for alias in node.names)
            found |= {
                name: package for name, package in zip(names, packages, strict=True) if package != PACKAGE
            }
    return found


def is_ours(module: str) -> bool:
    """Whether a module belongs to this package."""
    return module.partition(".")[0] == PACKAGE


def root() -> Path:
    """The folder of the package."""
    spec = find_spec(PACKAGE)
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def path_of(module: str) -> Path:
    """The file of a module of this package."""
    path = _path(module)
    if not path:
        raise ValueError(f"{PACKAGE} has no module {module!r}")
    return path


def parsed(module: str) -> Module:
    """A module of this package; parsed again when its file changed."""
    path = path_of(module)
    return _parsed(module, path, path.stat().st_mtime_ns)


def _bound(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """The names that a statement at the top level of a module binds, each with the part that defines it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            values = node.value.elts if isinstance(node.value, ast.Tuple) else []
            if isinstance(target, ast.Tuple) and len(target.elts) == len(values):
                for part, value in zip(target.elts, values, strict=True):
                    yield from _bound(ast.Assign([part], value))
            else:
                yield from ((part.id, node) for part in ast.walk(target) if isinstance(part, ast.Name))
    elif isinstance(node, ast.If | ast.Try | ast.With):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from ((name, node) for name, _ in _bound(child))


def _absolute(node: ast.ImportFrom, module: str) -> str:
    """The module that ``from … import`` names, seen from ``module``."""
    path = _path(module)
    is_package = path is not None and path.name == "__init__.py"
    parts = module.split(".")
    parents = parts[: len(parts) - node.level + is_package] if node.level else []
    return ".".join([*parents, *filter(None, [node.module])])


@cache
def _path(module: str) -> Path | None:
    if not is_ours(module):
        return None
    base = root().joinpath(*module.split(".")[1:])
    return next((path for path in (base / "__init__.py", Path(f"{base}.py")) if path.is_file()), None)


@cache
def _parsed(module: str, path: Path, modified: int) -> Module:
    return Module(module, path)
