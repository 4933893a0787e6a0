"""A quick look at whether rows of now are like the labelled ones, so that the better and slower one is taken only where there is a need.

``near(window)`` is the whole interface. The monitor asks it window by window.
"""

from __future__ import annotations

import numpy as np

from assay.estimate.doubly_robust import FEWEST, PART, STRANGE, UNLIKE, Window
from assay.estimate.ratio import apart

__all__ = ["near"]

SURELY = 0.85   # AUC below which no better look is taken
SOME = 0.2      # of STRANGE, that is no reason to take one either


def near(weighed: Window) -> bool:
    """Return whether two cross-fitted trees, which see combinations too and are ten times as quick as what refuses, find both sides alike.

    >>> from assay.estimate.doubly_robust import Estimator
    >>> from assay.estimate.rows import Rows
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((2000, 2))
    >>> made = Estimator.of(Rows(x, x[:, 0] > 0.5, label=(rng.random(2000) < x[:, 0]).astype(int), classes=2), folds=2)
    >>> [near(made.window(Rows(now, now[:, 0] > 0.5, classes=2))) for now in (rng.random((500, 2)), rng.random((500, 2)) + 5)]
    [True, False]
    """
    from sklearn.tree import DecisionTreeClassifier

    reference, current = weighed.estimator.reference, weighed.current
    n, m = len(reference), len(current)
    if weighed.ratio.effective < 2 * max(FEWEST, PART * n) or float((weighed.ratio.odds > UNLIKE).mean()) > SOME * STRANGE:
        return False
    rng = np.random.default_rng(weighed.estimator.seed)
    some = np.arange(n) if n <= 4 * m else rng.choice(n, 4 * m, replace=False)
    x = np.concatenate([reference.inputs[some], current.inputs])
    side = np.repeat([0, 1], [len(some), m])
    weight = np.repeat([m / len(some), 1.0], [len(some), m])
    part, odds = rng.permutation(len(x)) % 2, np.zeros(len(x))
    for fold in range(2):
        fit, rest = part != fold, part == fold
        tree = DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=max(10, m // 50), random_state=0)
        chance = tree.fit(x[fit], side[fit], sample_weight=weight[fit]).predict_proba(x[rest])[:, 1]
        odds[rest] = chance / np.maximum(1 - chance, 1e-9)
    return apart(odds[side == 0], odds[side == 1]) < SURELY and float((odds[side == 1] > UNLIKE / 5).mean()) <= SOME * STRANGE
