"""Distinct values: exact while few, then without bias and as near as it says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.summary.distinct import SIZE, Distinct
from assay.summary.hashing import hashes


def distinct(*batches) -> Distinct:
    found = Distinct()
    for batch in batches:
        found.update(batch)
    return found


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(2**53, 2**53 + 3), max_size=50))
def test_few_whole_numbers_are_counted(values):
    found = distinct(pa.array(values, pa.int64()))
    assert (found.estimate, found.error, found.n) == (len({each for each in values if each is not None}), 0.0, len(values))


@given(st.lists(st.none() | st.text(max_size=3), max_size=50))
def test_few_texts_are_counted_in_any_encoding(values):
    array = pa.array(values, pa.string())
    many = len({each for each in values if each is not None})
    for each in (array, array.dictionary_encode(), array.cast(pa.large_string()), array.cast(pa.binary())):
        assert distinct(each).estimate == many
    assert distinct(array) == distinct(array.dictionary_encode())


def test_exact_to_the_last():
    for many in (SIZE - 1, SIZE, SIZE + 1):
        found = distinct(np.arange(many), np.arange(many))
        if many < SIZE:
            assert (found.estimate, found.error) == (many, 0.0)
        else:
            assert abs(found.estimate / many - 1) < 4 * found.error


@pytest.mark.parametrize("many", [5000, 100_000])
def test_without_bias_and_within_its_error(many):
    rng = np.random.default_rng(many)
    # each repeat has other values, so other hashes: as good as other seeds
    found = [distinct(rng.integers(0, 2**62, many)) for _ in range(200 if many < 10_000 else 60)]
    ratio = np.array([each.estimate for each in found]) / many
    error = found[0].error
    assert error == pytest.approx(0.0221, abs=1e-4)
    assert np.abs(ratio - 1).max() < 4 * error
    assert abs(ratio.mean() - 1) < 4 * error / np.sqrt(len(found))
    assert ratio.std() == pytest.approx(error, rel=0.25)


@pytest.mark.parametrize("make", [
    lambda n: np.arange(n), lambda n: np.arange(n) / 7, lambda n: np.arange(n) + 2**60, lambda n: pa.array([f"id{each}" for each in range(n)]),
    lambda n: pa.array(np.arange(n), pa.timestamp("us")), lambda n: pa.array([f"id{each}" for each in range(n)]).dictionary_encode(),
    lambda n: pa.array(np.arange(n).astype(np.int64) + 10**18, pa.timestamp("ns")),
], ids=["whole", "fractions", "beyond floats", "texts", "instants", "dictionary", "nanoseconds"])
def test_regular_values_are_as_good_as_random_ones(make):
    column = make(150_000)
    found = distinct(column, column)
    assert abs(found.estimate / 150_000 - 1) < 4 * found.error
    parts = [distinct(column[place : place + 20_000]) for place in range(0, 150_000, 20_000)]
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    assert merged.estimate == found.estimate


@given(st.lists(st.tuples(st.integers(1, 60_000), st.sampled_from([1, 3, 40]), st.sampled_from(["f8", "f4", "i8", "u2", "ms"])), min_size=1,
                max_size=4), st.integers(0, 2**32))
@settings(max_examples=25)
def test_the_hashes_are_the_smallest_of_all(batches, seed):
    rng, seen, found = np.random.default_rng(seed), [], Distinct()
    for size, repeats, kind in batches:
        values = rng.choice(np.repeat(rng.integers(0, 10**6, -(-size // repeats)), repeats), size)
        column = pa.array(values, pa.timestamp("ms")) if kind == "ms" else pa.array((values / 8 if kind == "f8" else values).astype(kind))
        found.update(column)
        seen.append(hashes(column))
    assert found.kept.tolist() == sorted(set(np.concatenate(seen).tolist()))[:SIZE]


def test_a_first_batch_with_unlucky_hashes_is_looked_at_again():
    values = np.arange(1.0, 400_001.0)
    unlucky = values[np.argsort(hashes(values))[-20_000:]]  # none of their hashes is below the first bound
    found = distinct(unlucky)
    assert found.kept.tolist() == np.sort(hashes(unlucky))[:SIZE].tolist()


def test_neither_missing_nor_infinite_nor_text_is_kept():
    assert distinct(np.array([1.0, np.nan, np.inf, -np.inf, -0.0, 0.0])).estimate == 2
    assert distinct(pa.nulls(5)).estimate == 0
    assert b"secret" not in distinct(pa.array(["secret"])).dump()
