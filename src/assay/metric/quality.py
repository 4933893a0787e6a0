"""Facts about delivered data: missing, infinite, out of range, new categories, changed type, constant, duplicated.

They speak of these rows, not of a population behind them, so they have no sampling error: a file with 3 % missing values has
3 % missing values. ``mean`` and the like do estimate and have intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, cast

import numpy as np

from assay.errors import UnknownNameError
from assay.metric.column import Measured, column_metric
from assay.result import Spread
from assay.summary import Summary
from assay.summary.distinct import Distinct
from assay.summary.frequent import Frequent
from assay.summary.histogram import Histogram
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles
from assay.summary.rows import Rows

__all__ = [
    "constant", "count", "deviation", "distinct", "duplicates", "greatest", "has_type", "infinite", "least", "mean", "missing",
    "new_categories", "out_of_range", "quantile", "repeated", "share", "type_changed",
]

Summaries = Mapping[str, Summary]
_ANY = {"number": ("moments",), "category": ("moments",), "missing": ("moments",)}
_NUMBER = {"number": ("moments",)}
_COUNTS = {"table": ("fitting", "rows")}
_TYPES = ("integer", "fraction", "text", "boolean", "timestamp", "date", "duration", "time of day", "nested", "bytes", "missing")


def _share(part: float, whole: int, note: str = "there are no rows") -> Measured:
    return Measured(Spread("exact", part / whole, n=float(whole)), whole) if whole else Measured(None, 0, note=note)


@column_metric(needs=_ANY, better="lower", compared=False, unit="share")
def missing(current: Summaries) -> Measured:
    """Share of rows without a value (null or NaN).

    >>> moments = Moments()
    >>> moments.update([1.0, None, 3.0, 4.0])
    >>> missing({"moments": moments})
    0.25
    """
    moments = cast(Moments, current["moments"])
    return _share(moments.nulls, moments.rows)


@column_metric(needs=_NUMBER, better="lower", compared=False, unit="share")
def infinite(current: Summaries) -> Measured:
    """Share of rows whose value is plus or minus infinity.

    >>> moments = Moments()
    >>> moments.update(np.array([1.0, np.inf]))
    >>> infinite({"moments": moments})
    0.5
    """
    moments = cast(Moments, current["moments"])
    return _share(moments.minus_infinite + moments.plus_infinite, moments.rows)


@column_metric(needs={"number": ("range",)}, better="lower", compared=True, unit="share")
def out_of_range(reference: Summaries, current: Summaries) -> Measured:
    """Share of the present values below the least or above the greatest value of the reference.

    >>> now = Histogram(edges=(0.0, float(np.nextafter(9.0, np.inf))))
    >>> now.update([0.0, 5.0, 9.0, 11.0])
    >>> out_of_range({}, {"range": now})
    0.25
    """
    counts = cast(Histogram, current["range"]).counts
    return _share(float(counts[0] + counts[-1]), int(counts.sum()), "the column has no values now")


@column_metric(needs={"category": ("frequent",)}, better="lower", compared=True, unit="share")
def new_categories(reference: Summaries, current: Summaries) -> Measured:
    """Share of the present values that the reference does not have.

    >>> then, now = Frequent(), Frequent()
    >>> then.update(["a", "b"])
    >>> now.update(["a", "c"])
    >>> new_categories({"frequent": then}, {"frequent": now})
    0.5
    """
    known, now = (cast(Frequent, each["frequent"]) for each in (reference, current))
    if known.error:
        return Measured(None, now.present, note=f"the reference has more than {known.size} categories, so new ones cannot be told")
    fresh = sum(count for name, count in now.counts.items() if name not in known.counts)
    found = _share(fresh, now.present, "the column has no values now")
    names = [name for name, _ in now.top if name not in known.counts]
    if found.spread and names:
        listed = ", ".join(f"'{name}'" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return Measured(found.spread, found.n, note=f"new: {listed}")
    return found


@column_metric(needs={"number": ("moments",), "category": ("frequent",), "missing": ("moments",)}, better="lower", compared=False)
def constant(current: Summaries) -> Measured:
    """1 where all present values are one and the same, or none is present; else 0.

    >>> moments = Moments()
    >>> moments.update([3.0, None, 3.0])
    >>> constant({"moments": moments})
    1.0
    """
    if "frequent" in current:
        frequent = cast(Frequent, current["frequent"])
        single, rows = len(frequent.counts) <= 1 and not frequent.error, frequent.n
    else:
        moments = cast(Moments, current["moments"])
        infinities = [count for count in (moments.minus_infinite, moments.plus_infinite) if count]
        kinds = len(infinities) + (0 if not moments.count else 1 if moments.low == moments.high else 2)
        single, rows = kinds <= 1, moments.rows
    return Measured(Spread("exact", float(single), n=float(rows)), rows)


@column_metric(needs={"number": (), "category": (), "missing": ()}, better="lower", compared=True)
def type_changed(reference: Summaries, current: Summaries) -> Measured:
    """1 where the column has another type than in the reference (text for a number, a whole number for a fraction), else 0.

    Text and dictionary-encoded text are one type, and so are integers of any width, and floats of any width.

    >>> type_changed({"type": "text"}, {"type": "whole number"})
    1.0
    """
    first, now = reference["type"], current["type"]
    return Measured(Spread("exact", float(first != now)), 0, note=None if first == now else f"was {first}, is {now}")


@column_metric(needs={"number": (), "category": (), "missing": ()}, better="higher", compared=False)
def has_type(current: Summaries, *, name: str = "number") -> Measured:
    """1 where the column is of the type ``name``, else 0, whatever its width and encoding.

    Types are ``integer``, ``fraction``, ``number`` (either), ``text``, ``boolean``, ``timestamp``, ``date``, ``duration``,
    ``time of day``, ``nested``, ``bytes`` and ``missing`` (a column of nulls).

    >>> has_type({"type": "integer"}, name="number"), has_type({"type": "text"}, name="integer")
    (1.0, 0.0)
    """
    if name not in (*_TYPES, "number"):
        raise UnknownNameError.among("type of columns", str(name), (*_TYPES, "number"))
    found = str(current["type"])
    fits = found in ("integer", "fraction") if name == "number" else found == name
    return Measured(Spread("exact", float(fits)), 0, note=None if fits else f"is {found}")


@column_metric(needs={"number": ("distinct",), "category": ("distinct",)}, better=None, compared=False)
def distinct(current: Summaries) -> Measured:
    """Number of different present values; above 2,048 an estimate with a relative standard error of 2.2 %.

    >>> seen = Distinct()
    >>> seen.update(["a", "b", "a"])
    >>> distinct({"distinct": seen})
    2.0
    """
    found = cast(Distinct, current["distinct"])
    if not found.error:
        return Measured(Spread("exact", found.estimate, n=float(found.n)), found.n)
    most = float(found.n)   # no more are different than there are
    return Measured(Spread("normal", min(found.estimate, most), n=most, error=found.error, scale="log", high_limit=most), found.n)


@column_metric(needs={"table": ("copies",)}, better="lower", compared=False, unit="share", of="table")
def duplicates(current: Summaries) -> Measured:
    """Share of rows that repeat another row in every column but the id: 1 - different rows / rows.

    Exact up to 65,536 different rows, then measured on those with the smallest hashes.

    >>> copies = Rows(width=1)
    >>> copies.update(np.array([7, 7, 8, 9], np.uint64), np.ones(4))
    >>> duplicates({"copies": copies})
    0.25
    """
    return _repeats(cast(Rows, current["copies"]), "there are no rows")


@column_metric(needs={"number": ("repeats",), "category": ("repeats",)}, better="lower", compared=False, unit="share")
def repeated(current: Summaries) -> Measured:
    """Share of the present values that repeat another one: 1 - different values / values; 0 where all are unique.

    Exact up to 1,048,576 different values, then measured on those with the smallest hashes.

    >>> values = Rows(width=1)
    >>> values.update(np.array([7, 7, 8, 9], np.uint64), np.ones(4))
    >>> repeated({"repeats": values})
    0.25
    """
    return _repeats(cast(Rows, current["repeats"]), "the column has no values")


def _repeats(rows: Rows, note: str) -> Measured:
    total, kept = float(rows.counts.sum()), len(rows.counts)
    if not total:
        return Measured(None, rows.n, note=note)
    part = 1 - kept / total
    if rows.share == 1.0:
        return Measured(Spread("exact", part, n=float(rows.n)), rows.n)
    # a sample of different rows with their counts: share = 1 - 1 / (mean count)
    error = float(np.std(rows.counts)) / math.sqrt(kept) / (total / kept) ** 2
    error = max(error, 1.5 / kept)  # no repeat among so many proves no more than the rule of three, halved to one sigma
    return Measured(Spread("normal", part, n=float(rows.n), error=error, low_limit=0.0, high_limit=1.0), rows.n)


@column_metric(needs=_COUNTS, better=None, compared=False, unit="share", of="table")
def share(current: Summaries, *, among: str | None = None) -> Measured:
    """Share of rows that fit the condition behind ``where``: ``share where colour not in ('red', 'blue') <= 1%``.

    Of all rows, or of those that fit the condition ``among`` (``share(among='colour is not null') where ...``); with ``by``, of the
    rows of each slice. A row for which the condition is unknown, because a value is missing, does not fit.

    >>> fitting, rows = Moments(), Moments()
    >>> fitting.update(np.ones(1))
    >>> rows.update(np.ones(4))
    >>> share({"fitting": fitting, "rows": rows})
    0.25
    """
    fitting, rows = (cast(Moments, current[name]) for name in ("fitting", "rows"))
    return _share(fitting.rows, rows.rows, f"no row fits {among}" if among else "there are no rows")


@column_metric(needs=_COUNTS, better=None, compared=False, of="table")
def count(current: Summaries) -> Measured:
    """Number of rows, of those that fit the condition behind ``where`` if there is one: ``count where colour == 'red' >= 10``.

    >>> fitting = Moments()
    >>> fitting.update(np.ones(3))
    >>> count({"fitting": fitting, "rows": fitting})
    3.0
    """
    fitting, rows = (cast(Moments, current[name]) for name in ("fitting", "rows"))
    return Measured(Spread("exact", float(fitting.rows), n=float(rows.rows)), rows.rows)


@column_metric(needs=_NUMBER, better=None, compared=False)
def mean(current: Summaries) -> Measured:
    """Mean of the finite values, with Student's interval.

    >>> moments = Moments()
    >>> moments.update([1.0, 2.0, 6.0])
    >>> mean({"moments": moments})
    3.0
    """
    moments = cast(Moments, current["moments"])
    if not moments.count:
        return Measured(None, moments.rows, note="the column has no finite values")
    error = moments.deviation / math.sqrt(moments.count) if moments.count > 1 else math.inf
    return Measured(Spread("normal", moments.mean, n=float(moments.count), error=error, df=float(max(moments.count - 1, 1))), moments.rows)


@column_metric(needs=_NUMBER, better=None, compared=False)
def deviation(current: Summaries) -> Measured:
    """Standard deviation of the finite values; its interval allows for heavy tails through the kurtosis.

    >>> moments = Moments()
    >>> moments.update([1.0, 2.0, 3.0])
    >>> deviation({"moments": moments})
    1.0
    """
    moments = cast(Moments, current["moments"])
    if moments.count < 2:
        return Measured(None, moments.rows, note="the column has fewer than two finite values")
    error = math.sqrt(max(moments.kurtosis - 1, 0.0) / (4 * moments.count)) if moments.variance > 0 else 0.0
    scale: Literal["log", "identity"] = "log" if moments.variance > 0 else "identity"
    return Measured(Spread("normal", moments.deviation, n=float(moments.count), error=error, scale=scale), moments.rows)


@column_metric(needs=_NUMBER, better=None, compared=False)
def least(current: Summaries) -> Measured:
    """The least finite value of these rows.

    >>> moments = Moments()
    >>> moments.update([4.0, 2.0])
    >>> least({"moments": moments})
    2.0
    """
    moments = cast(Moments, current["moments"])
    note = None if moments.count else "the column has no finite values"
    return Measured(Spread("exact", moments.low, n=float(moments.count)) if moments.count else None, moments.rows, note=note)


@column_metric(needs=_NUMBER, better=None, compared=False)
def greatest(current: Summaries) -> Measured:
    """The greatest finite value of these rows.

    >>> moments = Moments()
    >>> moments.update([4.0, 2.0])
    >>> greatest({"moments": moments})
    4.0
    """
    moments = cast(Moments, current["moments"])
    note = None if moments.count else "the column has no finite values"
    return Measured(Spread("exact", moments.high, n=float(moments.count)) if moments.count else None, moments.rows, note=note)


@column_metric(needs={"number": ("quantiles",)}, better=None, compared=False)
def quantile(current: Summaries, *, q: float = 0.5) -> Measured:
    """The ``q`` quantile of the finite values: the least with at least the share ``q`` of them at or below it.

    The interval is as wide as that between the order statistics at q +- 1.96 sqrt(q (1 - q) / n), around the estimate.

    >>> sketch = Quantiles()
    >>> sketch.update([1.0, 2.0, 3.0, 4.0])
    >>> quantile({"quantiles": sketch}, q=0.75)
    3.0
    """
    sketch = cast(Quantiles, current["quantiles"])
    if not sketch.count or not 0 <= q <= 1:
        return Measured(None, sketch.n, note="the column has no finite values" if not sketch.count else "q is not between 0 and 1")
    half, off = 1.96 * math.sqrt(q * (1 - q) / sketch.count), sketch.error
    # the sketch knows its error of a rank; what that is in the column's unit depends on how dense values are there
    low, high, found, under, over = sketch.quantiles((max(q - half, 0.0), min(q + half, 1.0), q, max(q - off, 0.0), min(q + off, 1.0)))
    spread = Spread("normal", found, n=float(sketch.count), error=(high - low) / (2 * 1.96))
    return Measured(spread, sketch.n, max(over - found, found - under) if off else 0.0)
