"""Scores calibrated anew for the rows of now: on the reference, weighed towards what arrives, as PAPE does.

``recalibrated(reference, weight)`` returns what turns scores into chances. The score alone is read, so what it hides is averaged over the
rows of now; a change within one score, and a change of what labels follow, are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.estimate.calibration import calibrated
from assay.estimate.rows import Array, Rows

__all__ = ["recalibrated"]


@dataclass(frozen=True, eq=False)
class _Trees:
    """A weighted regression of each class on its score, by boosted trees."""

    models: tuple[Any, ...]

    def __call__(self, rows: Rows) -> Array:
        assert rows.score is not None
        which = [1] if rows.classes == 2 else range(rows.classes)
        parts = [np.clip(model.predict(rows.score[:, [at]]), 0.0, 1.0) for model, at in zip(self.models, which, strict=True)]
        if rows.classes == 2:
            return np.column_stack([1 - parts[0], parts[0]])
        out = np.column_stack(parts)
        whole = out.sum(axis=1, keepdims=True)
        return np.asarray(np.where(whole > 0, out / np.where(whole > 0, whole, 1.0), 1.0 / rows.classes))


def recalibrated(reference: Rows, weight: Array, *, way: Literal["trees", "isotonic"] = "trees", seed: int = 0) -> Callable[[Rows], Array]:
    """Return what gives chances (n, K) of rows, learned on ``reference`` with density ratios as weights.

    ``trees`` is the regression of PAPE (Bialek, Kivimaki, Kuberski and Perrakis, arXiv 2401.08348), here with scikit-learn's boosted trees;
    ``isotonic`` keeps the order of scores. Not their code, and not their numbers to the digit.

    >>> rng = np.random.default_rng(0)
    >>> score = rng.random(4000)
    >>> rows = Rows(np.zeros((4000, 0)), score > 0.5, np.column_stack([1 - score, score]), rng.random(4000) < score / 2, classes=2)
    >>> bool(abs(recalibrated(rows, np.ones(4000), way="isotonic")(rows)[:, 1].mean() - 0.25) < 0.03)
    True
    """
    assert reference.score is not None
    if way == "isotonic":
        return calibrated(reference, weight)
    from sklearn.ensemble import HistGradientBoostingRegressor

    which = [1] if reference.classes == 2 else range(reference.classes)
    return _Trees(tuple(HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=15, min_samples_leaf=50, early_stopping=False,
                                                      random_state=seed).fit(reference.score[:, [at]], reference.truth == at, weight)
                        for at in which))
