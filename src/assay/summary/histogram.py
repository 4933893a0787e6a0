"""Counts of a number column between given edges, which come from the reference so that two histograms compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.summary import Summary
from assay.summary.vector import Vector

__all__ = ["Histogram"]


class Histogram(Summary):
    """Exact counts in the bins ``(-inf, e0), [e0, e1), ... [ek, inf)``; missing values are counted beside them.

    ``edges`` are k finite, increasing numbers, so there are k + 1 bins; infinities fall in the outer ones. It holds no value of a row.

    >>> histogram = Histogram(edges=(0.0, 10.0))
    >>> histogram.update([-1.0, 0.0, 5.0, 10.0, None])
    >>> histogram.counts.tolist(), histogram.nulls
    ([1, 2, 1], 1)
    """

    kind: ClassVar[str] = "histogram"
    inputs: ClassVar[tuple[str, ...]] = ("column",)

    def __init__(self, *, edges: Sequence[float]):
        self._edges = np.asarray(edges, np.float64)
        ends = self._edges[:1].tolist() + self._edges[-1:].tolist() if self._edges.ndim == 1 else [math.nan]
        if not all(map(math.isfinite, ends)) or not codec.rising(self._edges):  # what rises between finite ends is finite
            raise SummaryError("the edges of a histogram must be finite and increasing")
        self.counts = np.zeros(len(self._edges) + 1, np.int64)
        self.nulls = 0

    @property
    def edges(self) -> tuple[float, ...]:
        return tuple(self._edges.tolist())

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        below, above = vector.infinities
        places = vector.ordered.searchsorted(self._edges)  # of each edge: how many values lie below it
        self.counts[:-1] += places
        self.counts[1:] -= places
        self.counts[-1] += len(vector.ordered) + above
        self.counts[0] += below
        self.nulls += vector.nulls if vector.kind == "number" else vector.size

    def merge(self, other: Self) -> Self:
        self._same(other, "edges")
        out = type(self)(edges=self._edges)  # type: ignore[arg-type]
        out.counts = self.counts + other.counts
        out.nulls = self.nulls + other.nulls
        return out

    @property
    def n(self) -> int:
        return int(self.counts.sum()) + self.nulls

    def fields(self) -> Mapping[str, Any]:
        return {"edges": self._edges, "counts": self.counts, "nulls": self.nulls}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(edges=codec.array(fields, "edges", "<f8"))  # type: ignore[arg-type]
        out.counts = codec.array(fields, "counts", "<i8", out.counts.shape, least=0)
        out.nulls = codec.whole(fields, "nulls")
        return out
