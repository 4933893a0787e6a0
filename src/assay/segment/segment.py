"""Segments: conjunctions of conditions in which rows differ from the others, found on one half of the rows and confirmed on the other.

``segments(table, value, ...)`` is the interface, of what is there in numbers a row: losses, paired differences of losses, answers of two
groups, or which of two data sets a row is of. Verbs import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, EmptyDataError
from assay.result import Spread
from assay.segment.axis import Axis, Condition, axes
from assay.segment.confirm import Control, Judge, Judged, standing
from assay.segment.search import Box, Field, search
from assay.summary.hashing import hashes, mixed

__all__ = ["Direction", "Found", "Segment", "Step", "segments"]

Array = np.ndarray[Any, Any]
Direction = Literal["higher", "lower", "both"]

FEWEST = 30          # rows of a segment, in each half and on each side
SHARE = 0.005        # of the rows, below which a conjunction is not looked at
FLOOR = -12.0        # of the score of a candidate: what is likely to be chance is left to the other half
CANDIDATES = 20
TAIL = 0.002         # of the rows on each side, whose numbers the search cuts off: one row must not make a segment
OWN = 0.3            # of its rows that a segment must not share with those before it
WORTH = 0.01         # largest p-value on the half that found it, of a candidate by the rows of its own
FEWEST_ENTITIES = 20
_LONG = 30           # characters of a category, from which on it is a text


@dataclass(frozen=True)
class Step:
    """The first conditions of a segment, the one that tells most first: what they alone show, and how many rows of the second half fit."""

    conditions: tuple[Condition, ...]
    inside: Spread
    rows: int


@dataclass(frozen=True)
class Segment:
    """One cause: the conditions, how many rows they hold for, and what the rows of the second half say of them.

    ``rows`` and ``share`` are of all rows of the first side. ``inside``, ``outside`` are means (gaps between the sides, where there are
    two; with no value, the shares of the rows of each side that are inside), ``difference`` inside less outside (of shares their ratio).
    ``portion`` is the part of the sum of all values that its rows hold, None where values are not losses. ``p`` is that of
    "no more than the tolerance, on rows that no segment before it holds", ``adjusted`` that for all candidates.
    ``also`` are other descriptions of nearly the same rows; ``steps`` lead from all rows to the segment, a condition at a time.
    """

    conditions: tuple[Condition, ...]
    rows: int
    share: float
    inside: Spread
    outside: Spread
    difference: Spread
    direction: Literal["higher", "lower"]
    p: float
    adjusted: float
    portion: float | None = None
    also: tuple[tuple[Condition, ...], ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def words(self) -> str:
        """The conditions for people."""
        return ", ".join(each.words for each in self.conditions)

    @property
    def text(self) -> str | None:
        """The conditions as one predicate, None where one of them (an hour, a day of the week) has none."""
        texts = [each.text for each in self.conditions]
        return None if None in texts else " and ".join(each for each in texts if each)


@dataclass(frozen=True)
class Found:
    """The segments that stand, best first; how many conjunctions were tried, how many came to the second half, and what was left out."""

    segments: tuple[Segment, ...]
    tried: int
    candidates: int
    rows: int
    confirmed_on: int
    left: dict[str, str]
    notes: tuple[str, ...] = ()


def segments(table: pa.Table, value: Any = None, *, side: Any = None, weight: Any = None, entity: Any = None, tolerance: float = 0.0,
             direction: Direction = "higher", columns: Iterable[str] | None = None, cyclic: Iterable[str] = (), levels: int = 3,
             most: int = 10, at_least: float | None = None, at_most: float = 0.5, rate: float = 0.05, control: Control = "fdr",
             seed: int = 0, compiled: bool | None = None) -> Found:
    """Return the conjunctions of up to ``levels`` conditions in which ``value`` is higher (lower) than elsewhere by over ``tolerance``.

    ``value`` is a number a row of ``table``; rows without one are left out. With ``side`` (0 or 1 a row) the mean of side 0 less that of
    side 1 is compared; without ``value`` the share of the rows of side 0 that fall inside with that of side 1, and the tolerance is of
    their ratio. Rows of one ``entity`` stay together in one half, and errors are by entity. A segment holds ``at_least`` rows
    (a share below 1, else a number; 0.5 % and 30 by default) and ``at_most`` a share of them. Of the segments returned, a share of
    ``rate`` is false on average, or with ``control="fwer"`` any is with that probability. Rows are cut by ``columns``; of times in
    ``cyclic`` only by hour and day of the week. The order of rows and columns does not matter.

    Raises ``ConfigError`` for options that mean nothing, ``EmptyDataError`` without rows.

    >>> rng = np.random.default_rng(0)
    >>> data = pa.table({"x": rng.normal(size=9000), "who": rng.choice(["a", "b", "c"], 9000)})
    >>> worse = (data["x"].to_numpy() > 0.5) & (data["who"].to_numpy() == "b")
    >>> loss = (rng.random(9000) < np.where(worse, 0.5, 0.1)).astype(float)
    >>> [(each.text, round(each.inside.estimate, 1)) for each in segments(data, loss).segments]
    [("who == 'b' and x >= 0.509", 0.5)]
    """
    rows = _Rows.of(table, value, side, weight, entity)
    if not 1 <= levels <= 3:
        raise ConfigError(f"segments of {levels} conditions are not looked for", expected="levels of 1, 2 or 3")
    if not 0 < at_most <= 1 or not 0 < rate < 1 or tolerance < 0:
        raise ConfigError("an option of the search for segments means nothing", expected="0 < at_most <= 1, 0 < rate < 1, tolerance >= 0")
    found, left = axes(rows.table, columns, cyclic=tuple(cyclic))
    found.sort(key=lambda each: (max((len(str(value)) for value in each.values), default=0) > _LONG, each.name))   # of equals the plainer
    if not found:
        return Found((), 0, 0, len(rows), 0, left, ("there is no column to cut the rows by",))
    half = rows.halves(found, seed)
    notes = rows.notes(half)
    tried = 0
    candidates: list[_Candidate] = []
    directions: tuple[_Way, ...] = ("higher", "lower") if direction == "both" else (direction,)
    for each in directions:
        sign = 1 if each == "higher" else -1
        field = rows.field(~half, sign, tolerance, at_least, at_most)
        if field is None:
            notes.append("there are too few rows to find a segment on one half and confirm it on the other")
            break
        looked = search(found, np.flatnonzero(~half), field, levels=levels, limit=CANDIDATES, floor=FLOOR, compiled=compiled)
        tried += looked.tried
        notes += looked.notes
        candidates += [_Candidate(box, others, each) for box, others in zip(looked.boxes, looked.others, strict=True)]
    made = _confirmed(rows, found, candidates, half, tolerance)
    kept = []
    for one, adjusted in zip(made, standing([each.judged.p for each in made], control), strict=True):
        if adjusted <= rate and _beyond(one.whole.difference, 1 if one.way == "higher" else -1, tolerance, value is None):
            kept.append((one.box.score, rows.segment(found, one, half, adjusted, tolerance)))
    kept.sort(key=lambda pair: -pair[0])
    return Found(tuple(each for _, each in kept[:most]), tried, len(made), len(rows), int(half.sum()), left, tuple(dict.fromkeys(notes)))


_Way = Literal["higher", "lower"]


class _Candidate(NamedTuple):
    """What the first half has."""

    box: Box
    others: tuple[Box, ...]
    way: _Way


class _Made(NamedTuple):
    """A box as the second half has it: by the rows of its own, and by all its rows."""

    box: Box
    judged: Judged
    whole: Judged
    others: tuple[Box, ...]
    way: _Way


def _confirmed(rows: _Rows, found: Sequence[Axis], candidates: Sequence[_Candidate], half: Array, tolerance: float) -> list[_Made]:
    """Judge each candidate on the second half: by the rows of its own, against those in none so far; and as it is, against all others.

    What is only the other side of a candidate before it, or a part of one, shows nothing on rows of its own in the first half, and is
    not asked about; nor is what adjoins one in the same columns, as effects that fade out leave fringes.
    """
    places = np.flatnonzero(~half), np.flatnonzero(half)
    before = [np.zeros(len(each), bool) for each in places]
    made: list[_Made] = []
    for each in sorted(candidates, key=lambda one: -one.box.score):
        if any(one.way == each.way and _fringe(each.box, one.box, found) for one in made):
            continue
        inside = [each.box.mask(found, place) for place in places]
        own = [mask & ~held for mask, held in zip(inside, before, strict=True)]
        outside = [~mask & ~held for mask, held in zip(inside, before, strict=True)]
        if not all(rows.enough(mask, place) for pair in (own, outside) for mask, place in zip(pair, places, strict=True)):
            continue
        judges = [rows.judge(some, 1 if each.way == "higher" else -1, tolerance) for some in (~half, half)]
        if min(mask.sum() / max(whole.sum(), 1) for mask, whole in zip(own, inside, strict=True)) < OWN or (
                judges[0].judged(own[0], outside[0]).p > WORTH):
            continue
        made.append(_Made(each.box, judges[1].judged(own[1], outside[1]), judges[1].judged(inside[1], ~inside[1]), each.others, each.way))
        before = [held | mask for held, mask in zip(before, inside, strict=True)]
    return made


def _fringe(box: Box, before: Box, found: Sequence[Axis]) -> bool:
    """Whether a box has the columns of one before it, and overlaps or touches it in each."""
    mine = {axis: (low, high) for axis, low, high in box.parts}
    if len(mine) != len(before.parts):
        return False

    def touches(axis: int, low: int, high: int) -> bool:
        if axis not in mine or low == found[axis].missing:
            return axis in mine and mine[axis] == (low, high)
        reach = 1 if found[axis].ordered else 0
        start, stop = mine[axis]
        return start != found[axis].missing and start <= high + reach and low <= stop + reach

    return all(touches(*each) for each in before.parts)


def _beyond(difference: Spread, sign: int, tolerance: float, ratio: bool) -> bool:
    """Whether an interval lies beyond the tolerance."""
    low, high = difference.interval()
    bound = (1 + tolerance) ** sign if ratio else sign * tolerance
    return low > bound if sign > 0 else high < bound


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows that count: all arrays are checked and of one length."""

    table: pa.Table
    value: Array | None
    side: Array | None
    weight: Array | None
    entity: Array | None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @classmethod
    def of(cls, table: pa.Table, value: Any, side: Any, weight: Any, entity: Any) -> _Rows:
        if value is None and side is None:
            raise ConfigError("there is nothing to look for", expected="a number for each row, or the side it is on")
        many = table.num_rows
        numbers = None if value is None else np.asarray(value, np.float64)
        sides = None if side is None else np.asarray(side, np.uint8)
        weights = None if weight is None else np.asarray(weight, np.float64)
        keys = None if entity is None else hashes(entity)
        for name, each in (("value", numbers), ("side", sides), ("weight", weights), ("entity", keys)):
            if each is not None and each.shape != (many,):
                raise ConfigError(f"the {name} has the shape {each.shape}", expected=f"one for each of {many:,} rows")
        if sides is not None and sides.size and sides.max() > 1:
            raise ConfigError("a side is neither 0 nor 1", expected="two sides")
        keep = np.ones(many, bool)
        for each in (numbers, weights):
            keep &= True if each is None else np.isfinite(each)
        keep &= True if weights is None else weights > 0
        if not keep.any():
            raise EmptyDataError("there are no rows with a number to look for segments by", expected="at least one")
        if not keep.all():
            table = table.filter(pa.array(keep))
            numbers, sides, weights, keys = (_kept(each, keep) for each in (numbers, sides, weights, keys))
        codes = None if keys is None else np.unique(keys, return_inverse=True)[1].reshape(-1)
        return cls(table, numbers, sides, weights, codes if codes is None else codes.astype(np.int64))

    def halves(self, found: Sequence[Axis], seed: int) -> Array:
        """Return which rows confirm: about half, by entity, else by what a row holds and how many like it came before.

        So neither the order of rows nor that of columns changes who is where.
        """
        if self.entity is not None:
            chosen: Array = mixed(np.arange(self.entity.max() + 1, dtype=np.uint64), 101 + seed)[self.entity] >> np.uint64(63) == 1
            return chosen
        key = np.zeros(len(self), np.uint64)
        for each in found:
            salt = int(hashes(pa.array([each.name]))[0])
            key += mixed(np.arange(each.size, dtype=np.uint64) + np.uint64(salt % 2**62), 7)[each.codes]
        for number in (self.value, self.weight):
            if number is not None:
                key = mixed(key ^ hashes(number), 3)
        if self.side is not None:
            key = mixed(key + self.side, 5)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        lengths = np.diff(np.append(starts, len(ordered)))
        nth = np.empty(len(ordered), np.uint64)
        nth[order] = (np.arange(len(ordered)) - np.repeat(starts, lengths)).astype(np.uint64)
        # of equal rows every second one, from a start that hangs on the row
        half: Array = ((mixed(key, 101 + seed) >> np.uint64(63)) + nth) % np.uint64(2) == 1
        return half

    def notes(self, half: Array) -> list[str]:
        if self.entity is not None and min(len(np.unique(self.entity[each])) for each in (half, ~half)) < FEWEST_ENTITIES:
            return [f"fewer than {FEWEST_ENTITIES} entities in one half: little can be confirmed"]
        return []

    def enough(self, inside: Array, place: Array) -> bool:
        """Whether some of the rows at ``place`` are enough to say something of, on each side."""
        if self.side is None:
            return int(inside.sum()) >= FEWEST
        counts = np.bincount(self.side[place][inside], minlength=2)
        return bool(counts.min() >= (FEWEST if self.value is not None else 0) and counts.sum() >= FEWEST)

    def field(self, some: Array, sign: int, tolerance: float, at_least: float | None, at_most: float) -> Field | None:
        """Return what the search sees of some rows, None where they are too few."""
        weight = None if self.weight is None else self.weight[some]
        if weight is not None:
            weight = weight * (weight.sum() / (weight @ weight))   # so that sums are the rows that the sample is worth
        side = None if self.side is None else self.side[some]
        total = np.array([float(some.sum())]) if weight is None else np.array([weight.sum()])
        if side is not None and self.value is not None:
            total = np.bincount(side, weight, 2).astype(np.float64)
        asked = SHARE if at_least is None else at_least
        least = max(asked * total.min() if asked < 1 else asked / 2, FEWEST)
        if total.min() < 2 * least:
            return None
        excess, variance = self._excess(some, side, weight, sign, tolerance)
        if not variance.sum() > 0:
            return None
        return Field(excess if weight is None else excess * weight, side if self.value is not None else None, weight, variance, least,
                     at_most * total)

    def _excess(self, some: Array, side: Array | None, weight: Array | None, sign: int, tolerance: float) -> tuple[Array, Array]:
        """Return what each row exceeds the average (and the tolerance) by, and the variance of a row by side."""
        if self.value is None:
            assert side is not None
            shares = np.bincount(side, weight, 2)
            odds = shares[0] / max(shares[1], 1e-300) * (1 + tolerance) ** sign
            value = sign * ((side == 0) - odds / (1 + odds))
            return value, np.array([value.var()])
        value = sign * self.value[some]
        low, high = np.quantile(value, (TAIL, 1 - TAIL))
        if len(np.unique(value[:1000])) > 2:
            value = np.clip(value, low, high)
        if side is None:
            excess = value - np.average(value, weights=weight) - tolerance
            return excess, np.array([value.var()])
        masks = [side == each for each in (0, 1)]
        means = [np.average(value[each], weights=None if weight is None else weight[each]) for each in masks]
        excess = value - np.where(masks[0], means[0] + tolerance, means[1])
        return excess, np.array([value[each].var() for each in masks])

    def judge(self, half: Array, sign: int, tolerance: float) -> Judge:
        value, side, weight, entity = (_kept(each, half) for each in (self.value, self.side, self.weight, self.entity))
        return Judge(value, side, weight, entity, sign, tolerance)

    def segment(self, found: Sequence[Axis], made: _Made, half: Array, adjusted: float, tolerance: float) -> Segment:
        inside, judged = made.box.mask(found), made.whole
        first = np.ones(len(self), bool) if self.side is None else self.side == 0
        portion = None
        if self.value is not None and self.side is None and self.value.min() >= 0 and made.way == "higher":
            value = self.value * (1.0 if self.weight is None else self.weight)
            total = float(value[half].sum())
            portion = float(value[half & inside].sum()) / total if total > 0 else None
        return Segment(_conditions(found, made.box), int((inside & first).sum()), float((inside & first).sum() / first.sum()),
                       judged.inside, judged.outside, judged.difference, made.way, made.judged.p, adjusted, portion,
                       tuple(_conditions(found, each) for each in made.others), self._steps(found, made, half, tolerance))

    def _steps(self, found: Sequence[Axis], made: _Made, half: Array, tolerance: float) -> tuple[Step, ...]:
        judge, place = self.judge(half, 1 if made.way == "higher" else -1, tolerance), np.flatnonzero(half)
        left, taken, steps = list(made.box.parts), [], []
        inside = np.ones(len(place), bool)
        while left:
            masks = [inside & Box((each,), 0.0, 0.0).mask(found, place) for each in left]
            told = [judge.judged(mask, ~mask) for mask in masks]
            best = min(range(len(left)), key=lambda each: (told[each].p, left[each]))
            inside = masks[best]
            taken.append(left.pop(best))
            steps.append(Step(_conditions(found, Box(tuple(taken), 0.0, 0.0)), told[best].inside, int(inside.sum())))
        return tuple(steps)


def _kept(values: Array | None, mask: Array) -> Array | None:
    return None if values is None else values[mask]


def _conditions(found: Sequence[Axis], box: Box) -> tuple[Condition, ...]:
    return tuple(found[axis].condition(low, high) for axis, low, high in box.parts)
