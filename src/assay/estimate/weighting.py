"""Importance weighting: the metric of the reference, each row weighed by how much more frequent its kind is now.

``weighted(metric, reference, weight)``. It needs no model of labels, and pays with variance where few rows of the reference count.
"""

from __future__ import annotations

from assay.estimate.performance import VALUED, classified, known, loss, valued
from assay.estimate.rows import Array, Rows

__all__ = ["weighted"]


def weighted(metric: str, reference: Rows, weight: Array, *, positive: int | None = None) -> float:
    """Return the metric of labelled rows that count as ``weight`` (Shimodaira 2000; Sugiyama, Krauledat and Mueller 2007).

    >>> import numpy as np
    >>> rows = Rows(np.zeros((2, 0)), np.array([0, 1]), label=np.array([0, 0]), classes=2)
    >>> weighted("accuracy", rows, np.array([3.0, 1.0]))
    0.75
    """
    if metric in VALUED:
        return valued(metric, loss(metric, reference), weight=weight)[0]
    return classified(metric, reference, known(reference), positive=positive, weight=weight).value
