"""JSON in the columns of a database, both ways.

``encode(data) -> str``, ``decode(text, database)`` and ``restored(kind, text, database)``, which raise ``StoreError`` for what assay never
wrote. Only this package imports it.
"""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeVar

from assay.errors import StoreError
from assay.store._database import Database

__all__ = ["decode", "encode", "restored"]

T_co = TypeVar("T_co", covariant=True)
# What JSON cannot hold is None already; text with half a character in it stays readable as an escape.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=str)


def encode(data: Any) -> str:
    """Return plain data as JSON."""
    return _ENCODER.encode(data)


def decode(text: str, database: Database) -> dict[str, Any]:
    """Return the object that :func:`encode` wrote."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError("the store holds what assay never wrote", where=database.name, expected="JSON",
                         hint="restore it from a backup") from error
    if not isinstance(found, dict):
        raise StoreError("the store holds what assay never wrote", where=database.name, expected="JSON objects")
    return found


class _Kind(Protocol[T_co]):
    def from_json(self, data: Any, /) -> T_co: ...


def restored(kind: _Kind[T_co], text: str, database: Database) -> T_co:
    """Return the value, verdict, finding or incident whose JSON this is."""
    try:
        return kind.from_json(decode(text, database))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError("the store holds what assay never wrote", where=database.name, expected="a whole record") from error
