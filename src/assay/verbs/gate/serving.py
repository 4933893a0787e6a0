"""Measure what service costs: the time of an answer, the size of a model, the age of what it learned from.

``latency``, ``size`` and ``staleness`` return values for ``assay.check.gate.serving`` to judge. For the gate.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.check.gate.serving import median
from assay.data.source import Source
from assay.model import guard
from assay.model.model import Model
from assay.result import Spread, Value

__all__ = ["latency", "size", "staleness"]

ASKED, WARM = 60, 5  # answers that are timed, and those before that are not: a first one loads libraries


def latency(model: Model, data: Source) -> Value | None:
    """Return the median milliseconds of an answer to one row, one row at a time, on this machine; None without rows."""
    batch = next((each for each in data.batches() if each.num_rows), None)
    if batch is None:
        return None
    stored = [name for name in batch.schema.names if data.schema.stored(name) == name]
    batch = batch.select(stored)
    taken = []
    for place in range(ASKED + WARM):
        row = batch.slice(place % batch.num_rows, 1)
        began = time.perf_counter()
        guard.answer(model, row)
        taken.append(1000 * (time.perf_counter() - began))
    return median(taken[WARM:])


def size(given: Any) -> Value | None:
    """Return the megabytes of a model file or folder; None for what is no file."""
    if not isinstance(given, str | Path) or "://" in str(given):
        return None
    path = Path(given)
    if not path.exists():
        return None
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return Value.of("size", Spread("exact", sum(each.stat().st_size for each in files) / 1e6), n=len(files), better="lower", unit="MB")


def staleness(train: Source | None, now: dt.datetime) -> Value | None:
    """Return how many days before ``now`` the youngest row was that the model learned from; None where no time is known."""
    name = train.schema.timestamp if train is not None else None
    if train is None or name is None:
        return None
    latest: Any = None
    rows = 0
    for batch in train.batches([name]):
        rows += batch.num_rows
        found = pc.max(batch.column(name)).as_py()
        latest = found if latest is None or (found is not None and found > latest) else latest
    moment = _moment(latest)
    if moment is None:
        return None
    days = (now - moment) / dt.timedelta(days=1)
    return Value.of("staleness", Spread("exact", days), n=rows, better="lower", unit="d") if math.isfinite(days) else None


def _moment(value: Any) -> dt.datetime | None:
    """Return a time of any type as a moment; naive ones are UTC."""
    if isinstance(value, str):
        try:
            value = pa.scalar(value).cast(pa.timestamp("us", tz="UTC")).as_py()
        except pa.ArrowInvalid:
            return None
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return None
