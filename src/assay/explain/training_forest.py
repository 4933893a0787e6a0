"""What each training row says in a forest: the answer is a weighted mean of training labels, and these are its parts.

``Forest.of(trees, numbers, labels)`` is the interface; :mod:`assay.explain.training_row` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np

from assay.explain.training_boosting import LOOSE, reached
from assay.model.trees import Trees

__all__ = ["Forest"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Forest:
    """A forest and its training rows: ``shown`` are their labels as numbers (rows, outputs), ``often`` how often each tree drew each.

    ``told`` is the share of the spread of the leaves that means of these labels explain (1: all); ``drawn``: whether it is known which
    rows each tree drew, or all are taken once.
    """

    trees: Trees
    shown: Array
    often: Array      # (trees, rows)
    leaves: Array
    told: float
    drawn: bool

    @classmethod
    def of(cls, trees: Trees, numbers: Array, labels: Array, weight: Array | None = None, drawn: Array | None = None) -> Self | None:
        """Return the forest with its rows, None where leaves do not hold means of the labels.

        ``labels`` are numbers (rows,), or places of classes; ``drawn`` (trees, rows), where the library tells.
        """
        if trees.unit not in ("value", "probability") or trees.base.any() or not len(trees.roots):
            return None
        classes = trees.unit == "probability"
        shown = np.eye(trees.outputs)[labels.astype(np.int64)] if classes else labels[:, None].astype(np.float64)
        leaves = reached(trees, numbers)
        weight = np.ones(len(labels)) if weight is None else weight
        best: Self | None = None
        for often in (drawn, np.ones((1, len(labels)))):
            if often is None or (often.shape[0] not in (1, len(trees.roots))) or often.shape[1] != len(labels):
                continue
            made = cls(trees, shown, np.asarray(often * weight, np.float32), leaves, 0.0, often is drawn)
            told = made._told()
            if best is None or told > best.told:
                best = cls(trees, shown, made.often, leaves, told, made.drawn)
        return best if best is not None and best.told >= LOOSE else None

    @property
    def exact(self) -> bool:
        """Whether the parts add up to the answer without error."""
        return self.told > 1 - 1e-9

    def weights(self, numbers: Array) -> Array:
        """Return what part of the answer to each row each training row's label is, (rows, training rows); they add up to 1."""
        some = reached(self.trees, numbers)
        out = np.zeros((some.shape[1], len(self.shown)))
        for tree in range(len(self.leaves)):
            often = self._often(tree)
            for row in range(len(out)):
                same = np.flatnonzero(self.leaves[tree] == some[tree, row])
                whole = float(often[same].sum())
                if whole:
                    out[row, same] += often[same] / whole
        total = out.sum(axis=1, keepdims=True)
        return out / np.where(total > 0, total, 1)

    def shifts(self, numbers: Array, output: int) -> Array:
        """Return by how much each training row pulls the answer to each row from the mean label, (rows, training rows)."""
        return cast(Array, self.weights(numbers) * (self.shown[:, output] - self._mean()[output]))

    def losses(self, numbers: Array, labels: Array) -> Array:
        """Return the part of half the squared error of each row that comes from each training row, (rows, training rows).

        It is the slope of that error by the answer times the pull of the training row.
        """
        weights = self.weights(numbers)
        theirs = np.eye(self.shown.shape[1])[labels.astype(np.int64)] if self.trees.unit == "probability" else labels[:, None]
        slope = weights @ self.shown - theirs
        return cast(Array, weights * (slope @ (self.shown - self._mean()).T))

    def total(self, numbers: Array, labels: Array) -> Array:
        """Return the parts of the error of all rows together, (training rows,)."""
        out = np.zeros(len(self.shown))
        for low in range(0, len(numbers), 64):
            out += self.losses(numbers[low:low + 64], labels[low:low + 64]).sum(axis=0)
        return out

    def cost(self) -> Array:
        """Return half the squared error of the answer to each training row, (rows,)."""
        return self._cost(self._answers(without=False))

    def own(self) -> Array:
        """Return how much more that error is by trees that did not draw the row, or by the others in its leaf, (rows,)."""
        return self._cost(self._answers(without=True)) - self.cost()

    def _answers(self, *, without: bool) -> Array:
        """The answers to the training rows, by all trees, or by what remains where each row is taken out."""
        total, count = np.zeros_like(self.shown), np.zeros(len(self.shown))
        for tree in range(len(self.leaves)):
            often, leaf = self._often(tree), self.leaves[tree]
            whole = np.bincount(leaf, often)[leaf]
            sums = np.stack([np.bincount(leaf, often * each)[leaf] for each in self.shown.T], axis=1)
            if without:
                free = self.drawn & (often == 0)
                whole, sums = whole - often, sums - often[:, None] * self.shown
                there = (whole > 1e-9) & (free if self.drawn else True)
            else:
                there = whole > 1e-9
            total[there] += sums[there] / whole[there, None]
            count += there
        return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], self._mean())

    def _cost(self, answers: Array) -> Array:
        return cast(Array, ((answers - self.shown) ** 2).sum(axis=1) / 2)

    def _mean(self) -> Array:
        return np.average(self.shown, axis=0, weights=self.often.sum(axis=0))

    def _often(self, tree: int) -> Array:
        found: Array = self.often[tree if len(self.often) > 1 else 0].astype(np.float64)
        return found

    def _told(self) -> float:
        """How much of the spread of leaf values the means of the labels explain, over the rows of each leaf."""
        missed = spread = 0.0
        count = len(self.leaves)
        for tree in range(count):
            leaf, often = self.leaves[tree], self._often(tree)
            whole = np.bincount(leaf, often)
            there = np.flatnonzero(whole > 0)
            means = np.stack([np.bincount(leaf, often * each) for each in self.shown.T], axis=1)[there] / whole[there, None]
            held = self.trees.value[there + int(self.trees.roots[tree])] * count
            centre = np.average(held, axis=0, weights=whole[there])
            missed += float((whole[there, None] * (means - held) ** 2).sum())
            spread += float((whole[there, None] * (held - centre) ** 2).sum())
        return 1 - missed / spread if spread else 0.0
