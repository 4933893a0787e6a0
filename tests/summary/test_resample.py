"""Errors from groups and from draws, beside formulas."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import SummaryError
from assay.summary.resample import GROUPS, Replicates, drawn, grouping, groups, left_out


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=GROUPS)
    parts = left_out(np.stack([np.ones(GROUPS), values], axis=1))
    resampled = Replicates(None, "jackknife", GROUPS - 1.0)
    assert resampled.error(parts[:, 1] / parts[:, 0], values.mean()) == pytest.approx(values.std(ddof=1) / np.sqrt(GROUPS), rel=1e-9)


def test_groups_without_rows_are_left_out_and_sums_stay_above_zero():
    parts = np.zeros((GROUPS, 3))
    parts[[2, 5, 9]] = np.random.default_rng(1).random((3, 3))
    assert len(left_out(parts)) == 3
    assert left_out(np.zeros((GROUPS, 3))).shape == (0, 3)
    rng = np.random.default_rng(2)
    for _ in range(200):  # what is left without a group is never negative, rounding or not
        odd = rng.random((GROUPS, 4)) * 10.0 ** rng.uniform(-20, 20, (GROUPS, 4)) * (rng.random((GROUPS, 4)) < 0.05)
        assert (left_out(odd) >= 0).all()


def test_too_few_defined_replicates_give_no_error():
    resampled = Replicates(None, "bootstrap", np.inf)
    assert np.isnan(resampled.error(np.array([np.nan, np.nan, np.nan, 1.0]), 1.0))
    assert resampled.error(np.array([np.nan, 1.0, 2.0, 3.0]), 2.0) == 1.0


def test_draws_are_poisson_and_the_same_each_time():
    counts = np.array([[0.0, 4.0], [100.0, 2.5]])
    draws = drawn(counts, 4000)
    assert np.allclose(draws.mean(axis=0), counts, atol=0.6)
    assert np.allclose(draws.var(axis=0), counts, rtol=0.1)
    assert (draws[:, 0, 0] == 0).all()
    assert np.array_equal(drawn(counts), drawn(counts))


def test_groups_are_by_value():
    found = groups(np.array(["a", "b", "a"]))
    assert found[0] == found[2]
    assert 0 <= found.min() <= found.max() < GROUPS
    with pytest.raises(SummaryError):
        grouping(None, "scores")
