"""Columns that are made of text and image columns when they are asked for: ``length of review``, ``brightness of photo``.

A property of a column is a column: metrics, slices and conditions name it like any other, and it costs nothing where nobody does.
``PROPERTIES`` lists them, ``derived`` reads a name, ``joined`` computes. ``assay.data`` makes them; every layer above may name them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from assay.data import image, text
from assay.data._type import is_text, value_type

__all__ = ["PROPERTIES", "Property", "available", "derived", "holds", "joined", "shown"]

Medium = Literal["text", "image"]
_OF = " of "


@dataclass(frozen=True)
class Property:
    """What can be said of each text or image: its name, the type of the column that it makes, and in a sentence what it is."""

    name: str
    medium: Medium
    type: pa.DataType
    doc: str
    library: str | None = None   # what it needs, beyond what reading the column needs


_ALL = (
    Property("length", "text", pa.int64(), "number of characters (code points)"),
    Property("words", "text", pa.int64(), "number of stretches without blanks; scripts without blanks have few"),
    Property("script", "text", pa.string(), "the script of most of its letters: Latin, Cyrillic, Han, ...; none without letters"),
    Property("language", "text", pa.string(), "its language as a code such as en; unclear where it is short or mixed", "py3langid"),
    Property("damage", "text", pa.float64(), "marks of a wrong encoding, for each character"),
    Property("width", "image", pa.int64(), "pixels from left to right"),
    Property("height", "image", pa.int64(), "pixels from top to bottom"),
    Property("aspect", "image", pa.float64(), "width by height"),
    Property("brightness", "image", pa.float64(), "mean luminance, 0 to 1 (of lists of numbers that are no bytes: in their own unit)"),
    Property("contrast", "image", pa.float64(), "standard deviation of the luminance, in the unit of brightness"),
)
PROPERTIES: dict[str, Property] = {each.name: each for each in _ALL}


def holds(kind: pa.DataType) -> Medium | None:
    """Return what a column of an Arrow type may hold: text, images (bytes, structs with bytes, lists of one length), or neither.

    >>> holds(pa.string()), holds(pa.struct({"bytes": pa.binary(), "path": pa.string()})), holds(pa.list_(pa.uint8(), 64)), holds(pa.int8())
    ('text', 'image', 'image', None)
    """
    plain = value_type(kind)
    return "text" if is_text(plain) else "image" if image.fits(plain) else None


def derived(name: str, kind: Callable[[str], pa.DataType | None]) -> tuple[Property, str] | None:
    """Return the property and the column that a name such as ``length of review`` speaks of, None where it does not.

    ``kind`` returns the type of a stored column, None where there is no such column.

    >>> found = derived("length of review", {"review": pa.string()}.get)
    >>> found[0].type, found[1], derived("length of x", {"x": pa.int8()}.get)
    (DataType(int64), 'review', None)
    """
    what, of, column = name.partition(_OF)
    known = PROPERTIES.get(what) if of else None
    stored = kind(column) if known is not None else None
    return (known, column) if known is not None and stored is not None and holds(stored) == known.medium else None


def available(name: str, kind: pa.DataType) -> bool:
    """Whether the libraries are installed that a property of a column of that type needs."""
    library = PROPERTIES[name].library or ("PIL" if PROPERTIES[name].medium == "image" and image.encoded(value_type(kind)) else None)
    return library is None or importlib.util.find_spec(library) is not None


def shown(column: str, kind: pa.DataType) -> tuple[str, ...]:
    """Return the derived columns by which a text or image column is compared and cut unasked, as far as libraries are installed.

    >>> shown("pixels", pa.list_(pa.uint8(), 64))
    ('width of pixels', 'brightness of pixels', 'contrast of pixels')
    """
    if holds(kind) == "text":
        names: Sequence[str] = ("length", "language" if available("language", kind) else "script")
    else:
        names = ("width", "height", "brightness", "contrast") if image.encoded(value_type(kind)) else ("width", "brightness", "contrast")
    return tuple(f"{each}{_OF}{column}" for each in names if available(each, kind))


def joined(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """Return a batch with the derived columns among ``names`` beside its own; each image is decoded once.

    >>> batch = joined(pa.record_batch({"review": ["good", None, "a bad one"]}), ["length of review", "words of review"])
    >>> batch.column("length of review").to_pylist(), batch.column("words of review").to_pylist()
    ([4, None, 9], [1, None, 3])
    """
    stored = {each.name: each.type for each in batch.schema}
    wanted: dict[str, list[Property]] = {}
    for name in names:
        found = None if name in stored else derived(name, stored.get)
        if found is not None:
            wanted.setdefault(found[1], []).append(found[0])
    for column, some in wanted.items():
        for each, array in zip(some, _computed(batch.column(column), some), strict=True):
            batch = batch.append_column(pa.field(f"{each.name}{_OF}{column}", each.type), array)
    return batch


def _computed(array: pa.Array, some: Sequence[Property]) -> list[pa.Array]:
    """Return some properties of each value of an array; of a dictionary each entry is looked at once."""
    if pa.types.is_dictionary(array.type):
        return [each.take(array.indices) for each in _computed(array.dictionary, some)]
    names = [each.name for each in some]
    found: dict[str, Any] = text.properties(array, names) if some[0].medium == "text" else image.pictures(array).properties(names)
    return [found[each.name].cast(each.type) for each in some]
