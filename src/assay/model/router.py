"""Several models that answer as one: a column says which model answers for which rows, such as a version for each customer.

``{"router": {"by": "customer", "A": "a.onnx", "B": "b.onnx", "default": "c.onnx"}}``. Each part is whatever ``load`` takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import AssayError, ConfigError, PredictionError, SignatureError, listed
from assay.model import guard
from assay.model.answer import Answer
from assay.model.format import Format, Options
from assay.model.load import load as opened
from assay.model.model import Model, bind, called
from assay.model.signature import Input, Signature

__all__ = ["FORMAT", "Router", "load", "recognises"]

Array = np.ndarray[Any, Any]
MOST = 10_000   # parts
OTHERS = "default"


def recognises(model: object) -> bool:
    """Return whether ``model`` is the description of a router."""
    return isinstance(model, Mapping) and "router" in model


def load(model: Mapping[str, Any], options: Options) -> Router:
    """Return the router of a description; raises ``SignatureError`` where its parts do not answer the same question."""
    given = model["router"]
    if len(model) > 1 or not isinstance(given, Mapping) or not isinstance(given.get("by"), str):
        raise ConfigError("this is no router", where=options.name, expected="{router: {by: COLUMN, VALUE: MODEL, ..., default: MODEL}}")
    named = {str(key): each for key, each in given.items() if key != "by"}
    if not named or len(named) > MOST:
        raise ConfigError(f"the router has {len(named):,} models", where=options.name, expected=f"1 to {MOST:,}")
    parts: dict[str, Model] = {}
    loaded: dict[str, Model] = {}
    for value, each in named.items():
        key = each if isinstance(each, str) else f"{id(each)}"
        if key not in loaded:   # a model that answers for several customers is loaded once
            try:
                loaded[key] = opened(each, trust=options.trust, task=options.task, classes=options.classes, features=options.features,
                                     scores=options.scores, **options.more)
            except AssayError as error:
                error.where = f"router, {given['by']} {value}" + (f": {error.where}" if error.where else "")
                raise
        parts[value] = loaded[key]
    name = options.name if options.name not in ("", "dict", "mappingproxy") else f"router by {given['by']}"
    return Router(given["by"], parts, name=name)


class Router:
    """A model like others. ``parts`` are the models by the value of the column ``by``; ``version(batch)`` names the one for each row."""

    def __init__(self, by: str, parts: Mapping[str, Model], *, name: str):
        self.by, self.parts, self.name = by, dict(parts), name
        self.signature = _common(by, self.parts, name)
        digests = [f"{value}={each.digest}" for value, each in sorted(self.parts.items())]
        self.digest = hashlib.sha256("\n".join(["router", by, *digests]).encode()).hexdigest()

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Answer for each row with the model that its value of the column names; a value without one is a ``PredictionError``."""
        if batch.num_rows == 0:
            return Answer.nothing(self.signature).batch()
        values, codes = self._routed(batch)
        found: list[tuple[Array, Answer]] = []
        groups: dict[int, list[int]] = {}
        for code, value in enumerate(values):   # customers of one model are asked for in one batch
            groups.setdefault(id(self.parts[value]), []).append(code)
        for members in groups.values():
            rows = np.flatnonzero(np.isin(codes, members))
            if len(rows):
                part = batch if len(rows) == batch.num_rows else _taken(batch, rows)
                found.append((rows, self._asked(self.parts[values[members[0]]], part)))
        return _joined(found, batch.num_rows, self.signature).batch()

    def version(self, batch: pa.RecordBatch) -> pa.Array:
        """Return which of the parts answers for each row, by the name that it has in the router; null where none does."""
        values, codes = self._places(batch)
        places = pa.array(codes, pa.int32(), mask=codes < 0)
        return pa.DictionaryArray.from_arrays(places, pa.array(values, pa.string())).dictionary_decode()

    def bound(self, names: tuple[str, ...]) -> Router:
        """Return the same router with the parts named that know only how many inputs they have; the column of the router is none."""
        plain = [each for each in names if each != self.by]
        parts = {value: bind(each, plain if each.signature.width == len(plain) else list(names)) for value, each in self.parts.items()}
        return Router(self.by, parts, name=self.name)

    def _asked(self, part: Model, batch: pa.RecordBatch) -> Answer:
        try:
            answer = Answer.of(part.predict(batch))   # the answers of all are checked together, as those of the router
        except AssayError as error:
            error.where = error.where or called(part)
            raise
        except (Exception, SystemExit) as error:
            raise PredictionError(f"the model raised {guard.cause(error)}", where=called(part)) from error
        if len(answer) != batch.num_rows:
            raise PredictionError(f"the model answered for {len(answer)} rows and was asked for {batch.num_rows}", where=called(part))
        return _ordered(answer, self.signature)

    def _routed(self, batch: pa.RecordBatch) -> tuple[list[str], Array]:
        """The parts' names, and for each row the place of its own among them, which must be there."""
        parts, codes = self._places(batch)
        if (codes < 0).any():
            row = int(np.argmax(codes < 0))
            value = batch.column(self.by)[row].as_py()
            raise PredictionError(f"no model answers for the {self.by} {str(value)[:60]!r} of row {row}", where=self.name,
                                  expected=f"one of {listed(parts, 8)}", hint="add it to the router, or a default")
        return parts, codes

    def _places(self, batch: pa.RecordBatch) -> tuple[list[str], Array]:
        """The parts' names, and for each row the place of its own among them, -1 where there is none."""
        if batch.schema.names.count(self.by) != 1:
            raise SignatureError(f"the data have no column '{self.by}', by which the models are chosen", where=self.name,
                                 expected="a column of that name", hint=f"the data have {listed(batch.schema.names, 8)}")
        column = batch.column(self.by)
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        parts = list(self.parts)
        place = {value: code for code, value in enumerate(parts)}
        other = place.get(OTHERS, -1)
        table = [place.get(_spelt(each), other) if each is not None else other for each in column.dictionary.to_pylist()]
        codes: Array = np.array([*table, other], np.int64)[column.indices.fill_null(len(table)).to_numpy(zero_copy_only=False)]
        return parts, codes


def _taken(batch: pa.RecordBatch, rows: Array) -> pa.RecordBatch:
    # Arrow cannot yet take rows of a view of text
    plain = [column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(plain, names=batch.schema.names).take(pa.array(rows))


def _spelt(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _common(by: str, parts: Mapping[str, Model], where: str) -> Signature:
    """The one signature of all: the same task, classes and kind of scores, and every input that one of them takes."""
    (first_name, first), *rest = parts.items()
    one = first.signature
    for value, each in rest:
        other = each.signature
        same = set(map(str, other.classes or ())) == set(map(str, one.classes or ()))
        if other.task != one.task or not same or other.scores != one.scores:
            raise SignatureError(f"the models for '{first_name}' and '{value}' do not answer the same: {_shown(one)} and {_shown(other)}",
                                 where=where, expected="one task, the same classes, and the same kind of scores")
    if any(each.signature.positional for each in parts.values()):
        widths = {each.signature.width for each in parts.values() if each.signature.positional}
        if len(widths) > 1:
            raise SignatureError("several models of the router know their inputs by place only, and take different numbers of them",
                                 where=where, expected="models that know the names of their inputs")
        return Signature(None, one.task, one.classes, one.scores, positional=True, width=widths.pop())
    if any(each.signature.inputs is None for each in parts.values()):
        return Signature(None, one.task, one.classes, one.scores)
    inputs: dict[str, Input] = {}
    for each in parts.values():
        for put in each.signature.inputs or ():
            inputs.setdefault(put.name, put)
    inputs.setdefault(by, Input(by, "category"))
    return Signature(tuple(inputs.values()), one.task, one.classes, one.scores, width=len(inputs))


def _shown(signature: Signature) -> str:
    classes = f" with the classes {listed(map(str, signature.classes), 5)}" if signature.classes else ""
    return f"{signature.task}{classes}" + (f" and {signature.scores}s" if signature.scores else "")


def _ordered(answer: Answer, signature: Signature) -> Answer:
    """An answer in the order of classes of the router; versions of a model need not share one."""
    classes = signature.classes
    if classes is None or answer.classes == classes:
        return answer
    texts = [str(each) for each in answer.classes or ()]
    order = [texts.index(str(each)) for each in classes]
    back = np.argsort(order)
    prediction = answer.prediction
    if prediction is not None:
        prediction = prediction[:, order] if prediction.ndim == 2 else back[prediction].astype(np.int32)
    return Answer(answer.task, classes, prediction, None if answer.score is None else answer.score[:, order], scores=answer.scores)


def _joined(found: list[tuple[Array, Answer]], rows: int, signature: Signature) -> Answer:
    """The answers of the parts, each row at its place; what one of them does not give is left out of all."""
    held: dict[str, Array | None] = {}
    for name in ("prediction", "score", "value"):
        arrays = [getattr(answer, name) for _, answer in found]
        if any(each is None for each in arrays):
            held[name] = None
            continue
        out = np.empty((rows, *arrays[0].shape[1:]), arrays[0].dtype)
        for (places, _), each in zip(found, arrays, strict=True):
            out[places] = each
        held[name] = out
    return Answer(signature.task, signature.classes, scores=signature.scores, **held)


FORMAT = Format(recognises, load,
                what="a model for each value of a column (router: {by: ..., VALUE: MODEL, default: MODEL})", runs="as its models do")
