"""What the gate says, in plain words: how much better or worse, how sure, and how many rows would settle it.

For the other modules of the gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from assay.result import FEWEST_SHOWN, Outcome, Value

__all__ = ["change", "figure", "goal", "goal_title", "guard", "place", "rows_of", "signed"]

_LONGEST = 60


def figure(number: float) -> str:
    """Return a number with as many figures as a reader can use.

    >>> figure(0.01234), figure(12.345), figure(4321.9), figure(0.00001234)
    ('0.0123', '12.3', '4,322', '1.23e-05')
    """
    if not math.isfinite(number):
        return "-"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def signed(number: float) -> str:
    """Return a number with its sign: ``+0.01``."""
    return ("+" if number >= 0 else "-") + figure(abs(number))


def place(slice: Mapping[str, object]) -> str:
    """Return what a slice is called: ``carrier AA, origin JFK``.

    >>> place({"carrier": "AA", "age": None})
    'carrier AA, age missing'
    """
    return ", ".join(f"{name} {_cut(' '.join(str('missing' if each is None else each).split()))}" for name, each in slice.items())


def rows_of(count: int, slice: Mapping[str, object], noun: str = "labelled rows") -> str:
    """Return a number of rows in words: ``412 more labelled rows of country FR``."""
    return f"{_round(count):,} more {noun}" + (f" of {place(slice)}" if slice else "")


def change(value: Value) -> str:
    """Return a difference in words: ``0.012 lower [-0.030, +0.006]``."""
    number = value.value or 0.0
    interval = "" if value.low is None or value.high is None else f" [{signed(value.low)}, {signed(value.high)}]"
    if number == 0:
        return f"the same{interval}"
    return f"{figure(abs(number))} {'higher' if number > 0 else 'lower'}{interval}"


def guard(value: Value, tolerance: float, base: float | None, outcome: Outcome, *, rows: int | None, family: int, alone: bool) -> str:
    """Return the sentence on a guard."""
    where = f" of {place(value.slice)}" if value.slice else ""
    if value.private:
        return f"{value.name}{where}: fewer than {FEWEST_SHOWN} rows, too small to tell"
    if value.value is None:
        return f"{value.name}{where} cannot be compared: {' '.join((value.note or 'no number').split())}"
    was = "" if base is None else f" {figure(base)}"
    head = f"{value.name}{where} is {change(value)} {'than' if value.value else 'as'} the champion's{was}"
    head += f" on {value.n:,} rows"
    asked = f"{figure(tolerance)} {'less' if value.better == 'higher' else 'more'} is tolerated"
    if tolerance < 0:
        asked = f"{figure(-tolerance)} {'more' if value.better == 'higher' else 'less'} is asked"
    if outcome == "pass":
        return f"{head}; {asked}: {'not worse' if tolerance >= 0 else 'better'}"
    if outcome == "warn":
        return f"{head}; {asked}: worse, but within that"
    if outcome == "fail":
        beyond = abs(value.value) > tolerance
        return f"{head}; {asked}: worse" + ("" if beyond else ", and not shown to be within that")
    chance = f"; alone it would count as worse, among {family:,} comparisons that can be chance" if alone else ""
    more = f"; about {rows_of(rows, value.slice)} would" if rows is not None else "; no realistic number of rows would"
    return f"{head}; {asked}: {'too few rows to tell' if outcome == 'too small' else 'cannot tell'}{chance}{more}"


def goal_title(value: Value, gain: float) -> str:
    """Return a goal as the check that a user could write."""
    sign, limit = (">=", f"champion + {gain:g}" if gain else "champion") if value.better == "higher" else (
        "<=", f"champion - {gain:g}" if gain else "champion")
    return f"{value.name} {sign} {limit}"


def goal(value: Value, gain: float, outcome: Outcome, *, met: bool, rows: int | None) -> str:
    """Return the sentence on a goal."""
    if value.value is None:
        return f"{value.name} cannot be compared: {value.note or 'no number'}"
    head = f"{value.name} is {change(value)} {'than' if value.value else 'as'} the champion's on {value.n:,} rows"
    asked = f"more than {figure(gain)} better was hoped for" if gain else "better was hoped for"
    if outcome == "pass":
        return f"{head}: better" if met else f"{head}: not shown to be better, which another metric of success is"
    if outcome == "fail":
        return f"{head}; {asked}: it is not"
    more = f"; about {rows_of(rows, value.slice)} would" if rows is not None else "; more rows would not, so small is it"
    return f"{head}; {asked}: cannot tell{more}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST - 3].rstrip() + "..."


def _round(count: int) -> int:
    """Return a count with two figures, as it is a plan; small ones as they are."""
    if count < 1000:
        return count
    unit = int(10 ** (len(str(count)) - 2))
    return math.ceil(count / unit) * unit
