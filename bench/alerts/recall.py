"""How many injected faults are found, and when: the watch, and rules of thumb given the same deterministic checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from corruption import KINDS, SLOW, Kind, corrupted
from replay import Run
from rules import Rules
from streams import Day, salt, tables

from assay.monitor import fault, reading
from assay.monitor.budget import Account, Budget
from assay.monitor.evidence import Tuning
from assay.monitor.reading import Stream
from assay.monitor.watch import Watch, advanced

__all__ = ["Trial", "trials"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Trial:
    """One fault: its kind, how large it was against the stream's own noise, and on which of its days each rule spoke (-1: never)."""

    kind: str
    source: str
    column: str
    at: int
    size: float
    found: dict[str, int]


def _facts(days: Sequence[Day], source: str) -> dict[str, Any]:
    """Return what a fault must know of a source: deviations, daily movements, frequent values, and which other column has its type."""
    parts = [day.parts[source] for day in days]
    numbers = [name for name, each in parts[0].columns.items() if pa.types.is_floating(each.type) or pa.types.is_integer(each.type)]
    deviation, daily, common, following = {}, {}, {}, {}
    for name in parts[0].columns:
        whole = pa.concat_arrays([part.columns[name] for part in parts[:60]])
        counts = whole.drop_null().value_counts()
        order = np.argsort(-counts.field(1).to_numpy(), kind="stable")
        common[name] = counts.field(0)[int(order[0])].as_py()
        if len(order) > 1:
            following[name] = counts.field(0)[int(order[1])].as_py()
        if name in numbers:
            values = [part.columns[name].drop_null().to_numpy().astype(float) for part in parts]
            deviation[name] = float(np.median([each.std() for each in values if len(each) > 1] or [0.0]))
            means = np.array([each.mean() for each in values if len(each)])
            left = means[7:] - means[:-7] if len(means) > 14 else means
            daily[name] = float(1.4826 * np.median(np.abs(left - np.median(left))) / np.sqrt(2))
    others = {name: [each for each in parts[0].columns if each != name and (each in numbers) == (name in numbers)] for name in parts[0].columns}
    return {"numbers": numbers, "deviation": deviation, "daily": {name: each for name, each in daily.items() if each > 0}, "common": common,
            "next": following,
            "others": others}


def trials(days: Sequence[Day], run: Run, bad: set[str], *, each: int, slow: int = 0, first: int = 60, budget: float = 1 / 30,
           learning: int = 56, rules: Rules | None = None, holidays: frozenset[str] = frozenset(), resting: tuple[str, ...] = (),
           kinds: Sequence[Kind] = KINDS, seed: int = 0, tell: Callable[[str], None] = lambda text: None) -> list[Trial]:
    """Return trials of every kind, on random columns and days after ``first``, away from faults that are really there.

    The watch starts from what it knew before that day in the clean run; found is a page that the clean run does not give that day. The
    fault lasts three days (21 if it creeps). Nobody answers. Accounts start full, as after a year in which true pages cost nothing.
    """
    sources = list(days[0].parts)
    facts = {source: _facts(days, source) for source in sources}
    clean = {(event.at, event.source) for event in run.events}
    noise = Noise(run, sources)
    found = []
    for kind in (*kinds, *(SLOW if slow else ())):
        rng = np.random.default_rng(salt(kind.name, seed))
        wanted, tries = (slow if kind in SLOW else each), 0
        while wanted and tries < 100 * each:
            tries += 1
            at = int(rng.integers(first, len(days) - kind.days - 1))
            span = range(max(at - 7, 0), min(at + kind.days + 1, len(days)))
            source = sources[int(rng.integers(len(sources)))] if kind.on != "rows" else sources[0]
            column = _column(kind, facts[source], rng)
            if column is None or any(str(days[one].date) in bad for one in span) or any((one, source) in clean for one in span):
                continue
            wanted -= 1
            found.append(_trial(days, run.before[at], kind, at, source, column, facts, budget, learning, rules, noise, rng, holidays, resting))
        tell(kind.name)
    return found


def _column(kind: Kind, facts: dict[str, Any], rng: np.random.Generator) -> str | None:
    numbers = [name for name in facts["numbers"] if facts["deviation"][name] > 0]
    choice = {"number": [name for name in numbers if name in facts["daily"]], "category": [name for name in facts["others"] if name not in facts["numbers"]],
              "any": [name for name in facts["others"] if facts["others"][name]], "source": numbers[:1] if len(numbers) >= 4 else [],
              "table": [""], "rows": [""]}[kind.on]
    if not choice:
        return None
    if kind.name.startswith("mix"):
        choice = [name for name in choice if name in facts["next"]]
    name = str(choice[int(rng.integers(len(choice)))])
    if kind.name == "another column":
        facts["other"] = {name: facts["others"][name][int(rng.integers(len(facts["others"][name])))]}
    return name


class Noise:
    """The robust movement of each stream from a weekday to the same a week later, over the clean run; never below sampling."""

    def __init__(self, run: Run, sources: Sequence[str]):
        self.x: list[dict[Stream, tuple[float, float]]] = []
        self.run = run
        self.held: dict[Stream, float] = {}

    def of(self, stream: Stream, v: float) -> float:
        if not self.x:
            from streams import tables as made

            for watch, day in zip(self.run.before, self.run.days, strict=True):
                readings, _ = reading.read(watch.reference, made(day))
                self.x.append({each: (float(x), float(w)) for each, x, w in zip(readings.streams, readings.x, readings.v, strict=True)})
        if stream not in self.held:
            values = np.array([each[stream][0] if stream in each else np.nan for each in self.x[14:]])
            left = values[7:] - values[:-7]
            left = left[np.isfinite(left)]
            self.held[stream] = float(1.4826 * np.median(np.abs(left - np.median(left))) / np.sqrt(2)) if len(left) > 10 else np.inf
        return max(self.held[stream], float(np.sqrt(v)))


def _trial(days: Sequence[Day], watch: Watch, kind: Kind, at: int, source: str, column: str, facts: dict[str, Any], budget: float,
           learning: int, rules: Rules | None, noise: Noise, rng: np.random.Generator, holidays: frozenset[str],
           resting: tuple[str, ...]) -> Trial:
    from dataclasses import replace

    watch = replace(watch, account=Account(3.0), state=replace(watch.state, account=Account(3.0)))
    mine = {**facts[source], "other": facts[source].get("other", {})}
    found: dict[str, int] = {}
    if rules is not None:
        rules.fault.clear()
    size = np.inf if kind.name == "yesterday's file" else 0.0
    for n in range(kind.days):
        day = days[at + n]
        mine["yesterday"] = days[at + n - 1].parts[source] if n == 0 else mine["yesterday"]
        broken = corrupted(day, source, column, kind, n, rng, mine)
        if kind.on == "rows":
            kept = np.flatnonzero(rng.random(day.parts[source].rows) > 0.3)
            broken = Day(day.date, {name: part.take(kept) for name, part in day.parts.items()}, day.place)
        now = _fresh(day, broken, source if kind.on != "rows" else None)
        season = day.season
        rest = resting if str(day.date) in holidays else ()
        here = Watch(**vars(watch))
        readings, seen = reading.read(here.reference, now)
        if n == 0 or kind in SLOW:
            old, _ = reading.read(here.reference, tables(day))
            size = max(size, _size(readings, old, source if kind.on != "rows" else None, noise))
        checks = [each for each in fault.faults(here.record, now, seen, phase=season.places, resting=rest) if each.source == source]
        if checks:
            found.setdefault("checks", n)
        if rules is not None:
            for name in rules.spoken(at + n, source, readings, broken):
                found.setdefault(name, n)
        watch, report = advanced(here, now, budget=Budget(budget), season=season, resting=rest, tuning=Tuning(learning=learning))
        if source in report.opened:
            found.setdefault("assay", n)
        if any(page.source == source and page.state == "opened" for page in report.outcome.pages):
            found.setdefault("evidence", n)
    return Trial(kind.name, source, column, at, float(size), found)


def _fresh(day: Day, broken: Day, source: str | None) -> list[reading.Table]:
    """Return the tables of a broken day; those that are whole are summarised once."""
    from streams import table

    return [table(each.name, broken.parts[each.name]) if source is None or each.name == source else each for each in tables(day)]


def _size(now: reading.Readings, old: reading.Readings, source: str | None, noise: Noise) -> float:
    was = dict(zip(old.streams, old.x.tolist(), strict=True))
    most = 0.0
    for stream, x, v in zip(now.streams, now.x.tolist(), now.v.tolist(), strict=True):
        if (source is None or stream.source == source) and stream in was:
            most = max(most, abs(x - was[stream]) / noise.of(stream, v))
    return most
