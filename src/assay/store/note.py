"""What people know of sources and columns, and what they decided: owner, meaning, "corrupted since"; a candidate let through.

``Notes`` and ``Decisions``; both keep every version with who and when. Only ``assay.store.store`` makes them.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import ConfigError
from assay.store._database import Database
from assay.store._json import decode, encode
from assay.store._moment import Moment, micros, moment, now

__all__ = ["Decision", "Decisions", "Note", "Notes"]

_FIELDS = ("owner", "meaning", "corrupted_since", "corrupted_until", "text")


@dataclass(frozen=True)
class Note:
    """What is known of a source, or of one of its columns; times are ISO 8601 with zone."""

    source: str
    column: str | None = None
    owner: str | None = None
    meaning: str | None = None
    corrupted_since: str | None = None
    corrupted_until: str | None = None
    text: str | None = None
    by: str | None = None
    at: str | None = None

    @property
    def warning(self) -> str | None:
        """What whoever builds features on it should read, if anything.

        >>> Note("weather", "temp", corrupted_since="2026-03-01T00:00:00+00:00").warning
        'weather, column temp: corrupted since 2026-03-01T00:00:00+00:00; do not build features on it'
        """
        if self.corrupted_since is None:
            return None
        until = f" until {self.corrupted_until}" if self.corrupted_until else ""
        place = f"{self.source}, column {self.column}" if self.column else self.source
        return f"{place}: corrupted since {self.corrupted_since}{until}; do not build features on it"


@dataclass(frozen=True)
class Decision:
    """What was decided of a subject (a candidate, a version), by whom and why; ``run`` is what it rests on."""

    id: str
    subject: str
    decision: str
    at: str
    by: str | None = None
    note: str | None = None
    run: str | None = None


class Notes:
    """The notes in a database."""

    def __init__(self, database: Database):
        self._database = database

    def put(self, source: str, column: str | None = None, *, by: str | None = None, at: Moment | None = None, **fields: str | None) -> Note:
        """Change what is known of a source or column and return all of it; an empty text takes a field back.

        ``fields`` are ``owner``, ``meaning``, ``corrupted_since``, ``corrupted_until`` (times with zone) and ``text``.
        """
        if unknown := set(fields) - set(_FIELDS):
            raise ConfigError(f"a note has no '{min(unknown)}'", expected=f"one of {', '.join(_FIELDS)}")
        for name in ("corrupted_since", "corrupted_until"):
            if fields.get(name):
                micros(str(fields[name]))   # a time that nobody can read warns nobody
        with self._database.transaction():
            rows = self._database.execute("select place, body from assay_note where source = ? and about = ? order by place desc limit 1",
                                          [source, column or ""])
            body: dict[str, Any] = decode(rows[0][1], self._database) if rows else {}
            body |= {name: each or None for name, each in fields.items() if each is not None}
            instant = now() if at is None else micros(at)
            self._database.insert("assay_note", ("source", "about", "place", "at", "person", "body"),
                                  [(source, column or "", rows[0][0] + 1 if rows else 0, instant, by, encode(body))])
        return _note(source, column, instant, by, body)

    def find(self, source: str | None = None, column: str | None = None) -> list[Note]:
        """Return the notes as they are now, those of a source before those of its columns."""
        return self._read("place = (select max(place) from assay_note as later where later.source = assay_note.source and "
                          "later.about = assay_note.about)", source, column)

    def history(self, source: str, column: str | None = None) -> list[Note]:
        """Return every version of a note, oldest first."""
        return self._read("1 = 1", source, column or "")

    def _read(self, condition: str, source: str | None, column: str | None) -> list[Note]:
        terms = [(term, value) for term, value in (("source = ?", source), ("about = ?", column)) if value is not None]
        where = " and ".join([condition, *(term for term, _ in terms)])
        rows = self._database.execute(f"select source, about, at, person, body from assay_note where {where} order by source, about, place",
                                      [value for _, value in terms])
        return [_note(name, about or None, at, by, decode(body, self._database)) for name, about, at, by, body in rows]


class Decisions:
    """The decisions in a database; none is ever changed."""

    def __init__(self, database: Database):
        self._database = database

    def put(self, subject: str, decision: str, *, by: str | None = None, note: str | None = None, run: str | None = None,
            at: Moment | None = None) -> Decision:
        """Keep a decision and return it."""
        instant = now() if at is None else micros(at)
        found = Decision(uuid.uuid4().hex, subject, decision, moment(instant).isoformat(), by, note, run)
        values = dataclasses.asdict(found) | {"at": instant}
        self._database.insert("assay_decision", ("id", "subject", "decision", "at", "person", "remark", "run"), [tuple(values.values())])
        return found

    def find(self, subject: str | None = None, *, most: int = 1_000) -> list[Decision]:
        """Return the newest decisions in the order of time."""
        rows = self._database.execute("select id, subject, decision, at, person, remark, run from assay_decision"
                                      + (" where subject = ?" if subject is not None else "") + " order by at desc, id limit ?",
                                      [subject, most] if subject is not None else [most])
        return [Decision(id, name, decision, moment(at).isoformat(), *rest) for id, name, decision, at, *rest in reversed(rows)]


def _note(source: str, column: str | None, at: int, by: str | None, body: Mapping[str, Any]) -> Note:
    return Note(source, column, **{name: body.get(name) for name in _FIELDS}, by=by, at=moment(at).isoformat())
