"""Rows are changed as was said, and only so."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.schema import Schema
from assay.errors import ConfigError, UnknownColumnError
from assay.probe.alteration import OPERATIONS, alteration, variants

SCHEMA = Schema.of(pa.schema({"n": pa.int64(), "x": pa.float64(), "s": pa.string(), "c": pa.dictionary(pa.int32(), pa.string()), "b": pa.bool_(),
                              "d": pa.date32()}), {})
RNG = np.random.default_rng(0)


def values(column, said, before, draws=1):
    return alteration(column, said).bound(SCHEMA).values(before, np.random.default_rng(0), draws)


@pytest.mark.parametrize(("column", "said", "before", "after"), [
    ("n", {"add": [1, -2.6]}, 10, [11, 7]),
    ("n", {"multiply": 1.1}, 10, [11]),
    ("n", {"multiply": 1.01}, 10, []),                      # a whole number that does not move is no change
    ("x", {"multiply": [2, 0.5], "add": 1}, 3.0, [6.0, 1.5, 4.0]),
    ("x", {"add": 1}, None, []),
    ("x", {"add": 1}, float("nan"), []),
    ("x", {"multiply": 1e300}, 1e300, []),                   # infinity is no value
    ("x", {"set": [1, None]}, 1.0, [None]),
    ("x", {"drop": True}, 1.0, [None]),
    ("x", {"drop": True}, None, []),
    ("s", {"swap": ["a", "b", "c"]}, "b", ["a", "c"]),
    ("c", {"swap": ["a", "b"]}, "z", ["a", "b"]),
    ("c", {"set": "z"}, None, ["z"]),
    ("s", {"replace": {"he": "she", "she": "he"}}, "he saw the sheet; she", ["she saw the sheet; he"]),
    ("s", {"replace": {"a.b": "c"}}, "axb a.b", ["axb c"]),   # words, not patterns
    ("s", {"replace": {"he": "she"}}, "them", []),
    ("b", {"set": [True, False]}, True, [False]),
    ("d", {"set": "2026-01-31"}, None, [__import__("datetime").date(2026, 1, 31)]),
])
def test_values(column, said, before, after):
    found = values(column, said, before)
    assert found == after
    assert [type(each) for each in found] == [type(each) for each in after]


@given(st.integers(-100, 100), st.integers(1, 100), st.integers(1, 30))
def test_between_stays_between(low, width, draws):
    whole = values("n", {"between": [low, low + width]}, None, draws)
    assert all(low <= each <= low + width and isinstance(each, int) for each in whole)
    parts = values("x", {"between": [low, low + width]}, None, draws)
    assert all(low <= each <= low + width and isinstance(each, float) for each in parts)


@pytest.mark.parametrize(("column", "said", "words"), [
    ("x", {"multiplyy": 2}, "did you mean 'multiply'"),
    ("x", {}, "no mapping"),
    ("x", "drop", "no mapping"),
    ("x", {"add": "1"}, "a number"),
    ("x", {"add": True}, "a number"),
    ("x", {"add": float("nan")}, "a number"),
    ("x", {"add": []}, "a number"),
    ("x", {"between": [2, 1]}, "lower one first"),
    ("x", {"between": 3}, "lower one first"),
    ("s", {"swap": ["a"]}, "two values or more"),
    ("s", {"replace": {"": "x"}}, "words to words"),
    ("s", {"replace": {}}, "words to words"),
    ("x", {"drop": "yes"}, "goes missing"),
    ("x", {"drop": False}, "does nothing"),
    ("x", {"set": {"a": 1}}, "a value"),
    ("x", {"set": list(range(1001))}, "at most 1,000"),
    ("s", {"add": 1}, "changes numbers"),
    ("b", {"between": [0, 1]}, "changes numbers"),
    ("x", {"replace": {"a": "b"}}, "changes text"),
    ("s", {"set": 1}, "in quotes"),
    ("n", {"set": "1"}, "without quotes"),
    ("n", {"set": 1.5}, "does not fit"),
    ("d", {"set": "yesterday"}, "does not fit"),
])
def test_mistakes_are_told(column, said, words):
    with pytest.raises(ConfigError, match=words):
        alteration(column, said).bound(SCHEMA)


def test_a_column_that_is_not_there_is_told_with_the_nearest():
    schema = Schema.of(pa.schema({"income": pa.int64()}), {})
    with pytest.raises(UnknownColumnError, match="did you mean 'income'"):
        alteration("incom", {"add": 1}).bound(schema)


def test_every_operation_can_be_said():
    said = {"set": 1, "add": 1, "multiply": 2, "swap": [1, 2], "replace": {"a": "b"}, "drop": True, "between": [0, 1]}
    assert sorted(said) == sorted(OPERATIONS)
    assert all(alteration("x", {name: each}).steps for name, each in said.items())


def test_columns_change_together_in_every_combination():
    changes = [alteration("n", {"add": [1, 2]}).bound(SCHEMA), alteration("s", {"swap": ["a", "b"]}).bound(SCHEMA)]
    found = variants([{"n": 0, "s": "a"}, {"n": None, "s": "z"}, {"n": None, "s": None}], changes, draws=10, key=(0, 1))
    assert [(each.row, dict(each.change)) for each in found] == [
        (0, {"n": 1, "s": "b"}), (0, {"n": 2, "s": "b"}), (1, {"s": "a"}), (1, {"s": "b"})]


def test_draws_depend_on_the_key_and_on_nothing_else():
    changes = [alteration("x", {"between": [0, 1]}).bound(SCHEMA), alteration("n", {"set": list(range(50))}).bound(SCHEMA)]
    rows = [{"x": 0.5, "n": 1}, {"x": 0.1, "n": 2}]
    first = variants(rows, changes, draws=7, key=(3, 4))
    assert len(first) == 14
    assert first == variants(rows, changes, draws=7, key=(3, 4))
    assert first[:7] == variants(rows[:1], changes, draws=7, key=(3, 4))
    assert first != variants(rows, changes, draws=7, key=(3, 5))


def test_the_ladder_of_a_text_leads_from_one_word_to_all_but_one():
    found = alteration("s", {"replace": {"he": "she"}}).bound(SCHEMA)
    after = found.values("he and he and he", RNG)[0]
    assert found.ladder("he and he and he", after) == [
        "she and he and he", "he and she and he", "he and he and she", "she and she and he", "she and he and she", "he and she and she"]
    assert found.ladder("he", "she") == []
    assert found.ladder(None, None) == []
