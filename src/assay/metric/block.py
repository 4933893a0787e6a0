"""Arithmetic of drift for a block of columns at once: one row of a table for each column.

Thousands of columns of a few numbers each cost more in calls than in arithmetic. ``Distance`` and ``divergences`` compare counts in bins,
``joined`` and ``areas`` distribution functions; a column has the same bits in a block of any size. Only ``metric/drift.py`` uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from assay.result import Spread
from assay.summary.resample import Array

__all__ = ["COLUMNS", "Areas", "Distance", "areas", "breadth", "divergences", "joined", "steps"]

COLUMNS = 8  # of a block of distribution functions: what is made of a few thousand points of each stays in cache


@dataclass(frozen=True)
class Distance:
    """A distance of counts: the shares of two samples go in, distances and their derivatives by both come out.

    ``noise`` is its expectation without a shift, per degree of freedom and (1/n + 1/m); ``added`` rows go to each bin.
    """

    function: Callable[[Array, Array], tuple[Array, Array, Array]]
    noise: float
    scale: Literal["identity", "square"]
    limit: float
    added: float = 0.0


def divergences(first: Array, second: Array, by: Distance) -> list[Spread]:
    """Return the debiased distance of each row of counts in ``first`` from that in ``second``, with its delta-method error.

    Both have rows in each table; a bin that is empty in all of them must be left out. By hand, of one column of two bins:

    >>> by = Distance(lambda p, q: (abs(p - q).sum(-1) / 2, p - q, q - p), noise=0.0, scale="identity", limit=1.0)
    >>> [each.estimate for each in divergences(np.array([[50.0, 50.0]]), np.array([[25.0, 75.0]]), by)]
    [0.25]
    """
    bins = first.shape[1]
    n, m = first.sum(axis=1), second.sum(axis=1)
    # derivatives are taken half a row away from empty bins, where logarithms have none
    p, q = (first + 0.5) / (n + bins / 2)[:, None], (second + 0.5) / (m + bins / 2)[:, None]
    found, by_p, by_q = by.function(p, q)
    if by.added != 0.5:
        found = by.function((first + by.added) / (n + by.added * bins)[:, None], (second + by.added) / (m + by.added * bins)[:, None])[0]
    rows = zip(found.tolist(), n.tolist(), m.tolist(), _variance(by_p, p).tolist(), _variance(by_q, q).tolist(), strict=True)
    return [_debiased(by, bins, *each) for each in rows]


def _debiased(by: Distance, bins: int, found: float, n: float, m: float, of_p: float, of_q: float) -> Spread:
    per_row = 1 / n + 1 / m
    bias = by.noise * (bins - 1) * per_row
    error = math.sqrt(of_p / n + of_q / m + 2 * (bins - 1) * (by.noise * per_row) ** 2)
    estimate = max(0.0, found - bias)
    if by.scale == "square":
        estimate = math.sqrt(estimate)
    return Spread("normal", estimate, n=m, error=error, scale=by.scale, low_limit=0.0, high_limit=by.limit)


def joined(firsts: Sequence[tuple[Array, Array]], seconds: Sequence[tuple[Array, Array]]) -> tuple[Array, Array, Array, list[int]]:
    """Return the different values of both sides in order, both distribution functions at them, and of which pairs they are: a row for each.

    Each side is sorted values and the share of the rows up to none of them, the first, the second ... and all; those of a side are as
    many in each pair. Pairs that have not as many different values as the first are left out.

    >>> grid, f, g, pairs = joined([(np.array([1.0, 3.0]), np.array([0.0, 0.5, 1.0]))], [(np.array([2.0]), np.array([0.0, 1.0]))])
    >>> grid.tolist(), f.tolist(), g.tolist(), pairs
    ([[1.0, 2.0, 3.0]], [[0.5, 0.5, 1.0]], [[0.0, 1.0, 1.0]], [0])
    """
    points = len(firsts[0][0])
    both = np.empty((len(firsts), points + len(seconds[0][0])))
    for row, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        both[row, :points], both[row, points:] = first[0], second[0]
    order = both.argsort(axis=1, kind="stable")  # two runs in order, which such a sort merges
    grid = np.take_along_axis(both, order, 1)
    seen = np.add.accumulate(order < points, axis=1, dtype=np.intp)  # points of the first at or before each
    other = np.arange(1, grid.shape[1] + 1) - seen
    pairs = list(range(len(firsts)))
    last = np.ones(grid.shape, np.bool_)  # of equal values the last has all that lies at or below
    np.not_equal(grid[:, 1:], grid[:, :-1], out=last[:, :-1])
    if not last.all():
        left = np.count_nonzero(last, axis=1)
        pairs = np.flatnonzero(left == left[0]).tolist()
        if len(pairs) < len(firsts):
            last[left != left[0]] = False
        grid, seen, other = (each[last].reshape(len(pairs), -1) for each in (grid, seen, other))
    return grid, _reached([firsts[each] for each in pairs], seen), _reached([seconds[each] for each in pairs], other), pairs


def _reached(sides: Sequence[tuple[Array, Array]], seen: Array) -> Array:
    shares = sides[0][1]
    if all(each[1] is shares for each in sides):
        return np.asarray(shares[seen])
    return np.take_along_axis(np.array([each[1] for each in sides]), seen, 1)


class Areas(NamedTuple):
    """What lies between two distribution functions: one number for each row."""

    area: list[float]  # the integral of |F - G|
    breadth: list[float]  # the integral of sqrt(P (1 - P)) of both samples pooled, and of each
    breadths: tuple[list[float], list[float]]
    variances: tuple[list[float], list[float]]  # of what one row of either side does to the area


def areas(grid: Array, f: Array, g: Array, n: Array, m: Array) -> Areas:
    """Return the area between distribution functions of n and m rows, and what its error is made of, for each row of values.

    >>> f, g = np.array([[0.5, 0.5, 1.0]]), np.array([[0.0, 1.0, 1.0]])
    >>> areas(np.array([[1.0, 2.0, 3.0]]), f, g, np.array([2]), np.array([1])).area
    [1.0]
    """
    widths = grid[:, 1:] - grid[:, :-1]
    gap = f - g
    gaps = gap[:, :-1]
    area = np.vecdot(np.abs(gaps), widths)
    pooled = breadth(g + (n / (n + m))[:, None] * gap, widths)
    # the derivative of the area with respect to a row at x is the integral of the gap's sign up to x
    moved = np.zeros(grid.shape)
    np.add.accumulate(np.sign(gaps) * widths, axis=1, out=moved[:, 1:])
    return Areas(area.tolist(), pooled.tolist(), (breadth(f, widths).tolist(), breadth(g, widths).tolist()),
                 (_variance(moved, steps(f)).tolist(), _variance(moved, steps(g)).tolist()))


def breadth(reached: Array, widths: Array) -> Array:
    """Return the integral of sqrt(F (1 - F)) of each row."""
    inner = reached[:, :-1]
    square = 1 - inner
    square *= inner
    np.maximum(square, 0.0, out=square)
    return np.asarray(np.vecdot(np.sqrt(square, out=square), widths))


def steps(reached: Array) -> Array:
    """Return what each row of distribution functions rises by at each value."""
    found = np.empty(reached.shape)
    found[:, :1] = reached[:, :1]
    np.subtract(reached[:, 1:], reached[:, :-1], out=found[:, 1:])
    return found


def _variance(values: Array, weights: Array) -> Array:
    off = values - np.vecdot(values, weights)[:, None]
    off *= off
    return np.asarray(np.vecdot(off, weights))
