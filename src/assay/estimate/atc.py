"""Average thresholded confidence: a reference method, which counts how many rows the model is as sure of as it was of those it got right.

``atc(reference)`` returns the threshold, ``accuracy(threshold, rows)`` the estimate. Of accuracy alone, and kept to compare with.
"""

from __future__ import annotations

import numpy as np

from assay.estimate.rows import Rows

__all__ = ["accuracy", "atc"]


def atc(reference: Rows) -> float:
    """Return the confidence below which as many rows of the reference lie as the model gets wrong (Garg et al., ICLR 2022).

    >>> score = np.linspace(0.5, 1, 101)
    >>> rows = Rows(np.zeros((101, 0)), np.ones(101), np.column_stack([1 - score, score]), np.arange(101) >= 20, classes=2)
    >>> round(atc(rows), 3), round(accuracy(atc(rows), rows), 3)
    (0.6, 0.802)
    """
    assert reference.score is not None
    confidence = np.sort(reference.score.max(axis=1))
    wrong = int((reference.answer != reference.truth).sum())
    return float(confidence[min(wrong, len(confidence) - 1)])


def accuracy(threshold: float, rows: Rows) -> float:
    """Return the share of rows whose greatest score reaches the threshold."""
    assert rows.score is not None
    return float((rows.score.max(axis=1) >= threshold).mean())
