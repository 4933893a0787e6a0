"""Tables that are at hand, cut into windows in the order of time: which are one stream, which are past, whose labels are due.

``Held`` holds the windows; ``passed``, ``near``, ``apart``, ``due`` say which of them count. ``monitor`` imports it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import ConfigError, EmptyDataError
from assay.monitor.incident import Window
from assay.store._canonical import times as instants
from assay.store.span import Span, spans
from assay.verbs.monitor.stream import Job

__all__ = ["Held", "apart", "due", "micros", "moment", "near", "passed", "timed"]


def passed(windows: Sequence[Window], now: Window, over: dt.timedelta, delay: dt.timedelta | None) -> Sequence[Window]:
    """Return the windows up to ``now`` that begin within ``over`` before its end, or before the last time of which labels are due.

    >>> days = [Window(f"2026-03-0{n}T00:00:00+00:00", f"2026-03-0{n + 1}T00:00:00+00:00", n - 1) for n in range(1, 6)]
    >>> [each.number for each in passed(days, days[4], dt.timedelta(days=2), dt.timedelta(days=1))]
    [2, 3]
    """
    end = dt.datetime.fromisoformat(now.end) - (delay or dt.timedelta())
    return [each for each in windows[: now.number + 1]
            if dt.datetime.fromisoformat(each.start) >= end - over and dt.datetime.fromisoformat(each.end) <= end]


_FAR = dt.timedelta(days=400)     # a gap of so long, and of so many windows, is the end of a stream
_WINDOWS, _AHEAD = 400, 7         # and one of this many windows, where what comes after it is yet to come


def near(starts: Sequence[int], length: dt.timedelta, now: float) -> slice:
    """Return which of the windows with rows (their ``starts``, in microseconds) are one stream up to ``now`` (seconds since 1970).

    A row whose clock said 1970 or 2206 must not bring thousands of windows without rows. The stream ends where windows lie ahead of the
    clock after a gap of seven, and begins anew after a gap of 400 days and windows.

    >>> day = 86_400_000_000
    >>> near([0, 20_000 * day, 20_001 * day, 99_000 * day], dt.timedelta(days=1), now=20_002 * 86_400)
    slice(1, 3, None)
    """
    size, present = length // dt.timedelta(microseconds=1), now * 1e6
    far = max(_WINDOWS * size, _FAR // dt.timedelta(microseconds=1))
    low = 0
    for at in range(1, len(starts)):
        gap = starts[at] - starts[at - 1]
        if starts[at] > present and gap > _AHEAD * size:
            return slice(low, at)
        low = at if gap > far else low
    return slice(low, len(starts))


def apart(windows: Sequence[Span], rows: Sequence[int], judged: slice) -> list[str]:
    """Return what is to be said of the windows that :func:`near` leaves out; ``rows`` is how many rows each has."""
    said = []
    for left, words in ((slice(0, judged.start), "long before all others"), (slice(judged.stop, None), "ahead of the clock")):
        if windows[left]:
            count, days = sum(rows[left]), dict.fromkeys((windows[left][0].name[:10], windows[left][-1].name[:10]))
            said.append(f"not judged: {count:,} row{'s' if count != 1 else ''} with times {words} ({' to '.join(days)})")
    return said


class Held:
    """The windows of tables that are at hand, in the order of time; where windows are files, one table each."""

    def __init__(self, job: Job, tables: Sequence[pa.Table]):
        self.job = job
        cadence = job.settings.window
        self.notes: list[str] = []
        self.rows = sum(each.num_rows for each in tables)
        if cadence.kind == "file":
            self.parts = [_last(job, each) for each in tables if each.num_rows]
            self.windows = [timed(job, part, place) for place, part in enumerate(self.parts)]
            return
        table = _last(job, pa.concat_tables(tables, promote_options="permissive"))
        if cadence.kind == "rows":
            size = cadence.rows
            whole = table.num_rows // size
            self.parts = [table.slice(place * size, size) for place in range(whole)]
            self.windows = [timed(job, part, place) for place, part in enumerate(self.parts)]
            return
        name = job.roles.get("timestamp")
        if name is None:
            raise ConfigError("windows of time need the column that holds the time", where=str(job.config.path),
                              expected="columns: {timestamp: COLUMN}", hint="or monitor: {window: 1000 rows}")
        moments = _instants(table[name], name, cadence.zone)
        known = np.flatnonzero(moments != _NEVER)
        if not len(known):
            raise EmptyDataError(f"the column '{name}' holds no time", expected="at least one")
        if len(known) < len(moments):
            self.notes.append(f"{len(moments) - len(known):,} of {len(moments):,} rows without a time: in no window")
        order = known[np.argsort(moments[known], kind="stable")]
        counted = spans(cadence, moments[order])
        judged = near([each.start for each in counted], cadence.time, time.time())
        self.notes += apart(list(counted), list(counted.values()), judged)
        kept = list(counted)[judged]
        order = order[slice(*np.searchsorted(moments[order], (kept[0].start, kept[-1].end)))]
        table, moments = table.take(pa.array(order)), moments[order]
        self.parts, self.windows = [], []
        start = cadence.start(moment(int(moments[0])))
        last = moment(int(moments[-1]))
        while start.astimezone(dt.UTC) <= last:
            end = cadence.end(start)
            low, high = (int(np.searchsorted(moments, micros(each))) for each in (start, end))
            self.windows.append(Window(start.isoformat(), end.isoformat(), len(self.windows)))
            self.parts.append(table.slice(low, high - low))
            start = end

    def behind(self, now: Window, over: dt.timedelta, delay: dt.timedelta | None) -> pa.Table | None:
        """Return the rows of a stretch of time up to a window."""
        parts = [self.parts[each.number] for each in passed(self.windows, now, over, delay)]
        return pa.concat_tables(parts, promote_options="permissive") if sum(each.num_rows for each in parts) else None


def _last(job: Job, table: pa.Table) -> pa.Table:
    """Return the last row of each id, as the ledger would keep it."""
    name = job.roles.get("id")
    if not isinstance(name, str) or name not in table.column_names:
        return table
    codes = table[name].combine_chunks().dictionary_encode()
    indices = (codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes).indices
    numbers = np.asarray(pc.fill_null(indices, -1).to_numpy(zero_copy_only=False), np.int64)
    last = np.full(int(numbers.max(initial=-1)) + 1, -1, np.int64)
    named = np.flatnonzero(numbers >= 0)
    last[numbers[named]] = named
    if len(last) == len(numbers):
        return table
    keep = numbers < 0
    keep[last[last >= 0]] = True
    return table.filter(pa.array(keep))


def timed(job: Job, rows: pa.Table, number: int) -> Window:
    """Return a window of rows or of a file, from its first to its last time."""
    name = job.roles.get("timestamp")
    if name is None or name not in rows.column_names:
        raise ConfigError("incidents have a time, and no column holds one", where=str(job.config.path),
                          expected="columns: {timestamp: COLUMN}")
    moments = _instants(rows[name], name, job.settings.window.zone)
    known = moments[moments != _NEVER]
    if not len(known):
        raise EmptyDataError(f"the column '{name}' holds no time", expected="at least one in a window")
    return Window(moment(int(known.min())).isoformat(), moment(int(known.max())).isoformat(), number)


_NEVER = np.iinfo(np.int64).min
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment(micros: int) -> dt.datetime:
    """Return the instant that is so many microseconds after 1970 began, in UTC."""
    return _EPOCH + dt.timedelta(microseconds=micros)


def micros(moment: dt.datetime) -> int:
    """Return the microseconds from 1970 to an instant with a zone."""
    return (moment.astimezone(dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)


def _instants(column: pa.ChunkedArray, name: str, zone: str) -> np.ndarray[Any, Any]:
    """Return a column of times as microseconds since 1970 in UTC, as the ledger reads them; times without a zone are those of ``zone``."""
    found = instants(column, zone, where=f"the column '{name}'")
    return np.asarray(pc.fill_null(found, int(_NEVER)), np.int64)


def due(job: Job, past: Window, now: Window) -> bool:
    """Whether the labels of a window have come by the end of another."""
    if job.settings.window.kind != "time" or job.settings.label_delay is None:
        return past.number <= now.number
    return dt.datetime.fromisoformat(past.end) + job.settings.label_delay <= dt.datetime.fromisoformat(now.end)
