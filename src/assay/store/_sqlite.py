"""The store in one SQLite file: write-ahead log, one writer at a time, every commit on the disk before it is acknowledged.

``Sqlite(path)`` is a ``Database``. The file is made readable for its owner only; what is no regular file, no SQLite, cut off, or brings
triggers and views is refused before anything is read from it. A lease is a lock on a file of its own beside the store, which the system
frees when its process dies. Only ``_database`` imports it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.errors import BusyError, StoreError
from assay.store._database import WAIT, Database, Row

__all__ = ["Sqlite"]

_HEAD = b"SQLite format 3\0"
_BATCH = 2_000
_FORKED: list[sqlite3.Connection] = []   # never closed here: that would drop the locks of the process that made them


class Sqlite(Database):
    """One file, or ``:memory:``."""

    def __init__(self, path: str, *, wait: float = WAIT):
        self._memory = path == ":memory:"
        self.path = Path(path).expanduser()
        super().__init__(path, wait=wait)
        if not path or "\0" in path:
            raise StoreError("the store has no name", expected="the path of a file")
        if not self._memory:
            self._prepare()
        self._connect()

    def _prepare(self) -> None:
        """Make the file where there is none, and refuse what is none of ours."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreError(f"the store cannot be made there ({error.strerror})", where=self.name,
                             hint="does the folder exist?") from error
        try:
            found = os.lstat(self.path)
            if not stat.S_ISREG(found.st_mode):
                kind = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder"}.get(stat.S_IFMT(found.st_mode), "no regular file")
                raise StoreError(f"the store is {kind}", where=self.name, expected="a file")
            with self.path.open("rb") as file:
                head = file.read(100)
            log = self.path.with_name(self.path.name + "-wal")
            logged = log.exists() and log.stat().st_size > 0
        except OSError as error:
            raise StoreError(f"the store cannot be read ({error.strerror})", where=self.name) from error
        if not head:
            return
        if len(head) < 100 or not head.startswith(_HEAD):
            raise StoreError("this file is not a store", where=self.name, expected="an SQLite database written by assay",
                             hint="name a file that does not exist yet to begin a new store")
        size, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        counted = head[24:28] == head[92:96]   # else the count of pages is that of an old library, and means nothing
        if counted and not logged and (65_536 if size == 1 else size) * pages > found.st_size:
            # looked at again: another process may have ended, and moved its log into the file, since the first look
            time.sleep(0.05)
            if self.path.stat().st_size < (65_536 if size == 1 else size) * pages:
                raise StoreError("the store is cut off", where=self.name, expected="a whole file", hint="restore it from a backup")

    _connection: sqlite3.Connection

    def _connect(self, *, forked: bool = False) -> None:
        if forked:
            _FORKED.append(self._connection)
        try:
            self._connection = sqlite3.connect(self.path if not self._memory else ":memory:", timeout=self.wait, isolation_level=None,
                                               check_same_thread=False)
            for each in ("trusted_schema = off", "cell_size_check = on", "mmap_size = 0", "foreign_keys = off"):
                self._connection.execute(f"pragma {each}")
            self._connection.execute("pragma synchronous = full")
            foreign = self._connection.execute("select count(*) from sqlite_master where type in ('trigger', 'view')").fetchone()[0]
            if self._connection.execute("pragma journal_mode").fetchone()[0] != "wal" and not self._memory:
                self._log()
        except sqlite3.Error as error:
            raise self._fault(error) from error
        if foreign:
            raise StoreError("the store holds triggers or views, which assay never makes", where=self.name,
                             expected="a file that only assay has written")

    def _log(self) -> None:
        """Switch to a write-ahead log, which needs a moment without any other process."""
        for place in itertools.count():
            try:
                self._connection.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or place > 10 * self.wait:
                    raise
                time.sleep(0.02)
            else:
                return

    def close(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                self._connection.close()

    def tables(self) -> set[str]:
        return {name for name, in self.execute("select name from sqlite_master where type = 'table'")}

    def _begin(self) -> None:
        self._execute("begin immediate", ())

    def _end(self, word: str) -> None:
        if word == "rollback" and not self._connection.in_transaction:
            return   # the error that ended it ended the transaction too
        self._execute(word, ())

    def _execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise self._fault(error) from error

    def _insert(self, head: str, width: int, tail: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(f"{head}({', '.join('?' * width)}){tail}", rows)
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise self._fault(error) from error

    def _acquired(self, name: str) -> sqlite3.Connection | None:
        if self._memory:   # nobody else sees it
            return sqlite3.connect(":memory:")
        place = self._lease_file(name)
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            held = sqlite3.connect(place, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"a lease cannot be taken ({error})", where=str(place)) from error
        try:
            held.execute("begin exclusive")
        except sqlite3.Error as error:
            held.close()
            if "locked" in str(error):
                return None
            raise StoreError(f"a lease cannot be taken ({error})", where=str(place)) from error
        with contextlib.suppress(OSError):   # a courtesy to whoever is told to wait
            place.with_suffix(".who").write_text(f"process {os.getpid()} on {socket.gethostname()}", "utf-8")
        return held

    def _release(self, name: str, held: sqlite3.Connection) -> None:
        if self._process != os.getpid():
            _FORKED.append(held)
            return
        held.close()

    def _holder(self, name: str) -> str:
        with contextlib.suppress(OSError, UnicodeError):
            return self._lease_file(name).with_suffix(".who").read_text("utf-8")[:200] or "another process"
        return "another process"

    def _lease_file(self, name: str) -> Path:
        slot = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24]
        return self.path.with_name(self.path.name + "-leases") / f"{slot}.lock"

    def _fault(self, error: Exception) -> StoreError:
        text = str(error)
        if "locked" in text:
            return BusyError("another process writes to the store and does not end", where=self.name, hint="try again when it is done")
        if "malformed" in text or "not a database" in text or "disk I/O" in text:
            return StoreError(f"the store is broken ({text})", where=self.name, hint="restore it from a backup")
        if "readonly" in text or "unable to open" in text:
            return StoreError(f"the store cannot be written ({text})", where=self.name, hint="may you write the file and its folder?")
        return StoreError(f"the store answers: {text}", where=self.name)


def chunks(rows: Iterable[Sequence[Any]], size: int = _BATCH) -> Iterator[list[Sequence[Any]]]:
    """Yield rows in lists of at most ``size``."""
    found = iter(rows)
    while some := list(itertools.islice(found, size)):
        yield some
