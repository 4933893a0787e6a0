"""Watch a model in production: ``replay`` a history, ``run`` one new delivery, take late ``labels``, tell the ``status``.

A delivery is cut into windows; each window is described once, judged by rules, by evidence and against what was promised of the model,
and what is said becomes incidents. All of it is a function of the rows: a window whose rows or labels come late is computed again, with
all that follow, and gives what it would have given in time. The doors in ``assay.app`` and users import it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa

from assay.data.source import source
from assay.errors import AssayError, ConfigError, DataError, EmptyDataError, SignatureError
from assay.monitor.delivery import Delivery, Message, Severity, Target, attempted, targets
from assay.monitor.disagreement import PAIR
from assay.monitor.incident import Case, Window
from assay.monitor.setting import duration
from assay.monitor.version import VERSIONS
from assay.result import Incident, Run
from assay.store import Ledger, Note, Span, Store
from assay.store._manifest import Arrival
from assay.store.incident import Mark
from assay.verbs.config import Config, read
from assay.verbs.explain.cause import CAUSED, Stretch, paged
from assay.verbs.monitor.account import reported
from assay.verbs.monitor.held import Held, apart, due, micros, moment, near, passed, timed
from assay.verbs.monitor.stream import Job, Memory, Progress, Said

__all__ = ["Watched", "forget", "labels", "mark", "note", "otlp", "prometheus", "repeat", "replay", "run", "status"]

class Gauge(NamedTuple):
    """Where a monitor stands in one respect: a number for each set of labels; a ``counter`` only grows."""

    name: str
    counter: bool
    unit: str
    help: str
    samples: tuple[tuple[tuple[tuple[str, str], ...], float], ...]


_RECENT, _SPARSE = 60, 30   # windows whose memory is kept each, and of older ones one in so many


def replay(config: str | Path | Config, data: Any = None, *, trust: bool = False, progress: Progress | None = None) -> Run:
    """Return what the monitor would have said of a history, window by window, as one run with all its incidents.

    ``data`` is whatever ``assay.source`` takes (``data`` of the configuration, where it is None), in any order. Nothing is stored or
    sent. Labels are judged when they would have come: ``label_delay`` after a window's end. Rows without a time are left out.

    Raises ``AssayError`` for what cannot be read or is misspelt.
    """
    began = time.perf_counter()
    config = config if isinstance(config, Config) else read(config)
    job = Job(config, trust=trust)
    given = data if data is not None else config.location(config.data)
    if given is None:
        raise ConfigError("there are no data to replay", where=str(config.path), expected="data", hint="--data history.parquet")
    held = Held(job, [job.opened(each) for each in (_files(given) if job.settings.window.kind == "file" else [given])])
    silent = [f"the shadow did not answer for rows of the history: {job.pair.failed}"] if job.pair is not None and job.pair.failed else []
    memory, said = Memory(), []
    waiting = list(range(len(held.windows)))
    for number, window in enumerate(held.windows):
        labelled = []
        while waiting and due(job, held.windows[waiting[0]], window):
            labelled.append((held.windows[waiting[0]], held.parts[waiting[0]]))
            waiting.pop(0)
        memory, told = job.step(memory, window, held.parts[number], labelled, behind=held.behind)
        said.append(told)
        if progress:
            progress("windows", 1)
    causes, notes = paged(job, [each.incident for each in reversed(memory.cases)], _about(said),
                          Stretch([each.start for each in held.windows], lambda number: held.parts[number]))
    memory = _caused(memory, causes)
    run = reported(job, memory, said, rows=held.rows, seconds=time.perf_counter() - began, verb="monitor replay")
    return dataclasses.replace(run, notes=(*held.notes, *silent, *run.notes, *notes))


def _about(said: Iterable[Said]) -> dict[str, int]:
    """Return the number of the window that each incident was opened about: of a promise, the one whose labels had come."""
    return {str(each.id): (told.judged or told.window).number if each.kind in ("harm", "concept") else told.window.number
            for told in said for each in told.opened}


def _caused(memory: Memory, causes: Mapping[str, str | None]) -> Memory:
    """Return the memory with the causes of incidents that have none."""
    cases = tuple(dataclasses.replace(each, incident=dataclasses.replace(each.incident, cause=each.incident.cause or causes.get(name)))
                  for each in memory.cases for name in [each.incident.id or ""])
    return dataclasses.replace(memory, cases=cases)


def _files(given: Any) -> list[Any]:
    """Return the deliveries that a folder, a pattern or a list names, in the order of their names; one that is none of these alone."""
    if isinstance(given, list | tuple):
        return list(given)
    place = Path(given) if isinstance(given, str | Path) and "://" not in str(given) else None
    if place is not None and place.is_dir():
        found = sorted(each for each in place.iterdir() if each.is_file() and not each.name.startswith("."))
    elif place is not None and any(each in place.name for each in "*?["):
        found = sorted(place.parent.glob(place.name))
    else:
        return [given]
    if not found:
        raise EmptyDataError("there are no files", where=str(given), expected="one file for each delivery")
    return [str(each) for each in found]


# live: a store of results, a ledger of rows, messages

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
        memory = _caused(memory, known)   # windows that are computed again keep what was found of them
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
        causes, notes = paged(self.job, fresh, _about(said), Stretch([each.start for _, each in windows],
                                                                     lambda number: self._rows(windows[number][0])))
        if not causes and not notes:
            return run, opened
        memory = _caused(memory, causes)
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


def run(config: str | Path | Config, data: Any = None, *, trust: bool = False, until: str | None = None, send: bool = True,
        now: float | None = None, name: str | None = None, progress: Progress | None = None) -> Watched:
    """Take in a delivery, judge every window that it touches and all that follow, keep what is found, and send what is worth sending.

    The same delivery again changes nothing. ``until`` (ISO 8601 with zone) also judges windows up to then in which nothing came.
    ``send=False`` sends nothing and keeps nothing to be sent. Without ``data``, windows that an interrupted run left are judged.

    Raises ``AssayError`` for what cannot be read; ``BusyError`` where another process advances this monitor.
    """
    moment, last = time.time() if now is None else now, _instant(until) if until else None
    with Live(config, trust=trust) as live, live.store.lease(f"monitor {live.name}", wait=60.0):
        if data is not None:
            live.delivered(data, name or (str(data) if isinstance(data, str | Path) else None))
        return live.advanced(until=last, send=send, now=moment, progress=progress)


def _instant(text: str) -> dt.datetime:
    """Return a time with its zone; raises ``ConfigError`` for anything else."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigError(f"'{text[:40]}' is no time with a zone", where="until", expected="ISO 8601 such as 2026-03-01T00:00:00+01:00")
    return found


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


def repeat(config: str | Path | Config, data: Any = None, *, every: str, wait: str | None = None, trust: bool = False, send: bool = True,
           rounds: int | None = None, told: Callable[[Watched | AssayError], None] | None = None) -> int:
    """Run again ``every`` so long (``15m``), until interrupted or for so many ``rounds``; return how many pages were opened.

    ``data`` is a folder, a pattern or a file: what is new or changed since the round before is taken in, then messages that wait are tried.
    ``wait`` says how long after its end a window may still get its first rows; then it is judged without (nothing came). ``told`` hears of
    each round, and of what went wrong in it: one bad file stops neither the others nor the rounds.
    """
    step, patience = duration(every).total_seconds(), duration(wait) if wait is not None else None
    seen: dict[str, tuple[int, int]] = {}
    opened, count = 0, 0
    while rounds is None or count < rounds:
        began, count = time.monotonic(), count + 1
        until = (dt.datetime.now(dt.UTC) - patience).isoformat() if patience is not None else None
        for each in [*_fresh(data, seen), None]:
            try:
                found = run(config, each, trust=trust, send=send, until=until if each is None else None)
                opened += len(found.opened)
                if told is not None and (each is not None or found.opened or found.deliveries):
                    told(found)
            except AssayError as error:
                if told is None:
                    raise
                if not isinstance(error, DataError | SignatureError):   # nothing that a file does anew would mend: try it again
                    seen.pop(str(each), None)
                told(error)
        if rounds is None or count < rounds:
            time.sleep(max(0.0, step - (time.monotonic() - began)))
    return opened


def _fresh(data: Any, seen: dict[str, tuple[int, int]]) -> list[Any]:
    """Return the files that are new or changed since ``seen``, which takes note of them."""
    found = []
    try:
        files = _files(data) if data is not None else []
    except EmptyDataError:   # none yet
        return []
    for each in files:
        path = Path(each) if isinstance(each, str | Path) and "://" not in str(each) else None
        mark = (path.stat().st_size, path.stat().st_mtime_ns) if path is not None and path.is_file() else (-1, -1)
        if mark == (-1, -1) or seen.get(str(each)) != mark:
            seen[str(each)] = mark
            found.append(each)
    return found


def labels(config: str | Path | Config, data: Any, *, trust: bool = False, send: bool = True, now: float | None = None,
           progress: Progress | None = None) -> Watched:
    """Join late labels by id, whenever they come, and judge again the windows that they belong to."""
    with Live(config, trust=trust) as live, live.store.lease(f"monitor {live.name}", wait=60.0):
        live.labelled(data)
        return live.advanced(send=send, now=time.time() if now is None else now, progress=progress)


def forget(config: str | Path | Config, *, ids: Sequence[Any] = (), entity: Any = None, trust: bool = False) -> int:
    """Delete rows by id, or all rows of an entity (a person), judge their windows anew, and return how many rows went."""
    with Live(config, trust=trust) as live, live.store.lease(f"monitor {live.name}", wait=60.0):
        arrival = live.ledger.forget(live.name, ids=ids, entity=entity)
        live.store.attributions.drop(ids=ids, entity=entity)
        live.advanced(send=False, now=time.time())
        return arrival.changed


def mark(config: str | Path | Config, incident: str, what: Mark, *, by: str | None = None, note: str | None = None,
         until: str | None = None, trust: bool = False) -> Incident:
    """Add a person's word to an incident and return it: ``acknowledged``, ``snoozed`` (until a time), ``false``, ``true``, ``reopened``.

    The monitor learns from it: what is ``false`` is expected from now on; what is ``true``, or acknowledged and not called false later,
    costs no budget. The last word on an incident counts, as if it had been the first; ``reopened`` takes it back.
    """
    with Live(config, trust=trust) as live, live.store.lease(f"monitor {live.name}", wait=60.0):
        live.store.incidents.mark(live.name, incident, what, by=by, note=note, until=until)
        found = next(each for each in live.store.incidents.find(monitor=live.name) if each.id == incident)
        if what != "snoozed":
            live.said(found, what, by=by)
        return found


def note(config: str | Path | Config, source: str, column: str | None = None, *, by: str | None = None, **fields: str | None) -> Note:
    """Write down what is known of a source or a column: ``owner``, ``meaning``, ``corrupted_since``, ``corrupted_until``, ``text``."""
    found = config if isinstance(config, Config) else read(config)
    with Live(dataclasses.replace(found, model=None)) as live:   # no model is needed to write, nor trust in one
        return live.store.notes.put(source, column, by=by, **fields)


def status(config: str | Path | Config, *, trust: bool = False) -> Run:
    """Return where a monitor stands, as a run: its incidents as people see them, the budget and what was spent, notes, unsent messages."""
    with Live(config, trust=trust) as live:
        reached = live.store.states.latest([live.name]).get(live.name)
        memory = Memory.parse(reached[1]) if reached else Memory()
        found = reported(live.job, memory, [], rows=0, seconds=0.0, verb="monitor status", kept=live.store.states)
        notes = [*found.notes]
        if reached is None:
            notes = ["nothing was delivered yet: assay monitor run brings the first window"]
        for account, layer in ((memory.watch.state.account, "evidence"), (memory.watch.account, "rules")):
            notes.append(f"{layer}: {account.paged} pages in {account.windows} windows, {account.confirmed} confirmed, {account.dismissed} "
                         f"dismissed, {account.withheld} withheld as the budget was spent")
        waiting, failed = (live.store.outbox.find(state) for state in ("pending", "failed"))
        notes += [f"{len(waiting)} messages wait to be sent"] if waiting else []
        notes += [f"not delivered to {each['label']}: {each['error']}" for each in failed.values()]
        notes += [each.warning or _told(each) for each in live.store.notes.find()]
        incidents = tuple(live.store.incidents.find(monitor=live.name))
        return dataclasses.replace(found, incidents=incidents, notes=tuple(notes))


def prometheus(config: str | Path | Config, *, trust: bool = False) -> str:
    """Return where a monitor stands in Prometheus' text format, for the textfile collector of its node exporter.

    Windows judged, the start of the last one, open incidents by source and severity, pages by layer, the budget, unsent messages.
    """
    lines = []
    for each in _gauges(config, trust=trust):
        name = f"{each.name}_{each.unit}" if each.unit == "seconds" else f"{each.name}_total" if each.counter else each.name
        lines += [f"# HELP assay_monitor_{name} {each.help}", f"# TYPE assay_monitor_{name} {'counter' if each.counter else 'gauge'}"]
        lines += [f"assay_monitor_{name}{{{','.join(f'{key}={_quoted(value)}' for key, value in labels_)}}} {number:g}"
                  for labels_, number in each.samples]
    return "\n".join(lines) + "\n"


def otlp(config: str | Path | Config, *, endpoint: str | None = None, reader: Any = None, trust: bool = False) -> None:
    """Send the same numbers over OpenTelemetry's protocol (OTLP over HTTP) to a collector.

    ``endpoint`` is the collector's address for metrics, ``http://localhost:4318/v1/metrics``; without, the variables that all of
    OpenTelemetry reads (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_EXPORTER_OTLP_HEADERS``) say it. ``reader`` is any reader of its SDK
    instead.

    Raises ``DeliveryError`` where the collector did not take it, ``MissingExtraError`` without the extra ``otel``.
    """
    from assay.verbs.monitor import _opentelemetry

    _opentelemetry.export(_gauges(config, trust=trust), version=Run("monitor").assay, endpoint=endpoint, reader=reader)


def _gauges(config: str | Path | Config, *, trust: bool) -> list[Gauge]:
    """Return where a monitor stands, as numbers for systems that watch systems."""
    with Live(config, trust=trust) as live:
        reached = live.store.states.latest([live.name]).get(live.name)
        memory = Memory.parse(reached[1]) if reached else Memory()
        own = {"monitor": live.name}
        counted: dict[tuple[str, str], int] = {}
        for each in live.store.incidents.find(monitor=live.name):
            if each.state in ("open", "acknowledged", "snoozed"):
                key = each.source or "several", "page" if each.page else "ticket"
                counted[key] = counted.get(key, 0) + 1
        accounts = {"evidence": memory.watch.state.account, "rules": memory.watch.account}
        layers = {**{layer: each.paged for layer, each in accounts.items()}, "harm": memory.harmed, "estimates": memory.guesses.pages}
        start = 0.0
        if reached is not None and live.job.settings.window.kind == "time":
            start = reached[0] / 1e6
        given: list[tuple[str, bool, str, str, list[tuple[dict[str, str], float]]]] = [
            ("windows", True, "", "Windows that were judged.", [(own, memory.windows)]),
            ("last_window_start", False, "seconds", "Start of the last window judged, of windows of time.", [(own, start)]),
            ("open_incidents", False, "", "Incidents that are open.",
             [({**own, "source": source, "severity": severity}, count) for (source, severity), count in sorted(counted.items())]),
            ("pages", True, "", "Pages that were opened, by what spoke; rules and evidence draw on the budget.",
             [({**own, "layer": layer}, count) for layer, count in layers.items()]),
            ("withheld_pages", True, "", "Pages that became tickets, as the budget was spent.",
             [({**own, "layer": layer}, each.withheld) for layer, each in accounts.items()]),
            ("false_pages_allowed", False, "", "False pages that one window may bring.",
             [(own, live.job.settings.false_pages.per(live.job.length))]),
            ("messages", False, "", "Messages that wait to be sent, or were given up.",
             [({**own, "state": state}, len(live.store.outbox.find(state))) for state in ("pending", "failed")]),
        ]
    return [Gauge(name, counter, unit, help_, tuple((tuple(labels_.items()), float(number)) for labels_, number in samples))
            for name, counter, unit, help_, samples in given]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _told(note: Note) -> str:
    place = f"{note.source}, column {note.column}" if note.column else note.source
    return f"{place}: " + ", ".join(part for part in (f"owner {note.owner}" if note.owner else "", note.meaning, note.text) if part)
