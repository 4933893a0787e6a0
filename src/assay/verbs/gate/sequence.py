"""Means with intervals that hold at every moment at once, however often somebody looks: what a canary is read by.

``betting`` is exact for bounded numbers (a bet against each mean, Waudby-Smith and Ramdas 2024), ``asymptotic`` serves any numbers
(Robbins' normal mixture), ``crossed`` says after which row a bet was won. Only verbs import it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Sequence", "asymptotic", "betting", "crossed", "rejected", "wealth"]

Array = np.ndarray[Any, Any]

_MOST = 0.49        # of a bet: numbers in [-1, 1] less a mean in [-1, 1] are never below -2, so that a bet never loses all
_STEPS = 32         # of bisection: an end is known to 2 / 2**32
_FEWEST = 100       # rows before which a normal approximation says nothing


@dataclass(frozen=True)
class Sequence:
    """The mean of ``n`` numbers and an interval that holds after every row, each end with probability 1 - ``alpha``.

    The interval is that of now, and always holds the mean: narrowed by those before it, it would be too narrow where the mean drifts.
    """

    n: int
    mean: float
    low: float
    high: float


def _bets(numbers: Array, alpha: float, target: int | None) -> Array:
    """Return the size of the bet before each row, from the rows before it alone.

    sqrt(2 ln(1/alpha) / (variance so far * t ln(1 + t))), at most 0.49; with ``target`` rows planned sqrt(2 ln(1/alpha) / (variance *
    target)), which is best there and valid everywhere.
    """
    t = np.arange(1, len(numbers) + 1, dtype=np.float64)
    mean = np.cumsum(numbers) / (t + 1)                                          # with one row of 0 before all
    variance = (0.05 + np.cumsum((numbers - mean) ** 2)) / (t + 1)
    known = np.concatenate(([0.05], variance[:-1]))
    spent = t * np.log1p(t) if target is None else np.maximum(t, float(target))  # beyond the plan bets go on, smaller
    return np.asarray(np.minimum(np.sqrt(2 * math.log(1 / alpha) / (np.maximum(known, 1e-8) * spent)), _MOST), np.float64)


def betting(numbers: Array, *, alpha: float = 0.05, target: int | None = None) -> Sequence:
    """Return the mean of numbers in [-1, 1], in the order in which they came, with an exact interval for any moment.

    The lower end is the greatest m against which a bet on a greater mean stands at 1 / alpha or more, that is the product of
    1 + bet * (x - m) (Ville 1939); the upper end the same of the negated numbers. Valid for any rule of when to look.

    >>> found = betting(np.tile([0.0, 0.0, 0.0, 1.0], 500))
    >>> found.mean, 0.2 < found.low < 0.25 < found.high < 0.3
    (0.25, True)
    """
    numbers = np.asarray(numbers, np.float64)
    if not len(numbers):
        return Sequence(0, math.nan, -1.0, 1.0)
    bets = _bets(numbers, alpha, target)
    mean = float(numbers.mean())
    return Sequence(len(numbers), mean, min(_end(numbers, bets, alpha), mean), max(-_end(-numbers, bets, alpha), mean))


def _end(numbers: Array, bets: Array, alpha: float) -> float:
    """Return the greatest mean that is rejected, by bisection: what is won falls with the mean that is bet against."""
    goal = -math.log(alpha)
    low, high = -1.0, 1.0
    if np.log1p(bets * (numbers - low)).sum() < goal:
        return -1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        won = np.log1p(bets * (numbers - middle)).sum() >= goal
        low, high = (middle, high) if won else (low, middle)
    return low


def crossed(numbers: Array, mean: float, *, alpha: float = 0.05, target: int | None = None) -> int | None:
    """Return after how many rows a bet on "the mean is above ``mean``" was won; None where it was not yet.

    >>> crossed(np.ones(100), 0.0), crossed(np.zeros(100), 0.0)
    (8, None)
    """
    numbers = np.asarray(numbers, np.float64)
    if not len(numbers):
        return None
    won = np.cumsum(np.log1p(_bets(numbers, alpha, target) * (numbers - mean))) >= -math.log(alpha)
    return int(np.argmax(won)) + 1 if won.any() else None


def wealth(numbers: Array, mean: float, *, alpha: float = 0.05, target: int | None = None) -> float:
    """Return the e-value against "the mean is at most ``mean``": what a bet of 1 has become by now (it may not be stopped in hindsight)."""
    numbers = np.asarray(numbers, np.float64)
    return float(np.exp(min(np.log1p(_bets(numbers, alpha, target) * (numbers - mean)).sum(), 700.0))) if len(numbers) else 1.0


def rejected(values: list[float], *, level: float = 0.05) -> list[bool]:
    """Return which of many hypotheses e-values reject, with a false share of at most ``level``, however they overlap.

    e-BH (Wang and Ramdas 2022): the k with the greatest e-values, k the greatest for which the k-th is at least (number) / (level k).

    >>> rejected([500.0, 3.0, 45.0])
    [True, False, True]
    """
    order = sorted(range(len(values)), key=lambda at: -values[at])
    k = max((place for place, at in enumerate(order, 1) if values[at] >= len(values) / (level * place)), default=0)
    kept = set(order[:k])
    return [at in kept for at in range(len(values))]


def asymptotic(numbers: Array, *, alpha: float = 0.05, target: int | None = None) -> Sequence:
    """Return the mean of any numbers with an interval for any moment, exact as the rows grow many; without an end before 100 rows.

    mean +- s sqrt(2 (n r + 1) / (n n r) ln(sqrt(n r + 1) / a)), with r = (2 ln(1/a) + ln(1 + 2 ln(1/a))) / target and a = 2 alpha:
    narrowest at ``target`` rows (1,000 where none are planned), valid at all (Robbins 1970; Waudby-Smith et al. 2024).

    >>> found = asymptotic(np.tile([0.0, 0.0, 0.0, 4.0], 500), target=2000)
    >>> found.mean, round(found.high - found.mean, 2)
    (1.0, 0.11)
    """
    numbers = np.asarray(numbers, np.float64)
    n = len(numbers)
    if n < _FEWEST:
        return Sequence(n, float(numbers.mean()) if n else math.nan, -math.inf, math.inf)
    log = -2 * math.log(2 * alpha)
    rho = (log + math.log1p(log)) / (target or 1_000)
    mean, wide = float(numbers.mean()), math.log(math.sqrt(n * rho + 1) / (2 * alpha))
    half = float(numbers.std()) * math.sqrt(2 * (n * rho + 1) / (n * n * rho) * wide)
    return Sequence(n, mean, mean - half, mean + half)
