"""How many blocks it takes to find a difference, by simulation of the whole experiment before anything is asked.

``blocks_needed`` searches for the number, ``chance`` says how often a number of blocks finds the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.probe.experiment.permutation import permuted

__all__ = ["RUNS", "Effect", "blocks_needed", "chance"]

Array = np.ndarray[Any, Any]

DRAWS, RUNS = 999, 1_000
LARGEST = 4_096


@dataclass(frozen=True)
class Effect:
    """What is to be found: the kind of number, what is usual, the difference, and the standard deviation where it is a ``number``.

    ``yes`` is a share of each unit's one answer; a ``count`` is Poisson, or, where ``spread`` is above the root of the mean, a negative
    binomial of that standard deviation.
    """

    kind: Literal["number", "yes", "count"]
    usual: float
    effect: float
    spread: float | None = None

    def drawn(self, treated: Array, runs: int, rng: np.random.Generator) -> Array:
        """Return outcomes (runs, units) of units with the treatments that are given."""
        mean = self.usual + self.effect * treated
        shape = (runs, len(treated))
        if self.kind == "yes":
            return np.asarray(rng.random(shape) < mean, np.float64)
        if self.kind == "number":
            return np.asarray(mean + (self.spread or 1.0) * rng.standard_normal(shape))
        more = (self.spread or 0.0) ** 2 - mean      # variance beyond Poisson's
        rate = np.broadcast_to(mean, shape)
        if self.spread is not None and (more > 1e-9).all():
            rate = rng.gamma(mean**2 / more, more / np.maximum(mean, 1e-12), shape)
        return np.asarray(rng.poisson(rate), np.float64)


def chance(effect: Effect, blocks: int, size: int, treatments: int = 2, *, alpha: float = 0.05, runs: int = RUNS, seed: int = 0) -> float:
    """Return how often the permutation test finds the effect in ``blocks`` of ``size`` units, two of the treatments compared.

    ``alpha`` is what is left of the level after correction. All runs share their other assignments, so that one product of matrices
    tests them all; the error of the share is at most 0.016 (one standard error, 1,000 runs).
    """
    rng = np.random.default_rng(seed)
    per = max(size // treatments, 1)
    labels, at = np.tile(np.repeat([1, 0], per), blocks), np.repeat(np.arange(blocks), 2 * per)
    y = effect.drawn(labels, runs, rng)
    y = (y.reshape(runs, blocks, -1) - y.reshape(runs, blocks, -1).mean(axis=2, keepdims=True)).reshape(runs, -1)
    observed = np.abs(y @ labels)
    draws = max(DRAWS, int(np.ceil(20 / alpha)) - 1)
    count = np.zeros(runs)
    for part in permuted(labels, at, draws, rng):
        count += (np.abs(y @ part.T.astype(np.float64)) >= observed[:, None] - 1e-9).sum(axis=1)
    return float(((1 + count) / (1 + draws) <= alpha).mean())


def blocks_needed(effect: Effect, size: int, treatments: int = 2, *, alpha: float = 0.05, at_least: float = 0.8, seed: int = 0,
                  most: int = LARGEST, tell: Callable[[int], None] | None = None) -> tuple[int | None, float]:
    """Return the least number of blocks with a chance of ``at_least``, and that chance; None where ``most`` are not enough.

    >>> blocks, _ = blocks_needed(Effect("number", 0.0, 2.0, 1.0), 2)
    >>> 6 <= blocks <= 10
    True
    """
    low, high, found = 1, 4, 0.0
    while (found := chance(effect, high, size, treatments, alpha=alpha, seed=seed)) < at_least:
        if high >= most:
            return None, found
        low, high = high, min(high * 2, most)
        if tell is not None:
            tell(high)
    while high - low > max(1, high // 50):     # nearer than two in a hundred the simulation cannot tell
        middle = (low + high) // 2
        now = chance(effect, middle, size, treatments, alpha=alpha, seed=seed)
        low, high, found = (low, middle, now) if now >= at_least else (middle, high, found)
    return high, found
