"""Results as plain JSON types, and back: fields as they are, numbers that are not finite as null.

``plain``, ``whole``, ``told`` and ``restored``. For the other modules of this package.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["plain", "restored", "told", "whole"]

def whole(item: Any) -> dict[str, Any]:
    """Turn a dataclass into a JSON object, field by field."""
    return {each.name: plain(getattr(item, each.name)) for each in dataclasses.fields(item)}


def told(item: Any, *always: str) -> dict[str, Any]:
    """Turn a dataclass into a JSON object without the fields that are as they are by default, but for those ``always`` told."""
    found = {}
    for each in dataclasses.fields(item):
        value = getattr(item, each.name)
        usual = each.default_factory() if each.default_factory is not dataclasses.MISSING else each.default
        if each.name in always or usual is dataclasses.MISSING or value != usual:
            found[each.name] = plain(value)
    return found


def plain(item: Any) -> Any:
    """Turn a dataclass into JSON types; NaN becomes None, infinities become None too (JSON has neither)."""
    kind = type(item)
    if kind is float:  # the plainest first: a run has a hundred thousand of them
        return item if math.isfinite(item) else None
    if kind is str or kind is int or kind is bool or item is None:
        return item
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return whole(item)
    if isinstance(item, Mapping):
        return {str(key): plain(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [plain(value) for value in item]
    if isinstance(item, str | bool | int) or item is None:
        return item
    if isinstance(item, float):
        return item if math.isfinite(item) else None
    if hasattr(item, "item"):  # numpy scalars
        return plain(item.item())
    return str(item)


def restored(kind: type, data: Mapping[str, Any], null: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass that a JSON object holds; those of ``null`` are there as None where it has none."""
    names = {each.name for each in dataclasses.fields(kind)}
    return {key: value for key, value in data.items() if key in names and value is not None} | {
        key: None for key in null if data.get(key) is None}
