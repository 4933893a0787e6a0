"""Scores turned into chances, on held-out labelled rows: isotonic steps, the smooth three-parameter beta curve, and many classes.

``isotonic(score, hit, weight)`` and ``beta(score, hit, weight)`` return a ``Curve``; ``error`` is the gap between chances and outcomes in
bins; ``calibrated(rows)`` returns chances of labels of any number of classes. The other methods of this package use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from assay.estimate.rows import Array, Rows

__all__ = ["Curve", "Many", "beta", "calibrated", "error", "isotonic"]

_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Curve:
    """Chances of a hit by score: straight lines between ``at`` and ``chance``, flat beyond; ``smooth`` where it is beta's.

    >>> Curve(np.array([0.0, 1.0]), np.array([0.2, 0.6]))(np.array([-1.0, 0.5, 1.0])).round(3).tolist()
    [0.2, 0.4, 0.6]
    """

    at: Array
    chance: Array
    smooth: tuple[float, float, float] | None = None

    def __call__(self, score: Array) -> Array:
        if self.smooth is not None:
            return _beta(np.asarray(self.smooth), *_logs(np.asarray(score, float)))
        return np.interp(score, self.at, self.chance)


def isotonic(score: Array, hit: Array, weight: Array | None = None) -> Curve:
    """Return the curve that never falls with the score and is nearest to the hits (0 or 1) in weighted squares.

    Pool adjacent violators (Ayer et al. 1955; Barlow et al. 1972), between the scores that were seen, as scikit-learn's
    ``IsotonicRegression(out_of_bounds="clip")`` has it.

    >>> isotonic(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 1]))(np.array([0.1, 0.25, 0.4])).tolist()
    [0.0, 0.5, 1.0]
    """
    at, place = np.unique(np.asarray(score, float), return_inverse=True)
    mass = np.bincount(place, weight, len(at)).astype(float)
    mean = np.bincount(place, hit if weight is None else hit * weight, len(at)) / np.where(mass > 0, mass, 1.0)
    kept = mass > 0
    at, mean, mass = at[kept], mean[kept], mass[kept]
    if not len(at):
        return Curve(np.zeros(1), np.full(1, 0.5))
    chance = np.clip(optimize.isotonic_regression(mean, weights=mass).x, 0.0, 1.0)
    # only the ends of level stretches are needed
    ends = np.ones(len(at), bool)
    ends[1:-1] = (chance[1:-1] != chance[:-2]) | (chance[1:-1] != chance[2:])
    return Curve(at[ends], chance[ends])


def beta(score: Array, hit: Array, weight: Array | None = None) -> Curve:
    """Return the curve logit(chance) = a ln s - b ln(1 - s) + c with a, b >= 0, fitted by likelihood (Kull, Silva Filho and Flach 2017).

    It has three numbers to learn, so that a few hundred rows are enough where steps need thousands. Scores lie in [0, 1].

    >>> score = np.repeat([0.2, 0.8], 100)
    >>> hit = np.tile([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20)
    >>> beta(score, hit)(np.array([0.2, 0.8])).round(2).tolist()
    [0.1, 0.1]
    """
    logs = _logs(np.asarray(score, float))
    y = np.asarray(hit, float)
    mass = np.ones(len(y)) if weight is None else np.asarray(weight, float)
    mass = mass / max(mass.sum(), 1e-300)

    def cost(at: Array) -> tuple[float, Array]:
        line = at[0] * logs[0] + at[1] * logs[1] + at[2]
        gap = (special.expit(line) - y) * mass
        value = float((mass * (np.logaddexp(0.0, line) - y * line)).sum()) + 1e-6 * float(((at - [1, 1, 0]) ** 2).sum())
        return value, np.array([gap @ logs[0], gap @ logs[1], gap.sum()]) + 2e-6 * (at - [1, 1, 0])

    found = optimize.minimize(cost, np.array([1.0, 1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)])
    a, b, c = (float(each) for each in found.x)
    return Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), (a, b, c))


def error(chance: Array, hit: Array, bins: int = 10) -> float:
    """Return the expected calibration error over equal-width bins: the mean over rows of |share of hits - mean chance| of their bin.

    >>> round(error(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 0, 1, 0])), 3)
    0.25
    """
    place = np.clip(np.ceil(np.asarray(chance) * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, np.asarray(hit, float) - chance, bins)
    return float(np.abs(gaps).sum() / max(len(chance), 1))


@dataclass(frozen=True, eq=False)
class Many:
    """One curve a class, and their chances made to add up to 1."""

    curves: tuple[Curve, ...]

    def __call__(self, rows: Rows) -> Array:
        """Return chances (n, K) of rows that have scores."""
        assert rows.score is not None
        if rows.classes == 2:
            second = self.curves[0](rows.score[:, 1])
            return np.column_stack([1 - second, second])
        out = np.column_stack([curve(rows.score[:, place]) for place, curve in enumerate(self.curves)])
        whole = out.sum(axis=1, keepdims=True)
        return np.where(whole > 0, out / np.where(whole > 0, whole, 1.0), 1.0 / rows.classes)


def calibrated(rows: Rows, weight: Array | None = None, *, fit: Callable[..., Curve] = isotonic) -> Many:
    """Return what turns scores into chances, learned on labelled ``rows``: one class against the rest, each by ``fit``."""
    assert rows.score is not None
    which = [1] if rows.classes == 2 else range(rows.classes)
    return Many(tuple(fit(rows.score[:, each], rows.truth == each, weight) for each in which))


def _logs(score: Array) -> tuple[Array, Array]:
    inside = np.clip(score, _EDGE, 1 - _EDGE)
    return np.log(inside), -np.log1p(-inside)


def _beta(at: Array, first: Array, second: Array) -> Array:
    return np.asarray(special.expit(at[0] * first + at[1] * second + at[2]))
