"""Watch a model in production: ``replay`` a history, ``run`` one new delivery, take late ``labels``, tell the ``status``.

A delivery is cut into windows; each window is described once, judged by rules, by evidence and against what was promised of the model,
and what is said becomes incidents. All of it is a function of the rows: a window whose rows or labels come late is computed again, with
all that follow, and gives what it would have given in time. The doors in ``assay.app`` and users import it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assay.errors import AssayError, ConfigError, DataError, EmptyDataError, SignatureError
from assay.monitor.setting import duration
from assay.result import Incident, Run
from assay.store import Note
from assay.store.incident import Mark
from assay.verbs.config import Config, read
from assay.verbs.explain.cause import Stretch, paged
from assay.verbs.monitor.account import reported
from assay.verbs.monitor.gauge import otlp, prometheus
from assay.verbs.monitor.held import Held, due
from assay.verbs.monitor.live import Live, Watched, about, caused
from assay.verbs.monitor.stream import Job, Memory, Progress

__all__ = ["Watched", "forget", "labels", "mark", "note", "otlp", "prometheus", "repeat", "replay", "run", "status"]


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
    causes, notes = paged(job, [each.incident for each in reversed(memory.cases)], about(said),
                          Stretch([each.start for each in held.windows], lambda number: held.parts[number]))
    memory = caused(memory, causes)
    run = reported(job, memory, said, rows=held.rows, seconds=time.perf_counter() - began, verb="monitor replay")
    return dataclasses.replace(run, notes=(*held.notes, *silent, *run.notes, *notes))


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


def _told(note: Note) -> str:
    place = f"{note.source}, column {note.column}" if note.column else note.source
    return f"{place}: " + ", ".join(part for part in (f"owner {note.owner}" if note.owner else "", note.meaning, note.text) if part)
