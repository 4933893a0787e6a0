"""From the summaries of one window to what is watched: one row a stream, with the sampling variance that its rows explain.

``read(reference, tables) -> (Readings, facts)`` measures a window against what was seen before it; ``learned(reference, tables)``
takes it in, apart from columns that are known to be broken. ``needs`` says which summaries a table must bring. Pure functions and
plain state; a stream is a statistic of a column of a source. Only the monitor imports it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import nlargest
from typing import Any, NamedTuple, cast

import numpy as np

from assay.summary import Need, Profile, Summary
from assay.summary.distinct import Distinct
from assay.summary.frequent import Frequent
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles

__all__ = ["BORN", "LATER", "QUANTILES", "STATISTICS", "Fact", "Readings", "Reference", "Seen", "Stream", "Table", "learned", "needs",
           "read"]

Array = np.ndarray[Any, Any]

_BINS = 10
_TRAIL = 28        # windows that a reference distribution remembers, by exponential forgetting
_NAMES = 20_000    # categories that are remembered; a column of more is one of names, where new ones are no news
_CELLS = 60        # categories compared one by one; the rest is one cell
BORN = 7           # windows before which neither a range nor a set of categories says anything
LATER = frozenset({"outside", "shift", "unseen"})  # statistics that begin then
_FAR = 3.0         # ranges beyond which a value is absurd and not merely new
_SLACK = 0.25      # of the range seen so far, by which a value may leave it
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_FEWEST = 8        # values below which there is no mean


@dataclass(frozen=True)
class Statistic:
    """How a statistic is watched: ``sided`` where only a rise is bad, ``harmless`` what may move without harm.

    That is in the statistic's own scale, or of all rows for the shares of rows that are ``damaged``.
    """

    name: str
    sided: bool
    harmless: float
    words: str
    damaged: bool = False


#: mean and spread are in standard deviations of the column and their logarithm, shares on the arcsine scale, counts as logarithms
STATISTICS: Mapping[str, Statistic] = {each.name: each for each in (
    Statistic("rows", False, 0.02, "number of rows"),
    Statistic("missing", True, 0.01, "share of missing values", damaged=True),
    Statistic("mean", False, 0.02, "mean"),
    Statistic("spread", False, 0.02, "spread"),
    Statistic("outside", True, 0.01, "share well outside the range seen so far", damaged=True),
    Statistic("shift", True, 0.01, "distance from its recent distribution"),
    Statistic("varieties", False, 0.02, "number of different values"),
    Statistic("top", False, 0.01, "share of the most frequent value"),
    Statistic("unseen", True, 0.01, "share of values never seen before", damaged=True),
    # of two models on the same rows: answers are in their own standard deviations, silence and repeats as roots of shares
    Statistic("disagreement", True, 0.005, "share of rows decided otherwise"),
    Statistic("difference", False, 0.02, "difference of answers"),
    Statistic("distance", True, 0.01, "distance of answers"),
    Statistic("silence", False, 0.03, "answers that one does not give"),
    Statistic("repeats", False, 0.02, "answers that are the very same"),
    Statistic("level", False, 0.02, "level of answers"),
    Statistic("apart", True, 0.01, "distance of answers from those to like rows"),
    Statistic("silent", True, 0.03, "rows without an answer"),
)}


class Stream(NamedTuple):
    """One statistic of one column of one source; ``column`` is empty for the table itself."""

    source: str
    column: str
    statistic: str

    def __str__(self) -> str:
        words = STATISTICS[self.statistic].words if self.statistic in STATISTICS else self.statistic
        return f"{words} of {self.column}" if self.column else words


@dataclass(frozen=True)
class Table:
    """What one source delivered in one window: its rows, and the summaries of its columns by kind.

    ``types`` are words ("integer", "text"), which are compared and shown. ``keys`` is the number of different keys behind the rows of
    a joined source (hours of weather behind flights): rows that repeat a key are one observation of what it brings.
    """

    name: str
    rows: int
    columns: Mapping[str, Mapping[str, Summary]]
    types: Mapping[str, str] = field(default_factory=dict)
    keys: int | None = None

    @classmethod
    def of(cls, profile: Profile, name: str, columns: Iterable[str], *, types: Mapping[str, str] | None = None,
           key: str | None = None) -> Table:
        """Return the part of a profile that is one source's; ``key`` is the column whose different values are its real size."""
        wanted = set(columns)
        found: dict[str, dict[str, Summary]] = {column: {} for column in columns}
        keys = None
        for (slice_, need), summary in profile.items():
            if slice_ != () or len(need.columns) != 1:
                continue
            if need.columns[0] == key and need.kind == "distinct":
                keys = round(cast(Distinct, summary).estimate)
            if need.columns[0] in wanted:
                found[need.columns[0]][need.kind] = summary
        return cls(name, profile.rows, {name: each for name, each in found.items() if each}, types or {}, keys)


def needs(kinds: Mapping[str, str]) -> list[Need]:
    """Return the summaries to ask of an engine, for columns by kind (``number`` or ``category``).

    >>> [need.kind for need in needs({"age": "number"})]
    ['moments', 'quantiles']
    """
    wanted = {"number": ("moments", "quantiles"), "category": ("moments", "frequent", "distinct")}
    return [Need(kind, (column,)) for column, of in kinds.items() for kind in wanted.get(of, ("moments",))]


@dataclass(frozen=True)
class Fact:
    """What the rules of :mod:`assay.monitor.fault` look at in one column of one window; shares are of present values."""

    rows: int
    nulls: int
    kind: str
    type: str = ""
    present: int = 0
    low: float = math.nan
    high: float = math.nan
    mean: float = math.nan
    deviation: float = math.nan
    median: float = math.nan
    distinct: float = math.nan
    top: float = math.nan
    far: float = 0.0            # further outside the range seen so far than that range is wide, three times
    unseen: float = 0.0
    folded: float = 0.0         # unseen as written, known but for case, spaces and marks
    fresh: tuple[str, ...] = ()  # the most frequent of those never seen before
    fresh_share: float = 0.0
    gone: tuple[str, ...] = ()   # those that were frequent and do not occur
    gone_share: float = 0.0
    print: str = ""             # the same for the same rows, in any order
    quantiles: tuple[float, ...] = ()  # at ``QUANTILES``
    zeros: float = 0.0


@dataclass(frozen=True)
class Readings:
    """The streams of one window: values, sampling variances, and whether only a rise counts; NaN where there is nothing to say."""

    streams: tuple[Stream, ...]
    x: Array
    v: Array

    @classmethod
    def of(cls, rows: Iterable[tuple[Stream, float, float]]) -> Readings:
        held = list(rows)
        x, v = (np.array([each[at] for each in held], float) for at in (1, 2))
        return cls(tuple(each[0] for each in held), x, v)


@dataclass(frozen=True)
class Seen:
    """What a column was like so far: the range, the known categories, and the recent distribution."""

    windows: int = 0
    low: float = math.inf
    high: float = -math.inf
    scale: float = math.nan                 # the standard deviation that means are told in
    edges: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()          # recent rows by bin, fading
    names: Mapping[str, float] = field(default_factory=dict)  # rows by known category, in units in which those of today weigh ``unit``
    folded: frozenset[str] = frozenset()
    cells: tuple[str, ...] = ()             # the most frequent of them
    unit: float = 1.0                       # grows instead of all names fading
    total: float = 0.0                      # recent rows, fading

    def to_json(self) -> dict[str, Any]:
        numbers = {"low": self.low, "high": self.high, "scale": self.scale}
        return {"windows": self.windows, **{name: value if math.isfinite(value) else repr(value) for name, value in numbers.items()},
                "edges": list(self.edges), "counts": list(self.counts), "names": dict(self.names),
                "cells": list(self.cells), "unit": self.unit, "total": self.total}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seen:
        names = {str(name): float(count) for name, count in data["names"].items()}
        return cls(int(data["windows"]), float(data["low"]), float(data["high"]), float(data["scale"]), tuple(map(float, data["edges"])),
                   tuple(map(float, data["counts"])), names, frozenset(map(fold, names)),
                   tuple(map(str, data["cells"])), float(data["unit"]), float(data["total"]))


#: by source and column
Reference = Mapping[tuple[str, str], Seen]
_NOTHING = Seen()
Measured = tuple[Fact, list[tuple[str, float, float]]]  # the facts of a column; statistic, value and sampling variance of its streams


def fold(name: str) -> str:
    """Return a category without what is often written differently: case, spaces, hyphens, underscores.

    >>> fold(" New-York ") == fold("new york") == fold("NEW_YORK")
    True
    """
    return "".join(name.casefold().split()).replace("-", "").replace("_", "")


def read(reference: Reference, tables: Iterable[Table]) -> tuple[Readings, dict[tuple[str, str], Fact]]:
    """Return the streams of a window and the facts of its columns, measured against what was seen before.

    Transformed so that noise does not depend on the level: means in standard deviations, ln of counts and spreads, arcsine roots of
    shares, the root of the Jensen-Shannon divergence freed of (bins - 1)(1/n + 1/m)/8. Sampling variances are those of independent
    rows, or of independent keys for means, spreads and distances of a joined source.
    """
    rows: list[tuple[Stream, float, float]] = []
    facts: dict[tuple[str, str], Fact] = {}
    for table in tables:
        count = table.rows if table.keys is None else table.keys  # rows of a joined source are another's; its keys are its own
        if count:
            rows.append((Stream(table.name, "", "rows"), math.log(count), 1 / count))
        for name, summaries in table.columns.items():
            seen = reference.get((table.name, name), _NOTHING)
            size = min(table.keys, table.rows) if table.keys else table.rows
            fact, found = _column(table, name, summaries, seen, size / table.rows if table.rows else 1.0)
            facts[table.name, name] = fact
            rows += [(Stream(table.name, name, statistic), x, v) for statistic, x, v in found]
    return Readings.of(rows), facts


def _column(table: Table, name: str, summaries: Mapping[str, Summary], seen: Seen, ratio: float) -> Measured:
    moments = cast(Moments, summaries["moments"])
    n = moments.rows
    kind = table.types.get(name, "")
    out = [("missing", *_share(moments.nulls, n))] if n else []
    if "quantiles" in summaries:
        fact, rest = _number(moments, cast(Quantiles, summaries["quantiles"]), seen, ratio, kind)
    elif "frequent" in summaries:
        fact, rest = _category(moments, cast(Frequent, summaries["frequent"]), summaries.get("distinct"), seen, ratio, kind)
    else:
        fact, rest = Fact(n, moments.nulls, "missing", kind), []
    return fact, out + rest


def _share(part: float, n: float) -> tuple[float, float]:
    """Return the arcsine root of a share, and its sampling variance, at which it stays for any share."""
    return math.asin(math.sqrt(min(max(part / n, 0.0), 1.0))), 0.25 / n


def _number(moments: Moments, sketch: Quantiles, seen: Seen, ratio: float, type_: str) -> Measured:
    count = moments.count
    if not count:
        return Fact(moments.rows, moments.nulls, "number", type_, print=_print(moments)), []
    values, weights = sketch.points
    reached = np.concatenate(([0.0], np.cumsum(weights)))
    width = seen.high - seen.low
    warm = seen.windows >= BORN and width >= 0
    # a column of counts that was 0 so far has a range without width: its own values are then the measure
    margin = max(width, abs(seen.high), abs(seen.low)) if warm and not width else width
    far = _beyond(values, reached, seen.low - _FAR * margin, seen.high + _FAR * margin) / count if warm else 0.0
    deviation = moments.deviation if count > 1 else 0.0
    some = values[np.minimum(np.searchsorted(reached[1:], reached[-1] * np.array(QUANTILES)), len(values) - 1)].tolist()
    fact = Fact(moments.rows, moments.nulls, "number", type_, count, moments.low, moments.high, moments.mean, deviation,
                some[len(some) // 2], float(len(values)), float(weights.max()) / count, far, print=_print(moments),
                quantiles=tuple(some), zeros=moments.zeros / count)
    n = max(count * ratio, 1.0)
    out = []
    scale = seen.scale if seen.scale > 0 else deviation
    if scale > 0 and count >= _FEWEST:
        # a few equal values are no proof of a variance of 0
        out.append(("mean", moments.mean / scale, ((n - 1) * (deviation / scale) ** 2 + 5) / (n + 4) / n))
        if deviation > 0 and n >= 2 * _FEWEST:
            kurtosis = min(max(moments.kurtosis, 1.2), 30.0)
            out.append(("spread", math.log(deviation), (kurtosis - 1) / (4 * n)))
    if warm and count >= _FEWEST:
        # a quarter of the range is allowed for: weather and money set records every season
        slack = _SLACK * margin
        out.append(("outside", *_share(_beyond(values, reached, seen.low - slack, seen.high + slack), count)))
        if seen.edges and seen.total > 0 and n >= _FEWEST:
            out.append(_distance(_binned(values, reached, seen.edges), np.array(seen.counts), n, seen.total * ratio))
    return fact, out


def _beyond(values: Array, reached: Array, low: float, high: float) -> float:
    """Return the rows below ``low`` or above ``high``."""
    return float(reached[np.searchsorted(values, low)] + reached[-1] - reached[np.searchsorted(values, high, "right")])


def _binned(values: Array, reached: Array, edges: tuple[float, ...]) -> Array:
    return np.diff(reached[np.searchsorted(values, edges)], prepend=0.0, append=reached[-1])


def _distance(now: Array, then: Array, n: float, m: float) -> tuple[str, float, float]:
    """Return the root of the debiased Jensen-Shannon divergence (in nats) of two sets of counts, for samples of n and m."""
    p, q = now / now.sum(), then / then.sum()
    middle = (p + q) / 2
    used = middle > 0
    logs = np.log(np.where(used, middle, 1.0))
    found = float((_plogp(p) + _plogp(q) - 2 * middle * logs).sum() / 2)
    cells = int(used.sum())
    noise = (1 / n + 1 / m) / 8
    found = max(found - (cells - 1) * noise, 0.0)
    # the divergence is noise times chi-square(cells - 1); near 0 the root has about the deviation (2 (cells - 1))^(1/4) sqrt(noise)
    return "shift", math.sqrt(found), noise * math.sqrt(2 * max(cells - 1, 1))


def _plogp(p: Array) -> Array:
    return p * np.log(np.where(p > 0, p, 1.0))


def _category(moments: Moments, frequent: Frequent, distinct: Summary | None, seen: Seen, ratio: float,
              type_: str) -> Measured:
    present, counts = frequent.present, frequent.counts
    base: dict[str, Any] = {"rows": moments.rows, "nulls": moments.nulls, "kind": "category", "present": present, "type": type_,
                            "print": _print(frequent)}
    if not present or not counts:
        return Fact(**base), []
    few = present < _FEWEST
    varieties = float(cast(Distinct, distinct).estimate) if distinct is not None else float(len(counts))
    top = max(counts.values()) / present
    n = max(present * ratio, 1.0)
    # sampling: a value seen f times is missed with e^-f, so singletons bring the variance of the number of varieties (Good 1953)
    single = sum(1 for count in counts.values() if count == 1)
    out = [("varieties", math.log(max(varieties, 1.0)), (single + 0.05) / max(varieties, 1.0) ** 2 + 1e-6), ("top", *_share(top * n, n))]
    base |= {"distinct": varieties, "top": top}
    if seen.windows < BORN or not seen.names or few:
        return Fact(**base), [] if few else out
    more: dict[str, Any] = {}
    new = {name: count for name, count in counts.items() if name not in seen.names} if len(seen.names) < _NAMES else {}
    unseen = sum(new.values())
    out.append(("unseen", *_share(unseen, present)))
    if new:
        folded = sum(count for name, count in new.items() if fold(name) in seen.folded)
        fresh = sorted(new, key=lambda name: (-new[name], name))[:3]
        more = {"unseen": unseen / present, "folded": folded / present, "fresh": tuple(fresh), "fresh_share": new[fresh[0]] / present}
    if seen.total > 0:
        then = np.array([seen.names[name] for name in seen.cells]) / seen.unit
        now = np.array([counts.get(name, 0) for name in seen.cells], float)
        gone = np.flatnonzero((now == 0) & (then >= 0.02 * seen.total)).tolist()
        if gone:
            more |= {"gone": tuple(seen.cells[at] for at in gone[:3]), "gone_share": float(then[gone[0]]) / seen.total}
        # expected in fewer than three rows, a category is part of the rest: distances of single rows are chance
        rare = then * present < 3 * seen.total
        then, now = then[~rare], now[~rare]
        then, now = np.append(then, max(seen.total - then.sum(), 0.0)), np.append(now, max(present - now.sum(), 0.0))
        out.append(_distance(now, then, n, seen.total * ratio))
    return Fact(**base, **more), out


def _print(summary: Summary) -> str:
    """Return what is the same for the same rows: numbers rounded, as sums depend on the order in the last bits."""
    if isinstance(summary, Moments):
        return f"{summary.rows} {summary.nulls} {summary.zeros} {summary.low!r} {summary.high!r} {summary.mean:.9g} {summary.sums[0]:.7g}"
    frequent = cast(Frequent, summary)
    head = ",".join(f"{name}={count}" for name, count in frequent.top[:20])
    return f"{frequent.present} {frequent.nulls} {len(frequent.counts)} {head}"


def learned(reference: Reference, tables: Iterable[Table], *, apart: Collection[tuple[str, str]] = ()) -> dict[tuple[str, str], Seen]:
    """Return the reference after a window, which the columns ``apart`` are not taken from."""
    after = dict(reference)
    for table in tables:
        for name, summaries in table.columns.items():
            key = (table.name, name)
            if key not in apart:
                after[key] = _taken(after.get(key, _NOTHING), summaries)
    return after


def _taken(seen: Seen, summaries: Mapping[str, Summary]) -> Seen:
    fade = 1 - 1 / _TRAIL
    if "quantiles" in summaries:
        moments, sketch = cast(Moments, summaries["moments"]), cast(Quantiles, summaries["quantiles"])
        if not moments.count:
            return seen
        edges, counts = seen.edges, np.array(seen.counts)
        if not edges and moments.count >= 30:
            edges = sketch.edges(_BINS)
            counts = np.zeros(len(edges) + 1)
        total = seen.total
        if edges:
            values, weights = sketch.points
            counts = counts * fade + _binned(values, np.concatenate(([0.0], np.cumsum(weights))), edges)
            total = total * fade + moments.count
        scale = seen.scale
        if moments.count > 1 and moments.deviation > 0 and seen.windows < _TRAIL:  # settled then: a unit must not drift with the column
            scale = moments.deviation if not scale > 0 else scale + (moments.deviation - scale) / (seen.windows + 1)
        return Seen(seen.windows + 1, min(seen.low, moments.low), max(seen.high, moments.high), scale, edges, tuple(counts.tolist()),
                    total=total)
    if "frequent" not in summaries:
        return replace(seen, windows=seen.windows + 1)
    frequent = cast(Frequent, summaries["frequent"])
    if not frequent.present:
        return seen
    counts_ = frequent.counts
    unit = seen.unit / fade
    names = dict(seen.names)
    if unit > 1e12:  # numbers must stay numbers
        names, unit = {name: count / unit for name, count in names.items()}, 1.0
    full = len(names) >= _NAMES
    fresh = []
    for name, count in counts_.items():
        if name in names:
            names[name] += unit * count
        elif not full:
            names[name] = unit * count
            fresh.append(name)
    folded = seen.folded | frozenset(map(fold, fresh)) if fresh else seen.folded
    cells = seen.cells
    if seen.windows < 2 * BORN or seen.windows % BORN == 0:
        cells = tuple(sorted(nlargest(_CELLS, names, key=names.__getitem__), key=lambda name: (-names[name], name)))
    return Seen(seen.windows + 1, names=names, folded=folded, cells=cells, unit=unit, total=seen.total * fade + frequent.present)
