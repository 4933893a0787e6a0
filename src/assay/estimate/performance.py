"""Metrics as functions of who is what: the value that chances of labels imply, and how much each row, with each label, moves it.

``classified(metric, rows, chances)`` returns a ``Functional``, ``valued(metric, losses)`` numbers. With chances of 0 and 1 the value is the
metric itself; with chances of labels it is what is expected. The rest of this package adds corrections and errors to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.errors import ConfigError, listed
from assay.estimate.rows import Array, Rows

__all__ = ["CLASSIFIED", "LIMITS", "USUAL", "VALUED", "Functional", "classified", "known", "loss", "needs_scores", "valued"]

USUAL = ("accuracy", "precision", "recall", "f1", "auc", "brier", "log_loss")
CLASSIFIED = (*USUAL, "false_positive_rate")   # the last where groups are compared, or where it is asked for
VALUED = ("mae", "mse", "rmse")
LIMITS = {**dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc", "false_positive_rate"), (0.0, 1.0)), "brier": (0.0, 2.0)}
_SCORED = ("auc", "brier", "log_loss")
_CLIP = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Functional:
    """A metric at chances: its value, and ``moves(rows)`` (m, K): by what a row would move it, were it of each label.

    The metric of chances that differ a little is ``value`` plus the mean over rows of the sum of chance times ``moves``.
    """

    value: float
    moves: Callable[[Rows], Array]


def known(rows: Rows) -> Array:
    """Return the chances of labels that are known: (n, K) of 0 and 1."""
    out = np.zeros((len(rows), rows.classes))
    out[np.arange(len(rows)), rows.truth.astype(int)] = 1.0
    return out


def needs_scores(metric: str) -> bool:
    """Whether a metric is one of scores, and not of the answers alone."""
    return metric in _SCORED


def classified(metric: str, rows: Rows, chances: Array, *, positive: int | None = None, weight: Array | None = None) -> Functional:
    """Return a metric of classes at ``chances`` (n, K) of labels; rows count as ``weight``.

    ``positive`` is the class that precision, recall, F1 and AUC speak of; without it they are means over classes (macro), as assay's
    metrics are. NaN where it is not defined. Errors: ``ConfigError`` for an unknown metric or scores that are not there.

    >>> rows = Rows(np.zeros((2, 0)), np.array([0, 1]), np.array([[0.8, 0.2], [0.4, 0.6]]), classes=2)
    >>> round(classified("accuracy", rows, rows.score).value, 3), round(classified("precision", rows, rows.score, positive=1).value, 3)
    (0.7, 0.6)
    """
    if metric not in CLASSIFIED:
        raise ConfigError(f"'{metric}' is not estimated", expected=f"one of {listed(CLASSIFIED, 20)}")
    if metric in _SCORED and rows.score is None:
        raise ConfigError(f"{metric} needs scores, and the model gives only labels")
    share = np.full(len(rows), 1.0 / max(len(rows), 1)) if weight is None else weight / max(weight.sum(), 1e-300)
    if metric == "accuracy":
        return _mean(lambda some: (some.answer[:, None] == np.arange(some.classes)).astype(float), rows, chances, share)
    if metric in ("brier", "log_loss"):
        return _mean(lambda some: loss(metric, some), rows, chances, share)
    one = _auc if metric == "auc" else _RATIOS[metric]
    if positive is not None:
        return one(rows, chances, share, positive)
    parts = [one(rows, chances, share, each) for each in range(rows.classes)]
    if metric == "precision":   # a class that is never answered although it occurs counts as 0
        parts = [_NOTHING if np.isnan(each.value) and (chances[:, place] * share).sum() > 0 else each for place, each in enumerate(parts)]
    parts = [each for each in parts if np.isfinite(each.value)]
    if not parts:
        return _UNDEFINED
    return Functional(float(np.mean([each.value for each in parts])),
                      lambda some: np.mean([each.moves(some) for each in parts], axis=0))


def valued(metric: str, losses: Array, *, weight: Array | None = None) -> tuple[float, float]:
    """Return a metric of numbers from the (expected) loss of each row, and by what a unit of mean loss moves it.

    The losses are those of ``loss``: absolute errors for the MAE, squares for MSE and RMSE.

    >>> valued("rmse", np.array([9.0, 16.0, 2.0]))
    (3.0, 0.16666666666666666)
    """
    mean = float(np.average(losses, weights=weight)) if len(losses) else float("nan")
    if metric == "rmse":
        root = float(np.sqrt(max(mean, 0.0)))
        return root, 0.5 / max(root, 1e-150)
    if metric not in VALUED:
        raise ConfigError(f"'{metric}' is not estimated", expected=f"one of {listed(VALUED, 20)}")
    return mean, 1.0


def loss(metric: str, rows: Rows) -> Array:
    """Return the loss of each row: (n, K), were it of each class; of numbers (n,), by its label."""
    if metric in VALUED:
        error = rows.answer - rows.truth
        return np.abs(error) if metric == "mae" else error**2
    assert rows.score is not None
    if metric == "log_loss":
        return np.asarray(-np.log(np.clip(rows.score, _CLIP, 1 - _CLIP)))
    if rows.classes == 2:
        return np.asarray((1 - rows.score) ** 2)   # of two classes the Brier score counts one
    return np.asarray((rows.score**2).sum(axis=1, keepdims=True) + 1 - 2 * rows.score)


def _mean(of: Callable[[Rows], Array], rows: Rows, chances: Array, share: Array) -> Functional:
    value = float(((chances * of(rows)).sum(axis=1) * share).sum())
    return Functional(value, lambda some: of(some) - value)


def _still(rows: Rows) -> Array:
    return np.zeros((len(rows), rows.classes))


_UNDEFINED, _NOTHING = Functional(float("nan"), _still), Functional(0.0, _still)


def _ratio(hits: float, chosen: float, true: float, *, false: bool = False) -> Callable[[Rows, Array, Array, int], Functional]:
    """Return a metric ``hits * share of true positives / (chosen * share of answers + true * share of labels)``.

    ``false``: the labels are those that are not positive, so that hits are false alarms.
    """
    def found(rows: Rows, chances: Array, share: Array, positive: int) -> Functional:
        said, is_so = (rows.answer == positive).astype(float), 1 - chances[:, positive] if false else chances[:, positive]
        whole = float(((chosen * said + true * is_so) * share).sum())
        if whole <= 1e-12:
            return _UNDEFINED
        value = hits * float((said * is_so * share).sum()) / whole

        def moves(some: Rows) -> Array:
            answered, one = (some.answer == positive).astype(float)[:, None], (np.arange(some.classes) == positive).astype(float)[None]
            one = 1 - one if false else one
            return np.asarray((hits * answered * one - value * (chosen * answered + true * one)) / whole)

        return Functional(value, moves)

    return found


_RATIOS = {"precision": _ratio(1.0, 1.0, 0.0), "recall": _ratio(1.0, 0.0, 1.0), "f1": _ratio(2.0, 1.0, 1.0),
           "false_positive_rate": _ratio(1.0, 0.0, 1.0, false=True)}


def _auc(rows: Rows, chances: Array, share: Array, positive: int) -> Functional:
    """Return P(score of a positive > score of a negative), ties for half: a positive moves it by what is below it, and so on."""
    assert rows.score is not None
    score, is_so = rows.score[:, positive], chances[:, positive]
    values, place = np.unique(score, return_inverse=True)
    up, down = (np.bincount(place, mass * share, len(values)) for mass in (is_so, 1 - is_so))
    ups, downs = float(up.sum()), float(down.sum())
    if ups <= 1e-12 or downs <= 1e-12:
        return _UNDEFINED
    beneath = (np.cumsum(down) - 0.5 * down) / downs
    value = float((up * beneath).sum()) / ups
    # between scores of these rows the shares are steps
    steps = [np.concatenate([[0.0], np.cumsum(mass) / whole]) for mass, whole in ((down, downs), (up, ups))]

    def moves(some: Rows) -> Array:
        assert some.score is not None
        at = some.score[:, positive]
        left, right = np.searchsorted(values, at, "left"), np.searchsorted(values, at, "right")
        below = 0.5 * (steps[0][left] + steps[0][right])
        over = 1 - 0.5 * (steps[1][left] + steps[1][right])
        out = np.repeat(((over - value) / downs)[:, None], some.classes, axis=1)
        out[:, positive] = (below - value) / ups
        return out

    return Functional(value, moves)
