"""Which code and data files of this package a piece of code depends on, and whether their meaning changed.

A definition is known by its normalized syntax tree: comments, docstrings, layout, annotations of functions
and the messages of exceptions do not count. Dependencies are followed from definition to definition, through
re-exports and relative imports, and to the data files that a definition names, so a new plot does not touch
what training consists of.

Two views of the same graph: :func:`definitions` is a readable map for reports, :func:`digest` is one hash
that depends neither on where a definition lives nor on what it is called.
"""

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kdbook.fingerprint import names
from kdbook.fingerprint.syntax import Normalizer

HASH_LENGTH = 16


@dataclass(frozen=True)
class Definition:
    """A function, class, constant, data file or whole module of the package.

    ``text`` is the normalized syntax tree, in which ``references`` are written as ``{0}``, ``{1}`` and so on;
    ``packages`` are the other packages that it uses.
    """

    text: str
    references: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()

    def filled(self, meanings: Iterable[str]) -> str:
        """Hash of the definition together with what its references stand for, in their order."""
        return _sha("\0".join([self.text, *meanings]))


def definitions(wanted: Iterable[str]) -> dict[str, str]:
    """The definitions that some names depend on, themselves included.

    Parameters
    ----------
    wanted
        Qualified names of definitions or modules, such as ``"kdbook.training.fit.fit"``.

    Returns
    -------
    Hash of each definition by its qualified name, sorted by name. The hash covers the definition and the
    names that it refers to, so a change shows in the definition that was changed and in no other.
    """
    hashes: dict[str, str] = {}
    waiting = [resolved for name in wanted if (resolved := names.resolve(name))]
    while waiting:
        name = waiting.pop()
        if name not in hashes:
            definition = _definition(name)
            hashes[name] = definition.filled(definition.references)
            waiting += definition.references
    return dict(sorted(hashes.items()))


def digest(*wanted: str) -> str:
    """One hash of everything that some names depend on, whatever it is called and wherever it lives.

    Each reference is replaced by the hash of what it stands for (a Merkle tree). Within a cycle, a reference
    to a definition that is being hashed is replaced by its distance on the path from the root.

    Raises
    ------
    ValueError
        If there is no such definition.
    """
    roots = [names.resolve(name) for name in wanted]
    if None in roots:
        raise ValueError(f"no definition is called {wanted[roots.index(None)]!r}")
    known: dict[str, str] = {}
    return _sha("\0".join(_merkle(root, [], known)[0] for root in roots if root))


def used_names(code: str) -> set[str]:
    """Qualified names of this package that free-standing code, such as the cells of a chapter, refers to."""
    return set(_normalized(code).references)


def used_packages(code: str) -> set[str]:
    """Other packages that free-standing code uses, itself or in the definitions that it reaches."""
    normalizer = _normalized(code)
    reached = (_definition(name) for name in definitions(normalizer.references))
    return normalizer.packages.union(*(definition.packages for definition in reached))


def _normalized(code: str) -> Normalizer:
    normalizer = Normalizer("", {})
    normalizer.normalize(ast.parse(code).body)
    return normalizer


def _merkle(name: str, path: list[str], known: dict[str, str]) -> tuple[str, int]:
    """Hash of a definition, and the outermost place on ``path`` that it refers back to."""
    if name in known:
        return known[name], len(path)
    if name in path:
        return f"^{len(path) - path.index(name)}", path.index(name)
    definition = _definition(name)
    parts = [_merkle(reference, [*path, name], known) for reference in definition.references]
    outermost = min((place for _, place in parts), default=len(path))
    filled = definition.filled(part for part, _ in parts)
    if outermost >= len(path):  # the hash does not depend on the way that led here
        known[name] = filled
    return filled, outermost


def _definition(name: str) -> Definition:
    module, rest = names.split(name)
    path = names.path_of(module)
    if rest == names.SOURCE:
        return Definition(_sha(path.read_text("utf-8")))
    if rest.startswith(names.DATA):
        return Definition(_content(path.parent / rest.removeprefix(names.DATA)))
    return _parsed_definition(names.parsed(module), rest)


@cache
def _parsed_definition(module: names.Module, name: str) -> Definition:
    """A definition in a module; all of them for an empty name."""
    chosen = [name] if name else list(module.nodes)
    normalizer = Normalizer(module.name, module.scope, module.folder, chosen, module.foreign)
    text = normalizer.normalize(node for local in chosen for node in module.nodes[local])
    return Definition(text, tuple(normalizer.references), frozenset(normalizer.packages))


def _content(path: Path) -> str:
    """A hash of a data file, or of all files of a folder."""
    inside = path.rglob("*") if path.is_dir() else [path]
    files = sorted(file for file in inside if file.is_file() and "__pycache__" not in file.parts)
    return _sha("\0".join(f"{file.relative_to(path)}\0{_sha_of_bytes(file.read_bytes())}" for file in files))


def _sha(text: str) -> str:
    return _sha_of_bytes(text.encode())


def _sha_of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
