"""A column sorted and counted once, beside pandas and sorted()."""

from __future__ import annotations

import datetime as dt
import decimal
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from assay.summary.vector import LONGEST, Tally, Vector, kind_of, text_of, texts_of
from tests.strategies.summary import arrays, indices, numbers


@given(array=numbers)
def test_numbers_are_sorted_and_counted(array):
    vector = Vector.of(array)
    values = [each for each in array.to_pylist() if each is not None and each == each]
    finite = sorted(each for each in values if abs(each) != np.inf)
    assert vector.ordered.tolist() == finite
    assert vector.nulls == len(array) - len(values)
    assert vector.infinities == (values.count(-np.inf), values.count(np.inf))
    distinct, counts = vector.runs
    assert dict(zip(distinct.tolist(), counts.tolist(), strict=True)) == Counter(finite)
    assert (distinct[1:] > distinct[:-1]).all()
    assert not np.signbit(distinct[distinct == 0]).any()


@given(array=arrays())
def test_any_column_is_read_as_one_kind(array):
    vector = Vector(array)
    assert vector.kind in ("number", "category", "missing")
    present = [each for each in array.to_pylist() if each is not None and each == each]
    if vector.kind != "missing":
        assert vector.nulls == len(array) - len(present)
    if vector.kind == "category":
        entries, counts = vector.tally
        found: Counter[str] = Counter()
        for text, count in zip(texts_of(entries.take(pa.array(np.flatnonzero(counts)))), counts[counts > 0].tolist(), strict=True):
            found[text] += count
        assert found == Counter(text_of(each) for each in present)
    if vector.kind == "number":
        assert len(vector.ordered) + sum(vector.infinities) + vector.nulls == len(array)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_seconds(unit):
    moments = pa.array([dt.datetime(2026, 1, 31, 12), None, dt.datetime(1970, 1, 1), dt.datetime(1969, 12, 31)], pa.timestamp(unit))
    expected = [-86_400.0, 0.0, dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC).timestamp()]
    for array in (moments, moments.cast(pa.timestamp(unit, "UTC")), moments.cast(pa.timestamp(unit, "Asia/Tokyo"))):
        assert Vector(array).ordered.tolist() == expected
    days = moments.cast(pa.timestamp("s")).cast(pa.date32(), safe=False)
    assert Vector(days).ordered.tolist() == [-86_400.0, 0.0, expected[2] - 43_200]
    assert Vector(days.cast(pa.date64())).ordered.tolist() == Vector(days).ordered.tolist()
    assert Vector(pa.array([90, None], pa.duration(unit))).ordered.tolist() == [90 / {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]]
    assert Vector(pa.array([dt.time(0, 1)], pa.time32("s"))).ordered.tolist() == [60.0]


def test_odd_types():
    assert Vector(pa.array([decimal.Decimal("1.25"), None])).ordered.tolist() == [1.25]
    assert Vector(pa.array([2**63 + 2**12, None, 1], pa.uint64())).ordered.tolist() == [1.0, 2.0**63 + 2**12]
    assert Vector(pa.array([1.5, float("nan"), None], pa.float16())).ordered.tolist() == [1.5]
    assert Vector.of(pd.Series(["b", None, "a"], dtype="category")).nulls == 1
    assert Vector.of(np.array([1.0, np.nan])).nulls == 1
    assert Vector(pa.array([[1], None])).nulls == 1
    assert Vector(pa.nulls(3)).nulls == 3
    for kind in (pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.map_(pa.int8(), pa.int8()), pa.month_day_nano_interval(), pa.null()):
        assert kind_of(kind) == "missing"
    for kind in (pa.string(), pa.string_view(), pa.binary(3), pa.binary_view(), pa.dictionary(pa.int8(), pa.float64())):
        assert kind_of(kind) == "category"


def test_dictionaries_with_nulls_and_repeated_entries():
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None, 1]), pa.array(["a", "b", "a", None]))
    vector = Vector(array)
    assert (vector.nulls, vector.tally[1].tolist()) == (2, [1, 2, 1, 0])
    floats = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1]), pa.array([1.0, float("nan"), 2.0]))
    assert (Vector(floats).nulls, Vector(floats).tally[1].tolist()) == (2, [1, 0, 1])


def test_long_texts_are_cut_but_told_apart():
    first, second = text_of("x" * 10_000), text_of("x" * 9_999 + "y")
    assert len(first) == len(second) == LONGEST
    assert first != second
    assert text_of("x" * LONGEST) == "x" * LONGEST
    assert len(text_of(b"\xff" * 1000)) <= LONGEST
    assert text_of(1e300) == "1e+300"
    assert text_of(-0.0) == "0"
    assert [text_of(each) for each in (2.5, 7, b"ab", dt.date(2026, 1, 2))] == ["2.5", "7", "ab", "2026-01-02"]


def test_a_tally_follows_the_dictionary():
    tally, seen = Tally(), Counter()
    batches = [["a", "b"], ["a", "b", "b"], ["c", "a"], [], ["c", "a", None], ["b"]]
    for batch in batches:
        done = tally.add(Vector(pa.array(batch, pa.string())))
        seen.update(dict(zip(*(each.tolist() if isinstance(each, np.ndarray) else each.to_pylist() for each in done), strict=True)) if done else {})
    done = tally.taken()
    assert done is not None
    seen.update(dict(zip(done[0].to_pylist(), done[1].tolist(), strict=True)))
    assert seen == Counter(each for batch in batches for each in batch if each)
    assert tally.taken() is None


@given(array=arrays(kinds=("text", "large", "bool", "int8")))
def test_layout_does_not_matter(array):
    class Middle:
        def __call__(self, strategy):
            return len(array) // 2

    for other in indices(array, Middle()):
        assert Vector.of(other).nulls == Vector(array).nulls
        assert np.array_equal(Vector.of(other).ordered, Vector(array).ordered)
