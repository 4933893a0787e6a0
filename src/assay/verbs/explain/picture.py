"""Attributions as pictures: the waterfall of one row or of a change, the beeswarm of many rows, and influence by value.

``waterfall``, ``beeswarm`` and ``sensitivity`` return figures; but for the waterfall of a row, which was asked for, they hold aggregates
of five rows or more. The questions of ``verbs.explain`` use them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special, stats

from assay.explain.attribution import Attributions
from assay.result import FEWEST_SHOWN, Figure, Value
from assay.verbs.explain.explanation import table_of

__all__ = ["beeswarm", "sensitivity", "waterfall"]

Array = np.ndarray[Any, Any]
STEPS = 12        # of a waterfall; the rest is one step
LANES = 8         # of a beeswarm
BINS = 48         # of influence, in each lane
CURVE = 24        # bins of values below a curve
FEW = 15          # different numbers that stand for themselves
CATEGORIES = 15
_SPANS = (0.05, 0.1, 0.2, 0.4, 0.8)   # shares of the rows that a smoother looks at, chosen by cross-validation
_FOLDS = 3


def waterfall(values: Sequence[Value], names: Sequence[str], *, start: float, start_name: str, end_name: str, title: str,
              sentence: str = "", aspect: str | None = None) -> Figure:
    """Return the steps that lead from ``start`` by ``values``, in their order; ``names`` label them, what is beyond twelve is one step."""
    shown, rest = list(values[:STEPS]), list(values[STEPS:])
    table: dict[str, list[Any]] = {"column": list(names[:STEPS]), "contribution": [each.value for each in shown],
                                   "low": [each.low for each in shown], "high": [each.high for each in shown]}
    if rest:
        total = sum(each.value or 0.0 for each in rest)
        for name, each in zip(table, (f"{len(rest)} other columns", total, total, total), strict=True):
            table[name].append(each)
    return Figure("waterfall", "waterfall", title, table_of(table), "column", ("contribution",), ("low",), ("high",), sentence=sentence,
                  aspect=aspect, mark=start, mark_name=start_name, end_name=end_name)


def beeswarm(made: Attributions, rows: pa.RecordBatch, columns: Sequence[str], *, unit: str, aspect: str | None = None) -> Figure:
    """Return how the influence of some columns is spread over rows, and how large their values are there."""
    columns = list(columns[:LANES])
    values = np.stack([made.column(name) for name in columns])
    low, high = np.quantile(values, [0.0, 1.0]) if values.size < 200 else np.quantile(values, [0.002, 0.998])
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    table: dict[str, list[Any]] = {"column": [], "influence": [], "rows": [], "value": []}
    for name, mine in zip(columns, values, strict=True):
        place = np.clip(np.searchsorted(edges, mine, side="right") - 1, 0, BINS - 1)   # what lies beyond counts in the outermost bins
        rank = _rank(rows.column(rows.schema.get_field_index(name)))
        for bin in np.unique(place):
            here = place == bin
            if here.sum() < FEWEST_SHOWN:
                continue
            known = rank[here & np.isfinite(rank)]
            for key, each in zip(table, (name, float(edges[bin] + edges[bin + 1]) / 2, int(here.sum()),
                                         float(known.mean()) if len(known) >= FEWEST_SHOWN else None), strict=True):
                table[key].append(each)
    return Figure("beeswarm", "beeswarm", "Influence in all rows", table_of(table), "column", ("influence",), aspect=aspect,
                  sentence=f"how many rows a column moved by how much ({unit}), coloured by the rank of its values there, grey where they "
                           f"have no order; bins of fewer than {FEWEST_SHOWN} rows are left out")


def sensitivity(made: Attributions, rows: pa.RecordBatch, column: str, *, unit: str, aspect: str | None = None) -> Figure | None:
    """Return the influence of a column by its value: the mean with its interval, above the spread; None where there is too little.

    Numbers with more than fifteen different values are smoothed by local parabolas (Cleveland 1979), whose width cross-validation chooses;
    the interval is pointwise, from residuals of each row, and knows nothing of a bias where the curve bends within that width. Others are
    means of each value.
    """
    values, mine = rows.column(rows.schema.get_field_index(column)), made.column(column)
    values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    table = _curve(_numbers(values), mine) if numeric else _categories(values, mine)
    if table is None:
        return None
    missing = f"; {values.null_count:,} rows have no value" if numeric and values.null_count else ""
    table = {column if name == "at" else name: each for name, each in table.items()}
    return Figure(f"sensitivity of {column}", "sensitivity", column, table_of(table), column, ("influence",), ("low",), ("high",),
                  aspect=aspect, column=column,
                  sentence=f"influence on the {unit} by value: the mean with its interval, half and nine tenths of the rows{missing}")


def _numbers(values: pa.Array) -> Array:
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), float)


def _rank(values: pa.Array) -> Array:
    """Return ranks between 0 and 1, NaN for what has no order or no value."""
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
        return np.full(len(values), np.nan)
    numbers = _numbers(values)
    known = np.isfinite(numbers)
    out = np.full(len(numbers), np.nan)
    if known.sum() > 1:
        out[known] = (stats.rankdata(numbers[known]) - 1) / (known.sum() - 1)
    return out


def _categories(values: pa.Array, mine: Array) -> dict[str, Any] | None:
    texts = np.array(["missing" if each is None else str(each)[:60] for each in values.to_pylist()])
    names, counts = np.unique(texts, return_counts=True)
    order = [names[place] for place in np.argsort(-counts, kind="stable") if counts[place] >= FEWEST_SHOWN][:CATEGORIES]
    order.sort(key=lambda name: -float(mine[texts == name].mean()))
    return _table(order, [texts == name for name in order], mine) if len(order) > 1 else None


def _curve(values: Array, mine: Array) -> dict[str, Any] | None:
    known = np.isfinite(values)
    values, mine = values[known], mine[known]
    if len(values) < 4 * FEWEST_SHOWN:
        return None
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= FEW:
        shown = distinct[counts >= FEWEST_SHOWN]
        return _table(shown.tolist(), [values == each for each in shown], mine) if len(shown) > 1 else None
    edges = _edges(values)
    masks = [(values >= low) & ((values < high) if high < edges[-1] else (values <= high)) for low, high in itertools.pairwise(edges)]
    if len(masks) < 2:
        return None
    at = np.array([values[mask].mean() for mask in masks])
    table = _table(at.tolist(), masks, mine)
    inside = (values >= edges[0]) & (values <= edges[-1])   # rare values far away would decide about the width everywhere
    fit, error = _smooth(values, mine, at, _span(values[inside], mine[inside]))
    half = float(special.ndtri(0.975)) * error
    return {**table, "influence": fit.tolist(), "low": (fit - half).tolist(), "high": (fit + half).tolist(), "from": edges[:-1].tolist(),
            "to": edges[1:].tolist()}


def _table(labels: Sequence[Any], masks: Sequence[Array], mine: Array) -> dict[str, Any]:
    parts = [mine[mask] for mask in masks]
    means = np.array([part.mean() for part in parts])
    half = np.array([special.stdtrit(len(part) - 1, 0.975) * part.std(ddof=1) / np.sqrt(len(part)) for part in parts])
    quantiles = {f"p{share}": [float(np.quantile(part, share / 100)) for part in parts] for share in (5, 25, 75, 95)}
    return {"at": list(labels), "influence": means.tolist(), "low": (means - half).tolist(), "high": (means + half).tolist(), **quantiles,
            "rows": [len(part) for part in parts]}


def _edges(values: Array) -> Array:
    """Return edges of bins that hold enough rows each; what lies outside is so rare that it would tell of single rows."""
    ordered = np.sort(values)
    low, high = ordered[FEWEST_SHOWN - 1], ordered[-FEWEST_SHOWN]
    wide, high = np.quantile(values, 0.99) - np.quantile(values, 0.01), min(high, np.quantile(values, 0.99))
    low = max(low, np.quantile(values, 0.01))
    if wide <= 0 or high <= low:
        return np.array([low, high])
    least = max(2 * FEWEST_SHOWN, len(values) // 200)
    edges = [low]
    for each in np.linspace(low, high, CURVE + 1)[1:]:
        inside = ((values >= edges[-1]) & (values < each)).sum()
        if inside >= least:
            edges.append(each)
    if len(edges) > 1:
        edges[-1] = high
    return np.array(edges)


def _smooth(x: Array, y: Array, at: Array, span: float) -> tuple[Array, Array]:
    """Return local parabolas through the nearest rows with tricube weights, and their standard errors, at some places."""
    near = max(20, int(np.ceil(span * len(x))))
    fit, leverage = np.empty(len(at)), np.empty((len(at), len(x)))
    for place, centre in enumerate(at):
        far = np.abs(x - centre)
        reach = np.partition(far, min(near, len(x)) - 1)[min(near, len(x)) - 1] * 1.0001 or 1e-12
        weight = np.clip(1 - (far / reach) ** 3, 0.0, None) ** 3
        powers = ((x - centre) / reach) ** np.arange(3)[:, None]
        known = (powers * weight) @ powers.T
        plain = np.linalg.cond(known) > 1e8   # all rows at one or two places: their mean
        leverage[place] = weight / weight.sum() if plain else np.linalg.solve(known, powers * weight)[0]
        fit[place] = leverage[place] @ y
    rest = y - np.interp(x, at, fit)
    error: Array = np.sqrt((leverage ** 2) @ rest ** 2)
    return fit, error


def _span(x: Array, y: Array) -> float:
    """Return the share of rows whose smoother predicts left-out rows best."""
    fold = np.arange(len(x)) % _FOLDS
    at = np.unique(np.quantile(x, np.linspace(0, 1, 2 * CURVE)))

    def miss(span: float) -> float:
        total = 0.0
        for each in range(_FOLDS):
            out = fold == each
            fit, _ = _smooth(x[~out], y[~out], at, span)
            total += float(((y[out] - np.interp(x[out], at, fit)) ** 2).sum())
        return total

    return min(_SPANS, key=miss)
