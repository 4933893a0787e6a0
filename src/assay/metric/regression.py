"""Metrics of predicted numbers: means over rows of what ``error = prediction - truth`` makes of them.

For forecasts, use a slice by the horizon column. Verbs find these by name; each is also a function of ``Errors``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.metric.metric import metric
from assay.summary.residuals import Errors, Residuals  # noqa: F401 - Residuals for the examples

__all__ = ["bias", "mae", "mape", "mse", "r2", "rmse"]

_TASKS = ("regression",)


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="no labelled rows")
def mae(errors: Errors) -> Any:
    """Mean absolute error, mean |prediction - truth|, in the label's unit.

    >>> sums = Residuals()
    >>> sums.update(np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0]))
    >>> mae(sums.view())
    0.5
    """
    return errors.absolute


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="no labelled rows")
def mse(errors: Errors) -> Any:
    """Mean squared error, mean (prediction - truth)^2, in the square of the label's unit.

    >>> sums = Residuals()
    >>> sums.update(np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    >>> mse(sums.view())
    5.0
    """
    return errors.square


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="no labelled rows")
def rmse(errors: Errors) -> Any:
    """Root of the mean squared error, sqrt(mean (prediction - truth)^2), in the label's unit.

    >>> sums = Residuals()
    >>> sums.update(np.array([0.0, 0.0]), np.array([1.0, 7.0]))
    >>> rmse(sums.view())
    5.0
    """
    return np.sqrt(np.where(errors.square >= 0, errors.square, np.nan))


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="every label is 0")
def mape(errors: Errors) -> Any:
    """Mean of |error / truth| as a share, over the rows whose truth is not 0.

    Rows whose truth is 0 have no relative error and are left out; other libraries divide by a tiny number there.

    >>> sums = Residuals()
    >>> sums.update(np.array([2.0, 4.0, 0.0]), np.array([3.0, 4.0, 9.0]))
    >>> mape(sums.view())
    0.25
    """
    return errors.relative


@metric(needs="residuals", tasks=_TASKS, better="nearer 0", undefined="no labelled rows")
def bias(errors: Errors) -> Any:
    """Mean error, mean (prediction - truth): above 0 the model predicts too much on average.

    >>> sums = Residuals()
    >>> sums.update(np.array([1.0, 2.0]), np.array([2.0, 2.5]))
    >>> bias(sums.view())
    0.75
    """
    return errors.error


@metric(needs="residuals", tasks=_TASKS, better="higher", limits=(-np.inf, 1.0), undefined="all labels are equal")
def r2(errors: Errors) -> Any:
    """Share of the label's variance that is explained: 1 - mean squared error / variance; below 0 worse than the mean label.

    >>> sums = Residuals()
    >>> sums.update(np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    >>> r2(sums.view())
    0.5
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(errors.variance > 0, 1 - errors.square / errors.variance, np.nan)
