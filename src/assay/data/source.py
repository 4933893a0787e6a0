"""Open data of any kind as a source: a schema of roles, and record batches that are all alike.

``source(data, label=..., ...)`` chooses the reader by what it is given; ``Source`` is what the rest of assay sees. Whoever adds a
kind of data writes a ``Reader`` (``_reader.py``) and adds its line to ``_reader`` here.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from assay import errors
from assay.data._reader import LIMIT, Reader, guarded, told
from assay.data._type import convert, duplicates, named, normal
from assay.data.meter import Meter, current
from assay.data.predicate import Predicate, parse
from assay.data.schema import Beside, Schema
from assay.errors import AssayError, ColumnTypeError, ConfigError, DataError, listed, without_secrets

__all__ = ["Source", "source"]

Names = str | Sequence[str] | None


@runtime_checkable
class Source(Protocol):
    """Rows that can be read again and again, always in the same order."""

    name: str
    """What messages call it; never holds a secret."""
    schema: Schema
    rows: int | None
    """How many rows there are, where that is known without reading."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield batches of these columns in this order (default: all): 1 to 131,072 rows each, in the order of the rows."""
        ...

    def split(self, parts: int) -> list[Source]:
        """Return at most ``parts`` sources that hold the same rows in the same order, one after another."""
        ...


def source(data: Any, *, label: Names = None, prediction: str | None = None, score: Names = None, protected: Names = (),
           forbidden: Names = (), timestamp: str | None = None, available_at: Mapping[str, str] | None = None, id: str | None = None,
           entity: str | None = None, query: str | None = None, horizon: str | None = None, weight: str | None = None, ignored: Names = (),
           types: Mapping[str, str] | None = None, where: str | None = None, sql: str | None = None) -> Source:
    """Return a source over ``data``.

    ``data`` is a path (Parquet, CSV plain or compressed, Arrow IPC, a folder of such files), the URI of Parquet in a store (``s3://``,
    ``gs://``, ``abfs://``, ``file://``: a file or a folder), a pandas or polars frame, an Arrow table, batch or stream, a database URL
    or SQLAlchemy engine with ``sql``, or a source, whose roles may be stated anew. Files, streams and queries are never held in memory
    as a whole. ``types`` maps columns to Arrow types (``{"zip": "string"}``), ``where`` is a
    predicate on the rows to keep (see ``assay.data.predicate``). In ``types``, ``text`` and ``image`` also say what a column holds
    where its values do not tell, and ``category`` that it is neither. The other arguments name the columns of each role.

    Raises ``DataError`` and its kinds where the data cannot be read, ``ConfigError`` for roles that contradict each other, and
    ``EmptyDataError`` at the end of an iteration in which ``where`` left no rows.

    >>> data = source(pa.table({"age": [31, 62, 47], "late": [0, 1, 1]}), label="late", where="age >= 40")
    >>> data.schema.features, [batch.num_rows for batch in data.batches()]
    (('age',), [2])
    """
    roles = {"label": label, "prediction": prediction, "score": score, "protected": protected, "forbidden": forbidden,
             "timestamp": timestamp, "available_at": available_at, "id": id, "entity": entity, "query": query, "horizon": horizon,
             "weight": weight, "ignored": ignored}
    given = {role: columns for role, columns in roles.items() if columns is not None and columns not in ((), [], {})}
    if sql is not None and (not isinstance(data, str | os.PathLike) or "://" not in str(data)) and not _is(data, "sqlalchemy"):
        raise ConfigError("there is 'sql', but no database to ask", where=_called(data), expected="a URL such as postgresql://user@host/database")
    if types is not None and not isinstance(types, Mapping):
        raise ConfigError("'types' does not map columns to types", where=_called(data), hint="types={'zip': 'string'}")
    media = {column: str(kind) for column, kind in (types or {}).items() if kind in ("text", "image", "category")}
    kinds = {column: named(kind, column=column) for column, kind in (types or {}).items() if kind != "image"}
    if isinstance(data, _Source):
        kinds = data.types | kinds
        media = {**data.schema.media, **media}
        given = data.schema.roles | given
        where = f"({data.where.text}) and ({where})" if data.where is not None and where else data.where.text if data.where else where
        return _Source.of(data.reader, given, kinds, where, media).with_beside(data.schema.beside)
    reader = _reader(data, kinds, sql)
    given = (reader.inner.schema.roles if isinstance(reader, _Foreign) else {}) | given
    return _Source.of(reader, given, kinds, where, media)


class _Source:
    """A reader made uniform: normal types, the types that were asked for, batches of at most LIMIT rows, a filter, roles."""

    def __init__(self, reader: Reader, schema: Schema, types: Mapping[str, pa.DataType], where: Predicate | None, *, whole: bool = True):
        self.reader, self.schema, self.types, self.where = reader, schema, dict(types), where
        self.name = reader.name
        self.rows = reader.rows if where is None else None
        self._whole = whole

    @classmethod
    def of(cls, reader: Reader, roles: Mapping[str, Any], types: Mapping[str, pa.DataType], where: str | None,
           media: Mapping[str, str]) -> _Source:
        if twice := duplicates(reader.arrow.names):
            raise DataError(f"there is more than one column called {listed(twice)}", where=reader.name, expected="names that differ",
                            hint="rename them")
        if not reader.arrow.names:
            raise errors.EmptyDataError("there are no columns", where=reader.name, expected="at least one")
        for column in (*types, *media):
            if column not in reader.arrow.names:
                raise errors.UnknownColumnError.among(column, reader.arrow.names, where=f"{reader.name}, types")
        fields = [pa.field(each.name, types.get(each.name) or normal(each.type)) for each in reader.arrow]
        schema = Schema.of(pa.schema(fields), roles, where=reader.name, media=media)
        return cls(reader, schema, types, parse(where, schema) if where is not None else None)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.schema.names if columns is None else columns)
        if isinstance(columns, str) or not names or duplicates(names):
            raise ConfigError("the columns to read are not a list of different names", where=self.name,
                              expected="at least one name, each once")
        for name in names:
            self.schema[name]   # an unknown one is told now, not at the first batch
        return self._batches(names, current())   # taken here: a thread that reads on knows no meter

    @property
    def columnar(self) -> bool:
        """Whether some columns can be read without the others, at no great cost."""
        return bool(getattr(self.reader, "columnar", False))

    def strips(self, strips: Iterable[Sequence[str]]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the batches of each strip of columns in turn, with its place; only of what is ``columnar``.

        A strip is taken when the one before it was read.
        """
        taken: list[tuple[Sequence[str], pa.Schema]] = []

        def reads() -> Iterator[list[str]]:
            for names in strips:
                read = self._read(names)
                taken.append((names, pa.schema([self.schema.arrow.field(each) for each in read])))
                yield read

        kept = 0
        found = guarded(self.reader.strips(reads()), self._fault)  # type: ignore[attr-defined]
        try:
            for place, batch in found:
                names, arrow = taken[place]
                for piece in self._pieces(batch, arrow, names):
                    kept += piece.num_rows
                    yield place, piece
        finally:
            found.close()  # type: ignore[attr-defined]
        if taken:
            self._refuse_none(kept)

    def split(self, parts: int) -> list[Source]:
        if parts < 1:
            raise ConfigError(f"data cannot be split into {parts} parts", where=self.name, expected="1 or more")
        whole = self._whole and parts == 1
        return [_Source(each, self.schema, self.types, self.where, whole=whole) for each in self.reader.parts(parts)]

    def with_beside(self, columns: Mapping[str, Beside]) -> Source:
        """Return the same rows; ``columns`` can be asked for by name, and are in no list. A stored column of that name wins."""
        schema = dataclasses.replace(self.schema, beside={**self.schema.beside, **columns})
        return _Source(self.reader, schema, self.types, self.where, whole=self._whole)

    def __repr__(self) -> str:
        rows = f", {self.rows:,} rows" if self.rows is not None else ""
        return f"<source {self.name}: {len(self.schema)} columns{rows}>"

    def _batches(self, names: list[str], meter: Meter) -> Iterator[pa.RecordBatch]:
        read = self._read(names)
        arrow = pa.schema([self.schema.arrow.field(each) for each in read])
        kept = 0
        found = guarded(self.reader.read(read), self._fault)
        try:
            for batch in found:
                meter.read(batch.num_rows)
                for piece in self._pieces(batch, arrow, names):
                    kept += piece.num_rows
                    yield piece
        finally:
            found.close()  # type: ignore[attr-defined]  # at once: threads and files end with the iteration
        self._refuse_none(kept)

    def _read(self, names: Sequence[str]) -> list[str]:
        """Return the columns to read for ``names`` and the filter: those that are stored."""
        return list(dict.fromkeys(self.schema.stored(each) for each in (*names, *(self.where.columns if self.where else ()))))

    def _pieces(self, batch: pa.RecordBatch, arrow: pa.Schema, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of what is left of a batch, in types and sizes that are alike everywhere."""
        for start in range(0, batch.num_rows, LIMIT):
            piece = self._filtered(self._alike(batch.slice(start, LIMIT), arrow))
            if piece.num_rows:
                piece = self.schema.joined(piece, names)
                yield piece if piece.schema.names == list(names) else piece.select(list(names))

    def _refuse_none(self, kept: int) -> None:
        if self.where is not None and self._whole and not kept:
            raise errors.EmptyDataError(f"no row is left where {self.where.text}", where=self.name, expected="at least one row")

    def _alike(self, batch: pa.RecordBatch, arrow: pa.Schema) -> pa.RecordBatch:
        return pa.record_batch([self._converted(batch.column(each.name), each) for each in arrow], schema=arrow)

    def _filtered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.where is None:
            return batch
        mask = self.where.mask(self.schema.joined(batch, self.where.columns))
        return batch if mask.all() else batch.filter(pa.array(mask))

    def _converted(self, array: pa.Array, to: pa.Field) -> pa.Array:
        try:
            return convert(array, to.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            value = _misfit(array, to.type)
            raise ColumnTypeError(f"the column '{to.name}' of type {array.type} cannot be read as {to.type}{value}", where=self.name,
                                  expected=f"values that are {to.type}", hint="choose another type for it in 'types'"
                                  if to.name in self.types else None) from error

    def _fault(self, error: Exception) -> AssayError:
        return errors.UnreadableDataError(f"the data cannot be read to the end ({told(error)})", where=self.name)


class _Foreign:
    """A source that was written elsewhere, as a reader."""

    def __init__(self, inner: Source):
        self.inner, self.name, self.rows = inner, inner.name, inner.rows
        self.arrow = inner.schema.arrow

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return self.inner.batches(columns)

    def parts(self, parts: int) -> list[Reader]:
        return [_Foreign(each) for each in self.inner.split(parts)]


def _reader(data: Any, types: Mapping[str, pa.DataType], sql: str | None) -> Reader:
    """Return the reader for whatever ``data`` is."""
    if isinstance(data, str | os.PathLike):
        return _at(os.fspath(data), types, sql)
    if _is(data, "sqlalchemy"):
        from assay.data._sqlalchemy import SqlReader

        if sql is None:
            raise ConfigError("a database needs a query", where=_called(data), hint="pass sql='select ...'")
        return SqlReader(data, sql, types=types)
    if isinstance(data, pa.Table | pa.RecordBatch):
        from assay.data._arrow import TableReader

        return TableReader(data if isinstance(data, pa.Table) else pa.Table.from_batches([data]), _called(data))
    if _is(data, "pandas") and hasattr(data, "iloc"):
        from assay.data._pandas import pandas_reader

        return pandas_reader(data, _called(data))
    if _is(data, "polars"):
        from assay.data._polars import polars_reader

        return polars_reader(data, _called(data))
    if hasattr(data, "__arrow_c_stream__"):
        from assay.data._arrow import stream_reader

        return stream_reader(data, _called(data))
    if isinstance(data, Source):
        return _Foreign(data)
    raise DataError(f"data of type {type(data).__name__} cannot be read",
                    expected="a path, a frame, an Arrow table or stream, or a URL with sql",
                    hint="pandas.DataFrame(...) makes a frame of a dict or an array" if isinstance(data, dict | list)
                    or type(data).__module__ == "numpy" else None)


def _at(place: str | bytes, types: Mapping[str, pa.DataType], sql: str | None) -> Reader:
    """Return the reader for a path or URL."""
    text = os.fsdecode(place)
    if "://" in text:
        from assay.data._store import is_stored, store_reader

        if sql is None and is_stored(text):
            return store_reader(text, types)
        if sql is None:
            raise ConfigError("a URL needs a query to read with", where=without_secrets(text), expected="a path, or a database URL and sql",
                              hint="pass sql='select ...'; download files first")
        from assay.data._sqlalchemy import SqlReader

        return SqlReader(text, sql, types=types)
    from assay.data._folder import FolderReader, file_reader

    path = Path(text).expanduser()
    return FolderReader(path, types=types) if text and "\0" not in text and path.is_dir() else file_reader(path, types)


def _is(data: Any, library: str) -> bool:
    """Whether an object was made by a library, which is then loaded already."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(data).__mro__)


def _called(data: Any) -> str:
    if isinstance(data, str | os.PathLike):
        return without_secrets(str(data))
    module = type(data).__module__.partition(".")[0]
    return f"the {module} {type(data).__name__}" if module != "builtins" else f"the {type(data).__name__}"


def _misfit(array: pa.Array, to: pa.DataType) -> str:
    """Return the first value that cannot be converted, for a sentence; looks at no more than it must."""
    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(array.slice(low, middle - low), to)
            low = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            high = middle
    value = array[low].as_py() if len(array) else None
    text = repr(value)
    return "" if value is None else f" ({text if len(text) <= 60 else text[:57] + '...'} in one row)"
