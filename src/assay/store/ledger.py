"""Every row that a monitor has seen, by (model, id): windows are computed from it, as often as late rows and labels ask for it.

::

    ledger = Ledger(store, "assay-ledger", cadence)        # Parquet files in a folder; the store says which of them count
    arrival = ledger.put("delay", source("today.parquet", id="flight", timestamp="hour", label="late"))
    ledger.label("delay", source("labels.parquet", id="flight", label="late"))     # before or after their rows
    for span, number in ledger.touched("delay").items():   # windows whose rows changed
        rows = ledger.rows("delay", span)                  # a Source
        ...
    with store.transaction():                              # beside the results that were computed
        ledger.settle("delay", seen)
    ledger.forget("delay", entity="N14228")                # files are rewritten, old ones deleted

The newest delivery of an id wins as a whole, but a label that is there is kept where a later delivery has none. Content that was
delivered before changes nothing. Rows without an id are named by their delivery's digest and their place. One process at a time writes a
model's rows; readers never wait. The monitor's verb imports it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.schema import Schema
from assay.data.source import Source, source
from assay.errors import ConfigError, StoreError, UnknownNameError
from assay.store._canonical import Digest, alike, filled, joint, plain, same, texts, times
from assay.store._manifest import Arrival, Manifest
from assay.store._moment import Moment, micros, now
from assay.store._segment import ARRIVAL, ID, OURS, SEQUENCE, TIME, MissingFileError, Opened, Segment, synced, written
from assay.store.span import Cadence, Daily, Span, spans
from assay.store.store import Store

__all__ = ["Ledger"]

Array = np.ndarray[Any, Any]
_ROWS, _BYTES = 262_144, 64 << 20     # of a piece of a delivery that is held in memory at a time
_SMALL, _LIGHT = 131_072, 32 << 20    # a file below both is worth merging
_MERGED = 8                           # files of like size that become one
_BATCH = 131_072
_NEVER = np.iinfo(np.int64).min
_KEPT = ("label", "prediction", "score", "protected", "forbidden", "timestamp", "id", "entity", "query", "horizon", "weight", "ignored")
_COLUMN = {"time": TIME, "rows": SEQUENCE, "file": ARRIVAL}


class Ledger:
    """The rows of models, in the files of a folder that belongs to one store.

    Raises ``StoreError`` for a folder of another store, or one that cannot be written.
    """

    def __init__(self, store: Store, folder: str | os.PathLike[str], cadence: Cadence | None = None, *, wait: float = 60.0):
        self._database = store._database
        self._manifest = Manifest(self._database)
        self.folder = Path(folder).expanduser()
        self.cadence: Cadence = cadence or Daily()
        self._wait = wait
        self._claim(store.id)

    def __repr__(self) -> str:
        return f"<ledger {self.folder}>"

    # what comes in

    def put(self, model: str, data: Source, *, name: str | None = None, columns: Sequence[str] | None = None,
            digest: str | None = None, at: Moment | None = None) -> Arrival:
        """Take in rows and return what became of them.

        ``columns`` are those to keep (all; those with the role of id, time, label or entity always). ``name`` is what people call the
        delivery, ``digest`` that of its content where it is known already, ``at`` the time of rows where no column is their timestamp.
        """
        schema = data.schema
        keep = [each for each in schema.names if columns is None or each in columns
                or each in (schema.id, schema.timestamp, schema.entity, *schema.labels)]
        for each in columns or ():
            schema[each]   # a name that is not there is told
        with self._writing(model):
            return self._taken(model, "rows", data, keep, name, digest, now() if at is None else micros(at))

    def label(self, model: str, data: Source, *, name: str | None = None, digest: str | None = None) -> Arrival:
        """Take in labels by id, of rows that are here or will come; missing ones say nothing.

        Raises ``ConfigError`` without an id or a label.
        """
        schema = data.schema
        if schema.id is None or not schema.labels:
            raise ConfigError("labels need the columns of the id and of the label", where=data.name, hint="name them: id=..., label=...")
        with self._writing(model):
            return self._taken(model, "labels", data, [schema.id, *schema.labels], name, digest, 0)

    def _taken(self, model: str, kind: str, data: Source, keep: list[str], name: str | None, digest: str | None, at: int) -> Arrival:
        if clash := [each for each in keep if each in OURS]:
            raise ConfigError(f"the column '{clash[0]}' has a name that the ledger keeps for itself", where=data.name, hint="rename it")
        roles = _roles(data.schema, keep)
        if digest is None:
            content = Digest(pa.schema([data.schema.arrow.field(each) for each in keep]), json.dumps(roles, sort_keys=True))
            for batch in data.batches(keep):
                content.update(batch)
            digest = content.hex()
        if (known := self._manifest.known(model, kind, digest)) is not None:
            return known
        sequence, number = self._manifest.counters(model)
        work = _Work(self._place(model), self._manifest.segments(model), self.cadence, data.name, roles, number, sequence, digest, at)
        try:
            for table in _pieces(data, keep):
                (work.rows if kind == "rows" else work.labels)(table)
            arrival = Arrival(number, name or data.name, digest, work.total, work.fresh, work.changed, work.repeated, work.waiting,
                              work.untimed, spans=self._named(model, work.spans(), {number: name or data.name}))
            with self._database.transaction():
                self._manifest.replace(model, work.before, work.after())
                arrival = self._manifest.arrive(model, kind, arrival, work.sequence)
        finally:
            work.close()
        self._compacted(model)
        return arrival

    # what must be computed anew

    def touched(self, model: str) -> dict[Span, int]:
        """Return the windows whose rows changed since they were last settled, in order; to settle them, pass the same mapping."""
        return self._manifest.touched(model)

    def settle(self, model: str, seen: Mapping[Span, int]) -> None:
        """Say that windows were computed; one that changed since ``touched`` told of it stays.

        Call it in the transaction of the results.
        """
        self._manifest.settle(model, seen.items())

    # what is there

    def models(self) -> list[str]:
        """Return the models that have rows."""
        return self._manifest.models()

    def arrivals(self, model: str, *, most: int = 1_000) -> list[Arrival]:
        """Return the newest deliveries, oldest first."""
        return self._manifest.arrivals(model, most)

    def spans(self, model: str, *, since: Moment | None = None) -> dict[Span, int]:
        """Return every window that holds rows, in order, and how many; ``since`` applies to windows of time."""
        column, low = _COLUMN[self.cadence.kind], None if since is None or self.cadence.kind != "time" else micros(since)
        counts: dict[Span, int] = {}
        for opened in self._opened(model, column, low, None):
            for _, table in opened.groups([column], column=column, low=low):
                for span, count in self._cut(table).items():
                    counts[span] = counts.get(span, 0) + count
            opened.close()
        ordered = sorted(counts)
        return dict(zip(self._named(model, ordered), (counts[each] for each in ordered), strict=True))

    def rows(self, model: str, span: Span | None = None, *, since: Moment | None = None, until: Moment | None = None) -> Source:
        """Return the rows of a window, of a stretch of time, or all, as they are now; the source keeps to them, whatever comes later.

        Rows are in no particular order. Columns that differed between deliveries get the type that holds both, text if need be.
        """
        column = TIME if span is None else _COLUMN[self.cadence.kind]
        low = span.start if span is not None else None if since is None else micros(since)
        high = span.end if span is not None else None if until is None else micros(until)
        opened = self._opened(model, column, low, high)
        schemas = [each.segment for each in opened] or [each for each in self._manifest.segments(model) if each.kind == "rows"][-1:]
        if not schemas:
            raise UnknownNameError.among("model in the ledger", model, self.models(), where=str(self.folder))
        return source(_Rows(f"{model}, {span.name if span else 'rows of the ledger'}", opened, schemas, column, low, high))

    # what leaves

    def forget(self, model: str, *, ids: Iterable[Any] = (), entity: Any = None) -> Arrival:
        """Delete rows by id, or all rows of an entity (a person): living, replaced, and labels that wait; return what was touched.

        When it returns, no file of the ledger holds them. Profiles that were computed from them are the caller's to drop.
        """
        if model not in self.models():
            raise UnknownNameError.among("model in the ledger", model, self.models(), where=str(self.folder))
        wanted = {str(int(each) if isinstance(each, float) and each.is_integer() else each) for each in ids}
        with self._writing(model):
            folder, segments = self._place(model), self._manifest.segments(model)
            wanted |= _ids_of(folder, segments, entity)
            after, marks, count = [], [], 0
            for each in segments:
                kept, gone = _without(folder, each, wanted, entity)
                after += [kept] if kept is not None else []
                if gone is not None:
                    marks.append(gone)
                    count += len(gone)
            _, number = self._manifest.counters(model)
            touched = self._cut(pa.concat_tables(marks)) if marks else {}
            arrival = Arrival(number, "rows were deleted", hashlib.sha256(f"deleted {number}".encode()).hexdigest(), changed=count,
                              spans=self._named(model, touched))
            with self._database.transaction():
                self._manifest.replace(model, segments, after)
                arrival = self._manifest.arrive(model, "deleted", arrival, self._manifest.counters(model)[0])
            self._clean(model)
        return arrival

    def compact(self, model: str) -> int:
        """Merge small files and drop dead rows from disk; returns how many files there are. It happens by itself after deliveries."""
        with self._writing(model):
            self._compacted(model, force=True)
            return len(self._manifest.segments(model))

    # how

    @contextlib.contextmanager
    def _writing(self, model: str) -> Iterator[None]:
        """Be the only one who writes a model's rows, in a folder without what others left there when they were killed."""
        with self._database.lease(f"ledger {model}", wait=self._wait, what=f"the ledger of '{model}'"):
            self._clean(model)
            yield

    def _clean(self, model: str) -> None:
        folder = self._place(model)
        counted = {each.file for each in self._manifest.segments(model)}
        garbage = [each for each in folder.iterdir() if each.name not in counted]
        for each in garbage:
            each.unlink()
        if garbage:
            synced(folder)

    def _compacted(self, model: str, *, force: bool = False) -> None:
        folder, segments = self._place(model), self._manifest.segments(model)
        doomed, made = [], []
        for group in _groups(segments, force=force):
            tables = []
            for each in group:
                opened = Opened(folder, each)
                tables += [table for _, table in opened.groups([*OURS, *each.arrow.names])]
                opened.close()
            doomed += [each.file for each in group]
            if tables:
                made.append(written(folder, pa.concat_tables(tables), group[0].kind, group[0].roles))
        if doomed or any(not each.alive for each in segments):
            left = [each for each in segments if each.file not in doomed and each.alive]
            with self._database.transaction():
                self._manifest.replace(model, segments, [*left, *made])
            self._clean(model)

    def _opened(self, model: str, column: str, low: int | None, high: int | None) -> list[Opened]:
        """Return the files that may hold such rows, open; looks again where one was replaced in between."""
        for _ in range(20):
            wanted = [each for each in self._manifest.segments(model)
                      if each.kind == "rows" and each.alive and ((low is None and high is None) or each.meets(column, low, high))]
            found: list[Opened] = []
            try:
                found.extend(Opened(self._place(model), each) for each in wanted)
            except MissingFileError as error:
                for one in found:
                    one.close()
                missing = error
            else:
                return found
        raise missing

    def _cut(self, marks: pa.Table) -> dict[Span, int]:
        return spans(self.cadence, np.asarray(marks[_COLUMN[self.cadence.kind]].drop_null(), np.int64))

    def _named(self, model: str, found: Iterable[Span], names: Mapping[int, str] | None = None) -> tuple[Span, ...]:
        """Return windows; those that are files with the names of their deliveries."""
        if self.cadence.kind != "file":
            return tuple(found)
        known = {each.number: each.name for each in self._manifest.arrivals(model, 1_000_000)} | dict(names or {})
        return tuple(dataclasses.replace(each, name=known.get(each.start, each.name)) for each in found)

    def _place(self, model: str) -> Path:
        folder = self.folder / hashlib.sha256(model.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the ledger cannot be written ({error.strerror})", where=str(folder)) from error
        return folder

    def _claim(self, id: str) -> None:
        """Make the folder this store's, or refuse another's: what a store does not know it deletes."""
        mark = self.folder / "assay-ledger.json"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not mark.exists():
                if any(not each.name.startswith("assay-ledger.json") for each in self.folder.iterdir()) and not mark.exists():
                    raise StoreError("the folder of the ledger holds other files", where=str(self.folder),
                                     expected="an empty folder, or a new one")
                part = mark.with_name(f"{mark.name}.{os.getpid()}.part")
                part.write_text(json.dumps({"store": id}), "utf-8")
                os.replace(part, mark)
                synced(self.folder)
            owner = json.loads(mark.read_text("utf-8"))["store"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"the ledger cannot be used ({getattr(error, 'strerror', None) or error})", where=str(self.folder)) from error
        if owner != id:
            raise StoreError("the ledger belongs to another store", where=str(self.folder), expected="the store that it was made with",
                             hint="begin a new folder, or name the old store")


class _Work:
    """One delivery while it is taken in: the files as they were, and as they will be."""

    def __init__(self, folder: Path, segments: list[Segment], cadence: Cadence, where: str, roles: dict[str, Any], number: int,
                 sequence: int, digest: str, at: int):
        self.folder, self.cadence, self.where, self.roles, self.number, self.sequence = folder, cadence, where, roles, number, sequence
        self.digest, self.at = digest, at
        self.before = segments
        self._now = [dataclasses.replace(each) for each in segments]
        self._files: dict[str, Opened] = {}
        self._touched: set[Span] = set()
        self.total = self.fresh = self.changed = self.repeated = self.waiting = self.untimed = 0

    def rows(self, table: pa.Table) -> None:
        """Take in a piece of the rows."""
        ids, order = self._identified(table, self.roles.get("id"))
        if len(order) < len(ids):
            table, ids = table.take(pa.array(order)), ids.take(pa.array(order))
        stamp = self.roles.get("timestamp")
        moments = np.full(len(ids), self.at)
        if stamp:
            found = times(table[stamp], self.cadence.zone, where=f"{self.where}, column '{stamp}'")
            moments = np.asarray(pc.fill_null(found, _NEVER), np.int64)
        old, waiting = self._found(ids, "rows"), self._found(ids, "labels")
        sequences, arrivals = np.full(len(ids), -1, np.int64), np.full(len(ids), self.number, np.int64)
        was = np.full(len(ids), _NEVER)   # when it was, until now
        carried: list[str] = []
        for each in (*old, *waiting):
            names = [name for name in _names(each.opened.segment.roles, "label") if name in each.before.column_names]
            table, carried = _carried(table, each.before, each.which, names), [*carried, *names]
        for each in old:
            sequences[each.which] = np.asarray(each.before[SEQUENCE], np.int64)
            arrivals[each.which] = np.asarray(each.before[ARRIVAL], np.int64)
            was[each.which] = np.asarray(pc.fill_null(each.before[TIME], _NEVER), np.int64)
        fresh = sequences < 0
        if not stamp:
            moments = np.where(fresh, moments, was)
        keep = np.ones(len(ids), np.bool_)
        for each in old:   # compared with what it would become, label and all
            changed = was[each.which] != moments[each.which]
            if set(table.column_names) == set(each.opened.segment.arrow.names):
                changed |= ~same(table.take(pa.array(each.which)), each.before, table.column_names)
            else:
                changed[:] = True
            keep[each.which] = changed
            each.opened.segment.bury(each.positions[changed])
        for each in waiting:
            each.opened.segment.bury(each.positions)
        sequences[fresh] = self.sequence + np.arange(int(fresh.sum()))
        self.sequence += int(fresh.sum())
        self.fresh += int(fresh.sum())
        self.changed += int((~fresh & keep).sum())
        self.untimed += int((moments == _NEVER).sum())
        if not keep.any():
            return
        mine = {ID: ids, TIME: pa.array(moments, mask=moments == _NEVER), SEQUENCE: pa.array(sequences), ARRIVAL: pa.array(arrivals)}
        whole = pa.table({**mine, **{name: table[name] for name in table.column_names}})
        if not keep.all():
            whole = whole.filter(pa.array(keep))
        self._add(whole, {**self.roles, "label": list(dict.fromkeys((*_names(self.roles, "label"), *carried)))})
        if self.cadence.kind == "time":   # a row that moved leaves its old window
            self._touched.update(spans(self.cadence, was[~fresh & keep & (was != _NEVER)]))

    def labels(self, table: pa.Table) -> None:
        """Take in a piece of labels."""
        names = _names(self.roles, "label")
        ids, order = self._identified(table, self.roles["id"])
        table, ids = table.select(names).take(pa.array(order)), ids.take(pa.array(order))
        some = np.zeros(len(ids), np.bool_)
        for name in names:
            some |= np.asarray(pc.is_valid(table[name]))
        table, ids = table.filter(pa.array(some)), ids.filter(pa.array(some))
        if not len(ids):
            return
        unknown = np.ones(len(ids), np.bool_)
        for each in self._found(ids, "rows"):
            unknown[each.which] = False
            given, after = table.take(pa.array(each.which)), each.before
            for name in names:
                there = name in after.column_names
                after = _with(after, name, filled(given[name], after[name]) if there else given[name])
            changed = np.ones(len(each.which), np.bool_)
            if set(names) <= set(each.before.column_names):
                changed = ~same(after, each.before, names)
            if changed.any():
                segment = each.opened.segment
                segment.bury(each.positions[changed])
                self._add(after.filter(pa.array(changed)),
                          {**segment.roles, "label": list(dict.fromkeys((*_names(segment.roles, "label"), *names)))})
                self.changed += int(changed.sum())
        if unknown.any():
            self._wait(table.filter(pa.array(unknown)), ids.filter(pa.array(unknown)))

    def _wait(self, table: pa.Table, ids: pa.Array) -> None:
        """Keep labels whose rows have not come; newer ones replace older ones."""
        for each in self._found(ids, "labels"):
            table = _carried(table, each.before, each.which, each.opened.segment.arrow.names)
            each.opened.segment.bury(each.positions)
        count = len(ids)
        self.waiting += count
        mine = {ID: ids, TIME: pa.nulls(count, pa.int64()), SEQUENCE: pa.array(np.arange(count)),
                ARRIVAL: pa.array(np.full(count, self.number))}
        columns = {name: table[name] for name in table.column_names}
        self._add(pa.table({**mine, **columns}), {"label": list(columns)}, "labels")

    def spans(self) -> list[Span]:
        """Return the windows that were touched so far, in order."""
        return sorted(self._touched)

    def after(self) -> list[Segment]:
        """Return the files as they are now; the rest of them is garbage."""
        return [each for each in self._now if each.alive]

    def close(self) -> None:
        """Close the files that were read."""
        for each in self._files.values():
            each.close()

    def _identified(self, table: pa.Table, column: str | None) -> tuple[pa.Array, Array]:
        """Return the id of each row, and which rows count: of those with one id, the last."""
        ids = pa.nulls(table.num_rows, pa.string()) if column is None else texts(table[column], where=f"{self.where}, column '{column}'")
        if ids.null_count:
            places = range(self.total, self.total + table.num_rows)
            ids = pc.coalesce(ids, pa.array([f"{self.digest[:32]}:{each}" for each in places], pa.string()))
        self.total += table.num_rows
        codes = np.asarray(ids.dictionary_encode().indices)
        last = np.full(int(codes.max()) + 1 if len(codes) else 0, -1, np.int64)
        last[codes] = np.arange(len(codes))
        order = np.sort(last)
        self.repeated += len(codes) - len(order)
        return ids, order

    def _found(self, ids: pa.Array, kind: str) -> list[_Found]:
        """Return the rows of these ids in each file of a kind."""
        found = []
        limits = pc.min_max(ids).as_py()
        for segment in list(self._now):
            if segment.kind == kind and segment.alive:
                if segment.file not in self._files:
                    self._files[segment.file] = Opened(self.folder, segment)
                opened = self._files[segment.file]
                positions, which = opened.find(ids, limits["min"], limits["max"])
                if len(positions):
                    found.append(_Found(opened, positions, which, opened.take(positions)))
        return found

    def _add(self, table: pa.Table, roles: dict[str, Any], kind: str = "rows") -> None:
        self._now.append(written(self.folder, table, kind, roles))
        if kind == "rows":
            self._touched.update(spans(self.cadence, np.asarray(table[_COLUMN[self.cadence.kind]].drop_null(), np.int64)))


@dataclasses.dataclass(frozen=True)
class _Found:
    """Rows of a file that a delivery speaks of: their positions, which of the delivery's ids they have, and what they are."""

    opened: Opened
    positions: Array
    which: Array
    before: pa.Table


class _Rows:
    """Some rows of the ledger as a source; the files stay open, so that they are the same rows whenever they are read."""

    def __init__(self, name: str, opened: list[Opened], schemas: Sequence[Segment], column: str, low: int | None, high: int | None):
        self.name, self._opened, self._column, self._low, self._high = name, opened, column, low, high
        arrow = joint(each.arrow for each in schemas)
        roles: dict[str, Any] = {}
        for each in schemas:
            for role, value in each.roles.items():
                roles[role] = list(dict.fromkeys((*roles.get(role, ()), *value))) if isinstance(value, list) else value
        self.schema = Schema.of(arrow, {role: value for role, value in roles.items() if value}, where=name)
        bounds = None if low is None and high is None else column
        self._bound = bounds
        self.rows: int | None = sum(len(at) for each in opened for at, _ in each.groups([column], column=bounds, low=low, high=high))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.schema.names if columns is None else columns)
        schema = pa.schema([self.schema.arrow.field(self.schema[each].name) for each in names])
        return self._batches(schema)

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for each in self._opened:
            there = [name for name in schema.names if name in each.segment.arrow.names]
            for _, table in each.groups([*there, self._column], column=self._bound, low=self._low, high=self._high):
                yield from alike(table, schema).combine_chunks().to_batches(max_chunksize=_BATCH)

    def split(self, parts: int) -> list[Source]:
        return [self]

    def __repr__(self) -> str:
        return f"<source {self.name}: {len(self.schema)} columns, {self.rows:,} rows>"


def _pieces(data: Source, keep: list[str]) -> Iterator[pa.Table]:
    """Yield the rows in tables that fit into memory many times over."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in data.batches(keep):
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _ROWS or size >= _BYTES:
            yield _undone(pa.Table.from_batches(held))
            held, rows, size = [], 0, 0
    if held:
        yield _undone(pa.Table.from_batches(held))


def _undone(table: pa.Table) -> pa.Table:
    return pa.table({name: plain(table[name]) for name in table.column_names})


def _roles(schema: Schema, keep: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in schema:
        for role in each.roles & set(_KEPT) if each.name in keep else ():
            if role in ("label", "score", "protected", "forbidden", "ignored"):
                found.setdefault(role, []).append(each.name)
            else:
                found[role] = each.name
    for role in ("label", "score"):   # in the order in which they were given
        if role in found:
            given = schema.labels if role == "label" else schema.score
            found[role] = [name for name in given if name in found[role]]
    return found


def _names(roles: Mapping[str, Any], role: str) -> list[str]:
    return list(roles.get(role, ()))


def _carried(table: pa.Table, before: pa.Table, which: Array, names: Sequence[str]) -> pa.Table:
    """Return ``table`` with what ``before`` has in columns where the rows ``which`` have nothing."""
    index = np.full(table.num_rows, -1, np.int64)
    index[which] = np.arange(len(which))
    at = pa.array(index, mask=index < 0)
    for name in names:
        column = before[name].take(at)
        table = _with(table, name, filled(table[name], column) if name in table.column_names else column)
    return table


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.append_column(name, column) if place < 0 else table.set_column(place, name, column)


def _groups(segments: Sequence[Segment], *, force: bool) -> list[list[Segment]]:
    """Return the files to be merged: many of one shape and like size, and those that are mostly dead."""
    tiers: dict[tuple[str, int], list[Segment]] = {}
    found = []
    for each in segments:
        if not each.alive:
            continue
        if each.alive < _SMALL and each.bytes < _LIGHT:
            tier = 0 if force else int(np.log2(max(each.alive, 1))) // 3
            tiers.setdefault((each.shape, tier), []).append(each)
        elif each.dead > each.rows / 2 or (force and each.dead):
            found.append([each])
    for some in tiers.values():
        group: list[Segment] = []
        for each in some:
            if group and (sum(one.alive for one in group) >= _SMALL * _MERGED or sum(one.bytes for one in group) >= _LIGHT * 4):
                found.append(group)
                group = []
            group.append(each)
        found.append(group)
    least = 2 if force else _MERGED
    return [each for each in found if len(each) >= least or any(one.dead > one.rows / 2 or (force and one.dead) for one in each)]


def _ids_of(folder: Path, segments: Iterable[Segment], entity: Any) -> set[str]:
    """Return every id that an entity ever had, replaced rows included."""
    found: set[str] = set()
    for each in segments if entity is not None else ():
        column = each.roles.get("entity")
        if column is None:
            continue
        opened = Opened(folder, each)
        for _, table in opened.groups([ID, column], dead=True):
            found |= set(table[ID].filter(_is(table[column], entity)).to_pylist())
        opened.close()
    return found


def _is(column: pa.ChunkedArray, value: Any) -> pa.ChunkedArray:
    """Return which rows hold a value; as text, so that 7 and "7" are one person."""
    text = texts(column, where="the entity")
    return pc.fill_null(pc.equal(text, str(value)), False)


def _without(folder: Path, segment: Segment, ids: set[str], entity: Any) -> tuple[Segment | None, pa.Table | None]:
    """Return a file without the rows of these ids, and what it had of them alive (ours); the same file where it had none."""
    opened = Opened(folder, segment)
    try:
        wanted = pa.array(sorted(ids), pa.string())
        if not len(wanted) or not len(opened.find(wanted, wanted[0].as_py(), wanted[-1].as_py(), dead=True)[0]):
            return segment, None
        names = [*OURS, *segment.arrow.names]
        kept, gone = [], []
        for _, table in opened.groups(names):
            mine = pc.is_in(table[ID], value_set=wanted)
            kept.append(table.filter(pc.invert(mine)))
            gone.append(table.filter(mine).select(list(OURS)))
        rest = pa.concat_tables(kept) if kept else None
        lost = pa.concat_tables(gone) if gone else None
        if lost is not None and (segment.kind != "rows" or not lost.num_rows):
            lost = lost.slice(0, 0)
        return (written(folder, rest, segment.kind, segment.roles) if rest is not None and rest.num_rows else None), lost
    finally:
        opened.close()
