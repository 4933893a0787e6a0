"""How many distinct values a column has: exact for few, then estimated from the smallest hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary.summary import Summary
from assay.summary.vector import Vector

__all__ = ["Distinct"]

SIZE = 2048


class Distinct(Summary):
    """The k smallest hashes seen (bottom-k, Beyer et al. 2007): the same for every order and split of the rows.

    Exact below ``SIZE`` distinct values, then (k - 1) / (largest kept hash), with a relative standard error of
    1 / sqrt(k - 2), that is 2.2 %.

    >>> distinct = Distinct()
    >>> distinct.update(["a", "b", "a", None])
    >>> distinct.estimate, distinct.error
    (2.0, 0.0)
    """

    kind: ClassVar[str] = "distinct"
    inputs: ClassVar[tuple[str, ...]] = ("column",)

    def __init__(self) -> None:
        self.rows = 0
        self._kept = np.empty(0, np.uint64)

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        self.rows += vector.size
        self._take(vector.distinct_hashes)

    def _take(self, hashes: np.ndarray[Any, Any]) -> None:
        if len(self._kept) == SIZE:
            hashes = hashes[hashes < self._kept[-1]]
        elif len(hashes) > 4 * SIZE:  # only the smallest can matter, and a partition is cheaper than sorting all
            hashes = np.partition(hashes, 2 * SIZE)[: 2 * SIZE]
        if len(hashes):
            self._kept = np.unique(np.concatenate((self._kept, hashes)))[:SIZE]

    def merge(self, other: Self) -> Self:
        self._same(other)
        out = type(self)()
        out.rows = self.rows + other.rows
        out._take(self._kept)
        out._take(other._kept)
        return out

    @property
    def n(self) -> int:
        return self.rows

    @property
    def estimate(self) -> float:
        """The number of distinct values that are not missing."""
        if len(self._kept) < SIZE:
            return float(len(self._kept))
        return (SIZE - 1) / ((float(self._kept[-1]) + 1) / 2.0**64)

    @property
    def error(self) -> float:
        """The relative standard error of the estimate, 0 while exact."""
        return 0.0 if len(self._kept) < SIZE else float(1 / np.sqrt(SIZE - 2))

    def fields(self) -> Mapping[str, Any]:
        return {"rows": self.rows, "kept": self._kept}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls()
        out.rows, out._kept = int(fields["rows"]), fields["kept"].astype(np.uint64)
        if out.rows < 0 or len(out._kept) > min(SIZE, out.rows) or (out._kept[1:] <= out._kept[:-1]).any():
            raise SummaryError("the hashes are not in order")
        return out
