"""The columns of one scored batch as summaries ask for them: data columns as vectors, ``@`` names derived from answers.

====================  ==========================================================================================
``@label``            class codes, numbers, or 0/1 of shape (rows, labels); ``@label/2`` is one label of several
``@prediction``       predicted class codes, or 0/1 of shape (rows, labels)
``@score``            score of the positive class; ``@score/2`` that of class (or label) 2; ``@scores`` all of them
``@value``            predicted number
``@correct``          1 where the predicted class is the true one; ``@confidence`` the greatest class score
``@key``              64-bit hash of the entity, else the id, else the row itself; ``@query`` that of the query
``@row``              64-bit hash of the whole row but the id; ``@one`` is 1
====================  ==========================================================================================

``:name`` behind a name asks for another model than the first. Only engines use this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from assay.data.schema import Schema
from assay.engine import label as labels
from assay.errors import ColumnTypeError, DataError, ModelError
from assay.model.answer import Answer
from assay.summary.hashing import hashes, row_hashes
from assay.summary.resample import groups
from assay.summary.target import Target
from assay.summary.vector import Vector

__all__ = ["Frame"]

Array = np.ndarray[Any, Any]


class Frame:
    """One batch with its answers; every derived column is made once, on first use."""

    def __init__(self, batch: pa.RecordBatch, answers: Mapping[str, Answer], schema: Schema, target: Target | None, *, where: str,
                 first: int = 0):
        self.batch = batch
        self.answers = answers
        self.schema = schema
        self.target = target
        self.where = where
        self.first = first  # the place of the first row in the data
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a data column as ``Vector``, a derived one as numpy array."""
        if name not in self._made:
            self._made[name] = self._derived(name) if name.startswith("@") else Vector(self.batch.column(name))
        return self._made[name]

    @property
    def labelled(self) -> Array | None:
        """Which rows have a label; None where all have."""
        if "labelled" not in self._made:
            label = self["@label"]
            known = ~np.isnan(label) if label.dtype.kind == "f" else label != labels.MISSING
            known = known.all(axis=1) if known.ndim == 2 else known
            self._made["labelled"] = None if known.all() else known
        mask: Array | None = self._made["labelled"]
        return mask

    @property
    def weight(self) -> Array | None:
        """The weight of each row, or None."""
        name = self.schema.weight
        if name is None:
            return None
        if "weight" not in self._made:
            weight = np.asarray(self.batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False))
            if not np.isfinite(weight).all() or (weight < 0).any():
                bad = int(np.flatnonzero(~np.isfinite(weight) | (weight < 0))[0])
                raise ColumnTypeError(f"the weight '{name}' is {weight[bad]} in a row", where=self.where, expected="finite, not negative")
            self._made["weight"] = weight
        found: Array = self._made["weight"]
        return found

    @property
    def group(self) -> Array:
        """The resampling group of each row: by entity, else by id, else by the place of the row.

        Not by its content: rows that look alike are no less independent, and would be left out together.
        """
        if "group" not in self._made:
            name = self.schema.entity or self.schema.query or self.schema.id
            rows = self.batch.num_rows
            self._made["group"] = groups(self.batch.column(name) if name else np.arange(self.first, self.first + rows, dtype=np.uint64))
        found: Array = self._made["group"]
        return found

    def _derived(self, name: str) -> Array:
        what, _, model = name[1:].partition(":")
        what, _, part = what.partition("/")
        if what == "label":
            return self._label(int(part) if part else None)
        if what in ("key", "query"):
            return self._key(what)
        if what == "row":
            apart = (self.schema.id, self.schema.weight)
            names = [each for each in self.batch.schema.names if each not in apart] or self.batch.schema.names
            return row_hashes([self.batch.column(each) for each in names])
        if what == "one":
            return np.ones(self.batch.num_rows)
        answer = self._answer(model)
        if what == "prediction":
            return self._prediction(answer)
        if what in ("score", "scores", "confidence"):
            return self._score(answer, what, part)
        if what == "correct":
            return np.asarray(self[f"@prediction:{model}" if model else "@prediction"] == self["@label"], np.int64)
        if what == "value":
            if answer.value is None:
                raise ModelError("the model gives classes, and a number was asked for", hint="use a classification metric")
            return answer.value
        raise KeyError(name)

    def _answer(self, model: str) -> Answer:
        if not self.answers:
            raise DataError("there is no model, and no column with predictions", where=self.where,
                            hint="pass a model, or name the columns (prediction: ..., score: ...)")
        return self.answers[model] if model else next(iter(self.answers.values()))

    def _label(self, part: int | None) -> Array:
        assert self.target is not None
        if self.target.task == "multilabel":
            columns = [self._codes(name, (0, 1)) for name in self.schema.labels]
            return columns[part] if part is not None else np.stack(columns, axis=1)
        name = self.schema.label
        if name is None:
            raise DataError("no column holds the label", where=self.where, hint="name it: --label COLUMN, or columns: {label: COLUMN}")
        if self.target.task in ("regression", "ranking"):
            return labels.numbers(self.batch.column(name), name=name, where=self.where)
        return self._codes(name, self.target.classes)

    def _codes(self, name: str, classes: tuple[object, ...]) -> Array:
        return labels.codes(self.batch.column(name), classes, name=name, where=self.where)

    def _prediction(self, answer: Answer) -> Array:
        assert self.target is not None
        threshold = self.target.threshold
        if threshold is not None and answer.score is not None:
            if self.target.task == "multilabel":
                return np.asarray(answer.score >= threshold, np.int64)
            if self.target.positive is not None and len(self.target.classes) == 2:
                chosen = answer.score[:, self.target.positive] >= threshold
                return np.asarray(np.where(chosen, self.target.positive, 1 - self.target.positive))
        if answer.prediction is not None:
            return np.asarray(answer.prediction, np.int64)
        if answer.score is None:
            raise ModelError("the model gives numbers, and a class was asked for", hint="use a regression metric such as mae")
        if self.target.task == "multilabel":
            return np.asarray(answer.score >= 0.5, np.int64)
        return np.asarray(np.argmax(answer.score, axis=1))

    def _score(self, answer: Answer, what: str, part: str) -> Array:
        assert self.target is not None
        if answer.score is None:
            raise ModelError("the model gives no scores, only labels", hint="use metrics of labels, such as accuracy, precision or recall")
        if what == "scores":
            return answer.score
        if what == "confidence":
            return np.asarray(np.max(answer.score, axis=1))
        place = int(part) if part else self.target.positive
        assert place is not None
        return np.ascontiguousarray(answer.score[:, place])

    def _key(self, what: str) -> Array:
        name = self.schema.query if what == "query" else self.schema.entity or self.schema.id
        if name is not None:
            return hashes(self.batch.column(name))
        if what == "query":
            raise DataError("ranking metrics need to know which rows belong together", where=self.where,
                            hint="name the column: columns: {query: COLUMN}")
        return row_hashes(list(self.batch.columns))
