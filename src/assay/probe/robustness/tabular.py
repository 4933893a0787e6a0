"""The smallest changes of rows that flip an answer, within ranges, types, fixed columns and categories; only decisions are asked.

``evasions(question, domain, rows, pool, ...)`` returns an ``Evasion`` for each row that it found one of. Values are tried column by column,
and real rows of another answer are walked back, first whole columns, then each number to the nearest that still flips (as the boundary
attack of Brendel, Rauber and Bethge 2018 starts from the other side, and HopSkipJump of Chen and others 2020 bisects). The verbs import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.probe.robustness.domain import LADDER, Domain
from assay.probe.robustness.question import Question

__all__ = ["Attack", "Evasion", "evasions"]

Array = np.ndarray[Any, Any]

BLOCK = 32        # rows that are attacked together
STARTS = 3        # real rows of another answer that each row is walked back from
ALONE = 3         # columns of which the smallest flip by themselves is looked for
HALVINGS = 12     # of a number on its way back: to a four-thousandth of the way
EPSILON = 1e-12


@dataclass(frozen=True, eq=False)
class Evasion:
    """A row that is answered otherwise: ``row`` its place, ``before`` and ``after`` as points, ``said`` the answer then, ``was`` before.

    ``size`` is the sum of the changes, numbers in spreads and categories 1; ``far`` the distance of ``after`` to the nearest real row.
    """

    row: int
    before: Array
    after: Array
    was: Any
    said: Any
    size: float
    far: float

    @property
    def columns(self) -> tuple[int, ...]:
        """The places of the columns that changed."""
        same = (self.before == self.after) | (np.isnan(self.before) & np.isnan(self.after))
        return tuple(int(each) for each in np.flatnonzero(~same))


@dataclass(frozen=True, eq=False)
class Attack:
    """What was ``found`` of the rows that were ``tried``; ``radius`` is the 95th percentile of distances between real rows."""

    found: tuple[Evasion, ...]
    tried: int
    radius: float

    @property
    def sizes(self) -> Array:
        """The size (tried,) of the smallest change of each row, infinite where none was found."""
        out = np.full(self.tried, np.inf)
        for each in self.found:
            out[each.row] = each.size
        return out


def evasions(question: Question, domain: Domain, rows: Array, pool: Array, *, near: bool = False, seed: int = 0) -> Attack:
    """Return the smallest changes found that flip the answers to ``rows`` (n, columns), with real rows of ``pool`` (m, columns) to go by.

    With ``near`` an answer counts only where the changed row is as near to a real row as 95 % of these are to each other. Where the budget
    of the question ends, the rows left are not tried.

    >>> import pyarrow as pa
    >>> from assay.probe.robustness.domain import domain
    >>> from assay.probe.robustness.question import Said
    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({"income": rng.integers(0, 100, 300), "rooms": rng.integers(1, 9, 300)})
    >>> made = domain(table)
    >>> question = Question(lambda batch: Said((batch["income"].to_numpy() > 50).astype(int)))
    >>> attack = evasions(question, made, np.array([[48.0, 3.0], [90.0, 4.0]]), made.matrix(table))
    >>> [each.after.tolist() for each in attack.found]
    [[51.0, 3.0], [50.0, 4.0]]
    """
    rng = np.random.default_rng([seed, 55])
    ruler = pool[rng.permutation(len(pool))[:500]]
    radius = float(np.quantile(domain.nearest(ruler, ruler, apart=np.arange(len(ruler))), 0.95)) if len(ruler) > 1 else 0.0
    search = _Search(question, domain, pool, question(domain.batch(pool)).decision, radius if near else None)
    found: list[Evasion] = []
    tried = 0
    while tried < len(rows):
        many = min(BLOCK, question.left // search.cost(1))
        if not many:
            break
        block = rows[tried:tried + many]
        found += search.block(block, tried)
        tried += len(block)
    return Attack(tuple(found), tried, radius)


@dataclass(eq=False)
class _Search:
    question: Question
    domain: Domain
    pool: Array
    answers: Array
    radius: float | None

    def cost(self, rows: int) -> int:
        """Return how many rows a block asks at most, about."""
        free = self.domain.free
        alone = sum(len(self.domain.fields[place].tried) + 2 * len(LADDER) * self.domain.fields[place].numeric for place in free)
        return rows * (1 + alone + HALVINGS * ALONE + STARTS * (1 + len(free) ** 2 // 2 + 2 * HALVINGS * len(free)))

    def block(self, rows: Array, start: int) -> list[Evasion]:
        was = self.question(self.domain.batch(rows)).decision
        best, size = rows.copy(), np.full(len(rows), np.inf)
        for owner, after in (self._alone(rows, was), self._walked(rows, was)):
            if not len(owner):
                continue
            found = self.domain.sizes(rows[owner], after).sum(axis=1)
            for place in np.argsort(-found, kind="stable"):   # the smallest last, so that it stays
                if found[place] < size[owner[place]] - EPSILON:
                    best[owner[place]], size[owner[place]] = after[place], found[place]
        hit = np.flatnonzero(np.isfinite(size))
        if not len(hit):
            return []
        said = self.question(self.domain.batch(best[hit])).decision
        far = self.domain.nearest(best[hit], self.pool)
        return [Evasion(start + int(place), rows[place], best[place], was[place], new, float(size[place]), float(distance))
                for place, new, distance in zip(hit, said, far, strict=True)]

    def flips(self, was: Array, points: Array) -> Array:
        """Return of which points the answer is another than ``was``, and that are near a real row where they must be."""
        if not len(points):
            return np.zeros(0, bool)
        hit = self.question.differ(was, self.question(self.domain.batch(points)).decision)
        if self.radius is not None and hit.any():
            hit[hit] = self.domain.nearest(points[hit], self.pool) <= self.radius
        return hit

    def _alone(self, rows: Array, was: Array) -> tuple[Array, Array]:
        """Return rows and points in which one column is changed as little as flips the answer."""
        owner, points, places = [], [], []
        for place in self.domain.free:
            for who, new in self._tried(rows[:, place], place):
                changed = rows[who].copy()
                changed[:, place] = new
                owner.append(who)
                points.append(changed)
                places.append(np.full(len(who), place))
        if not owner:
            return np.zeros(0, int), rows[:0]
        who, at, all_points = np.concatenate(owner), np.concatenate(places), np.concatenate(points)
        hit = self.flips(was[who], all_points)
        who, at, all_points = who[hit], at[hit], all_points[hit]
        size = self.domain.sizes(rows[who], all_points).sum(axis=1)
        kept = _least(who, at, size, ALONE)
        return who[kept], self._back(rows, was, who[kept], all_points[kept])

    def _tried(self, values: Array, place: int) -> Iterator[tuple[Array, Array]]:
        """Yield rows, and a new value for each, of one column."""
        field = self.domain.fields[place]
        for each in field.tried:
            yield from _apart(values, np.full(len(values), each), field)
        if field.numeric:
            for step in LADDER:
                for sign in (-1, 1):
                    moved = values + sign * max(step * field.spread, field.step)
                    yield from _apart(values, field.rounded(moved), field)

    def _walked(self, rows: Array, was: Array) -> tuple[Array, Array]:
        """Return rows and points that began as real rows of another answer, walked back as far as the answer stays."""
        free = list(self.domain.free)
        owner, points = [], []
        gap = self.domain.distances(rows, self.pool, only=free)
        for place in range(len(rows)):
            other = np.flatnonzero(self.question.differ(np.full(len(self.pool), was[place]), self.answers))
            for near in other[np.argsort(gap[place, other], kind="stable")[:STARTS]]:
                made = rows[place].copy()
                for column in free:
                    field = self.domain.fields[column]
                    if field.allowed(made[column], self.pool[near, column]):
                        made[column] = self.pool[near, column]
                owner.append(place)
                points.append(made)
        if not owner:
            return np.zeros(0, int), rows[:0]
        who, made = np.array(owner), np.array(points)
        hit = self.flips(was[who], made)   # what is fixed may hold the answer
        who, made = who[hit], made[hit]
        made = self._fewer(rows, was, who, made)
        return who, self._back(rows, was, who, made)

    def _fewer(self, rows: Array, was: Array, who: Array, made: Array) -> Array:
        """Return points with columns put back as they were, the largest change first, as long as the answer stays another."""
        made = made.copy()
        active = np.arange(len(made))
        while len(active):
            sizes = self.domain.sizes(rows[who[active]], made[active])
            at, column = np.nonzero(sizes > 0)
            trial = made[active[at]].copy()
            trial[np.arange(len(at)), column] = rows[who[active[at]], column]
            hit = self.flips(was[who[active[at]]], trial)
            hit &= (sizes > 0).sum(axis=1)[at] > 1   # all put back is the row itself
            gain = np.where(hit, sizes[at, column], -1.0)
            order = np.lexsort((-gain, at))
            first = order[np.unique(at[order], return_index=True)[1]] if len(at) else order
            first = first[gain[first] > 0]
            made[active[at[first]]] = trial[first]
            active = active[at[first]]
        return made

    def _back(self, rows: Array, was: Array, who: Array, made: Array) -> Array:
        """Return points whose numbers lie as near to the row's as still flips, column by column, the largest change first, twice."""
        made = made.copy()
        if not len(made):
            return made
        for _ in range(2):
            sizes = self.domain.sizes(rows[who], made)
            numeric = np.array([each.numeric for each in self.domain.fields])
            order = np.argsort(-np.where(numeric, sizes, -1.0), axis=1)
            for rank in range(int((numeric & (sizes > 0)).sum(axis=1).max(initial=0))):
                column = order[:, rank]
                self._halved(rows, was, who, made, column)
            if (sizes > 0).sum(axis=1).max(initial=0) <= 1:
                break
        return made

    def _halved(self, rows: Array, was: Array, who: Array, made: Array, column: Array) -> None:
        """Bisect between the row's own number, which does not flip, and the point's, which does; in place."""
        every = np.arange(len(made))
        good, bad = made[every, column].copy(), rows[who, column].copy()
        step = np.array([each.step for each in self.domain.fields])[column]
        numeric = np.array([each.numeric for each in self.domain.fields])[column]
        open_ = numeric & ~np.isnan(good) & ~np.isnan(bad)
        for _ in range(HALVINGS):
            live = np.flatnonzero(open_ & (np.abs(good - bad) > 1.5 * step))
            if not len(live):
                break
            middle = self._rounded((good[live] + bad[live]) / 2, column[live])
            stuck = (middle == good[live]) | (middle == bad[live])
            open_[live[stuck]] = False
            live, middle = live[~stuck], middle[~stuck]
            trial = made[live].copy()
            trial[np.arange(len(live)), column[live]] = middle
            hit = self.flips(was[who[live]], trial)
            good[live[hit]], bad[live[~hit]] = middle[hit], middle[~hit]
        made[every, column] = good

    def _rounded(self, values: Array, column: Array) -> Array:
        out = values.copy()
        for place in np.unique(column):
            out[column == place] = self.domain.fields[place].rounded(values[column == place])
        return out


def _apart(values: Array, new: Array, field: Any) -> Iterator[tuple[Array, Array]]:
    fits = (new != values) & field.allowed(np.where(np.isnan(values), new, values), new)
    if fits.any():
        yield np.flatnonzero(fits), new[fits]


def _least(who: Array, at: Array, size: Array, count: int) -> Array:
    """Return the places of the smallest changes: one a row and column, of the ``count`` columns whose change is smallest."""
    kept: list[int] = []
    seen: dict[int, set[int]] = {}
    for place in np.argsort(size, kind="stable"):
        mine = seen.setdefault(int(who[place]), set())
        if int(at[place]) not in mine and len(mine) < count:
            mine.add(int(at[place]))
            kept.append(int(place))
    return np.array(kept, int)
