from __future__ import annotations

import contextlib
import datetime as dt
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.predicate import quoted
from assay.data.schema import Schema
from assay.data.slice import ByPredicate, ByValue, Crossed, quantile_edges, slicing
from assay.errors import ColumnTypeError, ConfigError, ExpressionError, UnknownColumnError
from tests.strategies.data import columns, kinds, names, tables

SCHEMA = Schema.of(pa.schema({
    "carrier": pa.string(), "origin": pa.dictionary(pa.int32(), pa.string()), "age": pa.int64(), "dep delay": pa.float64(),
        "late": pa.bool_(),
    "capital-gain": pa.int64(), "x:4": pa.int64(), "a*b": pa.int64(), "tags": pa.list_(pa.int64()), "when": pa.timestamp("ns", "UTC")}), {})


def groups(cut: object, batch: pa.RecordBatch) -> dict:
    """Return slice key -> rows."""
    codes, keys = cut.codes(batch)  # type: ignore[attr-defined]
    assert codes.dtype == np.int32
    assert len(codes) == batch.num_rows
    assert len(set(keys)) == len(keys)
    assert codes.min(initial=0) >= -1
    assert codes.max(initial=-1) < len(keys)
    return {key: np.flatnonzero(codes == code).tolist() for code, key in enumerate(keys) if (codes == code).any()}


@given(table=tables(only=("small", "text", "bool", "date", "time", "zoned")), coded=st.booleans())
def test_values_cut_like_a_group_by(table: pa.Table, coded: bool) -> None:
    name = table.column_names[0]
    column = table.column(0).combine_chunks()
    expected: dict = {}
    for row, value in enumerate(column.to_pylist()):
        expected.setdefault(value, []).append(row)
    batch = pa.record_batch({name: column.dictionary_encode() if coded else column})
    cut = slicing(quoted(name), Schema.of(batch.schema, {}))
    found = groups(cut, batch)
    assert sorted(found.values()) == sorted(expected.values())
    for key, rows in found.items():
        value = column[rows[0]].as_py()
        assert key[0][0] == name
        as_text = column.slice(rows[0], 1).cast("string")[0].as_py()
        assert key[0][1] == (value if value is None or isinstance(value, bool | int | str) else as_text)
        assert json.loads(json.dumps(key[0][1])) == key[0][1]
        assert cut.owns(key)


@given(st.data())
def test_crossing_is_a_group_by_of_several_columns(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 25))
    chosen = data.draw(st.lists(names, min_size=2, max_size=3, unique=True))
    frame = {name: data.draw(columns(size, data.draw(st.sampled_from(("small", "text", "bool"))))) for name in chosen}
    batch = pa.record_batch(frame)
    found = groups(slicing(" * ".join(map(quoted, chosen)), Schema.of(batch.schema, {})), batch)
    mine = {tuple(dict(key)[name] for name in chosen): rows for key, rows in found.items()}
    values = pd.DataFrame({place: pd.Series(frame[name].to_pylist(), dtype=object) for place, name in enumerate(chosen)})
    theirs = values.groupby(list(range(len(chosen))), dropna=False, sort=False).indices
    assert {tuple(None if pd.isna(each) else each for each in key): rows.tolist() for key, rows in theirs.items()} == mine
    assert all(list(key) == sorted(key, key=lambda pair: pair[0]) for key in found)


@given(values=st.lists(st.floats() | st.none(), min_size=1, max_size=40), bins=st.integers(2, 8))
def test_bins_hold_what_lies_between_their_edges(values: list, bins: int) -> None:
    numbers = np.array([np.nan if each is None else each for each in values])
    edges = quantile_edges(numbers, bins)
    assert list(edges) == sorted(set(edges))
    assert len(edges) < bins
    batch = pa.record_batch({"x": pa.array(values, pa.float64())})
    cut = slicing(f"x:{bins}", Schema.of(batch.schema, {}), edges={f"x:{bins}": edges})
    bounds = [-np.inf, *edges, np.inf]
    expected: dict[int, list[int]] = {}
    for row, value in enumerate(numbers):
        place = len(bounds) if np.isnan(value) else next(each for each in range(len(bounds) - 1) if bounds[each] <= value and (
            value < bounds[each + 1] or each == len(bounds) - 2))
        expected.setdefault(place, []).append(row)
    assert sorted(groups(cut, batch).values()) == sorted(expected.values())
    assert len(cut.labels) == len(set(cut.labels)) == len(edges) + 2  # type: ignore[attr-defined]


def test_edges_make_bins_of_about_equal_size() -> None:
    values = np.random.default_rng(0).normal(size=100_003)
    edges = quantile_edges(values, 4)
    assert edges == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]), abs=1e-3)
    sizes = np.histogram(values, [-np.inf, *edges, np.inf])[0]
    assert sizes.max() - sizes.min() <= 2
    assert quantile_edges(np.array([]), 4) == quantile_edges(np.array([np.nan]), 2) == quantile_edges(np.ones(9), 3) == ()
    assert quantile_edges(np.array([0] * 99 + [1]), 4) == (1.0,)
    for bins in (1, 0, 1001):
        with pytest.raises(ConfigError, match="bins"):
            quantile_edges(values, bins)


def test_bins_are_named_for_people() -> None:
    batch = pa.record_batch({"age": [19, 20, 29, 30, None]})
    assert groups(slicing("age:3", SCHEMA, edges=[30, 20, 20]), batch) == {
        (("age", "< 20"),): [0], (("age", "[20, 30)"),): [1, 2], (("age", ">= 30"),): [3], (("age", "missing"),): [4]}
    assert slicing("age:3", SCHEMA, edges=[0.1234567, 0.12345671]).labels[1] == "[0.1234567, 0.12345671)"  # type: ignore[attr-defined]
    assert groups(slicing("age:2", SCHEMA, edges=[]), batch) == {(("age", "any"),): [0, 1, 2, 3], (("age", "missing"),): [4]}
    with pytest.raises(ConfigError, match="have no edges"):
        slicing("age:3", SCHEMA).codes(batch)


@pytest.mark.parametrize(("text", "canonical"), [
    ("carrier", "carrier"), ("(carrier)", "carrier"), (" ( ( carrier ) ) ", "carrier"), ("carrier*origin", "carrier * origin"),
    ("(carrier * origin) * late", "carrier * origin * late"), ("dep delay", "`dep delay`"), ("`dep delay`", "`dep delay`"),
    ("capital-gain", "`capital-gain`"), ("capital-gain:4", "`capital-gain`:4"), ("age : 4", "age:4"), ("age:04", "age:4"),
    ("`x:4`", "`x:4`"),
    ("`a*b`", "`a*b`"), ("`a*b` * carrier", "`a*b` * carrier"), ("age<25", "age < 25"), ("(age<25)*carrier", "(age < 25) * carrier"),
    ("(age < 25) * carrier * (late == true)", "(age < 25 and late == true) * carrier"),
    ("(age < 25) and (late = true)", "age < 25 and late == true"),
    ("carrier == 'a*b' * age:4", "(carrier == 'a*b') * age:4"), ("age in (1, 2) * origin", "(age in (1, 2)) * origin"),
    ("not age < 5", "not age < 5"),
    ("carrier is null", "carrier is null"),
])
def test_the_canonical_text(text: str, canonical: str) -> None:
    cut = slicing(text, SCHEMA)
    assert cut.text == canonical
    assert slicing(canonical, SCHEMA) == cut
    assert slicing(cut, SCHEMA) is cut
    assert set(cut.names) <= {"where", *SCHEMA.names}


@given(st.lists(st.sampled_from(["carrier", "origin", "age:3", "`dep delay`:2", "(age < 3)", "late",
    "(carrier == 'x' or late == true)", "*", "(", ")"]),
                min_size=1, max_size=6).map(" * ".join) | st.text(max_size=20))
def test_any_text_is_a_slicing_or_a_sentence(text: str) -> None:
    cut = None
    with contextlib.suppress(ConfigError, UnknownColumnError, ColumnTypeError):   # and nothing else
        cut = slicing(text, SCHEMA)
    if cut is not None:
        assert slicing(cut.text, SCHEMA) == cut


@pytest.mark.parametrize(("text", "error", "words"), [
    ("carier", UnknownColumnError, "did you mean 'carrier'"), ("carrier, origin", ExpressionError, r"crossed by 'carrier \* origin'"),
    ("carrier *", ExpressionError, "is empty"), ("", ExpressionError, "is empty"), ("age:1", ConfigError, "cut into 1 bins"),
    ("carrier:4", ColumnTypeError, "no quantile bins"), ("tags", ColumnTypeError, "no slices"),
    ("carrier * carrier", ConfigError, "cut by 'carrier' twice"),
    ("age * age:4", ConfigError, "cut by 'age' twice"), ("age:4.5", ConfigError, "4.5 bins"), ("agee:4", UnknownColumnError, "'agee'"),
    ("age << 4", ExpressionError, "expected a value"), ("(" * 400 + "age" + ")" * 400, ExpressionError, "too deeply"),
    ("a" * 20_000, ConfigError, "too long"),
    ("age:99999999999999999999", ConfigError, "bins"), ("(carrier", UnknownColumnError, "no column"),
    ("agee < 5", ExpressionError, "did you mean age"),
])
def test_what_is_no_slicing_is_told(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        slicing(text, SCHEMA)


def test_keys_are_equal_for_equal_values_whatever_the_dictionary() -> None:
    one = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int32()), pa.array(["JFK", "EWR", None]))
    two = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0, 3], pa.int8()), pa.array(["JFK", "EWR", "JFK", "LGA"]))
    cut = slicing("origin", SCHEMA)
    assert groups(cut, pa.record_batch({"origin": one})) == {(("origin", "JFK"),): [0], (("origin", "EWR"),): [1],
        (("origin", None),): [2, 3]}
    assert groups(cut, pa.record_batch({"origin": two})) == {(("origin", "JFK"),): [0, 2], (("origin", "EWR"),): [1],
        (("origin", "LGA"),): [3]}


def test_too_many_slices_are_refused() -> None:
    batch = pa.record_batch({"dep delay": np.linspace(0, 1, 101), "age": np.arange(101)})
    with pytest.raises(ConfigError, match=r"101 different fractions.*'`dep delay`:4'"):
        slicing("dep delay", SCHEMA).codes(batch)
    assert len(groups(slicing("dep delay", SCHEMA), batch.slice(1))) == 100
    many = pa.record_batch({"age": np.arange(10_001), "carrier": ["a"] * 10_001, "capital-gain": np.arange(10_001) % 200})
    with pytest.raises(ConfigError, match=r"10,001 different values.*is it an id"):
        slicing("age", SCHEMA).codes(many)
    with pytest.raises(ConfigError, match="makes 20,000 slices"):
        slicing("capital-gain * age", SCHEMA).codes(pa.record_batch({"age": np.arange(20_000) % 9_999,
            "capital-gain": np.arange(20_000) % 200}))


def test_fractions_and_moments_have_keys() -> None:
    batch = pa.record_batch({"dep delay": [0.5, -0.0, 0.0, float("inf"), float("nan"), None],
                             "when": pa.array([1, 1_000_000_000, None, 0, 0, 0], pa.timestamp("ns", "UTC"))})
    found = groups(slicing("dep delay", SCHEMA), batch)
    assert found == {(("dep delay", 0.5),): [0], (("dep delay", 0.0),): [1, 2], (("dep delay", "inf"),): [3],
        (("dep delay", None),): [4, 5]}
    times = groups(slicing("when", SCHEMA), batch)
    assert (("when", "1970-01-01 00:00:00.000000001Z"),) in times
    assert len(times) == 4


def test_crossing_with_conditions_keeps_only_their_rows() -> None:
    batch = pa.record_batch({"age": [1, 50, 2, None], "carrier": ["AA", "AA", None, "UA"], "late": [True, True, False, None]})
    cut = slicing("(age < 25) * carrier * (late is not null)", SCHEMA)
    where = "age < 25 and late is not null"
    assert groups(cut, batch) == {(("carrier", "AA"), ("where", where)): [0], (("carrier", None), ("where", where)): [2]}
    assert isinstance(cut, Crossed)
    assert cut.names == ("carrier", "where")
    assert cut.columns == ("age", "late", "carrier")
    assert cut.owns((("carrier", "AA"), ("where", where)))
    assert not cut.owns((("carrier", "AA"), ("where", "age < 20")))
    assert not cut.owns((("carrier", "AA"),))
    assert groups(slicing("age > 99", SCHEMA), batch) == {}
    assert isinstance(slicing("age > 99", SCHEMA), ByPredicate)
    assert slicing("carrier", SCHEMA).owns((("carrier", "x"),))
    assert not slicing("age:2", SCHEMA, edges=[5]).owns((("age", 7),))


def test_no_rows_are_no_slices() -> None:
    empty = pa.RecordBatch.from_pylist([], schema=SCHEMA.arrow)
    for text in ("carrier", "origin * age:2", "age < 5", "when * late"):
        assert groups(slicing(text, SCHEMA, edges=[1]), empty) == {}


@pytest.mark.parametrize("kind", sorted(kinds))
def test_every_plain_kind_can_be_cut(kind: str) -> None:
    type_ = kinds[kind][0]
    batch = pa.record_batch({"c": pa.nulls(3).cast(type_)})
    assert groups(ByValue("c"), batch) == {(("c", None),): [0, 1, 2]}


def test_durations_bytes_and_clocks_have_keys() -> None:
    batch = pa.record_batch({"d": pa.array([1, 2], pa.duration("s")), "b": [b"\xff", b"a"], "t": [dt.time(1), dt.time(2)]})
    assert list(groups(ByValue("d"), batch)) == [(("d", "1"),), (("d", "2"),)]
    assert list(groups(ByValue("b"), batch)) == [(("b", "\\xff"),), (("b", "a"),)]
    assert list(groups(ByValue("t"), batch)) == [(("t", "01:00:00.000000"),), (("t", "02:00:00.000000"),)]
