"""Faults put into real days: eleven kinds that last three days, and three that creep.

Each changes the rows of one source on one day, as a broken feed, join or parser would. ``trial`` says which column and day by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from streams import Day, Part

__all__ = ["KINDS", "SLOW", "Kind", "corrupted"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: on what columns it makes sense, for how many days, and what it does to a part on the n-th of them."""

    name: str
    on: str  # "number", "category", "any" or "table"
    days: int
    apply: Callable[[Part, str, int, np.random.Generator, Mapping[str, Any]], Part]


def _with(part: Part, column: str, array: pa.Array) -> Part:
    return Part({**part.columns, column: array}, part.key)


def _some(part: Part, share: float, rng: np.random.Generator) -> pa.Array:
    return pa.array(rng.random(part.rows) < share)


def _nulls(share: float) -> Callable[..., Part]:
    def apply(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
        array = part.columns[column]
        return _with(part, column, pc.if_else(_some(part, share, rng), pa.scalar(None, array.type), array))

    return apply


def _leak(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    return _nulls(min(0.005 * (n + 1), 1.0))(part, column, n, rng, facts)


def _thousand(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    array = part.columns[column].cast(pa.float64())
    return _with(part, column, pc.if_else(_some(part, 0.02, rng), pc.multiply(array, 1000.0), array))


def _moved(array: pa.Array, by: float, rng: np.random.Generator) -> pa.Array:
    """Return numbers moved; whole ones stay whole, rounded by chance so that the mean is right: fractions alone would give them away."""
    if not pa.types.is_integer(array.type):
        return pc.add(array, by)
    low = np.floor(by)
    return pc.add(array, pa.array((low + (rng.random(len(array)) < by - low)).astype(np.int64)))


def _shift(size: float) -> Callable[..., Part]:
    def apply(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
        return _with(part, column, _moved(part.columns[column], size * facts["deviation"][column], rng))

    return apply


def _small(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    """Move a mean by twice what it moves from day to day."""
    return _with(part, column, _moved(part.columns[column], 2 * facts["daily"][column], rng))


def _together(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    """Move the mean of every number of the source by 1.5 times what it moves from day to day."""
    columns = {name: _moved(array, 1.5 * facts["daily"][name], rng) if name in facts["daily"] else array
               for name, array in part.columns.items()}
    return Part(columns, part.key)


def _creep(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    """Move a mean by a twentieth of the column's deviation more each day: one deviation after three weeks."""
    return _with(part, column, _moved(part.columns[column], 0.05 * (n + 1) * facts["deviation"][column], rng))


def _mixing(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    """Call two in a hundred more of the most frequent category by the name of the next each day."""
    array = part.columns[column]
    turned = pc.and_(pc.equal(array, facts["common"][column]), _some(part, 0.02 * (n + 1), rng))
    return _with(part, column, pc.if_else(turned, pa.scalar(facts["next"][column], array.type), array))


def _constant(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    array = part.columns[column]
    return _with(part, column, pc.if_else(pc.is_valid(array), pa.scalar(facts["common"][column], array.type), array))


def _swap(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    return _with(part, column, part.columns[facts["other"][column]])


def _renamed(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    array = part.columns[column]
    return _with(part, column, pc.if_else(pc.equal(array, facts["common"][column]), pa.scalar(f"{facts['common'][column]}_NEW"), array))


def _case(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    array = part.columns[column]
    return _with(part, column, pc.if_else(_some(part, 0.05, rng), pc.utf8_swapcase(array), array))


def _fewer(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    return part.take(np.flatnonzero(rng.random(part.rows) > 0.3))


def _sign(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    return _with(part, column, pc.negate(part.columns[column].cast(pa.float64())))


def _stale(part: Part, column: str, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Part:
    return facts["yesterday"]


KINDS = (
    Kind("5 % nulls", "any", 3, _nulls(0.05)), Kind("50 % nulls", "any", 3, _nulls(0.5)), Kind("x 1000 in 2 % of rows", "number", 3, _thousand),
    Kind("shift of .5 sd", "number", 3, _shift(0.5)), Kind("constant", "any", 3, _constant), Kind("another column", "any", 3, _swap),
    Kind("top category renamed", "category", 3, _renamed), Kind("case of 5 %", "category", 3, _case), Kind("yesterday's file", "table", 3, _stale),
    Kind("30 % of rows gone", "rows", 3, _fewer), Kind("sign", "number", 3, _sign))
SLOW = (Kind("leak: .5 % more nulls a day", "any", 21, _leak), Kind("mean by 2 of its daily sd", "number", 21, _small),
        Kind("all means by 1.5 daily sd", "source", 21, _together), Kind("creep: mean by .05 sd more a day", "number", 21, _creep),
        Kind("mix: 2 % more of a category a day", "category", 21, _mixing))


def corrupted(day: Day, source: str, column: str, kind: Kind, n: int, rng: np.random.Generator, facts: Mapping[str, Any]) -> Day:
    """Return a day with the fault in it."""
    part = kind.apply(day.parts[source], column, n, rng, facts)
    parts = {**day.parts, source: part}
    return Day(day.date, parts, day.place)
