"""Image files as pixels: the fence around Pillow for explanations. Only PNG and JPEG are tried, and sizes are read before pixels."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from assay.errors import DataError, MissingExtraError

__all__ = ["decoded"]

Array = np.ndarray[Any, Any]
FORMATS = ("PNG", "JPEG")
MOST_BYTES, MOST_PIXELS = 64 << 20, 50_000_000


def decoded(data: bytes, *, where: str) -> Array:
    """Return the pixels of a file, (height, width, channels) bytes: one channel of a grey image, three of any other."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError.of("Pillow", "to explain images", "image") from None
    try:
        if not 0 < len(data) <= MOST_BYTES:
            raise ValueError("size")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")   # of damaged or large files, which are refused here
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if not 0 < image.width * image.height <= MOST_PIXELS:
                    raise ValueError("pixels")
                found = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"), np.uint8)
    except Exception as error:
        raise DataError("the image cannot be decoded", where=where, expected="PNG or JPEG") from error
    return found.reshape(*found.shape[:2], -1)
