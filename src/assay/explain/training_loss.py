"""What a model was fitted to make small, found by trying: slopes and curvatures of a row's loss by the model's sums.

``candidates(unit, outputs, classes)`` lists the losses that a unit may go with; the ways of :mod:`assay.explain.training_row` try them
against the training rows and keep the one that explains the fitted model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from scipy import special

__all__ = ["Loss", "candidates"]

Array = np.ndarray[Any, Any]
Kind = Literal["squared", "logistic", "softmax", "one against all", "signed", "poisson", "gamma", "tweedie"]
_MOST = 30.0   # of a logarithm: beyond, exp() overflows in products
_POWER = 1.5   # of the variance, as libraries have it by default


@dataclass(frozen=True)
class Loss:
    """The loss of one row in its sums f (rows, outputs); labels y are numbers (rows,), or places of classes.

    >>> Loss("logistic").slope(np.array([[0.0]]), np.array([1.0])).tolist()
    [[-0.5]]
    """

    kind: Kind

    @property
    def classes(self) -> bool:
        """Whether labels are places of classes."""
        return self.kind in ("logistic", "softmax", "one against all", "signed")

    @property
    def joined(self) -> bool:
        """Whether the slope of one output depends on the others."""
        return self.kind == "softmax"

    def slope(self, f: Array, y: Array) -> Array:
        """Return the derivative of the loss by each sum, (rows, outputs)."""
        if self.kind == "squared":
            return f - y[:, None]
        if self.kind == "logistic":
            return cast(Array, special.expit(f) - y[:, None])
        if self.kind == "softmax":
            return cast(Array, special.softmax(f, axis=1) - _apart(y, f.shape[1]))
        if self.kind == "one against all":
            return cast(Array, special.expit(f) - _apart(y, f.shape[1]))
        if self.kind == "signed":
            return f - _signs(y, f.shape[1])
        f = np.clip(f, -_MOST, _MOST)
        if self.kind == "poisson":
            return cast(Array, np.exp(f) - y[:, None])
        if self.kind == "gamma":
            return cast(Array, 1 - y[:, None] * np.exp(-f))
        return cast(Array, np.exp((2 - _POWER) * f) - y[:, None] * np.exp((1 - _POWER) * f))

    def curve(self, f: Array, y: Array) -> Array:
        """Return the second derivative of the loss by each sum, (rows, outputs)."""
        if self.kind in ("squared", "signed"):
            return np.ones_like(f)
        if self.kind == "softmax":
            p = special.softmax(f, axis=1)
            return cast(Array, p * (1 - p))
        if self.kind in ("logistic", "one against all"):
            p = special.expit(f)
            return cast(Array, p * (1 - p))
        f = np.clip(f, -_MOST, _MOST)
        if self.kind == "poisson":
            return cast(Array, np.exp(f))
        if self.kind == "gamma":
            return cast(Array, y[:, None] * np.exp(-f))
        return cast(Array, (2 - _POWER) * np.exp((2 - _POWER) * f) - (1 - _POWER) * y[:, None] * np.exp((1 - _POWER) * f))

    def cost(self, f: Array, y: Array) -> Array:
        """Return the loss of each row, (rows,): 0 at best, so that rows can be compared."""
        if self.kind == "squared":
            return cast(Array, ((f - y[:, None]) ** 2).sum(axis=1) / 2)
        if self.kind == "logistic":
            return cast(Array, (np.logaddexp(0, f) - y[:, None] * f).sum(axis=1))
        if self.kind == "softmax":
            return cast(Array, special.logsumexp(f, axis=1) - np.take_along_axis(f, y.astype(np.int64)[:, None], 1)[:, 0])
        if self.kind == "one against all":
            return cast(Array, (np.logaddexp(0, f) - _apart(y, f.shape[1]) * f).sum(axis=1))
        if self.kind == "signed":
            return cast(Array, ((f - _signs(y, f.shape[1])) ** 2).sum(axis=1) / 2)
        f = np.clip(f, -_MOST, _MOST)[:, 0]
        if self.kind == "poisson":
            return cast(Array, np.exp(f) - y * f - (y - special.xlogy(y, y)))
        if self.kind == "gamma":
            y = np.maximum(y, np.exp(-_MOST))
            return cast(Array, y * np.exp(-f) + f - 1 - np.log(y))
        best = y ** (2 - _POWER) * (1 / (2 - _POWER) - 1 / (1 - _POWER))
        return cast(Array, np.exp((2 - _POWER) * f) / (2 - _POWER) - y * np.exp((1 - _POWER) * f) / (1 - _POWER) - best)

    def start(self, y: Array, weight: Array, outputs: int) -> Array:
        """Return the constant sums that fit best, where boosting begins, (outputs,)."""
        mean = np.average(_apart(y, outputs) if self.kind in ("softmax", "one against all") else y[:, None], axis=0, weights=weight)
        if self.kind == "squared":
            return cast(Array, mean)
        if self.kind == "signed":
            return cast(Array, np.average(_signs(y, outputs), axis=0, weights=weight))
        mean = np.clip(mean, 1e-12, None)
        if self.kind in ("logistic", "one against all"):
            return cast(Array, special.logit(np.clip(mean, 1e-12, 1 - 1e-12)))
        return cast(Array, np.log(mean))


def candidates(unit: str, outputs: int, *, classes: bool) -> tuple[Loss, ...]:
    """Return the losses that sums of a unit may have been fitted with, the likeliest first.

    >>> [each.kind for each in candidates("log-odds", 1, classes=True)]
    ['logistic']
    """
    if unit == "log-odds":
        return (Loss("logistic"),)
    if unit == "log":
        return (Loss("poisson"), Loss("gamma"), Loss("tweedie"))
    if unit == "margin" and classes:
        return (Loss("softmax"), Loss("one against all"), Loss("signed")) if outputs > 1 else (Loss("signed"),)
    return (Loss("squared"),) if unit == "value" and not classes else ()


def _apart(y: Array, outputs: int) -> Array:
    """1 in the place of each row's class, 0 elsewhere."""
    out = np.zeros((len(y), outputs))
    out[np.arange(len(y)), y.astype(np.int64)] = 1.0
    return out


def _signs(y: Array, outputs: int) -> Array:
    """1 for a row's class and -1 for any other."""
    return 2 * y[:, None] - 1.0 if outputs == 1 else 2 * _apart(y, outputs) - 1
