"""The engine of one machine: reads batches, scores them, and fulfils every need of a plan in one pass.

``run`` is the whole interface. Columns are summarised by a few threads (numpy's sort and Arrow's decoding release the
interpreter lock); what labelled rows need is small and stays on the calling thread.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.slice import Slicing
from assay.data.source import Source
from assay.engine.frame import Frame
from assay.engine.plan import Plan
from assay.errors import EmptyDataError, PredictionError, SummaryError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model
from assay.summary import Need, Profile, Summary
from assay.summary.target import Target
from assay.summary.vector import Vector

__all__ = ["asked", "run"]

Array = np.ndarray[Any, Any]

_COUNTED = ("@row", "@one")  # rows are counted as they were delivered, whatever they weigh


def run(plan: Plan, source: Source, models: Mapping[str, Model] | None = None, *, target: Target | None = None,
        workers: int | None = None, progress: Callable[[int], None] | None = None) -> Profile:
    """Return the profile that ``plan`` asks for, after one pass over ``source``.

    ``models`` score the same rows; the first one answers to names without a model. A model that fails is asked no more: its
    error stands in ``profile.failures``, as does that of a summary that grows too large; the rest of the plan goes on.
    ``progress`` is told the rows of each batch. Raises ``EmptyDataError`` where there are no rows.
    """
    return _Pass(plan, source, dict(models or {}), target, progress).run(workers or min(os.cpu_count() or 1, 8))


class _Pass:
    """The state of one pass: what was asked, and what was found so far."""

    def __init__(self, plan: Plan, source: Source, models: dict[str, Model], target: Target | None,
                 progress: Callable[[int], None] | None):
        self.plan, self.source, self.target, self.progress = plan, source, target, progress
        self.needed = {_model(name, models) for need in plan.needs for name in need.columns if _answered(name)}
        self.models = {name: model for name, model in models.items() if name in self.needed}
        self.profile = Profile()
        self.plain = [need for need in plan.everywhere if not any(name.startswith("@") for name in need.columns)]
        plain = set(self.plain)
        self.scored = [need for need in plan.everywhere if need not in plain]

    def columns(self) -> list[str]:
        """The columns to read, in file order."""
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
        return [name for name in schema.names if name in wanted] or list(schema.names[:1])

    def run(self, workers: int) -> Profile:
        with ThreadPoolExecutor(workers, "assay") as pool:
            for batch in ahead(self.source.batches(self.columns())):
                self.profile.rows += batch.num_rows
                waiting = [pool.submit(self._summarise, name, batch.column(name), needs) for name, needs in self._by_column().items()]
                try:
                    self._scored(batch)
                finally:
                    for each in waiting:
                        each.result()
                if self.progress:
                    self.progress(batch.num_rows)
        if not self.profile.rows:
            raise EmptyDataError("there are no rows", where=self.source.name, expected="at least one row")
        return self.profile

    def _by_column(self) -> dict[str, list[tuple[Need, Summary]]]:
        # summaries are looked up here, so that the threads never write the same dictionary
        found: dict[str, list[tuple[Need, Summary]]] = {}
        for need in self.plain:
            found.setdefault(need.columns[0], []).append((need, self.profile.summary((), need)))
        return found

    @staticmethod
    def _summarise(name: str, column: pa.Array, needs: list[tuple[Need, Summary]]) -> None:
        vector = Vector(column)
        for _, summary in needs:
            summary.update(vector)

    def _scored(self, batch: pa.RecordBatch) -> None:
        if not self.scored and not self.plan.sliced:
            return
        first = self.profile.rows - batch.num_rows
        frame = Frame(batch, self._answers(batch), self.source.schema, self.target, where=self.source.name, first=first)
        if any(_labelled(need) for need in self.plan.needs) and frame.labelled is not None:
            self.profile.unlabelled += int((~frame.labelled).sum())
        everywhere = [need for need in self.scored if self._possible(need)]
        for need in everywhere:
            self._update((), need, frame, frame.labelled if _labelled(need) else None)
        for slicing, needs in self.plan.sliced:
            self._sliced(frame, slicing, [need for need in needs if self._possible(need)])

    def _answers(self, batch: pa.RecordBatch) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        for name, model in self.models.items():
            if name in self.profile.failures:
                continue
            try:
                answers[name] = guard.answer(model, batch)
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
            order = np.argsort(chosen, kind="stable")
            bounds = np.searchsorted(chosen[order], np.arange(len(keys) + 1))
            for code, key in enumerate(keys):
                part = order[bounds[code] : bounds[code + 1]]
                for need in some if len(part) else ():
                    if need not in self.profile.failures:
                        self._update(key, need, frame, part)

    def _update(self, key: Any, need: Need, frame: Frame, part: Array | None) -> None:
        columns = [_taken(frame[name], part) for name in need.columns]
        options = dict(need.options)
        group = _taken(frame.group, part) if options.get("grouped") else None
        weight = frame.weight if any(name.startswith("@") and name not in _COUNTED for name in need.columns) else None
        try:
            self.profile.summary(key, need).update(*columns, weight=None if weight is None else _taken(weight, part), group=group)
        except SummaryError as error:  # too large to keep: the others go on
            self.profile.failures[need] = error


def _taken(column: Any, part: Array | None) -> Any:
    if part is None:
        return column
    if isinstance(column, Vector):
        return Vector(column.array.filter(pa.array(part)) if part.dtype == bool else column.array.take(pa.array(part)))
    return column[part]


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
