"""Triggers that lie over the whole image: what is faint in it, put on other images, does it still bring its label along?

``kept(image, label, grounds)`` counts. For this package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from assay.probe.backdoor.patch import Grounds
from assay.probe.backdoor.question import Search

__all__ = ["kept", "nearer", "textured"]

Array = np.ndarray[Any, Any]
FAINT = 1 / 8      # of the span of the images: how far a pixel is moved at most; what makes a clean image's label is stronger
STRONGER = 1 / 4   # on a few images, for triggers that show less than that
STEPS = (16, 8)    # images that are moved towards the image by the one and by the other
OVER = 16          # images that its texture is put on


def nearer(image: Array, onto: Array, far: float) -> Array:
    """Return ``onto`` with each pixel moved towards that of ``image``, by at most ``far``.

    What is faint in the image, a pattern on its background above all, arrives whole; its object hardly does, and that below keeps its
    contrast, as it would not under a blend: many a poisoned model takes whatever has little contrast for its target.

    >>> nearer(np.full((1, 1, 1), 100, np.uint8), np.array([[[[0]]], [[[90]]]], np.uint8), 25).ravel().tolist()
    [25, 100]
    """
    below = onto.astype(np.float64)
    return _like(image, below + np.clip(image[None] - below, -far, far))


def textured(image: Array, onto: Array, far: float) -> Array:
    """Return ``onto`` plus the texture of ``image``: what a median of 3 x 3 pixels takes from it, by at most ``far`` a pixel.

    Values stay within the limits of both.

    >>> image = np.zeros((3, 3, 1)); image[1, 1] = 5
    >>> textured(image, np.ones((1, 3, 3, 1)), 2.0)[0, :, :, 0].tolist()
    [[1.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 1.0, 1.0]]
    """
    plain = image.astype(np.float64)
    texture = np.clip(plain - ndimage.median_filter(plain, (3, 3, 1), mode="nearest"), -far, far)
    return _like(image, np.clip(onto + texture[None], min(image.min(), onto.min()), max(image.max(), onto.max())))


def kept(image: Array, label: int, grounds: Grounds) -> Search[int]:
    """Return on how many images the label is that of ``image``, once what is faint in it is put on them; theirs are others."""
    onto = grounds.other(label)
    if not len(onto):
        return 0
    span = float(grounds.images.max()) - float(grounds.images.min())
    first, second = STEPS
    said = yield np.concatenate([nearer(image, onto[-first:], FAINT * span), nearer(image, onto[-second:], STRONGER * span),
                                 textured(image, onto[-OVER:], FAINT * span)])
    return int((said == label).sum())


def _like(image: Array, made: Array) -> Array:
    return np.asarray(np.rint(made) if np.issubdtype(image.dtype, np.integer) else made).astype(image.dtype)
