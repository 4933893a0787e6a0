"""JSON in the columns of a database, both ways.

``encode(data) -> str`` and ``decode(text, database)``, which raises ``StoreError`` for what assay never wrote. Only this
package imports it.
"""

from __future__ import annotations

import json
from typing import Any

from assay.errors import StoreError
from assay.store._database import Database

__all__ = ["decode", "encode"]

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
