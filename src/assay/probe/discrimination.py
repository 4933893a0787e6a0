"""What a search for discrimination says in the end: pairs as small and ordinary as they get, and how large the share is.

``pairs`` shrinks finds, ``even``, ``actual`` and ``nearby`` estimate shares of the space, of real rows and of their neighbourhood,
``apart_from_earlier`` counts finds that are no small change of an earlier one. The verbs import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.betting import Estimate, drawn
from assay.probe.oracle import Oracle
from assay.probe.search import Manifold
from assay.probe.shrink import Shrinking, shrinking, together
from assay.probe.space import Space

__all__ = ["Again", "Pair", "Share", "actual", "again", "apart_from_earlier", "at_most", "distances", "even", "nearby", "pairs"]

Array = np.ndarray[Any, Any]

CONSIDERED = 2_000   # finds among which those to show are chosen
SPARE = 3            # finds shrunk for each that is shown, as several shrink to one
STEADY = 0.9         # of the finds of a model, which must show again
JITTER = 3           # columns at most that differ between a row and one nearby


@dataclass(frozen=True, eq=False)
class Pair:
    """Two inputs that differ in protected columns only and are answered differently.

    ``point`` has the values they share, of which those of ``changed`` axes are not the ordinary ones; ``first`` and ``second`` are places
    in the space's variants, and ``said`` what each is answered.
    """

    point: Array
    changed: tuple[int, ...]
    first: int
    second: int
    said: tuple[Any, Any]


@dataclass(frozen=True)
class Share:
    """How many of ``n`` independent draws were discriminatory; ``exact`` where they are all there are."""

    found: int
    n: int
    exact: bool = False

    @property
    def share(self) -> float:
        return self.found / self.n


def at_most(n: int, level: float = 0.95) -> float:
    """Return the share that is at most there, at ``level``, when ``n`` independent tests found nothing (Clopper and Pearson 1934).

    >>> round(at_most(3_000), 5)
    0.001
    """
    return float(1 - (1 - level) ** (1 / n))


@dataclass(frozen=True)
class Again:
    """What came of inputs that were asked twice more: how many, of how many the answers changed, and how many finds showed each time."""

    asked: int
    changed: int
    finds: int
    shown: int

    @property
    def steady(self) -> bool:
        """Whether finds can be put down to the inputs: nine in ten show again, and where there is none, nothing changed."""
        return self.shown >= STEADY * self.finds and (self.finds > 0 or not self.changed)


def again(oracle: Oracle, points: Array, *, found: Array, most: int = 500, seed: int = 0) -> Again:
    """Return whether the model answers ``points`` as it did before, asked twice more and in other orders; ``found`` marks the finds.

    Of a model that answers at random every input is a find sooner or later, and none of them means anything.
    """
    rng = np.random.default_rng([seed, 11])
    hits, others = (rng.permutation(np.flatnonzero(each))[:most // 2] for each in (found, ~found))
    places = np.concatenate([hits, others])
    told = []
    for _ in range(2):
        order = rng.permutation(len(places))
        asked = oracle.ask(points[places[order]])
        back = np.argsort(order)
        told.append((asked.said[back], asked.found[back]))
    (said, one), (later, two) = told
    changed = one != two if oracle.apart is not None else (said != later).any(axis=1)
    return Again(len(places), int(changed.sum()), len(hits), int((one & two)[:len(hits)].sum()))


def even(oracle: Oracle, n: int, *, seed: int = 0) -> Share:
    """Return the share of the space, from ``n`` even draws, each counted whether it repeats or not."""
    rng = np.random.default_rng([seed, 4])
    return Share(int(oracle.ask(oracle.space.uniform(n, rng)).found.sum()), n)


def actual(oracle: Oracle, rows: Array, n: int, *, seed: int = 0) -> Share:
    """Return the share of real ``rows``, of at most ``n`` of them, that would be answered otherwise with other protected values."""
    if len(rows) > n:
        rows = rows[np.sort(np.random.default_rng([seed, 5]).choice(len(rows), n, replace=False))]
    return Share(int(oracle.ask(rows).found.sum()), len(rows))


def nearby(oracle: Oracle, manifold: Manifold, n: int, *, seed: int = 0, enough: Callable[[], bool] | None = None) -> Estimate:
    """Return the share near real rows: one to three columns of a row are moved by a tenth of their range, within the radius.

    A move that leads out of the radius is drawn again, and after 8 times the row is taken as it is.
    """
    space, rng = oracle.space, np.random.default_rng([seed, 6])

    def draw(count: int) -> Array:
        start = manifold.rows[rng.integers(len(manifold.rows), size=count)]
        out, waiting = start.copy(), np.arange(count)
        for _ in range(8):
            moved = _jittered(space, start[waiting], rng)
            near = space.apart(moved, start[waiting]) <= manifold.radius
            out[waiting[near]] = moved[near]
            waiting = waiting[~near]
            if not len(waiting):
                break
        return out

    return drawn(oracle, draw, n, enough=enough)


def _jittered(space: Space, points: Array, rng: np.random.Generator) -> Array:
    count = len(space.axes)
    some = np.argsort(rng.random((len(points), count)), axis=1) < rng.integers(1, min(JITTER, count) + 1, size=len(points))[:, None]
    far = np.maximum(1, rng.exponential(0.1, (len(points), count)) * space.sizes).astype(np.int64)
    moved = np.clip(points + np.where(rng.random(far.shape) < 0.5, -far, far), 0, space.sizes - 1)
    drawn = space.uniform(len(points), rng)
    ordered = np.array([each.ordered for each in space.axes])
    return np.where(some, np.where(ordered, moved, drawn), points).astype(np.int16)


def distances(space: Space, points: Array, rows: Array) -> Array:
    """Return how far each point is from the nearest of ``rows``, see ``Space.apart``."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(space.embedded(rows)).query(space.embedded(points))[0])


def apart_from_earlier(space: Space, points: Array) -> int:
    """Return how many distinct points differ from every earlier one in at least two places.

    >>> from assay.probe.space import axis
    >>> space = Space((axis("x", None, declared=[0, 9]), axis("y", None, declared=[0, 9])), (axis("s", None, declared=[0, 1]),))
    >>> apart_from_earlier(space, np.array([[0, 0], [0, 5], [3, 3], [5, 5]]))
    2
    """
    if not len(points):
        return 0
    keys = space.keys(points)
    near = np.zeros(len(points), bool)
    for place in range(len(space.axes)):   # two points are at most one place apart where, without it, their keys are the same
        rest = keys - space.radix[:, place:place + 1] * points[:, place].astype(np.int64)
        first = np.unique(rest[0], return_index=True)[1] if len(rest) == 1 else np.unique(rest, axis=1, return_index=True)[1]
        earlier = np.ones(len(points), bool)
        earlier[first] = False
        near |= earlier
    return int((~near).sum())


def pairs(oracle: Oracle, points: Array, count: int, *, ordinary: Array | None = None, seed: int = 0) -> list[Pair]:
    """Return at most ``count`` pairs, the smallest first: finds far from each other, each shrunk towards what is ordinary.

    A find is shrunk to the fewest values that are not the ordinary ones, and these to the nearest to them. ``ordinary`` are points to
    shrink towards, of which each find takes the nearest; by default the point of the space's usual values. What it asks is counted.
    """
    space = oracle.space
    rng = np.random.default_rng([seed, 8])
    if len(points) > CONSIDERED:
        points = points[np.sort(rng.choice(len(points), CONSIDERED, replace=False))]
    bases = np.tile(space.usual, (len(points), 1)) if ordinary is None else ordinary[_nearest(space, points, ordinary)]
    chosen = _spread(points, (points != bases).sum(axis=1), count * SPARE)
    small = _shrunk(oracle, points[chosen], bases[chosen])
    shown = np.flatnonzero(oracle.differ(np.stack([said for _, said in small]))).tolist() if small else []   # by now it may not differ
    chosen, small = [chosen[place] for place in shown], [small[place] for place in shown]
    found = [_pair(oracle, point, base, said) for (point, said), base in zip(small, bases[chosen], strict=True)]
    order = sorted(range(len(found)), key=lambda place: (len(found[place].changed), _far(space, found[place].point, bases[chosen][place])))
    kept: list[Pair] = []
    seen: set[Any] = set()
    again: list[Pair] = []
    for each in (found[place] for place in order):
        what = (each.changed, each.first, each.second, each.said)
        if not any(np.array_equal(each.point, other.point) for other in kept + again):
            (again if what in seen else kept).append(each)   # another way to go wrong comes before a second example of one
        seen.add(what)
    return (kept + again)[:count]


def _nearest(space: Space, points: Array, others: Array) -> Array:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(space.embedded(others)).query(space.embedded(points))[1])


def _far(space: Space, point: Array, base: Array) -> float:
    return float(space.apart(point[None], base[None])[0])


def _spread(points: Array, size: Array, count: int) -> list[int]:
    """Return the places of points, the most ordinary first and each next the furthest from those before."""
    chosen = [int(np.argmin(size))]
    nearest = (points != points[chosen[0]]).sum(axis=1)
    while len(chosen) < min(count, len(points)) and nearest.max() > 0:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, (points != points[chosen[-1]]).sum(axis=1))
    return chosen


def _shrunk(oracle: Oracle, points: Array, bases: Array) -> list[tuple[Array, Array]]:
    """Return each point shrunk towards its base while it stays a find, with what it is answered."""
    space = oracle.space
    names = [str(place) for place in range(len(space.axes))]
    steps = [name for name, each in zip(names, space.axes, strict=True) if each.ordered]
    ladders = {name: list(range(min(len(each), 16))) for name, each in zip(names, space.axes, strict=True) if not each.ordered}
    runs: list[Shrinking] = []
    for point, base in zip(points.tolist(), bases.tolist(), strict=True):
        before, after = dict(zip(names, base, strict=True)), dict(zip(names, point, strict=True))
        runs.append(shrinking(before, after, steps=steps, ladders=ladders))

    def shows(questions: list[list[dict[str, Any]]]) -> list[list[bool]]:
        asked = [_changed(base, change) for base, some in zip(bases, questions, strict=True) for change in some]
        found = iter(oracle.ask(np.array(asked, np.int16)).found.tolist() if asked else [])
        return [[next(found) for _ in some] for some in questions]

    out = [_changed(base, change) for base, change in zip(bases, together(runs, shows), strict=True)]
    return list(zip(out, oracle.ask(np.array(out)).said, strict=True))


def _changed(base: Array, change: dict[str, Any]) -> Array:
    out = base.copy()
    for name, value in change.items():
        out[int(name)] = value
    return out


def _pair(oracle: Oracle, point: Array, base: Array, said: Array) -> Pair:
    """Return the two variants to show: of scores the furthest apart, of classes those that differ in the least."""
    variants = oracle.space.variants
    if oracle.apart is not None:
        first, second = int(np.argmax(said)), int(np.argmin(said))
    else:
        first, second = min(_differing(said), key=lambda two: (int((variants[two[0]] != variants[two[1]]).sum()),
                                                               int(np.abs(variants[two[0]] - variants[two[1]]).sum()), two))
    changed = tuple(np.flatnonzero(point != base).tolist())
    return Pair(point, changed, first, second, (oracle.shown(said[first]), oracle.shown(said[second])))


def _differing(said: Array) -> Sequence[tuple[int, int]]:
    return [(one, two) for one in range(len(said)) for two in range(one + 1, len(said)) if said[one] != said[two]]
