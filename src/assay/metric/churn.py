"""Churn: what changes for whom when another model takes over, in aggregates over both models' answers to the same rows.

``churn`` is the share of rows that get another answer, ``flipped_to`` those that get a certain class, ``mended`` and ``broken`` those that
become right and wrong, ``score_change`` and ``answer_change`` how far scores and predicted numbers move. They need a model called
``champion`` beside the first one, so they are not in the registry: the gate asks for them, by ``churns(target)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.metric.metric import Form, Metric, Share, dressed
from assay.result import Better
from assay.summary.confusion import Cells
from assay.summary.residuals import Errors
from assay.summary.target import Target

__all__ = ["answer_change", "broken", "churn", "churns", "flipped_to", "mended", "score_change"]

_CLASSES = ("binary", "multiclass", "multilabel")


def _made(needs: str, tasks: tuple[str, ...], *, better: Better | None = "lower", limits: tuple[float, float] = (0.0, 1.0),
          undefined: str = "no rows") -> Callable[[Callable[..., Any]], Metric]:
    def made(function: Callable[..., Any]) -> Metric:
        scale = "identity" if limits == (0.0, 1.0) else "log"
        found = Metric(function.__name__, (Form(function, needs, tasks),), better, scale, limits, None, function.__doc__ or "",  # type: ignore[arg-type]
                       undefined)
        return dressed(found, function)  # type: ignore[no-any-return]

    return made


@_made("agreement", _CLASSES)
def churn(cells: Cells) -> Any:
    """Share of rows (of labels, where there are several) that get another class than before.

    The cells have the champion's class in the place of the true one.

    >>> churn(Cells.of(np.array([[50.0, 10.0], [5.0, 35.0]])))
    0.15
    """
    if cells.matrix is None:
        return np.mean(Share(cells.fp + cells.fn, cells.total[..., None]).ratio, axis=-1)
    return Share(cells.total - cells.tp.sum(axis=-1), cells.total)


@_made("agreement", ("binary", "multiclass"), better=None)
def flipped_to(cells: Cells, *, positive: int | None = None) -> Any:
    """Share of all rows that get the class ``positive`` now and had another before.

    >>> flipped_to(Cells.of(np.array([[50.0, 10.0], [5.0, 35.0]])), positive=1)
    0.1
    """
    place = 1 if positive is None else positive
    return Share(cells.fp[..., place], cells.total)


@_made("rightness", _CLASSES, better="higher", undefined="no labelled rows")
def mended(cells: Cells) -> Any:
    """Share of the labelled rows that the champion had wrong and the candidate has right.

    The cells have whether the champion was right in the place of the true class, and whether the candidate is in that of the predicted.

    >>> mended(Cells.of(np.array([[10.0, 6.0], [4.0, 80.0]])))
    0.06
    """
    return _right(cells, cells.fp)


@_made("rightness", _CLASSES, undefined="no labelled rows")
def broken(cells: Cells) -> Any:
    """Share of the labelled rows that the champion had right and the candidate has wrong.

    >>> broken(Cells.of(np.array([[10.0, 6.0], [4.0, 80.0]])))
    0.04
    """
    return _right(cells, cells.fn)


@_made("score shift", ("binary",), better=None)
def score_change(errors: Errors) -> Any:
    """Mean absolute change of the score of the positive class.

    >>> from assay.summary.residuals import Residuals
    >>> both = Residuals()
    >>> both.update(np.array([0.5, 0.2]), np.array([0.6, 0.2]))
    >>> round(score_change(both.view()), 3)
    0.05
    """
    return errors.absolute


@_made("value shift", ("regression", "ranking"), better=None, limits=(0.0, np.inf))
def answer_change(errors: Errors) -> Any:
    """Mean absolute change of the predicted number, in its unit.

    >>> from assay.summary.residuals import Residuals
    >>> both = Residuals()
    >>> both.update(np.array([10.0, 20.0]), np.array([12.0, 20.0]))
    >>> answer_change(both.view())
    1.0
    """
    return errors.absolute


def churns(target: Target, *, scored: bool) -> tuple[Metric, ...]:
    """Return the churn metrics of a task; ``scored`` where both models give scores.

    >>> [each.name for each in churns(Target("regression"), scored=False)]
    ['answer_change']
    """
    some = (churn, mended, broken, score_change, answer_change)
    return tuple(each for each in some if target.task in each.tasks and (scored or each is not score_change))


def _right(cells: Cells, part: Any) -> Any:
    if cells.matrix is None:  # several labels: each label of a row counts
        return np.mean(Share(part, cells.total[..., None]).ratio, axis=-1)
    return Share(part[..., 1], cells.total)
