"""Logs of a model in production: rows with the scores that they got, read, cleaned of what has none, and joined by id.

``logged`` reads one, ``Joined`` puts another table beside it, ``Pair`` holds two logs of the same rows; the rest are small parts that the
verbs on logs share. Only ``assay.verbs.gate.replay`` and ``assay.verbs.gate.canary`` import it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.data.source import Source, source
from assay.errors import ConfigError, EmptyDataError, nearest
from assay.model import guard
from assay.model.answer import Answer
from assay.model.logged import Logged
from assay.model.model import Model
from assay.result import Outcome, Spread
from assay.summary.hashing import hashes
from assay.verbs.config import Config, read
from assay.verbs.gate.skew import plain

__all__ = ["Joined", "Pair", "answered", "configured", "decisions", "logged", "outcome_of", "percent", "scores", "short", "stated", "whole"]

Array = np.ndarray[Any, Any]

FEW = 30
_BATCH = 65_536


def configured(model: Any) -> Config | None:
    """Return the configuration that is given as one, or by its path; None for anything else."""
    if isinstance(model, Config):
        return model
    return read(model) if isinstance(model, str | Path) and str(model).lower().endswith((".yaml", ".yml")) else None


def whole(found: Source) -> pa.Table:
    """Return all rows of a source as one table."""
    batches = list(found.batches())
    return pa.Table.from_batches(batches) if batches else found.schema.arrow.empty_table()


def known(data: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the roles whose columns a log has, but for those that were asked for by name and must be there."""
    names = set(source(data, types=types).schema.names)
    found: dict[str, Any] = {}
    for role, columns in roles.items():
        if role == "available_at":
            found[role] = {name: when for name, when in columns.items() if name in names and when in names}
            continue
        given = [columns] if isinstance(columns, str) else list(columns or ())
        there = [each for each in given if each in names]
        if len(there) == len(given) or role in ("score", "prediction", "id"):
            found[role] = columns
        elif there and role in ("protected", "forbidden", "ignored"):
            found[role] = there
    return found


def logged(log: Any, roles: Mapping[str, Any], types: Mapping[str, str] | None, where: str | None) -> tuple[Source, pa.Table, list[str]]:
    """Return a log as a source and a table of the rows that have a score, and what was left out."""
    found = source(log, types=types, where=where, **known(log, roles, types))
    schema = found.schema
    scored = [*schema.score, *([schema.prediction] if schema.prediction else [])]
    if not scored:
        near = next((each for each in schema.names if nearest(each, ("score", "prediction", "probability", "predicted"))), None)
        raise ConfigError("the log names no scores", where=found.name, expected="the column of logged scores or predictions",
                          hint=f"is it '{near}'? --score {near}, or columns: {{score: {near}}}" if near else "--score COLUMN")
    table = whole(found)
    there = np.ones(table.num_rows, bool)
    for name in scored:
        column = plain(table, name)
        there &= np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
        if pa.types.is_floating(column.type):
            there &= ~np.isnan(column.to_numpy(zero_copy_only=False))
    notes = []
    if not there.all():
        notes.append(f"{int((~there).sum()):,} of {len(there):,} rows of {found.name} have no logged score and were left out")
        table = table.filter(pa.array(there))
    if not table.num_rows:
        raise EmptyDataError("no row has a logged score", where=found.name, expected="at least one")
    if schema.id is not None:
        table, note = once(table, schema.id, found.name)
        notes += note
    return found, table, notes


def once(table: pa.Table, id_: str, name: str) -> tuple[pa.Table, list[str]]:
    """Return a log with each id once, the last row of it, and what was told of duplicates and of rows without an id."""
    column, notes = plain(table, id_), []
    if column.null_count:
        notes.append(f"{column.null_count:,} of {len(column):,} rows of {name} have no id and were left out")
        table = table.filter(column.is_valid())
        column = plain(table, id_)
    keys = hashes(column)
    _, last = np.unique(keys[::-1], return_index=True)
    if len(last) < len(keys):
        notes.append(f"{len(keys) - len(last):,} of {len(keys):,} rows of {name} have an id that comes again later, where it was taken")
        table = table.take(pa.array(np.sort(len(keys) - 1 - last)))
    return table, notes


@dataclass(frozen=True, eq=False)
class Joined:
    """A second table, row by row of the first by id: ``at`` is the place of each row of the first in it, -1 where it has none."""

    table: pa.Table
    at: Array
    name: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, first: Source, table: pa.Table, other: Any, types: Mapping[str, str] | None) -> Joined:
        id_ = first.schema.id
        if id_ is None:
            raise ConfigError("two tables are joined by id, and no column is named", where=first.name, expected="the column of ids",
                              hint="--id COLUMN, or columns: {id: COLUMN}")
        found = source(other, types=types)
        if id_ not in found.schema.names:
            near = nearest(id_, found.schema.names)
            raise ConfigError(f"there is no column '{id_}' to join by", where=found.name, expected="the ids of the log",
                              hint=f"is it called '{near}' there?" if near else None)
        there, notes = once(whole(found), id_, found.name)
        at = places(plain(table, id_), plain(there, id_))
        if not (at >= 0).any():
            raise EmptyDataError(f"no id of {first.name} is in it", where=found.name, expected="the same ids",
                                 hint="are they of one type and spelling, and of the same days?")
        if (at < 0).any():
            notes.append(f"{int((at < 0).sum()):,} of {len(at):,} ids of {first.name} are not in {found.name}")
        rest = there.num_rows - int((at >= 0).sum())
        if rest:
            notes.append(f"{rest:,} of {there.num_rows:,} ids of {found.name} are not in {first.name}")
        return cls(there, at, found.name if found.name != first.name else "the offline table", tuple(notes))

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return a column in the order of the first table, missing where there is no row."""
        places = pa.array(np.where(self.at < 0, 0, self.at), mask=self.at < 0)
        return plain(self.table, name).take(places).cast(kind, safe=False)


def places(mine: pa.Array, theirs: pa.Array) -> Array:
    if mine.type != theirs.type:
        mine, theirs = mine.cast(pa.string()), theirs.cast(pa.string())
    keys, known = hashes(mine), hashes(theirs)
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known[order], keys), len(known) - 1)] if len(known) else np.zeros(len(keys), np.int64)
    return np.where(known[at] == keys, at, -1) if len(known) else np.full(len(keys), -1)


def answered(model: Model, table: pa.Table) -> Answer:
    """Return what a model answers to a table, batch by batch."""
    parts = [guard.answer(model, each) for each in table.combine_chunks().to_batches(max_chunksize=_BATCH)]
    if len(parts) == 1:
        return parts[0]
    first = parts[0]

    def joined(name: Literal["prediction", "score", "value"]) -> Array | None:
        some = [getattr(each, name) for each in parts]
        return None if any(each is None for each in some) else np.concatenate(some)

    return Answer(first.task, first.classes, joined("prediction"), joined("score"), joined("value"), first.scores)


def outcome_of(spread: Spread | None, most: float, n: int) -> Outcome:
    """Return fail where more than ``most`` is shown, pass where less is, inconclusive between."""
    if spread is None or not n:
        return "inconclusive"
    low, high = spread.interval()
    return "fail" if low > most else "pass" if high <= most or (spread.estimate == 0 and n >= FEW) else "inconclusive"


def percent(number: float | None) -> str:
    """Return a share as a percentage.

    >>> percent(0.25), percent(0.0312), percent(0.00017), percent(None)
    ('25 %', '3.1 %', '0.02 %', '?')
    """
    if number is None or not math.isfinite(number):
        return "?"
    if number in (0, 1):
        return f"{number:.0%}".replace("%", " %")
    digits = 0 if 0.1 <= number <= 0.9 else 1 if 0.01 <= number <= 0.99 else 2
    return f"{100 * number:.{digits}f} %"


def short(number: float) -> str:
    """Return a number with three figures."""
    return f"{number:.3g}" if number < 1e5 else f"{number:,.0f}"


# two logs ------------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Pair:
    """Two logs, and the places of the rows that both have; ``first`` and ``second`` answer for all rows of theirs."""

    sources: tuple[Source, Source]
    tables: tuple[pa.Table, pa.Table]
    at: tuple[Array, Array]
    answers: tuple[Answer, Answer]
    notes: list[str]

    @classmethod
    def of(cls, log: Any, other: Any, roles: Mapping[str, Any], task: str | None, classes: Sequence[Any] | None,
           types: Mapping[str, str] | None, where: str | None) -> Pair:
        one, first, notes = logged(log, roles, types, where)
        two, second, more = logged(other, roles, types, where)
        names = (one.name, two.name) if one.name != two.name else ("the first log", "the second log")
        for each, name in ((one, names[0]), (two, names[1])):
            if each.schema.id is None:
                raise ConfigError("two logs are joined by id, and no column is named", where=name, expected="the column of ids",
                                  hint="--id COLUMN, or columns: {id: COLUMN}")
        at = places(plain(first, one.schema.id or ""), plain(second, two.schema.id or ""))
        mine = np.flatnonzero(at >= 0)
        notes = [*notes, *more]
        for size, name, rest in ((first.num_rows, names[0], names[1]), (second.num_rows, names[1], names[0])):
            if size > len(mine):
                notes.append(f"{size - len(mine):,} of {size:,} ids of {name} are not in {rest}")
        # one of them may hold no labels, which say what the classes are
        known_ = Logged.of((one if one.schema.labels else two).schema, task=task, classes=classes, where=one.name).signature
        given = [answered(Logged.of(each.schema, task=known_.task, classes=known_.classes, where=each.name), table)
                 for each, table in ((one, first), (two, second))]
        return cls((one, two), (first, second), (mine, at[mine]), (given[0], given[1]), notes)


def stated(config: Any, log: Any, other: Any, roles: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return what a configuration says beside what was given."""
    found = configured(config)
    if found is not None:
        roles.update({**found.columns, **roles})
        given = {name: value if value is not None else getattr(found, name) for name, value in given.items()}
    if log is None or other is None:
        raise ConfigError("two logs are compared", expected="a log, and another one of the same rows")
    return given


def scores(answer: Answer) -> Array:
    """Return one number a row of an answer, one a class where there are more than two."""
    if answer.value is not None:
        return np.asarray(answer.value, np.float64)
    if answer.score is None:
        return np.asarray(answer.prediction, np.float64)
    return np.asarray(answer.score[:, 1] if answer.task == "binary" else answer.score, np.float64)


def decisions(answer: Answer, threshold: float | None) -> Array:
    """Return the class that each row gets, by the threshold where there is one and a score."""
    if answer.task == "binary" and answer.score is not None and threshold is not None:
        return (answer.score[:, 1] >= threshold).astype(np.int64)
    assert answer.prediction is not None
    return np.asarray(answer.prediction, np.int64)


