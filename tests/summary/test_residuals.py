"""Errors of predicted numbers beside numpy, far from zero and with values that overflow."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from assay.errors import SummaryError
from assay.summary.residuals import Errors, Residuals

RNG = np.random.default_rng(6)
N = 30_000
WEIGHT, GROUP = RNG.random(N) + 0.1, RNG.integers(0, 128, N)


def residuals(truth, value, weight=None, group=None, grouped=False, parts=1) -> Residuals:
    found = []
    for part in np.array_split(np.arange(len(truth)), parts):
        found.append(Residuals(grouped=grouped))
        found[-1].update(truth[part], value[part], weight=None if weight is None else weight[part], group=None if group is None else group[part])
    return functools.reduce(Residuals.merge, found)


def naive(truth, value, weight=None) -> Errors:
    weight = np.ones(len(truth)) if weight is None else weight
    error, some = value - truth, truth != 0
    mean = functools.partial(np.average, weights=weight)
    return Errors(weight.sum(), mean(np.abs(error)), mean(error), mean(error**2),
                  np.average(np.abs(error[some] / truth[some]), weights=weight[some]), mean((truth - mean(truth)) ** 2))


def close(found: Errors, expected: Errors, rtol: float = 1e-9) -> None:
    for name, value in vars(expected).items():
        assert float(getattr(found, name)) == pytest.approx(float(value), rel=rtol), name


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e9])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["rows", "weights"])
@pytest.mark.parametrize("parts", [1, 1000])
def test_means_and_variance(offset, weight, parts):
    truth = offset + RNG.normal(size=N) * 10
    value = truth + RNG.normal(size=N)
    for grouped in (False, True):
        close(residuals(truth, value, weight, GROUP, grouped, parts).view(), naive(truth, value, weight), 1e-9 if offset < 1e9 else 1e-7)


def test_an_outlier_first_does_not_cost_the_variance():
    truth = np.append(1e12, RNG.normal(size=N - 1))
    for parts in (1, 100):
        close(residuals(truth, truth + 1.0, parts=parts).view(), naive(truth, truth + 1.0), 1e-7)


def test_zero_truths_have_no_relative_error():
    truth, value = np.array([0.0, 2.0, 0.0]), np.array([1.0, 3.0, 5.0])
    assert float(residuals(truth, value).view().relative) == 0.5
    assert np.isnan(residuals(truth[:1], value[:1]).view().relative)


def test_one_infinite_ratio_spoils_no_other_mean():
    """Merging used to multiply it by 0, and everything was NaN."""
    truth, value = np.append(RNG.normal(size=1000), 1e-310), np.append(RNG.normal(size=1000), 1e5)
    for grouped in (False, True):
        found = residuals(truth, value, group=GROUP, grouped=grouped, parts=10)
        view = found.view()
        assert np.isinf(view.relative)
        assert float(view.absolute) == pytest.approx(np.mean(np.abs(value - truth)))
        assert float(view.variance) == pytest.approx(np.var(truth))
        assert np.isfinite(found.replicates().view.absolute).all()
        assert Residuals.parse(found.dump()) == found


def test_huge_numbers_overflow_alone():
    truth = np.array([1e200, -1e200, 1.0])
    view = residuals(truth, truth + 1e200, parts=3).view()
    assert float(view.absolute) == pytest.approx(1e200)
    assert float(view.weight) == 3


def test_draws_have_the_covariance_of_means():
    truth = 100 + RNG.normal(size=N) * 10
    value = truth + RNG.normal(size=N)
    error = value - truth
    view = residuals(truth, value).replicates().view
    assert np.std(view.error) == pytest.approx(error.std() / np.sqrt(N), rel=0.12)
    assert np.std(view.square) == pytest.approx((error**2).std() / np.sqrt(N), rel=0.12)
    assert np.std(view.variance) == pytest.approx(((truth - truth.mean()) ** 2).std() / np.sqrt(N), rel=0.12)
    expected = np.corrcoef(np.abs(error), error**2)[0, 1]
    assert np.corrcoef(view.absolute, view.square)[0, 1] == pytest.approx(expected, abs=0.05)
    assert np.allclose(view.weight, N)


def test_draws_do_not_depend_on_the_split():
    truth = 50 + RNG.normal(size=5000)
    value = truth * 1.1
    one, many = residuals(truth, value).replicates().view, residuals(truth, value, parts=50).replicates().view
    for name in vars(one):
        assert np.allclose(getattr(one, name), getattr(many, name), rtol=1e-6), name


def test_what_is_no_number_is_refused():
    for wrong in (np.nan, np.inf):
        for columns in ((np.array([wrong]), np.array([1.0])), (np.array([1.0]), np.array([wrong]))):
            with pytest.raises(SummaryError):
                Residuals().update(*columns)
