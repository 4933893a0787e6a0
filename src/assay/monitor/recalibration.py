"""How far estimates were from what labels showed later, and the intervals that follow: conformal over windows, and adaptive.

``Calibration`` is the plain state of one metric: ``half`` says by how many standard errors an interval reaches to either side, ``taken``
learns from a window whose labels came, ``surprise`` says how strange one is. Pure; only :mod:`assay.monitor.guess` imports it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

__all__ = ["Calibration"]

MISS = 0.05        # of windows, whose realised value may lie outside
KEPT = 200         # windows that are remembered
PACE = 0.01        # by which a miss moves the level
ENOUGH = 19        # windows from which on a 95 % quantile of them exists
FEWEST = 10        # windows from which on one can be called strange
_NORMAL = float(special.ndtri(1 - MISS / 2))
_TAIL = 5          # degrees of freedom: windows have heavier tails than rows


@dataclass(frozen=True)
class Calibration:
    """What the windows that matured showed: ``scores`` are |realised - estimated| in standard errors, the last 200, oldest first.

    ``miss`` is the level that is aimed at now: lower after intervals that missed, higher after those that did not.

    >>> known = Calibration()
    >>> round(known.half, 2)
    1.96
    >>> for _ in range(40):
    ...     known = known.taken(3.0, missed=True)
    >>> known.half
    3.0
    """

    scores: tuple[float, ...] = ()
    miss: float = MISS

    @property
    def half(self) -> float:
        """By how many standard errors a 95 % interval reaches to either side.

        With S windows the ceil((S + 1)(1 - a))-th smallest score (split conformal: Papadopoulos et al. 2002; Vovk, Gammerman and Shafer
        2005), a moving with what was missed (Gibbs and Candes 2021). Where that is more than there are, the largest; with fewer than 19
        windows the normal quantile, or the largest score where that is more.
        """
        found = len(self.scores)
        if found < ENOUGH:
            return max(_NORMAL, max(self.scores, default=0.0))
        rank = math.ceil((found + 1) * (1 - self.miss) - 1e-9)
        return sorted(self.scores)[min(max(rank, 1), found) - 1]

    @property
    def spread(self) -> float:
        """By how much standard errors are too small, at least 1: what evidence takes them for."""
        return max(1.0, self.half / _NORMAL)

    @property
    def noise(self) -> float:
        """The standard deviation of windows about their estimates, in standard errors, at least 1: by the median, which few cannot move."""
        return max(1.0, float(np.median(self.scores)) / 0.6745) if self.scores else 1.0

    def taken(self, score: float, *, missed: bool) -> Calibration:
        """Return the calibration after a window: its score, and whether the interval that was given for it missed."""
        level = min(max(self.miss + PACE * (MISS - missed), 0.0), 0.5)
        return Calibration((*self.scores, float(f"{abs(score):.6g}"))[-KEPT:], level)

    def surprise(self, worse: float) -> float | None:
        """Return the p-value of labels that are ``worse`` than estimated by so many standard errors; None while too few are known.

        Student's t with five degrees of freedom, in units of what windows are used to.
        """
        if len(self.scores) < FEWEST:
            return None
        return float(special.stdtr(_TAIL, -worse / self.noise))

    def to_json(self) -> dict[str, Any]:
        return {"scores": list(self.scores), "miss": self.miss}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        return cls(tuple(map(float, data["scores"])), float(data["miss"]))
