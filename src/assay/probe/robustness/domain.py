"""The rows of a table as numbers that attacks can change, within what the columns hold: ranges, whole numbers, categories, fixed columns.

``domain(table)`` makes a ``Domain`` of ``Field``s from reference rows; it turns rows into a matrix and back, and measures changes in the
spread of each column. Curves and attacks of this package import it, and the verbs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.schema import family
from assay.errors import ConfigError, DataError, UnknownColumnError, listed

__all__ = ["Domain", "Field", "domain"]

Array = np.ndarray[Any, Any]

LADDER = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)   # steps away from a value that are tried, in spreads
GRID = 12            # quantiles of a column that are tried
LISTED = 32          # categories of a column that are tried, the most frequent
FINE = 1_000         # a number is told to a thousandth of its spread
DECIMALS = 6
BLOCK = 4_000_000    # differences that are held at a time


@dataclass(frozen=True, eq=False)
class Field:
    """One column: ``kind`` is number, whole, category or other (never changed).

    ``spread`` is what a change of a number is measured by: the interquartile range / 1.349, or where that is 0 the standard deviation; a
    category that changes counts 1. ``step`` is the smallest change that a reader can see. ``way`` is 1 or -1 where it may only rise or
    fall. ``tried`` are values to try, places of ``values`` where it holds categories.
    """

    name: str
    kind: str
    type: pa.DataType
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0
    step: float = 1.0
    fixed: bool = False
    way: int = 0
    values: pa.Array | None = None
    tried: tuple[float, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers that have a size."""
        return self.kind in ("number", "whole")

    def size(self, before: Array, after: Array) -> Array:
        """Return how large changes are: numbers in spreads, anything else 1 where it differs; to or from a missing value 1."""
        if not self.numeric:
            return np.asarray(before != after, np.float64)
        missing = np.isnan(before) | np.isnan(after)
        both = np.isnan(before) & np.isnan(after)
        gap = np.abs(np.nan_to_num(after) - np.nan_to_num(before)) / self.spread
        return np.asarray(np.where(both, 0.0, np.where(missing, 1.0, gap)))

    def rounded(self, values: Array) -> Array:
        """Return numbers as the column holds them: within its range, on its step."""
        return np.clip(np.round(np.round(values / self.step) * self.step, DECIMALS), self.low, self.high)

    def allowed(self, before: Array, after: Array) -> Array:
        """Return whether changes are ones that the column may make."""
        if self.fixed:
            return np.zeros(np.broadcast(before, after).shape, bool)
        return (after - before) * self.way >= 0 if self.way else np.ones(np.broadcast(before, after).shape, bool)


@dataclass(frozen=True, eq=False)
class Domain:
    """The columns of a model's inputs, and rows as matrices (n, columns): numbers as they are, others as places of their values.

    >>> rows = pa.table({"income": [10, 20, 30, 40], "job": ["cook", "vet", "cook", "vet"]})
    >>> made = domain(rows)
    >>> matrix = made.matrix(rows)
    >>> matrix[:2].tolist(), made.batch(matrix).to_pydict() == rows.to_pydict()
    ([[10.0, 0.0], [20.0, 1.0]], True)
    """

    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(each.name for each in self.fields)

    @property
    def free(self) -> tuple[int, ...]:
        """The places of the columns that may change."""
        return tuple(place for place, each in enumerate(self.fields) if not each.fixed)

    def matrix(self, table: pa.Table) -> Array:
        """Return rows as numbers (n, columns); a value that the reference does not have is -2, and cannot be turned back."""
        out = np.empty((table.num_rows, len(self.fields)))
        for place, each in enumerate(self.fields):
            column = _plain(table.column(each.name))
            if each.numeric:
                out[:, place] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            else:
                found = pc.fill_null(pc.index_in(column, value_set=each.values), -2).to_numpy(zero_copy_only=False)
                out[:, place] = np.where(column.is_null().to_numpy(zero_copy_only=False), -1, found)
        return out

    def batch(self, rows: Array) -> pa.RecordBatch:
        """Return a matrix as the batch that a model is asked with."""
        columns = []
        for place, each in enumerate(self.fields):
            values = rows[:, place]
            if each.numeric:
                missing = np.isnan(values)
                held = np.where(missing, 0, values)
                made = pa.array(np.rint(held).astype(np.int64) if each.kind == "whole" else held, mask=missing)
                columns.append(made.cast(each.type, safe=False))
            else:
                assert each.values is not None
                places = values.astype(np.int64)
                columns.append(each.values.take(pa.array(places, mask=places < 0)))
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema([pa.field(each.name, column.type) for each, column in
                                                                     zip(self.fields, columns, strict=True)]))

    def sizes(self, before: Array, after: Array) -> Array:
        """Return the size of each change (n, columns) from rows to rows."""
        return np.stack([each.size(before[..., place], after[..., place]) for place, each in enumerate(self.fields)], axis=-1)

    def distances(self, rows: Array, others: Array, *, only: Sequence[int] | None = None) -> Array:
        """Return the sum of sizes (n, m) between rows and others, over all columns or ``only`` some."""
        places = range(len(self.fields)) if only is None else only
        out = np.zeros((len(rows), len(others)))
        for place in places:
            out += self.fields[place].size(rows[:, None, place], others[None, :, place])
        return out

    def nearest(self, rows: Array, others: Array, *, apart: Array | None = None) -> Array:
        """Return the distance of each row to the nearest of others; ``apart`` (n,) are places of others that are the row itself."""
        step = max(BLOCK // max(len(others), 1), 1)
        out = np.empty(len(rows))
        for start in range(0, len(rows), step):
            found = self.distances(rows[start:start + step], others)
            if apart is not None:
                found[np.arange(len(found)), apart[start:start + step]] = np.inf
            out[start:start + step] = found.min(axis=1)
        return out

    def shown(self, place: int, value: float) -> str:
        """Return a value as a reader has it."""
        each = self.fields[place]
        if each.numeric:
            return "missing" if np.isnan(value) else _number(value, each)
        if value < 0 or each.values is None:
            return "missing"
        return str(each.values[int(value)].as_py())[:60]

    def value(self, place: int, value: float) -> Any:
        """Return a value as Python has it."""
        each = self.fields[place]
        if each.numeric:
            return None if np.isnan(value) else round(value) if each.kind == "whole" else float(value)
        return None if value < 0 or each.values is None else each.values[int(value)].as_py()


def domain(table: pa.Table, *, fixed: Sequence[str] = (), ranges: Mapping[str, Any] | None = None,
           changeable: Mapping[str, Any] | None = None, other: Sequence[str] = ()) -> Domain:
    """Return the domain of the columns of ``table``, whose rows are the reference.

    ``fixed`` columns never change, nor do ``other`` ones (text, images). ``ranges`` are ``[low, high]`` or lists of categories. With
    ``changeable`` only the columns that it names change: ``"any"``, ``"increase"``, ``"decrease"``, a range or a list.

    Raises ``UnknownColumnError`` for a name that is not there, ``DataError`` for a table without rows, ``ConfigError`` for a bad range.
    """
    if not table.num_rows:
        raise DataError("there are no rows to learn ranges and spreads of", expected="at least one")
    said = {**(ranges or {}), **(changeable or {})}
    for name in (*fixed, *said):
        if name not in table.column_names:
            raise UnknownColumnError.among(name, table.column_names, where="what may change")
    fields = []
    for name in table.column_names:
        made = _field(name, table.column(name), still=name in other)
        stays = name in fixed or (changeable is not None and name not in changeable) or made.kind == "other" or made.spread == 0
        made = replace(made, fixed=stays)
        fields.append(_within(made, said[name]) if name in said and not made.fixed else made)
    return Domain(tuple(fields))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif pa.types.is_string_view(kind):
        column = column.cast(pa.string())
    made = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return made if not isinstance(made, pa.ChunkedArray) else pa.concat_arrays(made.chunks)


def _field(name: str, column: pa.ChunkedArray, *, still: bool) -> Field:
    held = _plain(column)
    sort = family(column.type)
    if sort == "nested":
        raise ConfigError(f"the column '{name}' of type {column.type} is no column of a table", expected="numbers, categories or text",
                          hint="images are attacked as images: they must be the only input")
    if sort in ("integer", "fraction") and not still:
        numbers = held.drop_null().cast(pa.float64()).to_numpy(zero_copy_only=False)
        numbers = numbers[np.isfinite(numbers)]
        if len(np.unique(numbers[:10_000])) > 2 or len(np.unique(numbers)) > 2:
            return _numbers(name, "whole" if sort == "integer" else "number", held.type, numbers)
    counted = pc.value_counts(held.drop_null()).to_pylist() if not still else []
    if sort in ("bytes", "missing", "timestamp", "date", "duration", "time of day") or still:
        return Field(name, "other", held.type, 0.0, fixed=True, values=held.unique().drop_null())
    order = sorted(range(len(counted)), key=lambda place: -counted[place]["counts"])[:LISTED]
    values = pa.array([each["values"] for each in counted], held.type)
    return Field(name, "category", held.type, 1.0 if len(counted) > 1 else 0.0, values=values, tried=tuple(float(each) for each in order))


def _numbers(name: str, kind: str, type: pa.DataType, numbers: Array) -> Field:
    low, quarter, most, high = np.quantile(numbers, [0, 0.25, 0.75, 1])
    spread = (most - quarter) / 1.349 or float(numbers.std())
    step = 1.0 if kind == "whole" else _step(numbers, spread)
    grid = np.unique(np.quantile(numbers, np.linspace(0, 1, GRID), method="nearest"))
    return Field(name, kind, type, float(spread), float(low), float(high), step, tried=tuple(grid.tolist()))


def _step(numbers: Array, spread: float) -> float:
    """Return the decimals in which the column is written, at least so many that a thousandth of its spread can be told."""
    some = numbers[:2_000]
    for digits in range(DECIMALS + 1):
        if np.allclose(np.round(some, digits), some, rtol=0, atol=1e-9):
            return float(10.0 ** -digits)
    fine = 10.0 ** np.floor(np.log10(spread / FINE)) if spread > 0 else 10.0 ** -DECIMALS
    return float(max(fine, 10.0 ** -DECIMALS))


def _within(made: Field, said: Any) -> Field:
    """Return a field that changes only as it was said to."""
    if isinstance(said, str):
        ways = {"any": 0, "increase": 1, "decrease": -1}
        if said not in ways:
            raise ConfigError(f"'{made.name}' cannot change like '{said}'", expected=f"{listed(ways)}, a range, or a list of values")
        if ways[said] and not made.numeric:
            raise ConfigError(f"'{made.name}' holds no numbers that could {said}", expected="any, or a list of values")
        return replace(made, way=ways[said])
    if made.numeric:
        ends = [made.low if each is None and place == 0 else made.high if each is None else each for place, each in enumerate(said)]
        if len(ends) < 2 or not all(isinstance(each, int | float) and np.isfinite(each) for each in ends) or min(ends) == max(ends):
            raise ConfigError(f"the range of '{made.name}' cannot be read", expected="[low, high]")
        low, high = float(min(ends)), float(max(ends))
        tried = {each for each in made.tried if low <= each <= high} | {low, high}
        return replace(made, low=low, high=high, tried=tuple(sorted(tried)))
    assert made.values is not None
    places = pc.index_in(pa.array(list(said)).cast(made.values.type), value_set=made.values).drop_null().to_pylist()
    return replace(made, tried=tuple(float(each) for each in places))


def _number(value: float, field: Field) -> str:
    if field.kind == "whole":
        return f"{round(value):,}" if abs(value) >= 10_000 else str(round(value))
    return f"{value:,.6g}"
