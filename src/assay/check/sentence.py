"""The sentence of a verdict: plain words, and no more digits than the interval supports.

Interface: :func:`sentence`, :func:`cut`, :func:`undecided`. For ``verdict`` and the suite's opinions.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

from assay.check.expression import Check
from assay.check.lexeme import Scalar
from assay.result import FEWEST_SHOWN, Outcome, Value

__all__ = ["Reason", "cut", "sentence", "undecided"]

Reason: TypeAlias = Literal["many slices", "sketch", "no interval"]

_WHOSE = {"champion": "the champion's", "reference": "the reference's", "train": "the training data's"}
_COUNTING = ("share", "count")  # their condition is what is measured, and selects no rows
_LONGEST = 60  # characters of one slice value


def sentence(check: Check, value: Value, outcome: Outcome, *, rows: int | None = None, reason: Reason | None = None,
             family: int = 1, private: bool = False) -> str:
    """Return the verdict in words; ``rows`` more rows would decide it, ``reason`` says why it is open.

    >>> from assay.check.expression import parse
    >>> value = Value("auc", 0.71, 0.69, 0.73, 3211, {"carrier": "AA"})
    >>> sentence(parse("auc by carrier >= 0.60"), value, "pass")
    'auc is 0.710 [0.690, 0.730] on 3,211 rows of carrier AA, at least 0.600 asked: pass'
    """
    subject, place = _subject(check, value), _place(check, value)
    if private:
        return f"{subject}{place}: fewer than {FEWEST_SHOWN} rows, too small to tell"
    where = f"on {_count(value.n)}{place}"
    if value.value is None or math.isnan(value.value):
        return f"{subject} is not defined {where}: {cut(' '.join((value.note or 'no number').split()), 300)}"
    shown = _Figures.of(check, value)
    return (f"{subject} is {shown.number(value.value)}{_unit(value)}{shown.interval(value)} {where}, {_asked(check, shown)}: "
            + _ending(check, value, outcome, shown, rows, reason, family) + (f"; {few}" if (few := undecided(value)) else ""))


def undecided(value: Value) -> str:
    """Return for which groups of few rows a comparison of groups says nothing, as its note tells; empty where for none.

    >>> undecided(Value("recall difference", 0.1, None, None, 208, note="sex=f against sex=m; inconclusive for sex=x (8 rows)"))
    'inconclusive for sex=x (8 rows)'
    """
    start = "inconclusive for "
    some = (value.note or "").partition(f"; {start}")[2].partition(", among groups")[0]
    return start + _clean(some, 300) if some else ""


def cut(text: str, most: int) -> str:
    """Return ``text``, or its beginning and dots."""
    return text if len(text) <= most else text[:most - 3].rstrip() + "..."


def _ending(check: Check, value: Value, outcome: Outcome, shown: _Figures, rows: int | None, reason: Reason | None,
            family: int) -> str:
    number = value.value if value.value is not None else math.nan
    if outcome == "pass":
        return "pass"
    if outcome == "warn":
        return f"passes, but {'above' if check.at_least is None else 'below'} {shown.bound(check.warn or 0.0)}, so warn"
    if outcome == "fail" and not math.isfinite(number):
        return "fails"
    if outcome == "fail":
        if check.at_least is not None and number < check.at_least.number:
            return f"fails, short by {shown.number(check.at_least.number - number)}"
        return f"fails, over by {shown.number(number - (check.at_most.number if check.at_most else math.nan))}"
    chance = f"; alone it would fail, among {family:,} slices that can be chance" if reason == "many slices" else ""
    if outcome == "too small":
        return f"too small to tell{chance}"
    if reason == "no interval":
        return "cannot tell, as the value has no interval"
    if reason == "sketch":
        return f"cannot tell, as sketching may be off by {value.bound:.2g}"
    noun = "rows" if check.columns else "labelled rows"
    if rows is None:
        return f"cannot tell{chance}; no realistic number of {noun} would, so near is it to the bound"
    return f"cannot tell{chance}; about {_count(rows, f'more {noun}')}{_slice(value.slice)} would"


def _subject(check: Check, value: Value) -> str:
    named = check.subject_of(cut(value.column, 200)) if value.column else check.subject
    compared = f" {check.compare} by {_clean(check.by or '')}" if check.compare else ""
    if check.metric in _COUNTING and check.where:
        compared += f" where {_clean(check.where)}"
    bound = check.bound
    if bound.relative is None:
        return _clean(named, 200) + compared
    factor = "" if bound.factor == 1 else f"{bound.factor:g} times "
    return f"{_clean(named, 200)}{compared} less {factor}{_WHOSE[bound.relative]}"


def _place(check: Check, value: Value) -> str:
    # whoever slices may have made the filter a part of the slice; it is said once
    known = check.where is None or check.metric in _COUNTING or ("where" in value.slice and (
        check.by is None or _squeezed(check.where) in _squeezed(str(value.slice["where"]))))
    return _slice(value.slice) + ("" if known else f" where {_clean(check.where or '')}")


def _squeezed(text: str) -> str:
    return "".join(text.split()).replace('"', "'")


def _slice(key: Mapping[str, Scalar]) -> str:
    named = ", ".join(f"{_clean(name)} {_scalar(each)}" for name, each in key.items() if name != "where")
    where = f" where {_clean(str(key['where']))}" if key.get("where") is not None else ""
    return (f" of {named}" if named else "") + where


def _scalar(each: Scalar) -> str:
    if each is None:
        return "missing"
    if isinstance(each, bool):
        return "true" if each else "false"
    return _clean(f"{each:.6g}" if isinstance(each, float) else str(each)) or "(empty)"


def _clean(text: str, most: int = _LONGEST) -> str:
    """Return text from data as one line without control characters."""
    line = " ".join(text.split())
    return cut(line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line), most)


def _count(n: int, noun: str = "rows") -> str:
    return f"{n:,} {noun[:-1] if n == 1 and noun.endswith('rows') else noun}"


def _unit(value: Value) -> str:
    return f" {_clean(value.unit)}" if value.unit and value.unit != "share" else ""


def _asked(check: Check, shown: _Figures) -> str:
    low, high = check.at_least, check.at_most
    if low is not None and high is not None:
        return f"between {shown.bound(low.number)} and {shown.bound(high.number)} asked"
    return f"at {'most' if low is None else 'least'} {shown.bound(check.bound.number)} asked"


@dataclasses.dataclass(frozen=True)
class _Figures:
    """How many decimals to show: two figures of the interval's half width, and enough to tell a number from its bound."""

    decimals: int
    strip: bool

    @classmethod
    def of(cls, check: Check, value: Value) -> _Figures:
        number = value.value or 0.0
        low, high = (number if each is None or not math.isfinite(each) else each for each in (value.low, value.high))
        half = (high - low) / 2
        exact = not half > 0
        size = half if not exact else abs(number)
        decimals = (3 if exact else 1) - math.floor(math.log10(size)) if size > 0 and math.isfinite(size) else 0
        decimals = min(max(decimals, 0), 12)
        bounds = [each.number for each in (check.at_least, check.at_most) if each is not None]
        bounds += [] if check.warn is None else [check.warn]
        for more in range(decimals, min(decimals + 4, 13)):  # what differs further behind differs by rounding only
            apart = 2 * 10.0**-more  # numbers that lie further apart cannot look alike
            for b in bounds:
                if not (_told(number, b, apart, more) and _told(low, b, apart, more) and _told(high, b, apart, more)):
                    break
            else:
                decimals = more
                break
        return cls(decimals, exact)

    def number(self, number: float) -> str:
        if not math.isfinite(number) or abs(number) >= 1e15:
            return f"{number:g}"
        text = f"{number:,.{self.decimals}f}"
        if self.strip and "." in text:
            text = text.rstrip("0").rstrip(".")
        return text.lstrip("-") if text[0] == "-" and not float(text.replace(",", "")) else text

    def bound(self, number: float) -> str:
        """Show what the user asked: never fewer decimals than the user wrote, within reason."""
        return _bound(number, self.decimals, self.strip)

    def interval(self, value: Value) -> str:
        if self.strip or value.low is None or value.high is None:
            return ""
        return f" [{self.number(value.low)}, {self.number(value.high)}]"


def _told(a: float, b: float, apart: float, decimals: int) -> bool:
    """Whether two numbers are alike, or look different with so many decimals."""
    return a == b or abs(a - b) > apart or f"{a:.{decimals}f}" != f"{b:.{decimals}f}"


@functools.lru_cache(maxsize=256)  # a bound is judged for thousands of columns
def _bound(number: float, decimals: int, strip: bool) -> str:
    for more in range(decimals, decimals + 4):
        if float(f"{number:.{more}f}") == number:
            return _Figures(more, strip).number(number)
    return _Figures(decimals + 3, strip).number(number)
