"""pandas frames as readers: the index is left out, ``NaN`` in any column is missing, object columns must hold one type.

``pandas_reader(frame, name)`` is the interface; only ``assay.data.source`` imports it. pandas itself is loaded by whoever made the frame.
"""

from __future__ import annotations

import datetime as dt
import decimal
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data._arrow import TableReader
from assay.data._reader import Reader, told
from assay.data._type import duplicates
from assay.errors import ColumnTypeError, DataError, listed

__all__ = ["pandas_reader"]


def pandas_reader(frame: Any, name: str) -> Reader:
    """Return the reader of a frame (or of a series, as a frame of one column).

    Raises ``DataError`` for two columns of one name and ``ColumnTypeError`` for a column of mixed types, with the first row that differs.
    """
    if frame.ndim == 1:
        frame = frame.to_frame()
    names = [str(each) for each in frame.columns]
    if twice := duplicates(names):
        raise DataError(f"there is more than one column called {listed(twice)}", where=name, expected="names that differ",
                        hint="frame.loc[:, ~frame.columns.duplicated()] keeps the first of each")
    arrays = [_array(frame.iloc[:, place], each, name) for place, each in enumerate(names)]
    return TableReader(pa.table(arrays, names=names) if arrays else pa.table({}), name)


def _array(series: Any, column: str, where: str) -> pa.Array | pa.ChunkedArray:
    dtype = series.dtype
    try:
        if isinstance(dtype, np.dtype) and dtype.kind not in "OVSUc":
            return pa.array(series.to_numpy(), from_pandas=True)
        if hasattr(series, "sparse"):
            series = series.sparse.to_dense()
        if isinstance(dtype, np.dtype):
            return _objects(series, column, where)
        if str(dtype) == "category" and str(dtype.categories.dtype).startswith(("period", "interval")):
            series = series.cat.rename_categories(dtype.categories.astype(str))
        if str(dtype).startswith(("period", "interval")):   # Arrow knows neither; as text they are at least categories
            return pa.array(series.astype(str).where(series.notna(), None), pa.string(), from_pandas=True)
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise ColumnTypeError(f"the column '{column}' of dtype {dtype} cannot be read ({told(error)})", where=where,
                              hint=f"convert it: frame['{column}'].astype(str)") from error
    return array


def _objects(series: Any, column: str, where: str) -> pa.Array:
    """Return an object column as what its values are, once it is certain that they are of one kind."""
    missing = series.isna().to_numpy()
    values = series.to_numpy(dtype=object)
    first: tuple[int, str] | None = None
    kinds = {type(each) for each in values}   # a set of a few types is quick to make, and mostly the end of it
    if len({_kind(each) for each in kinds} - {"nothing"}) > 1:
        for row, (value, none) in enumerate(zip(values, missing, strict=True)):
            if none is True or np.all(none):
                continue
            kind = _kind(type(value))
            if first is None:
                first = (row, kind)
            elif kind != first[1]:
                raise ColumnTypeError(
                    f"the column '{column}' holds {first[1]} in row {first[0]} and {kind} in row {row} ({_short(value)})", where=where,
                    expected="values of one type", hint=f"convert it: frame['{column}'].astype(str)")
    if {_kind(each) for each in kinds} <= {"nothing", "decimal numbers"} and kinds:
        return pa.array([None if none else float(value) for value, none in zip(values, missing, strict=True)], pa.float64())
    if {_kind(each) for each in kinds} <= {"nothing", "other objects"} and not _nested(values[~missing]):
        raise ColumnTypeError(f"the column '{column}' holds objects of type {type(values[~missing][0]).__name__}", where=where,
                              expected="numbers, text, times or lists", hint=f"convert it: frame['{column}'].astype(str)")
    return pa.array(values, mask=missing, from_pandas=True)


def _kind(kind: type) -> str:
    if kind is type(None) or kind.__name__ in ("NAType", "NaTType"):
        return "nothing"
    tests: Iterable[tuple[Any, str]] = (
        ((bool, np.bool_), "booleans"), (decimal.Decimal, "decimal numbers"),
        ((int, float, np.number, numbers.Real), "numbers"), (str, "text"),
        ((bytes, bytearray), "bytes"), (dt.datetime, "timestamps"), (dt.date, "dates"), (dt.time, "times"),
        (dt.timedelta, "durations"))
    return next((name for types, name in tests if issubclass(kind, types)), "other objects")


def _nested(values: Any) -> bool:
    return all(isinstance(each, list | tuple | dict | np.ndarray) for each in values)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
