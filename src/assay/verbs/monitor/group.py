"""Baselines per client, per version, per whatever column ``by`` names: which rows of a window belong to which stream.

``divided(rows, column, seats, ...)`` cuts a window; a group with rows enough gets baselines of its own and keeps them, the small ones share
one. ``named`` and ``home`` make and read the names of their sources. Pure; only ``assay.verbs.monitor.stream`` imports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.monitor.fault import Record

__all__ = ["FEW", "MOST", "Seat", "crossed", "divided", "home", "named", "parted", "pruned"]

FEW = ""           # the group of those that have too few rows for baselines of their own
MOST = 200         # groups with baselines of their own; more would cost minutes a window
_REGULAR = 14      # windows without a gap from which on it is told that a group brought nothing
_AWAY = 7          # windows for which it is told


@dataclass(frozen=True)
class Seat:
    """What is remembered of a group: windows in a row with rows, and windows without since then."""

    run: int = 0
    away: int = 0

    @property
    def missed(self) -> bool:
        """Whether its absence is worth telling: it came every time, and has not been away for long."""
        return self.run >= _REGULAR and self.away <= _AWAY


def named(source: str, column: str, group: str) -> str:
    """Return the name of the part of a source that is one group's.

    >>> named("weather", "client", "acme"), named("weather", "client", FEW)
    ('weather, client acme', 'weather, client of few rows')
    """
    return f"{source}, {column} {group}" if group != FEW else f"{source}, {column} of few rows"


def home(source: str, column: str | None) -> str:
    """Return the source that a name of :func:`named` is a part of.

    >>> home("weather, client acme", "client"), home("weather", None)
    ('weather', 'weather')
    """
    return source.split(f", {column} ", 1)[0] if column is not None else source


def crossed(rows: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """Return the groups of several columns as one: their values, joined; missing where one of them is.

    >>> crossed(pa.table({"model_version": ["a", "b"], "client": [1, None]}), ["model_version", "client"]).to_pylist()
    ['a * 1', None]
    """
    return pc.binary_join_element_wise(*(rows[each].cast(pa.string()) for each in columns), " * ")


def parted(columns: Sequence[str], group: str) -> dict[str, str]:
    """Return the values of the columns behind a group of :func:`crossed`, or of one column.

    >>> parted(["model_version", "client"], "a * 1"), parted(["client"], "a * b")
    ({'model_version': 'a', 'client': '1'}, {'client': 'a * b'})
    """
    parts = group.split(" * ") if len(columns) > 1 else [group]
    return dict(zip(columns, parts, strict=True)) if len(parts) == len(columns) else {" * ".join(columns): group}


def divided(rows: pa.Table, column: str, seats: Mapping[str, Seat], *, size: int) -> tuple[dict[str, pa.Table], dict[str, Seat]]:
    """Return the rows of each group, and the seats after the window.

    A group that brings ``size`` rows in a window gets a seat for good, as long as there are seats; all others share ``FEW``. Groups that
    have a seat and brought nothing are there without rows.

    >>> table = pa.table({"client": ["a"] * 5 + ["b"] * 2 + [None]})
    >>> parts, seats = divided(table, "client", {}, size=5)
    >>> {name: part.num_rows for name, part in parts.items()}
    {'a': 5, '': 3}
    """
    values = rows[column].combine_chunks().cast(pa.string())
    coded = values.dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    names = [_safe(each) for each in coded.dictionary.to_pylist()]
    codes = np.asarray(pc.fill_null(coded.indices, len(names)).to_numpy(zero_copy_only=False), np.int64)
    counts = np.bincount(codes, minlength=len(names) + 1)
    own = [each for each in seats if each != FEW]
    fresh = sorted((name for at, name in enumerate(names) if name not in seats and counts[at] >= size),
                   key=lambda name: (-counts[names.index(name)], name))[: max(0, MOST - len(own))]
    own = [*own, *fresh]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(counts)
    where = {name: order[ends[at] - counts[at] : ends[at]] for at, name in enumerate(names)}
    parts = {name: rows.take(pa.array(where[name])) if name in where else rows.slice(0, 0) for name in own}
    rest = np.sort(np.concatenate([order[ends[-1] - counts[-1] :], *(at for name, at in where.items() if name not in parts)]))
    if len(rest) or FEW in seats:
        parts[FEW] = rows.take(pa.array(rest))
    after = {}
    for name, part in parts.items():
        seat = seats.get(name, Seat())
        if part.num_rows:
            after[name] = Seat(seat.run + 1 if not seat.away else 1)
        else:
            after[name] = replace(seat, away=seat.away + 1)
    if fresh and FEW in after:   # whoever has a seat now was among the few before
        after[FEW] = Seat()
    return parts, after


def pruned(record: Record, names: Mapping[str, Seat]) -> Record:
    """Return a record without the tables of groups whose absence says nothing; ``names`` are their sources, with their seats."""
    gone = {name for name, seat in names.items() if seat.away and not seat.missed}
    return replace(record, tables={name: each for name, each in record.tables.items() if name not in gone}) if gone else record


def _safe(value: str) -> str:
    """Return a value as part of a name: printable, not long, and still different from any other."""
    if value and len(value) <= 60 and value.isprintable() and value != "of few rows":
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{''.join(each for each in value[:40] if each.isprintable())}~{digest}"
