"""Thresholds by group that make decisions equal between groups at the least loss (Hardt, Price, Srebro, NIPS 2016).

``thresholds(scores, labels, groups, equal=...)`` is the interface: with randomisation the optimum of a linear program over the hulls of the
groups' ROC curves, without it one threshold a group. ``curve`` is the ROC curve of a group. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.errors import ConfigError, DataError, SignatureError

__all__ = ["EQUALS", "Curve", "Equal", "Rule", "Thresholds", "curve", "thresholds"]

Array = np.ndarray[Any, Any]
Equal = Literal["true_positive_rate", "odds", "selection_rate"]
EQUALS: tuple[Equal, ...] = ("true_positive_rate", "odds", "selection_rate")

FEWEST = 10     # of the rows of a group that a rate is of
POINTS = 400    # of a curve, among which one threshold is chosen
CORNERS = 120   # of the square in which the groups' points must lie
SURE = 1e-9


@dataclass(frozen=True, eq=False)
class Curve:
    """The ROC curve of a group: with ``cut[k]`` the scores of at least that are positive, with the rates ``false`` and ``true``.

    It begins with nobody positive (an infinite cut) and ends with all. ``selected`` is the share that is positive.
    """

    cut: Array
    false: Array
    true: Array
    selected: Array
    negatives: float
    positives: float

    def hull(self) -> Array:
        """Return the places of the points on the upper hull, from nobody to all."""
        kept: list[int] = []
        for place in range(len(self.cut)):
            while len(kept) > 1:
                one, two = kept[-2], kept[-1]
                left = (self.false[two] - self.false[one]) * (self.true[place] - self.true[one])
                right = (self.true[two] - self.true[one]) * (self.false[place] - self.false[one])
                if left < right:
                    break
                kept.pop()
            kept.append(place)
        return np.array(kept, np.int64)

    def loss(self, costs: tuple[float, float], total: float) -> Array:
        """Return what each point adds to the loss: ``costs`` of a false positive and of a false negative, over all rows."""
        return np.asarray((self.negatives * self.false * costs[0] + self.positives * (1 - self.true) * costs[1]) / total)


@dataclass(frozen=True)
class Rule:
    """How a group is decided: with the chance ``weights[k]`` a score of at least ``cuts[k]`` is positive."""

    cuts: tuple[float, ...]
    weights: tuple[float, ...]

    def chance(self, scores: Array) -> Array:
        """Return the chance of each score to be decided as positive.

        >>> Rule((0.5, 0.8), (0.25, 0.75)).chance(np.array([0.2, 0.6, 0.9])).tolist()
        [0.0, 0.25, 1.0]
        """
        return np.asarray(sum((weight * (scores >= cut) for cut, weight in zip(self.cuts, self.weights, strict=True)),
                              np.zeros(len(scores))))


@dataclass(frozen=True, eq=False)
class Thresholds:
    """One rule for each group; ``loss`` is what they cost on the rows that they were chosen on, ``before`` what one threshold costs there.

    ``false``, ``true`` and ``selected`` are the rates of each group, and ``apart`` the largest difference in what is to be equal.
    """

    rules: tuple[Rule, ...]
    loss: float
    false: Array
    true: Array
    selected: Array
    apart: float


def curve(scores: Array, labels: Array) -> Curve:
    """Return the ROC curve of scores with labels of 0 and 1; equal scores are one point.

    >>> found = curve(np.array([0.9, 0.4, 0.4]), np.array([1, 1, 0]))
    >>> found.cut.tolist(), found.false.tolist(), found.true.tolist()
    ([inf, 0.9, 0.4], [0.0, 0.0, 1.0], [0.0, 0.5, 1.0])
    """
    order = np.argsort(-scores, kind="stable")
    ordered, marks = scores[order], labels[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    hits = np.cumsum(marks)[last]
    rows = last + 1.0
    positives, negatives = float(marks.sum()), float(len(marks) - marks.sum())
    false, true = (rows - hits) / max(negatives, 1.0), hits / max(positives, 1.0)
    start = np.zeros(1)
    return Curve(np.concatenate([[np.inf], ordered[last]]), np.concatenate([start, false]), np.concatenate([start, true]),
                 np.concatenate([start, rows / len(marks)]), negatives, positives)


def thresholds(scores: Array, labels: Array, groups: Array, *, equal: Equal = "odds", randomised: bool = True, at_most: float = 0.02,
               costs: tuple[float, float] = (1.0, 1.0), names: Sequence[str] | None = None) -> Thresholds:
    """Return the rules by which groups are equal in ``equal`` at the least loss.

    ``scores`` (n,), ``labels`` of 0 and 1, and ``groups``, places from 0. ``costs`` are those of a false positive and of a false negative.
    Randomised, rates are exactly equal on these rows: what is returned is the optimum of the linear program. Else each group has one
    threshold, and rates may be ``at_most`` apart. Raises ``DataError`` for a group with too few rows, ``SignatureError`` for one group.

    >>> rng = np.random.default_rng(0)
    >>> groups, labels = rng.integers(0, 2, 2_000), rng.integers(0, 2, 2_000)
    >>> scores = labels + rng.normal(0, 1 + groups)
    >>> found = thresholds(scores, labels, groups, equal="odds")
    >>> bool(abs(found.true[0] - found.true[1]) < 1e-9), bool(abs(found.false[0] - found.false[1]) < 1e-9)
    (True, True)
    """
    if equal not in EQUALS:
        raise ConfigError(f"'{equal}' cannot be made equal", expected=f"one of {', '.join(EQUALS)}")
    if not np.isfinite(scores).all():
        raise DataError("some scores are missing or infinite", expected="a finite score in each row")
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < 2:
        raise SignatureError("there is one group only, and nothing to make equal", expected="at least two groups")
    curves = [curve(scores[groups == each], labels[groups == each]) for each in range(count)]
    for place, each in enumerate(curves):
        _enough(each, equal, names[place] if names is not None else str(place))
    return _mixed(curves, equal, costs) if randomised else _single(curves, equal, costs, at_most)


def _enough(each: Curve, equal: Equal, name: str) -> None:
    needed = {"true_positive_rate": (("positive", each.positives),), "selection_rate": (("", each.positives + each.negatives),),
              "odds": (("positive", each.positives), ("negative", each.negatives))}
    for kind, rows in needed[equal]:
        if rows < FEWEST:
            raise DataError(f"the group {name} has {int(rows)} {f'{kind} ' if kind else ''}rows: no threshold can be chosen on so few",
                            expected=f"at least {FEWEST} in each group", hint="give more rows (reference), or leave the group out (where)")


def _rates(each: Curve, equal: Equal) -> tuple[Array, ...]:
    return {"true_positive_rate": (each.true,), "odds": (each.false, each.true), "selection_rate": (each.selected,)}[equal]


def _mixed(curves: Sequence[Curve], equal: Equal, costs: tuple[float, float]) -> Thresholds:
    """Solve the linear program: a mixture of the hull's points for each group, with equal rates and the least loss."""
    from scipy.optimize import linprog

    total = sum(each.positives + each.negatives for each in curves)
    hulls = [each.hull() for each in curves]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in hulls])])
    loss = np.concatenate([each.loss(costs, total)[hull] for each, hull in zip(curves, hulls, strict=True)])
    rows, sides = [], []
    for place, (each, hull) in enumerate(zip(curves, hulls, strict=True)):
        one = np.zeros(len(loss))
        one[starts[place]:starts[place + 1]] = 1
        rows.append(one)
        sides.append(1.0)
        if place:
            for first, mine in zip(_rates(curves[0], equal), _rates(each, equal), strict=True):
                same = np.zeros(len(loss))
                same[:starts[1]] = first[hulls[0]]
                same[starts[place]:starts[place + 1]] = -mine[hull]
                rows.append(same)
                sides.append(0.0)
    found = linprog(loss, A_eq=np.array(rows), b_eq=np.array(sides), bounds=(0, 1), method="highs-ds")
    if found.x is None:
        raise DataError("the linear program of the thresholds has no solution", expected="scores that order rows better than chance")
    rules, chosen = [], []
    for place, (each, hull) in enumerate(zip(curves, hulls, strict=True)):
        part = np.where(found.x[starts[place]:starts[place + 1]] > SURE, found.x[starts[place]:starts[place + 1]], 0.0)
        part = part / part.sum()
        used = np.flatnonzero(part)
        rules.append(Rule(tuple(each.cut[hull[used]].tolist()), tuple(part[used].tolist())))
        chosen.append([float(part @ rate[hull]) for rate in (each.false, each.true, each.selected)])
    return _told(curves, rules, np.array(chosen), equal, costs)


def _told(curves: Sequence[Curve], rules: Sequence[Rule], rates: Array, equal: Equal, costs: tuple[float, float]) -> Thresholds:
    false, true, selected = rates.T
    total = sum(each.positives + each.negatives for each in curves)
    loss = sum(each.negatives * f * costs[0] + each.positives * (1 - t) * costs[1] for each, f, t in zip(curves, false, true, strict=True))
    told = {"true_positive_rate": (true,), "odds": (false, true), "selection_rate": (selected,)}[equal]
    return Thresholds(tuple(rules), float(loss / total), false, true, selected, float(max(np.ptp(each) for each in told)))


def _single(curves: Sequence[Curve], equal: Equal, costs: tuple[float, float], at_most: float) -> Thresholds:
    """Choose one point of each curve: of all squares of the side ``at_most`` in which each has one, that with the least loss."""
    if not 0 <= at_most < 1:
        raise ConfigError(f"rates that are at most {at_most:g} apart", expected="a number from 0 to below 1")
    total = sum(each.positives + each.negatives for each in curves)
    thin = [_thin(each, costs, total) for each in curves]
    losses = [each.loss(costs, total)[some] for each, some in zip(curves, thin, strict=True)]
    rates = [[rate[some] for rate in _rates(each, equal)] for each, some in zip(curves, thin, strict=True)]
    best: tuple[float, list[int]] | None = None
    few = CORNERS if equal == "odds" else CORNERS * 20
    corners = [_corners([own[axis] for own in rates], few) for axis in range(len(rates[0]))]
    for low in corners[0]:
        inside = [(own[0] >= low - SURE) & (own[0] <= low + at_most + SURE) for own in rates]
        if not all(each.any() for each in inside):
            continue
        for other in (corners[1] if len(corners) > 1 else [None]):
            places, sum_ = [], 0.0
            for own, mask, loss in zip(rates, inside, losses, strict=True):
                there = mask if other is None else mask & (own[1] >= other - SURE) & (own[1] <= other + at_most + SURE)
                if not there.any():
                    break
                at = np.flatnonzero(there)
                places.append(int(at[np.argmin(loss[at])]))
                sum_ += float(loss[places[-1]])
            if len(places) == len(curves) and (best is None or sum_ < best[0] - SURE):
                best = (sum_, places)
    if best is None:   # the ends of the curves are always there
        raise DataError("no thresholds bring the rates of the groups together")
    chosen = [some[place] for some, place in zip(thin, best[1], strict=True)]
    rules = [Rule((float(each.cut[place]),), (1.0,)) for each, place in zip(curves, chosen, strict=True)]
    found = np.array([[each.false[place], each.true[place], each.selected[place]] for each, place in zip(curves, chosen, strict=True)])
    return _told(curves, rules, found, equal, costs)


def _thin(each: Curve, costs: tuple[float, float], total: float) -> Array:
    """Return the places of at most 400 points: the hull, and points spread evenly over the curve."""
    if len(each.cut) <= POINTS:
        return np.arange(len(each.cut))
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(each.false)) + np.abs(np.diff(each.true)))])
    even = np.searchsorted(length, np.linspace(0, length[-1], POINTS))
    return np.unique(np.concatenate([even, each.hull(), [0, len(each.cut) - 1, int(np.argmin(each.loss(costs, total)))]]))


def _corners(rates: Sequence[Array], few: int) -> Array:
    every = np.unique(np.concatenate(rates))
    return every if len(every) <= few else every[np.unique(np.linspace(0, len(every) - 1, few).round().astype(np.int64))]
