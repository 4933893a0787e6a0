"""Metrics of scores and probabilities: ranking of positives over negatives, loss, calibration.

AUC and average precision take any score of the right order. Loss and calibration need probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.metric.calibration import Gaps, spread
from assay.metric.metric import also, metric
from assay.summary.losses import CLIP, Means
from assay.summary.resample import Array
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
    # where all rows of a class tie, none differs from another, and yet the next one might: at least as if one of them stood half at
    # the bottom and half at the top
    least = (area**2 + (1 - area) ** 2) / 2
    spread_p = max(float((positives * (of_positive - area) ** 2).sum() / (p - 1)), least / p)
    spread_n = max(float((negatives * (of_negative - area) ** 2).sum() / (n - 1)), least / n)
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
        return steps.sum(axis=-1) / positives.sum(axis=-1)


def _average_precision_error(ranks: Ranks, **options: Any) -> float:
    """Return the standard error over independent rows by the delta method: what one more row at a score would change.

    A positive brings the precision at its score, and raises that at every score below; a negative lowers those.
    """
    positives, negatives = ranks.positives[::-1], ranks.negatives[::-1]  # from the greatest score down
    whole = float(positives.sum())
    if whole < 2:
        return float("nan")
    reached, wrong = np.cumsum(positives), np.cumsum(negatives)
    chosen = np.maximum(reached + wrong, 1e-300)
    mean = float((positives * reached / chosen).sum()) / whole
    raised = np.cumsum((positives * wrong / chosen**2)[::-1])[::-1]
    lowered = np.cumsum((positives * reached / chosen**2)[::-1])[::-1]
    of_positive, of_negative = (reached / chosen - mean + raised) / whole, -lowered / whole
    return float(np.sqrt((positives * of_positive**2).sum() + (negatives * of_negative**2).sum()))


@metric(needs="scores", tasks=("binary",), better="higher", scale="logit", limits=(0.0, 1.0), error=_average_precision_error,
        undefined="no positive rows")
def average_precision(ranks: Ranks, *, positive: int | None = None) -> Any:
    """Area under the precision-recall curve: sum over scores, falling, of precision times the step in recall, not interpolated.

    With more than two classes or labels, the mean of each against the rest (macro).

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
    """Mean negative log likelihood in nats, -ln p(true class); probabilities are clipped to machine precision.

    For several labels, the mean over labels as well.

    >>> round(log_loss(Ranks(np.array([0.25, 0.5]), np.array([[1.0, 0], [0, 1]]))), 4)
    0.4904
    """
    return _weighted_mean(ranks, *_losses(ranks))


@also(log_loss, needs="losses", tasks=("multiclass", "multilabel"))
def _log_loss(means: Means) -> Any:
    return means.log_loss


@metric(needs="scores", tasks=("binary",), better="lower", scale="log", limits=(0.0, 1.0),
        error=lambda ranks, **options: _mean_error(ranks, ranks.scores**2, (1 - ranks.scores) ** 2), probabilities=True,
        undefined="no labelled rows")
def brier(ranks: Ranks, *, positive: int | None = None) -> Any:
    """Mean squared difference of probability and outcome (Brier 1950); summed over more than two classes, averaged over labels.

    >>> brier(Ranks(np.array([0.25, 0.5]), np.array([[1.0, 0], [0, 1]])))
    0.15625
    """
    return _weighted_mean(ranks, ranks.scores**2, (1 - ranks.scores) ** 2)


@also(brier, needs="losses", tasks=("multiclass", "multilabel"))
def _brier(means: Means) -> Any:
    return means.brier


@metric(needs="scores", tasks=("binary",), better="lower", limits=(0.0, 1.0), probabilities=True, undefined="no labelled rows",
        spread=spread)
def calibration_error(ranks: Ranks, *, positive: int | None = None, bins: int = 15, debiased: bool = True) -> Any:
    """Expected calibration error: sum over equal-width bins of (rows of the bin / n) |share of positives - mean probability|.

    Naeini et al. 2015; with more than two classes, of the greatest probability against being right (Guo et al. 2017). Gaps are
    counted without sign, so chance alone makes some: that part is subtracted (see ``assay.metric.calibration``), and what is
    left is 0 for a calibrated model. ``debiased=false`` leaves it in, as most libraries do.

    >>> few = Ranks(np.array([0.25, 0.75]), np.array([[3.0, 1], [2, 2]]))
    >>> float(calibration_error(few, debiased=False)), float(calibration_error(few))
    (0.125, 0.0)
    """
    return _calibration(ranks, bins, debiased)


@also(calibration_error, needs="confidence", tasks=("multiclass",), spread=spread)
def _top_calibration_error(ranks: Ranks, *, bins: int = 15, debiased: bool = True) -> Any:
    return _calibration(ranks, bins, debiased)


def _calibration(ranks: Ranks, bins: int, debiased: bool) -> Any:
    gaps = Gaps.of(ranks, bins)
    return np.maximum(gaps.debiased, 0.0) if debiased else gaps.plain


def _defined_mean(parts: list[Any]) -> Any:
    values = np.stack(np.broadcast_arrays(*parts))
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
