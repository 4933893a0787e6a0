"""Stretches of time in which columns of a table are broken: an hour without weather, a day in other units, one value for all.

``stretches(table, ...)`` compares windows with those of the history and with their neighbours. Only ``training`` imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.screen.unit import KNOWN, Conversion
from assay.summary.vector import kind_of
from assay.verbs.gate.skew import named, numbers, plain

__all__ = ["Stretch", "spelled", "stretches"]

Array = np.ndarray[Any, Any]

_LENGTHS = (3_600, 21_600, 86_400, 604_800)
_ROWS = 20          # of a window that can be judged
_ENOUGH = 14        # windows of a history, below which the table is its own
_LOST = 0.25        # of the rows of a window, beyond what windows of the history lost
_USUAL = 0.98       # of the windows of a history lost no more; of a table that is its own, 0.9: some of them may be broken
_NEARLY = 0.9       # of the values of a day that are one, from which on a day of one value is no wonder
_NEIGHBOURS = 3     # windows on either side
_JUMP = 1.3         # of the greatest step of 99 % of the windows
_FAR = 6.0          # robust standard deviations of steps between windows
_SIGN = Conversion(-1.0, 0.0, "one sign to the other")


@dataclass(frozen=True, eq=False)
class Stretch:
    """Columns that are broken from ``start`` to ``end`` (seconds since 1970): what is wrong, and in which rows."""

    kind: str
    words: str
    columns: tuple[str, ...]
    start: float
    end: float
    mask: Array

    @property
    def rows(self) -> int:
        return int(self.mask.sum())


def spelled(stretch: Stretch) -> str:
    """Return the time of a stretch: a day, or from when to when, in UTC."""
    if stretch.start % 86_400 == 0 and stretch.end % 86_400 == 0:
        first, last = (str(np.datetime64(int(each), "s"))[:10] for each in (stretch.start, stretch.end - 1))
        return f"on {first}" if first == last else f"from {first} to {last}"
    first, last = (str(np.datetime64(int(each), "s"))[:16].replace("T", " ") for each in (stretch.start, stretch.end))
    return f"from {first} to {last[11:] if last[:10] == first[:10] else last} (UTC)"


def stretches(table: pa.Table, moment: Array, columns: Sequence[str], *, history: pa.Table | None = None, before: Array | None = None,
              sources: Mapping[str, Sequence[str]] | None = None) -> list[Stretch]:
    """Return the stretches of ``table`` that are broken, the longest first.

    ``moment`` and ``before`` are the times of its rows and of those of ``history``.

    In the shortest windows with 20 rows or more (an hour to a week) and in days: a column **lost** values where a quarter more of
    a window is missing than in 98 % of the history's; it is **constant** where nearly no day of the history was; it is in another **unit**
    where the middle of a day lies further off its neighbours' than days do, and a known conversion brings it back.
    """
    known = np.isfinite(moment)
    if not known.any():
        return []
    found: list[Stretch] = []
    for length in _chosen(moment[known]):
        windows = _Windows.of(moment, length)
        past = _Windows.of(before, length) if history is not None and before is not None and np.isfinite(before).any() else None
        for name in columns:
            then = plain(history, name) if past is not None and history is not None and name in history.column_names else None
            found += _column(name, plain(table, name), windows, then, past)
    return _merged(found, sources or {})


def _chosen(moment: Array) -> list[int]:
    """Return the lengths of windows: the shortest whose windows mostly have rows enough, and a day."""
    fine = next((each for each in _LENGTHS if np.median(np.unique(np.floor(moment / each), return_counts=True)[1]) >= _ROWS), None)
    return [] if fine is None else sorted({fine, max(fine, 86_400)})


@dataclass(frozen=True, eq=False)
class _Windows:
    """Rows by window: ``at`` is the place of each row in ``starts``, -1 without a time."""

    at: Array
    starts: Array
    rows: Array
    length: int

    @classmethod
    def of(cls, moment: Array, length: int) -> _Windows:
        known = np.isfinite(moment)
        starts, places = np.unique(np.floor(moment[known] / length), return_inverse=True)
        at = np.full(len(moment), -1)
        at[known] = places.reshape(-1)
        return cls(at, starts * length, np.bincount(at[known], minlength=len(starts)), length)

    def share(self, mask: Array) -> Array:
        """Return the share of rows in each window for which something holds."""
        there = self.at >= 0
        return np.asarray(np.bincount(self.at[there], weights=mask[there], minlength=len(self.starts)) / self.rows)

    def middle(self, values: Array) -> Array:
        """Return the median of each window, NaN where it has fewer than 20 values."""
        out = np.full(len(self.starts), np.nan)
        kept = np.flatnonzero((self.at >= 0) & np.isfinite(values))
        order = kept[np.lexsort((values[kept], self.at[kept]))]
        counts = np.bincount(self.at[order], minlength=len(self.starts))
        first = np.concatenate(([0], np.cumsum(counts)[:-1]))
        full = counts >= _ROWS
        out[full] = values[order][first[full] + counts[full] // 2]
        return out

    def top(self, codes: Array) -> Array:
        """Return the share of the most frequent value in each window, NaN where it has fewer than 20 values."""
        there = (self.at >= 0) & (codes >= 0)
        width = int(codes.max(initial=0)) + 1
        pairs, counts = np.unique(self.at[there] * width + codes[there], return_counts=True)
        most = np.zeros(len(self.starts))
        np.maximum.at(most, pairs // width, counts)
        count = np.bincount(self.at[there], minlength=len(self.starts))
        return np.where(count >= _ROWS, most / np.maximum(count, 1), np.nan)


def _column(name: str, column: pa.Array, windows: _Windows, then: pa.Array | None, past: _Windows | None) -> list[Stretch]:
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)
    number = kind_of(column.type) == "number" and not pa.types.is_temporal(column.type) and not pa.types.is_boolean(column.type)
    if number:
        missing = missing | np.isnan(numbers(column))
    lost = windows.share(missing)
    judged = windows.rows >= _ROWS
    usual = _quantile(lost[judged], 0.9)
    if past is not None and then is not None and (past.rows >= _ROWS).sum() >= _ENOUGH:
        gone = np.asarray(then.is_null().to_numpy(zero_copy_only=False), bool)
        gone = gone | np.isnan(numbers(then)) if number and kind_of(then.type) == "number" else gone
        usual = _quantile(past.share(gone)[past.rows >= _ROWS], _USUAL)
    found = [_stretch("lost", "has no value" if lost[at] > 0.99 else f"has no value in {lost[at]:.0%} of the rows", name, windows, at,
                      missing)
             for at in np.flatnonzero(judged & (lost >= usual + _LOST)).tolist()]
    if windows.length >= 86_400 and kind_of(column.type) in ("number", "category"):
        found += _constants(name, column, windows, then, past, lost)
    if number and windows.length >= 86_400:   # an hour's weather jumps as much by itself
        found += _units(name, column, windows, then if then is not None and kind_of(then.type) == "number" else None, past)
    return found


def _quantile(values: Array, level: float) -> float:
    return float(np.quantile(values, level)) if len(values) else 0.0


def _codes(column: pa.Array) -> Array:
    if pa.types.is_binary(column.type) or pa.types.is_nested(column.type):
        return np.full(len(column), -1)
    return np.asarray(column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def _constants(name: str, column: pa.Array, windows: _Windows, then: pa.Array | None, past: _Windows | None, lost: Array) -> list[Stretch]:
    top = windows.top(_codes(column))
    record = past.top(_codes(then)) if past is not None and then is not None else top
    record = record[np.isfinite(record)]
    own = past is None or then is None
    # what is nearly one value on some days, as a weekday is, may be one on another
    if len(record) < _ENOUGH or np.quantile(record, 0.9 if own else 0.99) >= _NEARLY:
        return []
    return [_stretch("constant", "has one single value", name, windows, at, np.ones(len(column), bool))
            for at in np.flatnonzero((top == 1) & (lost < 0.5)).tolist()]


def _units(name: str, column: pa.Array, windows: _Windows, then: pa.Array | None, past: _Windows | None) -> list[Stretch]:
    """Return windows whose middle lies far from their neighbours', and at a known conversion of it."""
    middle = windows.middle(numbers(column))
    around = _around(middle, windows)
    record = middle - around
    if past is not None and then is not None:
        before = past.middle(numbers(then))
        record = np.concatenate([record, before - _around(before, past)])
    record = record[np.isfinite(record)]
    if len(record) < _ENOUGH:
        return []
    # a column that jumps far now and then, as wind does, is not in another unit when it does
    usual = np.sort(np.abs(record))[: -max(len(record) // 100, 1)].max(initial=0.0)
    scale = max(1.4826 * float(np.median(np.abs(record - np.median(record)))), 1e-3 * float(np.std(record)), 1e-12)
    found = []
    for at in np.flatnonzero(np.isfinite(middle - around) & (np.abs(middle - around) >= max(_FAR * scale, _JUMP * usual))).tolist():
        off = abs(middle[at] - around[at])
        rated = [(abs(around[at] * each.factor + each.offset - middle[at]), each) for each in (*KNOWN, _SIGN) if each.name is not None]
        left, best = min(rated, key=lambda pair: pair[0])
        if left <= min(2 * scale, 0.15 * off):
            found.append(_stretch("unit", f"seems to be in another unit ({best})", name, windows, at, np.ones(len(column), bool)))
    return found


def _around(middle: Array, windows: _Windows) -> Array:
    """Return the median of the windows around each, up to three on either side, NaN where there are fewer than three."""
    out = np.full(len(middle), np.nan)
    for at in range(len(middle)):
        some = np.concatenate([middle[max(at - _NEIGHBOURS, 0):at], middle[at + 1:at + 1 + _NEIGHBOURS]])
        some = some[np.isfinite(some)]
        if len(some) >= _NEIGHBOURS:
            out[at] = np.median(some)
    return out


def _stretch(kind: str, words: str, name: str, windows: _Windows, at: int, mask: Array) -> Stretch:
    start = float(windows.starts[at])
    return Stretch(kind, words, (name,), start, start + windows.length, (windows.at == at) & mask)


def _merged(found: Sequence[Stretch], sources: Mapping[str, Sequence[str]]) -> list[Stretch]:
    """Return one stretch for columns of one source that are broken alike at one time, and for windows one after another."""
    by_column: dict[tuple[str, str], list[Stretch]] = {}
    for each in found:
        by_column.setdefault((each.kind, each.columns[0]), []).append(each)
    joined: list[Stretch] = []
    for some in by_column.values():
        kept: list[Stretch] = []
        for each in sorted(some, key=lambda each: (each.start, -each.end)):
            last = kept[-1] if kept else None
            night = 6 * (each.end - each.start) if each.end - each.start < 86_400 else 0.0   # hours without rows part nothing
            if last is not None and each.start <= last.end + night:
                inside = each.end <= last.end   # an hour of a day that is told already
                kept[-1] = Stretch(last.kind, last.words, last.columns, last.start, max(last.end, each.end), last.mask | each.mask)
                if inside and last.end - last.start >= 86_400 and 0 < each.rows and each.rows >= 0.9 * last.rows:
                    kept[-1] = Stretch(last.kind, each.words, last.columns, each.start, each.end, last.mask | each.mask)
            else:
                kept.append(each)
        joined += kept
    home = {column: name for name, columns in sources.items() for column in columns}
    together: dict[tuple[str, str, float, float], list[Stretch]] = {}
    for each in joined:
        together.setdefault((each.kind, home.get(each.columns[0], ""), each.start, each.end), []).append(each)
    merged = []
    for (kind, source, start, end), group in together.items():
        columns = tuple(dict.fromkeys(name for each in group for name in each.columns))
        mask = np.logical_or.reduce([each.mask for each in group])
        who = f"{source} ({named(columns)})" if source and len(columns) > 1 else named(columns)
        words = max(group, key=lambda each: each.rows).words
        merged.append(Stretch(kind, f"{who} {words if len(columns) == 1 else _plural(words)}", columns, start, end, mask))
    return sorted(merged, key=lambda each: (-each.rows, each.start))


def _plural(words: str) -> str:
    return words.replace("has ", "have ", 1).replace("seems ", "seem ", 1)
