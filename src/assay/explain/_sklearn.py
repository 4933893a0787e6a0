"""Regressions whose own over-confidence is measured and taken back, for what is estimated in passing; scikit-learn stays in here.

``fitted(columns, outcome, ...)`` returns a function from columns to expectations. ``explain.split`` and ``explain.proxy`` use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

__all__ = ["fitted"]

Array = np.ndarray[Any, Any]
_HELD = 4            # one row in so many is kept back, to see how far the fit can be believed
_SURE = 6.0          # log-odds beyond which no fit is believed
_STEPS = 25


def fitted(columns: Array, outcome: Array, *, categories: Array, binary: bool, weight: Array, group: Array,
           seed: int = 0) -> Callable[[Array], Array]:
    """Return a function from columns (rows, columns) to the expected ``outcome``, which is 0 or 1 where ``binary``.

    Boosted trees are fitted to three quarters of the groups; on the last quarter the slope between what they say and what is so
    is measured, and what they say is shrunk by it (Platt 1999; Van Calster et al. 2019). Where nothing can be told, the slope is near 0
    and the answer the mean. ``categories`` is a mask of columns that hold codes.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(seed)
    held = (random.permutation(int(group.max(initial=0)) + 1) % _HELD == 0)[group]
    mean = float(np.average(outcome, weights=weight))
    learned = outcome[~held]
    if held.sum() < 2 * _HELD or not len(learned) or np.ptp(learned) == 0 or (binary and np.ptp(outcome[held]) == 0):
        return lambda some: np.full(len(some), mean)
    options: Any = {"max_iter": 40, "learning_rate": 0.15, "max_leaf_nodes": 10, "min_samples_leaf": max(20, len(learned) // 200),
                    "l2_regularization": 1.0, "categorical_features": categories, "early_stopping": False, "random_state": seed}
    if binary:
        classifier = HistGradientBoostingClassifier(**options)
        with threadpool_limits(1):   # fits of a second: threads that wait for each other cost more than they bring
            classifier.fit(columns[~held], learned.astype(np.int64), sample_weight=weight[~held])

        def margin(some: Array) -> Array:
            return np.clip(np.asarray(classifier.decision_function(some), np.float64), -_SURE, _SURE)

        slope, start = _logistic(margin(columns[held]), outcome[held], weight[held])
        return lambda some: np.asarray(special.expit(start + slope * margin(some)), np.float64)
    regressor = HistGradientBoostingRegressor(**options)
    with threadpool_limits(1):
        regressor.fit(columns[~held], learned, sample_weight=weight[~held])
    said = np.asarray(regressor.predict(columns[held]), np.float64)
    slope, start = _linear(said, outcome[held], weight[held])
    return lambda some: np.asarray(start + slope * np.asarray(regressor.predict(some), np.float64), np.float64)


def _linear(said: Array, outcome: Array, weight: Array) -> tuple[float, float]:
    """Return the slope, between 0 and 1, and the intercept of the outcome on what was said."""
    weight = weight / weight.sum()
    centre, mean = float(weight @ said), float(weight @ outcome)
    spread = float(weight @ (said - centre) ** 2)
    slope = min(max(float(weight @ ((said - centre) * (outcome - mean))) / spread, 0.0), 1.0) if spread > 0 else 0.0
    return slope, mean - slope * centre


def _logistic(margin: Array, outcome: Array, weight: Array) -> tuple[float, float]:
    """Return the slope, between 0 and 1, and the intercept of the log-odds, by Newton's method."""
    weight = weight / weight.mean()
    columns = np.column_stack([np.ones_like(margin), margin])
    found = np.zeros(2)
    for _ in range(_STEPS):
        chance = special.expit(columns @ found)
        slopes = columns.T @ (weight * (outcome - chance)) - np.array([0.0, found[1]])   # a little towards 0, where margins are constant
        curve = (columns * (weight * chance * (1 - chance))[:, None]).T @ columns + np.diag([1e-9, 1.0])
        step = np.linalg.solve(curve, slopes)
        found = np.clip(found + step, -20, 20)
        if np.abs(step).max() < 1e-8:
            break
    slope = min(max(float(found[1]), 0.0), 1.0)
    if slope == found[1]:
        return slope, float(found[0])
    start = float(found[0])
    for _ in range(_STEPS):   # the intercept again, beside the slope that is believed
        chance = special.expit(start + slope * margin)
        start += float((weight * (outcome - chance)).sum() / max(float((weight * chance * (1 - chance)).sum()), 1e-9))
        start = min(max(start, -20.0), 20.0)
    return slope, start
