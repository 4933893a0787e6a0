"""Labels become class codes by the model's explicit classes, whatever occurs in the data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.engine.label import MISSING, codes, numbers
from assay.errors import ColumnTypeError


def coded(values, classes, kind=None):
    return codes(pa.array(values, kind), classes, name="y", where="test").tolist()


@pytest.mark.parametrize(("values", "classes", "expected"), [
    (["b", "a", None, "b"], ("b", "a"), [0, 1, MISSING, 0]),
    ([1, 0, 1], (0, 1), [1, 0, 1]),
    ([7, 3], (3, 7), [1, 0]),
    ([True, False, None], (0, 1), [1, 0, MISSING]),
    ([1.0, 0.0, float("nan")], (0, 1), [1, 0, MISSING]),
    (["1", "0"], (0, 1), [1, 0]),
    ([1, 0], ("0", "1"), [1, 0]),
    (["true", "false"], (False, True), [1, 0]),
    ([True, False], ("False", "True"), [1, 0]),
    (["only"], ("never", "only", "absent"), [1]),
])
def test_codes_follow_the_classes_and_not_the_data(values, classes, expected):
    assert coded(values, classes) == expected


def test_codes_of_dictionaries_do_not_depend_on_their_order():
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1]), pa.array(["a", "b"]))
    assert codes(column, ("a", "b"), name="y", where="t").tolist() == [1, 0, MISSING, 1]
    turned = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array(["b", "a"]))
    assert codes(turned, ("a", "b"), name="y", where="t").tolist() == [1, 0, MISSING, 1]


def test_a_value_that_is_no_class_is_an_error_with_counts():
    with pytest.raises(ColumnTypeError, match=r"'maybe' \(2 rows of a batch\).*'no', 'yes'"):
        coded(["yes", "maybe", "maybe"], ("no", "yes"))


def test_unused_dictionary_values_are_no_error():
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["yes", "unused"]))
    assert codes(column, ("no", "yes"), name="y", where="t").tolist() == [1, 1]


def test_text_that_merely_looks_alike_is_not_mixed_with_values():
    # "1" and "one": as text none of the classes 0, 1 is called "one"
    with pytest.raises(ColumnTypeError):
        coded(["1", "one"], (0, 1))


@given(st.lists(st.one_of(st.none(), st.sampled_from(["x", "y", "z"])), min_size=1), st.permutations(["x", "y", "z"]))
def test_codes_name_the_value_they_came_from(values, classes):
    for value, code in zip(values, coded(values, tuple(classes), pa.string()), strict=True):
        assert code == MISSING if value is None else classes[code] == value


def test_numbers_refuse_text_and_infinity():
    with pytest.raises(ColumnTypeError, match="is of type string"):
        numbers(pa.array(["a"]), name="y", where="t")
    with pytest.raises(ColumnTypeError, match="1 infinite"):
        numbers(pa.array([1.0, np.inf]), name="y", where="t")
    assert np.isnan(numbers(pa.array([None, 1], pa.int32()), name="y", where="t")[0])
