"""Regressions for what is estimated in passing, whose over-confidence is measured and taken back; scikit-learn stays in here.

``fitted(columns, outcome, ...)`` returns a function from columns to what boosted trees expect, ``believed(said, outcome, ...)`` what
is left of that where it is held against rows that they have not seen. ``explain.split`` uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

__all__ = ["believed", "fitted"]

Array = np.ndarray[Any, Any]
_SURE = 6.0          # log-odds beyond which no fit is believed
_STEPS = 25


def fitted(columns: Array, outcome: Array, *, categories: Array, binary: bool, weight: Array, seed: int = 0) -> Callable[[Array], Array]:
    """Return a function from columns (rows, columns) to the expected ``outcome``; where that is ``binary`` (0 or 1), to its log-odds.

    ``categories`` is a mask of columns that hold codes.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    if not len(outcome) or np.ptp(outcome) == 0:
        mean = 0.0 if binary or not len(outcome) else float(outcome[0])
        return lambda some: np.full(len(some), mean)
    options: Any = {"max_iter": 50, "learning_rate": 0.12, "max_leaf_nodes": 12, "min_samples_leaf": max(20, len(outcome) // 200),
                    "l2_regularization": 1.0, "categorical_features": categories, "early_stopping": False, "random_state": seed}
    made = HistGradientBoostingClassifier(**options) if binary else HistGradientBoostingRegressor(**options)
    with threadpool_limits(1):   # fits of a second: threads that wait for each other cost more than they bring
        made.fit(columns, outcome.astype(np.int64) if binary else outcome, sample_weight=weight)

    def said(some: Array) -> Array:
        with threadpool_limits(1):
            return np.asarray(made.decision_function(some) if binary else made.predict(some), np.float64)

    return said


def believed(said: Array, outcome: Array, *, weight: Array, binary: bool, of: Array) -> Array:
    """Return what is to be expected where ``of`` was said: a sum of what several fits say, each with the share that it has earned.

    ``said`` (rows, fits) is what they said of known outcomes that they had not seen. Where nothing can be told, the shares are near
    0 and the answer the mean (Platt 1999; Breiman 1996). With ``binary``, what was said are log-odds, and what is returned are chances.
    """
    weight = weight / weight.mean()
    if binary:
        said, of = np.clip(said, -_SURE, _SURE), np.clip(of, -_SURE, _SURE)
    centre = np.average(said, axis=0, weights=weight)
    used = list(range(said.shape[1]))
    while True:   # a fit that would count against itself is left out
        found = _shares(said[:, used] - centre[used], outcome, weight, binary=binary)
        worst = int(np.argmin(found[1:])) if used else 0
        if not used or found[1 + worst] >= 0:
            break
        used.pop(worst)
    sums = found[0] + (of[:, used] - centre[used]) @ found[1:]
    return np.asarray(special.expit(sums) if binary else sums, np.float64)


def _shares(said: Array, outcome: Array, weight: Array, *, binary: bool) -> Array:
    """Return an intercept and a share for each fit, by Newton's method, a little towards 0."""
    columns = np.column_stack([np.ones(len(said)), said])
    little = 1.0 if binary or not said.size else 1e-6 + 1e-3 * float((weight @ said ** 2).mean())
    held = np.diag([1e-9, *np.full(said.shape[1], little)])
    found = np.zeros(columns.shape[1])
    for _ in range(_STEPS if binary else 1):
        chance = special.expit(columns @ found) if binary else columns @ found
        curve = weight * chance * (1 - chance) if binary else weight
        step = np.linalg.solve((columns * curve[:, None]).T @ columns + held, columns.T @ (weight * (outcome - chance)) - held @ found)
        found = np.clip(found + step, -1e6, 1e6)
        if np.abs(step).max() < 1e-8:
            break
    return found
