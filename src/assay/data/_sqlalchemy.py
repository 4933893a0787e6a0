"""The rows of a SQL query, streamed by a server-side cursor where the database has one.

``SqlReader(url, sql)`` is a ``Reader``; ``url`` is a URL or a SQLAlchemy engine. The query is passed on as it is, in a transaction that
is never committed. Only ``assay.data.source`` imports it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.data._file import missing
from assay.data._reader import Reader, guarded, told
from assay.data._type import duplicates
from assay.errors import (
    AssayError,
    ColumnTypeError,
    ConfigError,
    DataError,
    MissingExtraError,
    UnknownColumnError,
    UnreadableDataError,
    listed,
    without_secrets,
)

__all__ = ["SqlReader"]

_ROWS = 32_768   # fetched at a time; rows of Python objects are large
_COMMENT = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_READS = ("select", "with", "values", "table", "from", "show")


class SqlReader:
    """One query; the types of its columns are those of the values in the first rows, unless ``types`` says otherwise."""

    rows: int | None = None

    def __init__(self, url: Any, sql: str, *, types: Mapping[str, pa.DataType] | None = None):
        word = re.match(r"[(\s]*([A-Za-z]+)", _COMMENT.sub("", sql, count=1))
        if not word or word[1].lower() not in _READS:
            raise ConfigError("this is not a query that only reads", where="sql", expected="text that begins with select")
        try:
            import sqlalchemy
        except ImportError as error:
            raise MissingExtraError.of("sqlalchemy", "to read from a database", "sql") from error
        self._sql = sql
        self._engine: Any = None if isinstance(url, str) else url
        self._url: str = url if isinstance(url, str) else ""
        self._errors = (sqlalchemy.exc.SQLAlchemyError,)
        try:
            address = sqlalchemy.make_url(url) if isinstance(url, str) else url.url
        except sqlalchemy.exc.ArgumentError as error:
            raise ConfigError("this is not a database URL", where=without_secrets(str(url)),
                              expected="dialect://user:password@host/database") from error
        self.name = without_secrets(address.render_as_string(hide_password=True))
        if address.get_backend_name() == "sqlite" and isinstance(url, str):
            self._check_sqlite(address)
        first, names = self._first()
        for name in types or {}:
            if name not in names:
                raise UnknownColumnError.among(name, names, where=f"{self.name}, types")
        self.arrow = pa.schema([pa.field(name, (types or {}).get(name) or self._inferred(name, column))
                                for name, column in zip(names, first, strict=True)])

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the query, run anew."""
        return guarded(self._batches(columns), self._fault)

    def parts(self, parts: int) -> list[Reader]:
        """Return the whole: without an order, two runs of a query may cut differently."""
        return [self]

    def _check_sqlite(self, address: Any) -> None:
        """SQLite makes a new, empty database of a name that is wrong."""
        if address.database and address.database != ":memory:" and not address.database.startswith("file:"):
            path = Path(address.database)
            if not path.exists():
                raise missing(path)

    def _chunks(self) -> Iterator[tuple[list[str], list[Sequence[Any]]]]:
        """Yield the column names and the columns of some rows, at least once."""
        import sqlalchemy

        try:
            engine = self._engine if self._engine is not None else sqlalchemy.create_engine(self._url, poolclass=sqlalchemy.NullPool)
        except ImportError as error:
            raise DataError(f"the driver of the database is not installed ({told(error)})", where=self.name,
                            hint="install it, or name another in the URL, such as postgresql+psycopg://") from error
        except self._errors as error:
            raise ConfigError(f"the database URL cannot be used ({told(error)})", where=self.name) from error
        try:
            with engine.connect() as connection, contextlib.ExitStack() as after:
                # no_parameters: a % or : in the query is just that. The rollback at the end undoes nothing in SQLite, whose driver
                # begins no transaction for what starts with "with"; so it is told that this connection only reads.
                options = connection.execution_options(stream_results=True, yield_per=_ROWS, no_parameters=True, postgresql_readonly=True)
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("pragma query_only = on")
                    after.callback(connection.exec_driver_sql, "pragma query_only = off")   # it may go back to a pool
                result = options.exec_driver_sql(self._sql)
                if not result.returns_rows:
                    raise ConfigError("the query returns no rows", where=self.name, expected="text that begins with select")
                names = [str(each) for each in result.keys()]  # noqa: SIM118  (a result is no mapping)
                if twice := duplicates(names):
                    raise DataError(f"there is more than one column called {listed(twice)}", where=self.name, expected="names that differ",
                                    hint="give them names in the query: select a.id as a_id, ...")
                empty = True
                for rows in result.partitions(_ROWS):
                    empty = False
                    yield names, list(zip(*rows, strict=True))
                if empty:
                    yield names, [() for _ in names]
        except self._errors as error:
            raise self._fault(error) from error
        finally:
            if self._engine is None:
                engine.dispose()

    def _first(self) -> tuple[list[list[Any]], list[str]]:
        """Return the values by column of the first rows, until each column has shown one, and the names."""
        chunks = self._chunks()
        try:
            columns: list[list[Any]] = []
            for count, (names, some) in enumerate(chunks):
                columns = columns or [[] for _ in names]
                for column, more in zip(columns, some, strict=True):
                    column.extend(more)
                if count == 3 or all(any(value is not None for value in column) for column in columns):
                    break
            return columns, names
        finally:
            chunks.close()  # type: ignore[attr-defined]

    def _inferred(self, name: str, values: Sequence[Any]) -> pa.DataType:
        try:
            kind = pa.array([_plain(each) for each in values]).type
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise self._misfit(name, values, None, 0) from error
        return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        seen = 0
        for names, values in self._chunks():
            if names != self.arrow.names:
                raise DataError("the query returns other columns than before", where=self.name, hint="name the columns instead of *")
            places = [names.index(each) for each in columns]
            yield pa.record_batch([self._array(each, values[place], seen) for each, place in zip(columns, places, strict=True)],
                                  names=list(columns))
            seen += len(values[0])

    def _array(self, name: str, values: Sequence[Any], seen: int) -> pa.Array:
        kind = self.arrow.field(name).type
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass   # decimals, JSON and such need a hand
        plain = [_plain(each) for each in values]
        try:
            if not pa.types.is_string(kind) and all(isinstance(each, str | None) for each in plain):
                return pa.array(plain, pa.string()).cast(kind)   # times are text in SQLite; `types` says what they are
            return pa.array(plain, kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            if pa.types.is_string(kind) and not any(isinstance(each, bytes) for each in plain):
                return pa.array([None if each is None else str(each) for each in plain], kind)
            raise self._misfit(name, plain, kind, seen) from error

    def _misfit(self, name: str, values: Sequence[Any], kind: pa.DataType | None, seen: int) -> ColumnTypeError:
        """Name the first value that is not of the column's type; SQLite lets a column hold anything."""
        row, value = 0, None
        for row, value in enumerate(values):  # noqa: B007  (both are told below)
            try:
                first = pa.array([value], kind) if kind is not None else pa.array([_plain(value)])
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                break
            kind = kind if kind is not None or pa.types.is_null(first.type) else first.type
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        return ColumnTypeError(f"the column '{name}' holds {shown} in row {seen + row + 1:,} of the query", where=self.name,
                               expected=f"{'no values at all' if kind is None or pa.types.is_null(kind) else kind}, as in the first rows",
                               hint=f'pass types={{"{name}": "string"}}, or cast it in the query')

    def _fault(self, error: Exception) -> AssayError:
        cause = getattr(error, "orig", None) or error
        return UnreadableDataError(f"the database answers: {without_secrets(told(cause))}", where=self.name)


def _plain(value: Any) -> Any:
    """Return a value of a database driver as one that Arrow knows."""
    if value is None or isinstance(value, bool | int | float | str | bytes | dt.date | dt.time | dt.timedelta):
        return value
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
