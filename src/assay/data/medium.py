"""Which columns of a data set hold free text or images, decided from its first rows or said by the user.

``media(source)`` is the interface; ``medium(column)`` decides for one. Any layer above may import it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from assay.data import image, text
from assay.data.derived import Medium, holds
from assay.data.schema import Column, Schema
from assay.data.source import Source

__all__ = ["media", "medium"]

ROWS = 2000


def media(source: Source) -> dict[str, Medium]:
    """Return the columns that hold free text or images; reads the first batch of those that may, and nothing where there are none.

    Labels, ids, times and whatever else has a role that is not that of a feature are left out, and so is what the user ignores.

    >>> from assay.data.source import source
    >>> things = ("car", "cat", "hat", "cup", "box")
    >>> notes = [f"{one} {two} was left behind the house" for one in ("a", "the", "my", "no", "her") for two in things]
    >>> media(source(pa.table({"note": notes, "carrier": ["AA", "UA", "B6", "DL", "WN"] * 5})))
    {'note': 'text'}
    """
    schema = source.schema
    names = _candidates(schema)
    if not names:
        return {}
    batch = next(iter(source.batches(names)), None)
    found: dict[str, Medium] = {}
    for name in names:
        what = _said(schema, name) or (medium(batch.column(name)[:ROWS]) if batch is not None and name not in schema.media else None)
        if what is not None:
            found[name] = what
    return found


def medium(column: pa.Array) -> Medium | None:
    """Return what the values of a column are: free text (see ``text.free``), images (see ``image.looks``), or neither."""
    what = holds(column.type)
    fits = text.free(column) if what == "text" else image.looks(column) if what == "image" else False
    return what if fits else None


def _said(schema: Schema, name: str) -> Medium | None:
    said = schema.media.get(name)
    return "text" if said == "text" else "image" if said == "image" else None


def _candidates(schema: Schema) -> list[str]:
    given = set(schema.order.get("ignored", ()))
    return [each.name for each in _inputs(schema) if each.name not in given and holds(each.type)]


def _inputs(schema: Schema) -> Iterable[Column]:
    """Features, and nested columns, which are ignored by nature."""
    return (each for each in schema if "feature" in each.roles or each.roles == {"ignored"})
