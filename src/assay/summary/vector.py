"""A column of one batch, with what several summaries need of it computed once: sorted numbers, runs, category counts.

Sorting a batch that fits in cache costs about 10 ns a value, after which histograms on any edges, quantiles, distinct
and frequent values, minimum and maximum are next to free (``design/kernels.md`` has the measurements).
Summaries and engines use it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.summary import memory
from assay.summary.hashing import hashes, small_hashes
from assay.summary.memory import numbers
from assay.summary.order import in_order

__all__ = ["Tally", "Vector", "kind_of", "text_of", "texts_of"]

Array = np.ndarray[Any, Any]

T = TypeVar("T")

LONGEST = 256  # characters of a category that are kept


class once(Generic[T]):  # noqa: N801 (a decorator)
    """A property that is computed when it is first asked for, without the lock that functools' has: each vector belongs to one thread."""

    def __init__(self, function: Callable[[Any], T]):
        self.function, self.name, self.__doc__ = function, function.__name__, function.__doc__

    @overload
    def __get__(self, instance: None, owner: Any = None) -> once[T]: ...

    @overload
    def __get__(self, instance: object, owner: Any = None) -> T: ...

    def __get__(self, instance: object | None, owner: Any = None) -> once[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value


class Vector:
    """One column of a batch; NaN counts as missing, as it does in every data frame.

    >>> vector = Vector.of([3.0, None, 1.0, 3.0])
    >>> vector.size, vector.nulls, vector.ordered.tolist(), [part.tolist() for part in vector.runs]
    (4, 1, [1.0, 3.0, 3.0], [[1.0, 3.0], [1, 2]])
    >>> dictionary, counts = Vector.of(["b", "a", "b", None]).tally
    >>> dictionary.to_pylist(), counts.tolist()
    (['b', 'a'], [2, 1])
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

    @once
    def kind(self) -> Literal["number", "category", "missing"]:
        """Numbers (and times, as seconds) are sorted; text, booleans and dictionaries are counted by value."""
        return kind_of(self.array.type)

    @once
    def nulls(self) -> int:
        """Rows without a value."""
        if self.kind == "number":
            return self.size - len(self._sorted)
        if pa.types.is_dictionary(self.array.type):
            return self.size - int(self.tally[1].sum())
        return int(self.array.null_count)

    @once
    def _sorted(self) -> Array:
        """All numbers that are there, sorted, infinities included."""
        if self.kind != "number":
            return np.empty(0)
        array, kind = self.array, self.array.type
        if pa.types.is_temporal(kind):
            array = array.cast(pa.int64() if kind.bit_width == 64 else pa.int32(), safe=False)
        elif pa.types.is_decimal(kind):
            array = array.cast(pa.float64())
        if array.null_count:
            array = array.drop_null()
        ordered = in_order(numbers(array))
        if len(ordered) and math.isnan(ordered[-1]):
            ordered = ordered[: ordered.searchsorted(np.nan)]  # NaN sort to the end
        if not pa.types.is_temporal(kind):
            return ordered
        return ordered * _seconds(kind) if pa.types.is_date32(kind) else ordered / _seconds(kind)

    @once
    def ordered(self) -> Array:
        """The finite numbers, sorted, as float64."""
        minus, plus = self.infinities
        return self._sorted[minus : len(self._sorted) - plus] if minus or plus else self._sorted

    @once
    def infinities(self) -> tuple[int, int]:
        """How many values are minus infinity, and how many plus infinity."""
        both = self._sorted
        if not len(both) or (math.isfinite(both[0]) and math.isfinite(both[-1])):
            return 0, 0
        return int(both.searchsorted(-np.inf, "right")), int(len(both) - both.searchsorted(np.inf))

    @once
    def _new(self) -> Array:
        """Whether each finite number differs from the one before."""
        new = memory.empty(len(self.ordered), np.bool_)
        new[:1] = True
        np.not_equal(self.ordered[1:], self.ordered[:-1], out=new[1:])
        return new

    @once
    def varieties(self) -> int:
        """How many distinct finite numbers there are."""
        return int(np.count_nonzero(self._new))

    @once
    def runs(self) -> tuple[Array, Array]:
        """The distinct finite numbers in order (0.0 stands for -0.0 too), and how often each occurs (int64); not to be written to."""
        ordered = self.ordered
        if self.varieties == len(ordered):
            return ordered, np.broadcast_to(np.int64(1), len(ordered))
        starts = np.flatnonzero(self._new)
        return ordered[starts], np.diff(starts, append=len(ordered))

    @once
    def tally(self) -> tuple[pa.Array, Array]:
        """The dictionary of a category column, and how often each entry of it occurs (int64); missing entries never do."""
        array = self.array if pa.types.is_dictionary(self.array.type) else self.array.dictionary_encode()
        codes, dictionary = array.indices, array.dictionary
        if pa.types.is_string_view(dictionary.type) or pa.types.is_binary_view(dictionary.type):  # Arrow cannot take from views
            dictionary = dictionary.cast(pa.string() if pa.types.is_string_view(dictionary.type) else pa.binary())
        if codes.null_count:
            codes = codes.drop_null()
        counts = np.bincount(numbers(codes), minlength=len(dictionary))
        if dictionary.null_count or pa.types.is_floating(dictionary.type):
            counts[numbers(pc.is_null(dictionary, nan_is_null=True))] = 0
        return dictionary, counts

    def hashes(self, most: int) -> Array:
        """Return the 64-bit hashes up to ``most`` of the finite numbers or instants; a value may be there more than once."""
        kind = self.array.type
        if self.kind != "number":
            return np.empty(0, np.uint64)
        if pa.types.is_temporal(kind) or (pa.types.is_integer(kind) and kind.bit_width == 64 and self._wide):
            found = hashes(self.array.drop_null())
            return found[found <= np.uint64(most)]
        # finding the distinct ones costs as much as hashing a few copies
        return small_hashes(self.runs[0] if self.varieties < self.size // 4 else self.ordered, most)

    @property
    def _wide(self) -> bool:
        """Whether there are whole numbers that floats cannot tell apart."""
        return bool(len(self.ordered)) and max(-float(self.ordered[0]), float(self.ordered[-1])) >= 2.0**53


class Tally:
    """Counts of the entries of a dictionary, for as long as batches share it, so that its texts are read once.

    >>> tally = Tally()
    >>> tally.add(Vector.of(["b", "a"])), tally.add(Vector.of(["b", "a", "a"]))
    (None, None)
    >>> dictionary, counts = tally.add(Vector.of(["c"]))
    >>> dictionary.to_pylist(), counts.tolist()
    (['b', 'a'], [2, 3])
    """

    def __init__(self) -> None:
        self.dictionary: pa.Array | None = None
        self.counts = np.empty(0, np.int64)

    def add(self, vector: Vector) -> tuple[pa.Array, Array] | None:
        """Add a category column; return what was counted so far where its dictionary is another one."""
        dictionary, counts = vector.tally
        if self.dictionary is not None and self.dictionary.equals(dictionary):
            self.counts = self.counts + counts
            return None
        done = self.taken()
        self.dictionary, self.counts = dictionary, counts
        return done

    def taken(self) -> tuple[pa.Array, Array] | None:
        """Return the entries that occur with their counts, and forget them; None where there are none."""
        if self.dictionary is None:
            return None
        used = np.flatnonzero(self.counts)
        done = self.dictionary.take(memory.array(used)), self.counts[used]
        self.dictionary = None
        return done


def kind_of(kind: pa.DataType) -> Literal["number", "category", "missing"]:
    """Return how a column of an Arrow type is summarised; of what has no order and no text, only the nulls are counted.

    >>> kind_of(pa.float32()), kind_of(pa.date32()), kind_of(pa.bool_()), kind_of(pa.null()), kind_of(pa.list_(pa.int8()))
    ('number', 'number', 'category', 'missing', 'missing')
    """
    found = _KINDS.get(kind.id)
    if found is None:  # all types of one id are of one kind
        found = _KINDS[kind.id] = _kind(kind)
    return found


_KINDS: dict[int, Literal["number", "category", "missing"]] = {}


def _kind(kind: pa.DataType) -> Literal["number", "category", "missing"]:
    if pa.types.is_dictionary(kind) or pa.types.is_boolean(kind) or _is_text(kind):
        return "category"
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_temporal(kind)
    return "number" if plain and not pa.types.is_interval(kind) else "missing"


def text_of(value: Any) -> str:
    """Return a category as the text that stands for it everywhere; a long one is cut, and a hash tells it from others.

    >>> text_of(True), text_of(3.0), text_of("a"), len(text_of("long" * 1000))
    ('true', '3', 'a', 256)
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2.0**53 else str(value)
    elif isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    else:
        text = str(value)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 18]} #{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def texts_of(dictionary: pa.Array) -> list[str]:
    """Return the entries of a dictionary as text."""
    return [each if isinstance(each, str) and len(each) <= LONGEST else text_of(each) for each in dictionary.to_pylist()]


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary,
                                       pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary))


def _seconds(kind: pa.DataType) -> float:
    """Seconds in a day for dates in days, else ticks in a second."""
    if pa.types.is_date32(kind):
        return 86_400.0
    return {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}["ms" if pa.types.is_date64(kind) else kind.unit]
