"""What the rows that the search did not see say of its boxes: differences with their errors, p-values, and which of them stand.

``Judged`` compares rows inside a box with rows outside, ``standing`` decides how many of several questions are answered by chance. Only
``segment/segment.py`` uses it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.result import Spread

__all__ = ["Control", "Judge", "Judged", "standing"]

Array = np.ndarray[Any, Any]
Control = Literal["fdr", "fwer"]


def standing(p: Sequence[float], control: Control = "fdr") -> list[float]:
    """Return p-values adjusted for their number: by the step-up of Benjamini and Hochberg (1995), or the step-down of Holm (1979).

    Of those at most q, a share q at most is false on average (``fdr``); or none is, but for a chance of q (``fwer``).

    >>> standing([0.01, 0.04, 0.03]), standing([0.01, 0.04, 0.03], "fwer")
    ([0.03, 0.04, 0.04], [0.03, 0.06, 0.06])
    """
    many = len(p)
    order = np.argsort(np.asarray(p), kind="stable")
    ranked = np.asarray(p, np.float64)[order]
    if control == "fdr":
        made = np.minimum.accumulate((ranked * many / np.arange(1, many + 1))[::-1])[::-1]
    else:
        made = np.maximum.accumulate(ranked * (many - np.arange(many)))
    found = np.empty(many)
    found[order] = np.minimum(made, 1.0)
    return [round(float(each), 15) for each in found]


@dataclass(frozen=True)
class Judged:
    """What rows inside and outside show, the difference between them (inside less outside; of shares the ratio), and its p-value."""

    inside: Spread
    outside: Spread
    difference: Spread
    p: float


@dataclass(frozen=True, eq=False)
class Judge:
    """Rows to judge by: a number each (None: which side they are on is what is counted), side, weight, and entity as a code.

    ``sign`` is 1 where more is looked for and -1 where less is; ``tolerance`` what is not worth telling (of shares, of the ratio).
    """

    value: Array | None
    side: Array | None
    weight: Array | None
    entity: Array | None
    sign: int
    tolerance: float

    def judged(self, inside: Array, outside: Array) -> Judged:
        """Return how the rows ``inside`` differ from those ``outside``; both are masks."""
        if self.value is None:
            return self._shares(inside, outside)
        if self.side is not None:
            return self._gaps(inside, outside)
        return self._means(inside, outside)

    def _means(self, inside: Array, outside: Array) -> Judged:
        assert self.value is not None
        (here, pull_here), (there, pull_there) = self._mean(inside), self._mean(outside)
        plain = self.weight is None and self.entity is None
        binary = bool(np.isin(self.value, (0.0, 1.0)).all())
        gap = here - there
        if binary and plain:   # Agresti and Caffo (2000): a mean of none or all has an error too
            error = math.hypot(_caffo(here, int(inside.sum())), _caffo(there, int(outside.sum())))
            df = math.inf
        else:
            error, df = self._error([(inside, pull_here), (outside, -pull_there)], inside)
        limit = 1.0 if binary else math.inf
        difference = Spread("normal", gap, error=error, df=df, low_limit=-limit, high_limit=limit)
        p = self._p(difference, self.tolerance * self.sign)
        if binary and plain:
            n, bound = float(inside.sum()), there + self.sign * self.tolerance
            exact = Spread("binomial", here, n=n)
            p = max(p, exact.p_at_most(bound) if self.sign > 0 else exact.p_at_least(bound))
        return Judged(self._spread(inside, here, pull_here, binary), self._spread(outside, there, pull_there, binary), difference, p)

    def _gaps(self, inside: Array, outside: Array) -> Judged:
        assert self.side is not None
        parts, gaps, pulls = [], [], []
        for mask in (inside, outside):
            first, second = mask & (self.side == 0), mask & (self.side == 1)
            (one, pull_one), (two, pull_two) = self._mean(first), self._mean(second)
            gaps.append(one - two)
            pulls.append([(first, pull_one), (second, -pull_two)])
            error, df = self._error(pulls[-1], mask)
            parts.append(Spread("normal", one - two, error=error, df=df))
        both = [*pulls[0], *((mask, -pull) for mask, pull in pulls[1])]
        error, df = self._error(both, inside)
        difference = Spread("normal", gaps[0] - gaps[1], error=error, df=df)
        return Judged(parts[0], parts[1], difference, self._p(difference, self.tolerance * self.sign))

    def _shares(self, inside: Array, outside: Array) -> Judged:
        assert self.side is not None
        shares, pulls, parts = [], [], []
        for side, sign in ((0, 1.0), (1, -1.0)):
            mask = (inside | outside) & (self.side == side)
            weight = np.ones(int(mask.sum())) if self.weight is None else self.weight[mask]
            there = inside[mask].astype(np.float64)
            total = float(weight.sum())
            share = (float(weight @ there) + 0.5 * float(weight.mean() if len(weight) else 1)) / (total + float(weight.mean()))
            pull = weight * (there - share) / total
            shares.append(share)
            pulls.append((mask, sign * pull / share))
            parts.append(self._spread(mask, share, pull, True))
        error, df = self._error(pulls, inside)
        ratio = Spread("normal", shares[0] / shares[1], error=error, df=df, scale="log", low_limit=0.0)
        bound = (1 + self.tolerance) ** self.sign
        return Judged(parts[0], parts[1], ratio, self._p(ratio, bound))

    def _p(self, spread: Spread, bound: float) -> float:
        return spread.p_at_most(bound) if self.sign > 0 else spread.p_at_least(bound)

    def _mean(self, mask: Array) -> tuple[float, Array]:
        """Return the mean of some rows, and how far each pulls it."""
        assert self.value is not None
        value = self.value[mask]
        weight = np.ones(len(value)) if self.weight is None else self.weight[mask]
        total = float(weight.sum())
        mean = float(weight @ value) / total if total > 0 else math.nan
        return mean, weight * (value - mean) / total

    def _error(self, pulls: Sequence[tuple[Array, Array]], inside: Array) -> tuple[float, float]:
        """Return the standard error of a sum of pulls of rows, entity by entity, and its degrees of freedom: those of the rows inside."""
        if self.entity is None:
            total = sum(float(pull @ pull) * len(pull) / max(len(pull) - 1, 1) for _, pull in pulls)
            return math.sqrt(total), max(float(inside.sum()) - 1, 1.0)
        codes = np.concatenate([self.entity[mask] for mask, _ in pulls])
        sums = np.bincount(codes, np.concatenate([pull for _, pull in pulls]))
        many = len(np.unique(codes))
        here = len(np.unique(self.entity[inside]))
        return math.sqrt(float(sums @ sums) * many / max(many - 1, 1)), max(here - 1.0, 1.0)

    def _spread(self, mask: Array, mean: float, pull: Array, binary: bool) -> Spread:
        error, df = self._error([(mask, pull)], mask)
        if not binary:
            return Spread("normal", mean, error=error, df=df)
        n = float(mask.sum())
        if (self.entity is not None or self.weight is not None) and error > 0:
            n = min(mean * (1 - mean) / error**2, n)
            return Spread("binomial", mean, n=n, df=df)
        return Spread("binomial", mean, n=n)


def _caffo(mean: float, n: int) -> float:
    """Return the standard error of a share with one success and one failure more."""
    share = (mean * n + 1) / (n + 2)
    return math.sqrt(share * (1 - share) / (n + 2))
