"""Where in the rows something is wrong: the smallest description, by values and time, of the rows that are affected.

``place(affected, table, time=...) -> Place`` is the whole interface; incidents speak with it ("origin LGA, since 03:00"). A pure
function of rows that are at hand; only the monitor uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Condition", "Place", "place"]

Array = np.ndarray[Any, Any]

_VALUES = 200    # a column of more values than this names rows and not groups of them
_NAMED = 4       # values that a sentence can hold
_CONDITIONS = 3
_GAIN = 0.03     # of F1 that a further condition must bring
_ENOUGH = 0.6    # F1 below which a description would mislead


@dataclass(frozen=True)
class Condition:
    """Rows whose ``column`` holds one of ``values``, or lies between two instants (both included)."""

    column: str
    values: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None

    def __str__(self) -> str:
        if self.values:
            return f"{self.column} {' or '.join('missing' if each is None else str(each) for each in self.values)}"
        if self.low is not None and self.low == self.high:
            return f"{self.column} at {_moment(self.low)}"
        if self.low is not None and self.high is not None:
            return f"{self.column} from {_moment(self.low)} to {_moment(self.high)}"
        return f"{self.column} since {_moment(self.low)}" if self.high is None else f"{self.column} until {_moment(self.high)}"


@dataclass(frozen=True)
class Place:
    """The description of the affected rows; without conditions, no group of rows stands out.

    All ``conditions`` hold in the rows that it covers. ``share`` of all rows is affected, ``recall`` of the affected rows is covered,
    ``precision`` of the covered rows is affected.
    """

    conditions: tuple[Condition, ...]
    share: float
    recall: float
    precision: float

    def __str__(self) -> str:
        if self.share >= 0.995:
            return "in all rows"
        if not self.conditions:
            return f"in {_percent(self.share)} of the rows"
        many = "all rows" if self.precision >= 0.995 else f"{_percent(self.precision)} of the rows"
        rest = "" if self.recall >= 0.995 else f", and some others ({_percent(self.share)} of all rows)"
        return f"in {many} of {', '.join(map(str, self.conditions))}{rest}"


def place(affected: Array, table: pa.Table, *, time: str | None = None, by: Sequence[str] | None = None) -> Place:
    """Return the smallest conjunction of at most three conditions that tells the affected rows from the others.

    ``affected`` is a truth value for each row of ``table``. Candidates are the columns named by ``by`` (all of few values where it is
    None), as sets of at most four values, and one stretch of ``time``. Conditions are added greedily by F1, the harmonic mean of the
    share of covered rows that are affected and the share of affected rows that are covered; a description below F1 = 0.6 is none.

    >>> table = pa.table({"origin": ["JFK", "LGA"] * 50, "carrier": ["AA"] * 60 + ["UA"] * 40})
    >>> found = place(np.arange(100) % 2 == 1, table)
    >>> str(found)
    'in all rows of origin LGA'
    >>> str(place(np.arange(100) < 7, table))
    'in 7 % of the rows'
    """
    affected = np.asarray(affected, np.bool_)
    total = int(affected.sum())
    share = total / len(affected) if len(affected) else 0.0
    if total in (0, len(affected)):
        return Place((), share, 1.0, 1.0)
    columns = _columns(table, by, time)
    inside, best = np.ones(len(affected), np.bool_), 2 * share / (1 + share)
    chosen: list[Condition] = []
    for _ in range(_CONDITIONS):
        taken = {each.column for each in chosen}
        options = [_values(name, codes, entries, affected, inside) for name, (codes, entries) in columns.items() if name not in taken]
        if time is not None and time not in taken and time in table.column_names:
            options.append(_stretch(time, table[time], affected, inside))
        known = [each for each in options if each is not None]
        if not known:
            break
        score, condition, mask = max(known, key=lambda each: each[0])
        if score < best + _GAIN:
            break
        inside, best = inside & mask, score
        chosen.append(condition)
    if best < _ENOUGH:
        return Place((), share, 1.0, share)
    hit = int((affected & inside).sum())
    return Place(tuple(chosen), share, hit / total, hit / max(1, int(inside.sum())))


Found = tuple[float, Condition, Array]


def _columns(table: pa.Table, by: Sequence[str] | None, time: str | None) -> Mapping[str, tuple[Array, list[Any]]]:
    found = {}
    for name in by if by is not None else table.column_names:
        if name == time or name not in table.column_names:
            continue
        column = table[name].combine_chunks()
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        named = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean)
        if by is None and not any(each(kind) for each in named):
            continue
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        if not 2 <= len(coded.dictionary) + (coded.null_count > 0) <= _VALUES:
            continue
        codes = np.asarray(pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False), np.int64)
        found[name] = codes, [*coded.dictionary.to_pylist(), None]
    return found


def _values(name: str, codes: Array, entries: list[Any], affected: Array, inside: Array) -> Found | None:
    """Return the best set of values: those with the greatest share of affected rows, as many as make F1 greatest."""
    rows = np.bincount(codes[inside], minlength=len(entries))
    hits = np.bincount(codes[inside & affected], minlength=len(entries))
    there = np.flatnonzero(hits)
    if not len(there) or (len(there) == 1 and rows[there[0]] == inside.sum()):
        return None
    order = there[np.lexsort((-hits[there], -hits[there] / rows[there]))]
    covered, hit = np.cumsum(rows[order]), np.cumsum(hits[order])
    scores = 2 * hit / (covered + int(affected.sum()))
    last = int(np.argmax(scores[:_NAMED]))
    chosen = order[: last + 1]
    return float(scores[last]), Condition(name, tuple(entries[each] for each in chosen)), np.isin(codes, chosen)


def _stretch(name: str, column: pa.ChunkedArray, affected: Array, inside: Array) -> Found | None:
    """Return the stretch of time with the greatest F1, among those that begin and end at an affected row.

    Over instants in order, covering from i to j scores 2 hits / (rows + affected). For a fixed score s it is best where
    hits - s/2 rows is greatest, which is a greatest sum of a stretch; s rises until nothing improves (Dinkelbach 1967).
    """
    if column.null_count == len(column):
        return None
    instants = np.asarray(column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy() if pa.types.is_temporal(column.type)
                          else column.to_numpy(zero_copy_only=False))
    there = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), np.bool_)
    known = inside & there
    moments, at = np.unique(instants[known], return_inverse=True)
    if len(moments) < 2:
        return None
    rows = np.bincount(at)
    hits = np.bincount(at, weights=affected[known]).astype(np.int64)
    total, score, low, high = int(affected.sum()), 0.0, 0, len(moments) - 1
    for _ in range(50):
        first, last = _greatest(hits - score / 2 * rows)
        reached = 2 * hits[first : last + 1].sum() / (rows[first : last + 1].sum() + total)
        if reached <= score + 1e-12:
            break
        score, low, high = float(reached), first, last
    if low == 0 and high == len(moments) - 1:
        return None
    mask = (instants >= moments[low]) & (instants <= moments[high]) & there
    begin, end = (pa.scalar(int(moments[each]), pa.int64()).cast(column.type).as_py() if pa.types.is_temporal(column.type)
                  else moments[each].item() for each in (low, high))
    condition = Condition(name, (), None if low == 0 else begin, None if high == len(moments) - 1 else end)
    return score, condition, mask


def _greatest(gains: Array) -> tuple[int, int]:
    """Return the first and last place of the stretch of greatest sum.

    >>> _greatest(np.array([-1.0, 2.0, -0.5, 2.0, -3.0]))
    (1, 3)
    """
    before = np.concatenate(([0.0], np.cumsum(gains)))
    lowest = np.minimum.accumulate(before[:-1])
    last = int(np.argmax(before[1:] - lowest))
    return int(np.argmin(before[: last + 1])), last


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else "under 1 %"


def _moment(value: Any) -> str:
    return value.strftime("%Y-%m-%d %H:%M") if hasattr(value, "strftime") else f"{value}"
