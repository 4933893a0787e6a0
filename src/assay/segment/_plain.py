"""The loops of the search in numpy, for where numba is absent, and what tests hold the compiled ones against.

Only ``segment/search.py`` and tests use it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["count", "scan"]

Array = np.ndarray[Any, Any]


def count(codes: tuple[Array, Array, Array], sizes: tuple[int, int, int], side: Array | None, weight: Array | None, excess: Array) -> Array:
    """Return the weight and the excess of the rows of each cell: (a, b, c, sides, 2)."""
    cell = codes[0].astype(np.int32)
    for code, size in zip(codes[1:], sizes[1:], strict=True):
        if size > 1:
            cell *= size
            cell += code
    sides = 1
    if side is not None:
        cell *= 2
        cell += side
        sides = 2
    cells = sizes[0] * sizes[1] * sizes[2] * sides
    out = np.stack([np.bincount(cell, weight, cells), np.bincount(cell, excess, cells)], axis=1)
    return out.reshape(*sizes, sides, 2)


def scan(cells: Array, ranges: tuple[tuple[Array, Array], ...], variance: Array, least: float, most: Array) -> tuple[float, int, int, int]:
    """Return the largest squared deviation of a box of cells and the three ranges, as their numbers; 0 and -1 where there is none."""
    boxes = cells
    for place, (first, last) in enumerate(ranges):
        summed = np.cumsum(boxes, axis=place)
        zero = np.zeros_like(summed.take([0], axis=place))
        summed = np.concatenate([zero, summed], axis=place)
        boxes = summed.take(last + 1, axis=place) - summed.take(first, axis=place)
    weight, excess = boxes[..., 0, 0], boxes[..., 0, 1]
    fits = (weight >= least) & (weight <= most[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        if cells.shape[3] == 1:
            found = np.where(fits & (excess > 0), excess * excess / (weight * variance[0]), 0.0)
        else:
            other = boxes[..., 1, 0]
            fits &= (other >= least) & (other <= most[1])
            gap = excess / weight - boxes[..., 1, 1] / other
            found = np.where(fits & (gap > 0), gap * gap / (variance[0] / weight + variance[1] / other), 0.0)
    if not found.size or found.max() <= 0:
        return 0.0, -1, -1, -1
    i, j, k = np.unravel_index(int(np.argmax(found)), found.shape)
    return float(found[i, j, k]), int(i), int(j), int(k)
