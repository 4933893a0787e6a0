"""Exact Shapley values of linear models, in closed form.

``shapley(model, rows, background)`` is the interface; ``explain.explain`` uses it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.errors import DataError
from assay.model.linear import Linear

__all__ = ["shapley"]

Array = np.ndarray[Any, Any]


def shapley(model: Linear, rows: Array, background: Array, *, output: int = 0) -> tuple[Array, float]:
    """Return the Shapley values (rows, columns) of one output of a linear model, and its mean over the background.

    Column j has the sum of w_k (x_k - mean of z_k) over the numbers k that are made of it: the interventional value for any
    dependence between columns, as the model adds (Strumbelj and Kononenko 2014).

    >>> model = Linear(np.array([[2.0, -1.0]]), np.array([0.5]), "value", np.asarray, np.arange(2))
    >>> values, base = shapley(model, np.array([[1.0, 1.0]]), np.array([[0.0, 0.0], [0.0, 4.0]]))
    >>> values.tolist(), base
    ([[2.0, 1.0]], -1.5)
    """
    if not len(background):
        raise DataError("the background holds no rows", expected="at least one row to compare with")
    weights = model.weights[output]
    mean = background.mean(axis=0)
    parts = (rows - mean) * weights
    out = np.zeros((len(rows), int(model.source.max(initial=-1)) + 1))
    for place, column in enumerate(model.source):
        out[:, column] += parts[:, place]
    return out, float(mean @ weights + model.intercept[output])
