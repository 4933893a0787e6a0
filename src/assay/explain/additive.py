"""A smooth additive regression in plain arithmetic: bent lines for numbers, a step for each category, shrunk.

``additive(columns, outcome, ...)`` returns a function from columns to what it expects. ``explain.split`` uses it beside trees, which
are slow to learn a line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

__all__ = ["additive"]

Array = np.ndarray[Any, Any]
_BENDS = (0.2, 0.4, 0.6, 0.8)
_STEPS = 12
_MOST = 20          # categories of a column with a step of their own
_COLUMNS = 400      # of the design in all
_RIDGE = 1.0        # in rows


def additive(columns: Array, outcome: Array, *, categories: Array, binary: bool, weight: Array) -> Callable[[Array], Array]:
    """Return a function from columns (rows, columns) to the expected ``outcome``; where that is ``binary``, to its log-odds.

    Ridge regression over the design that ``columns`` decide (Hastie and Tibshirani 1990).

    >>> x = np.linspace(0, 1, 200)[:, None]
    >>> said = additive(x, 3 * x[:, 0], categories=np.array([False]), binary=False, weight=np.ones(200))
    >>> bool(np.abs(said(x) - 3 * x[:, 0]).mean() < 0.05)
    True
    """
    made = [_bent(columns[:, place]) if not categories[place] else _stepped(columns[:, place]) for place in range(columns.shape[1])]

    def design(some: Array) -> Array:
        parts = [each(some[:, place]) for place, each in enumerate(made)]
        return np.column_stack([np.ones(len(some)), *parts])[:, :_COLUMNS]

    x, weight = design(columns), weight / weight.mean()
    centre, scale = x[:, 1:].mean(axis=0), x[:, 1:].std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x[:, 1:] = (x[:, 1:] - centre) / scale
    held = np.full(x.shape[1], _RIDGE)
    held[0] = 1e-9
    found = np.zeros(x.shape[1])
    for _ in range(_STEPS if binary else 1):
        chance = special.expit(x @ found) if binary else x @ found
        curve = weight * (chance * (1 - chance) + 1e-6) if binary else weight
        step = np.linalg.solve((x * curve[:, None]).T @ x + np.diag(held), x.T @ (weight * (outcome - chance)) - held * found)
        found = found + step
        if np.abs(step).max() < 1e-6:
            break

    def said(some: Array) -> Array:
        drawn = design(some)
        drawn[:, 1:] = (drawn[:, 1:] - centre) / scale
        return np.asarray(drawn @ found)

    return said


def _bent(values: Array) -> Callable[[Array], Array]:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.005, 0.995]) if len(known) else (0.0, 1.0)
    bends = np.unique(np.quantile(known, _BENDS)) if len(known) else np.empty(0)
    middle = float(np.median(known)) if len(known) else 0.0

    def made(some: Array) -> Array:
        there = np.isfinite(some)
        inside = np.clip(np.where(there, some, middle), low, high)
        return np.column_stack([inside, *(np.maximum(inside - each, 0.0) for each in bends), ~there])

    return made


def _stepped(values: Array) -> Callable[[Array], Array]:
    most = int(min(np.nanmax(values, initial=0.0) + 1, _MOST))
    return lambda some: np.asarray(some[:, None] == np.arange(most), np.float64)
