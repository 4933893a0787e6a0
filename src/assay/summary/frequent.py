"""How often each category occurs: exact for few categories, then the frequent ones with a stated error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import SummaryError
from assay.summary import codec, memory
from assay.summary.summary import Summary
from assay.summary.vector import Array, Tally, Vector, text_of, texts_of

__all__ = ["Frequent"]

_NONE = (np.empty(0), np.empty(0, np.int64))


class Frequent(Summary):
    """Counts by value, exact up to ``size`` values, then a mergeable Misra-Gries summary (Agarwal et al. 2013).

    A count is too low by at most :attr:`error` rows; what is not listed occurs at most that often; and the error is at most
    (present rows) / (size + 1). It holds raw values (texts beyond 256 characters are cut), so whoever plans a pass must not ask
    for it on columns of ids, entities, protected values or free text unless that is wanted.

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
        self.size = int(size)
        self.nulls = self.present = 0
        self._error = 0
        self._counts: dict[str, int] = {}
        self._tally = Tally()
        self._numbers: tuple[Array, Array] = _NONE  # those seen since the counts were last read, rising: text is made of few of them
        self._infinities = [0, 0]

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        vector = Vector.of(columns[0])
        nulls = vector.size if vector.kind == "missing" else vector.nulls
        self.nulls += nulls
        self.present += vector.size - nulls
        if vector.kind == "category":
            self._take(self._tally.add(vector))
        elif vector.kind == "number":
            self._take_numbers(*vector.runs)
            self._infinities = [a + b for a, b in zip(self._infinities, vector.infinities, strict=True)]

    def _take_numbers(self, values: Array, counts: Array) -> None:
        values, counts = self._heavy(values, counts)
        if len(self._numbers[0]) and len(values):
            values, places = np.unique(np.concatenate((self._numbers[0], values)), return_inverse=True)
            # sums of counts below 2^53 are exact as floats, too
            counts = np.bincount(places, np.concatenate((self._numbers[1], counts)), len(values)).astype(np.int64)
            self._numbers = self._heavy(values, counts)
        elif len(values):
            self._numbers = values, counts

    def _settle(self) -> None:
        """Bring what was seen since to the counts, as text."""
        if self._tally.dictionary is None and self._numbers is _NONE and not any(self._infinities):
            return
        self._take(self._tally.taken())
        (values, counts), infinities = self._numbers, self._infinities
        self._numbers, self._infinities = _NONE, [0, 0]
        if len(values):
            self._add([text_of(value) for value in values.tolist()], counts)
        if any(infinities):
            self._add(["-inf", "inf"], np.array(infinities))

    def _take(self, counted: tuple[pa.Array, Array] | None) -> None:
        if counted is None:
            return
        entries, counts = counted
        if len(entries) > self.size and len(pc.unique(entries)) == len(entries):  # a value listed twice must be added first
            entries, counts = self._heavy(entries, counts)
        self._add(texts_of(entries), counts)

    def _heavy(self, values: Any, counts: Array) -> tuple[Any, Array]:
        """Bring distinct values down to ``size``: the step of Misra and Gries, before the rare ones are made text in vain."""
        if len(counts) <= self.size:
            return values, counts
        heavy = np.flatnonzero(counts > 1) if counts.strides[0] else np.empty(0, np.int64)  # all 1, by one number that stands for all
        if len(heavy) > self.size:
            cut = int(np.partition(counts, -self.size - 1)[-self.size - 1])
            heavy = np.flatnonzero(counts > cut)
        else:  # the usual case of a continuous column
            cut = 1
        self._error += cut
        return values.take(memory.array(heavy) if isinstance(values, pa.Array) else heavy), counts[heavy] - cut

    def _add(self, names: list[str], counts: Array) -> None:
        mine = self._counts
        for name, count in zip(names, counts.tolist(), strict=True):
            if count:
                mine[name] = mine.get(name, 0) + count
        if len(mine) > self.size:
            held, counts = self._heavy(np.array(list(mine), object), np.fromiter(mine.values(), np.int64, len(mine)))
            self._counts = dict(zip(held.tolist(), counts.tolist(), strict=True))

    def merge(self, other: Self) -> Self:
        self._same(other, "size")
        out = type(self)(size=self.size)
        out.nulls, out.present = self.nulls + other.nulls, self.present + other.present
        out._counts = dict(self.counts)
        out._add(list(other.counts), np.fromiter(other.counts.values(), np.int64, len(other.counts)))
        out._error += self._error + other._error
        return out

    @property
    def n(self) -> int:
        return self.nulls + self.present

    @property
    def counts(self) -> dict[str, int]:
        """The kept values, as text, and how often each occurs."""
        self._settle()
        return self._counts

    @property
    def error(self) -> int:
        """By how many rows a count may be too low."""
        self._settle()
        return self._error

    @property
    def top(self) -> list[tuple[str, int]]:
        """The values by falling count, ties by name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))

    def fields(self) -> Mapping[str, Any]:
        names = sorted(self.counts)
        texts = [name.encode("utf-8", "surrogatepass") for name in names]
        return {"size": self.size, "nulls": self.nulls, "present": self.present, "error": self._error,
                "texts": np.frombuffer(b"".join(texts), np.uint8), "lengths": np.array([len(text) for text in texts], np.int64),
                "counts": np.array([self._counts[name] for name in names], np.int64)}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(size=codec.whole(fields, "size"))
        out.nulls, out.present, out._error = (codec.whole(fields, name) for name in ("nulls", "present", "error"))
        texts, lengths = codec.array(fields, "texts", "|u1").tobytes(), codec.array(fields, "lengths", "<i8", least=0)
        counts = codec.array(fields, "counts", "<i8", (len(lengths),), least=1)
        if len(counts) > out.size or int(lengths.sum()) != len(texts) or int(counts.sum()) > out.present or out._error > out.present:
            raise SummaryError("the counts of the frequent values contradict each other")
        ends = np.cumsum(lengths).tolist()
        names = [texts[start:end].decode("utf-8", "surrogatepass") for start, end in zip([0, *ends], ends, strict=False)]
        out._counts = dict(zip(names, counts.tolist(), strict=True))
        if len(out._counts) != len(names) or names != sorted(names):
            raise SummaryError("the frequent values are not in order")
        return out
