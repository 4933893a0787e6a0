"""What a model answers for every row of a delivery, as columns beside it that stand for logged predictions; asked piece by piece.

``Asked(source, model)`` is a source; ``ANSWER`` and ``SCORE`` are how its columns begin, after ``OTHER`` where it is the shadow of another
model. ``stream`` and ``pair`` import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.image import encoded, pictures
from assay.data.schema import Schema
from assay.data.source import Source
from assay.errors import AssayError, PredictionError
from assay.model import guard
from assay.model.model import Model
from assay.model.signature import NUMERIC_TASKS, Signature

__all__ = ["ANSWER", "OTHER", "SCORE", "Asked"]

SCORE, ANSWER = "assay score", "assay prediction"
OTHER = "assay shadow "     # before "score" or "prediction": what the second of two models answers


class Asked:
    """A source with what a model answers for every row.

    One upload that is no image must not keep a delivery from the monitor, whose subject it is: where the model refuses rows, those whose
    image is missing or cannot be decoded are without answers, and it is asked for the others. Any other refusal is an error.

    ``shadow``: it answers beside another, as columns that are nobody's features; rows that it cannot take are then without its answers, and
    ``failed`` says why, since whatever befalls a shadow must not keep rows from production's monitor.
    """

    def __init__(self, found: Source, model: Model, *, shadow: bool = False):
        self._found, self._model, self.name, self.rows = found, model, found.name, found.rows
        self._shadow = shadow
        self.failed: str | None = None
        first = next((each for each in found.batches() if each.num_rows), None)
        answers = self._answers(first.slice(0, 8)) if first is not None else {}
        arrow = pa.schema([*found.schema.arrow, *(pa.field(name, each.type) for name, each in answers.items())])
        roles = dict(found.schema.roles)
        if shadow:
            roles["ignored"] = (*roles.get("ignored", ()), *answers)
        self.schema = Schema.of(arrow, roles, where=found.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.schema.names if columns is None else columns)
        schema = pa.schema([self.schema.arrow.field(each) for each in names])
        for batch in self._found.batches():
            answers = self._answers(batch)
            arrays = [answers[name] if name in answers else batch.column(name) for name in names]
            yield pa.record_batch([each.cast(want.type) for each, want in zip(arrays, schema, strict=True)], schema=schema)

    def split(self, parts: int) -> list[Source]:
        return [self]

    def _answers(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        if not self._shadow:
            return self._served(batch)
        names = _named(self._model.signature)
        try:
            found = _answers(self._model, batch)
        except AssayError as error:
            self.failed = self.failed or " ".join(str(error).split())
            found = {}
        return {name.replace("assay ", OTHER, 1): found.get(name, pa.nulls(batch.num_rows, kind)) for name, kind in names.items()}

    def _served(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        try:
            return _answers(self._model, batch)
        except PredictionError as error:
            shown = _shown(batch)
            names = _named(self._model.signature)
            if not names or not shown or all(shown):
                raise
            self.failed = self.failed or " ".join(str(error).split())
        mask = pa.array(shown)
        found = _answers(self._model, batch.filter(mask)) if any(shown) else {}
        # the place of each row among those that were asked for, null where it was not
        places = pc.if_else(mask, pa.array(np.cumsum(shown) - 1), None)
        return {name: found[name].take(places) if name in found else pa.nulls(batch.num_rows, kind) for name, kind in names.items()}


def _shown(batch: pa.RecordBatch) -> list[bool]:
    """Return for each row whether its images can be decoded; empty where no column holds files, or nothing can decode them."""
    columns = [batch.column(place) for place, each in enumerate(batch.schema) if encoded(each.type)]
    try:
        found = [pictures(each) for each in columns]
    except AssayError:
        return []
    return [bool(each) for each in np.logical_and.reduce([each.known for each in found])] if found else []


def _named(signature: Signature) -> dict[str, pa.DataType]:
    """Return the columns that a model of a signature answers with."""
    if signature.task in NUMERIC_TASKS:
        return {ANSWER: pa.float64()}
    if signature.scores is not None:
        many = 1 if signature.task == "binary" else len(signature.classes or ())
        return {name: pa.float64() for name in _scores(many)}
    classes = signature.classes or ()
    return {ANSWER: pa.array(list(classes)).type} if classes else {}


def _scores(many: int) -> list[str]:
    return [SCORE] if many == 1 else [f"{SCORE} {place}" for place in range(many)]


def _answers(model: Model, batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Return what a model answers for every row of a batch, by the name of its column."""
    answer = guard.answer(model, batch)
    if answer.value is not None:
        return {ANSWER: pa.array(answer.value)}
    if answer.score is not None:
        parts = answer.score[:, 1:] if answer.score.shape[1] == 2 and model.signature.task == "binary" else answer.score
        return {name: pa.array(np.ascontiguousarray(parts[:, place])) for place, name in enumerate(_scores(parts.shape[1]))}
    if answer.prediction is not None and answer.classes:
        return {ANSWER: pa.array([answer.classes[each] for each in answer.prediction.tolist()])}
    return {}
