"""What each training row did to boosted trees: BoostIn (Brophy, Hammoudeh and Lowd, JMLR 2023) over the neutral layout of trees.

``Boosting.of(model, numbers, labels)`` is the interface; :mod:`assay.explain.training_row` uses it. Trees are taken to keep their shape;
what a row did is how far its slope moved the values of the leaves it fell into. Learning rate and penalty are not asked of the library
but fitted: a leaf holds -eta G / (H + lambda) of the slopes G and curvatures H of its rows, so both follow from the leaves and the
rows, and how well they do says whether these are the rows that the model was trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from scipy import optimize

from assay.explain.training_loss import Loss
from assay.model.trees import Trees

__all__ = ["LOOSE", "Boosting", "reached"]

Array = np.ndarray[Any, Any]
LOOSE = 0.75          # of the squares of leaf values, which the rows must explain at least
_PART = 20_000_000    # leaves of rows that are looked up at once


def reached(trees: Trees, numbers: Array) -> Array:
    """Return the leaf of each row in each tree, counted from the root of the tree, (trees, rows) int32."""
    out = np.empty((len(trees.roots), len(numbers)), np.int32)
    part = max(1, _PART // max(len(trees.roots), 1))
    for low in range(0, len(numbers), part):
        out[:, low:low + part] = (trees.leaves(numbers[low:low + part]) - trees.roots).T
    return out


@dataclass(frozen=True, eq=False)
class Boosting:
    """Boosted trees and their training rows; ``told`` is the share of the leaf values' squares that the rows explain (1: all)."""

    trees: Trees
    loss: Loss
    labels: Array
    weight: Array
    leaves: Array
    rate: float
    penalty: float
    told: float

    @classmethod
    def of(cls, trees: Trees, numbers: Array, labels: Array, weight: Array | None, losses: Sequence[Loss]) -> Self | None:
        """Return the ensemble with its rows, None where no loss explains the leaves by them.

        ``numbers`` are (rows, numbers) as the trees have them, ``labels`` (rows,) numbers or places of classes.
        """
        weight = np.ones(len(numbers)) if weight is None else weight
        leaves = reached(trees, numbers)
        best: Self | None = None
        for loss in losses:
            for each in (trees, _unbiased(trees, loss.start(labels, weight, trees.outputs))):
                if each is None:
                    continue
                made = cls(each, loss, labels, weight, leaves, 0.0, 0.0, 0.0)._fitted()
                if best is None or made.told > best.told + 1e-6:
                    best = made
        return best if best is not None and best.told >= LOOSE else None

    def sums(self) -> Array:
        """Return the sums of the training rows, (rows, outputs)."""
        out = np.tile(self.trees.base, (len(self.labels), 1))
        for tree, place in enumerate(self.trees.output):
            value = self._value(tree)
            out[:, place:place + value.shape[1]] += value[self.leaves[tree]]
        return out

    def shifts(self, numbers: Array, output: int) -> Array:
        """Return by how much each training row moved one sum of each row, (rows, training rows)."""
        some = reached(self.trees, numbers)
        out = np.zeros((some.shape[1], len(self.labels)))
        for tree, places, moved, _ in self._rounds():
            if output in places:
                part = moved[:, output - places[0]]
                for row in range(len(out)):
                    same = np.flatnonzero(self.leaves[tree] == some[tree, row])
                    out[row, same] += part[same]
        return out

    def losses(self, numbers: Array, labels: Array) -> Array:
        """Return by how much each training row raised the loss of each row, (rows, training rows)."""
        some = reached(self.trees, numbers)
        out = np.zeros((some.shape[1], len(self.labels)))
        for tree, places, moved, slope in self._rounds(some, labels):
            assert slope is not None
            for row in range(len(out)):
                same = np.flatnonzero(self.leaves[tree] == some[tree, row])
                out[row, same] += moved[same] @ slope[row, places[0]:places[0] + moved.shape[1]]
        return out

    def total(self, numbers: Array, labels: Array) -> Array:
        """Return by how much each training row raised the loss of all rows together, (training rows,), as fast for many as for few."""
        some = reached(self.trees, numbers)
        out = np.zeros(len(self.labels))
        for tree, places, moved, slope in self._rounds(some, labels):
            assert slope is not None
            size = len(self._value(tree))
            for at, place in enumerate(places):
                out += np.bincount(some[tree], slope[:, place], minlength=size)[self.leaves[tree]] * moved[:, at]
        return out

    def cost(self) -> Array:
        """Return the loss of each training row, (rows,)."""
        return self.loss.cost(self.sums(), self.labels)

    def own(self) -> Array:
        """Return by how much each training row lowered its own loss, (rows,): its self-influence."""
        out = np.zeros(len(self.labels))
        for _, places, moved, slope in self._rounds(self.leaves, self.labels):
            assert slope is not None
            out -= (moved * slope[:, places[0]:places[0] + moved.shape[1]]).sum(axis=1)
        return out

    def _fitted(self) -> Self:
        """Fit -G = (v H + lambda v) / eta over all leaves, each by the root of its curvature: slopes are what sampling of rows blurs."""
        flat = [np.empty((0, 3))]
        for tree, places, slope, curve, _ in self._slopes():
            value = self._value(tree)
            for at, place in enumerate(places):
                made = [np.bincount(self.leaves[tree], each[:, place] * self.weight, minlength=len(value)) for each in (slope, curve)]
                there = made[1] > 0
                root = np.sqrt(made[1][there])
                v = value[there, at]
                flat.append(np.stack([-made[0][there] / root, v * root, v / root], axis=1))
        table = np.concatenate(flat)
        size = float(table[:, 0] @ table[:, 0])
        if not size:
            return self
        found, norm = optimize.nnls(table[:, 1:], table[:, 0])
        if found[0] <= 0:
            return self
        return dataclasses.replace(self, rate=float(1 / found[0]), penalty=float(found[1] / found[0]), told=1 - float(norm) ** 2 / size)

    def _rounds(self, some: Array | None = None, labels: Array | None = None) -> Iterator[tuple[int, range, Array, Array | None]]:
        """Give for each tree its outputs, how far each row moved the values of its leaf, and the slopes of some rows before it."""
        others = None if some is None else np.tile(self.trees.base, (some.shape[1], 1))
        theirs: Array | None = None
        for tree, places, slope, curve, first in self._slopes():
            if others is not None and labels is not None and some is not None and (first or theirs is None):
                theirs = self.loss.slope(others, labels)
            value, leaf = self._value(tree), self.leaves[tree]
            moved = np.empty((len(leaf), value.shape[1]))
            for at, place in enumerate(places):
                held = np.bincount(leaf, curve[:, place] * self.weight, minlength=len(value)) + self.penalty
                pull = (self.rate * slope[:, place] + curve[:, place] * value[leaf, at]) * self.weight
                moved[:, at] = -pull / np.maximum(held[leaf], 1e-12)
            yield tree, places, moved, theirs
            if others is not None and some is not None:
                others[:, places[0]:places[0] + value.shape[1]] += value[some[tree]]

    def _slopes(self) -> Iterator[tuple[int, range, Array, Array, bool]]:
        """Give for each tree its outputs, slopes and curvatures of the training rows before its round, and whether a round starts."""
        sums = np.tile(self.trees.base, (len(self.labels), 1))
        seen: set[int] = set()
        slope = curve = np.empty(0)
        for tree, place in enumerate(self.trees.output.tolist()):
            value = self._value(tree)
            start = not seen or place in seen
            if start:   # the trees of a round, one for each class, start from the same sums
                seen = set()
                slope, curve = self.loss.slope(sums, self.labels), self.loss.curve(sums, self.labels)
            seen.add(place)
            yield tree, range(place, place + value.shape[1]), slope, curve, start
            sums[:, place:place + value.shape[1]] += value[self.leaves[tree]]

    def _value(self, tree: int) -> Array:
        trees = self.trees
        end = int(trees.roots[tree + 1]) if tree + 1 < len(trees.roots) else len(trees.value)
        return cast(Array, trees.value[int(trees.roots[tree]):end])


def _unbiased(trees: Trees, start: Array) -> Trees | None:
    """Return the same sums with the constant where boosting began in the base, taken out of the first trees, which may hold it."""
    if trees.base.any():
        return None
    value = trees.value.copy()
    for output in range(trees.outputs):
        found = np.flatnonzero(trees.output == output)
        if not len(found) or value.shape[1] > 1:
            return None
        first = int(found[0])
        end = int(trees.roots[first + 1]) if first + 1 < len(trees.roots) else len(value)
        value[int(trees.roots[first]):end] -= start[output]
    return dataclasses.replace(trees, base=start, value=value)
