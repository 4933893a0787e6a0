"""Metrics of predicted classes, from the confusion of true and predicted ones.

With two classes they speak of the positive one. With more, or with several labels, ``positive='name'`` asks for one class
against the rest; without it they average: ``macro`` (each class alike; the default), ``micro`` (each row alike) or ``weighted``
(by how often the class is true). A class for which the metric is not defined is left out of a macro average: for recall one that
never occurs in the labels, for precision one that is never predicted, for f1 one that does neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.errors import ConfigError
from assay.metric.metric import Share, metric
from assay.summary.confusion import Cells

__all__ = [
    "accuracy", "balanced_accuracy", "f1", "false_negative_rate", "false_positive_rate", "mcc", "precision", "recall",
    "selection_rate", "specificity",
]

_TASKS = ("binary", "multiclass", "multilabel")


@metric(needs="confusion", tasks=_TASKS, better="higher", limits=(0.0, 1.0))
def accuracy(cells: Cells) -> Any:
    """Share of rows whose predicted class is the true one; for several labels, the share of labels that are right.

    (tp + tn) / n. Misleading where one class is rare: see balanced_accuracy.

    >>> accuracy(Cells.of(np.array([[50.0, 10.0], [5.0, 35.0]])))
    0.85
    """
    if cells.matrix is None:
        return np.mean(Share(cells.tp + cells.tn, cells.total[..., None]).ratio, axis=-1)
    return Share(cells.tp.sum(axis=-1), cells.total)


@metric(needs="confusion", tasks=_TASKS, better="higher", scale="logit", limits=(0.0, 1.0), undefined="no labelled rows")
def balanced_accuracy(cells: Cells) -> Any:
    """Mean of the recalls of the classes that occur (Brodersen et al. 2010).

    >>> balanced_accuracy(Cells.of(np.array([[50.0, 50.0], [0.0, 10.0]])))
    0.75
    """
    if cells.matrix is None:  # per label: the mean of recall and specificity, then over labels
        both = np.stack([Share(cells.tp, cells.tp + cells.fn).ratio, Share(cells.tn, cells.tn + cells.fp).ratio])
        return _mean(_mean(both, axis=0), axis=-1)
    return _mean(Share(cells.tp, cells.tp + cells.fn).ratio, axis=-1)


@metric(needs="confusion", tasks=_TASKS, better="higher", scale="logit", limits=(0.0, 1.0), undefined="nothing was predicted positive")
def precision(cells: Cells, *, positive: int | None = None, average: str = "macro") -> Any:
    """Share of the predicted positives that are positive: tp / (tp + fp).

    A class that is never predicted although it occurs counts as 0 in a macro average.

    >>> precision(Cells.of(np.array([[50.0, 10.0], [5.0, 30.0]])), positive=1)
    0.75
    """
    return _shares(cells, cells.tp, cells.tp + cells.fp, positive, average, absent=0.0)


@metric(needs="confusion", tasks=_TASKS, better="higher", scale="logit", limits=(0.0, 1.0), undefined="no positive rows")
def recall(cells: Cells, *, positive: int | None = None, average: str = "macro") -> Any:
    """Share of the positives that are predicted positive (true positive rate, sensitivity): tp / (tp + fn).

    >>> recall(Cells.of(np.array([[50.0, 10.0], [10.0, 30.0]])), positive=1)
    0.75
    """
    return _shares(cells, cells.tp, cells.tp + cells.fn, positive, average)


@metric(needs="confusion", tasks=_TASKS, better="higher", scale="logit", limits=(0.0, 1.0), undefined="no negative rows")
def specificity(cells: Cells, *, positive: int | None = None, average: str = "macro") -> Any:
    """Share of the negatives that are predicted negative (true negative rate): tn / (tn + fp).

    >>> specificity(Cells.of(np.array([[45.0, 15.0], [10.0, 30.0]])), positive=1)
    0.75
    """
    return _shares(cells, cells.tn, cells.tn + cells.fp, positive, average)


@metric(needs="confusion", tasks=_TASKS, better="lower", scale="logit", limits=(0.0, 1.0), undefined="no negative rows")
def false_positive_rate(cells: Cells, *, positive: int | None = None, average: str = "macro") -> Any:
    """Share of the negatives that are predicted positive: fp / (fp + tn).

    >>> false_positive_rate(Cells.of(np.array([[45.0, 15.0], [10.0, 30.0]])), positive=1)
    0.25
    """
    return _shares(cells, cells.fp, cells.tn + cells.fp, positive, average)


@metric(needs="confusion", tasks=_TASKS, better="lower", scale="logit", limits=(0.0, 1.0), undefined="no positive rows")
def false_negative_rate(cells: Cells, *, positive: int | None = None, average: str = "macro") -> Any:
    """Share of the positives that are predicted negative: fn / (fn + tp).

    >>> false_negative_rate(Cells.of(np.array([[50.0, 10.0], [10.0, 30.0]])), positive=1)
    0.25
    """
    return _shares(cells, cells.fn, cells.tp + cells.fn, positive, average)


@metric(needs="confusion", tasks=_TASKS, better="higher", scale="logit", limits=(0.0, 1.0), undefined="no positives, true or predicted")
def f1(cells: Cells, *, positive: int | None = None, average: str = "macro") -> Any:
    """Harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn) (van Rijsbergen 1979).

    >>> f1(Cells.of(np.array([[50.0, 10.0], [10.0, 30.0]])), positive=1)
    0.75
    """
    part, whole = 2 * cells.tp, 2 * cells.tp + cells.fp + cells.fn
    if positive is not None:
        return Share(part[..., positive], whole[..., positive]).ratio  # not a share of rows: no binomial interval
    found = _shares(cells, part, whole, None, average)
    return found.ratio if isinstance(found, Share) else found


@metric(needs="confusion", tasks=_TASKS, better="higher", scale="atanh", limits=(-1.0, 1.0), undefined="one class only")
def mcc(cells: Cells) -> Any:
    """Correlation of true and predicted class (Matthews 1975; Gorodkin 2004 for more than two).

    >>> round(mcc(Cells.of(np.array([[50.0, 10.0], [10.0, 30.0]]))), 4)
    0.5833
    """
    if cells.matrix is None:
        with np.errstate(invalid="ignore", divide="ignore"):
            top = cells.tp * cells.tn - cells.fp * cells.fn
            return _mean(top / np.sqrt((cells.tp + cells.fp) * (cells.tp + cells.fn) * (cells.tn + cells.fp) * (cells.tn + cells.fn)), -1)
    truth, predicted, n = cells.tp + cells.fn, cells.tp + cells.fp, cells.total
    with np.errstate(invalid="ignore", divide="ignore"):
        top = cells.tp.sum(axis=-1) * n - (truth * predicted).sum(axis=-1)
        return top / np.sqrt((n**2 - (truth**2).sum(axis=-1)) * (n**2 - (predicted**2).sum(axis=-1)))


@metric(needs="predicted", tasks=_TASKS, better=None, scale="logit", limits=(0.0, 1.0), undefined="no rows")
def selection_rate(cells: Cells, *, positive: int | None = None) -> Any:
    """Share of rows that are predicted positive; needs no labels.

    >>> selection_rate(Cells.of(np.array([[60.0, 0.0], [0.0, 40.0]])), positive=1)
    0.4
    """
    if positive is None:
        if cells.matrix is None:
            return np.mean(Share(cells.tp + cells.fp, cells.total[..., None]).ratio, axis=-1)
        raise ConfigError("selection_rate needs to know which class is meant", hint="write selection_rate(positive='...')")
    return Share(cells.tp[..., positive] + cells.fp[..., positive], cells.total)


def _shares(cells: Cells, part: Any, whole: Any, positive: int | None, average: str, absent: float = np.nan) -> Any:
    """Return the share of one class, or the average over classes."""
    if positive is not None:
        return Share(part[..., positive], whole[..., positive])
    if average == "micro":
        return Share(part.sum(axis=-1), whole.sum(axis=-1))
    truth = cells.tp + cells.fn
    ratio = Share(part, whole).ratio
    if average == "weighted":
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(truth > 0, np.nan_to_num(ratio) * truth, 0.0).sum(axis=-1) / truth.sum(axis=-1)
    if average != "macro":
        raise ConfigError(f"there is no average '{average}'", expected="macro, micro or weighted")
    return _mean(np.where(np.isnan(ratio) & (truth > 0), absent, ratio), axis=-1)


def _mean(values: Any, axis: int) -> Any:
    """Return the mean of what is defined, NaN where nothing is (without numpy's warning)."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=axis) / known.sum(axis=axis)
