"""The exact values in compiled loops: ensembles made ready for them, and the tables that are kept.

``kernels()`` gives the compiled loops, None where numba is absent; ``plan`` prepares an ensemble for them, ``values`` runs
them. Only ``explain/tree.py`` uses this module.
The loops are compiled at their first use and kept on disk beside ``_loops.py``, or in the user's cache where that cannot be written.
They let go of the interpreter's lock and run in threads; sums are added in one order, whatever the number of threads.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from assay.explain import _loops
from assay.explain.path import Coder, Groups, Paths, gathered, threads
from assay.loop import Loop, compiled

__all__ = ["Kernels", "Plan", "Tables", "kernels", "key", "plan", "values"]

Array = np.ndarray[Any, Any]
_BLOCK = 1024          # rows at a time: their patterns and one column of a table stay in the first cache
_SPAN = 16_384         # rows at a time for single leaves, so that what they write stays small
_LANES = 4             # partial sums for single leaves; more threads than that are of no use there
_FEW, _MANY = 8, 10    # bits of a group: fewer look-ups against tables that leave the cache; single leaves cost more than either
_TABLES = 1_500_000    # numbers in the tables that are filled and used at once: 12 MB
_KEPT = 16_000_000     # numbers in the tables that are kept for the next rows, of all ensembles together: 128 MB
_DEEP = 14             # players above which a table of all patterns of one leaf is too large


class Kernels(NamedTuple):
    """The compiled loops."""

    build: Loop
    apply: Loop
    single: Loop


@functools.cache
def kernels() -> Kernels | None:
    """Return the loops, or None where numba is not installed."""
    build, apply, single = (compiled(each) for each in (_loops.build, _loops.apply, _loops.single))
    return None if build is None or apply is None or single is None else Kernels(build, apply, single)


@dataclass(eq=False)
class Tables:
    """The tables of every group, and what the groups' leaves are worth on average."""

    room: Array
    base: Array


@dataclass(frozen=True, eq=False)
class Plan:
    """An ensemble as the loops want it: leaves in groups, and leaves alone, with what each adds."""

    loops: Kernels
    coder: Coder
    groups: Groups
    wide: Groups
    leaf: Array
    wide_leaf: Array
    sizes: Array

    @property
    def size(self) -> int:
        """Bytes of it, without tables."""
        return self.groups.size + self.wide.size


_HELD: OrderedDict[tuple[int, bytes], Tables] = OrderedDict()   # the tables of plans for backgrounds, those used last at the end
_LOCK = threading.RLock()   # a plan may die, and its tables go, while the lock is held


def _found(plan: Plan, key: bytes) -> Tables | None:
    with _LOCK:
        kept = _HELD.get((id(plan), key))
        if kept is not None:
            _HELD.move_to_end((id(plan), key))
        return kept


def _keep(plan: Plan, key: bytes, tables: Tables) -> None:
    with _LOCK:
        if not any(each == id(plan) for each, _ in tuple(_HELD)):
            weakref.finalize(plan, _forget, id(plan))
        _HELD[id(plan), key] = tables
        while sum(len(each.room) for each in tuple(_HELD.values())) > _KEPT:
            _HELD.popitem(last=False)


def _forget(plan: int) -> None:
    with _LOCK:
        for each in [each for each in tuple(_HELD) if each[0] == plan]:
            _HELD.pop(each, None)


def plan(loops: Kernels, way: Paths, player: Array, value: Array) -> Plan:
    """Gather the leaves of an ensemble; raises ``ModelError`` for a path of more than 64 players."""
    most = _FEW if way.depth.max() <= _FEW else _MANY
    groups, wide = gathered(way, player, most)
    wide.check()
    groups = replace(groups, players=groups.players.astype(np.int32), mask=groups.mask.astype(np.int64),
                     asked=groups.asked.astype(np.int64))
    sizes = (np.int64(1) << groups.bits) * np.diff(groups.member_at)
    return Plan(loops, way.coder, groups, wide, np.ascontiguousarray(value[groups.leaf]), np.ascontiguousarray(value[wide.leaf]), sizes)


def key(background: Array) -> bytes:
    """Return the digest of the numbers of a background."""
    made = hashlib.blake2b(repr(background.shape).encode(), digest_size=16)
    made.update(np.ascontiguousarray(background).tobytes())
    return made.digest()


def values(plan: Plan, rows: Array, behind: Callable[[], Array] | None, key: bytes, out: Array) -> float:
    """Add the values of every leaf to ``out`` (players, rows) and return the sum of their means over the background.

    ``rows`` are codes; ``behind`` gives those of the background, None: the path-dependent game. ``key`` is its digest.
    """
    base, shares = 0.0, behind is None
    kept = _found(plan, key)
    codes = np.zeros((len(rows), 0), rows.dtype) if behind is None or (kept is not None and not len(plan.wide)) else behind()
    with ThreadPoolExecutor(threads()) as pool:
        if len(plan.groups):
            base += _grouped(plan, pool, rows, codes, shares, key, kept, out)
        if len(plan.wide):
            base += _singles(plan, pool, rows, codes, shares, out)
    return base


def _rule(count: int) -> tuple[Array, Array]:
    """Nodes and weights on (0, 1) that integrate polynomials of degree ``count`` - 1 without error."""
    nodes, weights = np.polynomial.legendre.leggauss(max(1, (count + 1) // 2))
    return (nodes + 1) / 2, weights / 2


@functools.cache
def _rules(most: int) -> tuple[Array, ...]:
    """The rules for 0 to ``most`` players: how many nodes, the nodes and weights, and their powers by (players, passed, node)."""
    size = np.array([max(1, (each + 1) // 2) for each in range(most + 1)], np.int64)
    t, w = np.zeros((most + 1, size.max())), np.zeros((most + 1, size.max()))
    for each in range(most + 1):
        t[each, :size[each]], w[each, :size[each]] = _rule(each)
    most = min(most, _DEEP)   # with more players no table of all patterns is made
    power, plus, minus = (np.zeros((most + 1, most + 1, size[most])) for _ in range(3))
    for d in range(most + 1):
        passed, inside = np.arange(d + 1)[:, None], slice(0, size[d])
        x, rest = t[d, inside], 1 - t[d, inside]
        power[d, :d + 1, inside] = x ** passed
        plus[d, :d + 1, inside] = rest ** (d - passed) * w[d, inside] / x
        minus[d, :d + 1, inside] = rest ** (d - passed) * w[d, inside] / rest
    return size, t, w, power, plus, minus


def _grouped(plan: Plan, pool: ThreadPoolExecutor, rows: Array, behind: Array, shares: bool, key: bytes, kept: Tables | None,
             out: Array) -> float:
    groups, sizes = plan.groups, plan.sizes
    total, count = int(sizes.sum()), rows.shape[1]
    keep = total <= _KEPT // 2
    tables = kept or Tables(np.empty(total if keep else max(_TABLES, int(sizes.max()))), np.zeros(len(groups)))
    rule = _rules(int(groups.count.max(initial=0)))
    edges = [*range(0, count, _BLOCK), count]
    parts = [(edges[each], edges[min(each + _share(len(edges)), len(edges) - 1)]) for each in range(0, len(edges) - 1, _share(len(edges)))]
    start, done = 0, 0
    while start < len(groups):
        held = np.cumsum(sizes[start:])
        stop = start + max(1, int(np.searchsorted(held, _TABLES, side="right")))
        at = np.concatenate([[0], held[:stop - start]]).astype(np.int64)
        room = tables.room[done:done + at[-1]] if keep else tables.room
        done += int(at[-1])
        if kept is None:
            cuts = np.unique(np.linspace(start, stop, 4 * threads() + 1).astype(np.int64)).tolist()
            given: tuple[Any, ...] = (start, groups.bits, groups.tests, groups.tests_at, groups.leaf_at, groups.count, groups.players,
                                      groups.mask, groups.asked, groups.share, plan.leaf, at, behind, shares, *rule, room, tables.base)
            _wait([pool.submit(plan.loops.build, a, b, *given) for a, b in pairwise(cuts)])
        use: tuple[Any, ...] = (start, stop, groups.bits, groups.tests, groups.tests_at, groups.member, groups.member_at, at, room, rows,
                                out)
        _wait([pool.submit(plan.loops.apply, a, b, *use) for a, b in parts])
        start = stop
    if keep and kept is None:
        _keep(plan, key, tables)
    return float(tables.base.sum())


def _wait(done: Sequence[Future[Any]]) -> None:
    for each in done:
        each.result()


def _share(count: int) -> int:
    """How many blocks of rows a thread takes at once."""
    return max(1, count // (4 * threads()))


def _singles(plan: Plan, pool: ThreadPoolExecutor, rows: Array, behind: Array, shares: bool, out: Array) -> float:
    wide, loops = plan.wide, plan.loops
    most = int(wide.count.max())
    gain = np.array([[0.0 if p == 0 else factorial(p - 1) * factorial(n) / factorial(p + n) for n in range(most + 1)]
                     for p in range(most + 1)])
    leaf, rule = plan.wide_leaf, _rules(most)
    members = [wide.member[wide.member_at[each] + wide.players[each]] for each in range(len(wide))]
    players = np.stack(members).astype(np.int64)
    base = np.zeros(_LANES)
    room = np.zeros((_LANES, len(out), min(_SPAN, rows.shape[1])))
    given: tuple[Any, ...] = (_LANES, wide.tests, wide.tests_at, wide.count, players, wide.share, leaf)
    more: tuple[Any, ...] = (behind, shares, gain, *rule, _DEEP)
    for start in range(0, max(1, rows.shape[1]), _SPAN):
        some = np.ascontiguousarray(rows[:, start:start + _SPAN])   # a loop is compiled for each layout of its arrays
        room[:] = 0
        base[:] = 0
        _wait([pool.submit(loops.single, *(lane, *given, some, *more, room[lane], base)) for lane in range(_LANES)])
        for lane in range(_LANES):
            out[:, start:start + _SPAN] += room[lane, :, :some.shape[1]]
    return float(base.sum())
