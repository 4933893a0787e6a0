"""Labelled rows themselves, bounded: for the few metrics that truly need rows, such as a user's own function or ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.hashing import hashes
from assay.summary.resample import Array
from assay.summary.summary import Latch, Summary
from assay.summary.vector import Vector

__all__ = ["Rows"]

_NULL = hashes(pa.nulls(1))[0]


class Rows(Summary):
    """Distinct rows of numbers with how often each occurs; all of them up to ``size``, then a bottom-k sample of units.

    A unit (an entity, a query, a row) is in or out as a whole, by the hash that is the first column: the units with the
    smallest hashes stay (Cohen and Kaplan 2007), the same for any order and split of the rows. It holds rows, as numbers.

    >>> rows = Rows(width=2)
    >>> rows.update(np.array([7, 9, 7], np.uint64), np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.1, 0.9]))
    >>> rows.values.tolist(), rows.counts.tolist(), rows.share
    ([[1.0, 0.9], [0.0, 0.1]], [2.0, 1.0], 1.0)
    """

    kind: ClassVar[str] = "rows"
    inputs: ClassVar[tuple[str, ...]] = ("@key", "@label", "@prediction")

    def __init__(self, *, width: int, size: int = 1_000_000):
        if not 1 <= width <= 10_000 or not 1 <= size <= 100_000_000:
            raise SummaryError(f"{size} rows of {width} numbers cannot be kept")
        self.width, self.size = int(width), int(size)
        self.rows = 0
        self._keys = np.empty(0, np.uint64)
        self._values = np.empty((0, self.width))
        self._counts = np.empty(0)
        self._cut: int | None = None  # keys at or above were dropped
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._waits = 0
        self._lock = Latch()

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        if isinstance(columns[0], Vector):  # a column of data: its values are the units, and rows without one do not count
            key = hashes(columns[0].array)
            known = key != _NULL
            columns = (key[known], *(np.asarray(each)[known] for each in columns[1:]))
        key = np.array(columns[0], np.uint64)
        values = np.column_stack([np.asarray(each, np.float64) for each in columns[1:]]) + 0.0  # -0.0 becomes 0.0
        if values.shape[1] != self.width:
            raise SummaryError(f"rows have {values.shape[1]} numbers", expected=str(self.width))
        self.rows += len(key)
        self._wait(key, values, np.ones(len(key)) if weight is None else np.array(weight, np.float64))

    def _wait(self, keys: Array, values: Array, counts: Array) -> None:
        if self._cut is not None:
            inside = keys < np.uint64(self._cut)
            keys, values, counts = keys[inside], values[inside], counts[inside]
        self._waiting.append((keys, values, counts))
        self._waits += len(keys)
        if self._waits > max(self.size // 4, 1 << 17):
            self._settle()

    def _settle(self) -> None:
        """Join equal rows, and drop the units with the largest hashes where there are too many rows."""
        with self._lock:  # whoever reads settles what waits, and several may read at once
            self._settle_waiting()

    def _settle_waiting(self) -> None:
        if not self._waiting:
            return
        parts = [(self._keys, self._values, self._counts), *self._waiting]
        keys, values, counts = (np.concatenate([part[place] for part in parts]) for place in range(3))
        order = np.argsort(keys)
        repeated = (keys[order[1:]] == keys[order[:-1]]).any()
        if repeated:
            order = np.lexsort((*values.T[::-1], keys))
        keys, values, counts = keys[order], values[order], counts[order]
        if repeated:
            bits = values.view(np.int64)  # in which a NaN is one
            same = (keys[1:] == keys[:-1]) & (bits[1:] == bits[:-1]).all(axis=1)
            new = np.flatnonzero(np.append(True, ~same))
            keys, values, counts = keys[new], values[new], np.add.reduceat(counts, new)
        if len(keys) > self.size:
            first = int(np.searchsorted(keys, keys[self.size]))  # the unit that no longer fits goes as a whole
            self._cut = int(keys[first])
            keys, values, counts = keys[:first], values[:first], counts[:first]
        self._keys, self._values, self._counts = keys, values, counts
        self._waiting, self._waits = [], 0

    def merge(self, other: Self) -> Self:
        self._same(other, "width", "size")
        out = type(self)(width=self.width, size=self.size)
        out.rows = self.rows + other.rows
        cuts = [each._cut for each in (self, other) if each._cut is not None]
        out._cut = min(cuts) if cuts else None
        for each in (self, other):
            each._settle()
            out._wait(each._keys, each._values, each._counts)
        out._settle()
        return out

    @property
    def n(self) -> int:
        return self.rows

    @property
    def keys(self) -> Array:
        """The unit of each kept row (uint64), rising."""
        self._read()
        return self._keys

    @property
    def values(self) -> Array:
        """The kept distinct rows, (rows, width)."""
        self._read()
        return self._values

    @property
    def counts(self) -> Array:
        """How often each kept row occurs, or its weight."""
        self._read()
        return self._counts

    def _read(self) -> None:
        self._settle()
        if self._cut is not None and not len(self._keys):  # not while rows come in, when it could hang on their order
            raise SummaryError(f"one entity or query has more than {self.size} rows", hint="raise the limit of rows")

    @property
    def share(self) -> float:
        """The share of units that were kept, estimated from the hash at which they were cut."""
        self._settle()
        return 1.0 if self._cut is None else self._cut / 2.0**64

    def fields(self) -> Mapping[str, Any]:
        self._settle()
        return {"width": self.width, "size": self.size, "rows": self.rows, "cut": self._cut, "keys": self._keys,
                "values": self._values, "counts": self._counts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(width=codec.whole(fields, "width"), size=codec.whole(fields, "size"))
        out.rows = codec.whole(fields, "rows")
        out._keys = keys = codec.array(fields, "keys", "<u8")
        out._values = codec.array(fields, "values", "<f8", (len(keys), out.width), finite=False)
        out._counts = codec.array(fields, "counts", "<f8", (len(keys),), least=0)
        out._cut = None if fields["cut"] is None else codec.whole(fields, "cut", most=2**64 - 1)
        if (len(keys) > min(out.size, out.rows) or (keys[1:] < keys[:-1]).any()
                or (out._cut is not None and (keys >= np.uint64(out._cut)).any())):
            raise SummaryError("the rows contradict each other")
        return out
