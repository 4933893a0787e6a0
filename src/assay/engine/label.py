"""Turn a label column into class codes by the model's explicit classes, never by what happens to occur in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ColumnTypeError, listed

__all__ = ["MISSING", "codes", "numbers"]

MISSING = -1
Array = np.ndarray[Any, Any]


def codes(column: pa.Array, classes: Sequence[Any], *, name: str, where: str) -> Array:
    """Return the index into ``classes`` of each value (int64), ``MISSING`` for nulls and NaN.

    A label equals a class when it is the same value (``1``, ``1.0`` and ``True`` are), or, failing that for the whole set of
    classes, when it reads the same as text (``"1"`` for ``1``). A value that is no class is an error: counting such rows
    as anything would be a silently wrong number.

    >>> codes(pa.array(["no", None, "yes"]), ["yes", "no"], name="y", where="t").tolist()
    [1, -1, 0]
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    raw = encoded.dictionary.to_pylist()
    values = [_scalar(each) for each in raw]
    known = {_scalar(each): place for place, each in enumerate(classes)}
    places = [MISSING if each is None else known.get(each, -2) for each in values]
    if -2 in places:
        as_text = {_text(each): place for place, each in enumerate(classes)}
        if len(as_text) == len(classes):
            places = [MISSING if value is None else as_text.get(_text(each), -2) for each, value in zip(raw, values, strict=True)]
    indices = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    out: Array = np.append(np.array(places, np.int64), MISSING)[indices]
    if (out == -2).any():
        counts = np.bincount(indices[out == -2], minlength=len(values) + 1)
        strange = [raw[place] for place in np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]]
        raise ColumnTypeError(
            f"the label '{name}' holds {listed(map(_shown, strange), 3)} ({int((out == -2).sum())} rows of a batch), "
            "which the model does not know as a class",
            where=where, expected=f"one of the classes {listed(map(_shown, classes), 10)}",
            hint="name the classes in the order of the model's scores (classes: [...]), or leave those rows out (where: ...)")
    return out


def numbers(column: pa.Array, *, name: str, where: str) -> Array:
    """Return a numeric label as float64, NaN where it is missing; infinite labels are an error.

    >>> numbers(pa.array([1, None]), name="y", where="t").tolist()
    [1.0, nan]
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
            or pa.types.is_decimal(kind)):
        raise ColumnTypeError(f"the label '{name}' is of type {kind}", where=where, expected="numbers, as the model predicts numbers",
                              hint="is this a classification model? then pass its classes")
    out: Array = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    if np.isinf(out).any():
        raise ColumnTypeError(f"the label '{name}' holds {int(np.isinf(out).sum())} infinite values", where=where,
                              expected="finite numbers", hint="set them to null, or leave those rows out (where: ...)")
    return out


def _scalar(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return float(value) if isinstance(value, bool | int | float) else value


def _text(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return str(value).casefold()
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.casefold() if text.casefold() in ("true", "false") else text  # "True" is how Python writes what Arrow writes "true"


def _shown(value: Any) -> str:
    return _text(value)
