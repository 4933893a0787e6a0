"""Count, missing, infinite, zero, least, greatest, and the first four moments of a column."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.memory import empty
from assay.summary.summary import Summary
from assay.summary.vector import Array, Vector

__all__ = ["Moments"]


_BLOCK = 1 << 15  # values at a time: what is made of them stays in cache, where fresh memory costs more than the arithmetic


class Moments(Summary):
    """Central moments, stable when merged (Pébay 2008), beside the counts that data quality needs.

    Infinite values are counted apart and enter no moment. Text counts as rows and missing values only. Of single rows it holds
    the least and the greatest number.

    >>> moments = Moments()
    >>> moments.update([1.0, 2.0, None, 6.0])
    >>> moments.n, moments.nulls, moments.mean, moments.variance, moments.low, moments.high
    (4, 1, 3.0, 7.0, 1.0, 6.0)
    """

    kind: ClassVar[str] = "moments"
    inputs: ClassVar[tuple[str, ...]] = ("column",)

    def __init__(self) -> None:
        self.rows = self.nulls = self.zeros = self.minus_infinite = self.plus_infinite = self.count = 0
        self.low, self.high = math.inf, -math.inf
        self.mean = 0.0
        self._rest = 0.0  # of the mean, below its last bit: far from zero a thousand rounded means would cost the variance digits
        self.sums = (0.0, 0.0, 0.0)  # sums of the 2nd, 3rd and 4th powers of deviations from the mean

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        self.rows += vector.size
        self.nulls += vector.nulls
        values = vector.ordered
        minus, plus = vector.infinities
        self.minus_infinite += minus
        self.plus_infinite += plus
        if not len(values):
            return
        least, greatest = float(values[0]), float(values[-1])
        if least <= 0.0 <= greatest:
            self.zeros += int(values.searchsorted(0.0, "right") - values.searchsorted(0.0))
        self.low, self.high = min(self.low, least), max(self.high, greatest)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(np.add.reduce(values)) / len(values)
            if not math.isfinite(mean):  # the sum overflows although no value does
                mean = float(np.mean(values / len(values)) * len(values))
            mean = min(max(mean, least), greatest)  # rounding must not leave the range: constants have variance 0
            first, *sums = _powers(values, mean)
        rest = first / len(values)
        self._add(len(values), mean, rest if math.isfinite(rest) else 0.0, (sums[0], sums[1], sums[2]))

    def _add(self, n: int, mean: float, rest: float, sums: tuple[float, float, float]) -> None:
        a, b = self.count, n
        if not a:
            self.count, self.mean, self._rest, self.sums = n, mean, rest, sums
            return
        if not b:
            return
        total = a + b
        with np.errstate(over="ignore", invalid="ignore"):
            d = (np.float64(mean) - self.mean) + (rest - self._rest)
            (a2, a3, a4), (b2, b3, b4) = self.sums, sums
            m2 = a2 + b2 + d * d * (a * b / total)
            m3 = a3 + b3 + d**3 * (a * b * (a - b) / total**2) + 3 * d * (a * b2 - b * a2) / total
            m4 = (a4 + b4 + d**4 * (a * b * (a * a - a * b + b * b) / total**3)
                  + 6 * d * d * (a * a * b2 + b * b * a2) / total**2 + 4 * d * (a * b3 - b * a3) / total)
        step = self._rest + float(d) * (b / total)
        moved = self.mean + step
        if not math.isfinite(moved):  # the gap between two finite means may not be finite
            moved, step = self.mean * (a / total) + mean * (b / total), 0.0
            self.mean = moved
        part = moved - self.mean
        rest = (self.mean - (moved - part)) + (step - part)  # what rounding left out (Knuth's two-sum)
        inside = min(max(moved, self.low), self.high)
        self.mean, self._rest = inside, rest if inside == moved else 0.0
        self.count, self.sums = total, (float(m2), float(m3), max(float(m4), 0.0))

    def merge(self, other: Self) -> Self:
        self._same(other)
        out = type(self)()
        for each in (self, other):
            for name in ("rows", "nulls", "zeros", "minus_infinite", "plus_infinite"):
                setattr(out, name, getattr(out, name) + getattr(each, name))
            out.low, out.high = min(out.low, each.low), max(out.high, each.high)
            out._add(each.count, each.mean, each._rest, each.sums)
        return out

    @property
    def n(self) -> int:
        return self.rows

    @property
    def variance(self) -> float:
        """The sample variance, NaN below two values."""
        return self.sums[0] / (self.count - 1) if self.count > 1 else math.nan

    @property
    def deviation(self) -> float:
        """The sample standard deviation, NaN below two values."""
        return math.sqrt(self.variance) if self.count > 1 else math.nan

    @property
    def kurtosis(self) -> float:
        """The fourth standardised moment (3 for a Gauss curve), NaN where the variance is 0."""
        return self.count * self.sums[2] / self.sums[0] ** 2 if self.sums[0] > 0 else math.nan

    def fields(self) -> Mapping[str, Any]:
        counts = (self.rows, self.nulls, self.zeros, self.minus_infinite, self.plus_infinite, self.count)
        return {"counts": np.array(counts, np.int64), "numbers": np.array([self.low, self.high, self.mean, self._rest, *self.sums])}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls()
        counts = codec.array(fields, "counts", "<i8", (6,), least=0)
        out.rows, out.nulls, out.zeros, out.minus_infinite, out.plus_infinite, out.count = counts.tolist()
        numbers = codec.array(fields, "numbers", "<f8", (7,), finite=False).tolist()  # sums overflow where values are huge
        out.low, out.high, out.mean, out._rest, *_ = numbers
        out.sums = (numbers[4], numbers[5], numbers[6])
        fits = (-math.inf < out.low <= out.mean <= out.high < math.inf and not out.sums[0] < 0 and not out.sums[2] < 0
                and abs(out._rest) <= out.high - out.low
                if out.count else (out.low, out.high, out.mean, out._rest, out.sums) == (math.inf, -math.inf, 0.0, 0.0, (0.0, 0.0, 0.0)))
        if not fits or out.nulls + out.minus_infinite + out.plus_infinite + out.count > out.rows or out.zeros > out.count:
            raise SummaryError("the numbers of the moments contradict each other")
        return out


class _Scratch(threading.local):
    """Memory of each thread for deviations and their squares."""

    def __init__(self) -> None:
        self.off, self.square = empty(_BLOCK), empty(_BLOCK)


_SCRATCH = _Scratch()


def _powers(values: Array, mean: float) -> list[float]:
    """Return the sums of the first four powers of deviations, not as dot products: a BLAS with threads takes ten times as long here."""
    sums = []
    for start in range(0, len(values), _BLOCK):
        part = values[start : start + _BLOCK]
        off, square = _SCRATCH.off[: len(part)], _SCRATCH.square[: len(part)]
        np.subtract(part, mean, out=off)
        np.multiply(off, off, out=square)
        first, second = np.add.reduce(off), np.add.reduce(square)
        np.multiply(off, square, out=off)
        np.multiply(square, square, out=square)
        sums.append((first, second, np.add.reduce(off), np.add.reduce(square)))
    found: list[float] = np.array(sums).sum(axis=0).tolist() if len(sums) > 1 else [float(each) for each in sums[0]]
    return found
