"""Estimators of scikit-learn fitted anew, with their own settings, to other rows. Only ``_sklearn`` uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.errors import ModelError
from assay.model import guard

__all__ = ["anew", "dumped", "repeated"]

Array = np.ndarray[Any, Any]


def anew(model: Any, rows: Any, labels: Array, weight: Array | None, *, around: Callable[[Any], Any] | None, where: str) -> Any:
    """Return a new estimator with the settings of ``model``, or what ``around`` makes of it, fitted to ``rows`` and ``labels``.

    Where the last step takes no weights, rows are repeated in proportion to them. Raises ``ModelError`` where it cannot be fitted.
    """
    from sklearn.base import clone

    try:
        made = clone(getattr(model, "best_estimator_", model))
        made = made if around is None else around(made)
        if weight is None:
            return made.fit(rows, labels)
        name = _weighted(made)
        if name is not None:
            return made.fit(rows, labels, **{name: weight})
        places = repeated(weight)
        return made.fit(_rows(rows, places), labels[places])
    except (Exception, SystemExit) as error:   # the estimator is the user's
        raise ModelError(f"the model cannot be fitted anew: {guard.cause(error)}", where=where,
                         expected="an estimator of scikit-learn with its settings",
                         hint="thresholds can be repaired without fitting: --remedy thresholds") from error


def repeated(weight: Array) -> Array:
    """Return places of rows, each as often as its weight says, in the mean as many as there are rows; the rest is spread evenly.

    >>> repeated(np.array([1.0, 2.0, 0.0])).tolist()
    [0, 1, 1]
    """
    ends = np.cumsum(weight) * (len(weight) / weight.sum())
    return np.minimum(np.searchsorted(ends, np.arange(len(weight)) + 0.5), len(weight) - 1)


def dumped(made: Any) -> bytes:
    """Return a fitted estimator as the bytes of a joblib file."""
    import io

    import joblib

    out = io.BytesIO()
    joblib.dump(made, out)
    return out.getvalue()


def _rows(rows: Any, places: Array) -> Any:
    return rows.iloc[places] if hasattr(rows, "iloc") else rows[places]


def _weighted(made: Any) -> str | None:
    """Return the name under which ``fit`` takes weights, None where it takes none."""
    from sklearn.utils.validation import has_fit_parameter

    if type(made).__name__ != "Pipeline":
        return "sample_weight" if has_fit_parameter(made, "sample_weight") else None
    last, step = made.steps[-1]
    inner = None if isinstance(step, str) or step is None else _weighted(step)
    return None if inner is None else f"{last}__{inner}"
