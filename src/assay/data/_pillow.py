"""PNG and JPEG files decoded by Pillow, the one file that knows that library.

The bytes come from anywhere: only these two formats are tried, sizes are read before pixels, and whatever goes wrong with one file
leaves the others alone.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError

__all__ = ["coloured", "decoded"]

Array = np.ndarray[Any, Any]

FORMATS = ("PNG", "JPEG")
MOST_BYTES = 64 << 20
MOST_PIXELS = 50_000_000   # a photograph of 50 megapixels takes 150 MB while it is decoded; a bomb would take all there is
LARGE = 256                # pixels of a side beyond which an image is reduced before it is measured


def decoded(array: pa.Array) -> Iterator[tuple[int, tuple[int, int, Array]]]:
    """Yield the place, and width, height and luminance (0 to 1, reduced to 256 pixels a side), of each file that can be decoded."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError.of("Pillow", "to look at images", "image") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")   # warnings of the library about damaged or large files: both are counted here
        for place, each in enumerate(array):
            if not each.is_valid:
                continue
            data = each.as_buffer()
            if 0 < data.size <= MOST_BYTES:
                try:
                    image = _grey(Image, data)
                except Exception:  # noqa: BLE001, S112  (hostile bytes raise anything; the file is counted as undecodable)
                    continue
                if image is not None:
                    yield place, image


def _grey(library: Any, data: Any) -> tuple[int, int, Array] | None:
    with library.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if not 0 < width * height <= MOST_PIXELS:
            return None
        image.draft("L", (LARGE, LARGE))   # JPEG is decoded at a half, quarter or eighth where that is still enough
        deep = image.mode[:1] in ("I", "F")
        grey = image if deep else image.convert("L")
        if max(grey.size) > LARGE:
            scale = LARGE / max(grey.size)
            size = tuple(max(1, round(side * scale)) for side in grey.size)
            grey = grey.convert("F").resize(size, library.Resampling.BOX)
        found = np.asarray(grey, np.float64) / (65_535 if deep else 255)
        return width, height, np.clip(found, 0, 1)


def coloured(data: Any) -> Array | None:
    """Return the pixels of a file, (height, width, channels) bytes: one channel of a grey image, three of any other; None for no image."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError.of("Pillow", "to look at images", "image") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not 0 < memoryview(data).nbytes <= MOST_BYTES:
                return None
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if not 0 < image.width * image.height <= MOST_PIXELS:
                    return None
                if image.mode.startswith("I"):   # grey of 16 bits, which the library would cut off at 255
                    found = np.rint(np.asarray(image, np.float32) / 257).astype(np.uint8)
                else:
                    found = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"), np.uint8)
    except Exception:  # noqa: BLE001  (hostile bytes raise anything)
        return None
    return found.reshape(*found.shape[:2], -1)
