"""How the uncertainty of any metric is found from its summary, after the one pass over the rows.

Rows of one entity (a patient, an aircraft) are not independent. Where the data name an entity, or carry weights, each row
goes to one of ``GROUPS`` groups by the hash of its entity, and a summary keeps its counts per group: leaving out one group
after the other (the delete-a-group jackknife, Kott 2001) gives a cluster-robust error of any smooth metric at the cost of
one addition per row. Where rows are independent, a Poisson bootstrap of rows is the same as drawing each *count* of the
summary from a Poisson distribution (a sum of Poisson(1) weights is Poisson), so no row is visited twice either.
``design/intervals.md`` compares both with a bootstrap of the rows.

Summaries of labelled rows implement ``view`` and ``replicates``; metrics read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from assay.errors import SummaryError
from assay.summary.hashing import hashes

__all__ = ["DRAWS", "GROUPS", "Replicates", "drawn", "grouping", "groups", "left_out"]

GROUPS = 128
DRAWS = 500

V = TypeVar("V")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Replicates(Generic[V]):
    """Views of resampled rows, as one view with a leading axis; ``df`` are the degrees of freedom of the error."""

    view: V
    kind: Literal["jackknife", "bootstrap"]
    df: float

    def error(self, estimates: Array, point: float) -> float:
        """Return the standard error that the replicates' ``estimates`` give around ``point``; NaN where they do not."""
        known = estimates[np.isfinite(estimates)]
        if len(known) < max(2, len(estimates) // 2):
            return float("nan")
        if self.kind == "jackknife":
            return float(np.sqrt((len(known) - 1) / len(known) * np.sum((known - known.mean()) ** 2)))
        return float(np.std(known, ddof=1))


def groups(column: Any, salt: int = 5) -> Array:
    """Return the resampling group, 0 to ``GROUPS - 1``, of each row by the hash of its entity.

    >>> first, second = groups(np.array(["N101", "N202", "N101"]))[[0, 2]]
    >>> bool(first == second)
    True
    """
    return (hashes(column, salt) >> np.uint64(40)).astype(np.int64) % GROUPS


def grouping(group: Any, kind: str) -> Array:
    """Return the groups of rows as int64, checked; raises ``SummaryError`` where there are none or one cannot be."""
    if group is None:
        raise SummaryError(f"a grouped '{kind}' summary needs the group of each row")
    found = np.array(group, np.int64)
    if found.size and (found.min() < 0 or found.max() >= GROUPS):
        raise SummaryError(f"a resampling group of a '{kind}' summary is not one", expected=f"0 to {GROUPS - 1}")
    return found


def left_out(parts: Array) -> Array:
    """Return, for sums kept per group along the first axis, the total without each group that has any rows.

    Which groups have rows depends on the rows alone, not on what a model said of them, so that the parts of two models that
    saw the same rows stand side by side.
    """
    used = parts[np.any(parts.reshape(len(parts), -1) != 0, axis=1)]
    with np.errstate(invalid="ignore"):  # an infinite sum leaves nothing known
        without: Array = parts.sum(axis=0) - used
    return without


def drawn(counts: Array, draws: int = DRAWS, seed: int = 0) -> Array:
    """Return ``draws`` Poisson bootstrap replicates of an array of counts, along a new first axis."""
    rng = np.random.default_rng(seed)
    replicated: Array = rng.poisson(counts, (draws, *counts.shape)).astype(np.float64)
    return replicated
