"""Learners of scikit-learn that stand for an attacker. The only module of the package that loads it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["forest"]

Array = np.ndarray[Any, Any]


def forest(rows: Array, target: Array, unseen: Array, *, classes: int, seed: int = 0) -> Array:
    """Return probabilities (m, ``classes``) that an attacker's forest, fitted to rows (n, columns), gives to unseen ones (m, columns)."""
    from sklearn.ensemble import RandomForestClassifier

    made = RandomForestClassifier(50, min_samples_leaf=5, random_state=seed, n_jobs=1).fit(rows, target)
    out = np.zeros((len(unseen), classes))
    out[:, made.classes_] = made.predict_proba(unseen)
    return out
