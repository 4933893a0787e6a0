"""A monitor that lives: its store of results, its ledger of rows, the messages that go out; windows computed anew where rows changed.

``Live(config)`` is opened by every verb but ``replay``, ``Watched`` is what a delivery brought; ``about`` and ``caused`` tell incidents why
they came, live or replayed. ``monitor`` and ``gauge`` import it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from assay.data.source import source
from assay.errors import ConfigError, SignatureError
from assay.monitor.delivery import Delivery, Message, Severity, Target, attempted, targets
from assay.monitor.disagreement import PAIR
from assay.monitor.incident import Case, Window
from assay.monitor.version import VERSIONS
from assay.result import Incident, Run
from assay.store import Ledger, Span, Store
from assay.store._manifest import Arrival
from assay.store.incident import Mark
from assay.verbs.config import Config, read
from assay.verbs.explain.cause import CAUSED, Stretch, paged
from assay.verbs.monitor.account import reported
from assay.verbs.monitor.held import apart, due, micros, moment, near, passed, timed
from assay.verbs.monitor.stream import Job, Memory, Progress, Said

__all__ = ["Live", "Watched", "about", "caused"]

_RECENT, _SPARSE = 60, 30   # windows whose memory is kept each, and of older ones one in so many


@dataclass(frozen=True)
class Watched:
    """What a delivery brought: the run, the incidents that page now for the first time, and the messages that went or wait."""

    run: Run
    opened: tuple[Incident, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


class Live:
    """A monitor with its store and its ledger, beside the configuration or where it says."""

    def __init__(self, config: str | Path | Config, *, trust: bool = False):
        found = config if isinstance(config, Config) else read(config)
        self.job = Job(found, trust=trust)
        settings = self.job.settings
        home = found.path.parent / f"{found.path.stem}-monitor"
        if settings.store is None or settings.ledger is None:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store = Store(found.location(settings.store) or home / "assay.db")
        try:
            self.ledger = Ledger(self.store, found.location(settings.ledger) or home / "ledger", settings.window)
        except BaseException:
            self.store.close()
            raise
        self.name = self.job.name
        if self.job.estimation is not None:
            self.job.estimation.kept = self.store.states
        if self.job.suspicion is not None:
            self.job.suspicion.kept = self.store.states
        self.notes: list[str] = []   # what is to be said of deliveries, besides what their windows say

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.store.close()

    def delivered(self, data: Any, name: str | None) -> None:
        """Take in rows, with what the model answers for them.

        Rows that the model cannot take are taken in without answers, where it could take earlier ones: what is gone pages, and why.
        """
        try:
            arrival = self.ledger.put(self.name, self.job.flow(data), name=name)
        except SignatureError as error:
            if self.name not in self.ledger.models():
                raise
            arrival = self.ledger.put(self.name, self.job.flow(data, ask=False), name=name)
            self.notes.append(f"the model was not asked: {error}")
        if self.job.pair is not None and self.job.pair.failed:
            self.notes.append(f"the shadow did not answer for rows of {arrival.name}: {self.job.pair.failed}")
        self.notes += _fate(arrival, "row")

    def labelled(self, data: Any) -> None:
        """Take in labels by id."""
        roles = {role: self.job.roles[role] for role in ("id", "label") if role in self.job.roles}
        self.notes += _fate(self.ledger.label(self.name, source(data, types=self.job.config.types, **roles)), "label")

    def advanced(self, *, until: dt.datetime | None = None, send: bool = True, now: float, progress: Progress | None = None) -> Watched:
        """Compute every window whose rows changed, and all that follow; keep what they say, then send what is to be sent."""
        began = time.perf_counter()
        job, name = self.job, self.name
        touched = self.ledger.touched(name)
        windows = self._windows(until, now)
        reached = self.store.states.latest([name]).get(name)
        first = min([each.start for each in touched] + [span.start for span, _ in windows if reached is None or span.start > reached[0]],
                    default=None)
        if first is None:
            memory = Memory.parse(reached[1]) if reached else Memory()
            run = reported(job, memory, [], rows=0, seconds=time.perf_counter() - began, verb="monitor run", kept=self.store.states)
            run = dataclasses.replace(run, notes=(*self.notes, *run.notes))
            return Watched(run, deliveries=tuple(self.sent(now) if send else ()))
        before = self.store.states.latest([name], before=first).get(name) if windows and first > windows[0][0].start else None
        memory = Memory.parse(before[1]) if before else Memory()
        start = next((at for at, (span, _) in enumerate(windows) if before is not None and span.start > before[0]), 0)
        old = {each.id: each.state for each in self.store.incidents.find(monitor=name)}
        marks = self._marks()
        states: dict[tuple[str, int], bytes] = {}
        said: list[Said] = []
        rows = 0
        for at in range(start, len(windows)):
            span, window = windows[at]
            part = self._rows(span)
            rows += part.num_rows
            labelled = [(past, self._rows(cut)) for cut, past in windows[memory.matured : at + 1] if due(job, past, window)]
            memory, told = job.step(memory, window, part, labelled, behind=partial(self._behind, windows))
            for source_, true in marks.get(span.start, ()):
                memory = _judged(memory, source_, true)
            if len(windows) - at <= _RECENT or at % _SPARSE == 0:
                states[name, span.start] = memory.dump()
            said.append(told)
            if progress:
                progress("windows", 1)
        known = {str(each.id): each.cause for each in self.store.incidents.find(monitor=name) if (each.cause or "").startswith(CAUSED)}
        memory = caused(memory, known)   # windows that are computed again keep what was found of them
        run = reported(job, memory, said, rows=rows, seconds=time.perf_counter() - began, verb="monitor run", kept=self.store.states)
        run = dataclasses.replace(run, notes=(*self.notes, *run.notes))
        incidents = [each.incident for each in memory.cases]
        opened = tuple(each for each in incidents if each.page and each.id not in old)
        with self.store.transaction():
            self.store.states.drop(name, since=first)
            self.store.states.put(states)
            self.store.incidents.keep(name, incidents, complete=True)
            self.store.put(run, model=name, span=windows[-1][0].start if windows else None)
            if send:
                self.store.outbox.add({each.id: each.to_json() for each in self._messages(memory.cases, old)})
            self.ledger.settle(name, touched)
        deliveries = tuple(self.sent(now)) if send else tuple(self._messages(memory.cases, old))
        run, opened = self._explained(run, memory, windows, [each for each in incidents if each.id not in old], said, opened)
        return Watched(run, opened, deliveries)

    def _explained(self, run: Run, memory: Memory, windows: Sequence[tuple[Span, Window]], fresh: Sequence[Incident], said: Sequence[Said],
                   opened: tuple[Incident, ...]) -> tuple[Run, tuple[Incident, ...]]:
        """Return a run whose fresh incidents about the model say why, and keep that: after they were kept and sent, so that none waits."""
        causes, notes = paged(self.job, fresh, about(said), Stretch([each.start for _, each in windows],
                                                                     lambda number: self._rows(windows[number][0])))
        if not causes and not notes:
            return run, opened
        memory = caused(memory, causes)
        incidents = {each.incident.id: each.incident for each in memory.cases}
        run = dataclasses.replace(run, incidents=tuple(incidents.get(each.id, each) for each in run.incidents), notes=(*run.notes, *notes))
        with self.store.transaction():
            self.store.states.put({(self.name, windows[-1][0].start): memory.dump()})
            self.store.incidents.keep(self.name, list(incidents.values()), complete=True)
            self.store.put(run, model=self.name, span=windows[-1][0].start)
        return run, tuple(incidents.get(each.id, each) for each in opened)

    def _windows(self, until: dt.datetime | None, now: float) -> list[tuple[Span, Window]]:
        """Return every window from the first with rows to the last, or to ``until``, those without rows between them.

        Windows of time that stand apart from the others are left out, with a note.
        """
        counted = self.ledger.spans(self.name)
        spans = list(counted)
        cadence = self.job.settings.window
        if cadence.kind != "time":
            full = [each for each, rows in self.ledger.spans(self.name).items() if cadence.kind == "file" or rows == cadence.rows]
            return [(each, timed(self.job, self._rows(each), place)) for place, each in enumerate(full)]
        if not spans:
            return []
        judged = near([each.start for each in spans], cadence.time, now)
        self.notes += apart(spans, list(counted.values()), judged)
        spans = spans[judged]
        found: list[tuple[Span, Window]] = []
        start, last = cadence.start(moment(spans[0].start)), max(spans[-1].start, micros(until) if until else 0)
        while micros(start) <= last:
            end = cadence.end(start)
            if until is None or micros(end) <= micros(until) or micros(start) <= spans[-1].start:
                found.append((Span(micros(start), micros(end), start.isoformat()), Window(start.isoformat(), end.isoformat(), len(found))))
            start = end
        return found

    def _behind(self, windows: Sequence[tuple[Span, Window]], now: Window, over: dt.timedelta,
                delay: dt.timedelta | None) -> pa.Table | None:
        """Return the rows of a stretch of time up to a window."""
        chosen = passed([each for _, each in windows], now, over, delay)
        parts = [part for each in chosen if (part := self._rows(windows[each.number][0])).num_rows]
        return pa.concat_tables(parts, promote_options="permissive") if parts else None

    def _rows(self, span: Span) -> pa.Table:
        found = self.ledger.rows(self.name, span)
        batches = list(found.batches())
        table = pa.Table.from_batches(batches) if batches else found.schema.arrow.empty_table()
        self.job.prepare(found, table.schema)
        return table

    def _marks(self) -> dict[int, list[tuple[str | None, bool]]]:
        """Return what people said of pages, by the window after which they said it: of each incident the last word."""
        last: dict[str, tuple[int, str | None, str]] = {}
        for each in self.store.decisions.find(f"monitor {self.name}", most=100_000):
            body = json.loads(each.note or "{}")
            last.pop(str(body["incident"]), None)
            last[str(body["incident"])] = int(body["span"]), body.get("source"), each.decision
        found: dict[int, list[tuple[str | None, bool]]] = {}
        for span, source_, said in last.values():
            if said != "reopened":
                found.setdefault(span, []).append((source_, said != "false"))
        return found

    def said(self, incident: Incident, what: Mark, *, by: str | None) -> None:
        """Learn from a person's word; a word that replaces an earlier one is as if it had come in its place."""
        reached = self.store.states.latest([self.name]).get(self.name)
        if reached is None or not incident.page:
            return
        subject = f"monitor {self.name}"
        bodies = [json.loads(each.note or "{}") for each in self.store.decisions.find(subject, most=100_000)]
        earlier = [int(each["span"]) for each in bodies if each["incident"] == incident.id]
        if what == "reopened" and not earlier:
            return
        with self.store.transaction():
            body = json.dumps({"span": reached[0], "source": incident.source, "incident": incident.id})
            self.store.decisions.put(subject, what, by=by, note=body)
            if earlier:
                self.store.states.drop(self.name, since=min(earlier))   # what follows the earlier word is computed anew
            else:
                memory = _judged(Memory.parse(reached[1]), incident.source, what != "false")
                self.store.states.put({(self.name, reached[0]): memory.dump()})
        if earlier:
            self.advanced(send=False, now=time.time())

    def _messages(self, cases: Iterable[Case], old: Mapping[str | None, str | None]) -> list[Delivery]:
        """Return the messages that incidents are worth: a page when it opens and when it is over, a ticket to those who asked for it."""
        found = []
        for case in cases:
            each = case.incident
            opened = each.id not in old
            over = each.state == "resolved" and old.get(each.id) in ("open", "acknowledged") and each.page
            if not (opened or over):
                continue
            severity: Severity = "resolved" if over and not opened else "page" if each.page else "ticket"
            said = [each.sentence, f"Effect: {each.effect}" if each.effect else "", f"Next: {each.hint}" if each.hint else "",
                    f"Since {each.first_seen}, {each.last_seen} at the latest; incident {each.id} of {self.name}"]
            title = f"assay, {self.name}: {severity}: {each.sentence[:120]}"
            message = Message(f"{each.id}-{severity}", title, "\n".join(filter(None, said)), severity, each.to_json())
            found += [Delivery(message, target.id, target.label) for target in self._targets(case, severity)]
        return found

    def _targets(self, case: Case, severity: Severity) -> list[Target]:
        """Return whom an incident is worth telling: who is told of pages, the sources' own, and the routes that fit."""
        settings = self.job.settings
        homes = {self.job.home(each) for each in (*case.sources, case.incident.source) if each}
        feeds = [feed for name, feed in settings.sources.items() if name in homes]
        urls = list(settings.notify) if severity != "ticket" else []
        urls += [url for feed in feeds for url in feed.notify] if severity != "ticket" else []
        kind = "page" if severity == "resolved" else severity
        owners = {feed.owner for feed in feeds}
        for each in settings.routes:
            fits = (each.source is None or each.source in homes, each.owner is None or each.owner in owners, each.severity in (None, kind))
            urls += each.notify if all(fits) else ()
        return targets(dict.fromkeys(urls), where=str(self.job.config.path))

    def sent(self, now: float) -> list[Delivery]:
        """Try every message that is due, and return what became of each."""
        settings = self.job.settings
        every = [*settings.notify, *(url for feed in settings.sources.values() for url in feed.notify)]
        every += [url for route in settings.routes for url in route.notify]
        known = {each.id: each for each in targets(dict.fromkeys(every), where=str(self.job.config.path))}
        secret = os.environ.get(settings.secret, "").encode() if settings.secret else None
        if settings.secret and not secret:
            raise ConfigError(f"the environment has no {settings.secret}", where=str(self.job.config.path),
                              expected="the secret of the webhooks", hint="messages wait and are sent by the next run")
        found = []
        for id_, body in self.store.outbox.claim(now).items():
            tried = attempted(Delivery.from_json(body), known, now=now, secret=secret)
            self.store.outbox.update({id_: tried.to_json()})
            found.append(tried)
        return found


def _judged(memory: Memory, source_: str | None, true: bool) -> Memory:
    """Return the memory after a person said whether the last page of a source (of all that broke together) was worth it."""
    if source_ == PAIR:
        return dataclasses.replace(memory, pairs=memory.pairs.judged(true))
    if source_ == VERSIONS:
        return dataclasses.replace(memory, versions=memory.versions.judged(true))
    for each in [source_] if source_ is not None else list(memory.watch.charged):
        memory = dataclasses.replace(memory, watch=memory.watch.judged(each, true))
    return memory


def _fate(arrival: Arrival, what: str) -> list[str]:
    """Return what became of a delivery where that is not what one expects."""
    def many(count: int) -> str:
        return f"{count:,} {what}{'s' if count != 1 else ''}"

    if arrival.again:
        return [f"{arrival.name} was here before, with the same content: nothing changes"]
    said = {f"{arrival.name} holds no {what}s": not arrival.rows,
            f"{many(arrival.untimed)} of {arrival.rows:,} without a time: in no window": arrival.untimed,
            f"{many(arrival.repeated)} of {arrival.rows:,} with an id that came again in the delivery: the last counts": arrival.repeated,
            f"{many(arrival.waiting)} of {arrival.rows:,} with the id of no row so far: kept until it comes": arrival.waiting}
    return [words for words, true in said.items() if true]


def about(said: Iterable[Said]) -> dict[str, int]:
    """Return the number of the window that each incident was opened about: of a promise, the one whose labels had come."""
    return {str(each.id): (told.judged or told.window).number if each.kind in ("harm", "concept") else told.window.number
            for told in said for each in told.opened}


def caused(memory: Memory, causes: Mapping[str, str | None]) -> Memory:
    """Return the memory with the causes of incidents that have none."""
    cases = tuple(dataclasses.replace(each, incident=dataclasses.replace(each.incident, cause=each.incident.cause or causes.get(name)))
                  for each in memory.cases for name in [each.incident.id or ""])
    return dataclasses.replace(memory, cases=cases)
