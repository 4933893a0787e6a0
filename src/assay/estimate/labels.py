"""Which rows to label next, and what the few labels that come show: of this window, and of a change that no method without labels can see.

``chosen(moves, chances, number)`` draws rows with known probabilities, more where the estimate is less sure; ``rectified`` makes of their
labels an estimate that holds whatever changed; ``Watch`` adds up the evidence that estimates are off, window after window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from assay.errors import ConfigError, DataError
from assay.estimate.doubly_robust import Estimate, Window
from assay.estimate.performance import VALUED, classified, valued
from assay.estimate.rows import Array

__all__ = ["Chosen", "Rectified", "Watch", "chosen", "doubt", "drawn", "rectified"]

STRATA = 10
EVEN = 0.3      # of the labels that are spread evenly, so that a surprise in a sure place is seen
_FEWEST = 20    # labels from which an estimate is made of them
_TIMES = (1.0, 4.0)     # stakes, in the one for the shift that is sought
_PARTS = (0.35, 0.15, 0.35, 0.15)   # of the money: up with each stake, down with each
_MOST = 0.75            # of it that a label may lose
_GUESS, _WORTH = 0.12, 20   # variance of a gap before there are any, and the labels that the guess is worth


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows to label: ``places`` in the window, in order, and with what probability (``chance``, (m,) of all rows) each row was drawn."""

    places: Array
    chance: Array


def doubt(window: Window, metric: str, *, positive: int | None = None) -> Array:
    """Return how much the label of each row of now may move the metric: the standard deviation of its move."""
    if metric in VALUED:
        found = window.estimator.expected["mae" if metric == "mae" else "mse"](window.current)
        return np.asarray(np.sqrt(np.maximum(found, 0.0)) if metric != "mae" else found)
    moves = classified(metric, window.current, window.chances, positive=positive).moves(window.current)
    spread = (window.chances * moves**2).sum(axis=1) - (window.chances * moves).sum(axis=1) ** 2
    return np.asarray(np.sqrt(np.maximum(spread, 0.0)))


def chosen(window: Window, metric: str, number: int, *, positive: int | None = None, seed: int = 0) -> Chosen:
    """Return ``number`` rows of the window to label: from strata of their doubt, each in proportion to its size times its doubt (Neyman).

    Three in ten are spread evenly. Rows within a stratum are alike in chance, so that any mean can be put right again by it. Errors:
    ``ConfigError`` where there are fewer rows.

    >>> doubts = np.repeat([0.1, 0.5], 500)
    >>> places, chance = drawn(doubts, 100, seed=0)
    >>> len(places), bool(chance[-1] > chance[0])
    (100, True)
    """
    places, chance = drawn(doubt(window, metric, positive=positive), number, seed=seed)
    return Chosen(places, chance)


def drawn(doubts: Array, number: int, *, seed: int = 0) -> tuple[Array, Array]:
    """Return places drawn by doubt, and the probability of each row."""
    m = len(doubts)
    if not 0 < number <= m:
        raise ConfigError(f"{number:,} rows cannot be labelled of {m:,}", expected=f"1 to {m:,}")
    rng = np.random.default_rng(seed)
    order = np.argsort(doubts, kind="stable")
    stratum = np.empty(m, int)
    strata = max(1, min(STRATA, number // 5))
    stratum[order] = np.arange(m) * strata // m
    size = np.bincount(stratum, minlength=strata)
    heft = np.bincount(stratum, doubts, strata)
    share = EVEN * size / m + (1 - EVEN) * (heft / heft.sum() if heft.sum() > 0 else size / m)
    count = _whole(share * number, size)
    places = np.sort(np.concatenate([rng.choice(np.flatnonzero(stratum == at), count[at], replace=False) for at in range(strata)]))
    return places, (count / size)[stratum]


@dataclass(frozen=True)
class Rectified:
    """What labels of some rows show: the estimate put right by them, and ``shift``, by how much they move it (``error`` of that).

    ``surprise`` is the two-sided p-value of "the labels are as the estimate expects".
    """

    estimate: Estimate
    shift: float
    error: float
    surprise: float
    labels: int


def rectified(window: Window, metric: str, places: Array, labels: Array, chance: Array, *, positive: int | None = None,
              level: float = 0.95) -> Rectified:
    """Return the metric of the window from estimates of all rows, and labels of the rows at ``places`` drawn with probabilities ``chance``.

        M(h) + 1/m sum over labelled rows of (m(j, y_j) - sum_k h_jk m(j, k)) / chance_j

    Prediction-powered inference (Angelopoulos et al., Science 2023) with unequal probabilities (Horvitz and Thompson 1952). It does not
    rest on the reference: a change of what labels follow is in the labels. Labels are places of classes, or numbers. Errors: ``DataError``.
    """
    current = window.current
    if len(places) != len(labels) or len(places) < _FEWEST:
        raise DataError(f"{len(labels):,} labels of {len(places):,} rows make no estimate", expected=f"a label each of {_FEWEST} or more")
    m = len(current)
    some = current.take(places)
    if metric in VALUED:
        name = "mae" if metric == "mae" else "mse"
        expected = window.estimator.expected[name](current)
        error = np.abs(some.answer - labels)
        gap = (error if name == "mae" else error**2) - expected[places]
        plain = float(expected.mean())
    else:
        found = classified(metric, current, window.chances, positive=positive)
        moves = found.moves(some)
        gap = moves[np.arange(len(places)), np.asarray(labels, int)] - (window.chances[places] * moves).sum(axis=1)
        plain = found.value
    heft = 1 / chance[places]
    shift = float((gap * heft).sum() / m)
    centred = gap - float(np.average(gap, weights=heft))
    spread = float(np.sqrt((np.maximum(1 - chance[places], 0.0) * (centred * heft) ** 2).sum() * len(gap) / (len(gap) - 1)) / m)
    value = plain + shift
    if metric == "rmse":
        root, slope = valued("rmse", np.array([max(value, 0.0)]))
        before = math.sqrt(max(plain, 0.0))
        value, spread, shift, plain = root, spread * slope, root - before, before
    half = float(special.ndtri((1 + level) / 2)) * spread
    made = Estimate(metric, value, value - half, value + half, 0.0, spread, plain, float(len(places)), m, level)
    surprise = float(2 * special.ndtr(-abs(shift) / spread)) if spread > 0 else 1.0
    return Rectified(made, shift, spread, surprise, len(places))


@dataclass
class Watch:
    """Evidence, added up over windows, that estimates are off by more than ``tolerance``: an e-process, so it may be looked at any time.

    A bet at each label, ``1 + stake * (side * (label - expected) * heft - tolerance)``, in both directions, with the stakes that grow
    fastest where estimates are off by ``sought`` and by much more: what is hoped for beyond the tolerance, over the variance (Kelly 1956),
    of windows before, so that no bet knows its outcome. Bets begin anew at each window, as a change may come late: those from window s on
    have a part 1 / (s (s + 1)) of the money. The sum is 1 / alpha or more with probability at most alpha as long as no window's estimate
    is off by more than the tolerance (Ville; Waudby-Smith and Ramdas 2024; Shin, Ramdas and Rinaldo 2023). Labels drawn from strata and
    without replacement are worth no more to the gambler than others (means of logarithms; Maclaurin's inequality). ``alarm`` tells when
    it was.

    >>> rng = np.random.default_rng(0)
    >>> watch = Watch(tolerance=0.01)
    >>> for _ in range(20):
    ...     _ = watch.add(rng.choice([-0.9, 0.1], 200, p=[0.2, 0.8]))   # right 80 times of 100, expected 90
    >>> watch.evidence > 1000
    True
    """

    tolerance: float = 0.005
    alpha: float = 0.01
    sought: float = 0.025

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < self.sought:
            raise ConfigError(f"a shift of {self.sought} is not beyond the tolerance {self.tolerance}", expected="more than is tolerated")
        self._logs = np.zeros((0, 2 * len(_TIMES)))    # by window of the first bet, kind of bet
        self._squares, self._labels = _GUESS * _WORTH, float(_WORTH)
        self.windows = 0
        self.alarm: int | None = None

    def add(self, gaps: Array, heft: Array | None = None, *, expected: Array | None = None) -> float:
        """Add the gaps (label less what was expected of it, within -1 and 1) of a window; ``heft`` is 1 / chance over its mean.

        With ``expected`` (of labels of 0 and 1) it is known how much a bet may lose at most, so that stakes may be higher.
        """
        if np.abs(gaps).max(initial=0.0) > 1:
            raise DataError("gaps are beyond -1 and 1", expected="labels less chances of being right")
        heft = np.ones(len(gaps)) if heft is None else np.asarray(heft, float)
        weighed, won = np.asarray(gaps, float) * heft, []
        variance = self._squares / self._labels * (1.0 if self.windows or not len(heft) else float(np.mean(heft**2)))
        for side in (1.0, -1.0):
            lost = 1.0 if expected is None else expected if side > 0 else 1 - np.asarray(expected)
            most = _MOST / (max(float(np.max(heft * lost, initial=0.0)), 0.1) + self.tolerance)
            won += [float(np.log1p(min(times * (self.sought - self.tolerance) / variance, most) * (side * weighed - self.tolerance)).sum())
                    for times in _TIMES]
        self._logs = np.concatenate([self._logs, np.zeros((1, len(won)))]) + np.array(won)
        self._squares += float((weighed**2).sum())
        self._labels += len(weighed)
        self.windows += 1
        if self.alarm is None and self.evidence >= 1 / self.alpha:
            self.alarm = self.windows
        return self.evidence

    @property
    def evidence(self) -> float:
        """The e-value so far."""
        if not self.windows:
            return 1.0
        start = np.arange(1, self.windows + 1)
        held = self._logs - np.log(start * (start + 1.0))[:, None] + np.log(np.array(_PARTS))
        unused = -math.log(self.windows + 1.0)   # of bets that begin later
        return float(np.exp(np.minimum(np.logaddexp(special.logsumexp(held), unused), 700.0)))


def _whole(wanted: Array, size: Array) -> Array:
    """Return whole numbers near what is wanted, of the same sum, 1 at least and no more than there are rows."""
    number = round(float(wanted.sum()))
    count = np.minimum(np.maximum(np.floor(wanted).astype(int), 1), size)
    rest = wanted - count
    while count.sum() != number:
        step = 1 if count.sum() < number else -1
        able = count < size if step > 0 else count > 1
        at = int(np.argmax(np.where(able, step * rest, -np.inf)))
        count[at] += step
        rest[at] -= step
    return np.asarray(count)

