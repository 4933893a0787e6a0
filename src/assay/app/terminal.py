"""How a run looks in a terminal: the verdict, the checks from worst to best, the values with their intervals, notes, cost.

``lines(run, screen)`` is the whole interface; it computes nothing that the run does not hold. For the commands of this package.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.app.layout import Line, Screen, cells, clean, cut, padded, wrapped
from assay.check.expression import Check, parse
from assay.errors import AssayError
from assay.result import Outcome, Run, Value, Verdict, worst

__all__ = ["headline", "lines"]

MOST = 10  # cases that one check lists
MOST_VALUES = 12  # rows of one table of slices
PRIVATE = 5  # groups with fewer rows show no numbers
ORDER: tuple[Outcome, ...] = ("fail", "error", "inconclusive", "warn", "too small", "pass")
SIGNS: Mapping[Outcome, tuple[str, str]] = {  # in unicode, plain
    "fail": ("✗", "x"), "error": ("✗", "E"), "inconclusive": ("?", "?"), "warn": ("!", "!"), "too small": ("·", "-"), "pass": ("✓", "+")}
#: one and many
_WORDS: Mapping[Outcome, tuple[str, str]] = {
    "fail": ("fails", "fail"), "error": ("is in error", "are in error"), "inconclusive": ("is inconclusive", "are inconclusive"),
    "warn": ("warns", "warn"), "too small": ("is too small to tell", "are too small to tell"), "pass": ("passes", "pass")}


def lines(run: Run, screen: Screen) -> list[Line]:
    """Return the lines that show ``run`` on ``screen``."""
    groups = _groups(run)
    parts = [headline(run, screen)]
    if groups:
        width = max(len(group.outcome) for group in groups) + 2
        parts.append([line for group in groups for line in _group(group, screen, width)])
    parts += _tables(run, screen)
    parts.append([line for note in run.notes for line in wrapped([("note: ", "dim")], clean(note), "", screen.width)])
    parts.append(wrapped([], _cost(run), "dim", screen.width))
    return [line for part in parts if part for line in (*part, [])][:-1]


# the verdict --------------------------------------------------------------------------------------------------------------


def headline(run: Run, screen: Screen) -> list[Line]:
    """Return the verdict in one sentence, with the checks that decide it."""
    groups = _groups(run)
    if not groups:
        count = len(run.values)
        words = f"{count:,} value{'s' * (count != 1)} measured, and no check to fail"
        return wrapped([("NOTHING CHECKED: ", "head")], words, "", screen.width)
    counts = {outcome: [group for group in groups if group.outcome == outcome] for outcome in ORDER}
    total = len(groups)
    if len(counts["pass"]) == total:
        words = f"all {total:,} checks pass" if total > 1 else f"the check passes ({groups[0].title})"
    elif total == 1:
        words = f"the check {_WORDS[groups[0].outcome][0]} ({groups[0].title})"
    else:
        words = ", ".join(_counted(outcome, found, total, named=place == 0)
                          for place, (outcome, found) in enumerate(each for each in counts.items() if each[1]))
    return wrapped([(f"{run.verdict.upper()}: ", run.verdict)], words, "head", screen.width)


def _counted(outcome: Outcome, groups: Sequence[_Group], total: int, *, named: bool) -> str:
    count = len(groups)
    of = f" of {total:,} checks" if named else ""
    names = [cut(group.title, 50) for group in groups[:2]] + ([f"and {count - 2:,} more"] if count > 2 else [])
    return f"{count:,}{of} {_WORDS[outcome][count != 1]}" + (f" ({'; '.join(names)})" if named and outcome != "pass" else "")


# the checks ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """One check with the verdicts on all its slices or columns, worst first."""

    text: str
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    check: Check | None

    @property
    def title(self) -> str:
        return clean(self.check.name or self.text) if self.check else clean(self.text)

    @property
    def noun(self) -> str:
        sliced, named = any(each.slice for each in self.verdicts), any(each.value and each.value.column for each in self.verdicts)
        return "case" if sliced and named else "column" if named else "slice"


def _groups(run: Run) -> list[_Group]:
    """Return the checks of a run, worst first, in the order of the run among equals."""
    found: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts:
        found.setdefault(verdict.check, []).append(verdict)
    groups = []
    for text, verdicts in found.items():
        outcome = worst((each.verdict for each in verdicts), strict=run.strict)
        if all(each.verdict == "too small" for each in verdicts) and run.verdict != "inconclusive":
            outcome = "too small"  # it made the run no worse, and must not look as if it had
        check = _parsed(text)
        ordered = sorted(verdicts, key=lambda each: (ORDER.index(each.verdict), _badness(each, check)))
        groups.append(_Group(text, outcome, tuple(ordered), check))
    return sorted(groups, key=lambda group: ORDER.index(group.outcome))


def _parsed(text: str) -> Check | None:
    try:
        return parse(text)
    except AssayError:  # written by another version, or by hand: shown as it is
        return None


def _badness(verdict: Verdict, check: Check | None) -> float:
    """Return how far a value is from its bound, smaller is worse; where that means nothing, the run's own order."""
    value = verdict.value
    if value is None or value.value is None or math.isnan(value.value):
        return math.inf
    if check is None or (check.at_least is not None and check.at_most is not None):
        return 0.0
    return value.value if check.at_least is not None else -value.value


def _group(group: _Group, screen: Screen, width: int) -> list[Line]:
    first: Line = [(padded(group.outcome, width), group.outcome)]
    if len(group.verdicts) == 1 and not (group.check and group.check.name):
        return wrapped(first, clean(group.verdicts[0].sentence), "", screen.width)
    if len(group.verdicts) == 1:
        return [*wrapped(first, group.title, "head", screen.width),
                *wrapped([(" " * width, "")], clean(group.verdicts[0].sentence), "", screen.width)]
    out = wrapped(first, f"{group.title}: {_tally(group)}", "head", screen.width)
    listed = [each for each in group.verdicts if each.verdict not in ("pass", "too small")]
    for verdict in listed[:MOST]:
        sign = (" " * width + SIGNS[verdict.verdict][screen.plain] + " ", verdict.verdict)
        out += wrapped([sign], clean(verdict.sentence), "", screen.width)
    folded = [f"and {len(listed) - MOST:,} more: --json has all"] if len(listed) > MOST else []
    folded += [_folded(group, [each for each in group.verdicts if each.verdict == outcome]) for outcome in ("too small", "pass")]
    for text, outcome in zip(filter(None, folded), _kinds(group, len(listed) > MOST), strict=True):
        out += wrapped([(" " * width + (SIGNS[outcome][screen.plain] if outcome else " ") + " ", outcome or "")], text, "", screen.width)
    return out


def _kinds(group: _Group, more: bool) -> list[Outcome | None]:
    seen = {each.verdict for each in group.verdicts}
    kinds: list[Outcome | None] = [None] if more else []
    return kinds + [outcome for outcome in ("too small", "pass") if outcome in seen]


def _tally(group: _Group) -> str:
    """Return how the slices of a check came out: ``2 of 16 slices fail, 14 pass``."""
    total = len(group.verdicts)
    parts: list[str] = []
    for outcome in ORDER:
        count = sum(each.verdict == outcome for each in group.verdicts)
        if count:
            parts.append(f"{count:,}{'' if parts else f' of {total:,} {group.noun}s'} {_WORDS[outcome][count != 1]}")
    return f"all {total:,} {group.noun}s {_WORDS[group.verdicts[0].verdict][1]}" if len(parts) == 1 else ", ".join(parts)


def _folded(group: _Group, verdicts: Sequence[Verdict]) -> str:
    """Return one line for slices that need no line each."""
    if not verdicts:
        return ""
    many = len(verdicts) != 1
    noun = f"{len(verdicts):,} {group.noun}{'s' * many}"
    if verdicts[0].verdict == "too small":
        return f"{noun} {'are' if many else 'is'} too small to tell: {_some([_place(each) for each in verdicts])}"
    nearest = verdicts[0]
    text = f"{noun} pass{'es' * (not many)}"
    if nearest.value is None or nearest.value.value is None or group.check is None:
        return text
    word = "" if not many or (group.check.at_least and group.check.at_most) else "lowest " if group.check.at_least else "highest "
    figures = _Figures.of([nearest.value])
    return f"{text}: {word}{' '.join(filter(None, figures.row(nearest.value)))} {cut(_place(nearest), 40)}" if word or not many else text


def _place(verdict: Verdict) -> str:
    """Return which slice or column a verdict speaks of, in a few words."""
    named = [_name(verdict.slice)] if verdict.slice else []
    return ", ".join(named + ([clean(verdict.value.column)] if verdict.value and verdict.value.column else [])) or "all rows"


def _name(key: Mapping[str, object]) -> str:
    return ", ".join("missing" if each is None else clean(each) or "(empty)" for each in key.values())


# the values ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    name: str
    value: Value
    outcome: Outcome | None


def _tables(run: Run, screen: Screen) -> list[list[Line]]:
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
    tables = []
    if single:
        tables.append(_table("overall", [_Row(_metric(each), each, judged.get(_identity(each))) for each in single], screen, common=False))
    for kind in ("slices", "columns"):
        for key, values in blocks.items():
            if key[0] != kind:
                continue
            whole = [each for each in single if kind == "slices" and each.metric == values[0].metric and each.against == values[0].against]
            rows = [_Row(_label(each, kind), each, judged.get(_identity(each))) for each in sorted(values, key=_worst_first)]
            known = bounds.get(key, set())
            bound = next(iter(known)) if len(known) == 1 else None
            tables.append(_table(_heading(values[0], kind), rows, screen, whole=whole[:1], bound=bound))
    return tables


def _identity(value: Value) -> tuple[object, ...]:
    return (value.metric, value.key, value.column, value.against, value.model)


def _block(value: Value) -> tuple[object, ...]:
    """Return the table that a value belongs to: rows of it differ in the slice or in the column, not in both."""
    names = tuple(name for name, _ in value.key)
    if value.column is not None:
        return ("columns", value.metric, value.against, value.key)
    # "where" is one predicate, not a dimension: its single slice stands among the whole-data values
    return ("all",) if not names or names == ("where",) else ("slices", value.metric, value.against, value.model, _where(value), names)


def _where(value: Value) -> object:
    return dict(value.key).get("where")


def _metric(value: Value) -> str:
    where = f" where {clean(_where(value))}" if _where(value) is not None else ""
    return clean(value.metric) + where + _against(value)


def _against(value: Value) -> str:
    if value.against is None or value.column is not None:
        return ""
    return f" less the {'training data' if value.against == 'train' else clean(value.against)}'s"


def _heading(value: Value, kind: str) -> str:
    unit = f", {clean(value.unit)}" if value.unit and value.unit != "share" else ""
    if kind == "columns":
        place = f" of {_name(value.slice)}" if value.slice else ""
        return f"{clean(value.metric)}, by column{place}{unit}"
    names = " * ".join(clean(name) for name, _ in value.key if name != "where")
    where = f" where {clean(_where(value))}" if _where(value) is not None else ""
    return f"{clean(value.metric)}{_against(value)} by {names}{where}{unit}"


def _label(value: Value, kind: str) -> str:
    if kind == "columns":
        return clean(value.column or "the table")
    return _name({name: each for name, each in value.key if name != "where"})


def _worst_first(value: Value) -> tuple[int, float, int]:
    if _hidden(value) or value.value is None:
        return 1, 0.0, -value.n
    number = value.value
    by = {"higher": number, "lower": -number, "nearer 1": -abs(number - 1), "nearer 0": -abs(number)}
    return 0, by.get(value.better or "", 0.0), -value.n


def _hidden(value: Value) -> bool:
    return bool(value.slice) and value.n < PRIVATE


def _table(title: str, rows: Sequence[_Row], screen: Screen, *, whole: Sequence[Value] = (), bound: float | None = None,
           common: bool = True) -> list[Line]:
    """Return a table of values, its intervals drawn on one scale where that helps and there is room."""
    rows, alike = _alike(rows) if common else (rows, [])
    shown = list(rows[:MOST_VALUES]) if common else list(rows)
    every = [_Row("all rows", each, None) for each in whole] + shown
    figures = _Figures.of([row.value for row in every if not _hidden(row.value)])
    texts = [("", "") if _hidden(row.value) else (figures if common else _Figures.of([row.value])).row(row.value) for row in every]
    counts = [f"under {PRIVATE}" if _hidden(row.value) else f"{row.value.n:,}" for row in every]
    widths = [max(len(text) for text in column) for column in (*zip(*texts, strict=True), counts)]
    widths = [max(widths[0], 5), max(widths[1], 13 if widths[1] else 0), max(widths[2], 4)]
    used = sum(widths) + 2 * 3 + 2
    most = max(cells(row.name) for row in every)
    room = max(screen.width - used, 10)
    wanted = 2 + max(24, min(40, screen.width // 3))
    drawable = [row.value for row in every if not _hidden(row.value)] if common else []
    plot = _Plot.of(drawable, bound, screen, min(wanted, room - min(most, 24)) - 2)
    space = room - (plot.width + 2 if plot else 0)
    name_width = min(max(most, cells(title) - 2 if cells(title) - 2 <= space else 0, 6), space)
    own_line = cells(title) > name_width + 2
    head = padded("" if own_line else title, name_width + 2)
    level = f"{every[0].value.level * 100:g} % interval"
    # a narrow table has no room for the words
    columns = [padded(text, width, right=place != 1) for place, (text, width) in enumerate(
        zip(("value", level if widths[1] >= len(level) else "interval" if widths[1] else "", "rows"), widths, strict=True))]
    out = wrapped([], title, "head", screen.width, indent=2) if own_line else []
    out += [[(f"{head}  {'  '.join(columns)}", "head"), (f"  {plot.scale}" if plot else "", "dim")]]
    for row, (number, interval), count in zip(every, texts, counts, strict=True):
        name = padded(cut(row.name, name_width), name_width)
        figures_text = f"{padded(number, widths[0], right=True)}  {padded(interval, widths[1])}  {padded(count, widths[2], right=True)}"
        style = row.outcome if row.outcome in ("fail", "warn", "inconclusive", "error") else ""
        out.append([("  " + name, style or ""), (f"  {figures_text}", "too small" if _hidden(row.value) else ""),
                    (f"  {plot.bar(row.value)}" if plot and not _hidden(row.value) else "", style or "")])
        if row.value.value is None and not _hidden(row.value) and row.value.note:
            out += wrapped([("    ", "")], clean(row.value.note), "dim", screen.width)
    if len(rows) > len(shown):
        out.append([(f"  and {len(rows) - len(shown):,} more: --json has all", "dim")])
    if alike:
        number = figures.number(alike[0].value.value or 0.0)
        out += wrapped([("  ", "")], f"{number} in the other {len(alike):,}: {_some([row.name for row in alike])}", "dim", screen.width)
    return out


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(cut(name, 30) for name in names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _alike(rows: Sequence[_Row]) -> tuple[Sequence[_Row], Sequence[_Row]]:
    """Split off the best rows if all have the same exact number: a line says so of thirty columns without a gap."""
    best = rows[-1].value
    if best.value is None or _hidden(best) or best.spread is None or best.spread.kind != "exact":
        return rows, []
    first = next((place for place, row in enumerate(rows) if row.value.value == best.value and row.outcome in (None, "pass")), len(rows))
    return (rows[:first], rows[first:]) if first and len(rows) - first > 2 else (rows, [])


@dataclass(frozen=True)
class _Figures:
    """How many decimals a column of numbers shows: two figures of the typical half width of an interval."""

    decimals: int | None

    @classmethod
    def of(cls, values: Sequence[Value]) -> _Figures:
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
    def of(cls, values: Sequence[Value], bound: float | None, screen: Screen, width: int) -> _Plot | None:
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


# the cost -----------------------------------------------------------------------------------------------------------------


def _cost(run: Run) -> str:
    cost = run.cost
    scored = f"{cost.model_rows:,} put to models, " if cost.model_rows else ""
    return f"{cost.rows:,} rows read, {scored}{cost.seconds:.1f} s; run {clean(run.id)[:12]}, assay {clean(run.assay)}"
