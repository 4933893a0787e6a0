"""Reads from the source, without running it, which module imports what.

``modules(folder)`` and ``graph(folder)`` serve the tests beside this file; ``picture.py`` prints what they find.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["SOURCE", "Import", "cycle", "graph", "imported", "modules", "unit"]

SOURCE = Path(__file__).resolve().parents[2] / "src" / "assay"
Moment = Literal["import", "call", "typing"]   # when the module is loaded; when a function runs; never, types only


@dataclass(frozen=True)
class Import:
    """One import: ``source`` imports ``target`` in ``line``; both are dotted module names."""

    source: str
    target: str
    line: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def modules(folder: Path = SOURCE) -> dict[str, Path]:
    """Return every module of the package in ``folder``, by dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (folder.name, *path.relative_to(folder).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph(folder: Path = SOURCE) -> list[Import]:
    """Return every import in the package in ``folder``."""
    known = modules(folder)
    return [each for name, path in known.items() for each in imported(name, path.read_text("utf-8"), known, path.name == "__init__.py")]


def imported(module: str, text: str, known: Iterable[str] = (), is_package: bool = False) -> Iterator[Import]:
    """Yield the imports in ``text``, the source of ``module``; ``known`` tells a submodule from a name in a package."""
    known = set(known)
    for node, moment in _walk(ast.parse(text), "import"):
        if isinstance(node, ast.Import):
            targets = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(module, node, is_package)
            targets = [f"{start}.{each.name}" if f"{start}.{each.name}" in known else start for each in node.names]
        else:
            targets = [_dynamic(node)]
        yield from (Import(module, target, node.lineno, moment) for target in dict.fromkeys(targets) if target)


def unit(module: str) -> str:
    """Return the package or module directly under the top that ``module`` belongs to; the top itself is ``""``.

    >>> unit("assay.data.slice"), unit("assay.errors"), unit("assay")
    ('data', 'errors', '')
    """
    return module.split(".")[1] if "." in module else ""


def cycle(edges: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Return one cycle of a directed graph, first node repeated at the end, or None.

    >>> cycle({"a": ["b"], "b": ["c"], "c": ["b"]}), cycle({"a": ["b", "c"], "b": ["c"]})
    (['b', 'c', 'b'], None)
    """
    done: set[str] = set()
    path: list[str] = []

    def visit(node: str) -> list[str] | None:
        if node in path:
            return [*path[path.index(node):], node]
        if node in done:
            return None
        path.append(node)
        for target in sorted(edges.get(node, ())):
            if found := visit(target):
                return found
        done.add(path.pop())
        return None

    for node in sorted(edges):
        if found := visit(node):
            return found
    return None


def _walk(node: ast.AST, moment: Moment) -> Iterator[tuple[ast.stmt | ast.Call, Moment]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom) or (isinstance(child, ast.Call) and _dynamic(child)):
            yield child, moment
        if isinstance(child, ast.If) and _is_typing(child.test):
            for statement in child.body:
                yield from _walk(ast.Module([statement], []), "typing")
            for statement in child.orelse:
                yield from _walk(ast.Module([statement], []), moment)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _walk(child, "call" if moment == "import" else moment)
        else:
            yield from _walk(child, moment)


def _is_typing(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _absolute(module: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[:len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*parts, node.module] if node.module else parts)


def _dynamic(node: ast.AST) -> str:
    """Return the module that ``import_module("name")`` or ``__import__("name")`` names, else ``""``."""
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return node.args[0].value if name in ("import_module", "__import__") else ""
