"""Weights by which groups and labels are independent of each other (Kamiran and Calders 2012).

``weights(groups, labels)`` is the interface; a model is then fitted anew with them. The verbs import it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.errors import DataError, SignatureError

__all__ = ["weights"]

Array = np.ndarray[Any, Any]


def weights(groups: Array, labels: Array, base: Array | None = None) -> Array:
    """Return a weight for each row, P(group) P(label) / P(group, label), so that with them labels are as frequent in each group.

    ``groups`` and ``labels`` (n,) are places from 0, ``base`` weights that rows have already. Raises ``SignatureError`` for one group or
    one label, ``DataError`` where a group lacks a label, as no weight brings one.

    >>> weights(np.array([0, 0, 0, 1]), np.array([1, 1, 0, 0])).tolist()
    Traceback (most recent call last):
    ...
    assay.errors.DataError: group 1 has no row with label 1: no weight can balance it; expected rows of every label in every group
    >>> weights(np.array([0, 0, 0, 1, 1]), np.array([1, 1, 0, 0, 1])).round(2).tolist()
    [0.9, 0.9, 1.2, 0.8, 1.2]
    """
    own = np.ones(len(groups)) if base is None else base
    counts = np.zeros((int(groups.max(initial=0)) + 1, int(labels.max(initial=0)) + 1))
    np.add.at(counts, (groups, labels), own)
    if (counts.sum(axis=1) > 0).sum() < 2 or (counts.sum(axis=0) > 0).sum() < 2:
        raise SignatureError("there is one group or one label only: nothing to balance", expected="at least two of each")
    there = counts[np.ix_(counts.sum(axis=1) > 0, counts.sum(axis=0) > 0)]
    if not there.all():
        group, label = (int(each[0]) for each in np.nonzero((counts == 0) & (counts.sum(axis=1) > 0)[:, None] & (counts.sum(axis=0) > 0)))
        raise DataError(f"group {group} has no row with label {label}: no weight can balance it",
                        expected="rows of every label in every group")
    expected = counts.sum(axis=1)[:, None] * counts.sum(axis=0) / counts.sum()
    ratio = np.divide(expected, counts, out=np.zeros_like(counts), where=counts > 0)
    return np.asarray(own * ratio[groups, labels])
