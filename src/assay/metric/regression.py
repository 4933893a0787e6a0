"""Metrics of predicted numbers. ``error`` is prediction minus truth; use a slice by the horizon column for forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.metric.metric import metric
from assay.summary.residuals import Errors

__all__ = ["bias", "mae", "mape", "mse", "r2", "rmse"]

_TASKS = ("regression",)


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="no labelled rows")
def mae(errors: Errors) -> Any:
    """Mean absolute error, in the label's unit."""
    return errors.absolute


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="no labelled rows")
def mse(errors: Errors) -> Any:
    """Mean squared error, in the square of the label's unit."""
    return errors.square


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="no labelled rows")
def rmse(errors: Errors) -> Any:
    """Root of the mean squared error, in the label's unit."""
    return np.sqrt(np.where(errors.square >= 0, errors.square, np.nan))


@metric(needs="residuals", tasks=_TASKS, better="lower", scale="log", limits=(0.0, np.inf), undefined="every label is 0")
def mape(errors: Errors) -> Any:
    """Mean of |error / truth| as a share, over the rows whose truth is not 0."""
    return errors.relative


@metric(needs="residuals", tasks=_TASKS, better="nearer 0", undefined="no labelled rows")
def bias(errors: Errors) -> Any:
    """Mean error: above 0 the model predicts too much on average."""
    return errors.error


@metric(needs="residuals", tasks=_TASKS, better="higher", limits=(-np.inf, 1.0), undefined="all labels are equal")
def r2(errors: Errors) -> Any:
    """Share of the label's variance that is explained: 1 - mean squared error / variance."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(errors.variance > 0, 1 - errors.square / errors.variance, np.nan)
