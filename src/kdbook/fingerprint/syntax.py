"""Syntax trees reduced to what decides a result."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kdbook.fingerprint import names
from kdbook.fingerprint.names import Scope

PLAIN_PATH = re.compile(r"\w[\w./-]{0,99}(?<!\.py)")
# Folders of data whose content reaches a result as a value (settings of a profile, hash of a checkpoint).
KNOWN_BY_VALUE = ("profiles", "checkpoints")


class Normalizer:
    """Writes syntax as text reduced to what decides a result, in which names of the package are numbered
    references.

    The text is the same for every Python version: empty fields and contexts are left out.
    """

    def __init__(
        self,
        module: str,
        scope: Scope,
        folder: Path | None = None,
        own_names: Iterable[str] = (),
        foreign: Mapping[str, str] | None = None,
    ) -> None:
        self.module, self.scope, self.folder, self.own_names = module, scope, folder, set(own_names)
        self.references: dict[str, int] = {}
        self.foreign = dict(foreign or {})
        self.packages: set[str] = set()  # other packages that the statements use
        self.in_class = False

    def normalize(self, nodes: Iterable[ast.stmt]) -> str:
        """Some statements as text; the names that they refer to are added to ``references``, in order."""
        nodes = list(nodes)
        self.scope = self.scope | names.imported(_all_statements(nodes), self.module)
        return "\n".join(text for node in nodes if (text := self._text(node)))

    def _text(self, node: ast.AST) -> str:
        """A node as text, empty for one that does not count."""
        writer: Callable[[ast.AST], str] | None = getattr(self, f"_text_of_{type(node).__name__}", None)
        return writer(node) if writer else self._of_fields(node)

    def _of_fields(self, node: ast.AST, **replaced: Any) -> str:
        """A node by its fields, some of them replaced."""
        parts = []
        for name in node._fields:
            text = self._value(replaced[name] if name in replaced else getattr(node, name, None))
            if text and name != "ctx":
                parts.append(f"{name}={text}")
        return f"{type(node).__name__}({', '.join(parts)})"

    def _value(self, value: Any) -> str:
        """The value of a field as text, empty for one that is left out."""
        if isinstance(value, list):
            texts = (self._text(each) if isinstance(each, ast.AST) else repr(each) for each in value)
            kept = ", ".join(filter(None, texts))
            return f"[{kept}]" if kept else ""
        if isinstance(value, ast.AST):
            return self._text(value)
        return "" if value is None else repr(value)

    def _text_of_FunctionDef(self, node: ast.FunctionDef) -> str:  # noqa: N802  # the name of the node's class
        """A function without its name (at the top level), docstring and annotations."""
        return self._definition(node, in_class=False, returns=None)

    _text_of_AsyncFunctionDef = _text_of_FunctionDef  # noqa: N815

    def _text_of_arg(self, node: ast.arg) -> str:
        """A parameter without its annotation."""
        return self._of_fields(node, annotation=None)

    def _text_of_ClassDef(self, node: ast.ClassDef) -> str:  # noqa: N802
        """A class without its name (at the top level) and docstring; annotations of its fields stay."""
        return self._definition(node, in_class=True)

    def _text_of_AnnAssign(self, node: ast.AnnAssign) -> str:  # noqa: N802
        """An annotated variable as a plain one, but for the fields of a class."""
        if self.in_class:
            return self._of_fields(node)
        return self._of_fields(ast.Assign([node.target], node.value)) if node.value else ""

    def _text_of_Raise(self, node: ast.Raise) -> str:  # noqa: N802
        """That an error is raised counts, what it says does not."""
        return "Raise()"

    def _text_of_Import(self, node: ast.Import) -> str:  # noqa: N802
        """Imports of this package are followed by the names that they bind."""
        self.packages |= {*names.foreign([node]).values()}
        others = [alias for alias in node.names if not names.is_ours(alias.name)]
        return self._of_fields(node, names=others) if others else ""

    def _text_of_ImportFrom(self, node: ast.ImportFrom) -> str:  # noqa: N802
        """As for ``import``."""
        self.packages |= {*names.foreign([node]).values()}
        return "" if node.level or names.is_ours(node.module or "") else self._of_fields(node)

    def _text_of_Name(self, node: ast.Name) -> str:  # noqa: N802
        """A name of this package as a reference."""
        if node.id in self.foreign:
            self.packages.add(self.foreign[node.id])
        if isinstance(node.ctx, ast.Store) and node.id in self.own_names:
            return self._of_fields(node, id="_")
        return self._reference(self.scope.get(node.id)) or self._of_fields(node)

    def _text_of_Attribute(self, node: ast.Attribute) -> str:  # noqa: N802
        """``module.name`` as a reference, like a name."""
        return self._reference(names.dotted(node, self.scope)) or self._of_fields(node)

    def _text_of_Constant(self, node: ast.Constant) -> str:  # noqa: N802
        """A string that names a data file beside the module is a reference to its content as well."""
        if self.folder and isinstance(node.value, str) and _names_data(self.folder, node.value):
            self._number(f"{self.module}:{names.DATA}{node.value}")
        return self._of_fields(node)

    def _reference(self, name: str | None) -> str:
        resolved = names.resolve(name) if name else None
        return f"Name(id='{{{self._number(resolved)}}}')" if resolved else ""

    def _number(self, name: str) -> int:
        return self.references.setdefault(name, len(self.references))

    def _definition(self, node: ast.FunctionDef | ast.ClassDef, in_class: bool, **replaced: Any) -> str:
        name = "_" if node.name in self.own_names else node.name
        has_docstring = ast.get_docstring(node, clean=False) is not None
        body = (node.body[1:] or [ast.Pass()]) if has_docstring else node.body
        was_in_class, self.in_class = self.in_class, in_class
        text = self._of_fields(node, name=name, body=body, **replaced)
        self.in_class = was_in_class
        return text


def _all_statements(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Some statements and all that they contain, without their expressions."""
    for node in nodes:
        yield node
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            yield from _all_statements(getattr(node, field, ()))


def _names_data(folder: Path, text: str) -> bool:
    """Whether a string names a file or folder of data beside a module."""
    if not PLAIN_PATH.fullmatch(text) or text in KNOWN_BY_VALUE:
        return False
    path = folder / text
    return path.is_file() if path.suffix else path.is_dir() and not (path / "__init__.py").is_file()
