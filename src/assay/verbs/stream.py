"""A stream, window by window: what is watched, what each window says, and what is remembered; the working part of ``assay monitor``.

``Job`` is what stays the same (settings, roles, model), ``Memory`` what changes, ``Job.step`` takes the one from window to window,
``Held`` cuts a table into windows, ``reported`` makes a run of what was said. Only ``assay.verbs.monitor`` imports it.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.check.expression import Check
from assay.data.source import Source, source
from assay.engine import Plan
from assay.engine import run as engine
from assay.errors import ColumnTypeError, ConfigError, EmptyDataError, SummaryError
from assay.model import guard
from assay.model.load import load
from assay.model.model import Model
from assay.monitor import harm
from assay.monitor.baseline import Season
from assay.monitor.budget import Budget
from assay.monitor.evidence import Tuning
from assay.monitor.incident import Alert, Case, Window, advanced
from assay.monitor.place import place
from assay.monitor.reading import Table, needs
from assay.monitor.setting import Settings
from assay.monitor.watch import Report, Watch
from assay.monitor.watch import advanced as watched
from assay.result import Cost, Figure, Incident, Run, Value, Verdict
from assay.summary.vector import kind_of
from assay.verbs.check import check
from assay.verbs.config import Config

__all__ = ["Held", "Job", "Memory", "Progress", "Said", "due", "micros", "moment", "reported", "timed"]

DATA, MODEL = "data", "model"       # the sources of columns that no feed is named for, and of what the model answers
SCORE, ANSWER = "assay score", "assay prediction"
_HARM = 0.25                        # of the budget, where something was promised
_QUIET_ROLES = ("label", "id", "entity", "timestamp", "weight", "query", "horizon", "ignored")
_DAY = dt.timedelta(days=1)
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Memory:
    """All that is remembered after a window, as plain state: ``dump`` and ``parse`` are its bytes.

    ``windows`` counts those that were judged, ``matured`` those whose labels were due.
    """

    watch: Watch = field(default_factory=Watch)
    cases: tuple[Case, ...] = ()
    harm: Mapping[str, float] = field(default_factory=dict)
    windows: int = 0
    matured: int = 0
    harmed: int = 0

    def dump(self) -> bytes:
        """Return the memory as bytes, the same for the same memory."""
        plain = {"watch": base64.b64encode(self.watch.dump()).decode(), "cases": [each.to_json() for each in self.cases],
                 "harm": dict(self.harm), "windows": self.windows, "matured": self.matured, "harmed": self.harmed}
        return zlib.compress(json.dumps(plain, separators=(",", ":"), sort_keys=True).encode(), 1)

    @classmethod
    def parse(cls, data: bytes) -> Memory:
        """Return the memory that :meth:`dump` wrote; raises ``SummaryError`` for anything else."""
        try:
            plain = json.loads(zlib.decompress(data))
            counts = [int(plain[each]) for each in ("windows", "matured", "harmed")]
            return cls(Watch.parse(base64.b64decode(plain["watch"])), tuple(map(Case.from_json, plain["cases"])),
                       {str(key): float(each) for key, each in plain["harm"].items()}, *counts)
        except (zlib.error, ValueError, LookupError, TypeError, AttributeError) as error:
            raise SummaryError(f"the bytes are no memory of a monitor ({type(error).__name__})") from error


@dataclass(frozen=True)
class Said:
    """What one window said: its report by layer, the verdicts on what was promised, and what opened."""

    window: Window
    report: Report
    verdicts: tuple[Verdict, ...] = ()
    values: tuple[Value, ...] = ()
    judged: Window | None = None     # the window that the verdicts speak of
    opened: tuple[Incident, ...] = ()


class Job:
    """What stays the same from window to window: settings, roles, the model, and which summaries of which columns are wanted."""

    def __init__(self, config: Config, *, trust: bool = False, name: str | None = None):
        self.config = config
        self.settings: Settings = config.monitor or Settings()
        self.roles = dict(config.columns)
        self.name = name or config.path.stem
        self.model: Model | None = load(config.location(config.model), trust=trust, task=config.task, classes=config.classes,
                                        features=config.features) if config.model else None
        window = self.settings.window
        self.length = window.time if window.kind == "time" else _DAY
        allowed = self.settings.false_pages.per(self.length) * self.settings.weight
        self.promises = self.settings.promises or tuple(each for each in config.checks if isinstance(each, Check) and not each.relative)
        share = _HARM if self.promises else 0.0
        self.budget = Budget(allowed * (1 - share))
        self.cost = 1 / (allowed * share) if share else float("inf")
        self.tuning = Tuning(learning=self.settings.learning)
        self.kinds: dict[str, dict[str, str]] = {}

    def opened(self, data: Any) -> pa.Table:
        """Return a delivery as one table, with what the model answers beside it where the data do not say."""
        found = source(data, where=self.config.where, sql=self.config.sql, types=self.config.types, **self.there(data))
        batches = list(found.batches())
        table = pa.Table.from_batches(batches) if batches else found.schema.arrow.empty_table()
        schema = found.schema
        if self.model is not None and not (schema.prediction or schema.score):
            for name, column in self._answers(table).items():
                table = table.append_column(name, column)
        self.prepare(found, table)
        return table

    def there(self, data: Any) -> dict[str, Any]:
        """Return the roles whose columns a delivery has: labels come late."""
        names = set(source(data, types=self.config.types, sql=self.config.sql).schema.names)
        found = {}
        for role, columns in self.roles.items():
            listing = [columns] if isinstance(columns, str) else list(columns)
            there = [name for name in listing if name in names]
            if there and (role in ("label", "ignored", "protected", "forbidden") or len(there) == len(listing)):
                found[role] = columns if len(there) == len(listing) else there
            elif role not in ("label", "ignored", "protected", "forbidden", "available_at"):
                found[role] = columns  # told as missing, with the nearest name
        return found

    def _answers(self, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        """Return what the model answers for every row, as columns that stand for logged predictions."""
        assert self.model is not None
        made: dict[str, list[pa.Array]] = {}
        for batch in table.to_batches(max_chunksize=131_072):
            answer = guard.answer(self.model, batch)
            if answer.value is not None:
                made.setdefault(ANSWER, []).append(pa.array(answer.value))
                continue
            if answer.score is not None:
                parts = answer.score[:, 1:] if answer.score.shape[1] == 2 and self.model.signature.task == "binary" else answer.score
                for place in range(parts.shape[1]):
                    name = SCORE if parts.shape[1] == 1 else f"{SCORE} {place}"
                    made.setdefault(name, []).append(pa.array(np.ascontiguousarray(parts[:, place])))
            elif answer.prediction is not None and answer.classes:
                made.setdefault(ANSWER, []).append(pa.array([answer.classes[each] for each in answer.prediction.tolist()]))
        return {name: pa.chunked_array(parts) for name, parts in made.items()}

    def prepare(self, found: Source, table: pa.Table) -> None:
        """Decide which columns of which source are watched, the first time that they are seen."""
        schema, apart = found.schema, set()
        for role in _QUIET_ROLES:
            columns = self.roles.get(role)
            apart |= {columns} if isinstance(columns, str) else set(columns or ())
        feeds = {column: name for name, feed in self.settings.sources.items() for column in feed.columns}
        outputs = {*schema.score, *([schema.prediction] if schema.prediction else []), ANSWER}
        for each in table.schema:
            if each.name in apart and each.name not in feeds:
                continue
            kind = kind_of(each.type)
            home = MODEL if each.name in outputs or each.name.startswith(SCORE) else feeds.get(each.name, DATA)
            if kind in ("number", "category") and not any(each.name in some for some in self.kinds.values()):
                self.kinds.setdefault(home, {})[each.name] = kind
        if not self.kinds:
            raise ConfigError("no column is left to watch", where=found.name, expected="features besides label, id and time")

    def tables(self, rows: pa.Table) -> list[Table]:
        """Return what each source brought in the rows of a window."""
        kinds = {name: kind for some in self.kinds.values() for name, kind in some.items() if name in rows.column_names}
        types = {name: _type(rows.schema.field(name).type) for name in kinds}
        if not rows.num_rows:
            return [Table(home, 0, {}) for home in self.kinds]
        keyed = {name: feed.key for name, feed in self.settings.sources.items() if feed.key and set(feed.key) <= set(rows.column_names)}
        wanted = [(need, None) for need in needs({name: "category" if kind == "category" else "number" for name, kind in kinds.items()})]
        profile = engine(Plan.of(wanted), source(rows.select(list(kinds))), workers=1)
        found = []
        for home, columns in self.kinds.items():
            table = Table.of(profile, home, [name for name in columns if name in kinds], types=types)
            if home in keyed:
                keys = rows.select(list(keyed[home])).group_by(list(keyed[home])).aggregate([]).num_rows
                table = dataclasses.replace(table, keys=keys)
            found.append(table)
        return found

    def season(self, window: Window) -> Season:
        """Return where a window stands in the week and the day."""
        if self.settings.window.kind != "time":
            return Season()
        start = dt.datetime.fromisoformat(window.start)
        if self.length < _DAY:
            return Season.hourly(start.weekday(), start.hour, days=self.length / _DAY)
        return Season.daily(start.weekday()) if self.length == _DAY else Season((), (), self.length / _DAY)

    def resting(self, window: Window) -> list[str]:
        """Return the sources that have a holiday in a window: all, on the days that the user names."""
        day = window.start[:10]
        return [*self.kinds] if day in self.settings.holidays else []

    def judged(self, rows: pa.Table, checks: Sequence[Check]) -> tuple[tuple[Verdict, ...], tuple[Value, ...]]:
        """Return the verdicts and values of checks on the rows of a window, with the answers that stand beside them."""
        labels = self.roles.get("label")
        names = [labels] if isinstance(labels, str) else list(labels or ())
        if not rows.num_rows or (names and not any(name in rows.column_names and rows[name].null_count < rows.num_rows for name in names)):
            return (), ()
        config, roles = self.config, self.there(rows)
        task, classes = config.task, config.classes
        scores = [name for name in rows.column_names if name.startswith(SCORE)]
        if self.model is not None and (scores or ANSWER in rows.column_names):
            roles |= {"score": scores} if scores else {"prediction": ANSWER}
            task, classes = self.model.signature.task, self.model.signature.classes
        run = check(None, rows, checks=checks, positive=config.positive, threshold=config.threshold, task=task, classes=classes, **roles)
        return run.verdicts, run.values

    def step(self, memory: Memory, window: Window, rows: pa.Table, labelled: Sequence[tuple[Window, pa.Table]] = ()) -> tuple[Memory, Said]:
        """Return the memory after a window, and what it said; ``labelled`` are earlier windows whose labels are to be judged now."""
        watch, report = watched(memory.watch, self.tables(rows), budget=self.budget, season=self.season(window),
                                resting=self.resting(window), tuning=self.tuning)
        alerts = [self._placed(each, rows) for each in report.alerts if each.columns]
        # what is said of no column is said of the delivery, which all sources share: once
        shared = {each.what: each for each in sorted(report.alerts, key=lambda each: each.page) if not each.columns}
        alerts += [dataclasses.replace(each, source=DATA, group="rows") for each in shared.values()]
        evidence, harmed = dict(memory.harm), memory.harmed
        verdicts: list[Verdict] = []
        values: list[Value] = []
        for past, late in labelled:
            told, seen = self.judged(late, self.promises)
            verdicts, values = [*verdicts, *told], [*values, *seen]
            kept = [each for promise in self.promises
                    for each in harm.promises(promise, [one for one in told if one.check in (str(promise), promise.text)])]
            evidence, found = harm.step(evidence, kept, self.cost)
            if found.page:
                harmed += 1
                words = "; ".join(each.sentence for each in found.broken[:2]) or "what was promised is not kept"
                alerts.append(Alert("harm", MODEL, f"{words} ({past.start[:10]})", page=True, evidence=found.evidence,
                                    slices=tuple(each.value.slice for each in found.broken if each.value and each.value.slice)))
            elif any(each.verdict == "fail" for each in told) and any(each.open and each.incident.kind == "harm" for each in memory.cases):
                worst = next(each for each in told if each.verdict == "fail")
                alerts.append(Alert("harm", MODEL, worst.sentence))
        if self.settings.thresholds:
            alerts += [Alert("threshold", self._home(each), each.sentence, page=True)
                       for each in self.judged(rows, self.settings.thresholds)[0] if each.verdict == "fail"]
        known = {each.incident.id for each in memory.cases}
        cases = advanced(memory.cases, alerts, window, model=self.name)
        opened = tuple(each.incident for each in cases if each.incident.id not in known)
        after = Memory(watch, tuple(cases), evidence, memory.windows + 1, memory.matured + len(labelled), harmed)
        return after, Said(window, report, tuple(verdicts), tuple(values), labelled[-1][0] if labelled else None, opened)

    def _home(self, verdict: Verdict) -> str:
        column = verdict.value.column if verdict.value else None
        return next((home for home, columns in self.kinds.items() if column in columns), MODEL)

    def _placed(self, alert: Alert, rows: pa.Table) -> Alert:
        """Say where in the rows values are missing, for an alert that pages."""
        columns = [name for name in alert.columns if name in rows.column_names and rows[name].null_count]
        if not (alert.page and columns and any(word in alert.what for word in ("missing", "lost", "no value"))):
            return alert
        empty = np.asarray(rows[columns[0]].is_null().to_numpy(zero_copy_only=False), np.bool_)
        apart = {*alert.columns, ANSWER, self.roles.get("id"), self.roles.get("entity"), self.roles.get("label")}
        by = [each.name for each in rows.schema if each.name not in apart and kind_of(each.type) == "category"]
        found = place(empty, rows, time=self.roles.get("timestamp"), by=by)
        return dataclasses.replace(alert, place=str(found), share=found.share)


def _type(kind: pa.DataType) -> str:
    """Return a type as people call it: encodings and widths are none of their business."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    names = ((pa.types.is_boolean, "truth"), (pa.types.is_integer, "number"), (pa.types.is_floating, "number"),
             (pa.types.is_decimal, "number"), (pa.types.is_temporal, "time"), (pa.types.is_null, "missing"))
    return next((name for test, name in names if test(kind)), "text")


class Held:
    """The windows of a table that is at hand, in the order of time."""

    def __init__(self, job: Job, table: pa.Table):
        self.job = job
        cadence = job.settings.window
        if cadence.kind == "rows":
            size = cadence.rows
            whole = table.num_rows // size
            self.parts = [table.slice(place * size, size) for place in range(whole)]
            self.windows = [timed(job, part, place) for place, part in enumerate(self.parts)]
            return
        name = job.roles.get("timestamp")
        if name is None:
            raise ConfigError("windows of time need the column that holds the time", where=str(job.config.path),
                              expected="columns: {timestamp: COLUMN}", hint="or monitor: {window: 1000 rows}")
        moments = _instants(table[name], name)
        known = np.flatnonzero(moments != _NEVER)
        if not len(known):
            raise EmptyDataError(f"the column '{name}' holds no time", expected="at least one")
        order = known[np.argsort(moments[known], kind="stable")]
        table, moments = table.take(pa.array(order)), moments[order]
        self.parts, self.windows = [], []
        start = cadence.start(moment(int(moments[0])))
        last = moment(int(moments[-1]))
        while start.astimezone(dt.UTC) <= last:
            end = cadence.end(start)
            low, high = (int(np.searchsorted(moments, micros(each))) for each in (start, end))
            self.windows.append(Window(start.isoformat(), end.isoformat(), len(self.windows)))
            self.parts.append(table.slice(low, high - low))
            start = end


def timed(job: Job, rows: pa.Table, number: int) -> Window:
    """Return a window of rows or of a file, from its first to its last time."""
    name = job.roles.get("timestamp")
    if name is None or name not in rows.column_names:
        raise ConfigError("incidents have a time, and no column holds one", where=str(job.config.path),
                          expected="columns: {timestamp: COLUMN}")
    moments = _instants(rows[name], name)
    known = moments[moments != _NEVER]
    if not len(known):
        raise EmptyDataError(f"the column '{name}' holds no time", expected="at least one in a window")
    return Window(moment(int(known.min())).isoformat(), moment(int(known.max())).isoformat(), number)


_NEVER = np.iinfo(np.int64).min
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment(micros: int) -> dt.datetime:
    """Return the instant that is so many microseconds after 1970 began, in UTC."""
    return _EPOCH + dt.timedelta(microseconds=micros)


def micros(moment: dt.datetime) -> int:
    """Return the microseconds from 1970 to an instant with a zone."""
    return (moment.astimezone(dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)


def _instants(column: pa.ChunkedArray, name: str) -> np.ndarray[Any, Any]:
    """Return a column of times as microseconds since 1970 in UTC; times without a zone are UTC."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        try:
            column = pc.cast(column.cast(pa.string()), pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            raise ColumnTypeError(f"the column '{name}' holds texts that are no times", expected="times such as 2026-03-01T12:00:00",
                                  hint=f"types: {{{name}: timestamp}}") from error
    elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise ColumnTypeError(f"the column '{name}' is of type {kind}", expected="times or dates")
    zone = getattr(column.type, "tz", None)
    micros = column.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
    return np.asarray(micros.fill_null(int(_NEVER)).to_numpy())


def due(job: Job, past: Window, now: Window) -> bool:
    """Whether the labels of a window have come by the end of another."""
    if job.settings.window.kind != "time" or job.settings.label_delay is None:
        return past.number <= now.number
    return dt.datetime.fromisoformat(past.end) + job.settings.label_delay <= dt.datetime.fromisoformat(now.end)


def reported(job: Job, memory: Memory, said: Sequence[Said], *, rows: int, seconds: float, verb: str) -> Run:
    """Return a run of what windows said, with the incidents as they stand."""
    incidents = tuple(each.incident for each in sorted(memory.cases, key=lambda each: (each.opened, each.incident.id or "")))
    allowed = job.settings.false_pages
    pages = [each for each in incidents if each.page]
    learned = said[-1].report.learned if said else memory.windows
    notes = [f"budget: {allowed}; {len(pages)} pages in {memory.windows} windows, {len(incidents) - len(pages)} tickets"]
    moved = [f"{each.stream} ({each.z:+.1f} sd)" for each in (said[-1].report.outcome.listed[:5] if said else ()) if each.stream.column]
    if moved:
        notes.append(f"moved in the last window, and not worth a page by itself: {', '.join(moved)}")
    if learned < job.settings.learning:
        notes.append(f"learning: {learned} of {job.settings.learning} windows; until then only broken data page")
    last = said[-1] if said else None
    figures = list(_figures(said))
    span = [each[:16].replace("T", " ") for each in (said[0].window.start, said[-1].window.end)] if said else [None, None]
    about = {"windows": memory.windows, "from": span[0], "to": span[1],
             "budget": str(allowed), "pages": len(pages)}
    return Run(verb, last.values if last else (), last.verdicts if last else (), incidents=incidents, notes=tuple(notes),
               figures=tuple(figures), about={name: each for name, each in about.items() if each is not None},
               cost=Cost(round(seconds, 3), rows, rows if job.model is not None else 0))


def _figures(said: Sequence[Said]) -> Iterable[Figure]:
    """Return the promised metrics over time, with their intervals, and what moved in the last window without being worth a page."""
    lines: dict[str, list[tuple[int, Value]]] = {}
    for each in said:
        for value in each.values:
            if each.judged is not None and not value.slice and value.value is not None and value.column is None and value.against is None:
                lines.setdefault(value.name, []).append((each.judged.number + 1, value))
    for name, points in lines.items():
        if len(points) > 1:
            yield Figure(f"{name} over time", "line", f"{name} by window",
                         {"window": tuple(at for at, _ in points), name: tuple(value.value for _, value in points),
                          "low": tuple(value.low for _, value in points), "high": tuple(value.high for _, value in points),
                          "rows": tuple(value.n for _, value in points)},
                         x="window", y=(name,), low=("low",), high=("high",), aspect="performance",
                         sentence=f"window 1 begins {said[0].window.start[:16].replace('T', ' ')}")
    if not said:
        return
    last = said[-1].report.outcome
    for title, moved, sentence in (("What moved in the last window", last.listed, "of a list like this one in twenty moved by chance"),
                                   ("What has left its place for good", last.drifted, "weeks against the first eight")):
        shown = [each for each in moved if not each.stream.statistic.startswith("common")]
        if shown:
            yield Figure(title, "bars", title, {"stream": tuple(f"{each.stream.source}: {each.stream}" for each in shown),
                                               "standard deviations": tuple(round(each.z, 2) for each in shown)},
                         x="stream", y=("standard deviations",), aspect="drift", sentence=sentence)
