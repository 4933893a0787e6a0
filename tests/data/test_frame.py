"""Frames of pandas and polars: what their types become, and what is refused."""

from __future__ import annotations

import decimal
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assay.data.source import source
from assay.errors import ColumnTypeError, DataError


def rows(data: object) -> list[tuple]:
    return [row for batch in data.batches() for row in zip(*(each.to_pylist() for each in batch.columns), strict=True)]  # type: ignore[attr-defined]


def test_pandas_types() -> None:
    frame = pd.DataFrame({
        "cat": pd.Categorical(["a", None, "b"]), "level": pd.Categorical([1, 2, 1], ordered=True), "Int": pd.array([1, None, 3], "Int64"),
        "nan": [1.0, np.nan, 3.0], "flag": pd.array([True, None, False], "boolean"), "text": pd.array(["x", None, "z"], "string"),
        "when": pd.to_datetime(["2026-01-31", None, "2026-02-01"]), "zoned": pd.to_datetime(["2026-01-31", None,
            "2026-02-01"]).tz_localize("Europe/Berlin"),
        "wait": pd.to_timedelta([1, None, 3], unit="s"), "object": np.array(["x", None, np.nan], dtype=object),
        "bools": np.array([True, None, False], dtype=object), "money": [decimal.Decimal("1.25"), None, decimal.Decimal(2)],
        "mixed numbers": np.array([1, 2.5, None], dtype=object), "lists": [[1], None, [2]],
            "period": pd.period_range("2026-01", periods=3, freq="M"),
        "sparse": pd.arrays.SparseArray([0, 0, 7]), "arrow": pd.array([1, None, 3], dtype=pd.ArrowDtype(pa.int8())),
        "cut": pd.cut([1, 2, 3], 2), "bytes": [b"a", None, b"b"],
    }, index=[7, 7, 9])
    data = source(frame)
    kinds = {each.name: str(each.type) for each in data.schema}
    assert kinds["cat"] == "dictionary<values=string, indices=int32, ordered=0>"
    assert kinds["level"] == "dictionary<values=int64, indices=int32, ordered=0>"
    assert [kinds[each] for each in ("Int", "nan", "flag", "text", "object", "bools", "money", "mixed numbers", "period",
        "sparse", "arrow", "bytes")] == [
        "int64", "double", "bool", "string", "string", "bool", "double", "double", "string", "int64", "int8", "binary"]
    assert kinds["when"].startswith("timestamp[")
    assert "tz=Europe/Berlin" in kinds["zoned"]
    assert kinds["wait"].startswith("duration[")
    assert data.schema.ignored == ("lists",)
    second = dict(zip(data.schema.names, rows(data)[1], strict=True))
    assert {name for name, value in second.items() if value is None} == {
        "cat", "Int", "nan", "flag", "text", "when", "zoned", "wait", "object", "bools", "money", "lists", "arrow", "bytes"}
    assert second["mixed numbers"] == 2.5
    assert second["period"] == "2026-02"


@pytest.mark.parametrize(("values", "words"), [
    ([1, 2, "x", None], r"the column 'c' holds numbers in row 0 and text in row 2 \('x'\)"),
    ([None, "x", 3.5], r"holds text in row 1 and numbers in row 2 \(3.5\)"), ([True, 2], r"booleans in row 0 and numbers in row 1"),
    ([pd.Timestamp("2026-01-31"), "2026-02-01"], "timestamps in row 0 and text in row 1"),
    (["x", b"y"], "text in row 0 and bytes in row 1"),
    ([uuid.UUID(int=1), uuid.UUID(int=2)], "objects of type UUID"), ([1j, 2j], "cannot be read|objects of type complex"),
    ([[1], "x"], "other objects in row 0 and text"), ([2**70, 1], "cannot be read"),
])
def test_pandas_columns_of_mixed_types_are_told(values: list, words: str) -> None:
    with pytest.raises(ColumnTypeError, match=words) as caught:
        source(pd.DataFrame({"c": pd.Series(values, dtype=object), "ok": range(len(values))}))
    assert "frame['c'].astype(str)" in str(caught.value)
    assert "the pandas DataFrame" in str(caught.value)


def test_pandas_names() -> None:
    with pytest.raises(DataError, match="more than one column called 'a'"):
        source(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="more than one column called '1'"):
        source(pd.DataFrame([[1, 2]], columns=[1, "1"]))
    assert source(pd.DataFrame([[1, 2]], columns=[0, ("x", "y")])).schema.names == ("0", "('x', 'y')")
    assert source(pd.Series([1, 2], name="s")).schema.names == ("s",)


def test_a_frame_is_not_changed_and_its_memory_is_shared() -> None:
    frame = pd.DataFrame({"x": np.arange(300_000.0)})
    before = pa.total_allocated_bytes()
    data = source(frame)
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert [batch.num_rows for batch in data.batches()] == [131_072, 131_072, 37_856]
    assert list(frame.columns) == ["x"]


def test_polars_types() -> None:
    frame = pl.DataFrame({
        "cat": pl.Series(["a", None], dtype=pl.Categorical), "enum": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])), "text": ["x", None],
        "when": pl.Series([0, None], dtype=pl.Datetime("us", "Europe/Berlin")), "money": pl.Series([1, 2],
            dtype=pl.Decimal(9, 2)), "lists": [[1], None],
        "none": [None, None], "nan": [float("nan"), None]})
    data = source(frame)
    kinds = [str(each.type) for each in data.schema]
    assert kinds[:3] == ["dictionary<values=string, indices=int32, ordered=0>"] * 2 + ["string"]
    assert kinds[3:5] == ["timestamp[us, tz=Europe/Berlin]", "double"]
    assert kinds[6] == "null"
    assert [row[:3] for row in rows(data)] == [("a", "a", "x"), (None, "b", None)]
    assert rows(source(frame.lazy().select("text"))) == [("x",), (None,)]
    assert rows(source(frame["text"])) == [("x",), (None,)]
    with pytest.raises(ColumnTypeError, match="the column 'o' holds Python objects"):
        source(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))
    with pytest.raises(DataError, match="the lazy frame cannot be computed"):
        source(frame.lazy().select("nope"))
