"""From Arrow columns to what models eat: columns by name, numbers as a matrix, categories as the codes of training.

Only adapters and :mod:`assay.model.predictor` use this module. Nulls become NaN; what has no faithful form is a ``SignatureError``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import SignatureError, listed, nearest

__all__ = ["chosen", "codes", "filled", "is_numeric", "is_text", "matrix", "numbers", "texts"]

Array = np.ndarray[Any, Any]


def chosen(batch: pa.RecordBatch, names: Sequence[str], *, where: str, alias: Callable[[str], str] | None = None) -> pa.RecordBatch:
    """Return the columns ``names`` of a batch, in that order; others are left out.

    ``alias`` is how the library rewrites names: a column is also found by it, if only one is. Raises ``SignatureError`` for the
    columns that are missing, with the nearest name.

    >>> chosen(pa.record_batch({"b": [1], "a": [2]}), ["a"], where="model").schema.names
    ['a']
    """
    present = batch.schema.names
    if list(names) == present:
        return batch
    place: dict[str, int] = {}
    twice = set()
    for index, each in enumerate(present):
        if place.setdefault(each, index) != index:
            twice.add(each)
    aliases: dict[str, list[int]] = {}
    if alias is not None:
        for index, each in enumerate(present):
            aliases.setdefault(alias(each), []).append(index)
    found, missing = [], []
    for name in names:
        also = aliases.get(name, [])
        if name in place:
            found.append(place[name])
        elif len(also) == 1:
            found.append(also[0])
        else:
            missing.append(name)
        if name in twice or (name not in place and len(also) > 1):
            raise SignatureError(f"several columns of the data fit the model's input '{name}'", where=where, expected="one")
    if missing:
        guesses = [(name, guess) for name in missing[:3] if (guess := nearest(name, [each for each in present if each not in names]))]
        raise SignatureError(f"the data have no column {listed(missing, 5)}, which the model takes", where=where,
                             expected=f"its {len(names)} inputs {listed(names, 5)}",
                             hint="; ".join(f"is '{guess}' meant for '{name}'?" for name, guess in guesses) or None)
    return pa.RecordBatch.from_arrays([batch.column(each) for each in found], names=list(names))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether values of an Arrow type are numbers or true/false, also in a dictionary; a column of nulls only is."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
                or pa.types.is_null(kind))


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of an Arrow type are text, also in a dictionary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def numbers(array: pa.Array, *, name: str, where: str) -> Array:
    """Return a column as floats (a view where it is floats without nulls), NaN where it is null.

    >>> numbers(pa.array([1, None, 3]), name="x", where="model").tolist()
    [1.0, nan, 3.0]
    """
    if not is_numeric(array.type):
        raise SignatureError(f"the column '{name}' is of type {array.type}", where=where,
                             expected="numbers, as the model takes numbers there")
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type) or (pa.types.is_integer(array.type) and not array.null_count):
        out: Array = array.to_numpy(zero_copy_only=False)
        return out
    if pa.types.is_decimal(array.type) or pa.types.is_null(array.type):
        return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    known: Array = array.fill_null(False if pa.types.is_boolean(array.type) else 0).to_numpy(zero_copy_only=False).astype(np.float64)
    if array.null_count:
        known[array.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return known


def matrix(batch: pa.RecordBatch, *, where: str, columns: Mapping[int, Array] | None = None, order: Any = "F",
           view: bool = False) -> Array:
    """Return a batch of numbers as one (rows, columns) array, NaN where null; ``columns`` are those that were made already.

    Column by column ("F") is the order in which Arrow holds them, and every library that was measured reads it as fast. With ``view``
    nothing is copied where the columns lie one behind the other in memory already (a frame of one block, a batch from another
    process); such an array cannot be written to, so it is for libraries that never do.
    """
    if view and order == "F" and not columns:
        lying = _viewed(batch)
        if lying is not None:
            return lying
    made, names = columns or {}, batch.schema.names   # named once: Arrow makes the list of all names each time
    found = filled(batch.num_rows, batch.num_columns, np.float64, lambda place: made[place] if place in made else
                   numbers(batch.column(place), name=names[place], where=where))
    return np.ascontiguousarray(found) if order == "C" else found


def filled(rows: int, columns: int, kind: Any, column: Callable[[int], Array]) -> Array:
    """Return a (rows, columns) array of one kind, made column by column; Fortran's order, as Arrow lays columns.

    Who needs it row by row copies it once more as a whole: writing columns into rows takes two to three times as long as both.

    >>> filled(2, 2, float, lambda place: np.array([place, 2])).tolist()
    [[0.0, 1.0], [2.0, 2.0]]
    """
    out: Array = np.empty((rows, columns), kind, order="F")
    with np.errstate(over="ignore"):
        for place in range(columns):
            out[:, place] = column(place)
    return out


class _Lying:
    """Memory of a batch as numpy reads it (``__array_interface__``); keeps the batch alive as long as an array looks at it."""

    def __init__(self, batch: pa.RecordBatch, address: int):
        self.batch = batch
        self.__array_interface__ = {"version": 3, "typestr": "<f8", "data": (address, True),
                                    "shape": (batch.num_rows, batch.num_columns), "strides": (8, 8 * batch.num_rows)}


def _viewed(batch: pa.RecordBatch) -> Array | None:
    """The batch as an array in place, if its columns are floats without nulls that lie one behind the other."""
    rows, place = batch.num_rows, 0
    if rows == 0 or batch.num_columns < 2 or sys.byteorder != "little":
        return None
    for number, column in enumerate(batch.columns):
        if column.type != pa.float64() or column.null_count:
            return None
        start = column.buffers()[1].address + 8 * column.offset
        if number and start != place + 8 * rows * number:
            return None
        place = place or start
    return np.asarray(_Lying(batch, place))


def codes(array: pa.Array, categories: Sequence[Any], *, name: str, where: str) -> Array:
    """Return the place of each value in the categories of training, NaN where it is null or was never seen.

    Codes always follow training: the codes that data carry of their own (a dictionary, a pandas category) mean nothing.
    Text where the model was trained on numbers, or the reverse, is a ``SignatureError``: every row would silently be missing.

    >>> codes(pa.array(["m", None, "q", "z"]), ["z", "b", "m"], name="c", where="model").tolist()
    [2.0, nan, nan, 0.0]
    """
    textual = all(isinstance(each, str) for each in categories)
    if categories and not pa.types.is_null(array.type) and (is_text(array.type) != textual or not (textual or is_numeric(array.type))):
        raise SignatureError(f"the column '{name}' is of type {array.type}", where=where,
                             expected=f"{'text' if textual else 'numbers'}, as in the categories of training "
                                      f"{listed(map(str, categories), 6)}")
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    place = {each: float(at) for at, each in enumerate(categories)}
    table = [place.get(each, np.nan) if each is not None else np.nan for each in encoded.dictionary.to_pylist()]
    indices = encoded.indices.fill_null(len(table)).to_numpy(zero_copy_only=False)
    out: Array = np.array([*table, np.nan])[indices]
    return out


def texts(array: pa.Array, *, missing: Any, spell: Callable[[Any], str] = str) -> Array:
    """Return a column as an object array of text, each distinct value spelt once; ``missing`` where it is null.

    >>> texts(pa.array(["a", None]), missing="nan").tolist()
    ['a', 'nan']
    """
    if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
        array = array.dictionary_decode()
    encoded = array if pa.types.is_dictionary(array.type) else _plain(array).dictionary_encode()
    table = np.empty(len(encoded.dictionary) + 1, object)
    table[:-1] = [spell(each) for each in encoded.dictionary.to_pylist()]
    table[-1] = missing
    out: Array = table[encoded.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)]
    return out


def _plain(array: pa.Array) -> pa.Array:
    return pc.cast(array, pa.large_string()) if pa.types.is_string_view(array.type) else array
