"""Windows of a stream, as the ledger knows them: a stretch of time, of rows in the order of arrival, or one file.

``Span`` is one window; ``Cadence`` what whoever cuts the stream must offer; ``spans(cadence, ...)`` cuts. The ledger uses it,
and gives spans to its callers.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from assay.store._moment import micros, moment

__all__ = ["Cadence", "Daily", "Span", "spans"]

Array = np.ndarray[Any, Any]


class Cadence(Protocol):
    """How a stream is cut: by time, by ``rows`` in the order of arrival, or one window a file."""

    @property
    def kind(self) -> Literal["time", "rows", "file"]: ...

    @property
    def rows(self) -> int: ...

    @property
    def zone(self) -> str:
        """Where times without a zone were taken."""
        ...

    def start(self, moment: dt.datetime) -> dt.datetime:
        """Return the start of the window that holds a moment."""
        ...

    def end(self, start: dt.datetime) -> dt.datetime:
        """Return where the window that starts there ends, which is where the next one may start."""
        ...


@dataclass(frozen=True)
class Daily:
    """Days in UTC: the cadence where none is given."""

    kind: Literal["time", "rows", "file"] = "time"
    rows: int = 0
    zone: str = "UTC"

    def start(self, moment: dt.datetime) -> dt.datetime:
        return moment.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def end(self, start: dt.datetime) -> dt.datetime:
        return start + dt.timedelta(days=1)


@dataclass(frozen=True, order=True)
class Span:
    """One window, from ``start`` until before ``end``: microseconds since 1970, places in the order of arrival, or numbers of files.

    ``name`` says it to people: the start in ISO 8601, ``rows 0 to 999``, or the file.
    """

    start: int
    end: int
    name: str = ""


def spans(cadence: Cadence, marks: Array) -> dict[Span, int]:
    """Return the windows that hold ``marks`` (times, places or numbers of files) in order, and how many each holds.

    >>> found = spans(Daily(), np.array([micros("2026-03-01T05:00:00+00:00")] * 2 + [micros("2026-03-09T00:00:00+00:00")]))
    >>> [(each.name, count) for each, count in found.items()]
    [('2026-03-01T00:00:00+00:00', 2), ('2026-03-09T00:00:00+00:00', 1)]
    """
    if not len(marks):
        return {}
    found: dict[Span, int] = {}
    if cadence.kind == "time":
        ordered, place = np.sort(marks), 0
        while place < len(ordered):
            start = cadence.start(moment(int(ordered[place])))
            end = cadence.end(start)
            after = max(place + 1, int(np.searchsorted(ordered, micros(end), "left")))
            found[Span(micros(start), micros(end), start.isoformat())] = after - place
            place = after
        return found
    size = cadence.rows if cadence.kind == "rows" else 1
    for number, count in zip(*np.unique(marks // size, return_counts=True), strict=True):
        first = int(number) * size
        name = f"rows {first} to {first + size - 1}" if cadence.kind == "rows" else f"file {first}"
        found[Span(first, first + size, name)] = int(count)
    return found
