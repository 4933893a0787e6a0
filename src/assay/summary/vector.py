"""A column of one batch, with what several summaries need of it computed once: sorted numbers, runs, category counts.

Sorting a batch that fits in cache costs about 10 ns a value, after which histograms on any edges, quantiles, distinct
and frequent values, minimum and maximum are next to free (``design/kernels.md`` has the measurements).
Summaries and engines use it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.summary.hashing import hashes

__all__ = ["Vector", "kind_of"]

Array = np.ndarray[Any, Any]


class Vector:
    """One column of a batch; NaN counts as missing, as it does in every data frame.

    >>> vector = Vector.of([3.0, None, 1.0, 3.0])
    >>> vector.size, vector.nulls, vector.ordered.tolist(), [part.tolist() for part in vector.runs]
    (4, 1, [1.0, 3.0, 3.0], [[1.0, 3.0], [1, 2]])
    >>> Vector.of(["b", "a", "b", None]).categories
    {'a': 1, 'b': 2}
    """

    def __init__(self, array: pa.Array):
        self.array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        self.size = len(self.array)

    @classmethod
    def of(cls, values: Any) -> Vector:
        """Return ``values`` (Vector, Arrow array, numpy array or list) as a vector."""
        if isinstance(values, Vector):
            return values
        if isinstance(values, pa.Array | pa.ChunkedArray):
            return cls(values)
        return cls(pa.array(values, from_pandas=True))

    @property
    def kind(self) -> Literal["number", "category", "missing"]:
        """Numbers (and times, as seconds) are sorted; text, booleans and dictionaries are counted by value."""
        return kind_of(self.array.type)

    @cached_property
    def nulls(self) -> int:
        """Rows without a value."""
        if self.kind == "number":
            return self.size - len(self._sorted)
        if self.kind == "category" and pa.types.is_dictionary(self.array.type):
            return self.size - int(sum(self.categories.values()))
        return int(self.array.null_count)

    @cached_property
    def _sorted(self) -> Array:
        """All numbers that are there, sorted, infinities included."""
        if self.kind != "number":
            return np.empty(0)
        array, kind = self.array, self.array.type
        if pa.types.is_temporal(kind):
            array = array.cast(pa.int64() if kind.bit_width == 64 else pa.int32(), safe=False)
        elif pa.types.is_decimal(kind):
            array = array.cast(pa.float64())
        values = array.to_numpy(zero_copy_only=False)  # integers with nulls become floats with NaN
        ordered = np.sort(values)
        if ordered.dtype.kind == "f" and len(ordered) and np.isnan(ordered[-1]):
            ordered = ordered[: np.searchsorted(ordered, np.nan)]  # NaN sort to the end
        if pa.types.is_temporal(kind):
            ordered = ordered.astype(np.float64) / _per_second(kind)
        return ordered.astype(np.float64, copy=False)

    @cached_property
    def ordered(self) -> Array:
        """The finite numbers, sorted, as float64."""
        both = self._sorted
        if not len(both) or (np.isfinite(both[0]) and np.isfinite(both[-1])):
            return both
        return both[np.searchsorted(both, -np.inf, "right") : np.searchsorted(both, np.inf)]

    @cached_property
    def infinities(self) -> tuple[int, int]:
        """How many values are minus infinity, and how many plus infinity."""
        both = self._sorted
        return int(np.searchsorted(both, -np.inf, "right")), int(len(both) - np.searchsorted(both, np.inf))

    @cached_property
    def runs(self) -> tuple[Array, Array]:
        """The distinct finite numbers in order, and how often each occurs (int64)."""
        ordered = self.ordered
        if not len(ordered):
            return ordered, np.empty(0, np.int64)
        starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
        return ordered[starts], np.diff(starts, append=len(ordered))

    @cached_property
    def categories(self) -> dict[str, int]:
        """The categories that occur, as text, in order, and how often each occurs."""
        if self.kind != "category":
            return {}
        array = self.array
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        codes = array.indices
        if codes.null_count:
            codes = codes.drop_null()
        counts = np.bincount(codes.to_numpy(zero_copy_only=False), minlength=len(array.dictionary))
        names = array.dictionary.to_pylist()
        found: dict[str, int] = {}
        for code in np.flatnonzero(counts):
            if names[code] is not None and names[code] == names[code]:
                text = text_of(names[code])
                found[text] = found.get(text, 0) + int(counts[code])
        return dict(sorted(found.items()))

    @cached_property
    def distinct_hashes(self) -> Array:
        """A 64-bit hash of each distinct value (finite numbers or categories)."""
        if self.kind == "number":
            return hashes(self.runs[0])
        return hashes(pa.array(list(self.categories), pa.string())) if self.kind == "category" else np.empty(0, np.uint64)


def kind_of(kind: pa.DataType) -> Literal["number", "category", "missing"]:
    """Return how a column of an Arrow type is summarised.

    >>> kind_of(pa.float32()), kind_of(pa.date32()), kind_of(pa.bool_()), kind_of(pa.null())
    ('number', 'number', 'category', 'missing')
    """
    if pa.types.is_null(kind):
        return "missing"
    if pa.types.is_dictionary(kind) or pa.types.is_boolean(kind) or _is_text(kind):
        return "category"
    return "number"


def text_of(value: Any) -> str:
    """Return a category as the text that stands for it everywhere.

    >>> text_of(True), text_of(3.0), text_of("a")
    ('true', '3', 'a')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
                                       pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary))


def _per_second(kind: pa.DataType) -> float:
    if pa.types.is_date32(kind):
        return 1 / 86400
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
