"""Syntax trees reduced to what decides a result."""

import ast
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

from kdbook.fingerprint import names
from kdbook.fingerprint.names import Scope

PLAIN_PATH = re.compile(r"\w[\w./-]{0,99}(?<!\.py)")
# Folders of data whose content reaches a result as a value (settings of a profile, hash of a checkpoint).
KNOWN_BY_VALUE = ("profiles", "checkpoints")


class Normalizer(ast.NodeTransformer):
    """Reduces syntax to what decides a result, and replaces names of the package by numbered references."""

    def __init__(
        self, module: str, scope: Scope, folder: Path | None = None, own_names: Iterable[str] = ()
    ) -> None:
        self.module, self.scope, self.folder, self.own_names = module, scope, folder, set(own_names)
        self.references: dict[str, int] = {}
        self.in_class = False

    def normalize(self, nodes: Iterable[ast.stmt]) -> str:
        """Some statements as text; the names that they refer to are added to ``references``, in order."""
        copies = [pickle.loads(pickle.dumps(node)) for node in nodes]  # noqa: S301  # a fast copy
        self.scope = self.scope | names.imported(
            (part for node in copies for part in ast.walk(node)), self.module
        )
        return "\n".join(_dump(changed) for node in copies if (changed := self.visit(node)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function without its name (at the top level), docstring and annotations."""
        node.returns = None
        for part in ast.walk(node.args):
            if isinstance(part, ast.arg):
                part.annotation = None
        return self._stripped(node, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class without its name (at the top level) and docstring; annotations of its fields stay."""
        return self._stripped(node, in_class=True)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """An annotated variable as a plain one, but for the fields of a class."""
        if self.in_class:
            return self.generic_visit(node)
        return self.visit(ast.Assign([node.target], node.value)) if node.value else None

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """That an error is raised counts, what it says does not."""
        return ast.Raise()

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        """Imports of this package are followed by the names that they bind."""
        node.names = [alias for alias in node.names if not names.is_ours(alias.name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Likewise."""
        return None if node.level or names.is_ours(node.module or "") else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A name of this package as a reference."""
        if isinstance(node.ctx, ast.Store) and node.id in self.own_names:
            return ast.Name("_")
        return self._reference(self.scope.get(node.id)) or node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """``module.name`` as a reference, like a name."""
        return self._reference(names.dotted(node, self.scope)) or self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A string that names a data file beside the module is a reference to its content as well."""
        if self.folder and isinstance(node.value, str) and _names_data(self.folder, node.value):
            self._number(f"{self.module}:{names.DATA}{node.value}")
        return node

    def _reference(self, name: str | None) -> ast.AST | None:
        resolved = names.resolve(name) if name else None
        return ast.Name(f"{{{self._number(resolved)}}}") if resolved else None

    def _number(self, name: str) -> int:
        return self.references.setdefault(name, len(self.references))

    def _stripped(self, node: ast.FunctionDef | ast.ClassDef, in_class: bool) -> ast.AST:
        if node.name in self.own_names:
            node.name = "_"
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        was_in_class, self.in_class = self.in_class, in_class
        self.generic_visit(node)
        self.in_class = was_in_class
        return node


def _dump(node: object) -> str:
    """Syntax as text that is the same for every Python version: empty fields and contexts are left out."""
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: getattr(node, name, None) for name in node._fields if name != "ctx"}
    parts = (f"{name}={_dump(value)}" for name, value in fields.items() if value is not None and value != [])
    return f"{type(node).__name__}({', '.join(parts)})"


def _names_data(folder: Path, text: str) -> bool:
    """Whether a string names a file or folder of data beside a module."""
    if not PLAIN_PATH.fullmatch(text) or text in KNOWN_BY_VALUE:
        return False
    path = folder / text
    return path.is_file() if path.suffix else path.is_dir() and not (path / "__init__.py").is_file()
