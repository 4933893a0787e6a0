"""How far an explanation hangs on chance: how much contributions change with the seed, and with another sample of the background.

``stability(made, others)`` is the interface; verbs use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from assay.errors import DataError
from assay.explain.attribution import Attributions

__all__ = ["Stability", "stability"]

TOP = 5


@dataclass(frozen=True)
class Stability:
    """How alike explanations of the same rows are that differ by chance only.

    ``order`` is the mean rank correlation (Spearman's) of the contributions of each row's ``top`` columns, None where fewer than two
    columns count; ``kept`` the mean share of these columns that are among the top again; ``change`` the largest difference of a
    contribution, of ``column``, and ``share`` that of the largest contribution of its row.
    """

    order: float | None
    kept: float
    change: float
    column: str
    share: float
    top: int
    repeats: int

    def __str__(self) -> str:
        """Return it in words."""
        ranks = "" if self.order is None else f"rank correlation of the {self.top} largest {self.order:.2f}, "
        what = f"{self.kept:.0%} of them among the {self.top} largest again, " if self.kept < 1 else ""
        return f"{ranks}{what}largest change {self.change:.3g} ({self.column}), {self.share:.0%} of the largest contribution"


def stability(made: Attributions, others: Sequence[Attributions], *, top: int = TOP) -> Stability:
    """Return how alike ``others`` are to ``made``: the same rows and columns with other seeds and backgrounds.

    >>> def of(*values):
    ...     return Attributions(("age", "debt", "job"), np.array([values]), 0.0, np.array([sum(values)]), "value", "sampled")
    >>> found = stability(of(3.0, -2.0, 0.1), [of(3.2, -2.0, 0.0), of(2.9, -2.1, 0.1)], top=3)
    >>> found.order, found.kept, round(found.change, 2), found.column
    (1.0, 1.0, 0.2, 'age')
    """
    if not others or not len(made) or any(each.values.shape != made.values.shape or each.columns != made.columns for each in others):
        raise DataError("explanations can be compared of the same rows and columns only", expected="one or more others, of one row or more")
    top = min(top, len(made.columns))
    orders, kept = [], []
    for each in others:
        for mine, theirs in zip(made.values, each.values, strict=True):
            first, second = (np.argsort(-np.abs(values), kind="stable")[:top] for values in (mine, theirs))
            counted = first[np.abs(mine[first]) > 0]
            kept.append(len(set(counted.tolist()) & set(second.tolist())) / max(len(counted), 1) if len(counted) else 1.0)
            if len(counted) > 1 and np.ptp(mine[counted]) > 0:
                found = stats.spearmanr(mine[counted], theirs[counted]).statistic if np.ptp(theirs[counted]) > 0 else 0.0
                orders.append(round(float(found), 12))
    far = np.max([np.abs(each.values - made.values) for each in others], axis=0)
    row, column = np.unravel_index(int(far.argmax()), far.shape)
    largest = float(np.abs(made.values[row]).max())
    return Stability(float(np.mean(orders)) if orders else None, float(np.mean(kept)), float(far[row, column]), made.columns[int(column)],
                     float(far[row, column]) / largest if largest else 0.0, top, len(others))
