"""Bins beside numpy.histogram."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import SummaryError
from assay.summary.histogram import Histogram
from tests.strategies.summary import numbers

EDGES = st.lists(st.floats(-10, 10) | st.sampled_from([0.0, 1e-308, 1e300]), max_size=6, unique=True).map(lambda each: tuple(sorted({0.0 + e for e in each})))


@given(numbers, EDGES)
def test_bins_are_those_of_numpy(array, edges):
    found = Histogram(edges=edges)
    found.update(array)
    values = np.array([each for each in array.to_pylist() if each is not None and each == each])
    expected = np.bincount(np.searchsorted(edges, values, "right"), minlength=len(edges) + 1)
    assert found.counts.tolist() == expected.tolist()
    assert found.nulls == len(array) - len(values)
    assert found.n == len(array)


def test_edges_belong_to_the_bin_above():
    found = Histogram(edges=(0.0, 1.0))
    found.update(pa.array([-1e-9, -0.0, 0.0, 0.999, 1.0, float("inf"), float("-inf"), None]))
    assert (found.counts.tolist(), found.nulls) == ([2, 3, 2], 1)


@pytest.mark.parametrize("edges", [(1.0, 1.0), (2.0, 1.0), (float("nan"),), (float("inf"),), ((1.0,),)])
def test_edges_must_rise(edges):
    with pytest.raises(SummaryError):
        Histogram(edges=edges)


def test_other_edges_do_not_merge():
    with pytest.raises(SummaryError, match="edges from the same reference"):
        Histogram(edges=(0.0,)).merge(Histogram(edges=(0.0, 1.0)))


def test_text_is_counted_as_missing_and_not_kept():
    found = Histogram(edges=(0.0,))
    found.update(pa.array(["secret", None]))
    assert (found.nulls, found.counts.sum()) == (2, 0)
    assert b"secret" not in found.dump()
