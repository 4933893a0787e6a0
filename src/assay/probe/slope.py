"""Moves along the gradient, where a model can tell it: one column is changed, and another so that the score stays where it was.

``Slope.of(oracle)`` gives the moves of a model that is ``Differentiable`` (networks of PyTorch, Keras, JAX), or None. The search in this
package imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.model.gradient import gradient
from assay.probe.oracle import Oracle

__all__ = ["Slope"]

Array = np.ndarray[Any, Any]

FAR = 0.1     # of a column's range, that it is changed by on average
ANEW = 0.3    # share of changes that draw the value anew


@dataclass(eq=False)
class Slope:
    """Moves of points of a space by the gradient of the score of one class; ``rows`` counts those whose gradient was asked."""

    oracle: Oracle
    numbers: list[Array]      # the values of each axis, empty where it has no order
    places: Array             # where each axis is among the inputs
    rows: int = 0

    @classmethod
    def of(cls, oracle: Oracle) -> Slope | None:
        """Return the moves, or None: the model tells no gradient, not one for each input, or fewer than two columns have an order."""
        space, model = oracle.space, oracle.model
        names = list(space.batch(space.usual[None]).schema.names)
        numbers = [np.empty(0) if each.numbers is None or not each.ordered else each.numbers.astype(np.float64) for each in space.axes]
        if sum(len(each) > 1 for each in numbers) < 2:
            return None
        told = gradient(model, space.batch(space.usual[None], np.zeros(1, np.int64)), oracle.positive)
        taken = list(model.signature.names or names)
        if told is None or told.shape != (1, len(taken)) or any(each.name not in taken for each in space.axes):
            return None
        return cls(oracle, numbers, np.array([taken.index(each.name) for each in space.axes]))

    def moved(self, points: Array, rng: np.random.Generator) -> Array:
        """Return points with two columns each changed, so that the score changes little as far as the gradient says."""
        space, count, rows = self.oracle.space, len(points), np.arange(len(points))
        ordered = np.flatnonzero([len(each) > 1 for each in self.numbers])
        first = rng.choice(ordered, count)
        other = ordered[(np.searchsorted(ordered, first) + rng.integers(1, len(ordered), count)) % len(ordered)]
        sizes = space.sizes[first]
        old = points[rows, first].astype(np.int64)
        step = np.maximum(1, (rng.exponential(FAR, count) * sizes).astype(np.int64)) * np.where(rng.random(count) < 0.5, -1, 1)
        new = np.where(rng.random(count) < ANEW, (rng.random(count) * sizes).astype(np.int64), np.clip(old + step, 0, sizes - 1))
        out = points.copy()
        out[rows, first] = new
        slopes = self._told(points)
        rise = slopes[rows, first] * (self._value(first, new) - self._value(first, old))
        steep = slopes[rows, other]
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = self._value(other, points[rows, other]) - rise / steep
        wanted = np.where(np.isfinite(wanted), wanted, self._value(other, points[rows, other]))
        for axis in ordered:
            some = np.flatnonzero(other == axis)
            out[some, axis] = _nearest(self.numbers[axis], wanted[some])
        return np.asarray(out)

    def _told(self, points: Array) -> Array:
        """Return the gradient at each point, with the middle of the protected values; one that comes again is asked once."""
        _, first, again = np.unique(self.oracle.space.keys(points), axis=1, return_index=True, return_inverse=True)
        space = self.oracle.space
        variant = np.full(len(first), len(space.variants) // 2)
        told = gradient(self.oracle.model, space.batch(points[first], variant), self.oracle.positive)
        assert told is not None
        self.rows += len(first)
        return np.asarray(told[:, self.places], np.float64)[again.reshape(-1)]

    def _value(self, axis: Array, place: Array) -> Array:
        out = np.zeros(len(axis))
        for each in np.unique(axis):
            rows = axis == each
            out[rows] = self.numbers[each][place[rows]]
        return out


def _nearest(values: Array, wanted: Array) -> Array:
    right = np.clip(np.searchsorted(values, wanted), 1, len(values) - 1)
    return np.where(wanted - values[right - 1] <= values[right] - wanted, right - 1, right)
