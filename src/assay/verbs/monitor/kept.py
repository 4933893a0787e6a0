"""What is computed once and kept in the store under a name: results about a model and a reference, and marks that tell files apart.

``once(key, kept, made)`` returns or makes it, ``mark(place)`` is what a file is told by. ``stream`` and ``estimated`` import it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Kept", "mark", "once"]


class Kept(Protocol):
    """Where what was computed once is kept: ``assay.store.States``."""

    def get(self, monitor: str, span: int) -> bytes | None: ...
    def put(self, states: Mapping[tuple[str, int], bytes]) -> None: ...
    def drop(self, monitor: str, *, since: int | None = None, before: int | None = None) -> None: ...


def once(key: str, kept: Kept | None, made: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what is kept under a key, or make and keep it."""
    held = kept.get(key, 0) if kept is not None else None
    if held is not None:
        return dict(json.loads(held))
    found = made()
    if kept is not None:
        kept.put({(key, 0): json.dumps(found).encode()})
    return found


def mark(place: str | None) -> str:
    """Return what tells a file from another at its place: a reference that was written anew is measured anew."""
    path = Path(place or "")
    there = path.stat() if "://" not in (place or "") and path.is_file() else None
    size = f" {there.st_size} {there.st_mtime_ns}" if there is not None else ""
    return hashlib.sha256(f"{place}{size}".encode()).hexdigest()[:16]
