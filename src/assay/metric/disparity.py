"""How differently a metric comes out for different groups: a combinator over the values of any metric by slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from assay.errors import ConfigError
from assay.metric.metric import _df, _error
from assay.result import FEWEST_SHOWN, LEVEL, Spread, Value

__all__ = ["disparity"]

MOST = 5   # groups of few rows that are named


def disparity(values: Sequence[Value], *, compare: Literal["ratio", "difference"] = "ratio", smallest: int = 30) -> Value:
    """Return the least ratio or the greatest difference between two of the groups' values.

    ``ratio`` is the least value over the greatest, 1 at parity (the four-fifths rule asks for 0.8); ``difference`` the greatest
    less the least, 0 at parity. Of groups under ``smallest`` rows the note says *inconclusive*. With two groups the interval
    is that of a log ratio or a difference of independent estimates. With more, the extreme pair was chosen because it is
    extreme, so chance alone sets it apart: its error is widened to that of the best of all pairs (Bonferroni), which covers at
    least as often as the level says. The number itself stays that of the extreme pair.

    >>> groups = [Value.of("selection_rate", Spread("binomial", p, n=500), n=500, slice={"sex": name})
    ...           for name, p in (("f", 0.3), ("m", 0.4))]
    >>> found = disparity(groups)
    >>> round(found.value, 3), found.low < 0.8 < found.high
    (0.75, True)
    """
    if compare not in ("ratio", "difference"):
        raise ConfigError(f"groups cannot be compared by '{compare}'", expected="ratio or difference")
    if not values:
        raise ConfigError("there are no groups to compare")
    metric = f"{values[0].metric} {compare}"
    known = [each for each in values if each.value is not None and each.n >= smallest]
    left = [each for each in values if each.value is None or each.n < smallest]
    rows = sum(each.n for each in known)
    better = "nearer 1" if compare == "ratio" else "nearer 0"
    fields = {"model": values[0].model, "better": better, "level": values[0].level}
    few = f"inconclusive for {_listed(left)}" if left else ""
    if len(known) < 2:
        return Value.undefined(metric, f"fewer than two groups have {smallest} rows and a value{few and f'; {few}'}", n=rows, **fields)
    low = min(known, key=lambda each: each.value if each.value is not None else math.inf)
    high = max(known, key=lambda each: each.value if each.value is not None else -math.inf)
    assert low.value is not None
    assert high.value is not None
    pairs, df = len(known) * (len(known) - 1) / 2, min(_df(low), _df(high))
    from scipy import special  # a tenth of a second that most runs do without

    widened = float(special.ndtri(1 - (1 - LEVEL) / 2 / pairs) / special.ndtri((1 + LEVEL) / 2))
    if compare == "difference":
        error = math.hypot(_error(low), _error(high)) * widened
        spread = Spread("normal", high.value - low.value, n=float(rows), error=error, df=df, low_limit=0.0)
    else:
        if high.value <= 0 or low.value < 0:
            return Value.undefined(metric, "a ratio needs values above 0", n=rows, **fields)
        # a group without a hit has a ratio of 0, whose logarithm is none: as if half a row had been one, centre and error (Haldane 1956)
        floor = max(low.value, 0.5 / max(low.n, 1)) if low.value <= high.value else high.value
        ratio = min(floor / high.value, 1.0)
        error = math.hypot(_relative(low, floor), _relative(high, high.value)) * widened
        spread = Spread("normal", ratio, n=float(rows), error=error, scale="log", df=df, low_limit=0.0, high_limit=1.0)
    text = f"{_named(low)} against {_named(high)}" + (few and f"; {few}")
    found = Value.of(metric, spread, n=rows, note=text, method="log ratio" if compare == "ratio" else "difference", **fields)
    return found.replace(value=0.0, low=0.0) if compare == "ratio" and low.value == 0 else found


def _relative(value: Value, floor: float) -> float:
    """Return the standard error of the logarithm of a group's value, of a share with half a hit and half a miss added."""
    spread = value.spread
    if spread is not None and spread.kind == "binomial":
        p = (spread.estimate * spread.n + 0.5) / (spread.n + 1)
        return math.sqrt((1 - p) / (spread.n * p))
    return _error(value) / floor


def _listed(some: Sequence[Value]) -> str:
    """Return groups with their rows, the largest first; of many the first and how many more."""
    ordered = sorted(some, key=lambda each: -each.n)
    told = [f"{_named(each)} ({each.n:,} rows)" if each.n >= FEWEST_SHOWN else f"{_named(each)} (under {FEWEST_SHOWN} rows)"
            for each in ordered[:MOST]]
    return ", ".join(told) + (f" and {len(some) - MOST:,} more" if len(some) > MOST else "")


def _named(value: Value) -> str:
    return ", ".join(f"{name}={part}" for name, part in value.slice.items()) or "all rows"
