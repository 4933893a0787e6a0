"""Counts beside collections.Counter; beyond the size, within the error of Misra and Gries."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import SummaryError
from assay.summary.frequent import Frequent

WORDS = st.lists(st.none() | st.sampled_from(["a", "b", "", "é", "a\0", "NaN"]) | st.text(max_size=2), max_size=40)


def frequent(*batches, size: int = 4096) -> Frequent:
    found = Frequent(size=size)
    for batch in batches:
        found.update(batch)
    return found


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_few_values_are_counted(batches):
    expected = Counter(each for batch in batches for each in batch if each is not None)
    arrays = [pa.array(batch, pa.string()) for batch in batches]
    for some in (arrays, [each.dictionary_encode() for each in arrays], [each.cast(pa.string_view()) for each in arrays]):
        found = frequent(*some)
        assert found.counts == expected
        assert (found.present, found.nulls, found.error) == (sum(expected.values()), sum(batch.count(None) for batch in batches), 0)
        assert [count for _, count in found.top] == sorted(expected.values(), reverse=True)


def test_numbers_and_booleans_have_one_text_each():
    assert frequent(pa.array([1.0, 2.5, -0.0, 0.0, None, float("inf"), float("nan")])).counts == {"1": 1, "2.5": 1, "0": 2, "inf": 1}
    assert frequent(pa.array([1, 1, 2])).counts == {"1": 2, "2": 1}
    assert frequent(pa.array([True, False, True])).counts == {"true": 2, "false": 1}
    assert frequent(pd.Series([1, 2, 1], dtype="category")).counts == {"1": 2, "2": 1}
    assert frequent(pa.nulls(2)).n == 2


def bounded(found: Frequent, truth: Counter[str]) -> None:
    """Every count is low by at most the error, and the error is within the bound of the summary."""
    assert len(found.counts) <= found.size
    assert found.error <= found.present / (found.size + 1)
    assert found.present == sum(truth.values())
    for name, count in truth.items():
        assert 0 <= count - found.counts.get(name, 0) <= found.error, name
    assert not set(found.counts) - set(truth)
    assert all(count > 0 for count in found.counts.values())
    assert Frequent.parse(found.dump()) == found


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("encode", [lambda each: each, lambda each: each.dictionary_encode()], ids=["plain", "dictionary"])
def test_the_bound_of_misra_and_gries(size, encode):
    rng = np.random.default_rng(size)
    for many in (size + 1, 3 * size, 50 * size):
        values = np.minimum(rng.zipf(1.3, 20_000), many).astype(str)
        truth = Counter(values.tolist())
        array = encode(pa.array(values))
        parts = [frequent(array[place : place + 1500], size=size) for place in range(0, len(array), 1500)]
        whole = frequent(*(array[place : place + 1500] for place in range(0, len(array), 1500)), size=size)
        pairs = [functools.reduce(Frequent.merge, parts[place : place + 2]) for place in range(0, len(parts), 2)]
        for found in (whole, functools.reduce(Frequent.merge, parts), functools.reduce(Frequent.merge, pairs), frequent(array, size=size)):
            bounded(found, truth)


@given(st.lists(st.lists(st.integers(0, 12), max_size=30), min_size=1, max_size=5), st.integers(1, 6))
@settings(max_examples=150)
def test_the_bound_holds_for_any_rows(batches, size):
    truth = Counter(str(each) for batch in batches for each in batch)
    for make in (lambda batch: pa.array(batch, pa.int64()), lambda batch: pa.array([str(each) for each in batch], pa.string())):
        bounded(frequent(*map(make, batches), size=size), truth)
        bounded(functools.reduce(Frequent.merge, [frequent(make(batch), size=size) for batch in batches]), truth)


def test_repeated_entries_of_a_dictionary_are_one_value():
    entries = pa.array(["a", "b", "a", "c", "d"])
    array = pa.DictionaryArray.from_arrays(pa.array([0, 2, 0, 2, 1, 3, 4]), entries)
    assert frequent(array, array).counts == {"a": 8, "b": 2, "c": 2, "d": 2}
    found = frequent(array, size=2)
    assert found.counts.get("a", 0) + found.error >= 4


def test_dictionaries_that_change_between_batches():
    batches = [["a", "b"], ["a", "b", "b"], ["b", "c"], ["a", None], [], ["b", "c"]]
    arrays = [pa.array(each, pa.string()).dictionary_encode() for each in batches]
    found = frequent(*arrays)
    assert found.counts == Counter(each for batch in batches for each in batch if each)
    other = frequent(*reversed(arrays))
    assert other == found
    found.update(arrays[0])  # reading in between loses nothing
    assert found.counts["a"] == 4


def test_a_continuous_column_keeps_nothing_but_what_is_frequent():
    rng = np.random.default_rng(5)
    values = np.where(rng.random(200_000) < 0.1, 9999.0, rng.random(200_000))
    found = frequent(*np.split(values, 4), size=1000)
    assert found.top[0][0] == "9999"
    assert (values == 9999).sum() - found.counts["9999"] <= found.error <= 200


def test_what_was_frequent_once_may_be_no_more():
    found = frequent(*(np.repeat(np.arange(first, first + 3.0), 2) for first in range(0, 9, 3)), size=3)
    bounded(found, Counter({str(each): 2 for each in range(9)}))
    assert found.error == 2


@pytest.mark.parametrize("kind", ["f8", "f4", "i4"])
def test_numbers_of_middling_variety_are_within_the_bound(kind):
    rng = np.random.default_rng(3)
    values = np.concatenate((rng.integers(0, 3000, 60_000), rng.integers(0, 30_000, 60_000))).astype(kind)
    rng.shuffle(values)
    truth = Counter(str(int(each)) for each in values)
    for read in (False, True):
        found = Frequent(size=1500)
        for part in np.split(values, 10):
            found.update(part)
            assert not read or len(found.counts) <= 1500
        bounded(found, truth)


def test_long_texts_do_not_make_it_large():
    found = frequent(pa.array(["x" * 100_000 + str(each) for each in range(100)]))
    assert len(found.counts) == 100
    assert len(found.dump()) < 100 * 300


def test_sizes_are_bounded():
    for size in (0, -1, 10**7):
        with pytest.raises(SummaryError):
            Frequent(size=size)
