"""The fields of a file by name, for some rows: given ones, and derived ones, made when they are first asked for.

A scope looks into the one around it for what it does not have, as an ensemble's members see the fields of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from assay.errors import ModelError
from assay.model.pmml.value import Column, Words

__all__ = ["Scope"]

Array = np.ndarray[Any, Any]


class Scope:
    """``rows`` is how many there are; ``scope[name]`` is a field of them, ``scope.part(index)`` the scope of some of them."""

    def __init__(self, rows: int, columns: Mapping[str, Column], derived: Mapping[str, Callable[[Scope], Column]] | None = None,
                 around: Scope | None = None, index: Array | None = None):
        self.rows, self._columns, self._derived = rows, dict(columns), dict(derived or {})
        self._around, self._index = around, index
        self._working: set[str] = set()

    def __getitem__(self, name: str) -> Column:
        found = self.find(name)
        if found is None:
            raise ModelError(f"the file uses a field '{name}' that it does not define", expected="a whole PMML file")
        return found

    def __setitem__(self, name: str, column: Column) -> None:
        self._columns[name] = column

    def find(self, name: str) -> Column | None:
        """Return a field, or None where there is none of that name."""
        if name in self._columns:
            return self._columns[name]
        if name in self._derived and name not in self._working:   # of its own name it means the one around, if there is one
            self._working.add(name)
            try:
                self._columns[name] = self._derived[name](self)
            finally:
                self._working.discard(name)
            return self._columns[name]
        found = None if self._around is None else self._around.find(name)
        if found is not None and self._index is not None:
            found = Words(found.codes[self._index], found.words) if isinstance(found, Words) else found[self._index]
            self._columns[name] = found
        return found

    def part(self, index: Array) -> Scope:
        """Return the scope of some rows."""
        return Scope(len(index), {}, around=self, index=index)

    def within(self, columns: Mapping[str, Column], derived: Mapping[str, Callable[[Scope], Column]]) -> Scope:
        """Return a scope of the same rows inside of this one."""
        return Scope(self.rows, columns, derived, around=self)
