"""A model whose answers stand in the data already: predictions and scores that were logged with the rows.

``Logged.of(schema)`` makes it from the columns with the roles ``prediction`` and ``score``. It reads and checks; it computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.schema import Schema
from assay.errors import ColumnTypeError, ConfigError, PredictionError, listed
from assay.model.answer import Answer, places
from assay.model.signature import Input, Signature

__all__ = ["Logged"]


class Logged:
    """Predictions and scores as columns: one score column for the positive (second) class, or one for each class in order."""

    name = "logged predictions"
    recorded = True

    def __init__(self, signature: Signature, prediction: str | None, score: tuple[str, ...], where: str):
        self.signature = signature
        self.digest = f"logged:{prediction or ''}:{','.join(score)}"
        self._prediction, self._score, self._where = prediction, score, where

    @classmethod
    def of(cls, schema: Schema, *, task: str | None = None, classes: Sequence[Any] | None = None, where: str = "the data") -> Logged:
        """Return the model of a schema's prediction and score columns; raises ``ConfigError`` where the task or classes are open.

        Without ``task`` it is: several labels, multilabel; a fractional label or prediction, regression; else classification. Classes
        are never collected from the rows, as a class may be absent from them: without ``classes`` they are 0 and 1 (false and true)
        for an integer (boolean) label, and must be named otherwise.
        """
        prediction, score = schema.prediction, tuple(schema.score)
        label = schema[schema.label].type if schema.label else None
        if task is None:
            numeric = [kind for kind in (label, schema[prediction].type if prediction else None) if kind is not None]
            fraction = any(pa.types.is_floating(kind) or pa.types.is_decimal(kind) for kind in numeric) and not score and classes is None
            task = ("multilabel" if len(schema.labels) > 1 else "regression" if fraction else
                    "multiclass" if len(classes or score) > 2 else "binary")
        if task in ("regression", "ranking"):
            column = prediction or (score[0] if score else None)
            assert column is not None
            return cls(Signature((Input(column, "number"),), task, None), column, (), where)  # type: ignore[arg-type]
        if classes is None and task == "multilabel":
            classes = schema.labels
        if classes is None and task == "binary" and label is not None and (pa.types.is_integer(label) or pa.types.is_boolean(label)):
            classes = (False, True) if pa.types.is_boolean(label) else (0, 1)
        if classes is None:
            raise ConfigError("the classes of the logged predictions are not known", where=where,
                              expected="their names, in the order of the score columns",
                              hint="pass --class no --class yes, or classes: [no, yes]")
        if score and len(score) not in ({1, 2} if task == "binary" else {len(classes)}):
            raise ConfigError(f"there are {len(score)} score columns for {len(classes)} classes", where=where,
                              expected="one for each class, in their order" + (", or one for the second" if task == "binary" else ""))
        inputs = tuple(Input(each, "number") for each in score) + ((Input(prediction, "unknown"),) if prediction else ())
        return cls(Signature(inputs, task, tuple(classes), scores="probability" if score else None),  # type: ignore[arg-type]
                   prediction, score, where)

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return what was logged with the rows of the batch."""
        signature = self.signature
        if signature.classes is None:
            return Answer.valued(signature, self._numbers(batch, str(self._prediction))).batch()
        labels = self._labels(batch) if self._prediction else None
        if not self._score:
            return Answer.labelled(signature, labels).batch()
        scores = np.column_stack([self._numbers(batch, each) for each in self._score])
        codes = places(labels, signature.classes) if labels is not None and signature.task != "multilabel" else None
        return Answer.scored(signature, scores, codes).batch()

    def _numbers(self, batch: pa.RecordBatch, name: str) -> np.ndarray[Any, Any]:
        column = batch.column(name)
        try:
            numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid as error:
            raise ColumnTypeError(f"the column '{name}' is {column.type}", where=self._where,
                                  expected="numbers, to be read as scores") from error
        if np.isnan(numbers).any():
            raise self._missing(name, int(np.isnan(numbers).sum()))
        return numbers

    def _labels(self, batch: pa.RecordBatch) -> Any:
        column = batch.column(str(self._prediction))
        if column.null_count:
            raise self._missing(str(self._prediction), column.null_count)
        values = column.to_pylist() if not pa.types.is_dictionary(column.type) else column.dictionary_decode().to_pylist()
        strange = set(values) - set(self.signature.classes or ())
        if strange and {str(each) for each in strange} <= {str(each) for each in self.signature.classes or ()}:
            named = {str(each): each for each in self.signature.classes or ()}
            values = [named[str(each)] for each in values]
        elif strange:
            raise PredictionError(f"the column '{self._prediction}' holds {listed(sorted(map(str, strange)), 3)}", where=self._where,
                                  expected=f"one of the classes {listed(map(str, self.signature.classes or ()))}")
        return np.array(values, dtype=object)

    def _missing(self, name: str, rows: int) -> PredictionError:
        return PredictionError(f"the column '{name}' has no value in {rows} rows of a batch", where=self._where,
                               expected="a prediction in every row", hint=f"leave those rows out: where: '{name} is not null'")
