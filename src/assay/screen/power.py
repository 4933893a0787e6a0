"""How well one column alone predicts another, cross-fitted; and the bins, halves and errors by entity that screens share.

``bins`` cuts a column, ``aim`` says what is to be predicted, ``power`` measures it; ``clusters``, ``error`` and ``share`` make
spreads of rows that may belong together. Only screens import it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.result import Spread
from assay.screen.study import Sample, Study
from assay.summary.hashing import hashes, mixed

__all__ = ["Aim", "Binned", "aim", "bins", "clusters", "edges", "error", "halves", "numeric", "power", "readable", "seconds", "share"]

Array = np.ndarray[Any, Any]

BINS = 32
FEWEST = 100        # rows that power is measured on; in fewer, halves of a feature's bins hold next to nothing
PRIOR = 10.0        # rows of the average that each bin is given, so that a category of two rows is not sure of anything
MOST_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Binned:
    """The bin of each row, 0 to ``width - 1``; what is missing is a bin of its own, the last one."""

    codes: Array
    width: int


@dataclass(frozen=True, eq=False)
class Aim:
    """What is to be predicted: 0/1, class codes, or numbers; rows that are not in ``known`` have no value."""

    kind: Literal["binary", "classes", "number"]
    values: Array
    known: Array
    width: int = 2


def readable(study: Study, name: str) -> bool:
    """Whether a column holds numbers, times or categories that can be told apart."""
    kind = study.schema[name].type
    return study.kind(name) != "missing" and not pa.types.is_fixed_size_binary(kind)


def numeric(study: Study, name: str) -> bool:
    """Whether a column holds numbers that are no times."""
    return study.kind(name) == "number" and not pa.types.is_temporal(study.schema[name].type)


def seconds(column: pa.Array) -> Array:
    """Return times as seconds since 1970 (float64), NaN where they are missing.

    >>> seconds(pa.array([86_400_000, None], pa.timestamp("ms"))).tolist()
    [86400.0, nan]
    """
    kind = column.type
    ticks = column.cast(pa.int64() if kind.bit_width == 64 else pa.int32(), safe=False).cast(pa.float64(), safe=False)
    found = np.asarray(ticks.to_numpy(zero_copy_only=False), np.float64)
    if pa.types.is_date32(kind):
        return found * 86_400.0
    unit = "ms" if pa.types.is_date64(kind) else getattr(kind, "unit", "s")
    return found / {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]


def edges(values: Array, bins: int = BINS) -> Array:
    """Return inner edges that cut numbers into about equal bins; a number that is more frequent than a bin gets its own.

    >>> edges(np.array([0.0] * 6 + [1.0, 2.0, 3.0, 4.0]), 4).tolist()[:2]
    [0.0, 5e-324]
    """
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return np.empty(0)
    picked = finite[(np.arange(1, bins) * len(finite)) // bins]
    spikes = picked[1:][picked[1:] == picked[:-1]]
    with np.errstate(over="ignore"):  # beyond the greatest number there is infinity, which is an edge as good as any
        return np.unique(np.concatenate([picked, np.nextafter(spikes, np.inf)]))


def bins(study: Study, name: str) -> Binned:
    """Return the bins of a sampled column: its categories, or at most 32 quantile bins and the spikes among them."""
    key = ("bins", name)
    if key not in study._held:
        if study.kind(name) == "number":
            values = study.numbers(name)
            inner = edges(values)
            codes = np.searchsorted(inner, values, side="right")
            width = len(inner) + 2
            codes[np.isnan(values)] = width - 1
        else:
            found = study.codes(name)
            width = int(found.max(initial=-1)) + 2
            codes = np.where(found < 0, width - 1, found)
        study._held[key] = Binned(codes.astype(np.int64, copy=False), width)
    held: Binned = study._held[key]
    return held


def aim(study: Study, name: str | None = None) -> Aim:
    """Return the label as what is to be predicted, or a column: two values are 0/1, more are classes, numbers are numbers."""
    if name is None:
        assert study.target is not None
        outcome = study.outcome()
        if study.target.task in ("regression", "ranking"):
            return Aim("number", outcome, np.isfinite(outcome))
        width = max(len(study.target.classes), 2)
        if width == 2:
            positive = 1 if study.target.positive is None else study.target.positive
            return Aim("binary", (outcome == positive).astype(np.int64), outcome >= 0)
        return Aim("classes", outcome, outcome >= 0, width)
    if study.kind(name) == "number":
        values = study.numbers(name)
        known = np.isfinite(values)
        different = np.unique(values[known])
        if len(different) == 2:
            return Aim("binary", (values == different[1]).astype(np.int64), known)
        return Aim("number", values, known)
    codes = study.codes(name)
    known = codes >= 0
    different, places = np.unique(codes[known], return_inverse=True)
    dense = np.full(len(codes), -1, np.int64)
    dense[known] = places
    return Aim("binary" if len(different) <= 2 else "classes", dense, known, max(len(different), 2))


def halves(study: Study) -> Array:
    """Return which half each sampled row is in (0 or 1): rows of one entity in the same one, the same each time."""
    if "halves" not in study._held:
        group = clusters(study.data)
        place = np.arange(len(study.data)) if group is None else group
        study._held["halves"] = (mixed(place.astype(np.uint64), 23) >> np.uint64(63)).astype(np.int64)
    held: Array = study._held["halves"]
    return held


def clusters(sample: Sample, rows: Array | None = None) -> Array | None:
    """Return a number for the entity of each sampled row, None where no column names one; a row without one stands alone."""
    name = sample.schema.entity
    if name is None or name not in sample.table.column_names:
        return None
    column = sample.column(name)
    column = column.filter(pa.array(rows)) if rows is not None else column
    found = hashes(column)
    if column.null_count:
        lone = column.is_null().to_numpy(zero_copy_only=False)
        found[lone] = mixed(np.flatnonzero(lone).astype(np.uint64), 29)
    return np.unique(found, return_inverse=True)[1].reshape(-1).astype(np.int64)


def error(influence: Array, cluster: Array | None) -> tuple[float, float]:
    """Return the standard error of a sum of ``influence``, one a row, and its degrees of freedom.

    Rows of a cluster are summed first (the sandwich of Liang and Zeger 1986): they may err together.

    >>> error(np.array([1.0, -1.0, 1.0, -1.0]), None)[0], error(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]))
    (2.0, (4.0, 1.0))
    """
    if cluster is None:
        return float(np.sqrt(np.sum(influence * influence))), math.inf
    sums = np.bincount(cluster, weights=influence)
    count = int((np.bincount(cluster) > 0).sum())
    if count < 2:
        return math.inf, 1.0
    return float(np.sqrt(count / (count - 1) * np.sum(sums * sums))), count - 1.0


def share(hits: Array, cluster: Array | None = None) -> Spread:
    """Return the share of rows that are hits; ``n`` is what as many independent rows would tell (Kish 1965).

    >>> share(np.array([True, False, False, False])).estimate
    0.25
    """
    n = len(hits)
    found = float(np.mean(hits)) if n else math.nan
    if cluster is None or not n or not 0 < found < 1:
        groups = n if cluster is None or not n else len(np.unique(cluster))
        return Spread("binomial", found, n=float(groups), df=math.inf if cluster is None else max(groups - 1.0, 1.0))
    spread, df = error((hits - found) / n, cluster)
    effective = min(found * (1 - found) / spread**2, float(n)) if math.isfinite(spread) and spread > 0 else float(len(np.unique(cluster)))
    return Spread("binomial", found, n=max(effective, 1.0), df=df)


def power(binned: Binned, what: Aim, half: Array, cluster: Array | None = None) -> Spread | None:
    """Return how well bins predict ``what``, 0 to 1: fitted on one half of the rows and judged on the other, both ways.

    Gini (2 AUC - 1, ties count one half) for two classes, R² for numbers, and the share of the errors of always naming the most
    frequent class that it saves for more classes; 0 where it is worse than nothing. None where there are too few rows. The error
    is that of the evaluation, by cluster: what another fit would have given is not in it.
    """
    known = what.known
    if not known.all():
        binned, half = Binned(binned.codes[known], binned.width), half[known]
        cluster = None if cluster is None else cluster[known]
        what = Aim(what.kind, what.values[known], known[known], what.width)
    n = len(half)
    sizes = np.bincount(half, minlength=2)
    if n < FEWEST or sizes.min() < FEWEST // 4:
        return None
    found = {"binary": _gini, "number": _explained, "classes": _saved}[what.kind](binned, what, half)
    if found is None:
        return None
    estimate, influence = found
    spread, df = error(influence, cluster)
    return Spread("normal", min(max(estimate, 0.0), 1.0), n=float(n), error=max(spread, 1.0 / n), df=df, low_limit=0.0, high_limit=1.0)


def _gini(binned: Binned, what: Aim, half: Array) -> tuple[float, Array] | None:
    """Return the mean Gini of both halves and the influence of each row on it (DeLong, DeLong and Clarke-Pearson 1988)."""
    width = binned.width
    cells = np.bincount(binned.codes + width * (what.values + 2 * half), minlength=4 * width).reshape(2, 2, width)  # half, class, bin
    if cells.sum(axis=2).min() < 5:
        return None
    value = np.empty((2, 2, width))  # what each row of a half, class and bin adds to the Gini
    total = 0.0
    for judged in (0, 1):
        fit = cells[1 - judged]
        base = fit[1].sum() / fit.sum()
        rate = (fit[1] + PRIOR * base) / (fit.sum(axis=0) + PRIOR)
        place = np.unique(rate, return_inverse=True)[1].reshape(-1)
        counts = np.stack([np.bincount(place, weights=each) for each in cells[judged]])
        below = np.cumsum(counts, axis=1) - counts / 2
        size = counts.sum(axis=1)
        lower, higher = below[0] / size[0], 1 - below[1] / size[1]   # the share of the other class that it beats
        area = float(np.sum(counts[1] * lower) / size[1])
        value[judged, 0] = (higher[place] - area) / size[0]
        value[judged, 1] = (lower[place] - area) / size[1]
        total += 2 * area - 1
    influence: Array = value.reshape(-1)[binned.codes + width * (what.values + 2 * half)]   # twice for Gini, half for the mean of two
    return total / 2, influence


def _explained(binned: Binned, what: Aim, half: Array) -> tuple[float, Array] | None:
    """Return R², against the mean of the rows it is judged on, and the influence of each row on it."""
    width = binned.width
    values = what.values
    largest = np.abs(values).max()
    if not largest > 0:
        return None
    values = values / largest   # so that squares of huge numbers stay finite
    values -= values.mean()
    scale = values.std()
    if not scale > 1e-14:
        return None
    values /= scale
    place = binned.codes + width * half
    counts = np.bincount(place, minlength=2 * width).reshape(2, width)
    sums = np.bincount(place, weights=values, minlength=2 * width).reshape(2, width)
    base = sums.sum(axis=1) / counts.sum(axis=1)
    fitted = (sums + PRIOR * base[:, None]) / (counts + PRIOR)
    rest = (values - fitted[::-1].reshape(-1)[place]) ** 2
    whole = (values - base[half]) ** 2
    of = whole.sum()
    if not of > 0:
        return None
    left = float(rest.sum() / of)
    return 1 - left, (left * whole - rest) / of


def _saved(binned: Binned, what: Aim, half: Array) -> tuple[float, Array] | None:
    """Return the share of errors that are saved, (accuracy - majority) / (1 - majority), and the influence of each row on it."""
    codes, width = binned.codes, binned.width
    most = max(MOST_CELLS // (2 * what.width), 1)
    if width > most:   # many classes and a column of many values: the rarest values share a bin
        ranks = np.empty(width, np.int64)
        ranks[np.argsort(-np.bincount(codes, minlength=width), kind="stable")] = np.arange(width)
        codes, width = np.minimum(ranks[codes], most - 1), most
    classes = what.width
    counts = np.bincount((codes + width * half) * classes + what.values, minlength=2 * width * classes).reshape(2, width, classes)
    every = counts.sum(axis=1)
    usual = every.argmax(axis=1)                                              # of each half
    guess = np.where(counts.max(axis=2) > 0, counts.argmax(axis=2), usual[:, None])
    hit = (what.values == guess[::-1].reshape(-1)[codes + width * half]).astype(np.float64)
    plain = (what.values == usual[::-1][half]).astype(np.float64)
    accuracy, majority = float(hit.mean()), float(plain.mean())
    if majority >= 1:
        return None
    found = (accuracy - majority) / (1 - majority)
    return found, ((hit - accuracy) - (1 - found) * (plain - majority)) / ((1 - majority) * len(hit))
