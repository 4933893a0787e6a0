"""The inputs that a search may ask about: columns with the values each may take, as points of whole numbers with exact keys.

``Space`` is the grid, ``Axis`` one column of it; ``axis`` makes one from what the data hold or from a declared range. A point gives for
each column that is not protected the place of its value; the protected columns are the ``variants`` that each point is asked with.
Searches in this package import it, and the verbs that open the data.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import ConfigError, DataError, listed

__all__ = ["MOST_VARIANTS", "Axis", "Space", "axis", "declaring"]

Array = np.ndarray[Any, Any]

WHOLE = 1_000        # whole numbers in a range that are each a value; of longer ranges a grid is taken
GRID = 256           # values of a grid over numbers
LISTED = 256         # values of a column of another kind, the most frequent
PROTECTED = 9        # values of a protected number
MOST_VARIANTS = 200  # combinations of protected values that one test asks
WORD = 2.0**62       # keys are split into words below this


@dataclass(frozen=True, eq=False)
class Axis:
    """One column of the grid: ``values`` in Arrow, in order where ``ordered``, and ``usual``, the place of its most ordinary value.

    ``scaled`` are positions from 0 to 1, to measure distances with: differences of ordered values, equal or not of others. ``cut`` says
    that the column has more values than these.
    """

    name: str
    values: pa.Array
    ordered: bool
    usual: int = 0
    cut: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def numbers(self) -> Array | None:
        """The values as numpy numbers, where they are numbers."""
        kind = self.values.type
        return self.values.to_numpy(zero_copy_only=False) if pa.types.is_integer(kind) or pa.types.is_floating(kind) else None

    @cached_property
    def scaled(self) -> Array:
        """The position of each value between the least and the greatest; its place for what has no order."""
        if not self.ordered or self.numbers is None or len(self) < 2:
            return np.arange(len(self), dtype=np.float64)
        found = self.numbers.astype(np.float64)
        return np.asarray((found - found[0]) / (found[-1] - found[0]))

    def places(self, column: pa.Array) -> Array:
        """Return the place of each value of ``column``: of numbers the nearest, of others the same; -1 for what is missing or unknown."""
        if self.ordered and self.numbers is not None:
            there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
            given = pc.fill_null(column.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
            there = there & np.isfinite(given)
            own = self.numbers.astype(np.float64)
            right = np.clip(np.searchsorted(own, np.where(there, given, own[0])), 1, max(len(own) - 1, 1))
            left = right - 1
            right = np.minimum(right, len(own) - 1)
            nearest = np.where(np.abs(given - own[left]) <= np.abs(own[right] - given), left, right)
            return np.where(there, nearest, -1)
        found = pc.index_in(column.cast(self.values.type), value_set=self.values)
        return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)

    def column(self, places: Array) -> pa.Array:
        """Return the values at ``places``."""
        numbers = self.numbers
        if numbers is not None:
            return pa.array(numbers[places])
        return self.values.take(pa.array(places))

    def shown(self, place: int) -> Any:
        """Return one value as Python has it."""
        return self.values[int(place)].as_py()


def axis(name: str, column: pa.ChunkedArray | pa.Array | None, *, declared: Sequence[Any] | None = None, protected: bool = False) -> Axis:
    """Return the axis of a column: what is ``declared`` (``[low, high]``, or a list of values), else what ``column`` holds.

    Whole numbers in a range of at most 1,000 are all values; of other numbers 256 are, spread evenly over a declared range and by
    quantiles over data. Of other kinds the 256 most frequent values are. A protected number has at most 9.

    >>> axis("age", pa.array([30, 31, 35])).values.to_pylist()
    [30, 31, 32, 33, 34, 35]
    >>> axis("job", pa.array(["cook", "clerk", "cook"])).values.to_pylist()
    ['cook', 'clerk']
    """
    held = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    held = _plain(held) if held is not None else None
    kind = held.type if held is not None else None
    number = kind is None or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    ranged = declared is not None and len(declared) == 2 and all(isinstance(each, int | float) and not isinstance(each, bool)
                                                                for each in declared)
    if declared is not None and not (ranged and number):
        return _stated(name, list(declared), held)
    if number:
        return _numbers(name, held, declared, protected)
    assert held is not None
    counts = pc.value_counts(held.drop_null()).to_pylist()
    if not counts:
        raise DataError(f"the column '{name}' holds no value", expected="values to search over", hint=declaring(name, "this|that"))
    if pa.types.is_large_string(held.type) or pa.types.is_string(held.type) or pa.types.is_boolean(held.type):
        counts.sort(key=lambda each: (-each["counts"], str(each["values"])))
        found = [each["values"] for each in counts[:LISTED]]
        return Axis(name, pa.array(found, held.type), False, 0, len(counts) > LISTED)
    ordered = sorted(counts, key=lambda each: each["values"])
    step = max(len(ordered) / LISTED, 1)
    kept = [ordered[int(place * step)] for place in range(min(len(ordered), LISTED))]
    usual = max(range(len(kept)), key=lambda place: kept[place]["counts"])
    return Axis(name, pa.array([each["values"] for each in kept], held.type), True, usual, len(ordered) > LISTED)


def declaring(name: str, values: str = "0..100") -> str:
    """Return how the values to try of a column are declared, for a hint.

    >>> declaring("age", "18..99")
    'say which values to try: --range age=18..99, or ranges: in assay.yaml'
    """
    return f"say which values to try: --range {name}={values}, or ranges: in assay.yaml"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return column.cast(pa.string()) if pa.types.is_string_view(kind) else column


def _stated(name: str, values: list[Any], held: pa.ChunkedArray | None) -> Axis:
    unique = list(dict.fromkeys(values))
    if not unique:
        raise ConfigError(f"no value of '{name}' is listed", expected="[low, high], or a list of values")
    try:
        found = pa.array(unique, None if held is None else held.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise ConfigError(f"the values listed of '{name}' are not all {held.type if held is not None else 'of one kind'}",
                          expected="values as the column holds them") from None
    if pa.types.is_integer(found.type) or pa.types.is_floating(found.type):
        found = found.take(pc.sort_indices(found))
        return Axis(name, found, True, len(found) // 2)
    return Axis(name, found, False)


def _numbers(name: str, held: pa.ChunkedArray | None, declared: Sequence[Any] | None, protected: bool) -> Axis:
    plain = pa.int64() if declared is not None and all(isinstance(each, int) for each in declared) else pa.float64()
    kind = held.type if held is not None else plain
    given = np.empty(0)
    if held is not None:
        given = held.drop_null().cast(pa.float64(), safe=False).to_numpy()
        given = given[np.isfinite(given)]
    if declared is None and not len(given):
        raise DataError(f"the column '{name}' holds no number", expected="numbers to search over", hint=declaring(name))
    low, high = (float(declared[0]), float(declared[1])) if declared is not None else (float(given.min()), float(given.max()))
    if not (np.isfinite(low) and np.isfinite(high)) or low > high:
        raise ConfigError(f"[{low:g}, {high:g}] is no range of '{name}'", expected="[low, high], finite numbers", hint=declaring(name))
    even = len(given) > 0 and bool((given == np.floor(given)).all()) and low == int(low) and high == int(high)
    whole = pa.types.is_integer(kind) or even
    most = PROTECTED if protected else WHOLE
    seen = np.unique(given) if declared is None else np.empty(0)
    if whole and high - low < most:
        grid, cut = np.arange(low, high + 1), False
    elif 0 < len(seen) <= (PROTECTED if protected else GRID):
        grid, cut = seen, False
    else:
        count = PROTECTED if protected else GRID
        grid = np.quantile(given, np.linspace(0, 1, count), method="nearest") if declared is None else np.linspace(low, high, count)
        grid, cut = np.unique(np.round(grid) if whole else grid), True
    middle = float(np.median(given)) if len(given) else (low + high) / 2
    usual = int(np.argmin(np.abs(grid - middle)))
    kind = pa.float64() if pa.types.is_decimal(kind) or pa.types.is_float16(kind) else kind
    try:
        values = pa.array(grid).cast(kind)
    except pa.ArrowException:
        raise ConfigError(f"[{low:g}, {high:g}] goes beyond the type {kind} of '{name}'", hint=declaring(name)) from None
    return Axis(name, values, True, usual, cut)


@dataclass(frozen=True, eq=False)
class Space:
    """The grid of ``axes`` that a search moves on, and the ``protected`` axes whose values each point is asked with.

    A point is a row of places, one for each of ``axes``. ``held`` are columns that the model takes and the search leaves alone, with one
    value; ``order`` is the order of all columns.

    >>> space = Space((axis("income", None, declared=[0, 3]),), (axis("sex", pa.array(["m", "f"])),))
    >>> space.size, space.variants.tolist()
    (4, [[0], [1]])
    """

    axes: tuple[Axis, ...]
    protected: tuple[Axis, ...]
    held: tuple[Axis, ...] = ()
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.axes:
            raise ConfigError("no column is left to search over", expected="inputs that are not protected")
        for each in self.protected:
            if len(each) < 2:
                raise ConfigError(f"'{each.name}' has one value only, {each.shown(0)}: no two inputs can differ in it",
                                  expected="at least two values of each protected column",
                                  hint=declaring(each.name, f"{each.shown(0)}|...") + "; or leave fewer rows out (--where)")
        if len(self.variants) > MOST_VARIANTS:
            names = listed(each.name for each in self.protected)
            raise ConfigError(f"the protected columns {names} have {len(self.variants):,} combinations",
                              expected=f"at most {MOST_VARIANTS}, as each input is asked with all of them",
                              hint="search for fewer columns at a time, or declare fewer values: "
                                   f"{declaring(self.protected[0].name, 'this|that')}")

    @cached_property
    def sizes(self) -> Array:
        """How many values each axis has."""
        return np.array([len(each) for each in self.axes], np.int64)

    @property
    def size(self) -> int:
        """How many points there are."""
        found = 1
        for each in self.axes:
            found *= len(each)
        return found

    @cached_property
    def variants(self) -> Array:
        """The combinations of places of protected values, (variants, protected)."""
        return np.array(list(itertools.product(*(range(len(each)) for each in self.protected))), np.int64)

    @cached_property
    def _radix(self) -> list[list[tuple[int, int]]]:
        """For each word of the key its axes, each with what its place is multiplied by."""
        words: list[list[tuple[int, int]]] = [[]]
        scale = 1
        for place, size in enumerate(self.sizes.tolist()):
            if scale * size >= WORD:
                words.append([])
                scale = 1
            words[-1].append((place, scale))
            scale *= size
        return words

    @cached_property
    def radix(self) -> Array:
        """What a step of each axis adds to the words of the key, (words, axes)."""
        found = np.zeros((len(self._radix), len(self.axes)), np.int64)
        for word, parts in enumerate(self._radix):
            for place, scale in parts:
                found[word, place] = scale
        return found

    def keys(self, points: Array) -> Array:
        """Return the exact keys of points, (words, points): two points are the same where all words are."""
        out = np.empty((len(self._radix), len(points)), np.int64)
        for word, parts in enumerate(self._radix):
            total: Array = points[:, parts[0][0]] * np.int64(parts[0][1])
            for place, scale in parts[1:]:
                total = total + points[:, place] * np.int64(scale)
            out[word] = total
        return out

    def points(self, keys: Array) -> Array:
        """Return the points of keys."""
        out = np.empty((keys.shape[1], len(self.axes)), np.int16)
        for word, parts in enumerate(self._radix):
            for place, scale in parts:
                out[:, place] = keys[word] // scale % int(self.sizes[place])
        return out

    def uniform(self, count: int, rng: np.random.Generator) -> Array:
        """Return points drawn evenly from the grid."""
        return (rng.random((count, len(self.axes))) * self.sizes).astype(np.int16)

    def everything(self) -> Array:
        """Return every point of a small space."""
        grids = np.meshgrid(*(np.arange(size, dtype=np.int16) for size in self.sizes), indexing="ij")
        return np.stack([each.reshape(-1) for each in grids], axis=1)

    def snapped(self, table: pa.Table) -> tuple[Array, Array]:
        """Return rows of data as points, and which of the rows have a place on every axis."""
        points = np.stack([each.places(_one(table, each.name)) for each in self.axes], axis=1)
        there = (points >= 0).all(axis=1)
        return points[there].astype(np.int16), np.flatnonzero(there)

    def batch(self, points: Array, variants: Array | None = None) -> pa.RecordBatch:
        """Return the rows of points with all their protected values: all points with the first, then all with the next, ...

        With ``variants``, a place in ``self.variants`` for each point, each point is one row.
        """
        count, copies = len(points), 1 if variants is not None else len(self.variants)
        columns: dict[str, pa.Array] = {}
        for place, each in enumerate(self.axes):
            own = np.ascontiguousarray(points[:, place])
            numbers = each.numbers
            if numbers is not None:
                taken = numbers[own]
                columns[each.name] = pa.array(np.concatenate([taken] * copies) if copies > 1 else taken)
            else:
                columns[each.name] = each.column(np.concatenate([own] * copies) if copies > 1 else own)
        for place, each in enumerate(self.protected):
            codes = self.variants[:, place]
            columns[each.name] = each.column(codes[variants] if variants is not None else np.repeat(codes, count))
        for each in self.held:
            columns[each.name] = each.column(np.zeros(count * copies, np.int64))
        names = [*(name for name in self.order if name in columns), *(name for name in columns if name not in self.order)]
        return pa.RecordBatch.from_arrays([columns[name] for name in names], names)

    @cached_property
    def usual(self) -> Array:
        """The point of the most ordinary values."""
        return np.array([each.usual for each in self.axes], np.int16)

    def apart(self, one: Array, other: Array) -> Array:
        """Return the distance of points to points: Euclidean over positions from 0 to 1, with 1 for two values without order."""
        total = np.zeros(len(one))
        for place, each in enumerate(self.axes):
            first, second = one[:, place], other[:, place]
            if each.ordered:
                total += (each.scaled[first] - each.scaled[second]) ** 2
            else:
                total += first != second
        return np.asarray(np.sqrt(total))

    def embedded(self, points: Array) -> Array:
        """Return points as vectors whose Euclidean distance is ``apart``."""
        parts: list[Array] = []
        for place, each in enumerate(self.axes):
            if each.ordered:
                parts.append(each.scaled[points[:, place]][:, None])
            else:
                parts.append(np.eye(len(each))[points[:, place]] * np.sqrt(0.5))
        return np.concatenate(parts, axis=1)


def _one(table: pa.Table, name: str) -> pa.Array:
    column = _plain(table.column(name)).combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
