"""What is proved of the trees of a forest or a boosted model: bounds on the share of inputs that is discriminatory, by cutting boxes.

``bounds(grown, space, inputs)`` is the interface. Where numba is installed the loop over boxes is compiled, else it runs as it is, some
hundred times slower: the bounds are as true, and wider. Certificates in this package import it.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.loop import compiled
from assay.model.trees import Trees
from assay.probe import _loops
from assay.probe.grid import Cuts, cuts
from assay.probe.space import Space

__all__ = ["Bounds", "bounds"]

Array = np.ndarray[Any, Any]

SLOTS = 1_500_000     # boxes that are held at a time
FIRST = 1 << 14
ROOM = 512            # boxes between two looks at the clock, of a compiled loop
VARIANTS = 62         # that a word of bits can hold
SLACK = 2e-7          # rounding of a sum in 32 bits, for each tree
PARTS = 1_024         # of a vote, in which those of a forest are counted where they are such parts


@dataclass(frozen=True, eq=False)
class Bounds:
    """At least ``low`` and at most ``high`` of all points are discriminatory; ``boxes`` (boxes, 2, axes) are those not decided.

    Boxes are of places in ``space``: the one that was given, with categories perhaps in another order.
    """

    low: float
    high: float
    boxes: Array
    looked: int
    space: Space


def bounds(grown: Trees, space: Space, inputs: Sequence[str], *, threshold: float | None = None, seconds: float = 20.0,
           boxes: int | None = None) -> Bounds | None:
    """Return what cutting boxes proves within so many ``seconds`` and at most so many ``boxes``; None where the trees cannot be laid out.

    A box is decided by bounds on the sum of trees in it: the sum of the least, and of the greatest, leaves that it reaches, for each
    variant; and the greatest difference between variants, to which only trees that split a protected column add. The largest box that is
    not decided is cut next, where that narrows the leaves of most trees most.
    """
    scored = _scored(grown, threshold)
    split = cuts(grown, space, inputs) if scored is not None and len(space.variants) <= VARIANTS else None
    if scored is None or split is None:
        return None
    value, base, level, slack = scored
    return _Run(grown, split, value, base, level, slack).bounds(seconds, boxes)


def _scored(grown: Trees, threshold: float | None) -> tuple[Array, float, float, float] | None:
    """Return the number of each node, the sum before any, and the level above which a sum, by more than the slack, is the second class."""
    width = grown.value.shape[1]
    if grown.output.any() or len(grown.base) != width:
        return None
    if width == 2 and grown.unit == "probability":
        value, base = grown.value[:, 1] - grown.value[:, 0], float(grown.base[1] - grown.base[0])
        level = 0.0
        if threshold is not None:
            value, base, level = grown.value[:, 1], float(grown.base[1]), threshold
        else:
            votes = np.where(grown.left < 0, value * len(grown.roots) * PARTS, 0.0)
            if base == 0 and np.abs(votes - np.round(votes)).max() < 1e-7:   # their sums are exact, and ties are common
                return np.round(votes), 0.0, 0.5, 0.25
    elif width == 1 and grown.unit in ("probability", "log-odds", "margin"):
        value, base, level = grown.value[:, 0], float(grown.base[0]), 0.5 if grown.unit == "probability" else 0.0
        if threshold is not None:
            if grown.unit == "margin":
                return None
            level = threshold if grown.unit == "probability" else math.log(threshold / (1 - threshold))
    else:
        return None
    slack = SLACK * len(grown.roots) * float(np.abs(value).max(initial=0.0)) + 1e-12
    return value.astype(np.float64), base, level, slack


@functools.cache
def _loop() -> tuple[Callable[..., int], int]:
    """Return the loop, and how many boxes it looks at between two looks at the clock."""
    found = compiled(_loops.decide)
    return (_loops.decide, 8) if found is None else (found, ROOM)


class _Run:
    """The state of one run of cutting."""

    def __init__(self, grown: Trees, split: Cuts, value: Array, base: float, level: float, slack: float):
        space, axis = split.space, split.axis
        self.space = space
        count, variants = len(grown.left), len(space.variants)
        mask = np.zeros(count, np.int64)
        for node, goes in split.sides.items():
            mask[node] = sum(1 << place for place, each in enumerate(goes) if each)
        every = (1 << variants) - 1
        real = (axis < 0) & (mask != 0) & (mask != every) & (grown.left >= 0)
        order, depth = _order(grown)
        least, most, parted = value.copy(), value.copy(), real.copy()
        for depths in reversed(order):
            inner = depths[grown.left[depths] >= 0]
            one, other = grown.left[inner], grown.right[inner]
            least[inner], most[inner] = np.minimum(least[one], least[other]), np.maximum(most[one], most[other])
            parted[inner] |= parted[one] | parted[other]
        self.offset = np.concatenate([[0], np.cumsum(space.sizes + 1)])[:-1].astype(np.int64)
        nodes = (each.astype(np.int64) for each in (grown.roots, grown.left, grown.right))
        self.fixed = (*nodes, axis, split.cut, split.listed, mask, value, least, most, parted, variants, base, level, slack)
        self.gain = np.zeros(int((space.sizes + 1).sum()))
        self.waiting, self.marks = np.zeros(depth + 2, np.int64), np.zeros(depth + 2, np.int64)
        self.total = np.zeros(3)
        self.state = np.array([1, 1, 0], np.int64)
        axes = len(space.axes)
        self.low, self.high = np.zeros((FIRST, axes), np.int32), np.zeros((FIRST, axes), np.int32)
        self.high[0] = space.sizes - 1
        self.volume, self.heap, self.free = np.ones(FIRST), np.zeros(FIRST, np.int64), np.zeros(FIRST, np.int64)

    def bounds(self, seconds: float, boxes: int | None) -> Bounds:
        loop, room = _loop()
        self._step(loop, 0)   # compiles, if it must: not a part of the time
        end, looked = time.perf_counter() + seconds, 0
        while self.state[0] and (boxes is None or looked < boxes) and time.perf_counter() < end:
            step = room if boxes is None else min(room, boxes - looked)
            if self.state[1] + step >= SLOTS:
                break
            self._grow(int(self.state[1]) + step)
            looked += self._step(loop, step)
        left = self.heap[:self.state[0]]
        low = float(self.total[1])
        there = np.stack([self.low[left], self.high[left]], axis=1).astype(np.int64)
        undecided = float(self.volume[left].sum() + self.total[2])
        return Bounds(low, min(low + undecided, 1.0), there, looked, self.space)

    def _step(self, loop: Callable[..., int], room: int) -> int:
        return int(loop(*self.fixed, self.low, self.high, self.volume, self.heap, self.free, self.state, self.total, self.gain, self.offset,
                        self.waiting, self.marks, room))

    def _grow(self, slots: int) -> None:
        size = len(self.volume)
        if slots <= size:
            return
        more = max(size, slots - size)
        self.low, self.high = (np.concatenate([each, np.zeros((more, each.shape[1]), np.int32)]) for each in (self.low, self.high))
        self.volume = np.concatenate([self.volume, np.zeros(more)])
        self.heap, self.free = (np.concatenate([each, np.zeros(more, np.int64)]) for each in (self.heap, self.free))


def _order(grown: Trees) -> tuple[list[Array], int]:
    """Return the nodes of all trees by their depth, and the greatest."""
    levels, nodes = [], grown.roots.astype(np.int64)
    while len(nodes):
        levels.append(nodes)
        inner = nodes[grown.left[nodes] >= 0]
        nodes = np.concatenate([grown.left[inner], grown.right[inner]])
    return levels, len(levels)
