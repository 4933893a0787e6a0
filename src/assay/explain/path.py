"""The way to every leaf of an ensemble as a few comparisons of small whole numbers, and leaves gathered into groups.

``paths(trees)`` prepares, ``Coder.codes`` turns numbers into the codes that it compares, ``gathered`` makes the groups. Only
``explain/tree.py`` and its kernels use this module.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import ModelError
from assay.model.trees import Trees

__all__ = ["WIDEST", "Coder", "Groups", "Paths", "gathered", "paths", "threads"]

Array = np.ndarray[Any, Any]
WIDEST = 64   # players on one path; a pattern of them is one whole number
_MOST = 65_533   # cuts of a column whose codes fit 16 bits
_SMALL = 200_000   # numbers below which threads cost more than they save


@dataclass(frozen=True, eq=False)
class Coder:
    """Turns numbers into codes: of a number, 1 + how many ``cuts`` of its column lie below it, 0 where it is missing.

    Columns after those of ``cuts`` are sets of categories of a feature, ``virtual``: their code is 1 inside and 0 outside.
    """

    cuts: tuple[Array, ...]
    virtual: tuple[tuple[int, Array], ...]
    strict: bool
    single: bool

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.cuts) + len(self.virtual)

    @property
    def small(self) -> bool:
        """Whether all codes fit 16 bits."""
        return max((len(each) for each in self.cuts), default=0) <= _MOST

    def codes(self, numbers: Array) -> Array:
        """Return the codes of rows, (2 * columns, rows): each column with missing values below all others, then above all."""
        out = np.empty((2 * self.width, len(numbers)), np.uint16 if self.small else np.uint32)

        def fill(place: int) -> None:
            x = np.ascontiguousarray(numbers[:, place if place < len(self.cuts) else self.virtual[place - len(self.cuts)][0]])
            if place < len(self.cuts):
                cuts = self.cuts[place]
                # a cut of 64 bits between two numbers of 32 bits must stay where it is, so only the rows are rounded
                x = x.astype(np.float32).astype(np.float64) if self.single else x
                codes, top = 1 + np.searchsorted(cuts, x, side="right" if self.strict else "left"), len(cuts) + 2
            else:
                codes, top = 1 + np.isin(np.floor(x), self.virtual[place - len(self.cuts)][1]), 3
            lost = np.isnan(x)
            out[place] = out[place + self.width] = codes
            if lost.any():
                out[place, lost], out[place + self.width, lost] = 0, top

        if numbers.size < _SMALL:
            for place in range(self.width):
                fill(place)
        else:   # searching and copying let go of the interpreter's lock
            with ThreadPoolExecutor(threads()) as pool:
                list(pool.map(fill, range(self.width)))
        return out


def threads() -> int:
    """Return how many threads this process may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class Paths:
    """Every leaf of an ensemble by what it takes to reach it.

    A *column* is a feature, or a set of categories of one (see :class:`Coder`). A row goes left at a node up to ``code``. ``slot``
    (N, D): for each node the columns that were tested above it, -1 beyond the last; ``low``, ``high``: the codes that pass all those
    tests, ``lost`` whether a missing value does. ``share`` is the share of training rows that pass the tests of that slot, and
    ``place`` the slot of a node's own test.
    """

    trees: Trees
    coder: Coder
    column: Array
    code: Array
    slot: Array
    low: Array
    high: Array
    lost: Array
    share: Array
    depth: Array
    place: Array
    order: tuple[Array, ...]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.coder.width


@dataclass(frozen=True, eq=False)
class Groups:
    """Leaves that share one pattern: one bit a player for the tests above a subtree, and one bit for each node inside it.

    Group g has ``bits[g]`` bits and the players ``member[member_at[g]:member_at[g + 1]]``. Its ``tests`` (T, 4), from ``tests_at[g]`` on,
    are column, lowest code, how many codes above that pass too, and bit; a bit is set where all its tests pass. ``leaf`` are nodes,
    from ``leaf_at[g]`` on; leaf l has ``count[l]`` players at the places ``players[l]`` of its group's list, and player s passes
    where the pattern under ``mask[l, s]`` equals ``asked[l, s]``; ``share[l, s]`` is its share of training rows.
    """

    bits: Array
    tests: Array
    tests_at: Array
    leaf: Array
    leaf_at: Array
    count: Array
    players: Array
    mask: Array
    asked: Array
    share: Array
    member: Array
    member_at: Array

    def __len__(self) -> int:
        return len(self.bits)

    @property
    def size(self) -> int:
        """Bytes of it, but for small change."""
        return sum(each.nbytes for each in (self.players, self.mask, self.asked, self.share, self.tests))

    def check(self) -> None:
        """Raise ``ModelError`` where a path has more players than fit one pattern."""
        if self.count.max(initial=0) > WIDEST:
            raise ModelError(f"a path of the trees tests {int(self.count.max())} columns", expected=f"at most {WIDEST}",
                             hint="its values can be sampled")


def paths(trees: Trees) -> Paths:
    """Return the way to every node."""
    inner = trees.left >= 0
    numeric = inner & (trees.sets < 0)
    cuts = []
    code = np.zeros(len(inner), np.int64)   # the highest code that goes left
    for feature in range(len(trees.source)):
        at = np.flatnonzero(numeric & (trees.feature == feature))
        values, place = np.unique(trees.threshold[at], return_inverse=True)
        cuts.append(values)
        code[at] = place + 1
    column = trees.feature.copy()
    named = np.flatnonzero(inner & (trees.sets >= 0))
    keys = [(int(trees.feature[node]), tuple(trees.categories[trees.sets[node]].tolist())) for node in named]
    known: dict[Any, tuple[int, int, int]] = {}
    for node, key in zip(named, keys, strict=True):   # the same set in two places is one column
        known.setdefault(key, (len(known), key[0], int(trees.sets[node])))
        column[node] = len(cuts) + known[key][0]
    virtual = tuple((feature, trees.categories[each]) for _, feature, each in known.values())
    return _descended(trees, Coder(tuple(cuts), virtual, trees.strict, trees.single), column, code)


def _tops(coder: Coder) -> Array:
    """The highest code of each column."""
    return np.array([len(each) + 1 for each in coder.cuts] + [2] * len(coder.virtual), np.int64)


def _descended(trees: Trees, coder: Coder, column: Array, code: Array) -> Paths:
    size, tops = len(trees.left), _tops(coder)
    slot, low, high = np.full((size, 4), -1, np.int64), np.zeros((size, 4), np.int64), np.zeros((size, 4), np.int64)
    lost, share, depth = np.zeros((size, 4), bool), np.ones((size, 4)), np.zeros(size, np.int64)
    places = np.zeros(size, np.int64)
    order, front = [], trees.roots
    while len(front):
        order.append(front)
        front = front[trees.left[front] >= 0]
        if len(front) and depth[front].max() + 1 > slot.shape[1]:
            more = slot.shape[1]
            slot = np.pad(slot, ((0, 0), (0, more)), constant_values=-1)
            low, high, lost = (np.pad(each, ((0, 0), (0, more))) for each in (low, high, lost))
            share = np.pad(share, ((0, 0), (0, more)), constant_values=1.0)
        there = slot[front] == column[front, None]
        place = np.where(there.any(axis=1), there.argmax(axis=1), depth[front])
        fresh = place == depth[front]
        places[front] = place
        cover = trees.cover[front]
        for child, left in ((trees.left[front], True), (trees.right[front], False)):
            for each in (slot, low, high, lost, share):
                each[child] = each[front]
            depth[child] = depth[front] + fresh
            c = column[front]
            ends = tops[c]
            simple = trees.sets[front] < 0
            first = np.where(simple, 1 if left else code[front] + 1, 2 if left == trees.listed_left else 1)
            last = np.where(simple, code[front] if left else ends, 2 if left == trees.listed_left else 1)
            takes = trees.default_left[front] == left
            slot[child, place] = c
            low[child, place] = np.where(fresh, first, np.maximum(low[front, place], first))
            high[child, place] = np.where(fresh, last, np.minimum(high[front, place], last))
            lost[child, place] = takes & (fresh | lost[front, place])
            # a node that no training row reached says nothing of its children: half and half
            ratio = np.where(cover > 0, trees.cover[child] / np.where(cover > 0, cover, 1), 0.5)
            share[child, place] = np.where(fresh, 1.0, share[front, place]) * ratio
        front = np.concatenate([trees.left[front], trees.right[front]])
    return Paths(trees, coder, column, code, slot, low, high, lost, share, depth, places, tuple(order))


def gathered(way: Paths, player: Array, most: int) -> tuple[Groups, Groups]:
    """Return the leaves in groups of at most ``most`` bits, and the leaves that alone have more, each by itself.

    ``player`` names the player of each column. A group is the highest subtree whose players above and nodes inside are few enough.
    """
    order, count = _distinct(way, player)
    trees = way.trees
    inner = trees.left >= 0
    inside = inner.astype(np.int64)
    for front in reversed(way.order):
        at = front[inner[front]]
        inside[at] += inside[trees.left[at]] + inside[trees.right[at]]
    small = count + inside <= most
    above = np.full(len(inner), -1, np.int64)
    above[trees.left[inner]] = above[trees.right[inner]] = np.flatnonzero(inner)
    here = np.zeros(len(inner), bool)   # trees of another output are left out
    here[np.concatenate(way.order)] = True
    roots = np.flatnonzero(here & small & ~np.where(above >= 0, small[above], False))
    wide = np.flatnonzero(here & ~inner & ~small)
    return _groups(way, player, order, count, roots), _groups(way, player, order, count, wide)


def _distinct(way: Paths, player: Array) -> tuple[Array, Array]:
    """For each slot of a node the place of its player among those above the node, and how many players there are."""
    size, most = way.slot.shape
    order = np.broadcast_to(np.arange(most), (size, most))
    if len(np.unique(player)) == len(player):
        return order, way.depth
    who = np.where(way.slot >= 0, player[way.slot], -1 - np.arange(most))
    order, count = order.copy(), np.zeros(size, np.int64)
    for here in range(most):
        used = way.slot[:, here] >= 0
        fresh, found = used.copy(), np.zeros(size, np.int64)
        for before in range(here):
            same = used & (who[:, before] == who[:, here])
            found[same], fresh = order[same, before], fresh & ~same
        order[:, here] = np.where(fresh, count, found)
        count += fresh
    return order, count


def _groups(way: Paths, player: Array, order: Array, count: Array, roots: Array) -> Groups:
    trees, most = way.trees, int(count.max(initial=1)) or 1
    size = len(trees.left)
    group, bit = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    group[roots] = np.arange(len(roots))
    used = count[roots].copy()   # bits given away in each group
    mask, asked = np.zeros((size, most), np.uint64), np.zeros((size, most), np.uint64)
    one = np.uint64(1)
    for s in range(most):
        mask[roots, s] = asked[roots, s] = np.where(s < count[roots], one << np.uint64(min(s, 63)), np.uint64(0))
    for front in way.order:
        at = front[(group[front] >= 0) & (trees.left[front] >= 0)]
        if not len(at):
            continue
        mine = group[at]
        by = np.argsort(mine, kind="stable")
        rank = np.empty(len(at), np.int64)
        rank[by] = np.arange(len(at)) - np.searchsorted(mine[by], mine[by], side="left")
        bit[at] = used[mine] + rank
        np.add.at(used, mine, 1)
        for child, left in ((trees.left[at], True), (trees.right[at], False)):
            group[child], mask[child], asked[child] = mine, mask[at], asked[at]
            here = order[child, way.place[at]]
            mask[child, here] |= one << bit[at].astype(np.uint64)
            if left:
                asked[child, here] |= one << bit[at].astype(np.uint64)
    nodes = np.flatnonzero((group >= 0) & (trees.left < 0))
    nodes = nodes[np.argsort(group[nodes], kind="stable")]
    slots = np.where(way.slot[nodes] >= 0, player[way.slot[nodes]], -1)
    who, share = np.full((len(nodes), most), -1, np.int64), np.ones((len(nodes), most))
    lines = np.arange(len(nodes))
    for slot in range(slots.shape[1]):
        there = slots[:, slot] >= 0
        at = order[nodes[there], slot]
        who[lines[there], at] = slots[there, slot]
        share[lines[there], at] *= way.share[nodes[there], slot]
    width = int(player.max(initial=0)) + 1
    keys = group[nodes, None] * width + who
    member = np.unique(keys[who >= 0])
    member_at = np.searchsorted(member, np.arange(len(roots) + 1) * width)
    place = np.where(who >= 0, np.searchsorted(member, keys) - member_at[group[nodes], None], -1)
    tests, tests_at = _tests(way, order, roots, group, bit)
    return Groups(bits=used, tests=tests, tests_at=tests_at, leaf=nodes, leaf_at=np.searchsorted(group[nodes], np.arange(len(roots) + 1)),
                  count=count[nodes], players=place, mask=mask[nodes], asked=asked[nodes], share=share, member=member % width,
                  member_at=member_at)


def _tests(way: Paths, order: Array, roots: Array, group: Array, bit: Array) -> tuple[Array, Array]:
    """The tests of each group: those above its root, then those inside it (whether a row goes left)."""
    trees = way.trees
    line, here = np.nonzero(way.slot[roots] >= 0)
    top = roots[line]
    nodes = np.flatnonzero((group >= 0) & (trees.left >= 0))
    ends = _tops(way.coder)
    column = way.column[nodes]
    simple = trees.sets[nodes] < 0
    low = np.where(simple | (not trees.listed_left), 1, 2)
    high = np.where(simple, way.code[nodes], 2 if trees.listed_left else 1)
    columns = np.concatenate([way.slot[top, here], column])
    lows = np.concatenate([way.low[top, here], low])
    highs = np.concatenate([way.high[top, here], high])
    lost = np.concatenate([way.lost[top, here], trees.default_left[nodes]])
    bits = np.concatenate([order[top, here], bit[nodes]])
    owner = np.concatenate([line, group[nodes]])
    tops = ends[columns]
    none = lows > highs
    first, last = np.where(none, np.where(lost, 0, tops + 2), np.where(lost, 0, lows)), np.where(none, np.where(lost, 0, tops + 2), highs)
    up = ~none & lost & (lows > 1)   # missing stands above the codes
    both = up & (highs < tops)       # codes in the middle and missing: two tests that both must pass
    columns = np.concatenate([np.where(up & ~both, columns + way.width, columns), columns[both] + way.width])
    first = np.concatenate([np.where(up & ~both, lows, first), lows[both]])
    last = np.concatenate([np.where(up & ~both, tops + 1, last), tops[both] + 1])
    bits, owner = np.concatenate([bits, bits[both]]), np.concatenate([owner, owner[both]])
    by = np.argsort(owner, kind="stable")
    table = np.stack([columns, first, last - first, bits], axis=1)[by].astype(np.int64)
    return table, np.searchsorted(owner[by], np.arange(len(roots) + 1))
