"""A column of images as pixels, and pixels as such a column again: for whatever asks a model of images that it has altered.

``Canvas.of(column)`` knows how its cells are laid out. Explanations, probes and remedies import it.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from assay.data import image
from assay.data._pillow import coloured
from assay.errors import DataError

__all__ = ["Canvas"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Canvas:
    """How cells of a column become pixels (height, width, channels) and back.

    Files (PNG, JPEG) become bytes, of one channel where the image is grey and of three else, and are written as PNG, which loses nothing.
    Lists keep their type; ``first`` says that their channels stand first.

    >>> column = pa.array([[0.0] * 63 + [1.0]], pa.list_(pa.float64(), 64))
    >>> canvas = Canvas.of(column)
    >>> canvas.shape, canvas.cells(np.stack(canvas.pixels(column))).equals(column)
    ((8, 8, 1), True)
    """

    kind: pa.DataType
    shape: tuple[int, int, int]
    first: bool
    where: str

    @classmethod
    def of(cls, column: pa.Array, size: tuple[int, int, int] | None = None, first: bool = True, *, where: str = "the images") -> Self:
        """Return how a column is laid out, told from its first cell; ``size`` is that of lists, where they are not square.

        Raises ``DataError`` where a list is no image of that size.
        """
        kind = column.type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if image.encoded(kind):
            made = cls(kind, (0, 0, 0), False, where)
            return cls(kind, made.pixels(column[:1])[0].shape, False, where)
        count = len(column[0])
        if size is None:
            size = next(((math.isqrt(count // planes), math.isqrt(count // planes), planes) for planes in (1, 3)
                         if math.isqrt(count // planes) ** 2 * planes == count), None)
        if size is None or math.prod(size) != count:
            raise DataError(f"the image is a list of {count} numbers", where=where, expected="height x width x channels of them",
                            hint="pass size=(height, width, channels)")
        return cls(kind, (size[0], size[1], size[2]), first, where)

    def pixels(self, column: pa.Array) -> list[Array]:
        """Return the pixels of each cell; raises ``DataError`` where one is missing or cannot be read."""
        if column.null_count:
            raise DataError("an image is missing", where=self.where, expected="an image in each row")
        found = self.known(column)
        lost = next((place for place, each in enumerate(found) if each is None), None)
        if lost is not None:
            wrong = "cannot be decoded" if image.encoded(image.stored(column[:0]).type) else "has another size"
            raise DataError(f"an image {wrong}", where=self.where,
                            expected="PNG or JPEG" if "decoded" in wrong else f"{self.shape[0]} x {self.shape[1]}")
        return [each for each in found if each is not None]

    def known(self, column: pa.Array) -> list[Array | None]:
        """Return the pixels of each cell, None for what is missing, cannot be decoded, is no number or has another length."""
        column = image.stored(column)
        if image.encoded(column.type):
            return [coloured(each.as_buffer()) if each.is_valid else None for each in column]
        height, width, channels = self.shape
        found: list[Array | None] = []
        for each in column:
            flat = np.asarray(each.values.to_numpy(zero_copy_only=False)) if each.is_valid else np.empty(0)
            if len(flat) != height * width * channels or (flat.dtype.kind == "f" and not np.isfinite(flat).all()):
                found.append(None)
            else:
                found.append(np.moveaxis(flat.reshape(channels, height, width), 0, 2) if self.first else flat.reshape(self.shape))
        return found

    def cells(self, pixels: Array) -> pa.Array:
        """Return images (n, height, width, channels) as cells of the column's type."""
        if not image.encoded(self.kind):
            flat = np.ascontiguousarray(np.moveaxis(pixels, 3, 1) if self.first else pixels).reshape(-1)
            kind = self.kind.value_type
            size = int(np.prod(self.shape))
            fixed = pa.FixedSizeListArray.from_arrays(pa.array(flat).cast(kind, safe=False), size)
            return fixed if pa.types.is_fixed_size_list(self.kind) else fixed.cast(self.kind)
        files = [_png(each) for each in pixels]
        if not pa.types.is_struct(self.kind):
            return pa.array(files, self.kind)
        named = {each.name: pa.array(files, each.type) if each.name == "bytes" else pa.nulls(len(files), each.type) for each in self.kind}
        return pa.StructArray.from_arrays(list(named.values()), fields=list(self.kind))


def _png(pixels: Array) -> bytes:
    """An image of bytes as a PNG file, which loses nothing."""
    height, width, channels = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), np.asarray(pixels, np.uint8).reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
                                           for name, data in parts)
