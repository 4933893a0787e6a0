"""The permutation test within blocks: what a statistic would have been, had the lots fallen otherwise.

``null`` computes statistics under other assignments, all of them where these are few, ``permutation`` the p-value of one, ``stepdown``
those of many at once, ``combined`` that of the best of several; ``interval`` inverts the test of a difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

__all__ = ["DRAWS", "MOST", "Null", "Statistic", "assignments", "combined", "enumerated", "interval", "null", "permutation", "permuted",
           "stepdown"]

Array = np.ndarray[Any, Any]
Statistic: TypeAlias = Callable[[Array], Array]   # assignments (draws, units) -> a number each (draws,), or several (draws, many)

DRAWS = 9_999
MOST = 20_000        # assignments that are enumerated and not drawn
CELLS = 4_000_000    # of one part of the assignments
CLOSE = 1e-9         # by which numbers that are the same may differ in the last digits


def assignments(labels: Array, blocks: Array) -> int:
    """Return in how many ways the labels could have fallen within their blocks.

    >>> assignments(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])), assignments(np.array([0, 0, 1, 1]), np.zeros(4))
    (4, 6)
    """
    ways = 1
    for block in np.unique(blocks):
        counts = np.unique(labels[blocks == block], return_counts=True)[1].tolist()
        ways *= math.factorial(sum(counts)) // math.prod(math.factorial(each) for each in counts)
    return ways


def permuted(labels: Array, blocks: Array, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield ``draws`` assignments (rows) in parts, each the labels in another order within every block.

    >>> next(permuted(np.array([0, 1, 5, 5]), np.array([0, 0, 1, 1]), 2, np.random.default_rng(0)))[:, 2:].tolist()
    [[5, 5], [5, 5]]
    """
    groups = _groups(blocks)
    part = max(1, CELLS // max(len(labels), 1))
    for start in range(0, draws, part):
        rows = min(part, draws - start)
        out = np.empty((rows, len(labels)), labels.dtype)
        for places in groups:
            drawn = np.broadcast_to(labels[places], (rows, *places.shape))
            out[:, places] = rng.permuted(drawn, axis=-1)
        yield out


def enumerated(labels: Array, blocks: Array) -> Iterator[Array]:
    """Yield every assignment that is different from the others once, in parts.

    >>> np.concatenate(list(enumerated(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])))).tolist()
    [[0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0]]
    """
    places = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    ways = [_orders(labels[each]) for each in places]
    shape = tuple(len(each) for each in ways)
    total, part = math.prod(shape), max(1, CELLS // max(len(labels), 1))
    for start in range(0, total, part):
        picked = np.unravel_index(np.arange(start, min(start + part, total)), shape)
        out = np.empty((len(picked[0]), len(labels)), labels.dtype)
        for at, way, pick in zip(places, ways, picked, strict=True):
            out[:, at] = way[pick]
        yield out


def _groups(blocks: Array) -> list[Array]:
    """Return the places of units, (blocks, size), one array for each size of a block."""
    order = np.argsort(blocks, kind="stable")
    _, starts, sizes = np.unique(blocks[order], return_index=True, return_counts=True)
    return [np.stack([order[start:start + size] for start in starts[sizes == size]]) for size in np.unique(sizes)]


def _orders(labels: Array) -> Array:
    """Return the different orders of the labels of one block, (orders, units), smallest first."""
    labels = np.sort(labels)
    if len(labels) <= 1:
        return labels[None, :]
    parts = []
    for first in np.unique(labels):
        rest = np.delete(labels, np.searchsorted(labels, first))
        below = _orders(rest)
        parts.append(np.concatenate([np.full((len(below), 1), first, labels.dtype), below], axis=1))
    return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Null:
    """Statistics as ``observed`` (many,) and as they could have been, ``values`` (draws, many); ``exact`` where these are all."""

    observed: Array
    values: Array
    exact: bool

    @property
    def draws(self) -> int:
        """How many assignments were computed."""
        return len(self.values)

    @cached_property
    def slack(self) -> Array:
        """By how much each statistic may differ by rounding alone."""
        return np.asarray(CLOSE * np.maximum(np.abs(self.values).max(axis=0, initial=0.0), np.abs(self.observed)))

    def share(self, counts: Array) -> Array:
        """Return p-values from how many of the values are as great as the observed: b/n of all, (1 + b)/(1 + n) of draws."""
        return np.asarray(counts / self.draws if self.exact else (1 + counts) / (1 + self.draws))

    @property
    def p(self) -> Array:
        """The p-value of each statistic alone, large ones counting against the null."""
        return self.share((self.values >= self.observed - self.slack).sum(axis=0))


def null(statistic: Statistic, labels: Array, blocks: Array, *, draws: int = DRAWS, seed: int = 0, most: int = MOST) -> Null:
    """Return a statistic, one or many at once, under the assignment that was and under others of the same design.

    All of them where there are at most ``most``, else ``draws`` at random: the observed one then counts as one more (Phipson and Smyth
    2010), so that p is never 0 and the level holds for every number of draws.
    """
    observed = np.atleast_2d(np.asarray(statistic(labels[None, :]), np.float64).T).T[0]
    exact = assignments(labels, blocks) <= most
    parts = enumerated(labels, blocks) if exact else permuted(labels, blocks, draws, np.random.default_rng(seed))
    values = np.concatenate([np.asarray(statistic(each), np.float64).reshape(len(each), -1) for each in parts])
    return Null(observed, values, exact)


def permutation(statistic: Statistic, labels: Array, blocks: Array, *, draws: int = DRAWS, seed: int = 0, most: int = MOST) -> float:
    """Return the p-value of a statistic of which large values speak against "no unit would have behaved otherwise".

    Nothing is assumed of the outcomes, which may drift, depend on one another, or be missing: that the labels were drawn at random within
    the blocks is all that is used (Fisher 1935).

    >>> values, labels = np.array([1., 5., 2., 7.]), np.array([0, 1, 0, 1])
    >>> permutation(lambda rows: np.abs(rows @ values - (1 - rows) @ values), labels, np.array([0, 0, 1, 1]))
    0.5
    """
    return float(null(statistic, labels, blocks, draws=draws, seed=seed, most=most).p[0])


def stepdown(found: Null) -> Array:
    """Return p-values adjusted for how many statistics there are, which may depend on each other (Westfall and Young 1993, max T).

    A statistic must be on one scale with the others. That any true null is rejected happens with probability alpha at most.
    """
    order = np.argsort(-found.observed, kind="stable")
    running = np.maximum.accumulate(found.values[:, order[::-1]], axis=1)[:, ::-1]   # of each, the greatest of those not above it
    p = found.share((running >= found.observed[order] - found.slack[order]).sum(axis=0))
    out = np.empty(len(order))
    out[order] = np.maximum.accumulate(p)
    return out


def combined(found: Null) -> float:
    """Return the p-value of the least of several p-values, as it is under the null itself (Tippett's, by permutation).

    Each statistic is ranked among its own values, draw by draw, so that their dependence is kept and nothing is corrected twice.
    """
    every = np.concatenate([found.observed[None, :], found.values]) if not found.exact else found.values
    ordered = np.sort(every, axis=0)
    above = np.stack([len(every) - np.searchsorted(ordered[:, at], every[:, at] - found.slack[at], side="left")
                      for at in range(every.shape[1])], axis=1).min(axis=1)
    own = (every >= found.observed - found.slack).sum(axis=0).min()
    return float((above <= own).mean())


def interval(observed: float, null_y: Array, null_t: Array, level: float, *, exact: bool = False) -> tuple[float, float]:
    """Return the differences that the two-sided test of a difference would not reject, were the treatment to add the same to every unit.

    ``null_y`` are the differences of the outcomes under other assignments, ``null_t`` those of the treatment itself (1 or 0). With the
    difference d taken off, an assignment gives ``null_y - d null_t`` and the observed one gives ``observed - d``: both are linear in d, so
    that where the first is as great as the second is an interval around ``observed``, and p(d) is read off its sorted ends.
    """
    apart = null_y - null_t * observed
    with np.errstate(divide="ignore", invalid="ignore"):   # |apart + null_t u| >= |u|, where u = observed - d
        one, other = -apart / (1 + null_t), apart / (1 - null_t)
    same = np.isclose(np.abs(null_t), 1.0)   # the observed assignment or its mirror: as great at every d
    low, high = np.where(same, -np.inf, np.minimum(one, other)), np.where(same, np.inf, np.maximum(one, other))
    total = len(low) + (not exact)
    # p(u) = (1 + #{high >= u}) / total for u > 0 (the 1 is among the values where these are all)
    least = math.floor((1 - level) * total + CLOSE) - (not exact)
    if least < 0 or least >= len(high):
        return -math.inf, math.inf
    # the greatest u that more than ``least`` of the intervals still hold
    return observed - float(np.sort(high)[::-1][least]), observed - float(np.sort(low)[least])
