"""The store in Postgres, through pg8000 (BSD-3-Clause, pure Python): the same SQL, advisory locks as leases.

``Postgres(url)`` is a ``Database``. Writers take their turns by an advisory lock inside each transaction, as they do in SQLite, so that no
two of them can deadlock; a lease is an advisory lock of the session, which the server frees when the process dies. A password may
stand in the URL or in ``PGPASSWORD``; no message holds it. Only ``_database`` imports it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import ssl
import urllib.parse
from collections.abc import Iterable, Sequence
from typing import Any

from assay.errors import ConfigError, MissingExtraError, StoreError, without_secrets
from assay.store._database import WAIT, Database, Row

__all__ = ["Postgres"]

_ROWS = 1_000       # of one insert
_PATIENCE = 120.0   # seconds for one answer
_OPTIONS = ("host", "sslmode", "connect_timeout")
_LOST = ("08000", "08003", "08006", "57P01", "57P02", "57P03")


class Postgres(Database):
    """A database on a server; the tables of the store begin with ``assay_``."""

    shared = True

    def __init__(self, url: str, *, wait: float = WAIT):
        try:
            import pg8000.dbapi as driver
        except ImportError as error:
            raise MissingExtraError.of("pg8000", "to keep results in Postgres", "postgres") from error
        self._driver = driver
        self._arguments, name = _arguments(url)
        super().__init__(name, wait=wait)
        self._faults = (driver.Error, OSError, UnicodeError, EOFError)
        self._connection: Any = None
        self._connect()

    def _connect(self, *, forked: bool = False) -> None:
        try:   # the parent's connection is left as it is: to end it here would end it there
            self._kept = getattr(self, "_kept", []) + ([self._connection] if forked else [])
            self._connection = self._driver.connect(**self._arguments)
            self._connection.autocommit = True
            self._connection._usock.settimeout(_PATIENCE)   # the time to connect is not the time to answer
            self._connection.cursor().execute(f"set lock_timeout = {int(self.wait * 1000)}")
        except self._faults as error:
            self._connection = None
            raise StoreError(f"the database cannot be reached ({_told(error)})", where=self.name) from error

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                with contextlib.suppress(*self._faults):
                    self._connection.close()
                self._connection = None

    def _drop(self) -> None:
        """Let go of a connection that is lost, of which the driver still holds the socket."""
        lost, self._connection = self._connection, None
        for each in ("_sock", "_usock"):
            with contextlib.suppress(*self._faults, AttributeError, ValueError):
                getattr(lost, each).close()

    def tables(self) -> set[str]:
        return {name for name, in self.execute("select table_name from information_schema.tables "
                                               "where table_schema = any(current_schemas(false))")}

    def _settle(self) -> None:
        super()._settle()
        if self._connection is None and not self._depth and not self._leases:
            self._connect()

    def _begin(self) -> None:
        self._execute("begin", ())
        self._execute("select pg_advisory_xact_lock(?)", [_number("assay writes")])

    def _end(self, word: str) -> None:
        if self._connection is not None:
            self._execute(word, ())

    def _execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        if self._connection is None:
            raise StoreError("the connection to the database was lost", where=self.name, hint="try again: nothing of it was kept")
        if sql.startswith("create table"):
            sql = sql.replace(" BLOB", " BYTEA")
        try:
            cursor = self._connection.cursor()
            cursor.execute(sql.replace("?", "%s"), [_plain(each) for each in parameters])
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except self._faults as error:
            raise self._fault(error) from error

    def _insert(self, head: str, width: int, tail: str, rows: Iterable[Sequence[Any]]) -> None:
        found, most = iter(rows), max(1, min(_ROWS, self.parameters // width))
        place = f"({', '.join('?' * width)})"
        while some := list(itertools.islice(found, most)):
            self._execute(f"{head}{', '.join([place] * len(some))}{tail}", [each for row in some for each in row])

    def _acquired(self, name: str) -> bool | None:
        return True if self.execute("select pg_try_advisory_lock(?)", [_number(name)])[0][0] else None

    def _release(self, name: str, held: Any) -> None:
        if self._process == os.getpid() and self._connection is not None:
            with contextlib.suppress(StoreError):   # a lost session has lost its locks
                self.execute("select pg_advisory_unlock(?)", [_number(name)])

    def _holder(self, name: str) -> str:
        number = _number(name) & (2**64 - 1)
        rows = self.execute("select a.application_name from pg_locks l join pg_stat_activity a on a.pid = l.pid "
                            "where l.locktype = 'advisory' and l.granted and l.classid::bigint = ? and l.objid::bigint = ?",
                            [number >> 32, number & (2**32 - 1)])
        return str(rows[0][0]) if rows and rows[0][0] else "another process"

    def _fault(self, error: Exception) -> StoreError:
        told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        if isinstance(error, OSError | self._driver.InterfaceError) or told.get("C") in _LOST:
            self._drop()
            return StoreError(f"the connection to the database was lost ({_told(error)})", where=self.name,
                              hint="try again: nothing of it was kept")
        if told.get("C") == "55P03":
            from assay.errors import BusyError

            return BusyError("another process writes to the store and does not end", where=self.name, hint="try again when it is done")
        return StoreError(f"the database answers: {_told(error)}", where=self.name)


def _arguments(url: str) -> tuple[dict[str, Any], str]:
    """Return what the driver is called with, and the name that may be shown."""
    fault = ConfigError("this is not a database URL", where=without_secrets(url), expected="postgresql://user:password@host:5432/database")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or 5432
        options = dict(urllib.parse.parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise fault from None
    for name in options:
        if name not in _OPTIONS:
            raise ConfigError(f"the database URL has an unknown option '{name}'", where=without_secrets(url),
                              expected=f"one of {', '.join(_OPTIONS)}")
    host, database = urllib.parse.unquote(parts.hostname or "") or options.get("host", "localhost"), urllib.parse.unquote(parts.path[1:])
    user = urllib.parse.unquote(parts.username or "") or os.environ.get("PGUSER") or "postgres"
    password = urllib.parse.unquote(parts.password) if parts.password is not None else os.environ.get("PGPASSWORD")
    timeout = options.get("connect_timeout", "10")
    if not database or not timeout.isdigit():
        raise fault
    found: dict[str, Any] = {"user": user, "password": password, "database": database, "timeout": int(timeout), "tcp_keepalive": True,
             "application_name": f"assay, process {os.getpid()} on {socket.gethostname()}"[:63]}
    if host.startswith("/"):
        found |= {"unix_sock": f"{host}/.s.PGSQL.{port}"}
        return found, f"postgresql:///{database}"
    found |= {"host": host, "port": port, "ssl_context": _encryption(options.get("sslmode", "prefer"), url)}
    return found, f"postgresql://{host}:{port}/{database}"


def _encryption(mode: str, url: str) -> ssl.SSLContext | bool | None:
    if mode in ("verify-full", "verify-ca", "require"):
        context = ssl.create_default_context()
        context.check_hostname = mode == "verify-full"
        if mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context
    if mode not in ("disable", "prefer", "allow"):
        raise ConfigError(f"there is no sslmode '{mode}'", where=without_secrets(url), expected="disable, prefer, require or verify-full")
    return None if mode == "prefer" else False


def _number(name: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"assay\0{name}".encode("utf-8", "replace")).digest()[:8], "big", signed=True)


def _plain(value: Any) -> Any:
    """Return a parameter without the character that Postgres has not."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) and "\0" in value else value


def _told(error: Exception) -> str:
    text = error.args[0].get("M", "") if error.args and isinstance(error.args[0], dict) else str(error)
    return without_secrets(" ".join(str(text).split())[:200]) or type(error).__name__
