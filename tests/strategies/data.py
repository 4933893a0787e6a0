"""Strategies that draw tables: every type that files and frames share, nulls, nasty names and values."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["columns", "names", "tables"]

names = st.one_of(
    st.sampled_from(["age", "hours per week", "größe", "日付", "a`b", "a.b", "select", "x-y", "1st", "where"]),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=8),
)
texts = st.one_of(st.sampled_from(["", "a", "b", "é", "NA", "null", "1", "true", "x y", "'", '"', ",", "2026-01-31", "😀"]),
                  st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6))
moments = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2200, 1, 1))
kinds: dict[str, tuple[pa.DataType, st.SearchStrategy[object]]] = {
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.int32(), st.integers(-5, 5)),
    "float": (pa.float64(), st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, float("inf"), float("-inf"), 0.1, 1e300])),
    "text": (pa.string(), texts),
    "bool": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))),
    "time": (pa.timestamp("us"), moments),
    "zoned": (pa.timestamp("us", "America/New_York"), moments.map(lambda each: each.replace(tzinfo=dt.UTC))),
}


def columns(rows: int, kind: str) -> st.SearchStrategy[pa.Array]:
    """Draw a column of ``rows`` values, some of them null."""
    type_, values = kinds[kind]
    # few different values make slices; nulls are common
    few = st.lists(values, min_size=1, max_size=3).flatmap(lambda some: st.lists(st.sampled_from([*some, None]),
        min_size=rows, max_size=rows))
    many = st.lists(values | st.none(), min_size=rows, max_size=rows)
    return (few | many).map(lambda each: pa.array(each, type_))


@st.composite
def tables(draw: st.DrawFn, *, only: tuple[str, ...] = tuple(kinds), least: int = 1, most: int = 20) -> pa.Table:
    """Draw a table of 1 to 5 columns with different names."""
    rows = draw(st.integers(least, most))
    found = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    return pa.table({name: draw(columns(rows, draw(st.sampled_from(only)))) for name in found})
