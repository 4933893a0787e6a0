"""Incidents and their lives: what the monitor computes, and over it what people said, event by event.

``Incidents`` keeps both apart: ``keep`` takes the monitor's incidents as they are now, ``mark`` a person's word; ``find`` lays one over the
other. Only ``assay.store.store`` makes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from assay.errors import ConfigError, UnknownNameError
from assay.result import Incident
from assay.store._database import Database
from assay.store._json import decode, encode, restored
from assay.store._moment import Moment, micros, moment, now

__all__ = ["Event", "Incidents", "Mark"]

Mark = Literal["acknowledged", "snoozed", "false", "true", "reopened"]
_VERDICTS = ("false", "true")   # about the past: they stay, whatever becomes of the incident


@dataclass(frozen=True)
class Event:
    """A moment in the life of an incident: ``opened``, ``updated``, ``resolved`` or ``withdrawn`` by the monitor, or a person's mark."""

    what: str
    at: str
    by: str | None = None
    note: str | None = None
    until: str | None = None


class Incidents:
    """The incidents in a database, by monitor and id."""

    def __init__(self, database: Database):
        self._database = database

    def keep(self, monitor: str, incidents: Iterable[Incident], *, at: Moment | None = None, complete: bool = False) -> list[str]:
        """Take incidents as they are now and return the ids of those that are new; what did not change leaves no trace.

        ``complete``: these are all of the monitor's; one that is no longer among them is withdrawn, as late rows have cleared it up.
        """
        instant, fresh, seen = now() if at is None else micros(at), [], set()
        with self._database.transaction():
            known: dict[str, str] = dict(self._database.execute("select id, body from assay_incident where monitor = ?", [monitor]))
            rows, events = [], []
            for each in incidents:
                if not each.id:
                    raise ConfigError("an incident has no id", where=f"monitor '{monitor}'")
                seen.add(each.id)
                body = encode(each.to_json())
                old = known.get(each.id)
                if old == body:
                    continue
                rows.append((monitor, each.id, micros(each.first_seen), instant, each.source, body))
                was = decode(old, self._database).get("state") if old else None
                if old is None:
                    fresh.append(each.id)
                    events.append((each.id, "opened"))
                if each.state != was and (each.state == "resolved" or was == "resolved"):
                    events.append((each.id, "resolved" if each.state == "resolved" else "opened"))
                elif old is not None:
                    events.append((each.id, "updated"))
                known[each.id] = body
            for id in known.keys() - seen if complete else ():
                gone = decode(known[id], self._database)
                if gone.get("state") != "withdrawn":
                    body = encode({**gone, "state": "withdrawn"})
                    rows.append((monitor, id, micros(gone["first_seen"]), instant, gone.get("source"), body))
                    events.append((id, "withdrawn"))
            self._database.insert("assay_incident", ("monitor", "id", "opened", "changed", "source", "body"), rows, key=("monitor", "id"))
            for id, what in events:
                self._add(monitor, id, what, instant)
        return fresh

    def mark(self, monitor: str, id: str, mark: Mark, *, by: str | None = None, note: str | None = None, until: Moment | None = None,
             at: Moment | None = None) -> None:
        """Add a person's word to an incident; ``reopened`` takes back those before it, ``until`` says when snoozing ends."""
        if mark not in get_args(Mark):
            raise UnknownNameError.among("mark", mark, get_args(Mark))
        if mark == "snoozed" and until is None:
            raise ConfigError("a snoozed incident does not say until when", expected="until, a time with its zone")
        with self._database.transaction():
            if not self._database.execute("select 1 from assay_incident where monitor = ? and id = ?", [monitor, id]):
                known = self._database.execute("select id from assay_incident where monitor = ? order by opened desc limit 20", [monitor])
                raise UnknownNameError.among("incident", id, [each for each, in known], where=f"monitor '{monitor}'")
            self._add(monitor, id, mark, now() if at is None else micros(at), by, note, None if until is None else micros(until))

    def find(self, *, monitor: str | None = None, state: str | None = None, source: str | None = None, since: Moment | None = None,
             at: Moment | None = None, most: int = 1_000) -> list[Incident]:
        """Return incidents with the state that people see at a moment (now), newest first.

        A verdict (``false``, ``true``) stands whatever happens later; ``acknowledged`` and ``snoozed`` (until its end) stand while the
        incident is open; otherwise it is as the monitor says: ``open``, ``resolved`` or ``withdrawn``.
        """
        given: dict[str, Any] = {"monitor = ?": monitor, "source = ?": source, "opened >= ?": None if since is None else micros(since)}
        terms = {term: value for term, value in given.items() if value is not None}
        where = " where " + " and ".join(terms) if terms else ""
        rows = self._database.execute(f"select monitor, id, body from assay_incident{where} order by opened desc, id",
                                      list(terms.values()))
        said = self._said(now() if at is None else micros(at), monitor)
        found = []
        for name, id, body in rows:
            incident = restored(Incident, body, self._database)
            mark = said.get((name, id))
            if mark in _VERDICTS or (mark and incident.state == "open"):
                incident = dataclasses.replace(incident, state=mark)
            if state is None or incident.state == state:
                found.append(incident)
                if len(found) == most:
                    break
        return found

    def events(self, monitor: str, id: str) -> list[Event]:
        """Return the life of an incident from its beginning."""
        rows = self._database.execute("select what, at, person, remark, until from assay_event where monitor = ? and incident = ? "
                                      "order by place", [monitor, id])
        return [Event(what, moment(at).isoformat(), by, note, None if until is None else moment(until).isoformat())
                for what, at, by, note, until in rows]

    def _said(self, at: int, monitor: str | None) -> dict[tuple[str, str], str]:
        """Return what people last said of each incident, and still means something."""
        rows = self._database.execute("select monitor, incident, what, until from assay_event where what in "
                                      "('acknowledged', 'snoozed', 'false', 'true', 'reopened')"
                                      + (" and monitor = ?" if monitor is not None else "") + " order by monitor, incident, place",
                                      [monitor] if monitor is not None else [])
        found: dict[tuple[str, str], str] = {}
        for name, id, what, until in rows:
            if what == "reopened":
                found.pop((name, id), None)
            elif (what != "snoozed" or until > at) and not (found.get((name, id)) in _VERDICTS and what not in _VERDICTS):
                found[name, id] = what
        return found

    def _add(self, monitor: str, id: str, what: str, at: int, by: str | None = None, note: str | None = None,
             until: int | None = None) -> None:
        last = self._database.execute("select max(place) from assay_event where monitor = ? and incident = ?", [monitor, id])[0][0]
        self._database.insert("assay_event", ("monitor", "incident", "place", "what", "at", "person", "remark", "until"),
                              [(monitor, id, 0 if last is None else last + 1, what, at, by, note, until)])
