"""Is the model worse than was promised? Evidence from realised performance that may be looked at after every window, for ever.

``step(state, promises, budget) -> (state, Harm)`` accumulates evidence against promises (checks on labelled windows) until it pays for a
page; ``sequence(...)`` is an interval for the performance so far that holds at all times at once. Pure functions of values; labels may
come late and in parts, because whoever calls recomputes a window from its rows and steps again from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.result import Value

__all__ = ["Harm", "Promise", "Standing", "e_value", "promises", "sequence", "standing", "step"]

Standing = Mapping[str, Sequence[Sequence[float]]]  # of each broken promise, [gap, rows] of the last windows judged since it paged

_AGAIN = 7     # windows that together must keep a promise again before its harm is over
_MOST = 690.0  # of a logarithm, so that its exponential is finite


@dataclass(frozen=True)
class Promise:
    """What was promised and what one window says of it: ``key`` names the stream, ``p`` is the p-value of "it is kept".

    ``sentence`` tells the value beside its bound; ``value`` is the value, ``gap`` by how much it is better than the bound.
    """

    key: str
    p: float
    sentence: str
    value: Value | None = None
    gap: float = 0.0


@dataclass(frozen=True)
class Harm:
    """What the evidence amounts to after a window: ``page`` where it reaches ``cost``, with the promises that carry it, worst first."""

    evidence: float
    cost: float
    page: bool
    broken: tuple[Promise, ...] = field(default=())


def e_value(p: float) -> float:
    """Return the e-value of a p-value by the mixture calibrator (Vovk and Wang 2021): (1 - p + p ln p) / (p ln(p)^2).

    Its expectation is at most 1 where p is uniform or larger, with nothing to choose; it is 1/2 at p = 1.

    >>> [round(e_value(p), 1) for p in (1, 0.5, 1e-3, 1e-6)]
    [0.5, 0.6, 20.8, 5239.1]
    """
    p = min(max(p, 1e-300), 1.0)
    log = math.log(p)
    if abs(log) < 1e-4:  # the quotient of what vanishes: its series
        return 0.5 - log / 6
    return (1 - p + p * log) / (p * log * log)


def step(state: Mapping[str, float], promises: Iterable[Promise], cost: float) -> tuple[dict[str, float], Harm]:
    """Return the state after a window, and what the evidence amounts to.

    ``state`` holds the logarithm of the Shiryaev-Roberts e-detector of each promise, ``M <- e (M + 1)`` (Shin, Ramdas and Rinaldo 2022);
    promises without a label in this window stay as they are. The evidence is the mean of all detectors, which is a detector again under
    any dependence between them; it pages at ``cost``, one over the false pages allowed per window: while every promise is kept, the
    expected number of false pages in any time is at most that time over ``cost``. After a page all start from nothing.

    >>> kept = step({}, [Promise("auc", 0.4, "auc is 0.71")], cost=30)
    >>> round(kept[1].evidence, 2), kept[1].page
    (0.7, False)
    >>> step(kept[0], [Promise("auc", 1e-5, "auc is 0.52")], cost=30)[1].page
    True
    """
    logs = dict(state)
    now = {each.key: each for each in promises}
    for key, each in now.items():
        logs[key] = min(math.log(e_value(each.p)) + _log_plus_one(logs.get(key, -math.inf)), _MOST)
    held = [math.exp(each) for each in logs.values()]
    evidence = sum(held) / len(held) if held else 0.0
    page = evidence >= cost
    carriers = (each for key, each in now.items() if each.p < 0.5 and math.exp(logs[key]) >= evidence)
    carried = sorted(carriers, key=lambda each: -logs[each.key])
    return ({} if page else logs), Harm(evidence, cost, page, tuple(carried))


def _log_plus_one(log: float) -> float:
    return math.log1p(math.exp(log)) if log < _MOST else log


def sequence(numbers: Sequence[float], errors: Sequence[float], rows: Sequence[float], *,
             level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean performance of windows so far, by rows, and an interval that holds at all times at once.

    ``numbers`` are the windows' values, ``errors`` their standard errors, ``rows`` their rows. Robbins' normal mixture: with S the sum of
    rows times errors of the values and V its variance, |S| <= sqrt((V + r) 2 ln(sqrt(V / r + 1) / (1 - level))) at every time, with r
    chosen so that it is tightest about now (Robbins 1970; Waudby-Smith et al. 2024 for estimated variances). Empty input: NaN.

    >>> mean, low, high = sequence([0.71, 0.69, 0.70], [0.01, 0.01, 0.01], [900, 950, 920])
    >>> round(mean, 3), low < 0.69 < 0.71 < high
    (0.7, True)
    """
    total = math.fsum(rows)
    if not total > 0:
        return math.nan, math.nan, math.nan
    mean = math.fsum(number * n for number, n in zip(numbers, rows, strict=True)) / total
    variances = [(n * error) ** 2 for n, error in zip(rows, errors, strict=True)]
    variance, alpha = math.fsum(variances), 1 - level
    # tightest where V / r is about this; r must not look at the data, so it is that of ten windows like the first
    ratio = 2 * math.log(1 / alpha) + math.log(1 + 2 * math.log(1 / alpha))
    r = 10 * max(variances[0], 1e-300) / ratio
    half = math.sqrt((variance + r) * 2 * math.log(math.sqrt(variance / r + 1) / alpha)) / total
    return mean, mean - half, mean + half


def promises(check: Any, verdicts: Iterable[Any]) -> list[Promise]:
    """Return the promises that the verdicts of a check on one window hold, slice by slice; what could not be measured says nothing.

    The p-value is that of the value alone, uncorrected: the mean over promises pays for their number.
    """
    found = []
    for each in verdicts:
        value = each.value
        if value is None or value.spread is None or value.value is None or value.spread.kind == "exact":
            continue
        sides, gaps = [], []
        if check.at_least is not None and each.threshold is not None:
            sides.append(value.spread.p_at_least(each.threshold - value.bound))
            gaps.append(value.value - each.threshold)
        if check.at_most is not None and each.threshold is not None:
            sides.append(value.spread.p_at_most(each.threshold + value.bound))
            gaps.append(each.threshold - value.value)
        if sides:
            key = f"{each.check}\0{sorted((str(name), str(part)) for name, part in each.slice.items())}"
            found.append(Promise(key, min(1.0, len(sides) * min(sides)), each.sentence, value, min(gaps)))
    return found


def standing(state: Standing, promises: Iterable[Promise], broken: Iterable[str] = ()) -> dict[str, list[list[float]]]:
    """Return the harm that stands after a window: promises that paged and are not yet kept again.

    ``broken`` are the keys that page now. A promise is kept again where its last seven judged windows together, by rows, meet the bound: a
    few good days do not close what was never mended, to page anew for it, nor does one bad day among good ones keep an incident open.

    >>> bad, good = Promise("auc", 0.01, "auc is 0.6", gap=-0.1), Promise("auc", 0.9, "auc is 0.8", gap=0.1)
    >>> state = standing({}, [bad], ["auc"])
    >>> for _ in range(6):
    ...     state = standing(state, [good])
    >>> list(state), list(standing(state, [good]))
    (['auc'], [])
    """
    after = {key: [list(each) for each in some] for key, some in state.items()}
    for each in promises:
        if each.key in after:
            after[each.key] = [*after[each.key], [each.gap, float(each.value.n) if each.value else 1.0]][-_AGAIN:]
    for key in broken:
        after.setdefault(key, [])
    return {key: some for key, some in after.items() if len(some) < _AGAIN or math.fsum(gap * n for gap, n in some) < 0}
