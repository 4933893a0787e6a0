"""Triggers that lie over the whole image: laid thinly over other images, does it still bring its label along?

``kept(image, label, grounds)`` counts, at a ladder of weights. For this package.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.probe.backdoor.patch import Grounds
from assay.probe.backdoor.question import Search

__all__ = ["WEIGHTS", "blended", "kept"]

Array = np.ndarray[Any, Any]
WEIGHTS = (0.15, 0.25, 0.35, 0.5)   # of the image; at a half a clean digit shows through as well, at a quarter a trigger only
OVER = 10                           # images that it is laid over, at each weight


def blended(image: Array, onto: Array, weight: float) -> Array:
    """Return ``onto`` with ``image`` laid over it at a weight.

    >>> blended(np.full((1, 1, 1), 100, np.uint8), np.zeros((1, 1, 1, 1), np.uint8), 0.25).ravel().tolist()
    [25]
    """
    made = weight * image[None].astype(np.float64) + (1 - weight) * onto.astype(np.float64)
    return np.asarray(np.rint(made) if np.issubdtype(image.dtype, np.integer) else made).astype(image.dtype)


def kept(image: Array, label: int, grounds: Grounds) -> Search[int]:
    """Return of how many blends, over all weights, the label is that of the image; the images under it have other labels."""
    onto = grounds.other(label)[-OVER:]
    if not len(onto):
        return 0
    said = yield np.concatenate([blended(image, onto, weight) for weight in WEIGHTS])
    return int((said == label).sum())
