"""Metrics of scores and probabilities: ranking of positives over negatives, loss, calibration.

AUC and average precision take any score of the right order. Loss and calibration need probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.metric.metric import also, metric
from assay.summary.confusion import Array
from assay.summary.losses import CLIP, Means
from assay.summary.scores import Ranks

__all__ = ["auc", "average_precision", "brier", "calibration_error", "log_loss"]


def _auc(ranks: Ranks) -> Any:
    negatives, positives = ranks.negatives, ranks.positives
    below = np.cumsum(negatives, axis=-1) - negatives / 2  # ties count half
    with np.errstate(invalid="ignore", divide="ignore"):
        return (positives * below).sum(axis=-1) / (positives.sum(axis=-1) * negatives.sum(axis=-1))


def _auc_error(ranks: Ranks, **options: Any) -> float:
    """Return the standard error of DeLong, DeLong and Clarke-Pearson (1988), from counts by score (Sun and Xu 2014)."""
    negatives, positives = ranks.negatives, ranks.positives
    n, p = negatives.sum(), positives.sum()
    if n < 2 or p < 2:
        return float("nan")
    of_positive = (np.cumsum(negatives) - negatives / 2) / n  # placement of a positive among the negatives
    of_negative = 1 - (np.cumsum(positives) - positives / 2) / p
    area = float((positives * of_positive).sum() / p)
    spread_p = float((positives * (of_positive - area) ** 2).sum() / (p - 1))
    spread_n = float((negatives * (of_negative - area) ** 2).sum() / (n - 1))
    return float(np.sqrt(spread_p / p + spread_n / n))


@metric(needs="scores", tasks=("binary",), better="higher", scale="logit", limits=(0.0, 1.0), error=_auc_error,
        undefined="one class only")
def auc(ranks: Ranks, *, positive: int | None = None) -> Any:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half (Hanley, McNeil 1982).

    With more than two classes or labels, the mean of each against the rest (macro).

    >>> round(auc(Ranks(np.array([0.1, 0.4, 0.8]), np.array([[1.0, 0], [1, 1], [0, 1]]))), 3)
    0.875
    """
    return _auc(ranks)


@also(auc, needs="scores", tasks=("multiclass", "multilabel"))
def _mean_auc(ranks: Any, *, positive: int | None = None) -> Any:
    return _auc(ranks) if isinstance(ranks, Ranks) else _defined_mean([_auc(each) for each in ranks])


def _average_precision(ranks: Ranks) -> Any:
    positives = ranks.positives[..., ::-1]
    reached = np.cumsum(positives, axis=-1)
    chosen = np.cumsum(ranks.negatives[..., ::-1], axis=-1) + reached
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.where(chosen > 0, positives * reached / chosen, 0.0)
        return steps.sum(axis=-1) / reached[..., -1]


@metric(needs="scores", tasks=("binary",), better="higher", scale="logit", limits=(0.0, 1.0), undefined="no positive rows")
def average_precision(ranks: Ranks, *, positive: int | None = None) -> Any:
    """Area under the precision-recall curve as the sum of precision times the step in recall, without interpolation.

    >>> round(average_precision(Ranks(np.array([0.1, 0.4, 0.8]), np.array([[1.0, 0], [1, 1], [0, 1]]))), 3)
    0.833
    """
    return _average_precision(ranks)


@also(average_precision, needs="scores", tasks=("multiclass", "multilabel"))
def _mean_average_precision(ranks: Any, *, positive: int | None = None) -> Any:
    return _average_precision(ranks) if isinstance(ranks, Ranks) else _defined_mean([_average_precision(each) for each in ranks])


def _losses(ranks: Ranks) -> tuple[Array, Array]:
    """Return the log loss of a negative and of a positive at each score."""
    chance = np.clip(ranks.scores, CLIP, 1 - CLIP)
    return -np.log1p(-chance), -np.log(chance)


def _weighted_mean(ranks: Ranks, negative: Array, positive: Array) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = ranks.counts.sum(axis=(-1, -2))
        return ((ranks.negatives * negative).sum(axis=-1) + (ranks.positives * positive).sum(axis=-1)) / whole


def _mean_error(ranks: Ranks, negative: Array, positive: Array) -> float:
    """Return the standard error of a mean loss over independent rows."""
    n = float(ranks.counts.sum())
    mean = _weighted_mean(ranks, negative, positive)
    square = _weighted_mean(ranks, (negative - mean) ** 2, (positive - mean) ** 2)
    return float(np.sqrt(square / (n - 1))) if n > 1 else float("nan")


@metric(needs="scores", tasks=("binary",), better="lower", scale="log", limits=(0.0, np.inf),
        error=lambda ranks, **options: _mean_error(ranks, *_losses(ranks)), probabilities=True, undefined="no labelled rows")
def log_loss(ranks: Ranks, *, positive: int | None = None) -> Any:
    """Mean negative log likelihood in nats; probabilities are clipped to machine precision.

    >>> round(log_loss(Ranks(np.array([0.25, 0.5]), np.array([[1.0, 0], [0, 1]]))), 4)
    0.4904
    """
    return _weighted_mean(ranks, *_losses(ranks))


@also(log_loss, needs="losses", tasks=("multiclass", "multilabel"))
def _log_loss(means: Means) -> Any:
    return means.log_loss


@metric(needs="scores", tasks=("binary",), better="lower", scale="log", limits=(0.0, 1.0),
        error=lambda ranks, **options: _mean_error(ranks, ranks.scores**2, (1 - ranks.scores) ** 2), probabilities=True, undefined="no labelled rows")
def brier(ranks: Ranks, *, positive: int | None = None) -> Any:
    """Mean squared difference of probability and outcome (Brier 1950); with more classes, summed over the classes.

    >>> brier(Ranks(np.array([0.25, 0.5]), np.array([[1.0, 0], [0, 1]])))
    0.15625
    """
    return _weighted_mean(ranks, ranks.scores**2, (1 - ranks.scores) ** 2)


@also(brier, needs="losses", tasks=("multiclass", "multilabel"))
def _brier(means: Means) -> Any:
    return means.brier


def _calibration(ranks: Ranks, bins: int) -> Any:
    place = np.clip(np.ceil(ranks.scores * bins).astype(int) - 1, 0, bins - 1)
    starts = np.flatnonzero(np.append(True, place[1:] != place[:-1])) if len(place) else np.empty(0, int)
    if not len(starts):
        return np.nan
    rows = np.add.reduceat(ranks.counts.sum(axis=-1), starts, axis=-1)
    hits = np.add.reduceat(ranks.positives, starts, axis=-1)
    expected = np.add.reduceat(ranks.counts.sum(axis=-1) * ranks.scores, starts, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(hits - expected).sum(axis=-1) / rows.sum(axis=-1)


@metric(needs="scores", tasks=("binary",), better="lower", limits=(0.0, 1.0), probabilities=True, undefined="no labelled rows")
def calibration_error(ranks: Ranks, *, positive: int | None = None, bins: int = 15) -> Any:
    """Expected calibration error: mean gap of share and probability over equal-width bins (Naeini et al. 2015).

    With more than two classes, of the greatest probability against being right (Guo et al. 2017). The plain estimate is too
    large on few rows, since gaps are counted without sign: compare models on equal numbers of rows.

    >>> calibration_error(Ranks(np.array([0.25, 0.75]), np.array([[3.0, 1], [2, 2]])))
    0.125
    """
    return _calibration(ranks, bins)


@also(calibration_error, needs="confidence", tasks=("multiclass",))
def _top_calibration_error(ranks: Ranks, *, bins: int = 15) -> Any:
    return _calibration(ranks, bins)


def _defined_mean(parts: list[Any]) -> Any:
    values = np.stack(np.broadcast_arrays(*parts))
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
