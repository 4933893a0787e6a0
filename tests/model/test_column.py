from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import SignatureError
from assay.model.column import chosen, codes, matrix, numbers, texts

WORDS = st.sampled_from(["a", "b", "c", "ä", ""])


@given(st.lists(st.none() | WORDS), st.lists(WORDS, unique=True, min_size=1))
def test_codes_are_places_in_the_categories_of_training(values, categories) -> None:
    expected = [float(categories.index(each)) if each in categories else math.nan for each in values]
    plain = pa.array(values, pa.string())
    for array in (plain, plain.dictionary_encode(), plain.cast(pa.large_string()),
                  pa.concat_arrays([plain, plain]).slice(len(values))):
        np.testing.assert_array_equal(codes(array, categories, name="c", where="m"), expected)


@given(st.lists(st.none() | st.integers(-5, 5)))
def test_codes_of_numbers_are_found_in_any_type_of_number(values) -> None:
    categories = [3, -1, 4]
    expected = [float(categories.index(each)) if each in categories else math.nan for each in values]
    for kind in (pa.int8(), pa.int64(), pa.float64()):
        np.testing.assert_array_equal(codes(pa.array(values, kind), categories, name="c", where="m"), expected)


def test_text_for_numbers_is_an_error_and_not_all_missing() -> None:
    for array, categories in ((pa.array(["3"]), [3]), (pa.array([3]), ["3"]), (pa.array([dt.date(2020, 1, 1)]), [1])):
        with pytest.raises(SignatureError, match="categories of training"):
            codes(array, categories, name="c", where="m")
    assert np.isnan(codes(pa.nulls(2), ["a"], name="c", where="m")).all()


@given(st.lists(st.none() | st.floats(width=32)), st.integers(0, 3))
def test_numbers_are_the_values_with_nan_for_null(values, offset) -> None:
    for kind in (pa.float32(), pa.float64()):
        array = pa.array(values, kind).slice(offset)
        expected = [math.nan if each is None else each for each in values[offset:]]
        np.testing.assert_array_equal(numbers(array, name="x", where="m"), expected)


def test_numbers_of_every_type() -> None:
    for array, expected in (
        (pa.array([True, None, False]), [1, math.nan, 0]), (pa.array([1, 2], pa.uint8()), [1, 2]), (pa.nulls(2), [math.nan] * 2),
        (pa.array([Decimal("1.5"), None]), [1.5, math.nan]), (pa.array([2, None, 2]).dictionary_encode(), [2, math.nan, 2]),
        (pa.array([2**60, None]), [2.0**60, math.nan]),
    ):
        np.testing.assert_array_equal(numbers(array, name="x", where="m").astype(float), expected)
    for array in (pa.array(["1"]), pa.array([dt.date(2020, 1, 1)]), pa.array([[1]])):
        with pytest.raises(SignatureError, match="column 'x' is of type"):
            numbers(array, name="x", where="m")


def test_floats_are_not_copied() -> None:
    array = pa.array([1.0, 2.0])
    assert numbers(array, name="x", where="m").ctypes.data == array.buffers()[1].address


def test_a_matrix_holds_the_columns() -> None:
    batch = pa.record_batch({"a": [1, 2], "b": [0.5, None], "c": [True, False]})
    for order in "FC":
        made = matrix(batch, where="m", order=order)
        np.testing.assert_array_equal(made, [[1, 0.5, 1], [2, math.nan, 0]])
        assert made.flags.f_contiguous == (order == "F")


@given(st.lists(st.none() | WORDS))
def test_texts_are_the_values(values) -> None:
    expected = ["?" if each is None else each for each in values]
    plain = pa.array(values, pa.string())
    strange = pa.DictionaryArray.from_arrays(pa.array([None if each is None else 1 + (each == "b") for each in values],
                                                      pa.int8()), pa.array([None, "x", "b"]))
    for array in (plain, plain.dictionary_encode(), plain.cast(pa.string_view())):
        assert texts(array, missing="?").tolist() == expected
    assert texts(strange, missing="?").tolist() == ["?" if each is None else "b" if each == "b" else "x" for each in values]


def test_columns_are_found_by_name() -> None:
    batch = pa.record_batch({"b": [1], "a b": [2], "extra": [3]})
    assert chosen(batch, ["b"], where="m").to_pydict() == {"b": [1]}
    blanks = lambda name: name.replace(" ", "_")  # noqa: E731
    assert chosen(batch, ["a_b", "b"], where="m", alias=blanks).to_pydict() == {"a_b": [2], "b": [1]}
    with pytest.raises(SignatureError, match=r"no column 'extr'.*'extra' meant for 'extr'"):
        chosen(batch, ["b", "extr"], where="m")
    twice = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a b", "a_b", "b"])
    assert chosen(twice, ["a_b"], where="m", alias=blanks).to_pydict() == {"a_b": [2]}   # the exact name wins
    for names in (["b", "b"], ["a b", "a\tb"]):
        several = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=names)
        with pytest.raises(SignatureError, match="several columns"):
            chosen(several, [names[0] if names[0] == "b" else "a_b"], where="m",
                   alias=lambda name: name.replace(" ", "_").replace("\t", "_"))
