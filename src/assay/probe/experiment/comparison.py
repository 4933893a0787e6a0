"""What the log of an experiment proves: each outcome of each treatment compared with the one it is measured against.

``comparisons(design, plan, seen)`` gives p-values that are not yet corrected for their number; ``least(design, plan)`` is the smallest that
the lots allow. ``Comparison`` holds what is told of one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.experiment.design import ANSWERED, Design, Outcome, Plan
from assay.probe.experiment.log import Observation
from assay.probe.experiment.permutation import DRAWS, MOST, Null, assignments, combined, interval, null, stepdown
from assay.probe.experiment.statistic import Contrast, CrossFit, Difference, counted, ranked

__all__ = ["Comparison", "Feature", "comparisons", "least"]

Array = np.ndarray[Any, Any]

FEATURES = 10           # that are told


@dataclass(frozen=True)
class Feature:
    """How often an item or word was seen by the units of two treatments, how many saw it, and the adjusted p-value of the difference."""

    name: str
    count: tuple[int, int]
    units: tuple[int, int]
    p: float


@dataclass(frozen=True)
class Comparison:
    """One outcome of two treatments; ``means``, their standard ``errors`` and ``units`` are of the treatment and of the one it is against.

    ``difference`` and its ends are in the unit of the outcome, of a ``classifier`` the share that it tells right (1/2 is chance).
    """

    outcome: Outcome
    treatment: str
    against: str
    p: float
    exact: bool
    draws: int
    units: tuple[int, int]
    means: tuple[float, float] = (math.nan, math.nan)
    errors: tuple[float, float] = (math.nan, math.nan)
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    accuracy: tuple[float, float, float] | None = None
    features: tuple[Feature, ...] = ()
    blocks: int = 0


def _pairs(design: Design) -> list[str]:
    return [each.name for each in design.treatments if each.name != design.against]


def _lots(plan: Plan, treatment: str, against: str) -> tuple[list[int], Array, Array]:
    """Return the units of two treatments, their labels (1: the treatment) and their blocks; blocks with one of the two only left out."""
    both = {block: {unit.treatment for unit in units} for block, units in enumerate(plan.blocks)}
    picked = [unit for unit in plan.units if unit.treatment in (treatment, against) and both[unit.block] >= {treatment, against}]
    return ([unit.number for unit in picked], np.array([unit.treatment == treatment for unit in picked], np.int8),
            np.array([unit.block for unit in picked], np.int64))


def least(design: Design, plan: Plan, draws: int = DRAWS) -> float:
    """Return the smallest p-value that any comparison can give: where lots are few, no outcome whatever can be significant."""
    found = []
    for treatment in _pairs(design):
        _, labels, blocks = _lots(plan, treatment, design.against)
        ways = assignments(labels, blocks) if len(labels) else 1
        even = all(2 * labels[blocks == block].sum() == (blocks == block).sum() for block in np.unique(blocks))
        found.append(1 / (draws + 1) if ways > MOST else min(1.0, (2 if even else 1) / ways))   # the mirrored lots are as far out
    return max(found, default=1.0)


def comparisons(design: Design, plan: Plan, seen: Mapping[int, Observation], *, draws: int = DRAWS) -> list[Comparison]:
    """Return every comparison of the design, and where any unit failed, of who answered."""
    out = []
    failed = any(each.failed for each in seen.values())
    wanted = [*design.outcomes, *([Outcome(ANSWERED, "yes", "mean")] if failed else [])]
    for treatment, outcome in itertools.product(_pairs(design), wanted):
        numbers, labels, blocks = _lots(plan, treatment, design.against)
        values = [_value(outcome, seen.get(number)) for number in numbers]
        seed = int.from_bytes(f"{outcome.name} {treatment}".encode()[:8].ljust(8), "big") ^ design.seed   # each draws its own
        made = _numbers if outcome.number else _lists
        out.append(made(design, outcome, treatment, values, labels, blocks, draws, seed % 2**62))
    return out


def _value(outcome: Outcome, observed: Observation | None) -> Any:
    if outcome.name == ANSWERED and outcome.kind == "yes":
        return None if observed is None else float(not observed.failed)
    return None if observed is None else observed.outcomes.get(outcome.name)


def _numbers(design: Design, outcome: Outcome, treatment: str, values: Sequence[float | None], labels: Array, blocks: Array, draws: int,
             seed: int) -> Comparison:
    y = np.array([math.nan if each is None else each for each in values], np.float64)
    given = np.isfinite(y)
    if not (given & (labels == 1)).any() or not (given & (labels == 0)).any():
        return Comparison(outcome, treatment, design.against, 1.0, True, 0, _both(given, labels))
    difference = Difference(y, blocks)
    taken = Difference(np.where(given, labels, math.nan), blocks)
    rank = Difference(ranked(y, blocks), blocks) if outcome.statistic == "rank" else difference
    found = null(lambda rows: np.stack([difference(rows), taken(rows), rank(rows)], axis=1), labels, blocks, draws=draws, seed=seed)
    test = Null(np.abs(found.observed[2:]), np.abs(found.values[:, 2:]), found.exact)
    size = float(found.observed[0])
    low, high = interval(size, found.values[:, 0], found.values[:, 1], design.level, exact=found.exact)
    one, other = y[given & (labels == 1)], y[given & (labels == 0)]
    if test.p[0] > 1 - design.level:   # where nothing is proved: what hardly ever happens is no proof that it never does
        ends = _seldom(outcome, one, other, design.level)
        low, high = min(low, ends[0]), max(high, ends[1])
    if outcome.kind == "yes":
        low, high = max(low, -1.0), min(high, 1.0)
    errors = tuple(float(each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else math.inf for each in (one, other))
    return Comparison(outcome, treatment, design.against, float(test.p[0]), found.exact, found.draws, _both(given, labels),
                      (float(one.mean()), float(other.mean())), (errors[0], errors[1]), size, low, high, blocks=len(np.unique(blocks)))


def _seldom(outcome: Outcome, one: Array, other: Array, level: float) -> tuple[float, float]:
    """Return the interval of a difference as of independent units, of shares (Newcombe 1998, method 10) and of words that nobody was shown.

    The test is inverted for a difference that is the same in each unit, of which those of shares and counts near 0 or 1 tell too little.
    """
    from scipy import special

    if outcome.kind == "yes":
        z2 = float(special.ndtri((1 + level) / 2)) ** 2
        ends = []
        for values in (one, other):
            n, share = len(values), float(values.mean())
            middle, half = share + z2 / (2 * n), math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n)))
            ends.append((share, (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)))
        (p, p_low, p_high), (q, q_low, q_high) = ends
        return p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low)
    if outcome.keywords and not one.any() and not other.any():
        most = -math.log((1 - level) / 2)   # of a mean of counts that were all 0 (Poisson)
        return -most / len(other), most / len(one)
    return math.inf, -math.inf


def _lists(design: Design, outcome: Outcome, treatment: str, values: Sequence[list[str] | None], labels: Array, blocks: Array, draws: int,
           seed: int) -> Comparison:
    names, counts, given = counted(values)
    if not names or not (given & (labels == 1)).any() or not (given & (labels == 0)).any():
        return Comparison(outcome, treatment, design.against, 1.0, True, 0, _both(given, labels))
    contrast, fit = Contrast(counts, given, labels, blocks), CrossFit(counts, given, labels, blocks, seed=design.seed)
    found = null(lambda rows: np.column_stack([fit(rows), contrast(rows)]), labels, blocks, draws=draws, seed=seed)
    both = Null(np.array([found.observed[0], found.observed[1:].max()]),
                np.column_stack([found.values[:, 0], found.values[:, 1:].max(axis=1)]), found.exact)
    p = combined(both) if outcome.statistic == "either" else float(both.p[0 if outcome.statistic == "classifier" else 1])
    adjusted = stepdown(Null(found.observed[1:], found.values[:, 1:], found.exact))
    first = np.lexsort((-found.observed[1:], adjusted))[:FEATURES]
    features = tuple(Feature(names[at], (int(counts[labels == 1, at].sum()), int(counts[labels == 0, at].sum())),
                             (int((counts[labels == 1, at] > 0).sum()), int((counts[labels == 0, at] > 0).sum())), float(adjusted[at]))
                     for at in first)
    return Comparison(outcome, treatment, design.against, p, found.exact, found.draws, _both(given, labels), features=features,
                      accuracy=_accuracy(fit, labels, blocks, design.level), blocks=len(np.unique(blocks)))


def _both(given: Array, labels: Array) -> tuple[int, int]:
    return int((given & (labels == 1)).sum()), int((given & (labels == 0)).sum())


def _accuracy(fit: CrossFit, labels: Array, blocks: Array, level: float) -> tuple[float, float, float] | None:
    """Return the share of units that the classifier puts on their side, and its interval over blocks (Student's)."""
    from scipy import special

    right = fit.right(labels[None, :])[0]
    shares = np.array([np.nanmean(right[blocks == block]) for block in np.unique(blocks) if np.isfinite(right[blocks == block]).any()])
    if len(shares) < 2:
        return None
    mean = float(np.nanmean(right))
    half = float(special.stdtrit(len(shares) - 1, (1 + level) / 2) * shares.std(ddof=1) / math.sqrt(len(shares)))
    return mean, max(0.0, mean - half), min(1.0, mean + half)
