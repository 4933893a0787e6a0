"""Image files as the arrays that a network takes; only PNG and JPEG are tried, and sizes are read before pixels."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError, PredictionError

__all__ = ["pixels"]

Array = np.ndarray[Any, Any]
FORMATS = ("PNG", "JPEG")
MOST_BYTES, MOST_PIXELS = 64 << 20, 50_000_000
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def pixels(column: pa.Array, size: tuple[int, int, int], *, where: str) -> Array:
    """Return images (rows, height, width, channels) as numbers from 0 to 1, each brought to ``size`` (height, width, channels).

    Raises ``PredictionError``, naming the row, for what cannot be decoded.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError.of("Pillow", "to give images to a model", "image") from None
    height, width, channels = size
    out = np.empty((len(column), height, width, channels), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")   # of damaged or large files, which are refused here
        for row, each in enumerate(column):
            try:
                out[row] = _read(Image, each.as_buffer(), height, width, MODES[channels]).reshape(height, width, channels)
            except Exception as error:
                place = f" in row {row}" if len(column) > 1 else ""   # a row asked for by itself has another number in the data
                raise PredictionError(f"the image{place} cannot be decoded", where=where, expected="PNG or JPEG") from error
    return out


def _read(library: Any, data: Any, height: int, width: int, mode: str) -> Array:
    if not 0 < data.size <= MOST_BYTES:
        raise ValueError("size")
    with library.open(io.BytesIO(data), formats=FORMATS) as image:
        if not 0 < image.width * image.height <= MOST_PIXELS:
            raise ValueError("pixels")
        if image.mode.startswith("I"):   # grey of 16 bits, which the library would cut off at 255
            found = library.fromarray(np.rint(np.asarray(image, np.float32) / 257).astype(np.uint8)).convert(mode)
        else:
            found = image.convert(mode)
        if found.size != (width, height):
            found = found.resize((width, height), library.Resampling.BILINEAR)
        return np.asarray(found, np.float32) / np.float32(255)
