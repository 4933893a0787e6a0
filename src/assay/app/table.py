"""Tables of values with their intervals: overall, by slices, of columns; drawn on one scale where there is room.

``tables(run, screen)``; ``Figures`` decides on decimals, ``name`` on what a slice is called, ``some`` cuts lists of names. For this package
only.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.app.layout import Line, Terminal, cells, clean, cut, padded, wrapped
from assay.result import FEWEST_SHOWN, Outcome, Run, Value, goodness

__all__ = ["Figures", "name", "some", "tables"]

MOST = 12  # rows of one table of slices or columns
FEW = 5  # of one that no check speaks of


@dataclass(frozen=True)
class _Row:
    name: str
    value: Value
    outcome: Outcome | None


def tables(run: Run, screen: Terminal) -> list[list[Line]]:
    """Return the tables of values: overall, then by slices, then of columns."""
    judged = {_identity(each.value): each.verdict for each in run.verdicts if each.value is not None}
    bounds: dict[tuple[object, ...], set[float]] = {}
    for verdict in run.verdicts:
        if verdict.value is not None and verdict.threshold is not None:
            bounds.setdefault(_block(verdict.value), set()).add(verdict.threshold)
    blocks: dict[tuple[object, ...], list[Value]] = {}
    for value in run.values:
        blocks.setdefault(_block(value), []).append(value)
    single = [value for key, values in blocks.items() if key[0] == "all" for value in values]
    opinions = [each for each in run.verdicts if each.aspect]
    if opinions:  # the suite measures far more than a screen holds: what it found faults in, what was asked, and the whole
        shown = {_block(each.value) for each in run.verdicts if each.value is not None and (not each.aspect or each.slice)}
        screened = {each.value.name for each in opinions if each.value is not None and not each.value.slice and each.aspect != "rollback"}
        single = [each for each in single if each.name not in screened or _block(each) in shown - {("all",)}]
        blocks = {key: values for key, values in blocks.items() if key in shown}
    tables = []
    if single:
        several = len({each.model for each in single if each.against is None and each.model}) > 1
        rows = [_Row(_metric(each, several), each, judged.get(_identity(each))) for each in single]
        tables.append(_table("overall", rows, screen, common=False))
    for kind in ("slices", "columns"):
        for key, values in blocks.items():
            if key[0] != kind:
                continue
            whole = [each for each in single if kind == "slices" and not each.slice and each.name == values[0].name
                     and each.against == values[0].against]
            rows = [_Row(_label(each, kind), each, judged.get(_identity(each))) for each in sorted(values, key=_worst_first)]
            known = bounds.get(key, set())
            bound = next(iter(known)) if len(known) == 1 else None
            tables.append(_table(_heading(values[0], kind), rows, screen, whole=whole[:1], bound=bound))
    return tables


def _identity(value: Value) -> tuple[object, ...]:
    return (value.name, value.key, value.column, value.against, value.model)


def _block(value: Value) -> tuple[object, ...]:
    """Return the table that a value belongs to: rows of it differ in the slice or in the column, not in both."""
    names = tuple(name for name, _ in value.key)
    if value.column is not None:
        return ("columns", value.name, value.against, value.key)
    # "where" is one predicate, not a dimension: its single slice stands among the whole-data values
    return ("all",) if not names or names == ("where",) else ("slices", value.name, value.against, value.model, _where(value), names)


def _where(value: Value) -> object:
    return dict(value.key).get("where")


def _metric(value: Value, several: bool) -> str:
    """Return what a row is of; where there are several models, of which."""
    where = f" where {clean(_where(value))}" if _where(value) is not None else ""
    return clean(value.name) + (f" of {clean(value.model)}" if several and value.model else "") + where + _against(value)


def _against(value: Value) -> str:
    if value.against is None or value.column is not None:
        return ""
    return f" less the {'training data' if value.against == 'train' else clean(value.against)}'s"


def _heading(value: Value, kind: str) -> str:
    unit = f", {clean(value.unit)}" if value.unit and value.unit != "share" else ""
    if kind == "columns":
        place = f" of {name(value.slice)}" if value.slice else ""
        return f"{clean(value.name)}, by column{place}{unit}"
    names = " * ".join(clean(name) for name, _ in value.key if name != "where")
    where = f" where {clean(_where(value))}" if _where(value) is not None else ""
    return f"{clean(value.name)}{_against(value)} by {names}{where}{unit}"


def _label(value: Value, kind: str) -> str:
    if kind == "columns":
        return clean(value.column or "the table")
    return name({name: each for name, each in value.key if name != "where"})


def _worst_first(value: Value) -> tuple[int, float, int]:
    if value.private or value.value is None:
        return 1, 0.0, -value.n
    return 0, goodness(value.value, value.better) if value.better else 0.0, -value.n


def _table(title: str, rows: Sequence[_Row], screen: Terminal, *, whole: Sequence[Value] = (), bound: float | None = None,
           common: bool = True) -> list[Line]:
    """Return a table of values; with ``common``, of one metric: worst first, cut, and drawn on one scale where there is room."""
    rows, alike = _alike(rows) if common else (rows, [])
    most = len(rows) if not common else MOST if any(row.outcome for row in rows) else FEW
    shown = list(rows[:most] if len(rows) > most + 1 else rows)
    every = [_Row("all rows", each, None) for each in whole] + shown
    figures = Figures.of([row.value for row in every if not row.value.private])
    cases = [_Case.of(row, figures if common else Figures.of([row.value])) for row in every]
    out = _grid(title, cases, screen, bound, plotted=common) or _list(title, cases, screen)
    if len(rows) > len(shown):
        out.append([(f"  and {len(rows) - len(shown):,} more: --json has all", "dim")])
    if alike:
        words = f"{figures.number(alike[0].value.value or 0.0)} in the other {len(alike):,}: {some([row.name for row in alike])}"
        out += wrapped([("  ", "")], words, "dim", screen.width)
    return out


@dataclass(frozen=True)
class _Case:
    """A row of a table as text."""

    row: _Row
    number: str
    interval: str
    count: str

    @classmethod
    def of(cls, row: _Row, figures: Figures) -> _Case:
        if row.value.private:
            return cls(row, "", "", f"under {FEWEST_SHOWN}")
        return cls(row, *figures.row(row.value), f"{row.value.n:,}")

    @property
    def style(self) -> str:
        outcome = self.row.outcome
        return outcome if outcome in ("fail", "warn", "inconclusive", "error") else "too small" if self.row.value.private else ""

    @property
    def note(self) -> str:
        value = self.row.value
        return clean(value.note) if value.value is None and value.note and not value.private else ""


def _grid(title: str, cases: Sequence[_Case], screen: Terminal, bound: float | None, *, plotted: bool) -> list[Line]:
    """Return the cases in columns, or nothing where the screen has no room for them."""
    intervals = max(len(each.interval) for each in cases)
    widths = (max(5, *(len(each.number) for each in cases)), max(intervals, 13) if intervals else 0,
              max(4, *(len(each.count) for each in cases)))
    room, longest = screen.width - sum(widths) - 8, max(cells(each.row.name) for each in cases)
    if room < min(longest, 10):
        return []
    drawable = [each.row.value for each in cases if plotted and not each.row.value.private]
    plot = _Plot.of(drawable, bound, screen, min(max(24, min(40, screen.width // 3)), room - min(longest, 24) - 2))
    space = room - (plot.width + 2 if plot else 0)
    width = min(max(longest, cells(title) - 2 if cells(title) - 2 <= space else 0, 6), space)

    def figures(number: str, interval: str, count: str) -> str:
        return f"{padded(number, widths[0], right=True)}  {padded(interval, widths[1])}  {padded(count, widths[2], right=True)}"

    level = f"{cases[0].row.value.level * 100:g} % interval"
    names = ("value", level if widths[1] >= len(level) else "interval" if widths[1] else "", "rows")
    alone = cells(title) > width + 2  # a long title has its own line
    out = wrapped([], title, "head", screen.width, indent=2) if alone else []
    out.append([(f"{padded('' if alone else title, width + 2)}  {figures(*names)}", "head"), (f"  {plot.scale}" if plot else "", "dim")])
    for each in cases:
        bar = f"  {plot.bar(each.row.value)}" if plot and not each.row.value.private else ""
        out.append([("  " + padded(cut(each.row.name, width), width), each.style),
                    ("  " + figures(each.number, each.interval, each.count), "dim" if each.row.value.private else ""), (bar, each.style)])
        out += wrapped([("    ", "")], each.note, "dim", screen.width) if each.note else []
    return out


def _list(title: str, cases: Sequence[_Case], screen: Terminal) -> list[Line]:
    """Return the cases as sentences, which can be wrapped: huge numbers on a narrow screen."""
    out = wrapped([], title, "head", screen.width)
    for each in cases:
        words = [f"{each.row.name}:", each.number, each.interval, f"on {each.count} rows", f"({each.note})" if each.note else ""]
        out += wrapped([("  ", "")], " ".join(filter(None, words)), each.style, screen.width)
    return out


def some(names: Sequence[str], most: int = 4) -> str:
    """Return the first names of a list, and how many more there are."""
    return ", ".join(cut(name, 30) for name in names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _alike(rows: Sequence[_Row]) -> tuple[Sequence[_Row], Sequence[_Row]]:
    """Split off the best rows if all have the same exact number: a line says so of thirty columns without a gap."""
    best = rows[-1].value
    if best.value is None or best.private or best.spread is None or best.spread.kind != "exact":
        return rows, []
    first = next((place for place, row in enumerate(rows) if row.value.value == best.value and row.outcome in (None, "pass")), len(rows))
    return (rows[:first], rows[first:]) if first and len(rows) - first > 2 else (rows, [])


@dataclass(frozen=True)
class Figures:
    """How many decimals a column of numbers shows: two figures of the typical half width of an interval."""

    decimals: int | None

    @classmethod
    def of(cls, values: Sequence[Value]) -> Figures:
        places = [_places(value) for value in values if value.value is not None and math.isfinite(value.value)]
        known = [each for each in places if each is not None]
        return cls(min(int(statistics.median_high(known)), 6) if known else None)

    def number(self, number: float) -> str:
        if not math.isfinite(number) or abs(number) >= 1e15:
            return f"{number:g}"
        if self.decimals is None:  # exact: four figures, and no zeros that say nothing
            return f"{number:,.{max(0, 3 - _magnitude(number))}f}".rstrip("0").rstrip(".") if number % 1 else f"{number:,.0f}"
        text = f"{number:,.{self.decimals}f}"
        return text.lstrip("-") if not float(text.replace(",", "")) else text

    def row(self, value: Value) -> tuple[str, str]:
        """Return the number and its interval, empty where it is exact or there is none."""
        if value.value is None:
            return "-", ""
        if value.low is None or value.high is None or not value.low < value.high:
            return self.number(value.value), ""
        return self.number(value.value), f"[{self.number(value.low)}, {self.number(value.high)}]"


def _places(value: Value) -> int | None:
    if value.low is None or value.high is None or not math.isfinite(value.high - value.low) or not value.high > value.low:
        return None
    return max(0, 1 - _magnitude((value.high - value.low) / 2))


def _magnitude(number: float) -> int:
    return math.floor(math.log10(abs(number))) if number else 0


@dataclass(frozen=True)
class _Plot:
    """Intervals drawn on one scale, with the bound of the check as a dotted line."""

    low: float
    high: float
    width: int
    bound: float | None
    plain: bool

    @classmethod
    def of(cls, values: Sequence[Value], bound: float | None, screen: Terminal, width: int) -> _Plot | None:
        ends = [end for each in values if each.low is not None and each.high is not None and each.low < each.high
                for end in (each.low, each.high) if math.isfinite(end)]
        if len(ends) < 4 or width < 12:  # one interval compares with nothing
            return None
        low, high = min(ends), max(ends)
        if bound is not None and low - (high - low) <= bound <= high + (high - low):  # a bound far away would flatten the rest
            low, high = min(low, bound), max(high, bound)
        else:
            bound = None
        return cls(low, high, width, bound, screen.plain)

    def cell(self, number: float) -> int:
        return min(max(round((number - self.low) / (self.high - self.low) * (self.width - 1)), 0), self.width - 1)

    @property
    def scale(self) -> str:
        decimals = max(0, 1 - _magnitude(self.high - self.low))
        low, high = (f"{end:,.{decimals}f}" for end in (self.low, self.high))
        if len(low) + len(high) >= self.width:
            low, high = f"{self.low:.1g}", f"{self.high:.1g}"
        return low + " " * max(self.width - len(low) - len(high), 1) + high

    def bar(self, value: Value) -> str:
        row = [" "] * self.width
        if self.bound is not None:
            row[self.cell(self.bound)] = ":" if self.plain else "┊"
        if value.value is None or not math.isfinite(value.value):
            return "".join(row)
        left, line, right, point = "|-|o" if self.plain else "├─┤●"
        low, high = (value.value if end is None or not math.isfinite(end) else end for end in (value.low, value.high))
        first, last = self.cell(low), self.cell(high)
        if last - first > 1:
            row[first:last + 1] = [left, *line * (last - first - 1), right]
        row[self.cell(value.value)] = point
        return "".join(row)


def name(key: Mapping[str, object]) -> str:
    """Return what a slice is called: the values of its key."""
    return ", ".join("missing" if each is None else clean(each) or "(empty)" for each in key.values())
