"""Values to judge, and a judge that does nothing clever."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from scipy import stats

from assay.check.expression import Check
from assay.result import Spread, Value


def share(k: int, n: int, **key: str | int | None) -> Value:
    return Value.of("recall", Spread("binomial", k / n, n=n), n=n, slice=key)


def mean(number: float, error: float, n: int, **key: str | int | None) -> Value:
    return Value.of("mae", Spread("normal", number, error=error), n=n, slice=key)


def fact(number: float, n: int = 1000, **key: str | int | None) -> Value:
    return Value.of("missing", Spread("exact", number), n=n, slice=key)


@st.composite
def shares(draw: st.DrawFn) -> Value:
    n = draw(st.integers(1, 400))
    return share(draw(st.integers(0, n)), n, carrier=draw(st.integers(0, 99)))


@st.composite
def means(draw: st.DrawFn) -> Value:
    spread = Spread("normal", draw(st.floats(0.01, 0.99)), error=draw(st.sampled_from([0.0, 1e-3, 0.02, 0.1, 1.0])),
                    scale=draw(st.sampled_from(["identity", "logit", "log"])), df=draw(st.sampled_from([math.inf, 3.0, 40.0])))
    return Value.of("auc", spread, n=draw(st.integers(1, 5000)), slice={"carrier": draw(st.integers(0, 99))},
                    bound=draw(st.sampled_from([0.0, 0.0, 0.01])))


@st.composite
def others(draw: st.DrawFn) -> Value:
    n = draw(st.integers(0, 100))
    key: dict[str, str | int | float | bool | None] = draw(st.sampled_from([{}, {"carrier": "AA"}]))
    number = draw(st.sampled_from([0.2, 0.7, math.nan, math.inf, -math.inf]))
    return draw(st.sampled_from([
        Value.undefined("auc", "there are no positives", n=n, slice=key), Value.of("auc", Spread("exact", number), n=n, slice=key),
        Value.of("auc", Spread("normal", number, error=0.05), n=n, slice=key), Value("auc", number, None, None, n, key),
        Value("auc", number, number - 0.1, number + 0.2, n, key), Value.of("auc", Spread("normal", 0.7, error=math.nan), n=n, slice=key)]))


values = st.one_of(shares(), means(), others())


def naive(check: Check, found: Sequence[Value]) -> list[str]:
    """Verdicts on shares of independent rows, from scipy's tests and a textbook Holm; for bounds inside (0, 1)."""
    p = []
    for value in found:
        k = round((value.value or 0.0) * value.n)
        sides = [stats.binomtest(k, value.n, check.at_least.number, alternative="less").pvalue] if check.at_least else []
        sides += [stats.binomtest(k, value.n, check.at_most.number, alternative="greater").pvalue] if check.at_most else []
        p.append(min(1.0, min(sides) * len(sides)))
    family = sorted(index for index, value in enumerate(found) if value.n >= 5)
    failing, order = set(), sorted(family, key=lambda index: p[index])
    for place, index in enumerate(order):
        if p[index] * (len(order) - place) >= 0.025:
            break
        failing.add(index)
    outcomes = []
    for index, value in enumerate(found):
        passing = _inside(check, value.n)
        best, inside = passing.any(), passing[round((value.value or 0.0) * value.n)]
        worst = any(_fails(check, k, value.n) for k in (0, value.n))
        outcomes.append("too small" if value.n < 5 else "fail" if index in failing else "pass" if inside
                        else "inconclusive" if best or worst else "too small")
    return outcomes


def _inside(check: Check, n: int) -> np.ndarray:
    """Return for each count of successes whether Jeffreys' interval lies within the bounds."""
    k = np.arange(n + 1)
    low, high = stats.beta.ppf([[0.025], [0.975]], k + 0.5, n - k + 0.5)
    low[0], high[-1] = 0.0, 1.0
    return np.asarray((low >= (check.at_least.number if check.at_least else 0)) & (high <= (check.at_most.number if check.at_most else 1)))


def _fails(check: Check, k: int, n: int) -> bool:
    sides = [stats.binom.cdf(k, n, check.at_least.number)] if check.at_least else []
    sides += [stats.binom.sf(k - 1, n, check.at_most.number)] if check.at_most else []
    return bool(min(sides) * len(sides) < 0.025)


def power(bound: float, truth: float, n: int, slices: int = 1) -> tuple[float, float, float]:
    """Return how often a check "at least ``bound``" passes, fails, and stays open, summed over every outcome of ``n`` rows.

    With ``slices``, it is the worst of so many: it fails when its p-value times their number is small enough.
    """
    k = np.arange(n + 1)
    chance = stats.binom.pmf(k, n, truth)
    passes = stats.beta.ppf(0.025, k + 0.5, n - k + 0.5) >= bound
    fails = stats.binom.cdf(k, n, bound) * slices < 0.025
    return float(chance[passes].sum()), float(chance[fails].sum()), float(chance[~passes & ~fails].sum())
