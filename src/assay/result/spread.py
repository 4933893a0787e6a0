"""How uncertain a number is.

``Spread`` gives an interval and a p-value at any level; ``intervals`` those of many at once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.result.plain import restored, whole
from assay.result.term import LEVEL

__all__ = ["Spread", "intervals"]

@dataclass(frozen=True)
class Spread:
    """How uncertain a number is: enough to give an interval and a p-value at any level, and to survive JSON.

    ``kind`` is one of

    - ``"exact"``: a fact about these rows, not an estimate (a null share of a delivered file): no interval;
    - ``"binomial"``: a share ``estimate`` of ``n`` independent rows (``n`` may be an effective, fractional number).
      Intervals are Jeffreys' (Brown, Cai, DasGupta 2001), p-values exact (Clopper and Pearson 1934);
    - ``"normal"``: ``g(estimate)`` is Student-t with ``error`` and ``df`` around the truth, where ``g`` is ``scale``:
      ``identity``, ``log``, ``logit``, ``atanh`` or ``square`` (of a distance that is a root).

    ``df`` is infinite for independent rows and the number of groups less one where errors came from groups of entities.
    """

    kind: Literal["exact", "binomial", "normal"]
    estimate: float
    n: float = 0.0
    error: float = 0.0
    scale: Literal["identity", "log", "logit", "atanh", "square"] = "identity"
    df: float = math.inf
    low_limit: float = -math.inf
    high_limit: float = math.inf

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the two-sided interval at ``level``.

        >>> low, high = Spread("binomial", 0.9, n=200).interval()
        >>> round(low, 3), round(high, 3)
        (0.853, 0.936)
        """
        if self.kind == "exact" or math.isnan(self.estimate):
            return self.estimate, self.estimate
        tail = (1 - level) / 2
        if self.kind == "binomial":
            from scipy import special

            n = self._binomial_n(tail)
            k = min(max(self.estimate, 0.0), 1.0) * n
            low = 0.0 if k <= 0 else float(special.betaincinv(k + 0.5, n - k + 0.5, tail))
            high = 1.0 if k >= n else float(special.betaincinv(k + 0.5, n - k + 0.5, 1 - tail))
            return low, high
        if self.error == 0:
            return self.estimate, self.estimate
        half = _quantile(1 - tail, self.df) * self.error
        centre = _SCALES[self.scale][0](self.estimate)
        back = _SCALES[self.scale][1]
        # the estimate is inside even where the scale rounds it away, at the edge of what is possible
        low, high = max(back(centre - half), self.low_limit), min(back(centre + half), self.high_limit)
        return min(low, self.estimate), max(high, self.estimate)

    def p_at_least(self, bound: float) -> float:
        """Return the p-value of "the truth is at least ``bound``": small when the estimate lies well below it.

        >>> round(Spread("binomial", 0.9, n=200).p_at_least(0.95), 4)
        0.0027
        """
        return self._tail(bound, below=True)

    def p_at_most(self, bound: float) -> float:
        """Return the p-value of "the truth is at most ``bound``": small when the estimate lies well above it."""
        return self._tail(bound, below=False)

    def _binomial_n(self, tail: float) -> float:
        # Few groups estimate their design effect badly: widen by the ratio of the quantiles (Korn and Graubard 1998).
        if math.isinf(self.df):
            return self.n
        return self.n * (_quantile(1 - tail, math.inf) / _quantile(1 - tail, self.df)) ** 2

    def _tail(self, bound: float, *, below: bool) -> float:
        if math.isnan(self.estimate) or math.isnan(bound):
            return 1.0
        inside = self.estimate < bound if below else self.estimate > bound
        if self.kind == "exact" or (self.kind == "normal" and self.error == 0):
            return 0.0 if inside else 1.0
        if self.kind == "binomial":
            from scipy import special

            n = self._binomial_n(0.025)
            k = self.estimate * n
            if not 0 < bound < 1:  # a share cannot lie outside: certain either way
                return 0.0 if inside else 1.0
            if below:  # P(X <= k | bound) = I_{1-bound}(n - k, k + 1)
                return 1.0 if k >= n else float(special.betainc(n - k, k + 1, 1 - bound))
            return 1.0 if k <= 0 else float(special.betainc(k, n - k + 1, bound))
        least = max(self.low_limit, 0.0) if self.scale == "square" else self.low_limit
        if bound < least or bound > self.high_limit:  # on a limit the truth may be, although no estimate passes it
            return 0.0 if inside else 1.0
        forward = _SCALES[self.scale][0]
        t = (forward(self.estimate) - forward(bound)) / self.error
        return _cdf(t if below else -t, self.df)

    def rows_factor(self, bound: float, level: float = LEVEL) -> float:
        """Return by what factor the rows must grow for ``bound`` to leave the interval, were the estimate the truth.

        1 or less: it is out already. Infinite: the estimate sits on the bound.
        """
        if self.kind == "exact":
            return 0.0
        z = _quantile((1 + level) / 2, self.df)
        if self.kind == "binomial":
            gap = self.estimate - bound
            # the interval excludes a bound about when the score test does, which has the variance at the bound (Wilson 1927)
            spread = bound * (1 - bound) if 0 < bound < 1 else self.estimate * (1 - self.estimate)
            return math.inf if gap == 0 or self.n <= 0 else z * z * spread / (gap * gap) / self.n
        if bound < self.low_limit or bound > self.high_limit or self.error == 0:
            return 0.0
        forward = _SCALES[self.scale][0]
        gap = forward(self.estimate) - forward(bound)
        return math.inf if gap == 0 else (z * self.error / gap) ** 2

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in whole(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spread:
        # JSON has neither NaN nor infinity: what is missing was one of them, and an error must not come back as certainty
        lost = {"estimate": math.nan, "error": math.inf, "df": math.inf, "low_limit": -math.inf, "high_limit": math.inf}
        return cls(**{**lost, **restored(cls, data)})


def intervals(spreads: Sequence[Spread | None], level: float = LEVEL) -> list[tuple[float, float]]:
    """Return the interval of each spread, all shares at once; NaN for None.

    >>> intervals([Spread("binomial", 0.9, n=200), None])[0] == Spread("binomial", 0.9, n=200).interval()
    True
    """
    tail = (1 - level) / 2
    shares = [place for place, each in enumerate(spreads) if each is not None and each.kind == "binomial" and math.isfinite(each.estimate)]
    found = [(math.nan, math.nan)] * len(spreads)
    if len(shares) > 1:
        import numpy as np
        from scipy import special

        some = [each for place in shares if (each := spreads[place]) is not None]
        n = np.array([each._binomial_n(tail) for each in some])
        k = np.clip([each.estimate for each in some], 0.0, 1.0) * n
        low = np.where(k <= 0, 0.0, special.betaincinv(k + 0.5, n - k + 0.5, tail))
        high = np.where(k >= n, 1.0, special.betaincinv(k + 0.5, n - k + 0.5, 1 - tail))
        for place, ends in zip(shares, zip(low.tolist(), high.tolist(), strict=True), strict=True):
            found[place] = ends
    done = set(shares) if len(shares) > 1 else set()
    for place, spread in enumerate(spreads):
        if spread is not None and place not in done:
            found[place] = spread.interval(level)
    return found


def _logit(p: float) -> float:
    p = min(max(p, 1e-15), 1 - 1e-15)
    return math.log(p / (1 - p))


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0))


_SCALES: dict[str, tuple[Any, Any]] = {
    "identity": (float, float),
    "log": (lambda x: math.log(max(x, 1e-300)), _exp),
    "logit": (_logit, _expit),
    "square": (lambda x: x * x, lambda x: math.sqrt(max(x, 0.0))),
    "atanh": (lambda x: math.atanh(min(max(x, -1 + 1e-15), 1 - 1e-15)), math.tanh),
}


@functools.lru_cache(maxsize=1024)
def _quantile(p: float, df: float) -> float:
    if math.isinf(df) and 0 < p < 1:  # most intervals; importing scipy for it would cost each process a tenth of a second
        from statistics import NormalDist

        return NormalDist().inv_cdf(p)
    from scipy import special

    return float(special.ndtri(p) if math.isinf(df) else special.stdtrit(max(df, 1.0), p))


def _cdf(t: float, df: float) -> float:
    if math.isinf(df):
        return math.erfc(-t / math.sqrt(2)) / 2
    if df >= 1000:  # Hill 1970 (algorithm 395): a relative error of 1e-13 within 8 deviations, 6e-8 within 37
        a = df - 0.5
        b, y = 48 * a * a, a * math.log1p(t * t / df)
        z = (((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b + 1) * math.sqrt(y)
        return math.erfc(-math.copysign(z, t) / math.sqrt(2)) / 2
    from scipy import special

    return float(special.stdtr(max(df, 1.0), t))
