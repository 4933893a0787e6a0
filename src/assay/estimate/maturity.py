"""Estimates put right by windows whose labels have come: by how much labels were off, and how much more than was said.

``Maturity.add(estimate, real)`` scores an estimate once its labels are there, ``Maturity.renewed(estimate)`` returns a later one with the
lean and the spread of those scores. What no method can see without labels, such as a slow change of what labels follow, shows here late.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from assay.estimate.doubly_robust import Estimate
from assay.estimate.performance import LIMITS

__all__ = ["Maturity"]

PRIOR = 20     # windows that "estimates are right, and as sure as they say" is worth


@dataclass
class Maturity:
    """Scores of one metric's estimates: (what labels showed - what was estimated) / the standard deviation that was said.

    They are taken for normal with a mean and a variance of their own, before any labels 0 and 1, which counts as ``prior`` windows (the
    normal and inverse gamma prior; Gelman and others, Bayesian Data Analysis, section 3.3). The next score lies where a Student t says.

    >>> made = Estimate("accuracy", 0.80, 0.78, 0.82, 0.01, 0.0, 0.80, 900.0, 2000)
    >>> matured = Maturity()
    >>> for _ in range(60):
    ...     _ = matured.add(made, 0.82)
    >>> later = matured.renewed(made)
    >>> round(later.value, 3), bool(later.low < 0.82 < later.high), Maturity().renewed(made).value
    (0.815, True, 0.8)
    """

    prior: float = PRIOR
    scores: list[float] = field(default_factory=list)

    def add(self, made: Estimate, real: float) -> float:
        """Score an estimate by what its labels showed; returns the score, NaN (and not kept) where there was no estimate."""
        score = (real - made.value) / made.total if made.total > 0 else math.nan
        if math.isfinite(score):
            self.scores.append(score)
        return score

    @property
    def lean(self) -> float:
        """The mean of scores to be expected: above 0 where estimates are too low."""
        return float(np.sum(self.scores)) / (len(self.scores) + self.prior)

    @property
    def spread(self) -> float:
        """Their standard deviation around it: 1 where intervals are as wide as they should be."""
        n = len(self.scores)
        mean = float(np.mean(self.scores)) if n else 0.0
        squares = float(np.sum(np.square(np.asarray(self.scores) - mean))) + self.prior * n / (n + self.prior) * mean**2
        return math.sqrt((self.prior + squares) / (self.prior + n))

    def renewed(self, made: Estimate) -> Estimate:
        """Return the estimate moved by the lean, with an interval for the next score; as it was where nothing has matured."""
        n = len(self.scores)
        if not n or not math.isfinite(made.value):
            return made
        low, high = LIMITS.get(made.metric, (0.0, math.inf))
        value = min(max(made.value + self.lean * made.total, low), high)
        wide = self.spread * math.sqrt(1 + 1 / (n + self.prior)) * made.total
        half = float(special.stdtrit(n + self.prior, (1 + made.level) / 2)) * wide
        error = math.sqrt(max(wide**2 - made.noise**2, 0.0))
        return dataclasses.replace(made, value=value, low=max(value - half, low), high=min(value + half, high), error=error)
