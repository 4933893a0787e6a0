"""PMML as a format of models: what a file takes and gives, found in its data dictionary and in its outermost model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ModelError, SignatureError
from assay.model.answer import Answer
from assay.model.column import is_numeric, is_text, numbers
from assay.model.file import File
from assay.model.format import Format, Options, described
from assay.model.pmml.document import Element, parsed
from assay.model.pmml.expression import derived, functions
from assay.model.pmml.forest import Ground, grown
from assay.model.pmml.schema import Field, Fields
from assay.model.pmml.scope import Scope
from assay.model.pmml.scorer import Scorer, scorer
from assay.model.pmml.value import Column, Words
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Class, Input, Kind, Signature, agreed_classes, agreed_task
from assay.model.trees import Trees

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
BESIDE = ("Header", "MiningBuildTask", "DataDictionary", "TransformationDictionary")


def recognises(model: object) -> bool:
    """Return whether ``model`` is a PMML file."""
    return isinstance(model, File) and model.kind == "pmml"


def load(file: File, options: Options) -> Predictor:
    """Return the first model of a PMML file that is for use."""
    document = parsed(file.data)
    fields = Fields.read(document.first("DataDictionary"))
    transformations = document.first("TransformationDictionary")
    known = functions(transformations)
    made = list(transformations.all("DerivedField")) if transformations is not None else []
    shared = dict(derived(each, known) for each in made)
    held = [each for each in document.inside if each.name not in BESIDE and each.get("isScorable") != "false"]
    if not held:
        raise ModelError("the file holds no model", expected="a whole PMML file")
    found = scorer(held[0], fields, known)
    taken = [fields[name] for name in found.treatment.inputs]
    signature = _signature(held[0], found, fields, taken, options)
    local = held[0].first("LocalTransformations")
    made += local.all("DerivedField") if local is not None else ()
    respond = _Respond(found, taken, shared, signature, held[0], {each.need("name"): each for each in made}, fields, options.name)
    return Predictor(options.name, signature, file.digest, respond)


def _signature(element: Element, found: Scorer, fields: Fields, taken: list[Field], options: Options) -> Signature:
    if found.classes is None:
        task = agreed_task("regression", options.task, where=options.name)
        signature = Signature(None, task) if task in NUMERIC_TASKS else Signature(
            None, task, agreed_classes((0, 1), options.classes, count=2, where=options.name), scores=options.scores or "probability")
    else:
        if len(found.classes) < 2:
            raise ModelError("the file names fewer than two classes", expected="a classifier")
        target = fields.fields.get(found.treatment.target or "")
        own = [_class(each, target.kind if target else "string") for each in found.classes]
        task = agreed_task("binary" if len(found.classes) == 2 else "multiclass", options.task, where=options.name)
        classes = agreed_classes(own, options.classes, count=None, where=options.name)
        signature = Signature(None, task, classes, scores=(options.scores or "probability") if found.shared else None)
    kinds = {place: Input("", _kind(each), each.valid if _kind(each) == "category" and each.valid else None)
             for place, each in enumerate(taken)}
    return described(signature, [each.name for each in taken], options, width=len(taken), kinds=kinds)


def _kind(field: Field) -> Kind:
    return "category" if field.kind == "string" else "boolean" if field.kind == "boolean" else "number"


def _class(text: str, kind: str) -> Class:
    try:
        if kind == "boolean":
            return {"true": True, "false": False, "1": True, "0": False}[text]
        return int(text) if kind == "integer" else float(text) if kind in ("double", "float") else text
    except (ValueError, KeyError):
        raise ModelError(f"the class '{text[:60]}' of the file is no {kind}", expected="a whole PMML file") from None


class _Respond:
    def __init__(self, found: Scorer, taken: list[Field], shared: dict[str, Any], signature: Signature, element: Element,
                 made: dict[str, Element], fields: Fields, where: str):
        self.found, self.taken, self.shared, self.signature, self.where = found, taken, shared, signature, where
        self.element, self.made, self.fields = element, made, fields

    def trees(self) -> Trees | None:
        """Return the trees in the neutral layout, for who explains them."""
        ground = Ground(self.fields, [each.name for each in self.taken], self.made, lambda batch: self.found.inside(self._scope(batch)))
        return grown(self.element, self.found.classes, ground)

    def _scope(self, batch: pa.RecordBatch) -> Scope:
        given = {each.name: _column(batch.column(place), each, batch.schema.names[place], self.where)
                 for place, each in enumerate(self.taken)}
        # what is derived for all models is derived of fields as the outermost one has treated them
        outer = Scope(batch.num_rows, given)
        return Scope(batch.num_rows, self.found.treatment.of(outer), self.shared, around=outer)

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        result, _ = self.found.run(self._scope(batch))
        if result.value is not None:
            return Answer.valued(self.signature, result.value)
        assert result.winner is not None
        if (result.winner < 0).any():
            row = int(np.argmax(result.winner < 0))
            raise ModelError(f"the model gives no class to row {row}", where=self.where, expected="a row without what it takes for invalid")
        if result.shares is None:
            return Answer(self.signature.task, self.signature.classes, result.winner.astype(np.int32))
        return Answer.scored(self.signature, result.shares, prediction=result.winner.astype(np.int32))


def _column(array: pa.Array, field: Field, name: str, where: str) -> Column:
    if field.kind != "string":
        found = numbers(array, name=name, where=where)
        return found.astype(np.float32 if field.kind == "float" else np.float64, copy=False)
    if not (is_text(array.type) or pa.types.is_null(array.type) or pa.types.is_integer(array.type) or pa.types.is_boolean(array.type)):
        raise SignatureError(f"the column '{name}' is of type {array.type}", where=where,
                             expected="text, as the model takes categories there",
                             hint="make it text as the model's training data had it" if is_numeric(array.type) else None)
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
        array = array.dictionary_decode()
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    spelt = tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in encoded.dictionary.to_pylist())
    return Words(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), spelt)


FORMAT = Format(recognises, load, what="PMML files: trees, regressions, scorecards, and ensembles of them", runs="no")
