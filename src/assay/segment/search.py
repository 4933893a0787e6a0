"""The search: every conjunction of up to three conditions on binned columns, the one that stands out most first, one for each cause.

``search(axes, excess, ...)`` returns ``Box`` after ``Box``, and what else came near. Only ``segment/segment.py`` and tests use it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.segment import _plain
from assay.segment.axis import Axis, Level
from assay.segment.kernel import kernel

__all__ = ["BINS", "CATEGORIES", "Box", "Field", "Searched", "search"]

Array = np.ndarray[Any, Any]
Part = tuple[int, int, int]   # an axis and its first and last fine code, inside

BINS = (64, 16, 8)            # bins of a number where one, two and three conditions are tried
CATEGORIES = (250, 60, 16)    # categories of a column, the most frequent, that are tried there
ADDITIONS = 6e9               # cells that rows are added to in one pass over all triples; beyond, fewer columns are crossed three ways
CHANCE = 12.0                 # of the squared deviation, that one condition more may add by chance
PART = 0.1                    # of it, that is not worth a condition
_TOGETHER = 16                # sets of columns looked at again at a time
_NEAR = 200                   # sets of columns among which other descriptions are looked for


@dataclass(frozen=True)
class Box:
    """A conjunction: its parts, its squared deviation, and that less what as many conjunctions would show by chance."""

    parts: tuple[Part, ...]
    deviation: float
    score: float

    def mask(self, axes: Sequence[Axis], rows: Array | None = None) -> Array:
        """Return which rows are in it."""
        found: Array | None = None
        for place, low, high in self.parts:
            codes = axes[place].codes if rows is None else axes[place].codes[rows]
            inside = codes == low if low == high else (codes >= low) & (codes <= high)
            found = inside if found is None else found & inside
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class Field:
    """The rows of the search: what each exceeds the average by, its side and weight (None: one side, all alike), and what a box must hold.

    ``excess`` is multiplied by the weight already. ``variance`` is that of one row, by side; ``least`` and ``most`` are weights.
    """

    excess: Array
    side: Array | None
    weight: Array | None
    variance: Array
    least: float
    most: Array

    def sums(self, inside: Array) -> tuple[Array, Array]:
        """Return weight and excess of some rows by side."""
        weight = np.ones(int(inside.sum())) if self.weight is None else self.weight[inside]
        sides = np.zeros(len(weight), np.uint8) if self.side is None else self.side[inside]
        many = len(self.variance)
        return np.bincount(sides, weight, many), np.bincount(sides, self.excess[inside], many)

    def deviation(self, weight: Array, excess: Array) -> Array:
        """Return the squared deviation of boxes of given sums (..., sides); 0 where one is too small, too large, or below."""
        fits = ((weight >= self.least) & (weight <= self.most)).all(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = excess / weight
            gap = mean[..., 0] - (mean[..., 1] if len(self.variance) == 2 else 0.0)
            found: Array = np.where(fits & (gap > 0), gap * gap / (self.variance / weight).sum(axis=-1), 0.0)
        return found


@dataclass(frozen=True, eq=False)
class Searched:
    """What was found, best first, with the other descriptions of each, and the score of the best conjunction on the grid at each step.

    ``tried`` counts conjunctions, ``looked`` sets of columns that were looked at, again or for the first time.
    """

    boxes: tuple[Box, ...]
    others: tuple[tuple[Box, ...], ...]
    reached: tuple[float, ...]
    tried: int
    looked: int
    notes: tuple[str, ...]


def search(axes: Sequence[Axis], rows: Array, field: Field, *, levels: int = 3, limit: int = 20, floor: float = 0.0,
           compiled: bool | None = None, bins: Sequence[int] = BINS, categories: Sequence[int] = CATEGORIES,
           additions: float = ADDITIONS) -> Searched:
    """Return up to ``limit`` boxes of the rows whose places are ``rows``, each the best once what those before it explain is taken out.

    The first is the best of all conjunctions on the grids of ``bins``; its ends are then moved on the fine bins, and conditions that add
    next to nothing are dropped. What a box explains is
    taken from its rows (its mean excess), which can only lower other boxes, so that what each set of columns reached before is a bound:
    sets are looked at again in the order of their bounds until one of them is known to be the best.
    """
    found = _Search(axes, rows, field, levels, compiled, bins, categories, additions)
    boxes: list[Box] = []
    others: list[tuple[Box, ...]] = []
    reached: list[float] = []
    while len(boxes) < limit:
        box = found.best(floor)
        if box is None:
            break
        reached.append(box.score)
        box = found.plainer(found.refined(box))
        boxes.append(box)
        others.append(found.others(box))
        found.explain(box)
    return Searched(tuple(boxes), tuple(others), tuple(reached), found.tried, found.looked, tuple(found.notes))


class _Search:
    def __init__(self, axes: Sequence[Axis], rows: Array, field: Field, levels: int, compiled: bool | None, bins: Sequence[int],
                 categories: Sequence[int], additions: float):
        self.axes, self.rows, self.field = axes, rows, field
        self.excess = np.array(field.excess, np.float64)
        self.kernel = None if compiled is False else kernel()
        self.fine = [np.ascontiguousarray(each.codes[rows]) for each in axes]
        self.notes: list[str] = []
        self.looked = 0
        self.sets: list[tuple[int, ...]] = []
        self.levels: list[list[Level]] = []
        self.codes: list[list[Array]] = []
        self.boxes: list[tuple[Part, ...]] = []
        self.deviation = self.penalty = np.zeros(0)
        self.version = np.zeros(0, np.int64)
        self.now = 0
        self.tried = 0
        for level in range(1, min(levels, len(axes), 3) + 1):
            self._grid(axes, level, bins, categories)
            chosen = self._chosen(level, additions)
            sets = list(itertools.combinations(chosen, level))
            boxes = sum(math.prod(len(self.levels[-1][each].first) for each in some) for some in sets)
            self.tried += boxes
            self._add(sets, 2 * math.log(max(boxes, 2)))
        self.first, self.first_boxes = self.score, list(self.boxes)

    def _grid(self, axes: Sequence[Axis], level: int, bins: Sequence[int], categories: Sequence[int]) -> None:
        """Merge codes for a level, on the rows of the search."""
        made = [each.level(bins[level - 1], categories[level - 1]) for each in axes]
        self.levels.append(made)
        self.codes.append([each.of[code] for each, code in zip(made, self.fine, strict=True)])

    def _chosen(self, level: int, additions: float) -> list[int]:
        """Return the axes that are crossed at a level: all, or those that stand out most where crossing all would take too long."""
        able = [place for place, each in enumerate(self.levels[level - 1]) if len(each.first)]
        rows = max(len(self.excess), 20_000)
        if level < 3 or math.comb(len(able), 3) * rows <= additions:
            return able
        many = next(count for count in range(len(able), 2, -1) if math.comb(count, 3) * rows <= additions or count == 3)
        reach = np.zeros(len(self.axes))
        for some, score in zip(self.sets, self.score, strict=True):
            for each in some:
                reach[each] = max(reach[each], score)
        self.notes.append(f"conjunctions of three conditions were tried among the {many} of {len(able)} columns that stand out most alone "
                          "and in pairs")
        return sorted(sorted(able, key=lambda each: -reach[each])[:many])

    def _add(self, sets: list[tuple[int, ...]], penalty: float) -> None:
        """Look at new sets of columns, all of them."""
        start, many = len(self.sets), len(sets)
        self.sets += sets
        self.boxes += [()] * many
        self.penalty = np.concatenate([self.penalty, np.full(many, penalty)])
        self.deviation = np.concatenate([self.deviation, np.zeros(many)])
        self.version = np.concatenate([self.version, np.zeros(many, np.int64)])
        self._look(range(start, start + many))

    @property
    def score(self) -> Array:
        """What each set of columns reaches, or reached when it was looked at last: then a bound."""
        found: Array = np.where(self.deviation > 0, self.deviation - self.penalty, -np.inf)
        return found

    def _look(self, places: Iterable[int]) -> None:
        """Find the best box of each set of columns, in threads."""
        some = list(places)
        self.looked += len(some)
        threads = min(_threads(), max(len(some), 1))
        step = max(1, min(64, len(some) // (4 * threads)))
        parts = [some[start:start + step] for start in range(0, len(some), step)]
        if threads == 1 or self.kernel is None:
            results = [self._several(each) for each in parts]
        else:
            with ThreadPoolExecutor(threads) as pool:
                results = list(pool.map(self._several, parts))
        for part, found in zip(parts, results, strict=True):
            for place, (deviation, box) in zip(part, found, strict=True):
                self.deviation[place], self.boxes[place], self.version[place] = deviation, box, self.now

    def _several(self, places: Sequence[int]) -> list[tuple[float, tuple[Part, ...]]]:
        return [self._one(self.sets[place]) for place in places]

    def _one(self, axes: tuple[int, ...]) -> tuple[float, tuple[Part, ...]]:
        levels, codes = self.levels[len(axes) - 1], self.codes[len(axes) - 1]
        field, blank = self.field, 3 - len(axes)
        made = [levels[each] for each in axes]
        sizes = tuple([each.size for each in made] + [1] * blank)
        ranges = tuple([(each.first, each.last) for each in made] + [(_WHOLE, _WHOLE)] * blank)
        given = [codes[each] for each in axes] + [self._blank] * blank
        if self.kernel is None:
            cells = _plain.count((given[0], given[1], given[2]), (sizes[0], sizes[1], sizes[2]), field.side, field.weight, self.excess)
            found = _plain.scan(cells, ranges, field.variance, field.least, field.most)
        else:
            sides = len(field.variance)
            out = np.zeros((math.prod(sizes) * sides, 2))
            side = self._blank if field.side is None else field.side
            weight = _NONE if field.weight is None and field.side is None else self._ones if field.weight is None else field.weight
            self.kernel.count(*given, sizes[1], sizes[2], side, sides, weight, self.excess, out)
            cells = out.reshape(*sizes, sides, 2)
            found = self.kernel.scan(cells, *(each for pair in ranges for each in pair), field.variance, field.least, field.most)
        if found[1] < 0:
            return 0.0, ()
        parts = []
        for axis, level, place in zip(axes, made, found[1:], strict=False):
            low, high = int(level.first[place]), int(level.last[place])
            inside = np.flatnonzero((level.of >= low) & (level.of <= high))
            parts.append((axis, int(inside[0]), int(inside[-1])))
        return float(found[0]), tuple(parts)

    @functools.cached_property
    def _blank(self) -> Array:
        return np.zeros(len(self.excess), np.uint8)

    @functools.cached_property
    def _ones(self) -> Array:
        return np.ones(len(self.excess))

    def best(self, floor: float) -> Box | None:
        """Return the best box of all sets of columns as things stand, None where none is above ``floor``."""
        while self.sets:
            score = self.score
            place = int(np.argmax(np.round(score, 9)))   # of equals the first, whatever rounding made of them
            if score[place] <= floor:
                return None
            if self.version[place] == self.now:
                return Box(self.boxes[place], float(self.deviation[place]), float(score[place]))
            stale = np.flatnonzero((self.version < self.now) & (score > floor))
            top = stale[np.argsort(-score[stale], kind="stable")[:_TOGETHER]]
            self._look(top.tolist())
        return None

    def _mask(self, parts: tuple[Part, ...]) -> Array:
        found: Array | None = None
        for place, low, high in parts:
            codes = self.fine[place]
            inside = codes == low if low == high else (codes >= low) & (codes <= high)
            found = inside if found is None else found & inside
        return np.ones(len(self.excess), bool) if found is None else found

    @property
    def field_now(self) -> Field:
        """The rows as the boxes so far leave them."""
        return dataclasses.replace(self.field, excess=self.excess)

    def refined(self, box: Box) -> Box:
        """Move the ends of each range of bins to the best fine ones, one column after the other, as long as that helps."""
        parts, best = list(box.parts), box.deviation
        for _ in range(4):
            before = best
            for place, (axis, low, _) in enumerate(parts):
                if not self.axes[axis].ordered or low == self.axes[axis].missing:
                    continue
                others = tuple(each for at, each in enumerate(parts) if at != place)
                reach, ends = self._ends(axis, others)
                if reach > best * (1 + 1e-9):
                    best, parts[place] = reach, (axis, *ends)
            if best <= before:
                break
        return Box(tuple(parts), best, box.score + best - box.deviation)

    def plainer(self, box: Box) -> Box:
        """Drop conditions, one after the other, that add no more than chance, or than a tenth, to the deviation."""
        while len(box.parts) > 1:
            fewer = []
            for place in range(len(box.parts)):
                parts = tuple(each for at, each in enumerate(box.parts) if at != place)
                reach = float(self.field_now.deviation(*self.field_now.sums(self._mask(parts))))
                fewer.append(self.refined(Box(parts, reach, box.score + reach - box.deviation)))
            best = max(fewer, key=lambda each: each.deviation)
            if box.deviation - best.deviation > max(CHANCE, PART * box.deviation):
                break
            box = best
        return box

    def _ends(self, axis: int, others: tuple[Part, ...]) -> tuple[float, tuple[int, int]]:
        """Return the best range of fine bins of one column among the rows that the other conditions hold for."""
        field, bins = self.field_now, self.axes[axis].bins
        inside = self._mask(others)
        codes = self.fine[axis][inside]
        sides = len(field.variance)
        cell = codes.astype(np.int64) * sides + (0 if field.side is None else field.side[inside])
        size = self.axes[axis].size * sides
        weight = np.bincount(cell, None if field.weight is None else field.weight[inside], size).reshape(-1, sides)[:bins]
        excess = np.bincount(cell, self.excess[inside], size).reshape(-1, sides)[:bins]
        sums = [np.concatenate([np.zeros((1, sides)), np.cumsum(each, axis=0)]) for each in (weight, excess)]
        low, high = np.triu_indices(bins)
        proper = (high - low + 1 < bins) | (self.axes[axis].missing is not None)
        low, high = low[proper], high[proper]
        reach = field.deviation(*(each[high + 1] - each[low] for each in sums))
        if not len(reach):
            return 0.0, (0, 0)
        place = int(np.argmax(reach))
        return float(reach[place]), (int(low[place]), int(high[place]))

    def others(self, box: Box) -> tuple[Box, ...]:
        """Return what describes nearly the same rows in other columns, as well: its first score near that of the box, no part of it."""
        mine = self._mask(box.parts)
        columns = {each[0] for each in box.parts}
        near = np.argsort(-self.first, kind="stable")[:_NEAR]
        found: list[tuple[float, Box]] = []
        for place in near.tolist():
            parts = self.first_boxes[place]
            if not parts or columns <= {each[0] for each in parts}:
                continue
            theirs = self._mask(parts)
            alike = float((mine & theirs).sum() / max((mine | theirs).sum(), 1))
            if alike >= 0.6:
                found.append((alike, Box(parts, alike, float(self.first[place]))))
        kept: list[Box] = []
        for _, each in sorted(found, key=lambda pair: (len(pair[1].parts), -pair[0])):
            if not any({one[0] for one in other.parts} <= {one[0] for one in each.parts} for other in kept):
                kept.append(each)
        return tuple(kept[:3])

    def explain(self, box: Box) -> None:
        """Take from the rows of a box what they exceed the average by, on the first side."""
        inside = self._mask(box.parts)
        weight, excess = self.field_now.sums(inside)
        gap = excess[0] / weight[0] - (excess[1] / weight[1] if len(weight) == 2 else 0.0)
        if self.field.side is not None:
            inside &= self.field.side == 0
        self.excess[inside] -= gap * (1.0 if self.field.weight is None else self.field.weight[inside])
        self.now += 1


_WHOLE = np.zeros(1, np.int64)
_NONE = np.zeros(0)


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
