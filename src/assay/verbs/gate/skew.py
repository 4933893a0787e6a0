"""Why two scores of the same rows differ: conditions that go with the differences, and values that, put in, give the logged score again.

``conditions`` looks for the first, ``substitutes`` asks the model for the second. Both look at data that are at hand; only
``assay.verbs.gate.replay`` imports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.schema import Schema
from assay.errors import ModelError
from assay.screen.power import edges, seconds
from assay.screen.unit import KNOWN
from assay.summary.vector import kind_of

__all__ = ["Condition", "Substitute", "conditions", "named", "plain", "substitutes"]

Array = np.ndarray[Any, Any]

_NAMES = 30       # categories of a column that are looked at one by one
_EDGES = 8
_STRONG = 0.25    # phi, below which a condition is not worth a line
_SURE = 5.0       # standard errors
_ROWS = 1_000     # that are put to the model with other values
_FIRST = 100
_TOGETHER = 100   # changed tables that are put to the model at once
_LONGEST = 20     # columns that break together
_ALL = 0.95
_ALIKE = (" missing", " at 0", " as it was in the row before of the same entity")
_ENOUGH = 0.5     # of the rows whose logged score a substitute must give again
_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Condition:
    """Rows by what they have in common: ``words`` is a clause; ``inside`` of the rows that differ fit, and ``outside`` of the others."""

    column: str
    words: str
    mask: Array
    inside: float = 0.0
    outside: float = 0.0


@dataclass(frozen=True)
class Substitute:
    """Values that, put in the place of some columns, make the model answer what was logged, in a share of the differing rows."""

    columns: tuple[str, ...]
    words: str
    share: float
    rows: int


def plain(table: pa.Table, name: str) -> pa.Array:
    """Return a column as one array, dictionaries decoded."""
    array = table.column(name).combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def numbers(column: pa.Array) -> Array:
    """Return a column of numbers or times as float64, NaN for what is missing."""
    if pa.types.is_temporal(column.type):
        return seconds(column) if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) else np.full(len(column), np.nan)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def named(names: Sequence[str], most: int = 4) -> str:
    """Return names for a sentence, in the order of their weight.

    >>> named(["temp", "wind"]), named(list("abcdef"), 2)
    ('temp and wind', 'a, b and 4 more')
    """
    shown = [each[:60] for each in names[:most]]
    if len(names) > most:
        return ", ".join(shown) + f" and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""


def conditions(table: pa.Table, schema: Schema, differs: Array, columns: Sequence[str], *, most: int = 3) -> list[Condition]:
    """Return what the rows that differ have in common and the others have not, the most telling first.

    By the phi coefficient of each simple condition (missing, known late, one value, beyond a quantile, an hour, a day) with the
    difference, at least 0.25 and five standard errors; the next one among the rows that those before do not cover.
    """
    candidates = list(_candidates(table, schema, columns))
    found: list[Condition] = []
    left = np.ones(len(differs), bool)
    while len(found) < most:
        rows, hit = int(left.sum()), differs & left
        if hit.sum() < 5 or hit.sum() > rows - 5:
            break
        rated = [(_phi(each.mask[left], differs[left]), each) for each in candidates]
        value, best = max(rated, key=lambda pair: pair[0], default=(0.0, None))
        if best is None or value < _STRONG or value * math.sqrt(rows) < _SURE:
            break
        found.append(Condition(best.column, best.words, best.mask, float(best.mask[differs].mean()), float(best.mask[~differs].mean())
                               if not differs.all() else 0.0))
        left &= ~best.mask
    return found


def _phi(mask: Array, differs: Array) -> float:
    n, a, b = len(mask), float(mask.sum()), float(differs.sum())
    both = float((mask & differs).sum())
    spread = a * (n - a) * b * (n - b)
    return (n * both - a * b) / math.sqrt(spread) if spread > 0 else 0.0


def _candidates(table: pa.Table, schema: Schema, columns: Sequence[str]) -> Iterator[Condition]:
    late = schema.available_at
    moment = numbers(plain(table, schema.timestamp)) if schema.timestamp in table.column_names and schema.timestamp else None
    for name, when in late.items():      # before anything else: of two that tell the same, the cause is told
        if moment is not None and when in table.column_names:
            known = numbers(plain(table, when))
            with np.errstate(invalid="ignore"):
                yield Condition(name, f"{name} was known only after the time of the row", np.nan_to_num(known - moment, nan=0.0) > 0)
    for name in columns:
        column = plain(table, name)
        if column.null_count:
            yield Condition(name, f"{name} is missing", np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool))
        kind = kind_of(column.type)
        if kind == "number":
            yield from _of_number(name, column)
        elif kind == "category" and not pa.types.is_binary(column.type):
            yield from _of_category(name, column)
    if moment is not None and np.isfinite(moment).any():
        day = np.floor(moment / _DAY)
        for each in np.unique(day[np.isfinite(day)])[:400].tolist():
            yield Condition(schema.timestamp or "", f"it is of {_date(each)} (UTC)", day == each)
        hour = np.floor(moment / 3600)
        stamps, counts = np.unique(hour[np.isfinite(hour)], return_counts=True)
        if 1 < len(stamps) <= 2_000:
            for each in stamps[counts >= 5].tolist():
                words = f"it is of {_date(each // 24)}, {int(each % 24):02}:00 to {int(each % 24) + 1:02}:00 (UTC)"
                yield Condition(schema.timestamp or "", words, hour == each)


def _date(days: float) -> str:
    return str(np.datetime64(int(days), "D"))


def _of_number(name: str, column: pa.Array) -> Iterator[Condition]:
    if pa.types.is_temporal(column.type):
        return
    values = numbers(column)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    different, counts = np.unique(finite, return_counts=True)
    for at in np.argsort(-counts, kind="stable")[: _NAMES if len(different) <= 2 * _NAMES else 3].tolist():
        if len(different) > 1 and counts[at] >= 0.005 * len(values):
            yield Condition(name, f"{name} is {different[at]:.6g}", values == different[at])
    with np.errstate(invalid="ignore"):
        for edge in edges(finite, _EDGES).tolist() if len(different) > 2 else ():
            yield Condition(name, f"{name} is {edge:.4g} or more", values >= edge)
            yield Condition(name, f"{name} is below {edge:.4g}", values < edge)


def _of_category(name: str, column: pa.Array) -> Iterator[Condition]:
    encoded = column.cast(pa.string()).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    counts = np.bincount(codes[codes >= 0], minlength=len(encoded.dictionary))
    if len(counts) < 2:
        return
    for at in np.argsort(-counts, kind="stable")[:_NAMES].tolist():
        yield Condition(name, f"{name} is '{str(encoded.dictionary[at].as_py())[:40]}'", codes == at)


# what, put in, gives the logged score again ------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class _Move:
    columns: tuple[str, ...]
    words: str
    change: Callable[[pa.Table], pa.Table]

    @property
    def kind(self) -> str:
        """What was done to the column: missing, at a number, in another unit."""
        return self.words.removeprefix(self.columns[0]).partition(" (")[0]


def substitutes(answers: Callable[[pa.Table], Array], table: pa.Table, logged: Array, *, columns: Sequence[str], whole: pa.Table,
                groups: Mapping[str, Sequence[str]], tolerance: float, previous: Mapping[str, pa.Array],
                budget: int = 300_000) -> list[Substitute]:
    """Return the values that give the logged scores of the rows of ``table`` again; empty where none do.

    Tried, for each column and for each of ``groups`` of columns that come together: missing; zero, the most frequent value and the middle
    of ``whole``; the value of the row before of the same entity (``previous``); another unit. Where no single one does, columns are added
    one by one that broke alike (all missing, all at 0), each time the one that brings most scores back, then leaves the least spread of
    differences. It is looked for in up to 100 rows and counted in up to 1,000; ``budget`` bounds the rows put to the model.
    """
    moves = _moves(columns, whole, groups, previous)
    if not moves or not table.num_rows:
        return []
    first = max(min(_FIRST, table.num_rows, budget // (2 * len(moves))), 1)
    some = np.linspace(0, table.num_rows - 1, first).astype(np.int64)
    rows, target = table.take(pa.array(some)), logged[some]

    def tried(state: pa.Table, moves: Sequence[_Move]) -> list[tuple[tuple[float, float], _Move, pa.Table]]:
        after = [(move, made) for move in moves if (made := _moved(move, state, some)) is not None]
        given = _each(answers, [made for _, made in after])
        return [(near, move, made) for (move, made), each in zip(after, given, strict=True)
                if (near := _closeness(each, target, tolerance)) is not None]

    alone = sorted(tried(rows, moves), key=lambda each: (-each[0][0], each[0][1]))
    if not alone:
        return []
    found = [alone[0][1]]
    if alone[0][0][0] < _ENOUGH:
        for kind in _ALIKE:   # what breaks together breaks alike: a feed that was silent left all its columns missing
            found = _chain(tried, rows, [each for each in moves if each.kind == kind])
            if found:
                break
    every = np.linspace(0, table.num_rows - 1, min(_ROWS, table.num_rows)).astype(np.int64)
    state: pa.Table | None = table.take(pa.array(every))
    for move in found:
        state = _moved(move, state, every) if state is not None else None
    near = _closeness(_asked(answers, state), logged[every], tolerance) if found and state is not None else None
    if near is None or near[0] < _ENOUGH:
        return []
    names = tuple(dict.fromkeys(name for each in found for name in each.columns))
    words = found[0].words if len(found) == 1 else f"{named(names, 12)}{found[0].kind}"
    return [Substitute(names, words, near[0], len(every))]


def _chain(tried: Callable[[pa.Table, Sequence[_Move]], list[tuple[tuple[float, float], _Move, pa.Table]]], state: pa.Table,
           moves: Sequence[_Move]) -> list[_Move]:
    """Return moves that together bring the scores back, added one by one; empty where they do not."""
    found: list[_Move] = []
    reached, length = 0.0, 0
    while moves and len(found) < _LONGEST and reached < _ALL:   # on, even where a step alone brings nothing: of ten columns nine may not do
        rated = tried(state, moves)
        if not rated:
            break
        best, move, state = min(rated, key=lambda each: (-each[0][0], each[0][1]))
        found.append(move)
        if best[0] > reached:
            reached, length = best[0], len(found)
        moves = [each for each in moves if not set(each.columns) & set(move.columns)]
    return found[:length] if reached >= _ENOUGH else []


def _moves(columns: Sequence[str], whole: pa.Table, groups: Mapping[str, Sequence[str]],
           previous: Mapping[str, pa.Array]) -> list[_Move]:
    found = []
    for name, some in groups.items():
        there = tuple(each for each in some if each in columns)
        if len(there) > 1:
            found.append(_Move(there, f"all of {name} ({named(there)}) missing", _all(there, dict.fromkeys(there))))
    for name in columns:
        column = plain(whole, name)
        found.append(_Move((name,), f"{name} missing", _all((name,), {name: None})))
        values = column.drop_null()
        if name in previous:
            found.append(_Move((name,), f"{name} as it was in the row before of the same entity", _array(name, previous[name])))
        if not len(values):
            continue
        usual = pc.mode(values)[0].as_py()["mode"] if kind_of(column.type) == "number" and not pa.types.is_temporal(column.type) else None
        if usual is None and kind_of(column.type) == "category" and not pa.types.is_binary(column.type):
            usual = max(values.value_counts().to_pylist(), key=lambda each: each["counts"])["values"]
        if usual is not None:
            found.append(_Move((name,), f"{name} at its most frequent value {str(usual)[:40]}", _all((name,), {name: usual})))
        if kind_of(column.type) == "number" and not pa.types.is_temporal(column.type) and not pa.types.is_boolean(column.type):
            middle = numbers(values)
            fixed = {"0": 0.0, "-1": -1.0, "-999": -999.0, "the mean": float(middle.mean()), "the median": float(np.median(middle))}
            found += [_Move((name,), f"{name} at {words}" + (f" ({number:.4g})" if words.startswith("the") else ""),
                            _all((name,), {name: number})) for words, number in fixed.items()]
            found += [_Move((name,), f"{name} {each}", _scaled(name, each.factor, each.offset)) for each in KNOWN
                      if each.name is not None]
    return found


def _all(columns: Sequence[str], values: Mapping[str, Any]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        for name in columns:
            kind = table.schema.field(name).type
            value = values[name]
            value = round(value) if isinstance(value, float) and pa.types.is_integer(kind) else value
            held = kind.value_type if pa.types.is_dictionary(kind) else kind
            array = pa.nulls(table.num_rows, kind) if value is None else pa.repeat(pa.scalar(value, held), table.num_rows).cast(kind)
            table = table.set_column(table.schema.get_field_index(name), pa.field(name, kind), array)
        return table
    return change


def _array(name: str, values: pa.Array) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        return table.set_column(place, table.schema.field(name), values.take(plain(table, _PLACE)).cast(table.schema.field(name).type))
    return change


def _scaled(name: str, factor: float, offset: float) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(name).type
        made = pa.array(numbers(plain(table, name)) * factor + offset, pa.float64(), from_pandas=True)
        made = pc.round(made).cast(kind, safe=False) if pa.types.is_integer(kind) else made.cast(kind, safe=False)
        return table.set_column(table.schema.get_field_index(name), table.schema.field(name), made)
    return change


_PLACE = "\0place"


def _moved(move: _Move, table: pa.Table, rows: Array) -> pa.Table | None:
    try:
        return move.change(table.append_column(_PLACE, pa.array(rows))).drop_columns([_PLACE])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError):
        return None                      # a value that the type cannot hold was never there


def _each(answers: Callable[[pa.Table], Array], tables: Sequence[pa.Table]) -> list[Array | None]:
    """Return the answers to tables of one length, asked together where the model answers to all."""
    found: list[Array | None] = []
    for start in range(0, len(tables), _TOGETHER):
        some = tables[start:start + _TOGETHER]
        given = _asked(answers, pa.concat_tables(some).unify_dictionaries().combine_chunks()) if len(some) > 1 else None
        found += [_asked(answers, each) for each in some] if given is None else list(given.reshape(len(some), -1))
    return found


def _asked(answers: Callable[[pa.Table], Array], table: pa.Table) -> Array | None:
    try:
        return answers(table)
    except ModelError:                   # it does not answer to such values, so it was not asked with them
        return None


def _closeness(given: Array | None, logged: Array, tolerance: float) -> tuple[float, float] | None:
    """Return the share of scores that are the logged ones, and the spread of the differences."""
    if given is None:
        return None
    # of several columns each hides what another did to the level of the scores, and none what it did to their spread
    return float((np.abs(given - logged) <= tolerance).mean()), float(np.std(given - logged))
