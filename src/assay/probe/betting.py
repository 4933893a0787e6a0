"""An interval for a share that holds whenever one stops looking: a bet against each value of it, whose winnings rule values out.

``Betting`` gathers draws and gives the interval, ``stratified`` draws from a space by boxes until the interval is narrow enough. The verbs
import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.probe._sklearn import Regions
from assay.probe.oracle import Oracle

__all__ = ["Betting", "Estimate", "drawn", "stratified"]

Array = np.ndarray[Any, Any]

BOLD = (1.0, 2.0, 4.0)   # of the usual stake; the purse is divided between them
MOST = 0.9                # of the purse, that a draw may lose
HALVINGS = 32
BATCH = 256
DEFENCE = 0.5             # share of draws that go to boxes by their size
WIDE, NARROW = 0.1, 0.002   # of the share, and in all: a half-width below which drawing ends


@dataclass(frozen=True)
class Estimate:
    """A share with an interval that holds at any time of stopping: ``found`` of ``n`` draws, which need not be evenly drawn."""

    share: float
    low: float
    high: float
    found: int
    n: int


@dataclass(eq=False)
class Betting:
    """An interval at ``level`` for the mean of draws, each of which has that mean given those before it.

    Stakes are such that the interval is narrowest after ``planned`` draws; it holds after any number. For each value m two players start
    with 1 and stake a part of what they have on the next draw being above, or below, m; were m the mean, neither could expect to win, and
    would ever own 2 / (1 - level) with a probability of (1 - level) / 2 at most (Ville 1939). Values against which one did at any time are
    ruled out. Stakes follow Waudby-Smith and Ramdas (2024), from the variance so far.

    >>> bets = Betting()
    >>> bets.add(np.zeros(3_000), 0.0, 1.0)
    >>> low, high = bets.interval()
    >>> low, round(high, 4)
    (0.0, 0.0014)
    """

    level: float = 0.95
    planned: int = 10_000
    values: list[Array] = field(default_factory=list)
    stakes: list[Array] = field(default_factory=list)
    least: float = 0.0
    most: float = 1.0
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, values: Array, low: float, high: float) -> None:
        """Add draws, of which it was known before that they lie from ``low`` to ``high``."""
        if not len(values):
            return
        span = max(high - low, 1e-12)
        past = self.count + np.arange(len(values))
        sums = self.total + np.concatenate([[0.0], np.cumsum(values)[:-1]])
        mean = (np.clip(0.5, low, high) + sums) / (past + 1)
        apart = (values - mean) ** 2
        variance = (span**2 / 4 + self.squares + np.concatenate([[0.0], np.cumsum(apart)[:-1]])) / (past + 1)
        usual = np.sqrt(2 * np.log(2 / (1 - self.level)) / (np.maximum(variance, 1e-18) * self.planned))
        self.values.append(np.asarray(values, np.float64))
        self.stakes.append(np.minimum(np.array(BOLD)[:, None] * usual, MOST / span))
        self.least, self.most = max(self.least, low), min(self.most, high)
        self.count += len(values)
        self.total += float(values.sum())
        self.squares += float(apart.sum())

    def interval(self) -> tuple[float, float]:
        """Return the values that no bet rules out."""
        if not self.count:
            return self.least, self.most
        values, stakes = np.concatenate(self.values), np.concatenate(self.stakes, axis=1)
        low, high = (_edge(values, stakes, self.least, self.most, self.level, sign) for sign in (1.0, -1.0))
        return low, high


def _edge(values: Array, stakes: Array, least: float, most: float, level: float, sign: float) -> float:
    """Return the least value that bets on more (``sign`` 1), or the greatest that bets on less (-1), do not rule out."""
    limit = np.log(2 / (1 - level))

    def out(mean: float) -> bool:
        purse = np.cumsum(np.log1p(stakes * (sign * (values - mean))), axis=1)
        top = purse.max(axis=0)
        return bool((top + np.log(np.exp(purse - top).mean(axis=0))).max() >= limit)

    inside, outside = (most, least) if sign > 0 else (least, most)   # what rules a value out rules out all beyond it
    if not out(outside):
        return outside
    if out(inside):
        return inside
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if out(middle) else (middle, outside)
    return outside


def drawn(oracle: Oracle, draw: Callable[[int], Array], n: int, *, level: float = 0.95,
          enough: Callable[[], bool] | None = None) -> Estimate:
    """Return the share of what ``draw`` draws, from at most ``n`` draws; ``enough`` may end it at any time."""
    bets, found = Betting(level, n), 0
    while bets.count < n and not (bets.count and (_narrow(bets) or (enough is not None and enough()))):
        hits = oracle.ask(draw(min(_batch(bets.count), n - bets.count))).found
        found += int(hits.sum())
        bets.add(hits.astype(np.float64), 0.0, 1.0)
    low, high = bets.interval()
    return Estimate(found / max(bets.count, 1), low, high, found, bets.count)


def stratified(oracle: Oracle, boxes: Regions, n: int, *, level: float = 0.95, seed: int = 0,
               enough: Callable[[], bool] | None = None) -> Estimate:
    """Return the share of the space, from at most ``n`` draws from ``boxes`` that divide it.

    Half the draws go to boxes by their size, half by their size times the standard deviation in them, as far as it is known (Neyman
    1934). A draw counts as the share expected of all boxes, and what the box's answer is more or less than expected of it, in proportion to
    how rarely the box is drawn from; whatever was expected, the mean of that is the share.
    """
    rng = np.random.default_rng([seed, 9])
    size = (boxes.high - boxes.low + 1).astype(np.float64) / oracle.space.sizes
    weight = size.prod(axis=1)
    weight = weight / weight.sum()
    tests, finds = np.zeros(len(weight)), np.zeros(len(weight))
    bets, found = Betting(level, n), 0
    while bets.count < n and not (bets.count and (_narrow(bets) or (enough is not None and enough()))):
        overall = (finds.sum() + 0.5) / (tests.sum() + 1)
        expected = (finds + overall) / (tests + 1)
        ideal = weight * np.sqrt(expected * (1 - expected))
        chance = DEFENCE * weight + (1 - DEFENCE) * ideal / ideal.sum()
        count = min(_batch(bets.count), n - bets.count)
        at = rng.choice(len(weight), count, p=chance)
        hits = oracle.ask(_within(boxes, at, rng)).found
        rarely, usual = weight / chance, float(weight @ expected)
        bets.add(usual + rarely[at] * (hits - expected[at]), usual - float((rarely * expected).max()),
                 usual + float((rarely * (1 - expected)).max()))
        found += int(hits.sum())
        tests += np.bincount(at, minlength=len(weight))
        finds += np.bincount(at, weights=hits.astype(np.float64), minlength=len(weight))
    low, high = bets.interval()
    return Estimate(min(max(bets.total / max(bets.count, 1), low), high), low, high, found, bets.count)


def _batch(count: int) -> int:
    return max(BATCH, count // 2)


def _narrow(bets: Betting) -> bool:
    low, high = bets.interval()
    return high - low <= 2 * max(NARROW * 0.1, min(NARROW, WIDE * bets.total / bets.count))


def _within(boxes: Regions, at: Array, rng: np.random.Generator) -> Array:
    span = boxes.high[at] - boxes.low[at] + 1
    return np.asarray((boxes.low[at] + (rng.random(span.shape) * span).astype(np.int64)).astype(np.int16))
