"""What each training row did to a network: its step in training, and where that step leads an answer (TracIn).

``Steps.of(layers, rows, labels, weight, loss)`` is the interface; :mod:`assay.explain.training_row` uses it. Only the last linear layer is
followed: its gradients are known in closed form, and hold most of what tells rows apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa

from assay.explain.training_loss import Loss
from assay.model.linear import Linear

__all__ = ["Steps"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Steps:
    """The last layers of a network at checkpoints of its training, the trained one last, and the training rows in each.

    ``numbers`` are what enters each layer, (rows, numbers), with a column of ones; ``slopes`` (rows, outputs) those of each row's loss by
    the sums there, ``sums`` (rows, outputs). ``rates`` are lengths of steps: that of each checkpoint would move the average row's
    own sums by its whole slope, divided by their number.
    """

    layers: tuple[Linear, ...]
    loss: Loss
    numbers: tuple[Array, ...]
    sums: tuple[Array, ...]
    slopes: tuple[Array, ...]
    labels: Array
    weight: Array
    rates: tuple[float, ...]

    @classmethod
    def of(cls, layers: Sequence[Linear], rows: pa.RecordBatch, labels: Array, weight: Array | None, loss: Loss) -> Self:
        """Return the layers with their rows; ``labels`` (rows,) are numbers or places of classes."""
        entered = [each.matrix(rows) for each in layers]
        sums = tuple(each.sums(numbers) for each, numbers in zip(layers, entered, strict=True))
        numbers = tuple(map(_constant, entered))
        weight = np.ones(len(labels)) if weight is None else weight / weight.mean()
        slopes = tuple(loss.slope(each, labels) * weight[:, None] for each in sums)
        rates = tuple(1.0 / (max(float((each ** 2).sum(axis=1).mean()), 1e-300) * len(layers)) for each in numbers)
        return cls(tuple(layers), loss, numbers, sums, slopes, labels, weight, rates)

    def matrix(self, rows: pa.RecordBatch) -> Array:
        """Return what enters the layers for other rows, side by side, (rows, numbers of all)."""
        return np.concatenate([each.matrix(rows) for each in self.layers], axis=1)

    def shifts(self, numbers: Array, output: int) -> Array:
        """Return by how much a step of each training row moves one sum of each row, (rows, training rows)."""
        out = np.zeros((len(numbers), len(self.labels)))
        for there, here, slope, rate in zip(self._cut(numbers), self.numbers, self.slopes, self.rates, strict=True):
            out -= rate * (_constant(there) @ here.T) * slope[:, output]
        return out

    def losses(self, numbers: Array, labels: Array) -> Array:
        """Return by how much a step of each training row raises the loss of each row, (rows, training rows): TracIn's product of slopes."""
        out = np.zeros((len(numbers), len(self.labels)))
        for there, layer, here, slope, rate in zip(self._cut(numbers), self.layers, self.numbers, self.slopes, self.rates, strict=True):
            theirs = self.loss.slope(layer.sums(there), labels)
            out -= rate * (_constant(there) @ here.T) * (theirs @ slope.T)
        return out

    def total(self, numbers: Array, labels: Array) -> Array:
        """Return by how much a step of each training row raises the loss of all rows together, (training rows,)."""
        out = np.zeros(len(self.labels))
        for there, layer, here, slope, rate in zip(self._cut(numbers), self.layers, self.numbers, self.slopes, self.rates, strict=True):
            theirs = self.loss.slope(layer.sums(there), labels)
            out -= rate * np.einsum("ik,id,kd->i", slope, here, theirs.T @ _constant(there), optimize=True)
        return out

    def cost(self) -> Array:
        """Return the loss of each training row, the mean over checkpoints, (rows,)."""
        return cast(Array, np.mean([self.loss.cost(each, self.labels) for each in self.sums], axis=0))

    def own(self) -> Array:
        """Return by how much its own step lowers the loss of each training row, (rows,): its self-influence."""
        parts = [rate * (here ** 2).sum(axis=1) * (slope ** 2).sum(axis=1) / np.maximum(self.weight, 1e-300)
                 for here, slope, rate in zip(self.numbers, self.slopes, self.rates, strict=True)]
        return cast(Array, np.sum(parts, axis=0))

    def _cut(self, numbers: Array) -> list[Array]:
        return np.split(numbers, np.cumsum([each.weights.shape[1] for each in self.layers])[:-1], axis=1)


def _constant(numbers: Array) -> Array:
    return np.concatenate([numbers, np.ones((len(numbers), 1))], axis=1)
