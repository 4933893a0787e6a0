"""Broken data, by rules that need no statistics: catastrophes whatever the history, and what exceeds a column's own record.

``faults(record, tables, facts, ...) -> tuple[Fault, ...]`` looks, ``learned`` keeps the record. Each says in words what and where. A
maximum needs no model of a tail, which is why these rules find at once what evidence finds after days; they have a budget of their own,
counted apart. Pure functions and plain state; only the monitor imports it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from typing import Any

from assay.monitor.reading import Fact, Table

__all__ = ["CATASTROPHES", "Column", "Fault", "Record", "Rows", "faults", "learned"]

#: what pages at once, outside the budget: no history makes it right
CATASTROPHES = ("no rows", "column gone", "type changed", "all missing", "constant")

_ENOUGH = 28     # windows of a record
_EARLY = 7       # before a column can be called never constant, or a file never the same
_LASTING = 3     # windows from which on a column belongs to its source
_VISITS = 4      # of a weekday
_RECENT = 7      # visits of a weekday that say how many rows are due
_TELLING = 40.0  # bits of a print from which on its return is no chance
_KEPT = 28       # windows in which the same file is recognised
_LOST = 0.25     # share of missing values above the record
_DOUBLE, _POINTS = 2.0, 0.02  # graded: this many times the record, and at least two points above it
_FAR = 0.005     # share of rows far outside
_NEVER = 0.0005  # a share so small that it counts as never
_NEW = 0.05      # share of values never seen, above the record
_FOLDED = 0.01
_FEWER, _MORE = 0.85, 1.6
_DUE = 0.8       # of what was due lately, where long weekends come and go
_SPARSE = 0.75   # a column of which more was missing may have none at all one day
_LATELY = 14
_SOON = 21       # windows from which on categories that were never seen say something
_PACE = 14.0     # windows that the levels of quantiles remember
_APART = 0.03    # points above the record that a column must lack alone
_LIKE = 0.02     # share by which two columns that lack the same values may differ
_NEARLY = 0.12   # in logarithms: how well a whole distribution must stand at a ratio
_PART = "look for a part of the delivery that is not there"
_FEW = 20        # values below which a column says nothing
_RATIOS = {1000: "thousands", 1e6: "millions", 100: "hundredths", 0.45359: "pounds and kilograms", 1.60934: "miles and kilometres",
           0.3048: "feet and metres", 2.54: "inches and centimetres", 0.514444: "knots and metres a second", 60: "minutes and seconds",
           3600: "hours and seconds"}


@dataclass(frozen=True)
class Fault:
    """One rule that one column (or the table, where ``column`` is empty) breaks; ``words`` is a predicate, ``share`` of the rows."""

    rule: str
    source: str
    column: str
    words: str
    share: float | None = None
    hint: str | None = None

    @property
    def catastrophe(self) -> bool:
        return self.rule in CATASTROPHES


@dataclass(frozen=True)
class Column:
    """The record of a column over the windows that were not known to be broken."""

    windows: int = 0
    type: str = ""
    nulls: float = 0.0        # second greatest share: a bad day while the record is young must not set it
    worst: float = 0.0        # greatest share
    least_nulls: float = 1.0  # second least
    best: float = 1.0         # least
    lately: tuple[float, ...] = ()  # shares of the last two weeks, which are no record yet: a slow leak would set it day by day
    varied: int = 0           # windows with more than one value
    constant: int = 0         # windows with enough values and but one
    top: float = 0.0          # greatest share of one value
    low: float = math.inf
    high: float = -math.inf
    least: float = math.inf   # medians
    most: float = -math.inf
    far: float = 0.0
    unseen: float = 0.0
    folded: float = 0.0
    renamed: float = 0.0
    trail: tuple[float, ...] = ()   # shares of missing values of the last two weeks
    alike: str = ""                 # the column of the same source that lacks the same values
    beside: int = 0                 # windows of the two side by side
    alone: float = 0.0              # second greatest share that this one lacked and the other did not
    alone_worst: float = 0.0
    levels: tuple[float, ...] = ()  # quantiles as they were lately
    zeros: float = 0.0


@dataclass(frozen=True)
class Rows:
    """The record of a table: by phase, windows and least and greatest number of rows; and the prints of its last windows."""

    windows: int = 0
    phases: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    prints: tuple[str, ...] = ()
    repeats: int = 0
    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by phase, rows of the last visits
    ratios: tuple[float, ...] = (0.0, 1.0, 1.0, 1.0, 1.0)  # windows compared with those; second least, least, second greatest, greatest


@dataclass(frozen=True)
class Record:
    """The records of all columns and tables: plain, JSON both ways."""

    columns: Mapping[tuple[str, str], Column] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        columns = [[*key, *(_plain(getattr(each, one.name)) for one in fields(Column))] for key, each in self.columns.items()]
        tables = [[name, each.windows, {phase: list(some) for phase, some in each.phases.items()}, list(each.prints), each.repeats,
                   {phase: list(some) for phase, some in each.recent.items()}, list(each.ratios)]
                  for name, each in self.tables.items()]
        return {"columns": columns, "tables": tables}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        kinds = [type(getattr(Column(), one.name)) for one in fields(Column)]
        columns = {(str(source), str(name)): Column(*(_typed(kind, value) for kind, value in zip(kinds, rest, strict=False)))
                   for source, name, *rest in data["columns"]}
        return cls(columns, {str(name): _rows(*rest) for name, *rest in data["tables"]})


def _rows(windows: Any, phases: Any, prints: Any, repeats: Any, recent: Any = None, ratios: Any = (0.0, 1.0, 1.0, 1.0, 1.0)) -> Rows:
    count, *rest = map(float, ratios)
    if len(rest) != 4:
        raise ValueError("a record of rows has four ratios")
    return Rows(int(windows), {str(phase): (int(some[0]), int(some[1]), int(some[2])) for phase, some in phases.items()},
                tuple(map(str, prints)), int(repeats), {str(phase): tuple(map(float, some)) for phase, some in (recent or {}).items()},
                (count, *rest))


def _typed(kind: type, value: Any) -> Any:
    return tuple(map(float, value)) if kind is tuple else kind(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else repr(value) if isinstance(value, float) and not math.isfinite(value) else value


Facts = Mapping[tuple[str, str], Fact]


def faults(record: Record, tables: Sequence[Table], facts: Facts, *, phase: Sequence[int] = (),
           resting: Collection[str] = ()) -> tuple[Fault, ...]:
    """Return what is broken in a window, by source and column.

    ``phase`` is where the window stands (weekday); sources ``resting`` have a holiday, on which rows are not counted.
    """
    found: list[Fault] = []
    there = {table.name: table for table in tables}
    for name, rows in record.tables.items():
        if rows.windows and (name not in there or not there[name].rows):
            found.append(Fault("no rows", name, "", "brought no rows", 1.0, "ask whoever delivers it whether it ran"))
    gone: dict[str, list[str]] = {}
    for (source, column), known in record.columns.items():
        # a column of one odd delivery, such as a misspelt name, is not missed when the next is right again
        lasting = known.windows >= _LASTING or known.windows >= record.tables.get(source, Rows()).windows
        if lasting and source in there and there[source].rows and (source, column) not in facts:
            gone.setdefault(source, []).append(column)
    for source, columns in gone.items():
        found += [Fault("column gone", source, column, "is no longer delivered", 1.0, "look for a renamed column") for column in columns]
    for table in tables:
        if table.rows:
            found += _table(record.tables.get(table.name, Rows()), table, facts, phase, table.name in resting)
    for (source, column), fact in facts.items():
        seen = record.columns.get((source, column))
        if seen and seen.windows and fact.rows:
            found += _column(seen, fact, source, column, facts)
    return tuple(found)


def _table(known: Rows, table: Table, facts: Facts, phase: Sequence[int], rests: bool) -> list[Fault]:
    found = []
    telling = known.windows >= _EARLY and not known.repeats and table.rows >= _FEW and _bits(table, facts) >= _TELLING
    if telling and (mark := _print(table, facts)) in known.prints:
        ago = len(known.prints) - known.prints.index(mark)
        when = "the window before" if ago == 1 else f"{ago} windows before"
        found.append(Fault("stale", table.name, "", f"delivered the same rows as {when}", 1.0, "an old file was sent again"))
    here = known.phases.get(_phase(phase))
    if not here or here[0] < _VISITS:  # not enough of this weekday: all phases together
        all_ = list(known.phases.values())
        here = (sum(one[0] for one in all_), min(one[1] for one in all_), max(one[2] for one in all_)) if known.windows >= _ENOUGH else None
    if here and not rests and table.keys is None:  # the rows of a joined source are another's
        visits, least, most = here
        if table.rows < _FEWER * least and table.rows < least - 4 * math.sqrt(least):
            found.append(Fault("rows lost", table.name, "", f"brought {table.rows:,} rows, never below {least:,} in {visits} such windows",
                               1 - table.rows / least, _PART))
        elif due := _due(known, phase):
            count, lowest = known.ratios[0], known.ratios[1]
            if count >= _ENOUGH and table.rows < _DUE * lowest * due and table.rows < lowest * due - 4 * math.sqrt(due):
                words = f"brought {table.rows:,} rows of about {due:,.0f}, but once never below {lowest:.0%} of what was due"
                found.append(Fault("rows lost", table.name, "", words, 1 - table.rows / due, _PART))
        if table.rows > _MORE * most and table.rows > most + 4 * math.sqrt(most):
            found.append(Fault("rows added", table.name, "", f"brought {table.rows:,} rows, never above {most:,} in {visits} such windows",
                               1 - most / table.rows, "look for rows that came twice"))
    return found


def _due(known: Rows, phase: Sequence[int]) -> float:
    """Return how many rows such windows brought lately, 0 where few have been."""
    lately = sorted(known.recent.get(_phase(phase), ()))
    return lately[len(lately) // 2] if len(lately) >= _VISITS else 0.0


def _column(known: Column, fact: Fact, source: str, column: str, facts: Facts) -> list[Fault]:
    def fault(rule: str, words: str, share: float | None = None, hint: str | None = None) -> Fault:
        return Fault(rule, source, column, words, share, hint)

    found = []
    nulls = fact.nulls / fact.rows
    if known.type and fact.type and fact.type != known.type and "missing" not in (fact.type, known.type):
        return [fault("type changed", f"was {known.type}, is {fact.type}", 1.0, "a parser or a schema changed upstream")]
    if fact.nulls == fact.rows and known.nulls <= _SPARSE and fact.rows >= 5:
        return [fault("all missing", "has no value at all", 1.0, "its source is silent, or the join no longer fits")]
    if known.windows >= _ENOUGH:
        record, extra = known.nulls, fact.nulls - known.nulls * fact.rows
        graded = nulls > _DOUBLE * record and nulls > record + _POINTS and extra > 4 * math.sqrt(record * fact.rows) + 4
        if nulls > record + _LOST or graded:
            found.append(fault("missing", f"lost values: {nulls:.1%} missing, but once never above {record:.1%} in {known.windows} windows",
                               nulls - record, "look for a feed or a join that brings only part"))
        elif lost := _alone(known, fact, facts.get((source, known.alike))):
            words = f"lost values: {lost:.1%} more missing than of '{known.alike}', but once never above {known.alone:.1%}"
            found.append(fault("missing", words, lost, "look for what fills this column and not the other"))
        there, ever = 1 - nulls, 1 - known.least_nulls
        if ever <= 0.5 and there > _DOUBLE * ever + _POINTS and there * fact.rows - ever * fact.rows > 4 * math.sqrt(ever * fact.rows) + 4:
            found.append(fault("filled", f"has values in {there:.1%}, but once never above {ever:.1%} in {known.windows} windows",
                               there - ever, "a default may stand in for what is missing, or another column for this one"))
    if fact.present < _FEW:
        return found
    alone = fact.low == fact.high if fact.kind == "number" else fact.distinct <= 1
    wide = known.top < 0.9 and known.nulls <= _SPARSE  # never near it
    if alone and known.varied >= _EARLY and not known.constant and wide:
        words = "has one single value, where there always were several"
        return [*found, fault("constant", words, 1.0, "a default stands in for the real value")]
    if known.windows < (_ENOUGH if fact.kind == "number" else _SOON):
        return found
    if fact.kind == "number":
        found += _number(known, fact, fault)
    elif fact.folded >= _FOLDED and known.folded < _NEVER:
        found.append(fault("spelling", f"writes {fact.folded:.1%} of its values otherwise than so far, such as {_quoted(fact.fresh)}",
                           fact.folded, "case, spaces or hyphens changed"))
    elif fact.fresh and fact.gone and known.renamed < _NEVER and _alike(fact.fresh_share, fact.gone_share) and fact.fresh_share >= 0.02:
        found.append(fault("renamed", f"has '{fact.fresh[0]}' in {fact.fresh_share:.1%}, where '{fact.gone[0]}' was", fact.fresh_share,
                           "a category was renamed"))
    elif fact.unseen > known.unseen + _NEW:
        found.append(fault("unseen", f"has values never seen before in {fact.unseen:.1%}, such as {_quoted(fact.fresh)}", fact.unseen,
                           "new codes, or another code book"))
    return found


def _number(known: Column, fact: Fact, fault: Any) -> list[Fault]:
    turned = known.low >= 0 and known.high > 0 and fact.high <= 0 and fact.low < 0
    if turned or (known.high <= 0 and known.low < 0 <= fact.low < fact.high):
        return [fault("sign", "has the opposite sign in every row", 1.0, "a sign convention changed")]
    # a level that hardly moved, and now stands at a known ratio to it, with all of its distribution
    if 0 < known.least < math.inf and known.most < 1.25 * known.least and fact.median > 0:
        for ratio, words in _RATIOS.items():
            for factor in (ratio, 1 / ratio):
                if abs(math.log(fact.median / (factor * math.sqrt(known.least * known.most)))) < _NEARLY and _scaled(known, fact, factor):
                    return [fault("unit", f"stands at {factor:.4g} times its level", 1.0, f"perhaps the unit changed ({words})")]
    if fact.far >= _FAR and known.far < _NEVER:
        here, ever = f"{fact.low:.4g} to {fact.high:.4g}", f"{known.low:.4g} to {known.high:.4g}"
        return [fault("far outside", f"lies far outside all that was seen in {fact.far:.1%} of rows (from {here}, so far {ever})", fact.far,
                      "a unit or a decimal point changed for part of the rows")]
    return []


def _scaled(known: Column, fact: Fact, factor: float) -> bool:
    """Whether all quantiles stand at a ratio to their levels, and what was 0 is 0: an hour of the day that moved does not, a unit does."""
    if len(known.levels) != len(fact.quantiles) or abs(fact.zeros - known.zeros) > 0.05:
        return False
    pairs = [(was, now) for was, now in zip(known.levels, fact.quantiles, strict=True) if was or now]
    # a distribution that is one single number can tell a large ratio only
    told = len({round(math.log(abs(was)), 2) for was, _ in pairs if was}) >= 3 or not 0.1 < factor < 10
    return told and all(was * now > 0 and abs(math.log(now / was / factor)) < (_NEARLY if at in (1, 2, 3) else 2 * _NEARLY)
                        for at, (was, now) in enumerate(pairs))


def _alone(known: Column, fact: Fact, other: Fact | None) -> float:
    """Return the share of rows that a column lacks where another, which always lacked the same, has them; 0 where that is nothing new."""
    if other is None or not other.rows or known.beside < _ENOUGH:
        return 0.0
    lost = (fact.nulls - other.nulls) / fact.rows
    extra = (lost - known.alone) * fact.rows
    # the other one must lack what it does as a rule: where it was mended, this one did not break
    told = lost > _DOUBLE * known.alone + _APART and extra > 4 * math.sqrt(known.alone * fact.rows) + 4
    return lost if told and other.nulls / other.rows >= known.least_nulls - _LIKE else 0.0


def _alike(a: float, b: float) -> bool:
    return 0.5 <= a / max(b, 1e-9) <= 2.0


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name[:40]}'" for name in names)


def _phase(phase: Sequence[int]) -> str:
    return " ".join(map(str, phase))


def _bits(table: Table, facts: Facts) -> float:
    """Return about how many bits the print of a table holds: three categories in 300 rows are the same again by chance once a month."""
    found = 0.0
    for (source, _), fact in facts.items():
        if source == table.name and fact.present >= _FEW:
            cells = min(fact.distinct, 20.0) if fact.distinct == fact.distinct else 1.0
            each = max(cells - 1, 0) * 0.5 * math.log2(fact.present)
            found += max(each, _TELLING) if fact.kind == "number" and fact.distinct >= _FEW else each
    return found


def _print(table: Table, facts: Facts) -> str:
    mark = blake2b(str(table.rows).encode(), digest_size=8)
    for (source, column), fact in sorted(facts.items()):
        if source == table.name:
            mark.update(f"{column}\x00{fact.print}\x01".encode("utf-8", "surrogatepass"))
    return mark.hexdigest()


def learned(record: Record, tables: Sequence[Table], facts: Facts, *, phase: Sequence[int] = (), apart: Collection[tuple[str, str]] = (),
            resting: Collection[str] = ()) -> Record:
    """Return the record after a window; columns ``apart`` and tables ``("source", "")`` apart teach nothing, nor do holidays for rows."""
    columns = dict(record.columns)
    for key, fact in facts.items():
        if key not in apart and fact.rows:
            known_ = columns.get(key, Column())
            columns[key] = _paired(taken(known_, fact), fact, facts.get((key[0], known_.alike)))
    _pair(columns)
    rows = dict(record.tables)
    for table in tables:
        known = rows.get(table.name, Rows())
        mark = _print(table, facts)
        if table.rows and (table.name, "") not in apart:
            repeats = known.repeats + (mark in known.prints)
            phases, recent, ratios = dict(known.phases), dict(known.recent), known.ratios
            if table.name not in resting:
                if due := _due(known, phase):
                    count, second, least, more, most = ratios
                    ratio = table.rows / due
                    ratios = (count + 1, max(least, min(second, ratio)), min(least, ratio), min(most, max(more, ratio)), max(most, ratio))
                recent[_phase(phase)] = (*recent.get(_phase(phase), ()), float(table.rows))[-_RECENT:]
                visits, least, most = phases.get(_phase(phase), (0, table.rows, table.rows))
                phases[_phase(phase)] = (visits + 1, min(least, table.rows), max(most, table.rows))
            rows[table.name] = Rows(known.windows + 1, phases, (*known.prints, mark)[-_KEPT:], repeats, recent, ratios)
    return Record(columns, rows)


def _paired(known: Column, fact: Fact, other: Fact | None) -> Column:
    """Return the record after a window of a column and the one that lacks the same values."""
    if other is None or not other.rows:
        return known
    lost = max(fact.nulls / fact.rows - other.nulls / other.rows, 0.0)
    return replace(known, beside=known.beside + 1, alone=max(known.alone, min(known.alone_worst, lost)),
                   alone_worst=max(known.alone_worst, lost))


def _pair(columns: dict[tuple[str, str], Column]) -> None:
    """Find for each column that often lacks values another of its source that lacked the same for two weeks, if there is one."""
    alone = [key for key, each in columns.items() if not each.alike and len(each.trail) == _LATELY and each.windows % _LATELY == 0
             and each.nulls > _LIKE / 4]
    if not alone:
        return
    level = {key: (each.nulls, each.worst, sum(each.trail) / _LATELY) for key, each in columns.items() if len(each.trail) == _LATELY}
    for key in alone:
        near = sorted((max(abs(a - b) for a, b in zip(other, level[key], strict=True)), each)
                      for each, other in level.items() if each[0] == key[0] and each != key)[:8]
        mine = columns[key].trail
        gaps = [(max(gap, *(abs(a - b) for a, b in zip(mine, columns[each].trail, strict=True))), each) for gap, each in near]
        if gaps and min(gaps)[0] <= _LIKE:
            other = min(gaps)[1]
            lost = sorted(max(a - b, 0.0) for a, b in zip(mine, columns[other].trail, strict=True))
            columns[key] = replace(columns[key], alike=other[1], beside=_LATELY, alone=lost[-2], alone_worst=lost[-1])


def _recorded(new: dict[str, Any], shares: Iterable[float]) -> None:
    for nulls in shares:
        new["nulls"], new["worst"] = max(new["nulls"], min(new["worst"], nulls)), max(new["worst"], nulls)
        new["least_nulls"], new["best"] = min(new["least_nulls"], max(new["best"], nulls)), min(new["best"], nulls)


def taken(known: Column, fact: Fact, *, settled: bool = False) -> Column:
    """Return the record of a column after one more window; ``settled``: it counts at once, as a person said so."""
    new: dict[str, Any] = dict(vars(known))  # and one column made of it: this is done for each of a fleet
    nulls = fact.nulls / fact.rows
    lately = (*known.lately, nulls)
    new |= {"windows": known.windows + 1, "type": fact.type or known.type, "lately": lately[-_LATELY:],
            "trail": (*known.trail, nulls)[-_LATELY:]}
    if settled:
        new |= {"alike": "", "beside": 0, "alone": 0.0, "alone_worst": 0.0}
    if new["windows"] <= _ENOUGH or settled:
        new["lately"] = ()
        _recorded(new, lately)
    elif len(lately) > _LATELY:
        _recorded(new, lately[:1])
    if fact.present >= _FEW:
        single = fact.low == fact.high if fact.kind == "number" else fact.distinct <= 1
        new |= {"varied": known.varied + (not single), "constant": known.constant + single, "top": max(known.top, fact.top)}
        warm = known.windows >= 2 * _EARLY  # before, everything is new
        if fact.kind == "number":
            new |= _levels(known, fact, new["varied"])
            new |= {"low": min(known.low, fact.low), "high": max(known.high, fact.high), "far": max(known.far, fact.far if warm else 0.0),
                    "least": min(known.least, fact.median), "most": max(known.most, fact.median)}
        elif warm:
            renamed = fact.fresh_share if fact.gone and fact.fresh and _alike(fact.fresh_share, fact.gone_share) else 0.0
            new |= {"unseen": max(known.unseen, fact.unseen), "folded": max(known.folded, fact.folded),
                    "renamed": max(known.renamed, renamed)}
    return Column(**new)


def _levels(known: Column, fact: Fact, windows: int) -> dict[str, Any]:
    pace = max(1 / _PACE, 1 / max(windows, 1))
    was = known.levels if len(known.levels) == len(fact.quantiles) else fact.quantiles
    return {"levels": tuple(old + pace * (now - old) for old, now in zip(was, fact.quantiles, strict=True)),
            "zeros": known.zeros + pace * (fact.zeros - known.zeros)}
