"""What a stream is expected to be next, from its own history: level, season, autocorrelation, noise, and how it is used to jump.

``forecast`` says what is expected, ``taken`` learns from what came, ``settled`` and ``widened`` follow what people say. Arrays with the
streams on the last axis; nothing is changed in place. Only :mod:`assay.monitor.evidence` imports it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

__all__ = ["Baseline", "Forecast", "Season", "drift", "forecast", "settled", "taken", "widened"]

Array = np.ndarray[Any, Any]

#: of how many windows a level follows its stream; the one that erred least lately is believed
GAINS = np.array([0.03, 0.1, 0.25, 0.5, 0.8])[:, None]
FORGET = 60.0     # windows after which the noise is forgotten to 1/e
RECENT = 0.05     # weight of a window in the error of a level
VISITS = 8.0      # of a phase that its effect remembers
CLIP = 4.0        # deviations beyond which a window teaches no more
PRIOR = 4.0       # windows that the fleet's ratio of noise to sampling noise counts for
FLOOR = 0.05      # of the noise that no sampling explains
MEMORY = 3.0      # deviations that a stream may jump without being expected to
CAP = 6.0         # what one window may teach the memory by itself
WIDEST = 60.0     # and what a person who dismisses a page may
DECAY = 0.997     # of the memory, a day
ANCHOR = 0.01     # gain of the level that slow changes are seen against
SLOW = 1          # the level, of those above, that is compared with it
START = 14        # windows after which both say something
WANDER = 120.0    # windows that the distance of the two remembers


@dataclass(frozen=True)
class Season:
    """Where a window stands: the place in each table of phases, their sizes, and what part of a day it is.

    Daily windows have one table, of weekdays; hourly ones two, of weekdays and hours, whose effects add; rows or files have none.

    >>> Season.daily(0).rows, Season.hourly(0, 13).rows, Season().rows
    ((0,), (0, 20), ())
    """

    sizes: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    days: float = 1.0

    @classmethod
    def daily(cls, weekday: int) -> Season:
        return cls((7,), (weekday,))

    @classmethod
    def hourly(cls, weekday: int, hour: int, *, days: float = 1 / 24) -> Season:
        return cls((7, 24), (weekday, hour), days)

    @property
    def rows(self) -> tuple[int, ...]:
        """The places, counted through all tables."""
        return tuple(sum(self.sizes[:table]) + place for table, place in enumerate(self.places))


@dataclass(frozen=True)
class Baseline:
    """The history of streams in few numbers each: arrays, the streams on the last axis.

    ``n`` windows learned; ``level`` and ``loss`` one row a gain; ``season`` and ``visits`` one row a phase; ``within`` variance about the
    phases; ``previous`` the last deviation; ``cross`` the product of successive ones; ``noise`` the variance of what is not expected;
    ``sampling`` its part that the rows explain; ``memory`` the largest jump, fading; ``anchor``
    a level that hardly moves, and ``wander`` the squared distance that the slow level keeps from it.
    """

    n: Array
    level: Array
    loss: Array
    season: Array
    visits: Array
    within: Array
    previous: Array
    cross: Array
    noise: Array
    sampling: Array
    memory: Array
    anchor: Array
    wander: Array

    @classmethod
    def empty(cls, streams: int, phases: int = 0) -> Baseline:
        rows = {"level": len(GAINS), "loss": len(GAINS), "season": phases, "visits": phases}
        return cls(**{each.name: np.zeros((rows[each.name], streams) if each.name in rows else streams) for each in fields(cls)})

    def grown(self, streams: int) -> Baseline:
        """Return the baseline with room for so many streams, new ones without history."""
        def wider(array: Array) -> Array:
            return np.concatenate((array, np.zeros((*array.shape[:-1], streams - array.shape[-1]))), axis=-1)

        return Baseline(**{each.name: wider(getattr(self, each.name)) for each in fields(self)})


@dataclass(frozen=True)
class Forecast:
    """What is expected of the next window: ``mean``, the variance of what is not known beside sampling, and its parts."""

    mean: Array
    variance: Array
    effect: Array
    level: Array
    carried: Array

    def deviation(self, x: Array, v: Array) -> Array:
        """Return (x - mean) in standard deviations, NaN where x is."""
        found: Array = (x - self.mean) / np.sqrt(self.variance + v)
        return found


def forecast(baseline: Baseline, season: Season, pool: Array) -> Forecast:
    """Return what is expected next: level + effect of the phase + phi * (last deviation); streams of a ``pool`` lend each other noise."""
    b = baseline
    effect = np.zeros(b.n.shape)
    start = 0
    visits = np.full(b.n.shape, np.inf)
    for size, row in zip(season.sizes, season.rows, strict=True):
        table, seen = b.season[start : start + size], b.visits[start : start + size]
        used = (seen > 0).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (seen * table**2).sum(axis=0) / np.maximum(used - 1, 1) / b.within  # of variances: F
            kept = np.where((b.within > 0) & (b.visits[row] >= 2) & (used > 1), np.maximum(0.0, 1 - 1.5 / ratio), 0.0)
        effect += kept * b.season[row]
        visits = np.minimum(visits, np.maximum(b.visits[row], 1.0))
        start += size
    level = np.take_along_axis(b.level, np.argmin(b.loss, axis=0)[None], axis=0)[0]
    # lag-1 correlation of what the level leaves, drawn to 0 while there is little history
    ratio = np.maximum(b.cross / np.maximum(b.noise, 1e-300), 0.0)  # phi / (1 - phi^2)
    phi = np.minimum(2 * ratio / (1 + np.sqrt(1 + 4 * ratio**2)) * b.n / (b.n + 20), 0.8)
    carried = phi * b.previous
    noise = _moderated(b, pool)
    excess = np.maximum(noise - b.sampling, FLOOR * noise)
    wide = np.where(np.isfinite(visits), 1 + 1 / visits, 1.0) + 1 / np.maximum(b.n, 1.0)
    return Forecast(level + effect + carried, excess * wide, effect, level, carried)


def _moderated(b: Baseline, pool: Array) -> Array:
    """Return the noise drawn towards what the pool's streams have, in units of their sampling noise (as Smyth 2004 for genes)."""
    known = (b.n >= 4) & (b.noise > 0) & (b.sampling > 0)
    if not len(pool) or not known.any():
        return b.noise
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip(np.log(np.where(known, b.noise / b.sampling, 1.0)), -3.0, 6.0)
    size = int(pool.max()) + 1
    number = np.bincount(pool, known, size)
    mean = np.bincount(pool, np.where(known, ratio, 0.0), size) / np.maximum(number, 1.0)
    lent = np.where(number > 0, np.exp(mean), 1.0)[pool] * b.sampling
    weight = np.minimum(b.n, FORGET)
    found: Array = (weight * b.noise + PRIOR * lent) / (weight + PRIOR)
    return found


def drift(b: Baseline) -> tuple[Array, Array]:
    """Return how far the slow level stands from the anchor, and the variance of that.

    A stream that wanders is used to it; of one that does not, the two averages of n windows bring g / (2 - g) of its noise, to which
    the variance is drawn while little is known: one excursion lasts about ten windows.
    """
    gain = float(GAINS[SLOW, 0])
    least = (gain / (2 - gain) + np.maximum(1 / np.maximum(b.n, 1.0), ANCHOR)) * np.maximum(b.noise, b.sampling)
    weight = np.minimum(b.n, WANDER) / 10
    found: Array = np.maximum((weight * b.wander + PRIOR * 1.5 * least) / (weight + PRIOR), least)
    return b.level[SLOW] - b.anchor, found


def taken(b: Baseline, x: Array, v: Array, expected: Forecast, season: Season, learns: Array, jumped: Array) -> Baseline:
    """Return the baseline after a window, for the streams that it may teach; ``jumped`` is |z| as far as it counts for the memory."""
    n = b.n + learns
    first = learns & (b.n == 0)
    x = np.where(learns, x, 0.0)
    v = np.where(learns, v, 0.0)
    plain = x - expected.effect
    error = np.where(first, 0.0, plain - b.level)
    bound = np.where(b.n >= 5, CLIP * np.sqrt(np.maximum(b.noise, 0.05 * v) + v), np.inf)
    error = _within(error, bound)
    gain = np.maximum(GAINS, 1 / (b.n + 1))
    level = np.where(first, plain, b.level + np.where(learns, gain * error, 0.0))
    rate = np.maximum(RECENT, 1 / np.maximum(n, 1.0))
    loss = np.where(learns & ~first, b.loss + rate * (error**2 - b.loss), b.loss)
    # a deviation from the believed level, before what was carried over from the last one is taken off
    left = _within(plain - expected.level, bound) * ~first * learns
    new = _within(left - expected.carried, bound)
    pace = np.maximum(1 / FORGET, 1 / np.maximum(n - 1, 1.0))
    taught = learns & ~first
    noise = np.where(taught, b.noise + pace * (new**2 - b.noise), b.noise)
    cross = np.where(taught, b.cross + pace * (left * b.previous - b.cross), b.cross)
    sampling = np.where(learns, b.sampling + np.maximum(1 / FORGET, 1 / np.maximum(n, 1.0)) * (v - b.sampling), b.sampling)
    previous = np.where(learns, left, b.previous * 0.5)
    pull = np.maximum(ANCHOR, 1 / (b.n + 1)) * _within(plain - b.anchor, bound)
    anchor = np.where(first, plain, b.anchor + np.where(learns, pull, 0.0))
    far = (level[SLOW] - anchor) ** 2
    far = np.where(n > 2 * START, np.minimum(far, 4 * b.wander + 1e-12), far)  # or what drifts would soon be used to it
    slowly = np.maximum(1 / WANDER, 1 / np.maximum(n - START + 1, 1.0))
    wander = np.where(n >= START, b.wander + np.where(learns, slowly * (far - b.wander), 0.0), 0.0)
    memory = np.maximum(b.memory * DECAY**season.days, np.where(learns, np.minimum(jumped, CAP), 0.0))
    seasons, visits, within = b.season, b.visits, b.within
    if season.rows:
        seasons, visits = seasons.copy(), visits.copy()
        offset = _within(np.where(first, 0.0, x - b.level[0]), bound)
        rest = offset.copy()
        for row in season.rows:
            visits[row] += learns
            step = np.maximum(1 / VISITS, 1 / np.maximum(visits[row], 1.0))
            off = offset - sum(b.season[other] for other in season.rows if other != row)
            rest = rest - np.where(b.visits[row] >= 2, b.season[row], 0.0)
            seasons[row] += np.where(learns, step * (off - b.season[row]), 0.0)
        within = np.where(taught, b.within + pace * (rest**2 - b.within), b.within)
    return Baseline(n, level, loss, seasons, visits, within, previous, cross, noise, sampling, memory, anchor, wander)


def _within(x: Array, bound: Array) -> Array:
    found: Array = np.minimum(np.maximum(x, -bound), bound)  # np.clip takes five times as long on a small fleet
    return found


def settled(b: Baseline, at: Array, value: Array) -> Baseline:
    """Return the baseline with the level of some streams moved to ``value``: what was an incident is how it is now."""
    return replace(b, level=np.where(at, value, b.level), anchor=np.where(at, value, b.anchor), previous=np.where(at, 0.0, b.previous))


def widened(b: Baseline, jumped: Array) -> Baseline:
    """Return the baseline after a person said that jumps of so many deviations are nothing."""
    return replace(b, memory=np.maximum(b.memory, np.minimum(jumped, WIDEST)))


