"""How much more frequent a row's kind is now than in the reference: the ratio of the two densities, from classifiers that tell them apart.

``ratio(reference, current)`` returns ``Ratio``: a weight for each row of the reference, the effective number of rows they leave, and how
well the two can be told apart. Each row is weighed by a classifier that has not seen it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from assay.estimate.rows import Array, Rows

__all__ = ["CUT", "Ratio", "apart", "filled", "learner", "ratio"]

FOLDS = 2
FIT = 12_000     # rows of each side that classifiers are grown on
CUT = 50.0       # of a weight, in means: a single row must not decide


@dataclass(frozen=True, eq=False)
class Ratio:
    """``weight`` (n,) of the reference, mean 1; ``odds`` (m,) of the current rows; ``apart`` the AUC of the classifier on unseen rows.

    ``effective`` is how many rows of the reference count: (sum w)^2 / sum w^2 (Kish 1965).
    """

    weight: Array
    odds: Array
    apart: float

    @property
    def effective(self) -> float:
        return float(self.weight.sum() ** 2 / max((self.weight**2).sum(), 1e-300))


def ratio(reference: Rows, current: Rows, *, seed: int = 0, folds: int = FOLDS, rounds: int = 40) -> Ratio:
    """Return the density ratio current / reference at the rows of both.

    A boosted classifier learns on part of the rows which side a row is of, and p / (1 - p), times the ratio of the sides' numbers, is the
    ratio of densities at the other rows (Sugiyama, Suzuki and Kanamori 2012, chapter 4); ``folds`` parts take turns.

    >>> rng = np.random.default_rng(0)
    >>> old, new = (Rows(rng.normal(at, 1, (2000, 1)), np.zeros(2000)) for at in (0.0, 0.5))
    >>> found = ratio(old, new)
    >>> bool(0.3 < np.average(old.features[:, 0], weights=found.weight) < 0.7), bool(found.effective < 2000)
    (True, True)
    """
    sides = [reference.inputs, current.inputs]
    if min(map(len, sides)) < 2 * folds:   # nothing can be told apart
        return Ratio(np.ones(len(sides[0])), np.ones(len(sides[1])), 0.5)
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(len(each)) % folds for each in sides]
    odds = [np.zeros(len(each)) for each in sides]
    for fold in range(folds):
        some = [_some(np.flatnonzero(part != fold), rng) for part in parts]
        x = np.concatenate([side[at] for side, at in zip(sides, some, strict=True)])
        y = np.repeat([0, 1], [len(at) for at in some])
        model = learner(reference, rounds=rounds, seed=seed, leaf=max(20, len(y) // 200)).fit(filled(x), y)
        prior = np.log(len(some[0]) / len(some[1]))
        for place, (side, part) in enumerate(zip(sides, parts, strict=True)):
            here = part == fold
            if here.any():
                odds[place][here] = model.decision_function(side[here]) + prior
    weight = np.exp(np.clip(odds[0], -30, 30))
    weight = np.minimum(weight / weight.mean(), CUT)
    return Ratio(weight / weight.mean(), np.exp(np.clip(odds[1], -30, 30)), apart(odds[0], odds[1]))


def filled(x: Array) -> Array:
    """Return inputs to learn from: a column without any value is 0 throughout, as boosted trees cannot do without one.

    >>> filled(np.array([[np.nan, np.nan], [np.nan, 1.0]])).tolist()
    [[0.0, nan], [0.0, 1.0]]
    """
    empty = np.isnan(x).all(axis=0)
    return np.where(empty, 0.0, x) if empty.any() else x


def learner(rows: Rows, *, rounds: int, seed: int, leaf: int = 20, rate: float = 0.1, leaves: int = 15) -> Any:
    """Return boosted trees that tell classes apart, not yet fitted, which know which inputs of ``rows`` are codes."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    marks = np.array(rows.marks, bool) if any(rows.marks) else None
    return HistGradientBoostingClassifier(max_iter=rounds, learning_rate=rate, max_leaf_nodes=leaves, min_samples_leaf=leaf,
                                          l2_regularization=1.0, categorical_features=marks, early_stopping=False, random_state=seed)


def _some(places: Array, rng: np.random.Generator) -> Array:
    return places if len(places) <= FIT else rng.choice(places, FIT, replace=False)


def apart(reference: Array, current: Array) -> float:
    """Return the AUC with which a number tells the sides apart: P(that of a current row is greater), ties for half.

    >>> apart(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    ranks = stats.rankdata(np.concatenate([reference, current]))[len(reference):]
    n, m = len(current), len(reference)
    return float((ranks.sum() - n * (n + 1) / 2) / max(n * m, 1))
