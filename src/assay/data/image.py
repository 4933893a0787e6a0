"""What can be told of an image without knowing what it shows: size, brightness, contrast, and a small picture to find copies by.

``pictures(array)`` reads a column of PNG or JPEG files (bytes, or structs with ``bytes``) or of pixels (lists of one length). Bytes are
hostile: what cannot be decoded is counted, never raised. Only ``assay.data`` and screens use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Pictures", "encoded", "fits", "looks", "pictures", "stored"]

Array = np.ndarray[Any, Any]

SIDE = 16             # of the small picture
FEWEST = 64           # numbers of a list below which it is no image
_SIGNS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_LOOKED = 100
_BLOCK = 4096         # images of pixels at a time, so that their fractions stay small


@dataclass(frozen=True, eq=False)
class Pictures:
    """Of each image its size, mean and standard deviation of the luminance, span, and the luminance of 16 by 16 fields.

    ``there`` marks the rows with a value, ``known`` those that could be decoded; all else is NaN where they could not.
    """

    there: Array
    known: Array
    width: Array
    height: Array
    brightness: Array
    contrast: Array
    span: Array
    small: Array

    def properties(self, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return properties by name, null where an image is not known."""
        def made(values: Array, kind: pa.DataType) -> pa.Array:
            return pa.array(np.where(self.known, values, 0), mask=~self.known).cast(kind)

        found = {}
        for name in names:
            values = self.width / np.where(self.known, self.height, 1) if name == "aspect" else getattr(self, name)
            found[name] = made(values, pa.int64() if name in ("width", "height") else pa.float64())
        return found


def encoded(kind: pa.DataType) -> bool:
    """Whether a type holds the bytes of image files."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _bytes(kind.field("bytes").type)
    return _bytes(kind)


def fits(kind: pa.DataType) -> bool:
    """Whether a type may hold images: files, or pixels in lists of one length (side * side, or three of these)."""
    if pa.types.is_fixed_size_list(kind):
        number = pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)
        return bool(number and kind.list_size >= FEWEST and _side(kind.list_size) is not None)
    return encoded(kind)


def _bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
                or pa.types.is_binary_view(kind))


def _side(size: int) -> tuple[int, int] | None:
    """Return how many planes of which side a list of numbers is, None where it is no square image."""
    for planes in (1, 3):
        side = math.isqrt(size // planes)
        if side * side * planes == size:
            return planes, side
    return None


def stored(array: pa.Array) -> pa.Array:
    """Return what an image column holds: the bytes of each file, or the list of its pixels."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_struct(array.type):
        return pc.if_else(array.is_valid(), array.field("bytes"), pa.scalar(None, array.type.field("bytes").type))
    return array


def looks(array: pa.Array) -> bool:
    """Whether a column holds images: half of the first values begin as PNG or JPEG do, or all numbers can be pixels.

    Pixels are bytes, numbers from 0 to 1, or whole numbers from 0 to 255: what has a number below 0 is an embedding or the like.

    >>> looks(pa.array([bytes([137]) + b"PNG" + bytes([13, 10, 26, 10])])), looks(pa.array([b"%PDF-1.7"]))
    (True, False)
    """
    array = stored(array).drop_null()[:_LOOKED]
    if not len(array) or not fits(array.type):
        return False
    if not pa.types.is_fixed_size_list(array.type):
        starts = [bytes(each.as_py()[:8]) for each in array]
        return 2 * sum(each.startswith(_SIGNS) for each in starts) >= len(starts)
    if pa.types.is_uint8(array.type.value_type):
        return True
    values = np.asarray(array.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False))
    inside = bool(np.isfinite(values).all() and values.min() >= 0 and values.max() > values.min())
    return inside and bool(values.max() <= 1 or (values.max() <= 255 and np.array_equal(values, np.rint(values))))


def pictures(array: pa.Array) -> Pictures:
    """Return what is known of each image of a column; raises ``MissingExtraError`` for files where Pillow is not installed.

    >>> found = pictures(pa.array([[0] * 32 + [255] * 32, [7] * 64], pa.list_(pa.uint8(), 64)))
    >>> found.brightness.round(3).tolist(), found.contrast.round(3).tolist(), found.width.tolist()
    ([0.5, 0.027], [0.5, 0.0], [8.0, 8.0])
    """
    array = stored(array)
    n = len(array)
    there = array.is_valid().to_numpy(zero_copy_only=False)
    width, height, brightness, contrast, span = (np.full(n, np.nan) for _ in range(5))
    found = Pictures(there, np.zeros(n, np.bool_), width, height, brightness, contrast, span, np.zeros((n, SIDE, SIDE), np.float32))
    if pa.types.is_fixed_size_list(array.type):
        _pixels(array, found)
        return found
    from assay.data._pillow import decoded

    for place, (wide, high, grey) in decoded(array):
        found.known[place] = True
        found.width[place], found.height[place] = wide, high
        _measured(found, np.array([place]), grey[None])
    return found


def _pixels(array: pa.Array, found: Pictures) -> None:
    kind = array.type
    planes, side = _side(kind.list_size) or (1, 1)
    for start in range(0, len(array), _BLOCK):
        part = array.slice(start, _BLOCK)
        rows = start + np.flatnonzero(found.there[start : start + _BLOCK])
        values = np.asarray(part.drop_null().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        grey = values.reshape(len(rows), planes, side, side).mean(axis=1) / (255 if pa.types.is_uint8(kind.value_type) else 1)
        whole = np.isfinite(grey).all(axis=(1, 2))
        if whole.any():
            found.known[rows[whole]] = True
            found.width[rows[whole]] = found.height[rows[whole]] = side
            _measured(found, rows[whole], grey[whole])


def _measured(found: Pictures, rows: Array, grey: Array) -> None:
    """Enter what a stack of images of one size shows."""
    found.brightness[rows] = grey.mean(axis=(1, 2))
    found.contrast[rows] = grey.std(axis=(1, 2))
    found.span[rows] = grey.max(axis=(1, 2)) - grey.min(axis=(1, 2))
    found.small[rows] = _fields(grey.shape[1]) @ grey @ _fields(grey.shape[2]).T


_KNOWN: dict[int, Array] = {}


def _fields(size: int) -> Array:
    """Return the weights by which ``size`` pixels make 16 fields, each by the part of it that lies in the field."""
    if size not in _KNOWN:
        edges = np.linspace(0, size, SIDE + 1)
        low, high = edges[:-1, None], edges[1:, None]
        pixel = np.arange(size)[None]
        weight = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
        _KNOWN[size] = weight / weight.sum(axis=1, keepdims=True)
    return _KNOWN[size]
