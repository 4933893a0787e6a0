"""Rows as the ledger keeps them: ids as text, times in microseconds, columns of one type; and the digest of a file's content.

``texts``, ``times``, ``joint``, ``alike``, ``filled``, ``same`` and ``Digest`` are pure functions of Arrow data. Only
``ledger`` imports it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import ColumnTypeError

__all__ = ["Digest", "alike", "filled", "joint", "plain", "same", "texts", "times"]

Array = np.ndarray[Any, Any]
_LEAST, _MOST = (int(np.datetime64(each, "us").astype(np.int64)) for each in ("1000-01-01", "9000-01-01"))


def plain(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without dictionaries, in a type that comes back from Parquet as it went in."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.cast(kind.value_type)
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return array.cast(pa.timestamp("ms", kind.tz), safe=False)
    if pa.types.is_time32(kind) and kind.unit == "s":
        return array.cast(pa.time32("ms"))
    return array


def texts(array: pa.ChunkedArray, *, where: str) -> pa.Array:
    """Return ids as text, so that 7, 7.0 (which pandas makes of it beside a missing value) and "7" are one id.

    >>> texts(pa.chunked_array([[7.0, None]]), where="id").to_pylist()
    ['7', None]
    """
    column = plain(array).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    kind = column.type
    if pa.types.is_floating(kind):
        with contextlib.suppress(pa.ArrowInvalid):   # 7.5 is an odd id, but one
            column = column.cast(pa.int64())
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ColumnTypeError(f"ids of type {kind} cannot be compared", where=where, expected="text or whole numbers") from error


def times(array: pa.ChunkedArray, zone: str, *, where: str) -> pa.Array:
    """Return instants in microseconds since 1970; those without a zone are taken in ``zone``.

    Where clocks go back it is the earlier of two; what is before the year 1000 or after 9000 is none.
    """
    column = plain(array).combine_chunks()
    kind = column.type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            aware = pc.all(pc.match_substring_regex(column, r"(Z|[+-]\d\d:?\d\d)$")).as_py()
            column = column.cast(pa.timestamp("us", "UTC") if aware else pa.timestamp("us"))
        elif pa.types.is_date(kind):
            column = column.cast(pa.timestamp("us"))
        elif pa.types.is_null(kind):
            column = column.cast(pa.timestamp("us", "UTC"))
        if not pa.types.is_timestamp(column.type):
            raise ColumnTypeError(f"times of type {kind} are none", where=where, expected="timestamps, dates, or text in ISO 8601")
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)   # nanoseconds are cut off
        if column.type.tz is None:
            column = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="earliest")
        micros = column.cast(pa.int64())
        sane = pc.and_(pc.greater_equal(micros, _LEAST), pc.less(micros, _MOST))   # the year 9999 stands for "never", and has no window
        return pc.if_else(sane, micros, pa.scalar(None, pa.int64()))
    except pa.ArrowInvalid as error:
        raise ColumnTypeError(f"a time cannot be read ({str(error)[:120]})", where=where, expected="ISO 8601") from error


def joint(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return the columns of all schemas, in order; where types differ, the one that holds both, else text."""
    found: dict[str, pa.DataType] = {}
    for schema in schemas:
        for each in schema:
            kind = found.get(each.name)
            found[each.name] = each.type if kind is None or pa.types.is_null(kind) else _wider(kind, each.type)
    return pa.schema(list(found.items()))


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other or pa.types.is_null(other):
        return one
    if all(pa.types.is_timestamp(each) or pa.types.is_date(each) for each in (one, other)):
        return pa.timestamp("us", getattr(one, "tz", None) or getattr(other, "tz", None))
    try:
        schemas = [pa.schema([("x", each)]) for each in (one, other)]
        return pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()


def alike(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with these columns and types; one that is missing is null."""
    columns = [_cast(table[each.name], each.type) if each.name in table.column_names else pa.nulls(table.num_rows, each.type)
               for each in schema]
    return pa.table(columns, schema=schema)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    try:
        return plain(column).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        values = [None if each is None else str(each) for chunk in column.chunks for each in chunk.to_pylist()]
        return pa.chunked_array([pa.array(values, pa.string())]).cast(kind)


def filled(new: pa.ChunkedArray, old: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ``new`` with ``old`` where it is null, in a type that holds both."""
    kind = _wider(new.type, old.type) if not pa.types.is_null(new.type) else old.type
    return pc.coalesce(_cast(new, kind), _cast(old, kind))


def same(one: pa.Table, other: pa.Table, columns: Sequence[str]) -> Array:
    """Return for each row whether both tables hold the same in these columns; missing equals missing, and NaN equals NaN."""
    found = np.ones(one.num_rows, np.bool_)
    for name in columns:
        left, right = one[name], other[name]
        if left.type != right.type:
            return np.zeros(one.num_rows, np.bool_)
        try:
            equal = pc.fill_null(pc.equal(left, right), False)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):   # nested
            found &= np.array([a == b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)], np.bool_)
            continue
        both = pc.and_(pc.is_null(left, nan_is_null=True), pc.is_null(right, nan_is_null=True))
        missing = pc.equal(pc.is_null(left), pc.is_null(right))   # a NaN is a value, and not the same as none
        found &= np.asarray(equal) | (np.asarray(both) & np.asarray(missing))
    return found


class Digest:
    """The SHA-256 of rows, column by column: the same however they were cut into batches."""

    def __init__(self, schema: pa.Schema, about: str):
        self._names = schema.names
        columns = [(each.name, str(_undone(each.type))) for each in schema]
        self._head = hashlib.sha256(repr((about, columns)).encode("utf-8", "backslashreplace"))
        self._parts = {name: [hashlib.sha256() for _ in range(3)] for name in schema.names}
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Take in rows."""
        self.rows += batch.num_rows
        for name in self._names:
            valid, sizes, values = self._parts[name]
            array = batch.column(batch.schema.get_field_index(name))
            array = array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array
            valid.update(np.asarray(array.is_valid()).tobytes())   # a byte a row: nothing may hang on where batches were cut
            kind = array.type
            if pa.types.is_string(kind) or pa.types.is_binary(kind):
                array = pc.fill_null(array, b"" if pa.types.is_binary(kind) else "")
                array = pa.concat_arrays([array])   # its own buffers, from its first row
                offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
                sizes.update(np.diff(offsets).tobytes())
                data = array.buffers()[2]
                values.update(memoryview(data)[offsets[0] : offsets[-1]] if data is not None and len(array) else b"")
            elif pa.types.is_boolean(kind) or (pa.types.is_primitive(kind) and kind.bit_width in (8, 16, 32, 64)):
                numbers = array.cast(pa.uint8()) if pa.types.is_boolean(kind) else array.view(_integer(kind))
                values.update(np.asarray(pc.fill_null(numbers, 0)).tobytes())
            else:
                values.update("".join(f"{each!r}\n" for each in array.to_pylist()).encode("utf-8", "backslashreplace"))

    def hex(self) -> str:
        """Return the digest so far."""
        found = self._head.copy()
        for name in self._names:
            for each in self._parts[name]:
                found.update(each.digest())
        return found.hexdigest()


def _undone(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _integer(kind: pa.DataType) -> pa.DataType:
    return {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width]
