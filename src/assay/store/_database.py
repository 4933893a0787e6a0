"""What the two databases have in common: transactions that nest, inserts in bulk, leases; SQL that both understand.

``Database`` is the class behind every part of the store. SQL is written once, with ``?`` for parameters and the types ``TEXT``, ``BIGINT``,
``DOUBLE PRECISION`` and ``BLOB``. Only this package imports it.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from assay.errors import BusyError, StoreError

__all__ = ["WAIT", "Database", "Row"]

Row = tuple[Any, ...]
_AT_ONCE = 500    # values in one list of a condition
_POLL = 0.05      # seconds between two looks at a lease that another holds
WAIT = 30.0       # seconds that a writer waits for another


class Database(abc.ABC):
    """A connection that threads may share; one transaction at a time."""

    shared = False
    """Whether tables of others may be there too."""
    parameters = 30_000
    """The most that one statement takes."""

    def __init__(self, name: str, *, wait: float = WAIT):
        self.name, self.wait = name, wait
        self._lock = threading.RLock()
        self._depth = 0
        self._broken = False
        self._leases: dict[str, tuple[int, int]] = {}   # name -> the thread that holds it, and how often
        self._freed = threading.Condition()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<database {self.name}>"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or nothing; within another one it is a part of that. Writers wait for each other."""
        with self._lock:
            self._settle()
            if self._depth:
                self._depth += 1
                try:
                    yield
                except BaseException:
                    self._broken = True
                    raise
                finally:
                    self._depth -= 1
                return
            self._begin()
            self._depth, self._broken = 1, False
            try:
                yield
                if self._broken:
                    raise StoreError("a part of a transaction failed, so none of it was kept", where=self.name)
                self._end("commit")
            except BaseException:
                with contextlib.suppress(StoreError):   # what went wrong first is what is told
                    self._end("rollback")
                raise
            finally:
                self._depth = 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        with self._lock:
            self._settle()
            return self._execute(sql, parameters)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, key: Sequence[str] = (),
               keep: bool = False) -> None:
        """Insert rows in bulk; where ``key`` is there already, the old row is overwritten, or kept."""
        rest = [each for each in columns if each not in key]
        sql = ""
        if key:
            change = ", ".join(f"{each} = excluded.{each}" for each in rest)
            sql = f" on conflict ({', '.join(key)}) do " + ("nothing" if keep or not rest else f"update set {change}")
        with self.transaction():
            self._insert(f"insert into {table} ({', '.join(columns)}) values ", len(columns), sql, rows)

    def among(self, sql: str, values: Iterable[Any], *before: Any) -> Iterator[Row]:
        """Yield the rows of a query that holds ``in (@)``, for any number of values; ``before`` are its parameters ahead of them."""
        found = iter(dict.fromkeys(values))
        while some := list(itertools.islice(found, _AT_ONCE)):
            yield from self.execute(sql.replace("@", ", ".join("?" * len(some))), [*before, *some])

    def inside(self) -> bool:
        """Whether this thread is within a transaction."""
        with self._lock:
            return self._depth > 0

    @contextlib.contextmanager
    def lease(self, name: str, *, wait: float = 0.0, what: str = "") -> Iterator[None]:
        """Hold ``name`` against every other process and thread until the end of the block, or of this process; raises ``BusyError``."""
        until, me = time.monotonic() + wait, threading.get_ident()
        with self._freed:
            while name in self._leases and self._leases[name][0] != me:
                if not self._freed.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                    raise self._busy(name, what, "another thread of this process")
            holder, times = self._leases.get(name, (me, 0))
            if not times and self.inside():   # whoever has it may wait for this very transaction; and files cannot be rolled back
                raise StoreError(f"{what or name} is asked for inside a transaction", where=self.name,
                                 expected="leases, and changes of the ledger, before a transaction begins")
            self._leases[name] = holder, times + 1
        held: Any = None
        try:
            if not times:
                while (held := self._acquired(name)) is None:
                    if time.monotonic() >= until:
                        raise self._busy(name, what, self._holder(name))
                    time.sleep(min(_POLL, max(0.001, until - time.monotonic())))
            yield
        finally:
            if held is not None:
                self._release(name, held)
            with self._freed:
                if times:
                    self._leases[name] = me, times
                else:
                    del self._leases[name]
                self._freed.notify_all()

    def _busy(self, name: str, what: str, holder: str) -> BusyError:
        return BusyError(f"{what or name} is being worked on by {holder}", where=self.name, hint="try again when it is done")

    def _settle(self) -> None:
        """Connect anew in a process that was forked, or where the connection was lost between transactions."""
        if self._process != os.getpid():
            self._process, self._depth = os.getpid(), 0
            self._leases.clear()
            self._connect(forked=True)

    @abc.abstractmethod
    def close(self) -> None:
        """End the connection."""

    @abc.abstractmethod
    def tables(self) -> set[str]:
        """Return the names of the tables that are there."""

    @abc.abstractmethod
    def _connect(self, *, forked: bool = False) -> None: ...

    @abc.abstractmethod
    def _begin(self) -> None: ...

    @abc.abstractmethod
    def _end(self, word: str) -> None: ...

    @abc.abstractmethod
    def _execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]: ...

    @abc.abstractmethod
    def _insert(self, head: str, width: int, tail: str, rows: Iterable[Sequence[Any]]) -> None: ...

    @abc.abstractmethod
    def _acquired(self, name: str) -> Any:
        """Return what holds the lease, or None where another has it."""

    @abc.abstractmethod
    def _release(self, name: str, held: Any) -> None: ...

    @abc.abstractmethod
    def _holder(self, name: str) -> str:
        """Return who has a lease, in words."""
