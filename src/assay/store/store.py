"""Everything that assay remembers, in SQLite or Postgres, behind one small class.

::

    with Store("assay.db") as store:                       # or postgresql://user@host/database
        store.put(run, model="delay")                      # a Run; store.get(id), store.find(), store.history("auc") read it back
        with store.lease("delay"), store.transaction():    # nobody else advances this monitor; all of this, or nothing
            store.states.put({("delay", span.start): state})
            store.profiles.put("delay", {("weather", span.start): profile})
            store.incidents.keep("delay", incidents)
        store.notes.put("weather", "temp", owner="ann", corrupted_since="2026-03-01T00:00:00+00:00")

Parts: ``runs``, ``incidents``, ``notes``, ``decisions``, ``outbox``, ``states``, ``profiles``, ``attributions``; each says what it does. A
store may be shared by threads, and is safe to use after a fork. Verbs import it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Self

from assay.errors import ConfigError, without_secrets
from assay.result import Run, Value
from assay.store._database import WAIT, Database
from assay.store._migration import identity, migrate
from assay.store._pg8000 import Postgres
from assay.store._sqlite import Sqlite
from assay.store.attribution import Attributions
from assay.store.incident import Incidents
from assay.store.memory import Outbox, Profiles, States
from assay.store.note import Decisions, Notes
from assay.store.run import Brief, Point, Runs

__all__ = ["Store"]


class Store:
    """A store of results at a path (made readable for its owner only), or at ``postgresql://user:password@host/database``.

    A writer waits ``wait`` seconds for another, then raises ``BusyError``. Older stores are brought forward; raises ``StoreError`` for what
    is none, is damaged, or was written by a newer release, ``ConfigError`` for another kind of URL, ``MissingExtraError`` where the driver
    for Postgres is not installed.

    >>> from assay.result import Run, Spread, Value
    >>> store = Store(":memory:")
    >>> run = Run("check", (Value.of("auc", Spread("normal", 0.75), n=500),))
    >>> store.get(store.put(run, model="delay")) == run, [each.item.value for each in store.history("auc", model="delay")]
    (True, [0.75])
    """

    def __init__(self, url: str | os.PathLike[str], *, wait: float = WAIT):
        self._database = _opened(url, wait)
        try:
            self.version = migrate(self._database)
            self.id = identity(self._database)
        except BaseException:
            self._database.close()
            raise
        self.name = self._database.name
        self.runs = Runs(self._database)
        self.incidents = Incidents(self._database)
        self.notes = Notes(self._database)
        self.decisions = Decisions(self._database)
        self.outbox = Outbox(self._database)
        self.states = States(self._database)
        self.profiles = Profiles(self._database)
        self.attributions = Attributions(self._database)

    def put(self, run: Run, **about: Any) -> str:
        """Keep a run and return its id; see :meth:`Runs.put` for ``model``, ``span`` and ``at``."""
        return self.runs.put(run, **about)

    def get(self, id: str) -> Run:
        """Return a run by its id, or the first letters of it; raises ``UnknownNameError``."""
        return self.runs.get(id)

    def find(self, **about: Any) -> list[Brief]:
        """Return what runs there are, newest first; see :meth:`Runs.find`."""
        return self.runs.find(**about)

    def history(self, metric: str, **about: Any) -> list[Point[Value]]:
        """Return the values of a metric in the order of time; see :meth:`Runs.history`."""
        return self.runs.history(metric, **about)

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Keep all that is written inside, or nothing; transactions nest, and writers wait for each other half a minute (``BusyError``)."""
        return self._database.transaction()

    @contextlib.contextmanager
    def lease(self, name: str, *, wait: float = 0.0) -> Iterator[None]:
        """Let nobody else hold ``name`` (a monitor) inside the block; waits ``wait`` seconds, then raises ``BusyError`` saying who has it.

        It ends with the block, or with the process, however that ends.
        """
        with self._database.lease(f"lease {name}", wait=wait, what=f"'{name}'"):
            yield

    def close(self) -> None:
        """End the connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<store {self.name}>"


def _opened(url: str | os.PathLike[str], wait: float) -> Database:
    """Return the database at a path, ``sqlite:///path`` or ``postgresql://...``; raises ``ConfigError`` or ``StoreError``."""
    text = os.fspath(url)
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme in ("postgresql", "postgres", "postgresql+pg8000"):
        return Postgres(text, wait=wait)
    if scheme not in ("", "sqlite"):
        raise ConfigError("there is no store of this kind", where=without_secrets(text), expected="a path, or postgresql://user@host/database",
                          hint="leave out the name of the driver" if scheme.startswith(("postgres", "sqlite")) else None)
    return Sqlite(text.partition(":///")[2] if scheme else text, wait=wait)
