"""Moments beside exact arithmetic."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.summary.moments import Moments


def moments(values) -> Moments:
    found = Moments()
    found.update(values)
    return found


def exact(values) -> tuple[float, float, float]:
    """Mean, sample variance and kurtosis in fractions."""
    rows = [Fraction(float(each)) for each in values]
    mean = sum(rows) / len(rows)
    second, fourth = (sum((each - mean) ** power for each in rows) for power in (2, 4))
    return float(mean), float(second / (len(rows) - 1)), float(len(rows) * fourth / second**2) if second else math.nan


@given(st.lists(st.floats(-1e6, 1e6).map(lambda each: round(each, 3)), min_size=2, max_size=40), st.integers(1, 5))
def test_it_is_exact_arithmetic(values, parts):
    found = functools.reduce(Moments.merge, [moments(part) for part in np.array_split(np.array(values), parts)])
    mean, variance, kurtosis = exact(values)
    assert found.mean == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert found.variance == pytest.approx(variance, rel=1e-9, abs=1e-9)
    if variance > 1e-3:
        assert found.kurtosis == pytest.approx(kurtosis, rel=1e-6)
    assert (found.low, found.high) == (min(values), max(values))
    assert found.zeros == values.count(0)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9, -1e9])
def test_a_thousand_parts_far_from_zero(offset):
    rng = np.random.default_rng(3)
    values = offset + rng.standard_normal(100_000)
    parts = [moments(part) for part in np.array_split(values, 1000)]
    mean, variance, kurtosis = exact(values)
    while len(parts) > 1:  # as a tree
        parts = [functools.reduce(Moments.merge, parts[place : place + 2]) for place in range(0, len(parts), 2)]
    line = functools.reduce(Moments.merge, [moments(part) for part in np.array_split(values, 1000)])
    updated = Moments()
    for part in np.array_split(values, 1000):
        updated.update(part)
    for found in (parts[0], line, updated, moments(values)):
        assert found.variance == pytest.approx(variance, rel=1e-9)
        assert found.mean == pytest.approx(mean, rel=1e-15)
        assert found.kurtosis == pytest.approx(kurtosis, rel=1e-7)


def test_unequal_parts():
    rng = np.random.default_rng(4)
    values = rng.lognormal(0, 2, 20_000)
    found = functools.reduce(Moments.merge, [moments(part) for part in np.split(values, [1, 2, 5, 10_000, 19_999])])
    _, variance, kurtosis = exact(values)
    assert found.variance == pytest.approx(variance, rel=1e-12)
    assert found.kurtosis == pytest.approx(kurtosis, rel=1e-10)


def test_constants_have_no_variance():
    for value in (0.1, 1e9 + 0.1, 1e308, -1e-308):
        found = functools.reduce(Moments.merge, [moments(np.full(rows, value)) for rows in (1, 7, 100_000)])
        assert (found.variance, found.mean, found.low, found.high) == (0.0, value, value, value)
        assert math.isnan(found.kurtosis)
        assert Moments.parse(found.dump()) == found


def test_the_ends_of_the_numbers():
    found = moments([1e308, 1e308, -1e308])
    assert found.mean == pytest.approx(1e308 / 3)
    both = moments([1.7e308]).merge(moments([-1.7e308] * 3))
    assert both.mean == pytest.approx(-0.85e308)
    assert Moments.parse(both.dump()) == both
    odd = moments([math.inf, -math.inf, -math.inf, math.nan, None, -0.0, 5e-324])
    assert (odd.rows, odd.nulls, odd.plus_infinite, odd.minus_infinite, odd.count, odd.zeros) == (7, 2, 1, 2, 2, 1)
    empty = moments([None, math.nan])
    assert (empty.n, empty.nulls, math.isnan(empty.variance), math.isnan(empty.deviation)) == (2, 2, True, True)


def test_text_is_counted_only():
    found = moments(pa.array(["a", None, "b"]))
    assert (found.rows, found.nulls, found.count) == (3, 1, 0)
    assert b"a" not in found.dump()[found.dump().rindex(b"]") :].replace(b"\0", b"")
