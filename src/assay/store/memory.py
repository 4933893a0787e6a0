"""What the monitor must not forget between two runs: messages on their way, states of detectors, profiles of windows.

``Outbox``, ``States`` and ``Profiles``; windows are integers that grow with time (the start of a ``Span``).
Only ``assay.store.store`` makes them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.errors import ConfigError, StoreError
from assay.store._database import Database
from assay.store._json import decode, encode
from assay.store._moment import now
from assay.summary.profile import Profile

__all__ = ["Outbox", "Profiles", "States"]

_LARGEST = 4 << 30   # bytes of a profile once unpacked, as Profile.parse takes them
_AT_ONCE = 64
MESSAGES = ("pending", "sent", "failed")


class Outbox:
    """Messages by id, each a mapping with ``state`` (pending, sent, failed) and ``next`` (seconds since 1970 when it is due)."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, messages: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Keep messages and return the ids of those that are new; one that is there already stays as it is: it goes once."""
        with self._database.transaction():
            known = {id for id, in self._database.among("select id from assay_message where id in (@)", messages)}
            self._put({id: each for id, each in messages.items() if id not in known})
        return [each for each in messages if each not in known]

    def update(self, messages: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep what became of messages."""
        self._put(messages)

    def find(self, state: str | None = None, *, most: int = 10_000) -> dict[str, dict[str, Any]]:
        """Return messages by id, those first that are due first."""
        rows = self._database.execute("select id, body from assay_message" + (" where state = ?" if state is not None else "")
                                      + " order by due, id limit ?", [state, most] if state is not None else [most])
        return {id: decode(body, self._database) for id, body in rows}

    def claim(self, at: float, *, hold: float = 300.0, most: int = 1_000) -> dict[str, dict[str, Any]]:
        """Return the pending messages that are due, and hold them for ``hold`` seconds, so that no other process sends them too."""
        with self._database.transaction():
            rows = self._database.execute("select id, body from assay_message where state = 'pending' and due <= ? "
                                          "order by due, id limit ?", [at, most])
            for id, _ in rows:
                self._database.execute("update assay_message set due = ? where id = ?", [at + hold, id])
        return {id: decode(body, self._database) for id, body in rows}

    def _put(self, messages: Mapping[str, Mapping[str, Any]]) -> None:
        for id, each in messages.items():
            if each.get("state") not in MESSAGES:
                raise ConfigError(f"the message '{id[:40]}' has no state", expected=f"one of {', '.join(MESSAGES)}")
        self._database.insert("assay_message", ("id", "state", "due", "at", "body"),
                              [(id, each["state"], float(each.get("next", 0.0)), now(), encode(dict(each)))
                               for id, each in messages.items()], key=("id",))


class States:
    """The state of each monitor after each window, as bytes."""

    def __init__(self, database: Database):
        self._database = database

    def put(self, states: Mapping[tuple[str, int], bytes]) -> None:
        """Keep states by (monitor, window), all of them or none."""
        self._database.insert("assay_state", ("monitor", "span", "body"), ((*key, body) for key, body in sorted(states.items())),
                              key=("monitor", "span"))

    def latest(self, monitors: Iterable[str] | None = None, *, before: int | None = None) -> dict[str, tuple[int, bytes]]:
        """Return the window and state of each monitor (all) that it reached last, or last before a window."""
        inner = "select monitor as name, max(span) as last from assay_state where 1 = 1"
        given: list[Any] = []
        if before is not None:
            inner, given = f"{inner} and span < ?", [before]
        if monitors is not None:
            inner += " and monitor in (@)"
        sql = f"select monitor, span, body from assay_state join ({inner} group by monitor) as reached on monitor = name and span = last"
        rows = self._database.execute(sql, given) if monitors is None else self._database.among(sql, monitors, *given)
        return {monitor: (span, bytes(body)) for monitor, span, body in rows}

    def get(self, monitor: str, span: int) -> bytes | None:
        """Return the state of a monitor after a window, None where there is none."""
        rows = self._database.execute("select body from assay_state where monitor = ? and span = ?", [monitor, span])
        return bytes(rows[0][0]) if rows else None

    def drop(self, monitor: str, *, since: int | None = None, before: int | None = None) -> None:
        """Forget the states of a monitor from a window on (they will be computed anew), or before one."""
        where, given = _between(since, before)
        self._database.execute(f"delete from assay_state where monitor = ?{where}", [monitor, *given])


class Profiles:
    """The profile of each window of each source of a model; caches of what the ledger holds."""

    def __init__(self, database: Database):
        self._database = database

    def put(self, model: str, profiles: Mapping[tuple[str, int], Profile]) -> None:
        """Keep profiles by (source, window), all of them or none."""
        self._database.insert("assay_profile", ("model", "source", "span", "body"),
                              ((model, *key, zlib.compress(profiles[key].dump(), 1)) for key in sorted(profiles)),
                              key=("model", "source", "span"))

    def find(self, model: str, source: str | None = None, *, since: int | None = None, before: int | None = None,
             ) -> Iterator[tuple[str, int, Profile]]:
        """Yield source, window and profile in that order, few in memory at a time; raises ``StoreError`` for bytes that are none."""
        where, given = _between(since, before)
        if source is not None:
            where, given = f"{where} and source = ?", [*given, source]
        last: tuple[str, int] | None = None
        while True:
            after = "" if last is None else " and (source > ? or (source = ? and span > ?))"
            more = [] if last is None else [last[0], last[0], last[1]]
            rows = self._database.execute(f"select source, span, body from assay_profile where model = ?{where}{after} "
                                          "order by source, span limit ?", [model, *given, *more, _AT_ONCE])
            for name, span, body in rows:
                yield name, span, self._parsed(bytes(body))
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1][0], rows[-1][1]

    def drop(self, model: str, *, since: int | None = None, before: int | None = None) -> None:
        """Forget the profiles of a model's windows."""
        where, given = _between(since, before)
        self._database.execute(f"delete from assay_profile where model = ?{where}", [model, *given])

    def _parsed(self, body: bytes) -> Profile:
        try:
            unpacking = zlib.decompressobj()
            data = unpacking.decompress(body, _LARGEST)
            if not unpacking.eof:
                raise StoreError("a profile in the store is cut off, or too large", where=self._database.name)
        except zlib.error as error:
            raise StoreError("a profile in the store is damaged", where=self._database.name, hint="compute its window again") from error
        return Profile.parse(data)


def _between(since: int | None, before: int | None) -> tuple[str, list[Any]]:
    terms = [(" and span >= ?", since)] if since is not None else []
    terms += [(" and span < ?", before)] if before is not None else []
    return "".join(term for term, _ in terms), [value for _, value in terms]
