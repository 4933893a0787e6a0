"""Runs as the store keeps them: each value, verdict and finding is a row of its own, so that their histories can be asked for.

``Runs`` puts a run and gives it back whole; ``Point`` is one row of a history. Only ``assay.store.store`` makes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from assay.errors import ConfigError, UnknownNameError
from assay.result import Finding, Run, Value, Verdict
from assay.store._database import Database
from assay.store._json import decode, encode, restored
from assay.store._moment import Moment, micros, moment, now

__all__ = ["Brief", "Point", "Runs"]

T = TypeVar("T", Value, Verdict, Finding)
_PARTS = ("values", "verdicts", "findings")
_FETCHED = 20_000   # rows of one run at a time


@dataclass(frozen=True)
class Brief:
    """What is known of a run without reading it: ``at`` is ISO 8601 in UTC, ``span`` the window that it speaks of, if any."""

    id: str
    verb: str
    model: str | None
    span: int | None
    at: str
    verdict: str


@dataclass(frozen=True)
class Point(Generic[T]):
    """One value, verdict or finding of a history: which run said it, when, and of which window."""

    run: str
    at: str
    span: int | None
    item: T


class Runs:
    """The runs in a database."""

    def __init__(self, database: Database):
        self._database = database

    def put(self, run: Run, *, model: str | None = None, span: int | None = None, at: Moment | None = None) -> str:
        """Keep a run and return its id; one that is there already is replaced.

        ``model`` is what the run is of, where its values do not say; ``span`` the window as the monitor numbers it; ``at`` when (now).
        """
        database, moment_ = self._database, now() if at is None else micros(at)
        # values and the like are rows of their own; explanations of single rows are kept apart, where they can be deleted with a person
        rest = dataclasses.replace(run, values=(), verdicts=(), findings=(), attributions=())
        body = {key: each for key, each in rest.to_json().items() if key not in _PARTS}
        model = model if model is not None else next((each.model for each in run.values if each.model is not None), None)
        with database.transaction():
            self._drop("id = ?", run.id)
            database.insert("assay_run", ("id", "verb", "model", "span", "at", "verdict", "body"),
                            [(run.id, run.verb, model, span, moment_, run.verdict, encode(body))])
            database.insert("assay_value", ("run", "place", "metric", "model", "about", "slice", "span", "at", "body"), (
                (run.id, place, each.metric, each.model or model, each.column, _slice(each.slice), span, moment_, encode(each.to_json()))
                for place, each in enumerate(run.values)))
            database.insert("assay_verdict", ("run", "place", "title", "model", "verdict", "span", "at", "body"), (
                (run.id, place, each.check, each.model or model, each.verdict, span, moment_, encode(each.to_json()))
                for place, each in enumerate(run.verdicts)))
            database.insert("assay_finding", ("run", "place", "probe", "model", "at", "body"), (
                (run.id, place, each.probe, model, moment_, encode(each.to_json())) for place, each in enumerate(run.findings)))
        return run.id

    def get(self, id: str) -> Run:
        """Return a run; the first letters of its id are enough where no other begins so."""
        with self._database.transaction():   # all parts as of one moment
            found = self._database.execute("select id, body from assay_run where id = ?", [id])
            if not found and id:
                found = self._database.execute("select id, body from assay_run where substr(id, 1, ?) = ? limit 2", [len(id), id])
            if not found:
                known = self._database.execute("select id from assay_run order by at desc limit 20")
                raise UnknownNameError.among("run", id, [each for each, in known], where=self._database.name)
            if len(found) > 1:
                raise ConfigError(f"more than one run begins with '{id[:40]}'", where=self._database.name, expected="more of its letters")
            body = decode(found[0][1], self._database)
            for part, table in zip(_PARTS, ("assay_value", "assay_verdict", "assay_finding"), strict=True):
                body[part] = [decode(each, self._database) for each in self._bodies(table, found[0][0])]
        return Run.from_json(body)

    def find(self, *, model: str | None = None, verb: str | None = None, since: Moment | None = None, until: Moment | None = None,
             most: int = 100) -> list[Brief]:
        """Return what runs there are, newest first."""
        where, given = _where({"model": model, "verb": verb}, since, until)
        rows = self._database.execute(f"select id, verb, model, span, at, verdict from assay_run{where} order by at desc, id limit ?",
                                      [*given, most])
        return [Brief(id, verb_, model_, span, moment(at).isoformat(), verdict) for id, verb_, model_, span, at, verdict in rows]

    def history(self, metric: str, *, model: str | None = None, column: str | None = None, slice: Mapping[str, Any] | None = None,
                since: Moment | None = None, until: Moment | None = None, most: int = 10_000) -> list[Point[Value]]:
        """Return the newest values of a metric in the order of time; ``slice={}`` is that of all rows, None is every slice."""
        text = None if slice is None else _slice(slice)
        where, given = _where({"metric": metric, "model": model, "about": column, "slice": text}, since, until)
        return self._points("assay_value", where, given, most, Value)

    def verdicts(self, check: str | None = None, *, model: str | None = None, verdict: str | None = None, since: Moment | None = None,
                 until: Moment | None = None, most: int = 10_000) -> list[Point[Verdict]]:
        """Return the newest verdicts in the order of time."""
        where, given = _where({"title": check, "model": model, "verdict": verdict}, since, until)
        return self._points("assay_verdict", where, given, most, Verdict)

    def findings(self, probe: str | None = None, *, model: str | None = None, since: Moment | None = None, until: Moment | None = None,
                 most: int = 10_000) -> list[Point[Finding]]:
        """Return the newest findings in the order of time."""
        where, given = _where({"probe": probe, "model": model}, since, until)
        return self._points("assay_finding", where, given, most, Finding)

    def drop(self, *, before: Moment) -> int:
        """Forget the runs that are older, with all that they said, and return how many they were."""
        with self._database.transaction():
            count = self._database.execute("select count(*) from assay_run where at < ?", [micros(before)])[0][0]
            self._drop("at < ?", micros(before))
        return int(count)

    def _drop(self, condition: str, value: Any) -> None:
        for table in ("assay_value", "assay_verdict", "assay_finding"):
            self._database.execute(f"delete from {table} where run in (select id from assay_run where {condition})", [value])
        self._database.execute(f"delete from assay_run where {condition}", [value])

    def _bodies(self, table: str, run: str) -> Iterator[str]:
        place = -1
        while rows := self._database.execute(f"select place, body from {table} where run = ? and place > ? order by place limit ?",
                                             [run, place, _FETCHED]):
            yield from (body for _, body in rows)
            place = rows[-1][0]

    def _points(self, table: str, where: str, given: Sequence[Any], most: int, kind: type[T]) -> list[Point[T]]:
        span = "null" if table == "assay_finding" else "span"
        rows = self._database.execute(f"select run, at, {span}, body from {table}{where} order by at desc, run desc, place desc limit ?",
                                      [*given, most])
        return [Point(run, moment(at).isoformat(), span_, restored(kind, body, self._database))
                for run, at, span_, body in reversed(rows)]


def _where(given: Mapping[str, Any], since: Moment | None, until: Moment | None) -> tuple[str, list[Any]]:
    terms = [(f"{name} = ?", value) for name, value in given.items() if value is not None]
    terms += [("at >= ?", micros(since))] if since is not None else []
    terms += [("at < ?", micros(until))] if until is not None else []
    return (" where " + " and ".join(term for term, _ in terms) if terms else ""), [value for _, value in terms]


def _slice(given: Mapping[str, Any]) -> str:
    return encode(dict(sorted(given.items()))) if given else "{}"
