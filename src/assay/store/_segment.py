"""The files of the ledger: written whole or not at all, never changed, their dead rows marked elsewhere.

``written(folder, table, ...) -> Segment`` makes one durable; ``Opened`` reads its living rows. A file has four columns of ours before
those of the user: the id as text, the time in microseconds, the place in the order of arrival, and the number of the file that it
came in. Only ``ledger`` and ``_manifest`` import it.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay.errors import StoreError

__all__ = ["ARRIVAL", "ID", "OURS", "SEQUENCE", "TIME", "MissingFileError", "Opened", "Segment", "synced", "written"]

Array = np.ndarray[Any, Any]
ID, TIME, SEQUENCE, ARRIVAL = OURS = ("__assay_id", "__assay_time", "__assay_sequence", "__assay_arrival")
_GROUP = 65_536   # rows of a row group: what is read to find one row


@dataclass
class Segment:
    """What is known of a file: ``low`` and ``high`` of each of our numbers, the user's schema and roles, and which rows are dead."""

    file: str
    kind: str   # rows, or labels that wait for theirs
    rows: int
    bytes: int
    limits: dict[str, tuple[int, int] | None]
    arrow: pa.Schema
    roles: dict[str, Any]
    gone: Array | None = field(default=None, repr=False)

    @property
    def dead(self) -> int:
        return 0 if self.gone is None else int(self.gone.sum())

    @property
    def alive(self) -> int:
        return self.rows - self.dead

    @property
    def shape(self) -> str:
        """What segments must share to become one: merging must not change what a window held."""
        return f"{self.kind} {self.arrow.to_string(show_schema_metadata=False)} {json.dumps(self.roles, sort_keys=True)}"

    def bury(self, positions: Array) -> None:
        """Mark rows as dead."""
        gone = np.zeros(self.rows, np.bool_) if self.gone is None else self.gone.copy()
        gone[positions] = True
        self.gone = gone

    def meets(self, column: str, low: int | None, high: int | None) -> bool:
        """Whether some row may lie from ``low`` until before ``high``."""
        limits = self.limits[column]
        return limits is not None and (high is None or limits[0] < high) and (low is None or limits[1] >= low)


def synced(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def written(folder: Path, table: pa.Table, kind: str, roles: Mapping[str, Any]) -> Segment:
    """Write a table (ours first) in the order of time, durably, and return what is known of it."""
    if table[TIME].null_count or np.any(np.diff(np.asarray(table[TIME], np.int64)) < 0):
        table = table.take(pc.sort_indices(table, sort_keys=[(TIME, "ascending"), (SEQUENCE, "ascending")]))
    name = f"{uuid.uuid4().hex}.parquet"
    part = folder / f"{name}.part"
    try:
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        with os.fdopen(handle, "wb") as file:
            pq.write_table(table, file, compression="zstd", compression_level=1, row_group_size=_GROUP, use_dictionary=_coded(table.schema))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, folder / name)
        synced(folder)
    except (OSError, pa.ArrowException) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StoreError(f"rows cannot be written to the ledger ({error})", where=str(folder)) from error
    limits: dict[str, tuple[int, int] | None] = {}
    for each in (TIME, SEQUENCE, ARRIVAL):
        found = pc.min_max(table[each]).as_py()
        limits[each] = None if found["min"] is None else (found["min"], found["max"])
    arrow = pa.schema([table.schema.field(each).remove_metadata() for each in table.column_names if each not in OURS])
    return Segment(name, kind, table.num_rows, table.nbytes, limits, arrow, dict(roles))


def _coded(schema: pa.Schema) -> list[str]:
    """Return the columns of which a dictionary may be worth its time: numbers are told apart too well."""
    return [each.name for each in schema if each.name != ID and (pa.types.is_string(each.type) or pa.types.is_binary(each.type))]


class MissingFileError(StoreError):
    """A file of the ledger is not there; a moment ago it may have been replaced by others."""


class Opened:
    """A segment whose file stays open, so that it can be read to the end even if it is replaced meanwhile."""

    def __init__(self, folder: Path, segment: Segment):
        self.segment = segment
        self._path = folder / segment.file
        try:
            self._file = pq.ParquetFile(self._path)
        except FileNotFoundError as error:
            raise MissingFileError("a file of the ledger is missing", where=str(self._path), hint="restore it from a backup") from error
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._fault(error) from error
        meta = self._file.metadata
        self._sizes = [meta.row_group(each).num_rows for each in range(meta.num_row_groups)]
        if sum(self._sizes) != segment.rows or self._file.schema_arrow.names[:4] != list(OURS):
            raise self._fault(ValueError("it is not the file that was written"))

    def close(self) -> None:
        self._file.close()

    def groups(self, columns: Sequence[str], *, column: str | None = None, low: int | None = None, high: int | None = None,
               dead: bool = False) -> Iterator[tuple[Array, pa.Table]]:
        """Yield positions and rows, group by group: the living ones (all with ``dead``) whose ``column`` lies in the range."""
        gone, start = self.segment.gone, 0
        names = list(dict.fromkeys((*columns, column))) if column is not None else list(columns)
        for place, size in enumerate(self._sizes):
            positions = np.arange(start, start + size)
            start += size
            keep = np.ones(size, np.bool_) if gone is None or dead else ~gone[positions]
            if not keep.any() or (column is not None and not self._meets(place, column, low, high)):
                continue
            table = self._read(place, names)
            if column is not None:
                keep &= _within(table[column], low, high)
            if not keep.any():
                continue
            if not keep.all():
                table, positions = table.filter(pa.array(keep)), positions[keep]
            yield positions, table.select(list(columns))

    def take(self, positions: Array, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows at positions, in that order."""
        names = list(columns) if columns is not None else self._file.schema_arrow.names
        order, found, start = np.argsort(positions, kind="stable"), [], 0
        ordered = positions[order]
        for place, size in enumerate(self._sizes):
            low, high = np.searchsorted(ordered, (start, start + size))
            if high > low:
                found.append(self._read(place, names).take(pa.array(ordered[low:high] - start)))
            start += size
        table = pa.concat_tables(found)
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return table.take(pa.array(back))

    def find(self, ids: pa.Array, least: str, most: str, *, dead: bool = False) -> tuple[Array, Array]:
        """Return the positions of rows whose id is among ``ids`` (which lie from ``least`` to ``most``), and which of them it is."""
        rows, places, start = [], [], 0
        for place, size in enumerate(self._sizes):
            known = self._file.metadata.row_group(place).column(0).statistics
            apart = known is not None and known.has_min_max and not (known.min <= most and known.max >= least)
            if not apart:
                found = pc.index_in(self._read(place, [ID])[ID].combine_chunks(), value_set=ids)
                hits = np.flatnonzero(np.asarray(found.is_valid()))
                if len(hits):
                    rows.append(hits + start)
                    places.append(np.asarray(found.take(pa.array(hits)), np.int64))
            start += size
        if not rows:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        at, which = np.concatenate(rows), np.concatenate(places)
        if self.segment.gone is not None and not dead:
            alive = ~self.segment.gone[at]
            at, which = at[alive], which[alive]
        return at, which

    def _meets(self, place: int, column: str, low: int | None, high: int | None) -> bool:
        known = self._file.metadata.row_group(place).column(OURS.index(column)).statistics
        if known is None or not known.has_min_max:
            return True
        return (high is None or known.min < high) and (low is None or known.max >= low)

    def _read(self, place: int, names: Sequence[str]) -> pa.Table:
        try:
            return self._file.read_row_group(place, columns=list(names)).select(list(names))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> StoreError:
        return StoreError(f"a file of the ledger is broken ({' '.join(str(error).split())[:200]})", where=str(self._path),
                          hint="restore it from a backup")


def _within(column: pa.ChunkedArray, low: int | None, high: int | None) -> Array:
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    valid = np.asarray(pc.is_valid(column))
    numbers = np.asarray(pc.fill_null(column, 0), np.int64)
    return valid & (numbers >= (least if low is None else low)) & ((numbers < high) if high is not None else (numbers <= most))
