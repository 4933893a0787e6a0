"""The coefficients of a linear model in one layout, whichever library fitted it.

``linear(model)`` returns the :class:`Linear` of a model, or None where it is not linear; ``last_layer(model, batch)`` that in which a
network ends. ``obstacle(model)`` says why neither coefficients nor trees are read. Layers above the models may import this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from assay.model.trees import Unit

__all__ = ["Linear", "last_layer", "linear", "obstacle"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Linear:
    """Outputs that are ``intercept`` (K,) plus ``weights`` (K, features) times numbers.

    ``matrix`` turns a batch of the model's columns into those numbers, ``source`` names the input column that each stands for (several
    may stand for one, such as the categories of a column), and ``unit`` says what the outputs are, as for trees.
    """

    weights: Array
    intercept: Array
    unit: Unit
    matrix: Callable[[pa.RecordBatch], Array]
    source: Array

    @property
    def outputs(self) -> int:
        """How many numbers it gives a row."""
        return len(self.intercept)

    def sums(self, numbers: Array) -> Array:
        """Return the outputs of rows, (rows, outputs)."""
        return cast(Array, numbers @ self.weights.T + self.intercept)


def linear(model: object) -> Linear | None:
    """Return the coefficients of a loaded model, or None: it is not linear in numbers that come from one column each.

    >>> import assay
    >>> from sklearn.linear_model import LinearRegression
    >>> found = linear(assay.load(LinearRegression().fit([[0.0], [1.0]], [2.0, 5.0])))
    >>> found.weights.round(9).tolist(), found.intercept.round(9).tolist()
    ([[3.0]], [2.0])
    """
    ask = getattr(getattr(model, "respond", None), "linear", None)
    return None if ask is None else cast("Linear | None", ask())


def obstacle(model: object) -> str:
    """Return in words what stands in the way of reading a model's coefficients or trees, of one of which neither is read.

    >>> import assay
    >>> from sklearn.naive_bayes import GaussianNB
    >>> obstacle(assay.load(GaussianNB().fit([[0.0], [1.0]], [0, 1])))
    'GaussianNB is neither linear nor made of trees that can be read'
    """
    ask = getattr(getattr(model, "respond", None), "obstacle", None)
    return "the model is neither linear nor made of trees, in a format that can be read" if ask is None else str(ask())


def last_layer(model: object, batch: pa.RecordBatch) -> Linear | None:
    """Return the linear layer in which a network ends, over the numbers that enter it; None where there is none, as ``batch`` shows.

    ``matrix`` takes batches of the model's columns, as that of a linear model does.

    >>> import assay
    >>> last_layer(assay.load(lambda batch: [0.0], task="regression"), pa.record_batch({"x": [1.0]})) is None
    True
    """
    ask, taken = getattr(getattr(model, "respond", None), "layer", None), getattr(model, "taken", None)
    if ask is None or taken is None:
        return None
    found = cast("Linear | None", ask(taken(batch)))
    if found is None:
        return None
    inner = found.matrix
    return replace(found, matrix=lambda rows: inner(taken(rows)))
