"""The exact values in numpy, leaf by leaf: what runs where numba is absent, and what the compiled kernels are compared with.

``values`` is the whole interface; only ``explain/tree.py`` uses it. It is slow for large models, and right.
"""

from __future__ import annotations

from math import ceil, factorial
from typing import Any

import numpy as np

from assay.explain.path import Groups

__all__ = ["values"]

Array = np.ndarray[Any, Any]
_PAIRS = 2_000_000   # cells of one table of rows against background


def values(groups: Groups, leaf: Array, rows: Array, background: Array | None, out: Array) -> float:
    """Add the values of every leaf to ``out`` (players, rows) and return the sum of their means over the background.

    ``groups`` hold one leaf each, ``leaf`` their numbers, ``rows`` and ``background`` codes (columns, rows); without a background the
    shares of training rows stand in its place (path dependent).
    """
    base = 0.0
    for place, number in enumerate(leaf.tolist()):
        if number == 0:
            continue
        tests = groups.tests[groups.tests_at[place]:groups.tests_at[place + 1]]
        count = int(groups.count[place])
        players = groups.member[groups.member_at[place] + groups.players[place, :count]]
        seen, which = np.unique(_pattern(tests, rows), return_inverse=True)
        passes = (seen[:, None] >> np.arange(count, dtype=np.uint64) & np.uint64(1)).astype(bool)
        if background is None:
            share = groups.share[place, :count]
            table, mean = _shares(passes, share), float(np.prod(share))
        else:
            found, weight = np.unique(_pattern(tests, background), return_counts=True)
            there = (found[:, None] >> np.arange(count, dtype=np.uint64) & np.uint64(1)).astype(bool)
            weights = weight / background.shape[1]
            table, mean = _against(passes, there, weights), float(weights[there.all(axis=1)].sum())
        base += number * mean
        out[players] += number * table.T[:, which]
    return base


def _pattern(tests: Array, codes: Array) -> Array:
    out = np.zeros(codes.shape[1], np.uint64)
    for bit in np.unique(tests[:, 3]):
        passes = np.ones(codes.shape[1], bool)
        for column, low, more, _ in tests[tests[:, 3] == bit]:
            passes &= (codes[column] >= low) & (codes[column] <= low + more)
        out |= passes.astype(np.uint64) << np.uint64(bit)
    return out


def _against(passes: Array, there: Array, weights: Array) -> Array:
    """The values of a leaf of 1, a row each pattern of rows: (p-1)! n! / (p+n)! where only the row passes, and the reverse."""
    count = passes.shape[1]
    gain = np.array([[0.0 if p == 0 else factorial(p - 1) * factorial(n) / factorial(p + n) for n in range(count + 1)]
                     for p in range(count + 1)])
    out = np.zeros(passes.shape)
    step = max(1, _PAIRS // max(1, len(there)))
    for start in range(0, len(passes), step):
        mine = passes[start:start + step]
        live = (~mine).astype(float) @ (~there).T.astype(float) == 0   # together they pass everything
        p = np.broadcast_to((~there).sum(axis=1)[None, :], live.shape)
        n = np.broadcast_to((~mine).sum(axis=1)[:, None], live.shape)
        plus = np.where(live, gain[np.minimum(p, count), n], 0.0) * weights
        minus = np.where(live, gain[n, np.minimum(p, count)], 0.0) * weights
        out[start:start + step] = np.where(mine, plus @ (~there).astype(float), -minus.sum(axis=1)[:, None])
    return out


def _shares(passes: Array, share: Array) -> Array:
    """The path-dependent values of a leaf of 1: the integral over t of (x_j - r_j) times the product of t x_k + (1 - t) r_k, k not j."""
    count = passes.shape[1]
    nodes, weights = np.polynomial.legendre.leggauss(max(1, ceil(count / 2)))
    out = np.zeros(passes.shape)
    for t, w in zip((nodes + 1) / 2, weights / 2, strict=True):
        factor = t * passes + (1 - t) * share
        for j in range(count):
            out[:, j] += w * (passes[:, j] - share[j]) * np.prod(np.delete(factor, j, axis=1), axis=1)
    return out
