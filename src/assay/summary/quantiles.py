"""Quantiles of a number column: exact for few distinct values, then a sketch that knows its own error."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.summary import Summary
from assay.summary.vector import Array, Vector

__all__ = ["Quantiles"]

EXACT = 4096  # distinct values kept as they are
POINTS = 1024  # points of a compressed buffer

# Each point stands for the ranks between two grid values. The grid is denser at both ends (an arcsine scale, as in the
# t-digest of Dunning 2019), so that tails, which Wasserstein distances and p99 live on, are nearly exact.
_GRID = (1 - np.cos(np.linspace(0, np.pi, POINTS + 1))) / 2
_MIDDLES, _SHARES = (_GRID[1:] + _GRID[:-1]) / 2, np.diff(_GRID)
_REACHED = np.cumsum(_SHARES)
_FULL = np.concatenate(([0.0], _REACHED[:-1], [1.0]))
_RANKS = {bins: np.arange(1, bins) / bins for bins in (10, 20)}  # of the inner edges of equally full bins
_HALF = float(np.max(_SHARES)) / 2  # of the widest cell: what one compression may add to a rank, as a share of its rows


@functools.lru_cache(maxsize=8)  # batches are alike but for the last
def _ranks(rows: int) -> Array:
    """Return the places of the points of a batch."""
    found: Array = (_MIDDLES * rows).astype(np.int64)
    return found


class _Last(threading.local):
    """The sketch that a thread asked last, and its distribution: whoever asks for one quantile soon asks for another."""

    of: tuple[Quantiles, tuple[int, float]] | None = None
    found: tuple[Array, Array] = (np.empty(0), np.empty(0))


_LAST = _Last()


class Quantiles(Summary):
    """A deterministic, mergeable quantile sketch over sorted batches, without randomness.

    Up to ``EXACT`` distinct values are kept with their counts. Beyond, sorted buffers of ``POINTS`` points are combined in
    pairs like the digits of a binary counter (Munro and Paterson 1980), so a value passes log2(rows / batch) compressions
    at most. Each adds at most half a cell to a rank; :attr:`error` is the sum of what they may have added, as a share of rows.
    It holds up to ``EXACT`` raw numbers as they are.

    >>> sketch = Quantiles()
    >>> sketch.update(np.arange(1_000_001.0))
    >>> at_or_below = (sketch.quantile(0.5) + 1) / 1_000_001
    >>> abs(at_or_below - 0.5) <= sketch.error + 1e-6, sketch.error < 0.001
    (True, True)
    """

    kind: ClassVar[str] = "quantiles"
    inputs: ClassVar[tuple[str, ...]] = ("column",)

    def __init__(self) -> None:
        self.nulls = self.minus_infinite = self.plus_infinite = self.count = 0
        self.low, self.high = np.inf, -np.inf
        self._exact: tuple[Array, Array] = (np.empty(0), np.empty(0, np.int64))
        self._levels: list[tuple[Array, float] | None] = []  # sorted points, and the rows that they stand for together
        self._slack = 0.0  # rows by which a rank may be off

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        minus, plus = vector.infinities
        self.nulls += vector.nulls if vector.kind == "number" else vector.size
        self.minus_infinite += minus
        self.plus_infinite += plus
        ordered = vector.ordered
        if not len(ordered):
            return
        self.count += len(ordered)
        self.low, self.high = min(self.low, float(ordered[0])), max(self.high, float(ordered[-1]))
        if vector.varieties > EXACT:
            ranks = _ranks(len(ordered))
            self._slack += _HALF * len(ordered)
            self._carry(ordered[ranks], float(len(ordered)), 0)
        else:
            self._keep(*vector.runs)

    def _keep(self, values: Array, counts: Array) -> None:
        """Take distinct values with their counts, and compress what no longer fits."""
        if len(self._exact[0]):
            both = np.concatenate((self._exact[0], values))
            values, places = np.unique(both, return_inverse=True)
            weights = np.concatenate((self._exact[1], counts))
            counts = np.bincount(places, weights, len(values)).astype(np.int64)
        if len(values) > EXACT:
            rows = float(counts.sum())
            self._carry(self._compressed(values, counts.astype(np.float64)), rows, 0)
            values, counts = np.empty(0), np.empty(0, np.int64)
        self._exact = (values, counts)

    def _compressed(self, values: Array, weights: Array) -> Array:
        reached = np.cumsum(weights)
        places = np.searchsorted(reached, _MIDDLES * reached[-1], "right")
        self._slack += _HALF * float(reached[-1])
        picked: Array = values[np.minimum(places, len(values) - 1)]
        return picked

    def _carry(self, points: Array, rows: float, level: int) -> None:
        while True:
            self._levels += [None] * (level + 1 - len(self._levels))
            here = self._levels[level]
            if here is None:
                self._levels[level] = (points, rows)
                return
            self._levels[level] = None
            values = np.concatenate((here[0], points))
            weights = np.concatenate((_SHARES * here[1], _SHARES * rows))
            order = np.argsort(values, kind="stable")
            rows += here[1]
            points = self._compressed(values[order], weights[order])
            level += 1

    def merge(self, other: Self) -> Self:
        self._same(other)
        out = type(self)()
        for name in ("nulls", "minus_infinite", "plus_infinite", "count"):
            setattr(out, name, getattr(self, name) + getattr(other, name))
        out.low, out.high = min(self.low, other.low), max(self.high, other.high)
        out._slack = self._slack + other._slack
        for each in (self, other):
            for level, buffer in enumerate(each._levels):
                if buffer is not None:
                    out._carry(*buffer, level)
        for each in (self, other):
            if len(each._exact[0]):
                out._keep(*each._exact)
        return out

    @property
    def n(self) -> int:
        return self.count + self.nulls + self.minus_infinite + self.plus_infinite

    @property
    def error(self) -> float:
        """The largest error of a rank, as a share of the finite values; 0 while exact."""
        return min(1.0, self._slack / self.count) if self.count else 0.0

    @property
    def points(self) -> tuple[Array, Array]:
        """Sorted finite values, and the number of rows that each stands for."""
        parts = [(points, _SHARES * rows) for points, rows in (each for each in self._levels if each is not None)]
        if len(self._exact[0]) or not parts:
            parts.insert(0, (self._exact[0], self._exact[1].astype(np.float64)))
        if len(parts) == 1:
            return parts[0]
        values, weights = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        order = np.argsort(values, kind="stable")
        return values[order], weights[order]

    @property
    def distribution(self) -> tuple[Array, Array]:
        """Sorted finite values, and the share of the rows up to none of them, the first, the second ... and all; not to be written to.

        >>> sketch = Quantiles()
        >>> sketch.update([3.0, 1.0, 3.0, 5.0])
        >>> [each.tolist() for each in sketch.distribution]
        [[1.0, 3.0, 5.0], [0.0, 0.25, 0.75, 1.0]]
        """
        values, weights = self.points
        if not len(self._exact[0]) and len(values) == POINTS:  # one buffer, as of a table of few rows
            return values, _FULL
        shares = np.zeros(len(values) + 1)
        np.add.accumulate(weights, out=shares[1:])
        shares /= shares[-1]
        return values, shares

    def quantile(self, q: float) -> float:
        """Return the least value with at least the share ``q`` of the finite values at or below it; NaN without values."""
        return self.quantiles((q,))[0]

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return several quantiles at once.

        >>> sketch = Quantiles()
        >>> sketch.update([1.0, 2.0, 3.0, 4.0])
        >>> sketch.quantiles((0.0, 0.5, 0.75))
        [1.0, 2.0, 3.0]
        """
        if not self.count:
            return [float("nan")] * len(shares)
        if _LAST.of is None or _LAST.of[0] is not self or _LAST.of[1] != (self.count, self._slack):
            values, weights = self.points
            _LAST.of, _LAST.found = (self, (self.count, self._slack)), (values, np.cumsum(weights))
        values, reached = _LAST.found
        q = np.asarray(shares, np.float64)
        places = np.minimum(reached.searchsorted(q * reached[-1] * (1 - 1e-12)), len(values) - 1)
        return [float(self.low) if share <= 0 else float(self.high) if share >= 1 else value
                for share, value in zip(shares, values[places].tolist(), strict=True)]

    def edges(self, bins: int = 20) -> tuple[float, ...]:
        """Return inner edges of about ``bins`` equally full bins; columns of few distinct values get a bin per value.

        A value that fills a bin alone is an edge once, and the next larger value too, so that it has a bin of its own.
        """
        if not self.count:
            return ()
        held = [each for each in self._levels if each is not None]
        if len(held) == 1 and not len(self._exact[0]):  # one buffer, as of a table of few rows: its shares are those of every other
            values, reached = held[0][0], _REACHED
        else:
            values, weights = self.points
            if not held and len(values) <= 2 * bins:
                return tuple(values[1:].tolist())
            reached = np.cumsum(weights)
        ranks = _RANKS[bins] if bins in _RANKS else np.arange(1, bins) / bins
        picked = values[np.minimum(reached.searchsorted(ranks * reached[-1]), len(values) - 1)]
        if codec.rising(picked):
            return tuple((picked if picked[0] > self.low else picked[1:]).tolist())
        repeated = picked[:-1][picked[:-1] == picked[1:]]
        after = np.searchsorted(values, np.unique(repeated), "right")
        after = values[after[after < len(values)]]
        edges = np.unique(np.concatenate((picked, after)))
        return tuple(edges[edges > self.low].tolist())

    def fields(self) -> Mapping[str, Any]:
        held = [(level, each) for level, each in enumerate(self._levels) if each is not None]
        return {
            "counts": np.array([self.nulls, self.minus_infinite, self.plus_infinite, self.count], np.int64),
            "numbers": np.array([self.low, self.high, self._slack]), "values": self._exact[0], "weights": self._exact[1],
            "levels": np.array([level for level, _ in held], np.int64), "rows": np.array([each[1] for _, each in held]),
            "points": np.array([each[0] for _, each in held]).reshape(len(held), POINTS),
        }

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls()
        out.nulls, out.minus_infinite, out.plus_infinite, out.count = codec.array(fields, "counts", "<i8", (4,), least=0).tolist()
        out.low, out.high, out._slack = codec.array(fields, "numbers", "<f8", (3,), finite=False).tolist()
        values, levels = codec.array(fields, "values", "<f8"), codec.array(fields, "levels", "<i8", least=0)
        weights = codec.array(fields, "weights", "<i8", (len(values),), least=1)
        rows = codec.array(fields, "rows", "<f8", (len(levels),), least=1)
        points = codec.array(fields, "points", "<f8", (len(levels), POINTS))
        ends = [*values[:1], *values[-1:], *points[:, :1].ravel(), *points[:, -1:].ravel()]
        fits = (len(values) <= EXACT and codec.rising(values) and codec.rising(levels) and (levels < 64).all()
                and (points[:, 1:] >= points[:, :-1]).all() and abs(weights.sum() + rows.sum() - out.count) <= 0.5 + 1e-9 * out.count
                and 0 <= out._slack < np.inf and (len(levels) > 0 or out._slack == 0)
                and (out.low <= min(ends) and max(ends) <= out.high and np.isfinite([out.low, out.high]).all() if out.count
                     else (out.low, out.high, len(ends)) == (np.inf, -np.inf, 0)))
        if not fits:
            raise SummaryError("the points of the quantiles contradict each other")
        out._exact = (values, weights)
        out._levels = [None] * (int(levels[-1]) + 1 if len(levels) else 0)
        for level, count, each in zip(levels.tolist(), rows.tolist(), points, strict=True):
            out._levels[level] = (each, count)
        return out
