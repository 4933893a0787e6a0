"""How often each category occurs: exact for few categories, then the frequent ones with a stated error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary.summary import Summary
from assay.summary.vector import Vector, text_of

__all__ = ["Frequent"]


class Frequent(Summary):
    """Counts by value, exact up to ``size`` values, then a mergeable Misra-Gries summary (Agarwal et al. 2013).

    A count is too low by at most :attr:`error` rows; what is not listed occurs at most that often.

    >>> frequent = Frequent()
    >>> frequent.update(["a", "b", "a", None])
    >>> frequent.counts, frequent.nulls, frequent.error
    ({'a': 2, 'b': 1}, 1, 0)
    """

    kind: ClassVar[str] = "frequent"
    inputs: ClassVar[tuple[str, ...]] = ("column",)

    def __init__(self, *, size: int = 4096):
        if not 1 <= size <= 1_000_000:
            raise SummaryError(f"a size of {size} cannot be kept", expected="between 1 and 1000000")
        self.size = size
        self.nulls = self.present = self.error = 0
        self.counts: dict[str, int] = {}

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        self.nulls += vector.nulls if vector.kind != "missing" else vector.size
        self.present += vector.size - (vector.nulls if vector.kind != "missing" else vector.size)
        if vector.kind == "category":
            self._add(vector.categories)
        elif vector.kind == "number":
            values, counts = vector.runs
            if len(values) > 4 * self.size:  # a number column with that many values: only heavy ones can survive
                cut = np.partition(counts, -2 * self.size)[-2 * self.size]
                heavy = counts > cut
                values, counts, self.error = values[heavy], counts[heavy], self.error + int(cut)
            self._add({text_of(value): int(count) for value, count in zip(values.tolist(), counts, strict=True)})

    def _add(self, counts: Mapping[str, int]) -> None:
        mine = self.counts
        for name, count in counts.items():
            mine[name] = mine.get(name, 0) + count
        if len(mine) > self.size:
            cut = int(np.partition(np.fromiter(mine.values(), np.int64, len(mine)), -self.size - 1)[-self.size - 1])
            self.counts = {name: count - cut for name, count in mine.items() if count > cut}
            self.error += cut

    def merge(self, other: Self) -> Self:
        self._same(other, "size")
        out = type(self)(size=self.size)
        out.nulls, out.present = self.nulls + other.nulls, self.present + other.present
        out.error = self.error + other.error
        out.counts = dict(self.counts)
        out._add(other.counts)
        return out

    @property
    def n(self) -> int:
        return self.nulls + self.present

    @property
    def top(self) -> list[tuple[str, int]]:
        """The values by falling count, ties by name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))

    def fields(self) -> Mapping[str, Any]:
        names = sorted(self.counts)
        return {"size": self.size, "nulls": self.nulls, "present": self.present, "error": self.error, "names": names,
                "counts": np.array([self.counts[name] for name in names], np.int64)}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(size=int(fields["size"]))
        out.nulls, out.present, out.error = int(fields["nulls"]), int(fields["present"]), int(fields["error"])
        names, counts = fields["names"], fields["counts"]
        if (len(names) != len(counts) or len(names) > out.size or not all(isinstance(name, str) for name in names)
                or (counts <= 0).any() or int(counts.sum()) > out.present or min(out.nulls, out.error) < 0):
            raise SummaryError("the counts of the frequent values contradict each other")
        out.counts = dict(zip(names, counts.tolist(), strict=True))
        if len(out.counts) != len(names):
            raise SummaryError("a frequent value is listed twice")
        return out
