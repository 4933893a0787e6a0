"""The exact values in compiled loops: the fence around numba, which only this module imports.

``kernels()`` gives the compiled loops, None where numba is absent; ``values`` runs them. Only ``explain/tree.py`` uses this module.
The loops are compiled at their first use and kept on disk beside this file, or in the user's cache where that cannot be written.
They let go of the interpreter's lock and run in threads; sums are added in one order, whatever the number of threads.
"""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from assay.explain import _loops
from assay.explain.path import Groups, Paths, gathered

__all__ = ["Kernels", "kernels", "values"]

Array = np.ndarray[Any, Any]
_BLOCK = 1024          # rows at a time: their patterns and one column of a table stay in the first cache
_SPAN = 16_384         # rows at a time for single leaves, so that what they write stays small
_LANES = 4             # partial sums for single leaves; more threads than that are of no use there
_FEW, _MANY = 8, 10    # bits of a group: fewer look-ups against tables that leave the cache; single leaves cost more than either
_TABLES = 1_500_000    # numbers in the tables that are held at once: 12 MB
_DEEP = 14             # players above which a table of all patterns of one leaf is too large


class Kernels(NamedTuple):
    """The compiled loops."""

    build: Any
    apply: Any
    single: Any


@functools.cache
def kernels() -> Kernels | None:
    """Return the loops, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None

    def compiled(function: Any) -> Any:
        try:
            return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        except RuntimeError:   # nowhere to write: compiled anew in each process
            return numba.njit(nogil=True, error_model="numpy")(function)

    return Kernels(compiled(_loops.build), compiled(_loops.apply), compiled(_loops.single))


def values(loops: Kernels, way: Paths, player: Array, value: Array, rows: Array, background: Array | None, out: Array) -> float:
    """Add the values of every leaf to ``out`` (players, rows) and return the sum of their means over the background."""
    most = _FEW if way.depth.max() <= _FEW else _MANY
    groups, wide = gathered(way, player, most)
    wide.check()
    behind = np.zeros((len(rows), 0), rows.dtype) if background is None else background
    base = 0.0
    with ThreadPoolExecutor(_threads()) as pool:
        if len(groups):
            base += _grouped(loops, pool, groups, value, rows, behind, background is None, out)
        if len(wide):
            base += _singles(loops, pool, wide, value, rows, behind, background is None, out)
    return base


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _rule(count: int) -> tuple[Array, Array]:
    """Nodes and weights on (0, 1) that integrate polynomials of degree ``count`` - 1 without error."""
    nodes, weights = np.polynomial.legendre.leggauss(max(1, (count + 1) // 2))
    return (nodes + 1) / 2, weights / 2


def _rules(most: int) -> tuple[Array, Array, Array]:
    """The rules for 0 to ``most`` players: how many nodes, and the nodes and weights, a line each."""
    size = np.array([max(1, (each + 1) // 2) for each in range(most + 1)], np.int64)
    t, w = np.zeros((most + 1, size.max())), np.zeros((most + 1, size.max()))
    for each in range(most + 1):
        t[each, :size[each]], w[each, :size[each]] = _rule(each)
    return size, t, w


def _grouped(loops: Kernels, pool: ThreadPoolExecutor, groups: Groups, value: Array, rows: Array, behind: Array, shares: bool,
             out: Array) -> float:
    sizes = (np.int64(1) << groups.bits) * np.diff(groups.member_at)
    rule = _rules(int(groups.count.max(initial=0)))
    leaf = np.ascontiguousarray(value[groups.leaf])
    players, mask, asked = groups.players.astype(np.int32), groups.mask.astype(np.int64), groups.asked.astype(np.int64)
    base = np.zeros(len(groups))
    room = np.empty(max(_TABLES, int(sizes.max())))
    start, count = 0, rows.shape[1]
    edges = [*range(0, count, _BLOCK), count]
    parts = [(edges[each], edges[min(each + _share(len(edges)), len(edges) - 1)]) for each in range(0, len(edges) - 1, _share(len(edges)))]
    while start < len(groups):
        held = np.cumsum(sizes[start:])
        stop = start + max(1, int(np.searchsorted(held, len(room), side="right")))
        at = np.concatenate([[0], held[:stop - start]]).astype(np.int64)
        cuts = np.unique(np.linspace(start, stop, 4 * _threads() + 1).astype(np.int64))
        done = [pool.submit(loops.build, int(a), int(b), start, groups.bits, groups.tests, groups.tests_at, groups.leaf_at, groups.count,
                            players, mask, asked, groups.share, leaf, at, behind, shares, rule[0], rule[1], rule[2], room, base)
                for a, b in pairwise(cuts)]
        for each in done:
            each.result()
        done = [pool.submit(loops.apply, a, b, start, stop, groups.bits, groups.tests, groups.tests_at, groups.member, groups.member_at, at,
                            room, rows, out) for a, b in parts]
        for each in done:
            each.result()
        start = stop
    return float(base.sum())


def _share(count: int) -> int:
    """How many blocks of rows a thread takes at once."""
    return max(1, count // (4 * _threads()))


def _singles(loops: Kernels, pool: ThreadPoolExecutor, wide: Groups, value: Array, rows: Array, behind: Array, shares: bool,
             out: Array) -> float:
    most = int(wide.count.max())
    gain = np.array([[0.0 if p == 0 else factorial(p - 1) * factorial(n) / factorial(p + n) for n in range(most + 1)]
                     for p in range(most + 1)])
    leaf, rule = np.ascontiguousarray(value[wide.leaf]), _rules(most)
    members = [wide.member[wide.member_at[each] + wide.players[each]] for each in range(len(wide))]
    players = np.stack(members).astype(np.int64)
    base = np.zeros(_LANES)
    room = np.zeros((_LANES, len(out), min(_SPAN, rows.shape[1])))
    for start in range(0, rows.shape[1], _SPAN):
        some = rows[:, start:start + _SPAN]
        room[:] = 0
        base[:] = 0
        done = [pool.submit(loops.single, lane, _LANES, wide.tests, wide.tests_at, wide.count, players, wide.share, leaf, some, behind,
                            shares, gain, rule[0], rule[1], rule[2], _DEEP, room[lane], base) for lane in range(_LANES)]
        for each in done:
            each.result()
        for lane in range(_LANES):
            out[:, start:start + _SPAN] += room[lane, :, :some.shape[1]]
    if not rows.shape[1]:
        loops.single(0, 1, wide.tests, wide.tests_at, wide.count, players, wide.share, leaf, rows, behind, shares, gain, *rule, _DEEP,
                     np.zeros((len(out), 0)), base)
    return float(base.sum())
