"""What a model answers about a batch, as numpy arrays and as the one Arrow layout, and the way between the two.

Layout of the batch, one row per row that was asked:

- binary, multiclass: ``prediction`` (int32, index into the classes), and ``score`` (FixedSizeList<double>[K]) if there are scores;
- multilabel: ``prediction`` (FixedSizeList<int8>[L]) and, if there are scores, ``score`` (FixedSizeList<double>[L]);
- regression, ranking: ``value`` (double).

The schema's metadata ``assay`` holds, as JSON, the task, the classes and the kind of scores. A model of your own may answer in
this layout directly; :func:`Answer.of` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from assay.errors import PredictionError, listed
from assay.model.signature import NUMERIC_TASKS, TASKS, Class, ScoreKind, Signature, Task

__all__ = ["Answer", "places"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one batch of n rows, for K classes or labels.

    ``prediction`` has shape (n,) with indices into ``classes``, or (n, K) of 0/1 for several labels; ``score`` has shape (n, K);
    ``value`` has shape (n,). What the model does not give is None.

    >>> signature = Signature(None, "binary", ("no", "yes"), scores="probability")
    >>> answer = Answer.scored(signature, np.array([0.25, 0.75]))
    >>> answer.prediction.tolist(), answer.score.tolist()
    ([0, 1], [[0.75, 0.25], [0.25, 0.75]])
    >>> Answer.of(answer.batch()).classes
    ('no', 'yes')
    """

    task: Task
    classes: tuple[Class, ...] | None = None
    prediction: Array | None = None
    score: Array | None = None
    value: Array | None = None
    scores: ScoreKind | None = None

    def __len__(self) -> int:
        held = next((each for each in (self.prediction, self.score, self.value) if each is not None), ())
        return len(held)

    @classmethod
    def valued(cls, signature: Signature, values: Any) -> Answer:
        """Return the answer of a model that gives one number a row; a number for a binary task is the score of the second class."""
        numbers = _numbers(values)
        if numbers.ndim == 2 and numbers.shape[1] == 1:
            numbers = numbers[:, 0]
        if numbers.ndim != 1:
            raise PredictionError(f"the model answered with an array of shape {numbers.shape}", expected="one number a row")
        return cls.scored(signature, numbers) if signature.task == "binary" else cls(signature.task, value=numbers)

    @classmethod
    def scored(cls, signature: Signature, scores: Any, prediction: Array | None = None) -> Answer:
        """Return the answer of a model that gives scores: (n, K), or (n,) for the second of two classes.

        Without ``prediction`` the class with the greatest score is predicted, or each label with a score of at least one half.
        """
        numbers = _numbers(scores)
        classes = signature.classes or ()
        probable = signature.scores != "score"
        if signature.task == "binary" and (numbers.ndim == 1 or (numbers.ndim == 2 and numbers.shape[1] == 1)):
            positive = numbers.reshape(-1)
            # a row-wise C array, as most readers take one column of it or one row
            numbers = np.empty((len(positive), 2))
            numbers[:, 1] = positive
            np.subtract(1.0, positive, out=numbers[:, 0]) if probable else np.negative(positive, out=numbers[:, 0])
        if numbers.ndim != 2 or numbers.shape[1] != len(classes):
            raise PredictionError(f"the model answered with scores of shape {numbers.shape}",
                                  expected=f"one score a row for each of the {len(classes)} classes {listed(map(str, classes), 10)}")
        if prediction is None:
            if signature.task == "multilabel":
                prediction = (numbers >= (0.5 if probable else 0.0)).astype(np.int8)
            else:
                prediction = _greatest(numbers)
        return cls(signature.task, classes, prediction, numbers, scores=signature.scores or "probability")

    @classmethod
    def labelled(cls, signature: Signature, labels: Any) -> Answer:
        """Return the answer of a model that gives labels only: classes, or (n, K) of 0/1 for several labels."""
        if signature.task == "multilabel":
            return cls(signature.task, signature.classes, _marks(labels, len(signature.classes or ())))
        return cls(signature.task, signature.classes, places(labels, signature.classes or ()))

    @classmethod
    def nothing(cls, signature: Signature) -> Answer:
        """Return the answer to a batch of no rows; no library needs to be asked, and several refuse."""
        if signature.task in NUMERIC_TASKS:
            return cls(signature.task, value=np.empty(0))
        width = len(signature.classes or ())
        score = np.empty((0, width)) if signature.scores else None
        prediction = np.empty((0, width), np.int8) if signature.task == "multilabel" else np.empty(0, np.int32)
        return cls(signature.task, signature.classes, prediction, score, scores=signature.scores)

    def batch(self) -> pa.RecordBatch:
        """Return the answer in its Arrow layout; nothing is copied that is laid out so already."""
        names, columns = [], []
        if self.prediction is not None:
            names.append("prediction")
            columns.append(_lists(self.prediction, np.int8) if self.prediction.ndim == 2 else
                           pa.array(np.asarray(self.prediction, np.int32)))
        if self.score is not None:
            names.append("score")
            columns.append(_lists(self.score, np.float64))
        if self.value is not None:
            names.append("value")
            columns.append(pa.array(np.asarray(self.value, np.float64)))
        meta = {"task": self.task, "classes": self.classes, "scores": self.scores}
        schema = pa.schema([(name, column.type) for name, column in zip(names, columns, strict=True)],
                           metadata={b"assay": json.dumps(meta).encode()})
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Self:
        """Read the Arrow layout; raises ``PredictionError`` where the batch is not in it, with the first bad row."""
        if not isinstance(batch, pa.RecordBatch):
            raise PredictionError(f"the model answered with {_kind(batch)}", expected="a pyarrow.RecordBatch",
                                  hint="load(model) wraps what answers with arrays")
        meta = _meta(batch.schema.metadata)
        found = {name: batch.column(name) for name in ("prediction", "score", "value") if batch.schema.names.count(name) == 1}
        strange = [name for name in batch.schema.names if name not in found]
        if strange or not found:
            raise PredictionError(f"the answer has the columns {listed(batch.schema.names)}",
                                  expected="'prediction' and 'score', or 'value'")
        classes = meta.get("classes")
        return cls(meta["task"], None if classes is None else tuple(classes), scores=meta.get("scores"),
                   prediction=_read(found, "prediction", np.int64), score=_read(found, "score", np.float64),
                   value=_read(found, "value", np.float64))


def places(labels: Any, classes: Sequence[Class]) -> Array:
    """Return the index into ``classes`` of each label; raises ``PredictionError`` at the first that is no class.

    >>> places(["b", "a"], ["a", "b"]).tolist()
    [1, 0]
    """
    if isinstance(labels, pa.Array | pa.ChunkedArray):
        labels = labels.to_pylist()
    given = np.asarray(labels)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        raise PredictionError(f"the model answered with labels of shape {given.shape}", expected="one label a row")
    known = np.asarray(classes)
    if given.dtype.kind in "iub" and known.dtype.kind in "iub":
        order = np.argsort(known, kind="stable")
        spot = np.minimum(np.searchsorted(known[order], given), len(known) - 1)
        index = np.where(known[order][spot] == given, order[spot], -1)
    else:
        table = {_same(each): place for place, each in enumerate(classes)}
        values, inverse = np.unique(given, return_inverse=True) if given.dtype.kind != "O" else _distinct(given)
        index = np.array([table.get(_same(each), -1) for each in values], np.int64)[inverse] if len(given) else np.empty(0, np.int64)
    if (index < 0).any():
        row = int(np.argmax(index < 0))
        raise PredictionError(f"the model answered '{_short(given[row])}' in row {row}, which is none of its classes",
                              expected=f"one of {listed(map(str, classes), 10)}", hint=_kin(given[row], classes))
    return index.astype(np.int32)


def _kin(value: Any, classes: Sequence[Class]) -> str | None:
    """A hint where a class would read alike, and is of another kind."""
    alike = [each for each in classes if str(each) == str(value)]
    if not alike:
        return None
    quoted = ", ".join(f"'{each}'" for each in classes[:4]) if isinstance(value, str) else ", ".join(map(str, classes[:4]))
    return f"the answers are {'text' if isinstance(value, str) else 'numbers'}: say so in assay.yaml, classes: [{quoted}]"


def _distinct(given: Array) -> tuple[list[Any], Array]:
    # np.unique cannot sort None among text
    seen: dict[Any, int] = {}
    try:
        inverse = np.array([seen.setdefault(_same(each), len(seen)) for each in given.tolist()], np.int64)
    except TypeError:
        raise PredictionError("the model answered with something that is no label", expected="text, numbers or true/false") from None
    return list(seen), inverse


def _same(value: Any) -> Any:
    """A label as it is compared: 1, 1.0 and True are one, text is itself."""
    value = value.item() if isinstance(value, np.generic) else value
    return float(value) if isinstance(value, bool | int | float) else value


def _short(value: Any) -> str:
    return str(value)[:60]


def _kind(value: Any) -> str:
    return "nothing (None)" if value is None else f"an object of type {type(value).__name__}"


def _numbers(values: Any) -> Array:
    """What a library answered, as float64 of one or two dimensions."""
    if values is None:
        raise PredictionError("the model answered with nothing (None)", expected="one answer a row")
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise PredictionError("the model answered with masked numbers", expected="an answer in every row")
    try:
        out = np.asarray(values)
        if out.dtype.kind not in "fiubO":
            raise TypeError(out.dtype)
        return out.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise PredictionError(f"the model answered with {_kind(values)} that does not hold numbers",
                              expected="numbers, one answer a row", hint="if these are labels, pass task=... and classes=[...]") from error


def _marks(labels: Any, width: int) -> Array:
    marks = _numbers(labels)
    if marks.ndim != 2 or marks.shape[1] != width:
        raise PredictionError(f"the model answered with labels of shape {marks.shape}",
                              expected=f"0 or 1 a row for each of {width} labels")
    bad = ~((marks == 0) | (marks == 1)).all(axis=1)
    if bad.any():
        raise PredictionError(f"the model answered {_short(marks[int(np.argmax(bad))])} in row {int(np.argmax(bad))}",
                              expected="0 or 1 for each label")
    return marks.astype(np.int8)


def _greatest(scores: Array) -> Array:
    """The place of the greatest score of each row, the first of several; of two it takes a fifth of the time of ``argmax``."""
    with np.errstate(invalid="ignore"):
        found: Array
        if scores.shape[1] == 2:
            found = (scores[:, 1] > scores[:, 0]).astype(np.int32)
            return found
        found = np.argmax(scores, axis=1).astype(np.int32)
        return found


def _lists(matrix: Array, dtype: Any) -> pa.Array:
    flat = np.ascontiguousarray(matrix, dtype).reshape(-1)
    kind = pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), matrix.shape[1])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=kind)


def _meta(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    try:
        meta = json.loads((metadata or {})[b"assay"])
        if meta["task"] not in TASKS or not isinstance(meta.get("classes"), list | None):
            raise ValueError(meta)
    except (KeyError, ValueError, TypeError):
        raise PredictionError("the answer does not say its task",
                              expected='schema metadata b"assay" with JSON of task and classes') from None
    found: dict[str, Any] = meta
    return found


def _read(columns: dict[str, pa.Array], name: str, dtype: Any) -> Array | None:
    column = columns.get(name)
    if column is None:
        return None
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise PredictionError(f"the model answered nothing in row {row} of '{name}'", expected="an answer in every row")
    shape: tuple[int, ...] = (len(column),)
    if pa.types.is_fixed_size_list(column.type):
        shape, column = (len(column), column.type.list_size), column.flatten()
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))) // shape[1]
            raise PredictionError(f"the model answered nothing in row {row} of '{name}'", expected="an answer in every row")
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise PredictionError(f"the answer's '{name}' is of type {column.type}", expected="numbers")
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype(dtype, copy=False).reshape(shape)
