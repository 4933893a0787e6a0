"""One kind of registry for everything that can be added: metrics, model formats, summaries, renderers.

A registry maps a name to an object. Built-in entries are named as ``"package.module:attribute"`` and imported on first
use, so that registering costs nothing; third parties add theirs through entry points of the group ``assay.<noun>s`` or
by calling :meth:`Registry.add`. The built-in parts use the same door, which proves that it works.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Generic, TypeVar, cast

from assay.errors import ConfigError, UnknownNameError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to objects, loaded on first use.

    >>> colours = Registry[str]("colour")
    >>> colours.add("red", "#f00")
    '#f00'
    >>> colours["red"], "blue" in colours, list(colours)
    ('#f00', False, ['red'])
    """

    def __init__(self, noun: str, builtin: Mapping[str, str] | None = None):
        self.noun = noun
        self._found: dict[str, T] = {}
        self._lazy: dict[str, str | metadata.EntryPoint] = dict(builtin or {})
        self._scanned = False

    def add(self, name: str, item: T, *, replace: bool = False) -> T:
        """Register ``item`` under ``name`` and return it; a name is taken once, unless it is not built in and ``replace``."""
        taken = name in self._found and self._found[name] is not item
        if (taken and not replace) or (replace and name in self._lazy):
            raise ConfigError(f"the {self.noun} '{name}' is already registered", hint="choose another name")
        self._found[name] = item
        return item

    def builtin(self, name: str) -> bool:
        """Whether a name was there from the start, or comes from an installed package."""
        return name in self._lazy

    def __getitem__(self, name: str) -> T:
        if name not in self._found:
            if name not in self._lazy:
                self._scan()
            if name not in self._lazy:
                raise UnknownNameError.among(self.noun, name, self)
            target = self._lazy[name]
            if isinstance(target, str):
                module, _, attribute = target.partition(":")
                loaded = cast(T, getattr(importlib.import_module(module), attribute))
            else:
                loaded = cast(T, target.load())
            self._found.setdefault(name, loaded)
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._found and name not in self._lazy:
            self._scan()
        return name in self._found or name in self._lazy

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted({*self._found, *self._lazy}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _scan(self) -> None:
        """Look for third parties once; a built-in name cannot be taken over by one."""
        if not self._scanned:
            self._scanned = True
            for point in metadata.entry_points(group=f"assay.{_plural(self.noun)}"):
                self._lazy.setdefault(point.name, point)


def _plural(noun: str) -> str:
    """Return the plural of a noun.

    >>> _plural("metric"), _plural("summary")
    ('metrics', 'summaries')
    """
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
