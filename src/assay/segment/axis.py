"""Columns as small codes that conditions can be read off: quantile bins of numbers and times, categories, and what is missing.

``axes(table)`` returns an ``Axis`` for each column that can be cut; ``Axis.condition`` says a range of its codes in words and as a
predicate. Only ``assay.segment`` and verbs that show conditions import it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.predicate import literal, quoted
from assay.data.slice import quantile_edges
from assay.result import Scalar

__all__ = ["FINE", "Axis", "Condition", "Level", "axes", "axis"]

Array = np.ndarray[Any, Any]

FINE = 64        # bins of a number, from which coarser ones are merged
MOST = 250       # categories that a condition can name; the rarer ones share a code that none names
LONGEST = 60     # characters of a category in words
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Condition:
    """One condition: ``text`` is a predicate that ``assay.data.predicate`` reads (None where it cannot), ``words`` is for people.

    ``low`` is the first value inside and ``high`` the first above; None where there is no end. ``value`` is the category; a
    condition without any of the three is of missing values, or with ``missing`` False of those that are not.
    """

    column: str
    words: str
    text: str | None
    low: Scalar = None
    high: Scalar = None
    value: Scalar = None
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Level:
    """An axis as one level of the search sees it: ``of`` gives the code here of each fine code, conditions are ranges of codes here.

    ``first`` and ``last`` are the ends of the ranges, inside; ``starts`` is the first fine code of each code here.
    """

    of: Array
    size: int
    first: Array
    last: Array
    starts: Array


@dataclass(frozen=True, eq=False)
class Axis:
    """One column in codes 0 to ``size`` - 1 (uint8): bins in order or categories, most frequent first, then the rare, then the missing.

    ``edges`` are the lower ends of bins 1, 2, ...; ``values`` are the categories. ``rare`` and ``missing`` are codes, None
    where there are no such rows. ``kind`` says how numbers read: a time in the unit of ``type``, an hour, a day of the week.
    """

    name: str
    codes: Array
    size: int
    type: pa.DataType
    edges: tuple[float, ...] | None = None
    values: tuple[Scalar, ...] = ()
    rare: int | None = None
    missing: int | None = None
    made: Literal["", "hour", "weekday"] = ""
    of: str = ""

    @property
    def ordered(self) -> bool:
        """Whether its codes are bins in order."""
        return self.edges is not None

    @property
    def bins(self) -> int:
        """Codes that ranges or single categories may name."""
        return len(self.edges) + 1 if self.edges is not None else len(self.values)

    @functools.cached_property
    def counts(self) -> Array:
        """Rows of each code."""
        return np.bincount(self.codes, minlength=self.size)

    def level(self, bins: int, categories: int) -> Level:
        """Return the axis with its bins merged into about ``bins`` of equal size, and its first ``categories`` categories."""
        if self.ordered:
            merged = _merged(self.counts[: self.bins], bins)
            named = int(merged[-1]) + 1
            pairs = [(low, high) for low in range(named) for high in range(low, named)
                     if named > 1 and (high - low + 1 < named or self.missing is not None)]
        else:
            named = min(self.bins, categories)
            merged = np.minimum(np.arange(self.bins), named)
            pairs = [(each, each) for each in range(named)]
        of = np.empty(self.size, np.uint8)
        of[: self.bins] = merged
        size = named
        if not self.ordered and (self.rare is not None or self.bins > named):
            of[of == named] = named
            if self.rare is not None:
                of[self.rare] = named
            size += 1
        if self.missing is not None:
            of[self.missing] = size
            pairs.append((size, size))
            size += 1
        ends = np.array(pairs, np.int64).reshape(-1, 2)
        starts = np.array([int(np.flatnonzero(of == each)[0]) for each in range(size)], np.int64)
        return Level(of, size, np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1]), starts)

    def condition(self, low: int, high: int) -> Condition:
        """Return what the codes ``low`` to ``high``, both inside, say of a row."""
        name, column = quoted(self.name), self.name
        if low == self.missing:
            return Condition(column, f"{column} missing", f"{name} is null", missing=True)
        if not self.ordered:
            value = self.values[low]
            shown = str(value) if len(str(value)) <= LONGEST else str(value)[:LONGEST - 3] + "..."
            return Condition(column, f"{column} {shown}", f"{name} == {literal(value)}" if value is not None else None, value=value)
        edges = self.edges or ()
        start = edges[low - 1] if low > 0 else None
        stop = edges[high] if high < len(edges) else None
        if start is None and stop is None:
            return Condition(column, f"{column} there", f"not {name} is null")
        return self._range(start, stop, name)

    def _range(self, start: float | None, stop: float | None, name: str) -> Condition:
        low, high = self._scalar(start), self._scalar(stop)
        tests = ([f"{name} >= {literal(low)}"] if low is not None else []) + ([f"{name} < {literal(high)}"] if high is not None else [])
        text = None if self.made or not _comparable(self.type) else " and ".join(tests)
        return Condition(self.name, self._words(start, stop), text, low, high)

    def _words(self, start: float | None, stop: float | None) -> str:
        column = self.name
        if self.made == "hour":
            return f"{self.of} from {int(start or 0)}:00 to {int(24 if stop is None else stop) - 1}:59"
        if self.made == "weekday":
            first, last = int(start or 0), int(7 if stop is None else stop) - 1
            return f"{self.of} on {_DAYS[first]}" + (f" to {_DAYS[last]}" if last > first else "")
        if pa.types.is_integer(self.type):
            first_, last_ = None if start is None else math.ceil(start), None if stop is None else math.ceil(stop) - 1
            if first_ is not None and last_ is not None:
                return f"{column} {first_:,}" if first_ == last_ else f"{column} {first_:,} to {last_:,}"
            return f"{column} {first_:,} or more" if first_ is not None else f"{column} {last_:,} or less"
        low, high = (_shown(self._scalar(each)) for each in (start, stop))
        if start is not None and stop is not None:
            return f"{column} in [{low}, {high})"
        return f"{column} >= {low}" if start is not None else f"{column} < {high}"

    def _scalar(self, number: float | None) -> Scalar:
        """Return an edge as a value of the column: whole, a fraction, or the text of a time."""
        if number is None:
            return None
        if pa.types.is_temporal(self.type) and not self.made:
            width = pa.int64() if self.type.bit_width == 64 else pa.int32()
            return str(pa.scalar(int(number), width).cast(self.type).cast(pa.string()).as_py())
        return int(number) if float(number).is_integer() and abs(number) < 2**53 else float(number)


def axes(table: pa.Table, names: Iterable[str] | None = None, *, cyclic: Iterable[str] = (),
         fine: int = FINE) -> tuple[list[Axis], dict[str, str]]:
    """Return the axes of some columns of a table, all without ``names``; and why there is none, by column.

    Of the times in ``cyclic`` only the hour and the day of the week are cut.

    >>> found, left = axes(pa.table({"x": [1.5, 2.5, None, 9.0], "who": ["a", "b", "c", "d"], "one": [1, 1, 1, 1]}))
    >>> [each.name for each in found], left
    (['x', 'who'], {'one': 'one value only'})
    >>> found[0].condition(1, 2).text, found[0].codes.tolist(), found[0].condition(3, 3).words
    ('x >= 2', [0, 1, 3, 2], 'x missing')
    """
    found, left = [], {}
    for name in table.column_names if names is None else names:
        made = axis(name, table.column(name), fine=fine)
        if isinstance(made, str):
            left[name] = made
        else:
            found += [each for each in made if each.made or name not in cyclic]
    return found, left


def axis(name: str, column: Any, *, fine: int = FINE) -> list[Axis] | str:
    """Return the axes of one Arrow column: one, three of a point in time (itself, its hour, its weekday); or in words why none."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_nested(kind):
        return "neither numbers nor categories"
    if pa.types.is_null(kind) or array.null_count == len(array):
        return "no values"
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        return _categories(name, array, kind)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    numbers = _numbers(array)
    made = _number(name, numbers, kind, fine)
    if isinstance(made, str) or not pa.types.is_timestamp(kind):
        return made if isinstance(made, str) else [made]
    more = [each for part in ("hour", "weekday") if isinstance(each := _part(name, array, part), Axis)]
    return [made, *more]


def _numbers(array: pa.Array) -> Array:
    kind = array.type
    if pa.types.is_temporal(kind):
        array = array.cast(pa.int64() if kind.bit_width == 64 else pa.int32(), safe=False)
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _part(name: str, array: pa.Array, part: str) -> Axis | str:
    """Return the hour of the day or the day of the week of a point in time, in its own zone."""
    numbers = _numbers(pc.hour(array) if part == "hour" else pc.day_of_week(array))
    distinct = np.unique(numbers[np.isfinite(numbers)])
    if len(distinct) < 2:
        return "one value only"
    edges = tuple(float(each) for each in distinct[1:])
    return Axis(f"{part} of {name}", *_coded(numbers, edges), pa.int64(), edges, made="hour" if part == "hour" else "weekday", of=name,
                missing=_missing(numbers, edges))


def _number(name: str, numbers: Array, kind: pa.DataType, fine: int) -> Axis | str:
    ordered = np.sort(numbers[np.isfinite(numbers)])
    if not len(ordered):
        return "no values"
    edges = _simple(ordered, quantile_edges(ordered, fine), kind)
    if not edges and not np.isnan(numbers).any():
        return "one value only"
    return Axis(name, *_coded(numbers, edges), kind, edges, missing=_missing(numbers, edges))


def _coded(numbers: Array, edges: tuple[float, ...]) -> tuple[Array, int]:
    codes = np.searchsorted(np.asarray(edges), numbers, side="right").astype(np.uint8)   # NaN sorts last, behind the last edge
    unknown = np.isnan(numbers)
    size = len(edges) + 1
    if unknown.any():
        codes[unknown] = size
        size += 1
    return codes, size


def _missing(numbers: Array, edges: tuple[float, ...]) -> int | None:
    return len(edges) + 1 if np.isnan(numbers).any() else None


def _simple(ordered: Array, edges: tuple[float, ...], kind: pa.DataType) -> tuple[float, ...]:
    """Return edges of few digits: the shortest number between an edge and the value an eighth of a bin before it."""
    if not pa.types.is_floating(kind):
        return edges
    step = 1 + len(ordered) // (8 * max(len(edges), 1) + 8)
    found: list[float] = []
    for edge in edges:
        before = max(float(ordered[max(int(np.searchsorted(ordered, edge)) - step, 0)]), *found[-1:], -math.inf)
        found.append(next((short for digits in range(1, 17) if before < (short := _floored(edge, digits)) <= edge), edge))
    return tuple(found)


def _floored(number: float, digits: int) -> float:
    """Return a number cut to some digits, downwards."""
    if number == 0:
        return 0.0
    scale = digits - 1 - math.floor(math.log10(abs(number)))
    if abs(scale) > 300:
        return number
    return float(f"{math.floor(number * 10.0**scale) / 10.0**scale:.{digits}g}")


def _categories(name: str, array: pa.Array, kind: pa.DataType) -> list[Axis] | str:
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    indices = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    texts = [_text(each) for each in array.dictionary.to_pylist()]
    known: dict[Any, int] = {}
    same = np.array([known.setdefault(each, len(known)) for each in texts] or [0], np.int64)   # a dictionary may hold a value twice
    codes = np.where(indices < 0, -1, same[indices])
    counts = np.bincount(codes[codes >= 0], minlength=max(len(known), 1))
    listed = list(known)
    order = [int(each) for each in np.lexsort((_ranks(listed), -counts)) if counts[each] and listed[each] is not None]
    none = known.get(None)
    if none is not None:
        codes[codes == none] = -1
    named = order[:MOST]
    size = len(named)
    if not named:
        return "no values"
    if len(named) == 1 and not (codes < 0).any():
        return "one value only"
    place = np.full(len(known) + 1, size, np.int64)
    place[named] = np.arange(size)
    rare = missing = None
    if len(order) > size:
        rare, size = size, size + 1
    if (codes < 0).any():
        missing, size = size, size + 1
        place[-1] = missing
    return [Axis(name, place[codes].astype(np.uint8), size, kind, None, tuple(listed[each] for each in named), rare, missing)]


def _ranks(values: list[Any]) -> Array:
    """Return the place of each value in the order of its text: equally frequent categories are listed alike, whatever the rows' order."""
    found = np.empty(len(values), np.int64)
    found[sorted(range(len(values)), key=lambda each: str(values[each]))] = np.arange(len(values))
    return found


def _text(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _merged(counts: Array, bins: int) -> Array:
    """Return for each fine bin the bin of about equal size that it falls in.

    >>> _merged(np.array([2, 2, 2, 2]), 2).tolist(), _merged(np.array([9, 1, 1, 1]), 2).tolist()
    ([0, 0, 1, 1], [0, 1, 1, 1])
    """
    if len(counts) <= bins:
        return np.arange(len(counts))
    middle = np.cumsum(counts) - counts / 2
    raw = np.minimum((middle * bins / max(counts.sum(), 1)).astype(np.int64), bins - 1)
    found: Array = np.unique(raw, return_inverse=True)[1].reshape(-1)
    return found


def _comparable(kind: pa.DataType) -> bool:
    return not pa.types.is_duration(kind)


def _shown(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)

