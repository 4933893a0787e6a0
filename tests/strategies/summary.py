"""Strategies that draw columns as summaries meet them: every Arrow type and encoding, nasty values, odd layouts."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["arrays", "indices", "numbers"]

NASTY = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e308, -1e308, 1e-308, 5e-324, 1e9, 1e9 + 1e-6, 2.0**53, 2.0**53 + 2, 0.1]
numbers = st.lists(st.floats() | st.sampled_from(NASTY) | st.none() | st.integers(-5, 5).map(float), max_size=25).map(
    lambda each: pa.array(each, pa.float64()))
texts = st.sampled_from(["", "a", "a\0", "b", "é", "e\u0301", "日本", "😀", "true", "3", "null", "x" * 300, "x" * 301]) | st.text(max_size=4)
moments = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "double": (pa.float64(), st.floats() | st.sampled_from(NASTY)),
    "float": (pa.float32(), st.floats(width=32)),
    "half": (pa.float16(), st.floats(width=16)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(2**53 - 2, 2**53 + 2) | st.integers(-3, 3)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1) | st.integers(0, 3)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "bool": (pa.bool_(), st.booleans()),
    "text": (pa.string(), texts), "large": (pa.large_string(), texts), "bytes": (pa.binary(), st.binary(max_size=4)),
    "date": (pa.date32(), st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1))),
    "date64": (pa.date64(), st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1))),
    "s": (pa.timestamp("s"), moments.map(lambda each: each.replace(microsecond=0))),
    "us": (pa.timestamp("us", "America/New_York"), moments.map(lambda each: each.replace(tzinfo=dt.UTC))),
    "ns": (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
    "duration": (pa.duration("ms"), st.integers(-(10**12), 10**12)),
    "time": (pa.time64("us"), st.times()),
    "decimal": (pa.decimal128(10, 2), st.decimals(-(10**6), 10**6, places=2) | st.just(decimal.Decimal("0.00"))),
    "null": (pa.null(), st.none()),
    "list": (pa.list_(pa.int8()), st.lists(st.integers(0, 3), max_size=2)),
}


@st.composite
def arrays(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(KINDS)) -> pa.Array:
    """Draw a column of 0 to 25 rows: few or many values, nulls, all nulls, dictionary encoded or not."""
    type_, values = KINDS[draw(st.sampled_from(kinds))]
    few = st.lists(values, min_size=1, max_size=3).flatmap(lambda some: st.lists(st.sampled_from([*some, None]), max_size=25))
    array = pa.array(draw(few | st.lists(values | st.none(), max_size=25) | st.integers(0, 5).map(lambda rows: [None] * rows)), type_)
    plain = pa.types.is_null(type_) or pa.types.is_nested(type_) or pa.types.is_float16(type_)
    return array if plain or not draw(st.booleans()) else array.dictionary_encode()


def indices(array: pa.Array, draw: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield the same column in other layouts."""
    rows = len(array)
    if not pa.types.is_dictionary(array.type):  # arrays of one dictionary must share it
        yield pa.concat_arrays([array, array, array]).slice(rows, rows)
    cut = draw(st.integers(0, rows))
    yield pa.chunked_array([array.slice(0, cut), array.slice(cut)], array.type)
    if pa.types.is_dictionary(array.type):
        entries = array.dictionary
        doubled = pa.concat_arrays([entries, entries, pa.nulls(1, entries.type)])
        place = [None if each is None else each + len(entries) * (at % 2) for at, each in enumerate(array.indices.to_pylist())]
        place = [2 * len(entries) if each is None and at % 2 else each for at, each in enumerate(place)]
        yield pa.DictionaryArray.from_arrays(pa.array(place, pa.int16()), doubled)
        if pa.types.is_string(entries.type):
            yield array.cast(pa.string())
            yield array.cast(pa.large_string())
            yield pa.array(pd.Series(array.to_pylist(), dtype="category"), from_pandas=True) if rows and array.null_count < rows else array
