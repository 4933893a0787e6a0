"""A stream, window by window: what is watched, what each window says, and what is remembered; the working part of ``assay monitor``.

``Job`` is what stays the same (settings, roles, model), ``Memory`` what changes, ``Job.step`` takes the one from window to window;
``held`` cuts tables into windows; what was said becomes a run in ``account``. These and ``monitor`` import it.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from assay.check.expression import Check
from assay.data.source import Source, source
from assay.engine import Plan
from assay.engine import run as engine
from assay.errors import ConfigError, SummaryError, UnknownColumnError
from assay.metric import find
from assay.model.load import load
from assay.model.model import Model
from assay.monitor import harm
from assay.monitor.baseline import Season
from assay.monitor.budget import Budget
from assay.monitor.disagreement import Pairs, Told
from assay.monitor.evidence import Outcome, Tuning
from assay.monitor.guess import Guesses
from assay.monitor.harm import Standing
from assay.monitor.incident import Alert, Case, Window, advanced
from assay.monitor.place import place
from assay.monitor.reading import Stream, Table, needs
from assay.monitor.setting import Settings
from assay.monitor.suspicion import Suspicions
from assay.monitor.version import Judged, Versions
from assay.monitor.watch import Report, Watch
from assay.monitor.watch import advanced as watched
from assay.result import Incident, Value, Verdict
from assay.summary.vector import kind_of
from assay.verbs.check import check
from assay.verbs.config import Config
from assay.verbs.monitor import group, schedule
from assay.verbs.monitor.asked import ANSWER, OTHER, SCORE, Asked
from assay.verbs.monitor.content import Content
from assay.verbs.monitor.dependence import dependence
from assay.verbs.monitor.drift import Drift, distance, ranked, sketched
from assay.verbs.monitor.estimated import SHARE, Estimation
from assay.verbs.monitor.group import Seat
from assay.verbs.monitor.kept import Kept, mark, once
from assay.verbs.monitor.pair import PAIRED, Pair
from assay.verbs.monitor.suspect import SUSPECTED, Suspicion
from assay.verbs.monitor.version import Rivals
from assay.verbs.version import VERSION, versioned

__all__ = ["Job", "Memory", "Progress", "Said"]

DATA, MODEL = "data", "model"       # the sources of columns that no feed is named for, and of what the model answers
_HARM = 0.25                        # of the budget, where something was promised
_SCHEDULED = 0.1                    # of the budget, where checks look back over many windows
_LOOK = 0.05                        # chance of a false page that one look may have, however large the budget is
_QUIET_ROLES = ("label", "id", "entity", "timestamp", "weight", "query", "horizon", "ignored")
_DAY = dt.timedelta(days=1)
Progress = Callable[[str, int], None]
#: the rows of the windows in a stretch of time up to a window, as far as their labels have come; None where there are none
Behind = Callable[[Window, dt.timedelta, dt.timedelta | None], pa.Table | None]


class Moving(NamedTuple):
    """A statistic that left its place without being worth a page, by ``z`` standard deviations; ``lasting``: weeks against the first."""

    source: str
    column: str
    statistic: str
    z: float
    lasting: bool = False

    def __str__(self) -> str:
        return str(Stream(self.source, self.column, self.statistic))


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
    standing: Standing = field(default_factory=dict)
    seats: Mapping[str, Seat] = field(default_factory=dict)
    looks: Mapping[str, str] = field(default_factory=dict)              # by schedule, the end of the stretch that was looked at last
    crept: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # by what a schedule promised and does not hold: check, sentence
    moved: tuple[Moving, ...] = ()
    guesses: Guesses = field(default_factory=Guesses)
    pairs: Pairs = field(default_factory=Pairs)
    versions: Versions = field(default_factory=Versions)
    suspicions: Suspicions = field(default_factory=Suspicions)

    def dump(self) -> bytes:
        """Return the memory as bytes, the same for the same memory."""
        plain = {"watch": base64.b64encode(self.watch.dump()).decode(), "cases": [each.to_json() for each in self.cases],
                 "harm": dict(self.harm), "windows": self.windows, "matured": self.matured, "harmed": self.harmed,
                 "standing": {key: [list(one) for one in some] for key, some in self.standing.items()},
                 "seats": {name: [each.run, each.away] for name, each in self.seats.items()}, "looks": dict(self.looks),
                 "crept": {key: list(each) for key, each in self.crept.items()}, "moved": [list(each) for each in self.moved],
                 "guesses": self.guesses.to_json(), **({"pairs": self.pairs.to_json()} if self.pairs.who else {}),
                 **({"versions": self.versions.to_json()} if self.versions.windows else {}),
                 **({"suspicions": self.suspicions.to_json()} if self.suspicions.past else {})}
        return zlib.compress(json.dumps(plain, separators=(",", ":"), sort_keys=True).encode(), 1)

    @classmethod
    def parse(cls, data: bytes) -> Memory:
        """Return the memory that :meth:`dump` wrote; raises ``SummaryError`` for anything else."""
        try:
            plain = json.loads(zlib.decompress(data))
            return cls(Watch.parse(base64.b64decode(plain["watch"])), tuple(map(Case.from_json, plain["cases"])),
                       {str(key): float(each) for key, each in plain["harm"].items()},
                       int(plain["windows"]), int(plain["matured"]), int(plain["harmed"]),
                       {str(key): [[float(gap), float(n)] for gap, n in some] for key, some in plain.get("standing", {}).items()},
                       {str(name): Seat(int(run), int(away)) for name, (run, away) in plain.get("seats", {}).items()},
                       {str(key): str(each) for key, each in plain.get("looks", {}).items()},
                       {str(key): (str(check), str(words)) for key, (check, words) in plain.get("crept", {}).items()},
                       tuple(Moving(str(a), str(b), str(c), float(z), bool(good)) for a, b, c, z, good in plain.get("moved", ())),
                       Guesses.from_json(plain["guesses"]) if "guesses" in plain else Guesses(),
                       Pairs.from_json(plain["pairs"]) if "pairs" in plain else Pairs(),
                       Versions.from_json(plain["versions"]) if "versions" in plain else Versions(),
                       Suspicions.from_json(plain["suspicions"]) if "suspicions" in plain else Suspicions())
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
    paired: Told | None = None       # what it says of two models
    versions: Judged | None = None   # and of versions side by side


class Job:
    """What stays the same from window to window: settings, roles, the model, and which summaries of which columns are wanted."""

    def __init__(self, config: Config, *, trust: bool = False, name: str | None = None):
        self.config = config
        self.settings: Settings = config.monitor or Settings()
        self.roles = dict(config.columns)
        self.name = name or config.path.stem
        self.model: Model | None = load(config.location(config.model), trust=trust, task=config.task, classes=config.classes,
                                        features=config.features) if config.model else None
        self.by = tuple(each.strip() for each in self.settings.by.split(" * ")) if self.settings.by is not None else ()
        self.pair = Pair.of(self, trust=trust)   # which of two models is in production: before all that asks it
        self.rivals, self.suspicion = Rivals.of(self), Suspicion.of(self)
        window = self.settings.window
        self.length = window.time if window.kind == "time" else _DAY
        allowed = self.settings.false_pages.per(self.length) * self.settings.weight
        self.promises = self.settings.promises or tuple(each for each in config.checks if isinstance(each, Check) and not each.relative)
        share, looking = _HARM if self.promises else 0.0, _SCHEDULED if self.settings.scheduled else 0.0
        self.estimation = Estimation.of(config, self.settings, self.model, self.promises, self.answered, allowed)
        guessing = SHARE if self.estimation is not None else 0.0
        self.paired, self.rivalled = (allowed * PAIRED if each is not None else 0.0 for each in (self.pair, self.rivals))
        self.suspected = allowed * SUSPECTED if self.suspicion is not None else 0.0
        self.budget = Budget(allowed * (1 - share - looking - guessing) - self.paired - self.rivalled - self.suspected)
        self.cost = 1 / (allowed * share) if share else float("inf")
        self.looking = self.settings.weight * looking / max(1, len(self.settings.scheduled))
        self.tuning = Tuning(learning=self.settings.learning)
        self.kinds: dict[str, dict[str, str]] = {}
        self.content: Content | None = None
        self._depends: dict[str, float] | None = None
        self._sketch: dict[str, dict[str, Any]] | None = None

    def opened(self, data: Any) -> pa.Table:
        """Return a delivery as one table, with what the model answers beside it where the data do not say."""
        found = self.flow(data)
        batches = list(found.batches())
        return pa.Table.from_batches(batches) if batches else found.schema.arrow.empty_table()

    def flow(self, data: Any, *, ask: bool = True) -> Source:
        """Return a delivery as a source that is read in pieces, with what the model answers beside them where the data do not say."""
        found = source(data, where=self.config.where, sql=self.config.sql, types=self.config.types, **self.there(data))
        found = versioned(found, self.model)
        flowing: Source = found
        if ask and self.model is not None and not (found.schema.prediction or found.schema.score):
            flowing = source(Asked(found, self.model))
        if ask and self.pair is not None:
            flowing = self.pair.beside(flowing)
        self.prepare(found, flowing.schema.arrow)
        return flowing

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

    def prepare(self, found: Source, arrow: pa.Schema) -> None:
        """Decide which columns of which source are watched, the first time that they are seen."""
        schema, apart = found.schema, set()
        for role in _QUIET_ROLES:
            columns = self.roles.get(role)
            apart |= {columns} if isinstance(columns, str) else set(columns or ())
        feeds = {column: name for name, feed in self.settings.sources.items() for column in feed.columns}
        outputs = {*schema.score, *([schema.prediction] if schema.prediction else []), ANSWER}
        if self.rivals is not None:   # that its parts answer for other shares of rows is seen in the column by which it chooses
            apart.add(VERSION)
        if self.content is None:
            place = self.config.location(self.config.reference or self.config.train)
            self.content = Content.of(found, None if place is None else source(place, types=self.config.types))
        for each in arrow:
            if (each.name in apart and each.name not in feeds) or each.name in self.by or each.name.startswith(OTHER):
                continue
            home = MODEL if each.name in outputs or each.name.startswith(SCORE) else feeds.get(each.name, DATA)
            for part in self.content.watched(each):
                kind = kind_of(part.type)
                if kind in ("number", "category") and not any(part.name in some for some in self.kinds.values()):
                    self.kinds.setdefault(home, {})[part.name] = kind
        if not self.kinds:
            raise ConfigError("no column is left to watch", where=found.name, expected="features besides label, id and time")

    def called(self, home: str, part: str | None) -> str:
        """Return the name of a source in one group, as evidence, incidents and people know it; ``None`` where all rows are one group."""
        return home if part is None or self.settings.by is None else group.named(home, self.settings.by, part)

    def home(self, source: str | None) -> str:
        """Return the source of the configuration that a source of one group is part of."""
        return group.home(source or "", self.settings.by)

    def parts(self, memory: Memory, rows: pa.Table) -> tuple[dict[str | None, pa.Table], dict[str, Seat]]:
        """Return the rows of a window by group, and the seats after it; one group called None where none is asked for."""
        by = self.settings.by
        if by is None:
            return {None: rows}, {}
        for each in self.by:
            if each not in rows.column_names:
                raise UnknownColumnError.among(each, rows.column_names, where=f"{self.config.path}, monitor: by")
        if len(self.by) > 1:
            rows = rows.append_column(by, group.crossed(rows, self.by))
        parts, seats = group.divided(rows, by, memory.seats, size=self.settings.by_rows)
        return cast(dict[str | None, pa.Table], parts), seats

    def weights(self, parts: Iterable[str | None]) -> dict[str, float] | None:
        """Return the part of the budget that each source has in each group: a source as much as without groups."""
        known = list(parts)
        return {self.called(home, part): 1 / len(known) for home in self.kinds for part in known} if self.settings.by is not None else None

    def tables(self, rows: pa.Table, part: str | None = None) -> list[Table]:
        """Return what each source brought in the rows of a window, or of one group in it."""
        content = self.content or Content()
        kinds = {name: kind for some in self.kinds.values() for name, kind in some.items() if content.stored(name) in rows.column_names}
        types = {name: _type(content.type(name, rows.schema)) for name in kinds}
        if not rows.num_rows:
            return [Table(self.called(home, part), 0, {}) for home in self.kinds]
        keyed = {name: feed.key for name, feed in self.settings.sources.items() if feed.key and set(feed.key) <= set(rows.column_names)}
        wanted = [(need, None) for need in needs({name: "category" if kind == "category" else "number" for name, kind in kinds.items()})]
        profile = engine(Plan.of(wanted), content.source(rows, list(kinds)), workers=1)
        found = []
        for home, columns in self.kinds.items():
            table = Table.of(profile, self.called(home, part), [name for name in columns if name in kinds], types=types)
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

    def resting(self, window: Window, sources: Iterable[str]) -> list[str]:
        """Return the sources that have a holiday in a window."""
        first, last = (dt.datetime.fromisoformat(each) for each in (window.start, window.end))
        end = last.date() if last.time() == dt.time() else last.date() + _DAY
        names = list(sources)
        return [name for name in names if any(each.resting(first.date(), [self.home(name)], end=end) for each in self.settings.holidays)]

    def judged(self, rows: pa.Table, checks: Sequence[Check], *, labelled: bool = True) -> tuple[tuple[Verdict, ...], tuple[Value, ...]]:
        """Return the verdicts and values of checks on the rows of a window, with the answers that stand beside them."""
        labels = self.roles.get("label")
        names = [labels] if isinstance(labels, str) else list(labels or ())
        there = [name for name in names if name in rows.column_names and rows[name].null_count < rows.num_rows]
        if not checks or not rows.num_rows or (labelled and names and not there):
            return (), ()
        config, found = self.config, self.answered(rows)
        if found is None:
            return (), ()
        rows, roles, task, classes = found
        run = check(None, rows, checks=checks, positive=config.positive, threshold=config.threshold, task=task, classes=classes, **roles)
        return run.verdicts, run.values

    def answered(self, rows: pa.Table) -> tuple[pa.Table, dict[str, Any], str | None, Sequence[Any] | None] | None:
        """Return the rows that have an answer, the roles of their columns, and task and classes; None where no row has one."""
        roles, task, classes = self.there(rows), self.config.task, self.config.classes
        scores = [name for name in rows.column_names if name.startswith(SCORE)]
        if self.model is not None and not roles.keys() & {"score", "prediction"}:
            some = _answered(rows, [*scores, ANSWER])
            if some is None:
                return None
            rows = some
        if self.model is not None and (scores or ANSWER in rows.column_names):
            roles |= {"score": scores} if scores else {"prediction": ANSWER}
            task, classes = self.model.signature.task, self.model.signature.classes
        return rows, roles, task, classes

    def suited(self, rows: pa.Table) -> tuple[Verdict, ...]:
        """Return what fails of the default suite on the rows of many windows; it asks the model where there is one."""
        config = self.config
        plain = rows.select([name for name in rows.column_names if name != ANSWER and not name.startswith((SCORE, OTHER))])
        run = check(self.model, plain, checks=["default"], reference=config.location(config.reference), train=config.location(config.train),
                    positive=config.positive, threshold=config.threshold, task=config.task if self.model is None else None,
                    classes=config.classes if self.model is None else None, types=config.types, **self.there(plain))
        return tuple(each for each in run.verdicts if each.verdict == "fail")

    def step(self, memory: Memory, window: Window, rows: pa.Table, labelled: Sequence[tuple[Window, pa.Table]] = (), *,
             behind: Behind | None = None) -> tuple[Memory, Said]:
        """Return the memory after a window, and what it said.

        ``labelled`` are earlier windows whose labels are to be judged now; ``behind`` gives the rows of a stretch of time that has passed.
        """
        parts, seats = self.parts(memory, rows)
        tables = [table for part, some in parts.items() for table in self.tables(some, part)]
        before = memory.watch
        if self.settings.by is not None:
            named = {self.called(home, part): seat for part, seat in seats.items() for home in self.kinds}
            before = dataclasses.replace(before, record=group.pruned(before.record, named))
        watch, report = watched(before, tables, budget=self.budget, season=self.season(window), weights=self.weights(parts),
                                resting=self.resting(window, [each.name for each in tables]), tuning=self.tuning)
        alerts = self._told(report, parts)
        harmful, judged, after = self._harmed(memory, labelled)
        looked, crept, looks = self._looked(memory, window, behind)
        alerts += [*harmful, *looked]
        if self.estimation is not None:
            guesses, guessed = self.estimation.step(memory.guesses, window, rows, labelled, memory.cases, seen=memory.windows,
                                                    behind=behind)
            alerts, after = [*alerts, *guessed], dataclasses.replace(after, guesses=guesses)
        paired = versions = None
        if self.pair is not None:
            pairs, between, paired = self.pair.step(memory.pairs, window, rows, behind)
            alerts, after = [*alerts, *between], dataclasses.replace(after, pairs=pairs)
        if self.rivals is not None:
            kept, between, versions = self.rivals.step(memory.versions, window, rows, behind)
            alerts, after = [*alerts, *between], dataclasses.replace(after, versions=kept)
        if self.suspicion is not None:
            suspicions, between = self.suspicion.step(memory.suspicions, window, rows, memory.cases, alpha=self.suspected)
            alerts, after = [*alerts, *between], dataclasses.replace(after, suspicions=suspicions)
        if self.settings.thresholds:
            alerts += [Alert("threshold", self._home(each), each.sentence, page=True)
                       for each in self.judged(rows, self.settings.thresholds)[0] if each.verdict == "fail"]
        known = {each.incident.id for each in memory.cases}
        cases = advanced(memory.cases, alerts, window, model=self.name)
        opened = tuple(each.incident for each in cases if each.incident.id not in known)
        after = dataclasses.replace(after, watch=watch, cases=tuple(cases), windows=memory.windows + 1, seats=seats, crept=crept,
                                    looks=looks, matured=memory.matured + len(labelled), moved=_moved(report.outcome))
        return after, Said(window, report, *judged, labelled[-1][0] if labelled else None, opened, paired, versions)

    def _told(self, report: Report, parts: Mapping[str | None, pa.Table]) -> list[Alert]:
        """Return the alerts of broken data and evidence: placed in the rows, and with the group that they speak of."""
        by, found = self.settings.by, []
        whose = {self.called(home, part): part for part in parts for home in self.kinds}
        if self.model is not None and any(each.page and not _answer(each) for each in report.alerts):   # no answer is then no news
            report = dataclasses.replace(report, alerts=tuple(each for each in report.alerts if not _answer(each)))
        several: dict[tuple[str, str], set[str | None]] = {}
        for each in report.alerts:
            if each.page and each.columns:
                several.setdefault((self.home(each.source), each.kind), set()).add(whose.get(each.source))
        for each in report.alerts:
            if each.columns:
                part = whose.get(each.source)
                alert = self._placed(each, parts.get(part, next(iter(parts.values()))))
                if by is not None and each.page and len(several[self.home(each.source), each.kind]) > 1:
                    alert = dataclasses.replace(alert, group=f"{self.home(each.source)} of several")  # one cause behind them
                found.append(alert)
        # what is said of no column is said of the delivery, which all sources share: once
        whole = sorted((each for each in report.alerts if not each.columns), key=lambda each: each.page)
        shared = {(whose.get(each.source), each.what): each for each in whole}
        found += [dataclasses.replace(each, source=self.called(DATA, part), group="rows") for (part, _), each in shared.items()]
        if by is None:
            return found
        return [dataclasses.replace(each, slices=(group.parted(self.by, part),)) if (part := whose.get(each.source)) else each
                for each in found]

    def _harmed(self, memory: Memory, labelled: Sequence[tuple[Window, pa.Table]]) \
            -> tuple[list[Alert], tuple[tuple[Verdict, ...], tuple[Value, ...]], Memory]:
        """Return alerts of promises that are not kept, the verdicts and values behind them, and a memory with the evidence of harm."""
        alerts: list[Alert] = []
        evidence, harmed, standing = dict(memory.harm), memory.harmed, harm.standing(memory.standing, ())
        verdicts: list[Verdict] = []
        values: list[Value] = []
        for past, late in labelled:
            told, seen = self.judged(late, self.promises)
            verdicts, values = [*verdicts, *told], [*values, *seen]
            kept = [each for promise in self.promises
                    for each in harm.promises(promise, [one for one in told if one.check in (str(promise), promise.text)])]
            evidence, found = harm.step(evidence, kept, self.cost)
            fresh = [each.key for each in found.broken if each.key not in standing]
            if found.page and (fresh or not standing):
                harmed += 1
                words = "; ".join(each.sentence for each in found.broken[:2]) or "what was promised is not kept"
                alerts.append(Alert("harm", MODEL, f"{words} ({past.start[:10]})", page=True, evidence=found.evidence,
                                    slices=tuple(each.value.slice for each in found.broken if each.value and each.value.slice)))
            standing = harm.standing(standing, kept, fresh if found.page else ())
        if standing and not alerts and any(each.open and each.incident.kind == "harm" and MODEL in each.sources for each in memory.cases):
            worst = next((each.sentence for each in verdicts if each.verdict == "fail"), "what was promised is not yet kept again")
            alerts.append(Alert("harm", MODEL, worst, group="standing harm"))
        return alerts, (tuple(verdicts), tuple(values)), dataclasses.replace(memory, harm=evidence, harmed=harmed, standing=standing)

    def _looked(self, memory: Memory, window: Window, behind: Behind | None) \
            -> tuple[list[Alert], Mapping[str, tuple[str, str]], Mapping[str, str]]:
        """Return alerts of scheduled checks, those that do not hold, and when was looked."""
        alerts: list[Alert] = []
        crept, looks = dict(memory.crept), dict(memory.looks)
        for number, each in enumerate(self.settings.scheduled if behind is not None else ()):
            last = looks.setdefault(str(number), window.start)
            if not schedule.due(last, window.end, each.every):
                continue
            looks[str(number)] = window.end
            alpha = min(self.settings.false_pages.per(each.every) * self.looking, _LOOK)
            late = [one for one in each.checks if _labelled(one)]
            verdicts: list[Verdict] = []
            for some, delay in (([one for one in each.checks if one not in late], None), (late, self.settings.label_delay)):
                rows = behind(window, each.over, delay) if some and behind is not None else None
                verdicts += self.judged(rows, some, labelled=some is late)[0] if rows is not None else ()
            look = schedule.judged(each.checks, verdicts, alpha)
            days = f"over the last {_length(each.over)}"
            for promise in look.pages:
                if (key := f"{number}\0{promise.key}") not in crept:
                    check_ = promise.key.partition("\0")[0]
                    alerts.append(Alert("harm", check_, f"{promise.sentence} ({days})", page=True, group=f"scheduled {check_}",
                                        slices=(promise.value.slice,) if promise.value and promise.value.slice else (),
                                        hint="look at what changed slowly: no single window shows it"))
                    crept[key] = check_, promise.sentence
            for name in look.kept:
                crept.pop(f"{number}\0{name}", None)
            if each.suite and behind is not None and (rows := behind(window, each.over, self.settings.label_delay)) is not None:
                failing = {f"{number}\0suite {one.check}": one for one in self.suited(rows)}
                crept = {key: said for key, said in crept.items() if not key.startswith(f"{number}\0suite ") or key in failing}
                crept |= {key: (one.check, one.sentence) for key, one in failing.items()}
        said = {each.source for each in alerts}
        alerts += [Alert("harm", check_, words, group=f"scheduled {check_}")
                   for check_, words in dict.fromkeys(crept.values()) if check_ not in said]
        return alerts, crept, looks

    def _home(self, verdict: Verdict) -> str:
        column = verdict.value.column if verdict.value else None
        return next((home for home, columns in self.kinds.items() if column in columns), MODEL)

    def depends(self, kept: Kept | None = None) -> dict[str, float] | None:
        """Return how much the model depends on each column, measured once on the reference; None without a model or a reference.

        ``kept`` remembers it by the digest of the model and the name of the reference.
        """
        config = self.config
        place = config.reference or config.train
        if self.model is None or place is None:
            return None
        if self._depends is None:
            model = self.model
            found = once(f"dependence {model.digest[:40]} {mark(config.location(place))}", kept,
                          lambda: dependence(model, source(config.location(place), types=config.types)))
            self._depends = {str(name): float(each) for name, each in found.items()}
        return self._depends

    def drift(self, watch: Watch, kept: Kept | None = None) -> list[Drift]:
        """Return how far each column has left the reference lately, first where the model depends on it; empty without a reference."""
        config = self.config
        place = config.reference or config.train
        if place is None or not watch.reference:
            return []
        if self._sketch is None:
            kinds = {name: "category" if kind == "category" else "number" for some in self.kinds.values() for name, kind in some.items()}
            kinds = {column: "category" if seen.names else "number" for (_, column), seen in watch.reference.items()} | kinds
            key = f"reference {mark(config.location(place))} {hashlib.sha256(json.dumps(sorted(kinds.items())).encode()).hexdigest()[:16]}"
            content, compared = self.content or Content(), source(config.location(place), types=config.types)
            self._sketch = once(key, kept, lambda: sketched(content.source(compared, list(kinds)), kinds))
        sketch = self._sketch
        depends = self.depends(kept)
        found = []
        for (home, column), seen in watch.reference.items():
            far = distance(sketch[column], seen) if column in sketch else None
            if far is not None:
                found.append(Drift(home, column, far, None if depends is None else depends.get(column, 0.0)))
        return ranked(found)

    def _placed(self, alert: Alert, rows: pa.Table) -> Alert:
        """Say where in the rows values are missing, for an alert that pages."""
        columns = [name for name in alert.columns if name in rows.column_names and rows[name].null_count]
        if not (alert.page and columns and any(word in alert.what for word in ("missing", "lost", "no value"))):
            return alert
        empty = np.asarray(rows[columns[0]].is_null().to_numpy(zero_copy_only=False), np.bool_)
        apart = {*alert.columns, ANSWER, self.settings.by, self.roles.get("id"), self.roles.get("entity"), self.roles.get("label")}
        by = [each.name for each in rows.schema if each.name not in apart and kind_of(each.type) == "category"]
        found = place(empty, _local(rows, self.roles.get("timestamp"), self.settings.window.zone), time=self.roles.get("timestamp"), by=by)
        return dataclasses.replace(alert, place=str(found), share=found.share)


def _answer(alert: Alert) -> bool:
    """Whether an alert says that the answers of a model that was to be asked are not there."""
    return (bool(alert.columns) and all(name == ANSWER or name.startswith(SCORE) for name in alert.columns)
            and ("delivered" in alert.what or "missing" in alert.what))


def _answered(rows: pa.Table, names: Sequence[str]) -> pa.Table | None:
    """Return the rows for which the model was asked: not those that it could not take; None where there are none."""
    there = [name for name in names if name in rows.column_names]
    if not there:
        return None
    found = rows.filter(rows[there[0]].is_valid()) if rows[there[0]].null_count else rows
    return found if found.num_rows else None


def _local(rows: pa.Table, name: str | None, zone: str) -> pa.Table:
    """Return rows with their times as clocks show them where windows are cut."""
    if name is None or name not in rows.column_names or getattr(rows[name].type, "tz", None) is None:
        return rows
    return rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.timestamp("us", zone), safe=False))


def _moved(outcome: Outcome) -> tuple[Moving, ...]:
    """Return what a window lists without paging, each statistic once."""
    found = {}
    for some, lasting in ((outcome.drifted, True), (outcome.listed, False)):
        for each in some:
            if each.stream.column and not each.stream.statistic.startswith("common"):
                found[each.stream] = Moving(*each.stream, float(each.z), lasting)
    return tuple(found.values())


def _labelled(check: Check) -> bool:
    """Whether a check needs labels, which come late."""
    return bool(getattr(find(check.metric), "labelled", False))


def _length(time: dt.timedelta) -> str:
    days = time / _DAY
    return f"{days:g} day{'s' if days != 1 else ''}" if days >= 1 else f"{days * 24:g} hours"


def _type(kind: pa.DataType) -> str:
    """Return a type as people call it: encodings and widths are none of their business."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    names = ((pa.types.is_boolean, "truth"), (pa.types.is_integer, "number"), (pa.types.is_floating, "number"),
             (pa.types.is_decimal, "number"), (pa.types.is_temporal, "time"), (pa.types.is_null, "missing"))
    return next((name for test, name in names if test(kind)), "text")
