"""What a program or a server said about rows, in JSON or in columns, as an ``Answer``; nothing of it is believed.

``spoken(values, signature)`` reads one JSON value a row, ``tabled(columns, signature)`` a table; ``rows`` spells a batch in JSON.
Only adapters of models outside this process use this module.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, PredictionError, listed
from assay.model.answer import Answer, places
from assay.model.format import Options, described
from assay.model.signature import NUMERIC_TASKS, Signature, agreed_classes, agreed_task

__all__ = ["cells", "foretold", "rows", "spoken", "tabled"]


def foretold(options: Options, *, why: str, width: int | None = None, names: Sequence[str] | None = None) -> Signature:
    """Return the signature of a model that says nothing of itself: task and classes are the user's words."""
    guess: Any = None
    if options.task is None and options.classes is not None:
        guess = "binary" if len(options.classes) == 2 else "multiclass"
    task = agreed_task(guess, options.task, where=options.name, why=why)
    classes = None
    if task not in NUMERIC_TASKS:
        known = (0, 1) if task == "binary" and options.classes is None else None
        classes = agreed_classes(known, options.classes, count=2 if task == "binary" else None, where=options.name)
    signature = Signature(None, task, classes, scores=None if classes is None else options.scores or "probability")
    return described(signature, names, options, width=width, takes="names" if width is None else "places")


def spoken(values: Any, signature: Signature, rows: int) -> Answer:
    """Return the answer in a list of JSON values: a number, a class, a list of scores, or an object with these by name, for each row."""
    if not isinstance(values, list) or len(values) != rows:
        found = f"{len(values)} answers" if isinstance(values, list) else f"a {type(values).__name__}"
        raise PredictionError(f"the model answered with {found} for {rows} rows", expected="a list of one answer a row")
    if values and all(isinstance(each, dict) for each in values):
        keys = list(values[0])
        if any(list(each) != keys for each in values):
            raise PredictionError("the model's answers do not all have the same keys", expected=f"{listed(keys, 5)} in each")
        return tabled({key: [each[key] for each in values] for key in keys}, signature)
    return _plain(values, signature)


def tabled(columns: dict[str, Any], signature: Signature) -> Answer:
    """Return the answer in columns: ``value``; or ``prediction`` and ``score``, or a column of scores for each class by its name.

    One column alone may have any name.

    >>> signature = Signature(None, "binary", ("no", "yes"), scores="probability")
    >>> tabled({"no": [0.25], "yes": [0.75]}, signature).score.tolist()
    [[0.25, 0.75]]
    """
    names = [str(each) for each in signature.classes or ()]
    by_class = next((prefixed for prefix in ("", "score_", "probability_") if names
                     and set(prefixed := [prefix + each for each in names]) <= set(columns)), None)
    allowed = {"value"} if not names else {"prediction", *(by_class or ["score"])}
    if len(columns) == 1 and not set(columns) & {"value", "prediction", "score"}:
        return _plain(next(iter(columns.values())), signature)
    if not columns or not set(columns) <= allowed:
        raise PredictionError(f"the model answered with the columns {listed(columns, 8)}",
                              expected="'value'" if not names else f"'prediction', 'score', or one for each of {listed(names, 8)}")
    if not names:
        return Answer.valued(signature, _array(columns["value"]))
    said = None
    if "prediction" in columns:
        said = Answer.labelled(signature, _labels(columns["prediction"], signature)).prediction
    if by_class:
        return Answer.scored(signature, np.column_stack([_floats(columns[each]) for each in by_class]), prediction=said)
    if "score" in columns:
        return Answer.scored(signature, _floats(columns["score"]), prediction=said)
    return Answer(signature.task, signature.classes, said)


def _plain(values: Any, signature: Signature) -> Answer:
    if signature.classes is None:
        return Answer.valued(signature, _array(values))
    array = _array(values)
    if array.ndim == 2 and (signature.task != "multilabel" or array.dtype.kind == "f"):
        return Answer.scored(signature, _floats(values))
    if array.dtype.kind == "f" and signature.task == "binary" and not set(array.tolist()) <= {float(each) for each in _numeric(signature)}:
        return Answer.scored(signature, array)
    if signature.task == "multilabel":
        return Answer.labelled(signature, array)
    return Answer(signature.task, signature.classes, places(_labels(values, signature), signature.classes))


def _numeric(signature: Signature) -> list[float]:
    """The classes that are numbers: floats that are all among these are classes and no scores (a server spells 1 as 1.0)."""
    return [float(each) for each in signature.classes or () if not isinstance(each, str)]


def _labels(values: Any, signature: Signature) -> Any:
    """Labels as the classes are spelt: a text column of numbers that are text there."""
    array = _array(values)
    if array.ndim == 1 and all(isinstance(each, str) for each in signature.classes or ()) and array.dtype.kind in "iu":
        return np.array([str(each) for each in array.tolist()], dtype=object)
    return array


def _floats(values: Any) -> Any:
    array = _array(values)
    if array.dtype.kind not in "fiu":
        raise PredictionError(f"the model answered with scores of type {array.dtype.name}", expected="numbers")
    return array.astype(np.float64)


def _array(values: Any) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.to_pylist()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise PredictionError("the model's answers are not all of one shape", expected="as many numbers in each row") from error


def rows(batch: pa.RecordBatch) -> list[list[Any]]:
    """Return a batch as JSON has it, row by row; what is missing (also NaN) is null, times are spelt as ISO 8601.

    >>> rows(pa.record_batch({"a": [1.0, float("nan")], "b": ["x", None]}))
    [[1.0, 'x'], [None, None]]
    """
    return [list(each) for each in zip(*(cells(batch.column(place)) for place in range(batch.num_columns)), strict=True)] \
        if batch.num_columns else [[] for _ in range(batch.num_rows)]


def cells(column: pa.Array) -> list[Any]:
    """Return one column as JSON has it."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    values = column.to_pylist()
    if pa.types.is_floating(kind):
        return [None if each is None or not math.isfinite(each) else each for each in values]
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind) \
            or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return list(values)
    return [_cell(each) for each in values]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        raise ConfigError("the data hold bytes, which JSON cannot carry", expected="numbers, text, times")
    if isinstance(value, list):
        return [_cell(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool | dict) else str(value)
