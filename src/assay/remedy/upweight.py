"""Give a weak slice more weight in training, as much as rows held out say that it helps.

``upweighting(fit, table, labels, slice)`` is the interface. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import DataError
from assay.model import guard
from assay.model.model import Model

__all__ = ["FACTORS", "Upweighting", "upweighting"]

Array = np.ndarray[Any, Any]
Fit = Callable[[pa.Table, Array, "Array | None"], Model]
FACTORS = (1.0, 2.0, 4.0, 8.0, 16.0)
FEWEST = 20
FOLDS = 5
SMALL = 20_000   # rows up to which five folds are looked at, and not one


@dataclass(frozen=True, eq=False)
class Upweighting:
    """A ``model`` fitted with ``factor`` times the weight on the slice; ``trials`` give factor, accuracy on the slice, and elsewhere."""

    model: Model
    factor: float
    trials: tuple[tuple[float, float, float], ...]


def upweighting(fit: Fit, table: pa.Table, labels: Array, inside: Array, *, cost: float = 0.005, factors: Sequence[float] = FACTORS,
                seed: int = 0) -> Upweighting:
    """Return a model fitted with more weight on the rows ``inside`` (a mask): of the ``factors`` the one best for the slice.

    A factor may cost at most ``cost`` of the accuracy of all other rows; both are looked at on rows held out. Where none helps, the factor
    is 1. Raises ``DataError`` for a slice of fewer than 20 rows, or of all rows.

    >>> import assay
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> x, small = rng.normal(size=2_000), rng.random(2_000) < 0.1
    >>> table, y = pa.table({"x": x}), np.where(small, x > 1, x > 0).astype(int)
    >>> def fit(rows, labels, weight):
    ...     return assay.load(LogisticRegression().fit(rows["x"].to_numpy()[:, None], labels, weight), features=["x"])
    >>> upweighting(fit, table, y, small, cost=0.2).factor > 1
    True
    """
    if inside.sum() < FEWEST or (~inside).sum() < FEWEST:
        raise DataError(f"{int(inside.sum()):,} of {len(inside):,} rows are in the slice", expected=f"at least {FEWEST} in it and outside")
    order = np.random.default_rng([seed, 46]).permutation(len(labels))
    parts = np.array_split(order, FOLDS)[:FOLDS if len(labels) <= SMALL else 1]
    trials = []
    for factor in factors:
        right = np.zeros((2, 2))
        for part in parts:
            rest = np.sort(np.setdiff1d(order, part))
            model = fit(table.take(pa.array(rest)), labels[rest], _weight(inside[rest], factor))
            good = _right(model, table.take(pa.array(part)), labels[part])
            right += [[good[inside[part]].sum(), inside[part].sum()], [good[~inside[part]].sum(), (~inside[part]).sum()]]
        trials.append((float(factor), *(right[:, 0] / np.maximum(right[:, 1], 1)).tolist()))
    first = trials[0]
    chosen = max((each for each in trials if each[2] >= first[2] - cost), key=lambda each: (each[1], -each[0]))
    return Upweighting(fit(table, labels, _weight(inside, chosen[0])), chosen[0], tuple(trials))


def _weight(inside: Array, factor: float) -> Array | None:
    return None if factor == 1 else np.where(inside, factor, 1.0)


def _right(model: Model, table: pa.Table, labels: Array) -> Array:
    answer = guard.answer(model, table.combine_chunks().to_batches()[0])
    said = answer.prediction if answer.prediction is not None else np.argmax(answer.score, axis=1)   # type: ignore[arg-type]
    return np.asarray(said == labels)
