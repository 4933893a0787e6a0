"""Columns that lie one behind the other are read in place; all others, and what writes, get a copy of their own."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from assay.model import _pandas, guard
from assay.model.column import matrix
from assay.model.linear import linear
from assay.model.load import load


def block(rows: int, columns: int) -> tuple[np.ndarray, pa.RecordBatch]:
    numbers = np.random.default_rng(0).normal(size=(rows, columns))
    return numbers, pa.RecordBatch.from_pandas(pd.DataFrame(numbers, columns=[f"f{place}" for place in range(columns)]))


@given(rows=st.integers(0, 40), columns=st.integers(1, 5), first=st.integers(0, 10), length=st.integers(0, 40))
def test_in_place_or_copied_the_numbers_are_the_same(rows: int, columns: int, first: int, length: int) -> None:
    numbers, batch = block(rows, columns)
    part = batch.slice(min(first, rows), length)
    np.testing.assert_array_equal(matrix(part, where="m", view=True), numbers[min(first, rows):][:length])


def test_a_block_is_not_copied_and_outlives_its_batch() -> None:
    fortran = np.asfortranarray(np.arange(24.0).reshape(8, 3))
    batch = pa.RecordBatch.from_arrays([pa.array(fortran[:, place]) for place in range(3)], names=["a", "b", "c"])
    found = matrix(batch, where="m", view=True)
    assert np.shares_memory(found, fortran)
    assert not found.flags.writeable
    del batch, fortran
    gc.collect()
    np.testing.assert_array_equal(found, np.arange(24.0).reshape(8, 3))


@pytest.mark.parametrize("change", ["null", "integer", "order", "apart"])
def test_what_does_not_lie_so_is_copied(change: str) -> None:
    fortran = np.asfortranarray(np.arange(24.0).reshape(8, 3))
    columns = [pa.array(fortran[:, place]) for place in range(3)]
    expected = fortran.copy()
    if change == "null":
        columns[1], expected[2, 1] = pa.array([*fortran[:2, 1], None, *fortran[3:, 1]]), np.nan
    elif change == "integer":
        columns[1] = columns[1].cast(pa.int64())
    elif change == "order":
        columns, expected = [columns[1], columns[0], columns[2]], expected[:, [1, 0, 2]]
    else:
        columns[1] = pa.array(fortran[:, 1].copy())
    found = matrix(pa.RecordBatch.from_arrays(columns, names=["a", "b", "c"]), where="m", view=True)
    np.testing.assert_array_equal(found, expected)
    assert found.flags.writeable


@pytest.mark.parametrize("step", [StandardScaler(copy=False), FunctionTransformer(lambda x: np.multiply(x, 2, out=np.asarray(x)))])
def test_what_writes_gets_a_copy_and_the_rows_stay_as_they_are(step) -> None:
    numbers, batch = block(64, 3)
    model = make_pipeline(step, LogisticRegression()).fit(numbers.copy(), numbers[:, 0] > 0)
    before = batch.to_pandas()
    asked = load(model, features=["f0", "f1", "f2"])
    first, second = (guard.answer(asked, batch).score for _ in range(2))
    np.testing.assert_array_equal(first, second)
    pd.testing.assert_frame_equal(batch.to_pandas(), before)
    np.testing.assert_allclose(first, model.predict_proba(numbers.copy()))


def test_what_only_reads_gets_the_block_itself() -> None:
    numbers, batch = block(64, 3)
    model = load(LinearRegression().fit(numbers, numbers[:, 0]), features=["f0", "f1", "f2"])
    np.testing.assert_allclose(guard.answer(model, batch).value, numbers[:, 0], atol=1e-12)


@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize("steps", [[], [StandardScaler()], [SimpleImputer(), "passthrough", StandardScaler()]])
def test_a_linear_model_with_names_is_asked_with_the_block_and_without_a_word(monkeypatch, steps, output) -> None:
    numbers, batch = block(64, 3)
    frame = batch.to_pandas()
    steps = [each if isinstance(each, str) else clone(each).set_output(transform=output) for each in steps]
    model = make_pipeline(*steps, LogisticRegression()) if steps else LogisticRegression()
    model.fit(frame, numbers[:, 0] > 0)
    asked = load(model)
    shuffled = batch.select(["f2", "f0", "f1"])
    if output == "default" or not steps:
        monkeypatch.delattr(_pandas, "sheet")     # no frame is made
    for rows in (batch, shuffled):
        np.testing.assert_allclose(guard.answer(asked, rows).score, model.predict_proba(frame), rtol=1e-12)   # warnings are errors here
    assert linear(asked) is not None
    assert list(model.feature_names_in_) == ["f0", "f1", "f2"]    # the user's own object is as it was
    assert asked.digest == load(model).digest
