"""Where to look: sub-populations in which an association seems stronger, by exact search and by guided trees.

``searched(axes, rows, attribute, output, ...)`` and ``grown(...)`` return boxes of the rows given, the most promising first; nothing is
tested here. ``study`` and the benchmark import it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.association.independence import centred
from assay.probe.association.measure import Metric, Variable
from assay.segment.axis import Axis, Level
from assay.segment.search import Box, Field, search

__all__ = ["FEWEST", "grown", "searched"]

Array = np.ndarray[Any, Any]

FEWEST = 30          # rows of a group (of numbers: rows) in a box
SHARE = 0.005        # of the rows, below which no box is looked at
LARGEST = 0.6        # of the rows: what holds more is the population
TAIL = 0.002         # of numbers on each side, which are cut off: one row must not make a box
GROUPS = 6           # groups of an attribute, and classes of an output, that a guided tree looks at
LIMIT = 8            # boxes of each of them in each direction
FLOOR = -6.0         # of the score of a box: what is likely to be chance is left to the other half
ROWS_FITTED = 50_000
BINS = 10            # of a number, and values of a category, in a guided tree
DEPTH = 4
MEMBERS = 100


def searched(axes: Sequence[Axis], rows: Array, attribute: Variable, output: Variable, *, strata: Array | None = None, levels: int = 3,
             compiled: bool | None = None) -> list[Box]:
    """Return the conjunctions of up to ``levels`` conditions in which the association differs most from that of all ``rows``.

    Two groups: the gap between their mean outputs. Numbers: the product of what attribute and output exceed what the columns of ``axes``
    explain of them, each alone. What ``strata`` explain of the output is taken off first. Of several groups or classes the caller asks
    for one against the others at a time. Both directions are searched; ``assay.segment.search`` is exact on its grid.
    """
    found: dict[tuple[tuple[int, int, int], ...], Box] = {}
    place = None if strata is None else np.unique(strata[rows], return_inverse=True)[1].reshape(-1)
    (side,), (label,) = (_columns(each.scores(rows), clip=not each.grouped)[:1] for each in (attribute, output))
    for field in _fields(axes, rows, side, label, place, attribute.grouped):
        for box in search(axes, rows, field, levels=levels, limit=LIMIT, floor=FLOOR, compiled=compiled).boxes:
            if box.parts not in found or found[box.parts].score < box.score:
                found[box.parts] = box
    return sorted(found.values(), key=lambda each: -each.score)


def _columns(scores: Array, *, clip: bool) -> list[Array]:
    """Return the columns that are compared: the only one, or indicators of the most frequent of several."""
    if scores.shape[1] > 1:
        order = np.argsort(-scores.sum(axis=0), kind="stable")[:GROUPS]
        return [scores[:, each] for each in order if scores[:, each].any()]
    column = scores[:, 0]
    return [np.clip(column, *np.quantile(column, (TAIL, 1 - TAIL))) if clip else column]


def _fields(axes: Sequence[Axis], rows: Array, side: Array, label: Array, place: Array | None, grouped: bool) -> Iterator[Field]:
    value = centred(label.reshape(-1, 1), place)[:, 0]
    if grouped:
        second = np.where(side > 0, 0, 1).astype(np.uint8)
        total = np.bincount(second, minlength=2).astype(np.float64)
        least = max(SHARE * float(total.min()), FEWEST)
        variance = np.array([value[second == each].var() if total[each] else 0.0 for each in (0, 1)])
        if float(total.min()) < 2 * least or not variance.sum() > 0:
            return
        means = np.array([value[second == each].mean() for each in (0, 1)])
        for sign in (1, -1):
            yield Field(sign * (value - means[second]), second, None, variance, least, LARGEST * total)
        return
    least = max(SHARE * len(rows), FEWEST)
    if len(rows) < 2 * least:
        return
    one, other = (_plain(axes, rows, each, place) for each in (side, label))
    slope = float(one @ other) / max(float(one @ one), 1e-300)
    pull = one * (other - slope * one)
    pull = np.clip(pull, *np.quantile(pull, (TAIL, 1 - TAIL)))
    pull = pull - pull.mean()
    if pull.var() > 0:
        for sign in (1, -1):
            yield Field(sign * pull, None, None, np.array([pull.var()]), least, np.array([LARGEST * len(rows)]))


def _plain(axes: Sequence[Axis], rows: Array, column: Array, place: Array | None) -> Array:
    """Return a column less what the columns of ``axes`` say of it, one by one (additive, on their bins, a little shrunk)."""
    parts = [np.eye(level.size)[level.of[each.codes[rows]]] for each in axes for level in (each.level(8, 8),)]
    if place is not None and int(place.max()) < 64:
        parts.append(np.eye(int(place.max()) + 1)[place])
    design = np.concatenate([np.ones((len(rows), 1)), *parts], axis=1)
    some = slice(None, None, max(1, len(rows) // ROWS_FITTED))
    x, y = design[some], column[some]
    weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
    left: Array = column - design @ weights
    return left


# guided trees ------------------------------------------------------------------------------------------------------------------------


def grown(axes: Sequence[Axis], rows: Array, attribute: Variable, output: Variable, *, metric: Metric, strata: Array | None = None,
          depth: int = DEPTH, members: int = MEMBERS, fewest: int = FEWEST, roots: int = 1) -> list[Box]:
    """Return the nodes of guided trees: each split makes the association stronger in one part at least, and on average most.

    Of each column a threshold between ``BINS`` bins, or one part for each value. Parts hold at least ``members`` rows and, of groups,
    ``fewest`` of each. With ``roots`` above 1 further trees begin with the second best column, and so on. The nodes of the first tree are
    those of Tramèr et al. (2017). The score of a box is what a node is split by: its difference, or its correlation (of several groups
    or classes the canonical one).
    """
    place = None if strata is None else np.unique(strata[rows], return_inverse=True)[1].reshape(-1)
    s = np.stack(_columns(attribute.scores(rows), clip=False), axis=1)
    o = centred(np.stack(_columns(output.scores(rows), clip=False), axis=1), place)
    if not attribute.grouped:
        s = centred(s, place)
    tree = _Tree(axes, rows, s, o, metric in ("difference", "ratio"), members, fewest if attribute.grouped else 0)
    everyone = np.arange(len(rows))
    begin = tree.strength(tree.sums(everyone, np.zeros(len(rows), np.int64), 1))[0]
    splits = tree.splits(everyone, {}, float(begin))
    found: dict[tuple[tuple[int, int, int], ...], Box] = {}
    for first in splits[:roots]:
        tree.grow(everyone, {}, first, depth, found)
    return sorted(found.values(), key=lambda each: -each.score)


@dataclass(frozen=True)
class _Split:
    """A way to divide a node: by ``axis`` into ranges of merged codes, with the strength of each part."""

    axis: int
    parts: tuple[tuple[int, int, float], ...]
    mean: float


@dataclass(eq=False)
class _Tree:
    axes: Sequence[Axis]
    rows: Array
    s: Array
    o: Array
    difference: bool
    members: int
    fewest: int

    def __post_init__(self) -> None:
        self.levels: list[Level] = [each.level(BINS, BINS) for each in self.axes]
        self.codes = [level.of[each.codes[self.rows]].astype(np.int64) for each, level in zip(self.axes, self.levels, strict=True)]
        p, q = self.s.shape[1], self.o.shape[1]
        cross = [self.s[:, i] * self.o[:, j] for i in range(p) for j in range(q)]
        self.moments = np.stack([np.ones(len(self.s)), *self.s.T, *self.o.T, *(self.s**2).T, *(self.o**2).T, *cross], axis=1)

    def sums(self, some: Array, code: Array, size: int) -> Array:
        """Return the sums of the moments of some rows by code: (codes, moments)."""
        return np.stack([np.bincount(code, self.moments[some, each], size) for each in range(self.moments.shape[1])], axis=1)

    def strength(self, sums: Array) -> Array:
        """Return the strength of the association of parts of given sums, NaN where a part is too small to say."""
        p, q = self.s.shape[1], self.o.shape[1]
        n, s, o, ss, oo, so = np.split(sums, np.cumsum([1, p, q, p, q]), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            vs, vo = ss - s**2 / n, oo - o**2 / n
            cov = so.reshape(-1, p, q) - s[:, :, None] * o[:, None, :] / n[:, :, None]
            if self.difference:
                found = np.abs(cov[:, 0, 0] / vs[:, 0])
            else:
                parts = cov**2 / (vs[:, :, None] * vo[:, None, :])
                found = np.sqrt(np.where(np.isfinite(parts), parts, 0.0).sum(axis=(1, 2)))
        few = n[:, 0] < self.members
        if self.fewest and p == 1:
            few |= np.minimum(s[:, 0], n[:, 0] - s[:, 0]) < self.fewest
        return np.where(few | ~np.isfinite(found), np.nan, found)

    def splits(self, some: Array, taken: dict[int, tuple[int, int]], above: float) -> list[_Split]:
        """Return the best split of each column that makes a part stronger than ``above``, the best first."""
        found = []
        for axis, level in enumerate(self.levels):
            sums = self.sums(some, self.codes[axis][some], level.size)
            low, high = taken.get(axis, (0, level.size - 1))
            options = self._thresholds(sums, axis, low, high) if self.axes[axis].ordered else self._values(sums, axis, low, high)
            best = max(options, key=lambda each: each.mean, default=None)
            if best is not None and max(strength for *_, strength in best.parts) > above:
                found.append(best)
        return sorted(found, key=lambda each: -each.mean)

    def _thresholds(self, sums: Array, axis: int, low: int, high: int) -> Iterator[_Split]:
        last = min(high, self._named(axis) - 1)
        if last <= low:
            return
        running = np.cumsum(sums[low:last + 1], axis=0)
        left, right = self.strength(running[:-1]), self.strength(running[-1] - running[:-1])
        for place in np.flatnonzero(np.isfinite(left) & np.isfinite(right)).tolist():
            yield _Split(axis, ((low, low + place, float(left[place])), (low + place + 1, last, float(right[place]))),
                         float(left[place] + right[place]) / 2)

    def _values(self, sums: Array, axis: int, low: int, high: int) -> Iterator[_Split]:
        strengths = self.strength(sums)
        parts = tuple((each, each, float(strengths[each])) for each in range(low, min(high, self._named(axis) - 1) + 1)
                      if math.isfinite(strengths[each]))
        if len(parts) > 1:
            yield _Split(axis, parts, sum(strength for *_, strength in parts) / len(parts))

    def _named(self, axis: int) -> int:
        """How many merged codes are bins or categories that a condition names."""
        first, missing = self.levels[axis].first, self.axes[axis].missing is not None
        return int(first[:len(first) - 1].max(initial=-1) if missing else first.max(initial=-1)) + 1

    def grow(self, some: Array, taken: dict[int, tuple[int, int]], split: _Split, depth: int,
             found: dict[tuple[tuple[int, int, int], ...], Box]) -> None:
        """Put the parts of a split, and what they are split into, among the boxes found."""
        for low, high, strength in split.parts:
            now = {**taken, split.axis: (low, high)}
            code = self.codes[split.axis][some]
            inside = some[(code >= low) & (code <= high)]
            parts = tuple((axis, *self._fine(axis, *ends)) for axis, ends in sorted(now.items()))
            found[parts] = Box(parts, strength, strength)
            if depth > 1:
                for each in self.splits(inside, now, strength)[:1]:
                    self.grow(inside, now, each, depth - 1, found)

    def _fine(self, axis: int, low: int, high: int) -> tuple[int, int]:
        of = self.levels[axis].of[:self.axes[axis].bins]
        inside = np.flatnonzero((of >= low) & (of <= high))
        return int(inside[0]), int(inside[-1])
