"""What was explained, row by row: found again for the same model, background, quantity and content of the row; deleted with its person.

``Attributions`` is a part of the store; only ``assay.store.store`` makes it. ``Key`` names a set of explanations that belong together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import StoreError
from assay.store._database import Database
from assay.store._json import decode, encode
from assay.store._moment import now

__all__ = ["Attributions", "Kept", "Key"]

Array = np.ndarray[Any, Any]
MOST = 200_000   # rows of all explanations together; the oldest leave


@dataclass(frozen=True)
class Key:
    """What must be the same for an explanation to hold: digests of model and background, what was explained, and ``way``, how."""

    model: str
    background: str
    quantity: str
    target: str
    columns: tuple[str, ...]
    way: str = ""

    @property
    def digest(self) -> str:
        """One text for all of it."""
        return hashlib.sha256(encode({"key": list(map(str, (self.model, self.background, self.quantity, self.target, self.way))),
                                      "columns": list(self.columns)}).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Kept:
    """The explanation of one row: ``numbers`` are as whoever put them laid them out; ``mark`` is a hash of the row's content."""

    id: str
    mark: int
    numbers: Array
    entity: str | None = None


class Attributions:
    """Explanations of rows, by their key, the id of the row and a hash of its content; bounded, the oldest leave first."""

    def __init__(self, database: Database):
        self._database = database

    def put(self, key: Key, about: Mapping[str, Any], rows: Sequence[Kept], *, most: int = MOST) -> None:
        """Keep explanations; ``about`` is what they share, plain data. Of more than ``most`` rows in all, the oldest leave."""
        database, at, name = self._database, now(), key.digest
        with database.transaction():
            database.insert("assay_explained", ("id", "model", "body"), [(name, key.model, encode(dict(about)))], key=("id",))
            database.insert("assay_attribution", ("explained", "named", "mark", "entity", "at", "body"), (
                (name, each.id, each.mark, each.entity, at, np.asarray(each.numbers, "<f8").tobytes()) for each in rows[:most]),
                key=("explained", "named"))
            count = int(database.execute("select count(*) from assay_attribution")[0][0])
            if count > most:
                oldest = database.execute("select at from assay_attribution order by at limit 1 offset ?", [count - most - 1])
                database.execute("delete from assay_attribution where at <= ? and not (explained = ? and at = ?)", [oldest[0][0], name, at])
            self._sweep()

    def find(self, key: Key, marks: Mapping[str, int]) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return what the explanations of a key share, and the numbers of those rows whose id and content are as in ``marks``."""
        name = key.digest   # no transaction: to read, nobody need wait for a writer
        shared = self._database.execute("select body from assay_explained where id = ?", [name])
        if not shared:
            return {}, {}
        found = {row: self._numbers(body) for row, mark, body in self._rows(name, marks) if mark == marks[row]}
        return decode(shared[0][0], self._database), found

    def drop(self, *, ids: Iterable[Any] = (), entity: Any = None, model: str | None = None) -> int:
        """Delete explanations of rows by id, of an entity (a person), or of a model (its digest); return how many went."""
        database = self._database
        with database.transaction():
            before = self.count()
            for each in ids:
                database.execute("delete from assay_attribution where named = ?", [str(each)])
            if entity is not None:
                database.execute("delete from assay_attribution where entity = ?", [str(entity)])
            if model is not None:
                database.execute("delete from assay_attribution where explained in "
                                 "(select id from assay_explained where model = ?)", [model])
            self._sweep()
            return before - self.count()

    def count(self) -> int:
        """Return how many rows are kept."""
        return int(self._database.execute("select count(*) from assay_attribution")[0][0])

    def _sweep(self) -> None:
        self._database.execute("delete from assay_explained where id not in (select explained from assay_attribution)")

    def _rows(self, name: str, ids: Iterable[str]) -> Iterator[tuple[str, int, bytes]]:
        sql = "select named, mark, body from assay_attribution where explained = ? and named in (@)"
        for row, mark, body in self._database.among(sql, ids, name):
            yield str(row), int(mark), body if isinstance(body, bytes) else bytes(body) if isinstance(body, memoryview) else b""

    def _numbers(self, body: bytes) -> Array:
        if len(body) % 8:
            raise StoreError("an explanation in the store is damaged", where=self._database.name,
                             hint="delete it; it will be computed anew")
        return np.frombuffer(body, "<f8").astype(np.float64)
