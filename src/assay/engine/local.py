"""The engine of one machine: reads batches, scores them, and fulfils every need of a plan in one pass.

``run`` is the whole interface. Columns are summarised by a few threads (numpy's sort and Arrow's decoding release the
interpreter lock); what labelled rows need is small and stays on the calling thread. Data of many columns are read strip of
columns by strip, so that memory does not grow with their number; small data are summarised without threads.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data import meter
from assay.data.schema import Schema
from assay.data.slice import Slicing
from assay.data.source import Source
from assay.engine.frame import Frame
from assay.engine.plan import Plan
from assay.errors import EmptyDataError, PredictionError, SummaryError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model
from assay.result import SliceKey
from assay.summary import Need, Profile, Summary
from assay.summary.target import Target
from assay.summary.vector import Vector

__all__ = ["Later", "asked", "run"]

Array = np.ndarray[Any, Any]
#: given a column and its summaries so far, what else of it is needed, such as a histogram on edges that they gave
Later = Callable[[str, Mapping[Need, Summary]], Sequence[Need]]

_COUNTED = ("@row", "@one")  # rows are counted as they were delivered, whatever they weigh
_WIDE, _STRIP = 128, 32  # columns from which they are read in strips, and columns of a strip
_FEW = 8  # columns from which threads have enough to do apart
_SMALL = 1 << 18  # values below which starting threads takes longer than they save
_HELD = 256 << 20  # bytes of sorted numbers kept for a second look at a column, beyond which the data are read again


def run(plan: Plan, source: Source, models: Mapping[str, Model] | None = None, *, target: Target | None = None,
        workers: int | None = None, progress: Callable[[int], None] | None = None, later: Later | None = None,
        profile: Profile | None = None, closed: Callable[[Sequence[str]], None] | None = None) -> Profile:
    """Return the profile that ``plan`` asks for, after one pass over ``source``.

    ``models`` score the same rows; the first one answers to names without a model. A model that fails is asked no more: its
    error stands in ``profile.failures``, as does that of a summary that grows too large; the rest of the plan goes on.
    ``progress`` is told the rows of each batch. ``later`` is asked once for each column of numbers what its summaries make possible;
    that takes a second pass only where its numbers are too many to hold. ``closed`` is told, by the threads that read, of columns of which
    all rows are in ``profile``, so that they can be measured while others are decoded. Raises ``EmptyDataError`` where there are no rows.
    """
    found = _Pass(plan, source, dict(models or {}), target, progress, later, profile, closed)
    profile = found.run(workers or min(os.cpu_count() or 1, 8))
    if found.left:
        again = run(Plan.of([(need, None) for need in found.left]), source, workers=workers)
        profile.add(again)
    return profile


class _Column:
    """One column: its summaries, and for a second look its sorted numbers while there is room for them."""

    def __init__(self, name: str, needs: Sequence[tuple[Need, Summary]], room: _Room | None):
        self.name = name
        self.summaries = dict(needs)
        self.held: list[Vector] | None = [] if room is not None else None
        self.room = room
        self.size = 0

    def update(self, array: pa.Array) -> None:
        vector = Vector(array)
        for summary in self.summaries.values():
            summary.update(vector)
        if self.held is None or self.room is None:
            return
        if vector.kind != "number":
            self.room = self.held = None  # nothing comes later
            return
        size = vector.ordered.nbytes
        if not self.room.take(size):
            self.held = None
            return
        self.size += size
        vector.array = pa.nulls(0, array.type)  # the batch can go; what is sorted stays
        self.held.append(vector)

    def finish(self, later: Later | None) -> list[Need]:
        """Return what is needed besides and could not be had from the numbers that were held."""
        if later is None or self.room is None:
            return []
        needs = [need for need in later(self.name, self.summaries) if need not in self.summaries]
        self.room.take(-self.size)
        if self.held is None:
            return needs
        for need in needs:
            self.summaries[need] = summary = need.empty()
            for vector in self.held:
                summary.update(vector)
        self.held = None
        return []


class _Room:
    """Bytes that may be held, counted by several threads."""

    def __init__(self, size: int):
        self.left = size
        self.lock = threading.Lock()

    def take(self, size: int) -> bool:
        with self.lock:
            if size > self.left:
                return False
            self.left -= size
            return True


class _Pass:
    """The state of one pass: what was asked, and what was found so far."""

    def __init__(self, plan: Plan, source: Source, models: dict[str, Model], target: Target | None,
                 progress: Callable[[int], None] | None, later: Later | None, profile: Profile | None = None,
                 closed: Callable[[Sequence[str]], None] | None = None):
        self.plan, self.source, self.target, self.progress, self.later, self.closed = plan, source, target, progress, later, closed
        self.needed = {_model(name, models) for need in plan.needs for name in need.columns if _answered(name)}
        self.models = {name: model for name, model in models.items() if name in self.needed}
        self.profile = profile if profile is not None else Profile()
        self.left: list[Need] = []  # what is still needed after this pass
        self.plain: dict[str, list[Need]] = {}
        self.scored: list[Need] = []
        for need in plan.everywhere:
            if any(name.startswith("@") for name in need.columns):
                self.scored.append(need)
            else:
                self.plain.setdefault(need.columns[0], []).append(need)
        self.labelled = any(_labelled(need) for need in plan.needs)
        self.stacks: dict[Need, _Sliced] = {}
        self.lock = threading.Lock()
        self.stopped = False
        self.done = self.told = 0

    def columns(self) -> list[str]:
        """The columns to read: in file order, then those derived from them (``length of review``)."""
        schema = self.source.schema
        wanted = set(self.plan.columns)
        names = [name for need in self.plan.needs for name in need.columns]
        if any(name.startswith(("@label", "@correct")) for name in names):
            wanted |= {*schema.labels, *([schema.label] if schema.label else [])}
        if names and any(name.startswith("@") for name in names):
            wanted |= {name for name in (schema.weight, schema.entity, schema.id, schema.query) if name}
        if "@row" in names or ("@key" in names and not (schema.entity or schema.query or schema.id)):
            wanted |= set(schema.names)
        for model in self.models.values():
            inputs = model.signature.inputs
            wanted |= set(schema.names if inputs is None else (each.name for each in inputs)) & set(schema.names)
        return _ordered(schema, wanted) or list(schema.names[:1])

    def run(self, workers: int) -> Profile:
        columnar = getattr(self.source, "columnar", False)
        wide, bare = columnar and len(self.plain) > _WIDE, not (self.scored or self.plan.sliced)
        rows = self.source.rows
        if wide and not bare:  # what needs whole rows is read apart
            apart = Plan.of([*((need, None) for need in self.scored), *((need, cut) for cut, some in self.plan.sliced for need in some)])
            _Pass(apart, self.source, self.models, self.target, None, None, self.profile).run(workers)
            self._strips(workers)
        elif wide:
            self._strips(workers)
        elif rows is not None and rows * max(len(self.plain), 1) <= _SMALL:
            self._batches(self.source.batches(self.columns()), None, 1)
        elif columnar and bare and len(self.plain) >= _FEW and getattr(self.source, "where", None) is None:
            self._strips(workers)  # what a thread decodes it summarises at once: a fifth of the memory of whole batches
        else:
            with ThreadPoolExecutor(workers, "assay") as pool:
                self._batches(ahead(self.source.batches(self.columns())), pool, workers)
        if not self.profile.rows:
            raise EmptyDataError("there are no rows", where=self.source.name, expected="at least one row")
        return self.profile

    def _batches(self, batches: Iterator[pa.RecordBatch], pool: ThreadPoolExecutor | None, workers: int) -> None:
        """Summarise whole batches: the columns of each by the threads of ``pool``, what needs rows here."""
        columns = self._open(self.plain, _Room(_HELD))
        tasks = [columns[place :: 32 * workers] for place in range(min(32 * workers, len(columns)))]
        for batch in batches:
            self.profile.rows += batch.num_rows
            if pool is None:
                for each in columns:
                    each.update(batch.column(each.name))
                self._scored(batch)
            else:
                waiting = [pool.submit(_updated, some, batch) for some in tasks]
                try:
                    self._scored(batch)
                finally:
                    for task in waiting:
                        task.result()
            if self.progress:
                self.progress(batch.num_rows)
        self._close(columns)
        for need, stack in self.stacks.items():
            for key, summary in stack.summaries():
                self.profile.put(key, need, summary)

    def _open(self, plain: Mapping[str, Sequence[Need]], room: _Room) -> list[_Column]:
        return [_Column(name, [(need, need.empty()) for need in needs], room if self.later else None) for name, needs in plain.items()]

    def _close(self, columns: Sequence[_Column]) -> None:
        left = [need for each in columns for need in each.finish(self.later)]
        with self.lock:
            self.left += left
            for each in columns:
                for need, summary in each.summaries.items():
                    self.profile.put((), need, summary)
        if self.closed and columns:
            self.closed([each.name for each in columns])

    def _strips(self, workers: int) -> None:
        """Summarise columns without regard to each other; each thread reads strips of its own."""
        names = _ordered(self.source.schema, self.plain)
        # so many that no thread waits long for the last; not by the number of threads, so that any machine sees the same batches
        size = min(_STRIP, -(-len(names) // 16))
        strips = iter([names[start : start + size] for start in range(0, len(names), size)])
        with ThreadPoolExecutor(workers, "assay") as pool:
            waiting = [pool.submit(self._strip, strips, len(names), workers) for _ in range(workers)]
            rows = max(task.result() for task in waiting)
        self.profile.rows = rows
        meter.current().read(rows)  # once, in however many strips of columns
        if self.progress and self.told < rows:
            self.progress(rows - self.told)

    def _strip(self, strips: Iterator[list[str]], width: int, workers: int) -> int:
        """Summarise strips for as long as there are any; return the rows of the first."""
        rows, last = 0, -1
        columns: list[_Column] = []
        mine: list[list[str]] = []

        def taken() -> Iterator[list[str]]:
            while not self.stopped:
                with self.lock:
                    strip = next(strips, None)
                if strip is None:
                    return
                mine.append(strip)
                yield strip

        try:
            for place, batch in self.source.strips(taken()):  # type: ignore[attr-defined]
                if self.stopped:
                    break
                if place != last:
                    self._close(columns)
                    columns, last = self._open({name: self.plain[name] for name in mine[place]}, _Room(_HELD // workers)), place
                rows += batch.num_rows if place == 0 else 0
                _updated(columns, batch)
                self._tell(batch.num_rows * len(columns), width)
            self._close(columns)
        except BaseException:
            self.stopped = True
            raise
        return rows

    def _tell(self, values: int, width: int) -> None:
        """Tell the progress of strips as rows of the whole width."""
        if self.progress:
            with self.lock:
                self.done += values
                whole = self.done // width
                if whole > self.told:
                    self.progress(whole - self.told)
                    self.told = whole

    def _scored(self, batch: pa.RecordBatch) -> None:
        if not self.scored and not self.plan.sliced:
            return
        first = self.profile.rows - batch.num_rows
        frame = Frame(batch, self._answers(batch), self.source.schema, self.target, where=self.source.name, first=first)
        if self.labelled and frame.labelled is not None:
            self.profile.unlabelled += int((~frame.labelled).sum())
        everywhere = [need for need in self.scored if self._possible(need)]
        for need in everywhere:
            self._update((), need, frame, frame.labelled if _labelled(need) else None)
        for slicing, needs in self.plan.sliced:
            self._sliced(frame, slicing, [need for need in needs if self._possible(need)])

    def _answers(self, batch: pa.RecordBatch) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        stored = self.source.schema.stored
        names = [name for name in batch.schema.names if stored(name) == name]
        given = batch if len(names) == batch.num_columns else batch.select(names)  # no model was trained on what is derived here
        for name, model in self.models.items():
            if name in self.profile.failures:
                continue
            try:
                answers[name] = guard.answer(model, given)
                self.profile.model_rows += batch.num_rows
            except PredictionError as error:
                self.profile.failures[name] = error
        return answers

    def _possible(self, need: Need) -> bool:
        """Whether every model that a need asks has not failed."""
        return not any(cause in self.profile.failures for cause in (need, *asked(need, self.models)))

    def _sliced(self, frame: Frame, slicing: Slicing, needs: list[Need]) -> None:
        """Sort the rows by slice once, then give each summary its stretch of them."""
        if not needs:
            return
        codes, keys = slicing.codes(frame.batch)
        for labelled in (True, False):
            some = [need for need in needs if _labelled(need) is labelled]
            if not some:
                continue
            chosen = np.where(frame.labelled, codes, -1) if labelled and frame.labelled is not None else codes
            stacked = [need for need in some if self._stackable(need)]
            if stacked:
                inside = None if (chosen >= 0).all() else np.flatnonzero(chosen >= 0)
                for need in stacked:
                    if need not in self.profile.failures:
                        self._stack(need, keys, _taken(chosen, inside), frame, inside)
            some = [need for need in some if need not in self.stacks]
            if not some:
                continue
            order = np.argsort(chosen, kind="stable")
            bounds = np.searchsorted(chosen[order], np.arange(len(keys) + 1))
            for code, key in enumerate(keys):
                part = order[bounds[code] : bounds[code + 1]]
                for need in some if len(part) else ():
                    if need not in self.profile.failures:
                        self._update(key, need, frame, part)

    def _stackable(self, need: Need) -> bool:
        """Whether all slices of a need are counted in one array."""
        if need not in self.stacks:
            empty = need.empty()
            if hasattr(empty, "stack"):
                self.stacks[need] = _Sliced(empty.stack())
        return need in self.stacks

    def _stack(self, need: Need, keys: Sequence[SliceKey], codes: Array, frame: Frame, inside: Array | None) -> None:
        columns, weight, group = self._arguments(need, frame, inside)
        try:
            self.stacks[need].update(keys, codes, columns, weight, group)
        except SummaryError as error:
            self.profile.failures[need] = error

    def _update(self, key: Any, need: Need, frame: Frame, part: Array | None) -> None:
        columns, weight, group = self._arguments(need, frame, part)
        try:
            self.profile.summary(key, need).update(*columns, weight=weight, group=group)
        except SummaryError as error:  # too large to keep: the others go on
            self.profile.failures[need] = error

    def _arguments(self, need: Need, frame: Frame, part: Array | None) -> tuple[list[Any], Any, Any]:
        """Return what a summary is updated with: columns, weight and groups of some rows."""
        columns = [_taken(frame[name], part) for name in need.columns]
        group = _taken(frame.group, part) if dict(need.options).get("grouped") else None
        weight = frame.weight if any(name.startswith("@") and name not in _COUNTED for name in need.columns) else None
        return columns, None if weight is None else _taken(weight, part), group


class _Sliced:
    """The stack of one need by a slicing: which slice has which place in it."""

    def __init__(self, stack: Any):
        self.stack = stack
        self.places: dict[SliceKey, int] = {}

    def update(self, keys: Sequence[SliceKey], codes: Array, columns: Sequence[Any], weight: Any, group: Any) -> None:
        """Add rows, given the keys of this batch and which of them each row has."""
        places = np.array([self.places.setdefault(key, len(self.places)) for key in keys], np.int64)
        self.stack.update(places[codes], len(self.places), columns, weight=weight, group=group)

    def summaries(self) -> Iterator[tuple[SliceKey, Summary]]:
        """Yield the key and the summary of each slice that has rows."""
        keys = list(self.places)
        for place, summary in self.stack.summaries():
            yield keys[place], summary


def _updated(columns: Sequence[_Column], batch: pa.RecordBatch) -> None:
    for each in columns:
        each.update(batch.column(each.name))


def _taken(column: Any, part: Array | None) -> Any:
    if part is None:
        return column
    if isinstance(column, Vector):
        return Vector(column.array.filter(pa.array(part)) if part.dtype == bool else column.array.take(pa.array(part)))
    return column[part]


def _ordered(schema: Schema, wanted: Collection[str]) -> list[str]:
    """Return names in file order, and behind them those of derived columns."""
    stored = set(schema.names)
    derived = [name for name in wanted if name not in stored and name in schema]
    return [*(name for name in schema.names if name in wanted), *sorted(derived, key=lambda name: (schema.stored(name), name))]


def asked(need: Need, models: Mapping[str, Any]) -> list[str]:
    """Return the models whose answers a need reads."""
    return sorted({_model(name, models) for name in need.columns if _answered(name)})


def _answered(name: str) -> bool:
    return name.startswith("@") and name[1:].partition(":")[0].partition("/")[0] not in ("label", "key", "query", "row", "one")


def _labelled(need: Need) -> bool:
    return any(name.startswith(("@label", "@correct")) for name in need.columns)


def _model(name: str, models: Mapping[str, Any]) -> str:
    asked = name.partition(":")[2]
    return asked or next(iter(models), "")


def ahead(batches: Iterator[pa.RecordBatch], depth: int = 2) -> Iterator[pa.RecordBatch]:
    """Read ``depth`` batches ahead in a thread, so that decoding and computing overlap; errors arrive where they would have.

    The thread ends with the batches, with their error, or when nobody listens any more. Memory is bounded by ``depth``.
    """
    held: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: pa.RecordBatch | BaseException | None) -> None:
        waiting = True
        while waiting and not stopped.is_set():
            with contextlib.suppress(queue.Full):
                held.put(item, timeout=0.05)
                waiting = False

    def work() -> None:
        try:
            for batch in batches:
                put(batch)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to the thread that asked)
            put(error)

    thread = threading.Thread(target=work, name="assay-read", daemon=True)
    thread.start()
    try:
        while (item := held.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join(timeout=5)
