"""What the database knows of the ledger: which files count, what came when, which windows must be computed anew.

``Manifest`` reads and writes those tables; one transaction of it is what makes a change to the ledger true. Only ``ledger`` imports it.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import StoreError
from assay.store._database import Database
from assay.store._json import encode
from assay.store._moment import moment, now
from assay.store._segment import ARRIVAL, SEQUENCE, TIME, Segment
from assay.store.span import Span

__all__ = ["Arrival", "Manifest"]

_LARGEST = 64 << 20
_COLUMNS = ("model", "file", "kind", "total", "bytes", "low", "high", "first_sequence", "last_sequence", "first_arrival", "last_arrival",
            "arrow", "roles", "gone")


@dataclass(frozen=True)
class Arrival:
    """What became of a delivery: its number, how many rows it had, how many of them are new and how many changed a row that was there.

    ``again``: this content was here before, under ``name``, so that nothing happened. ``repeated`` rows came twice in it (the last
    one counts), ``waiting`` labels are of rows that are not here yet, ``untimed`` rows have no time and are in no window of time.
    ``spans`` are the windows that must be computed anew.
    """

    number: int
    name: str
    digest: str
    rows: int = 0
    fresh: int = 0
    changed: int = 0
    repeated: int = 0
    waiting: int = 0
    untimed: int = 0
    again: bool = False
    at: str = ""
    spans: tuple[Span, ...] = ()


class Manifest:
    """The tables of the ledger."""

    def __init__(self, database: Database):
        self.database = database

    def segments(self, model: str) -> list[Segment]:
        """Return the files that count, oldest rows first."""
        rows = self.database.execute(f"select {', '.join(_COLUMNS[1:])} from assay_segment where model = ? order by low, file", [model])
        return [self._segment(*row) for row in rows]

    def models(self) -> list[str]:
        """Return the models that have rows or labels."""
        return [name for name, in self.database.execute("select distinct model from assay_arrival order by model")]

    def counters(self, model: str) -> tuple[int, int]:
        """Return the next place in the order of arrival, and the next number of a delivery."""
        rows = self.database.execute("select next_sequence, next_arrival from assay_counter where model = ?", [model])
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 1)

    def known(self, model: str, kind: str, digest: str) -> Arrival | None:
        """Return the delivery that had this content, if there was one."""
        rows = self.database.execute("select number, name, total, at from assay_arrival where model = ? and kind = ? and digest = ?",
                                     [model, kind, digest])
        return Arrival(rows[0][0], rows[0][1], digest, rows=rows[0][2], again=True, at=moment(rows[0][3]).isoformat()) if rows else None

    def arrivals(self, model: str, most: int) -> list[Arrival]:
        """Return the newest deliveries, oldest first."""
        rows = self.database.execute("select number, name, digest, total, fresh, changed, at from assay_arrival where model = ? "
                                     "order by number desc limit ?", [model, most])
        return [Arrival(number, name, digest, total, fresh, changed, at=moment(at).isoformat())
                for number, name, digest, total, fresh, changed, at in reversed(rows)]

    def replace(self, model: str, before: Sequence[Segment], after: Iterable[Segment]) -> None:
        """Make ``after`` the files that count; what is there already is only brought up to date where its dead rows changed."""
        old = {each.file: each for each in before}
        new = {each.file: each for each in after}
        for name in old.keys() - new.keys():
            self.database.execute("delete from assay_segment where model = ? and file = ?", [model, name])
        changed = [each for name, each in new.items() if name not in old or old[name].gone is not each.gone]
        self.database.insert("assay_segment", _COLUMNS, [self._row(model, each) for each in changed], key=("model", "file"))

    def arrive(self, model: str, kind: str, arrival: Arrival, next_sequence: int) -> Arrival:
        """Keep a delivery and its number."""
        at = now()
        self.database.insert("assay_counter", ("model", "next_sequence", "next_arrival"), [(model, next_sequence, arrival.number + 1)],
                             key=("model",))
        self.database.insert("assay_arrival", ("model", "number", "kind", "digest", "name", "total", "fresh", "changed", "at"),
                             [(model, arrival.number, kind, arrival.digest, arrival.name, arrival.rows, arrival.fresh, arrival.changed,
                               at)])
        self.touch(model, arrival.spans, arrival.number)
        return dataclasses.replace(arrival, at=moment(at).isoformat())

    def touch(self, model: str, spans: Iterable[Span], number: int) -> None:
        """Remember windows that must be computed anew, and which delivery last said so."""
        self.database.insert("assay_touched", ("model", "span", "until", "name", "arrival"),
                             [(model, each.start, each.end, each.name, number) for each in spans], key=("model", "span", "until"))

    def touched(self, model: str) -> dict[Span, int]:
        """Return those windows, in order, with the number of the delivery."""
        rows = self.database.execute("select span, until, name, arrival from assay_touched where model = ? order by span, until", [model])
        return {Span(start, end, name): arrival for start, end, name, arrival in rows}

    def settle(self, model: str, seen: Iterable[tuple[Span, int]]) -> None:
        """Forget windows that were computed from all that had come by then."""
        with self.database.transaction():
            for span, arrival in seen:
                self.database.execute("delete from assay_touched where model = ? and span = ? and until = ? and arrival <= ?",
                                      [model, span.start, span.end, arrival])

    def _row(self, model: str, segment: Segment) -> tuple[object, ...]:
        ends = [end for each in (TIME, SEQUENCE, ARRIVAL) for end in (segment.limits[each] or (None, None))]
        gone = None if segment.gone is None else zlib.compress(np.packbits(segment.gone).tobytes(), 1)
        return (model, segment.file, segment.kind, segment.rows, segment.bytes, *ends, segment.arrow.serialize().to_pybytes(),
                encode(segment.roles), gone)

    def _segment(self, file: str, kind: str, rows: int, bytes_: int, *rest: Any) -> Segment:
        try:
            ends, (arrow, roles, gone) = rest[:6], rest[6:]
            pairs = zip((TIME, SEQUENCE, ARRIVAL), ends[::2], ends[1::2], strict=True)
            limits = {each: None if low is None else (int(low), int(high)) for each, low, high in pairs}
            dead = None
            if gone is not None:
                bits = np.frombuffer(zlib.decompressobj().decompress(bytes(gone), _LARGEST), np.uint8)
                dead = np.unpackbits(bits, count=rows).astype(np.bool_)
                if len(dead) != rows:
                    raise ValueError("its dead rows are not counted right")
            if "/" in file or not file.endswith(".parquet"):
                raise ValueError("it names no file of the ledger")
            schema = pa.ipc.read_schema(pa.py_buffer(bytes(arrow)))
            return Segment(file, kind, rows, bytes_, limits, schema, json.loads(str(roles)), dead)
        except (ValueError, TypeError, zlib.error, pa.ArrowException) as error:
            raise StoreError(f"what the store knows of a file of the ledger is broken ({error})", where=self.database.name,
                             hint="restore it from a backup") from error
