"""How many distinct values a column has: exact for few, then estimated from the smallest hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.hashing import hashes
from assay.summary.summary import Summary
from assay.summary.vector import Array, Tally, Vector, texts_of

__all__ = ["Distinct"]

SIZE = 2048
_GREATEST = (1 << 64) - 1


class Distinct(Summary):
    """The k smallest hashes seen (bottom-k, Beyer et al. 2007): the same for every order and split of the rows.

    Exact below ``SIZE`` distinct values, then (k - 1) / (largest kept hash), with a relative standard error of
    1 / sqrt(k - 2), that is 2.2 %. It holds hashes and no values; who can guess a value can see whether its hash is there.

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
        self._tally = Tally()

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        self.rows += vector.size
        if vector.kind == "category":
            self._take(_hashed(self._tally.add(vector)))
        else:
            self._take_numbers(vector)

    def _take_numbers(self, vector: Vector) -> None:
        if len(self._kept) == SIZE:
            self._take(vector.hashes(int(self._kept[-1])))
            return
        # of so many distinct values thrice SIZE are expected below this bound; where it was too low after all, all are looked at
        most = _GREATEST * 3 * SIZE // max(vector.varieties, 3 * SIZE)
        self._take(vector.hashes(most))
        if most < _GREATEST and (len(self._kept) < SIZE or int(self._kept[-1]) > most):
            self._take(vector.hashes(_GREATEST))

    def _take(self, found: Array) -> None:
        """Take hashes; only the smallest can matter."""
        if len(self._kept) == SIZE:
            found = found[found < self._kept[-1]]
        if len(found):
            both = np.concatenate((self._kept, found))
            both.sort()  # np.unique takes eight times as long
            new = np.ones(len(both), np.bool_)
            np.not_equal(both[1:], both[:-1], out=new[1:])
            self._kept = both[new][:SIZE]

    @property
    def kept(self) -> Array:
        """The smallest hashes, rising (uint64)."""
        self._take(_hashed(self._tally.taken()))
        return self._kept

    def merge(self, other: Self) -> Self:
        self._same(other)
        out = type(self)()
        out.rows = self.rows + other.rows
        out._take(self.kept)
        out._take(other.kept)
        return out

    @property
    def n(self) -> int:
        return self.rows

    @property
    def estimate(self) -> float:
        """The number of distinct values that are neither missing nor infinite."""
        kept = self.kept
        if len(kept) < SIZE:
            return float(len(kept))
        return (SIZE - 1) / ((float(kept[-1]) + 1) / 2.0**64)

    @property
    def error(self) -> float:
        """The relative standard error of the estimate, 0 while exact."""
        return 0.0 if len(self.kept) < SIZE else float(1 / np.sqrt(SIZE - 2))

    def fields(self) -> Mapping[str, Any]:
        return {"rows": self.rows, "kept": self.kept}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls()
        out.rows, out._kept = codec.whole(fields, "rows"), codec.array(fields, "kept", "<u8")
        if len(out._kept) > min(SIZE, out.rows) or not codec.rising(out._kept):
            raise SummaryError("the hashes are not in order")
        return out


def _hashed(counted: tuple[pa.Array, Array] | None) -> Array:
    """Return the hash of each category by its text, whatever the encoding."""
    if counted is None:
        return np.empty(0, np.uint64)
    entries = counted[0]
    if not (pa.types.is_string(entries.type) or pa.types.is_large_string(entries.type)):
        entries = entries.cast(pa.string()) if pa.types.is_boolean(entries.type) else pa.array(texts_of(entries), pa.string())
    return hashes(entries)
