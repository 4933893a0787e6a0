"""How heavy the tails of standardised deviations are, learned from the fleet: pools of them, and a censored fit of Student's t.

A pool is the same statistic of the same source. What is small is only counted (a share that is exactly 0 on most days says nothing
about its tail), and what happens to many columns at once is one event with one vote. ``fitted(pools) -> (nu, scale)``; only the
monitor imports it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

__all__ = ["BETS", "BINS", "CENSORED", "added", "bets", "e_value", "fitted", "p_value"]

Array = np.ndarray[Any, Any]

CENSORED = 1.5  # deviations below this are counted, not looked at
_EVENT = 4.0    # from here on, deviations of one window in one pool share one vote
_FADE = 0.998   # a pool forgets half in a year of days
_EDGES = np.concatenate(([CENSORED], CENSORED * 1.16 ** np.arange(1, 30)))  # to about 110
BINS = len(_EDGES) + 1
_NU = np.array([1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 10, 14, 20, 40, 100])
_SCALE = np.geomspace(0.35, 4.0, 18)
#: shifts, in standard deviations, that are bet on: what stays on one side for days, and what is nearly enough in one
BETS = np.array([2.5, 4.0])
_KNOWN = 2000.0    # deviations of all streams that weigh as much as the tail assumed before any was seen
_BORROWED = 150.0  # windows' worth of the same statistic elsewhere that a young pool starts from


def _table() -> Array:
    """Return the log probability of each bin of |z| under each (nu, scale), as a matrix of (bins, nu x scale)."""
    nu, scale = (each.ravel() for each in np.meshgrid(_NU, _SCALE, indexing="ij"))
    above = 2 * special.stdtr(nu, -_EDGES[:, None] / scale)
    shares = np.concatenate((1 - above[:1], above[:-1] - above[1:], above[-1:]))
    found: Array = np.log(np.maximum(shares, 1e-300))
    return found


_LOGS = _table()
# before anything was seen: a hundred deviations of a heavy tail, t of 4 degrees of freedom, scaled as deviations of old streams are
_PRIOR = 100 * np.exp(_LOGS[:, int(np.argmin(np.abs(_NU - 4))) * len(_SCALE) + int(np.argmin(np.abs(_SCALE - 0.6)))])


def added(pools: Array, pool: Array, z: Array) -> Array:
    """Return the pools, (pools, bins), after the deviations ``z`` of one window, each in its ``pool``; NaN is left out."""
    used = np.isfinite(z)
    pool, z = pool[used], np.abs(z[used])
    high = z > _EVENT
    number = np.bincount(pool[high], minlength=len(pools))
    vote = np.where(high, 1 / np.maximum(number, 1)[pool], 1.0)
    place = np.searchsorted(_EDGES, z, "right")
    counts = np.bincount(pool * BINS + place, vote, len(pools) * BINS).reshape(len(pools), BINS)
    after: Array = pools * _FADE + counts
    return after


def fitted(pools: Array, kind: Array) -> tuple[Array, Array]:
    """Return degrees of freedom and scale of each pool; young pools borrow from all pools of their ``kind`` (statistic).

    Maximum likelihood of a scaled t over a grid, with |z| < 1.5 censored, so that the centre has no say in the tail.
    """
    kinds = int(kind.max()) + 1 if len(kind) else 0
    whole = np.zeros((kinds, BINS))
    np.add.at(whole, kind, pools)
    size = whole.sum(axis=1, keepdims=True)
    lent = (whole * np.minimum(1.0, _BORROWED / np.maximum(size, 1e-9)))[kind]
    fit = np.argmax((pools + lent + _prior(whole)) @ _LOGS, axis=1)
    return _NU[fit // len(_SCALE)], _SCALE[fit % len(_SCALE)]


def _prior(whole: Array) -> Array:
    """Return what each kind starts from: a heavy tail, and in part that of all kinds together, once it is known."""
    fleet = whole.sum(axis=0)
    size = float(fleet.sum())
    known = 0.5 * size / (_KNOWN + size)
    return _PRIOR if not size else (1 - known) * _PRIOR + known * _PRIOR.sum() / size * fleet


def p_value(z: Array, nu: Array, scale: Array) -> Array:
    """Return 2 P(T_nu > z / scale), and 1 where z is 0 or less.

    >>> p_value(np.array([0.0, 2.0]), np.array([1e6, 1e6]), np.ones(2)).round(3).tolist()
    [1.0, 0.046]
    """
    found: Array = np.ones(z.shape)
    used = np.flatnonzero(z > 0)  # most shares do not rise at all
    found[used] = 2 * special.stdtr(nu[used], -z[used] / scale[used])
    return found


def e_value(p: Array, cut: Array | float = 0.0, share: float = 0.0) -> Array:
    """Return what a bet against chance pays at p: of expectation 1 under uniform p.

    ``1 - share`` is put on the mixture of all power calibrators (1 - p + p ln p) / (p ln^2 p) (Vovk and Wang 2021), which suits
    evidence that gathers; ``share`` on p <= cut alone, which pays share / cut at once and nothing else.

    >>> e_value(np.array([1.0, 1e-3, 1e-6])).round(1).tolist()
    [0.5, 20.8, 5239.1]
    """
    p = np.clip(p, 1e-300, 1.0)
    log = np.log(p)
    near = log > -1e-3
    with np.errstate(divide="ignore", invalid="ignore"):
        mixture = np.where(near, 0.5 - log / 6, (1 - p + p * log) / (p * log * log))
        once = np.where(p <= cut, 1 / np.maximum(cut, 1e-300), 0.0)
    found: Array = np.minimum((1 - share) * mixture + share * once, 1e15)
    return found


def bets(p: Array, side: Array) -> Array:
    """Return what bets on lasting shifts pay, rows by shift and direction: exp(b s - b^2 / 2), s the normal deviate of p on its ``side``.

    Of expectation 1 for each b where p is uniform and both sides are alike; ``side`` is 1 or -1, and 0 where only one side counts: then
    both rows bet on it. Unlike powers of p they know the direction, so that noise on both sides takes back what it gave.

    >>> bets(np.array([1.0, 2.7e-3]), np.array([1.0, 1.0])).round(2).tolist()
    [[0.04, 79.44], [0.04, 0.0], [0.0, 54.59], [0.0, 0.0]]
    """
    s = -special.ndtri(np.clip(p, 1e-300, 1.0) / 2)
    other = np.where(side == 0, s, -side * s)
    s = np.where(side == 0, s, side * s)
    # where one side counts, the other half of all windows is at 0 and not below: that much less is paid
    fair = np.where(side == 0, np.log(special.ndtr(BETS) + 0.5 * np.exp(-BETS**2 / 2))[:, None], 0.0)
    rows = [b * each - b * b / 2 - less for b, less in zip(BETS, fair, strict=True) for each in (s, other)]
    found: Array = np.exp(np.minimum(np.stack(rows), 600.0))
    return found
