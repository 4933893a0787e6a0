"""The loops that numba compiles: plain functions of arrays, each complete in itself, as a compiled function sees no other.

``count`` sums rows by cell, ``scan`` finds the box of cells that stands out most; ``design/segments.md`` describes both. Only
``segment/kernel.py`` uses them.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

__all__ = ["count", "scan"]


def count(a, b, c, b_size, c_size, side, sides, weight, excess, out):
    """Add the weight and the excess of each row to its cell of ``out`` (cells * sides, 2)."""
    rows = len(excess)
    if sides == 2:
        for r in range(rows):
            cell = ((np.int64(a[r]) * b_size + b[r]) * c_size + c[r]) * 2 + side[r]
            out[cell, 0] += weight[r]
            out[cell, 1] += excess[r]
    elif len(weight) == 0:
        for r in range(rows):
            cell = (np.int64(a[r]) * b_size + b[r]) * c_size + c[r]
            out[cell, 0] += 1.0
            out[cell, 1] += excess[r]
    else:
        for r in range(rows):
            cell = (np.int64(a[r]) * b_size + b[r]) * c_size + c[r]
            out[cell, 0] += weight[r]
            out[cell, 1] += excess[r]


def scan(cells, a_first, a_last, b_first, b_last, c_first, c_last, variance, least, most):
    """Return the largest squared deviation of a box of ``cells`` (a, b, c, sides, 2) and the three ranges, as their numbers.

    A box has the weight ``least`` at least and ``most`` at most, on each side. Of one side, the excess of all ranges of c
    in a range of a and b is at most the sum of its positive cells, which skips most of them.
    """
    a_size, b_size, c_size, sides, _ = cells.shape
    best, at_a, at_b, at_c = 0.0, -1, -1, -1
    width = c_size * sides * 2
    flat = cells.reshape(a_size, b_size, width)
    over_a = np.zeros((a_size + 1, b_size, width))
    for x in range(a_size):
        for y in range(b_size):
            for z in range(width):
                over_a[x + 1, y, z] = over_a[x, y, z] + flat[x, y, z]
    over_b = np.zeros((b_size + 1, width))
    over_c = np.zeros((c_size + 1, sides * 2))
    for i in range(len(a_first)):
        low, high = a_first[i], a_last[i] + 1
        for y in range(b_size):
            for z in range(width):
                over_b[y + 1, z] = over_b[y, z] + over_a[high, y, z] - over_a[low, y, z]
        for j in range(len(b_first)):
            under, upper = b_first[j], b_last[j] + 1
            total = 0.0
            positive = 0.0
            for z in range(c_size):
                for k in range(sides * 2):
                    value = over_b[upper, z * sides * 2 + k] - over_b[under, z * sides * 2 + k]
                    over_c[z + 1, k] = over_c[z, k] + value
                    if k == 0:
                        total += value
                    if k == 1 and value > 0.0:
                        positive += value
            if total < least or (sides == 1 and positive * positive <= best * variance[0] * least):
                continue
            for m in range(len(c_first)):
                start, stop = c_first[m], c_last[m] + 1
                weight = over_c[stop, 0] - over_c[start, 0]
                if weight < least or weight > most[0]:
                    continue
                excess = over_c[stop, 1] - over_c[start, 1]
                if sides == 1:
                    if excess <= 0.0:
                        continue
                    found = excess * excess / (weight * variance[0])
                else:
                    other = over_c[stop, 2] - over_c[start, 2]
                    if other < least or other > most[1]:
                        continue
                    gap = excess / weight - (over_c[stop, 3] - over_c[start, 3]) / other
                    if gap <= 0.0:
                        continue
                    found = gap * gap / (variance[0] / weight + variance[1] / other)
                if found > best:
                    best, at_a, at_b, at_c = found, i, j, m
    return best, at_a, at_b, at_c
