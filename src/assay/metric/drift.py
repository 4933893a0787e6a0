"""How far a column is from the reference: distances between two samples, freed of what sample size alone brings.

Two samples of one distribution are never alike: PSI of 100 rows against many has an expectation of 0.09 over 10 bins. Each
distance has that expectation subtracted (Yurdakul 2018 for PSI; the same expansion for the others), so that 0 means "as
alike as two samples of this size are", and a threshold means the same on any number of rows; ``debiased=false`` leaves it in.
Missing values are a bin of their own: a column that loses a twentieth of its values has moved.

``psi``, ``jensen_shannon`` and ``chi2`` read counts (about 20 bins at the reference's quantiles, or categories), ``ks`` and
``wasserstein`` quantile sketches of numbers. Rows are taken as independent.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from assay.metric.block import COLUMNS, Areas, Distance, areas, divergences, joined
from assay.metric.column import Measured, column_metric
from assay.result import Spread
from assay.summary import Summary
from assay.summary.frequent import Frequent
from assay.summary.histogram import Histogram
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles
from assay.summary.resample import Array

__all__ = ["chi2", "jensen_shannon", "ks", "psi", "wasserstein"]

Summaries = Mapping[str, Summary]
_BINNED = {"number": ("histogram",), "category": ("frequent",)}
_MOST = 255  # categories compared one by one; rarer ones are one bin
_FEWEST = 5  # rows that a cell of categories is expected to have on the smaller side


def _psi(p: Array, q: Array) -> tuple[Array, Array, Array]:
    ratio = np.log(p / q)
    return ((p - q) * ratio).sum(axis=-1), ratio + 1 - q / p, -ratio + 1 - p / q


def _jensen_shannon(p: Array, q: Array) -> tuple[Array, Array, Array]:
    middle = (p + q) / 2
    a, b = (np.log2(np.where(each > 0, each / middle, 1.0)) for each in (p, q))
    return (p * a + q * b).sum(axis=-1) / 2, a / 2, b / 2


def _chi2(p: Array, q: Array) -> tuple[Array, Array, Array]:
    gap = (p - q) / (p + q)
    return (gap * (p - q)).sum(axis=-1) / 2, gap - gap**2 / 2, -gap - gap**2 / 2


def _distances(debiased: bool) -> dict[str, Distance]:
    often = 1.0 if debiased else 0.0
    return {"psi": Distance(_psi, often, "identity", math.inf, added=0.5), "chi2": Distance(_chi2, often / 4, "identity", 1.0),
            "jensen_shannon": Distance(_jensen_shannon, often / (8 * math.log(2)), "square", 1.0)}


_DISTANCES = {debiased: _distances(debiased) for debiased in (True, False)}


def _each(name: str) -> Callable[..., list[Measured]]:
    """Return what computes a distance of counts for many columns at once."""
    def several(references: Sequence[Summaries], currents: Sequence[Summaries], *, debiased: bool = True) -> list[Measured]:
        return _binned_each(references, currents, _DISTANCES[debiased][name])

    return several


@column_metric(needs=_BINNED, better="lower", compared=True, several=_each("psi"))
def psi(reference: Summaries, current: Summaries, *, debiased: bool = True) -> Measured:
    """Population stability index: sum of (p - q) ln(p / q) over bins, debiased by (bins - 1)(1/n + 1/m).

    Half a row is added to each bin, so that an empty one stays finite. By custom, above 0.1 look, above 0.2 act.

    >>> then, now = Frequent(), Frequent()
    >>> then.update(["a", "b"] * 500)
    >>> now.update(["a", "a", "a", "b"] * 250)
    >>> round(psi({"frequent": then}, {"frequent": now}), 2)
    0.27
    """
    return _binned(reference, current, _DISTANCES[debiased]["psi"])


@column_metric(needs=_BINNED, better="lower", compared=True, several=_each("jensen_shannon"))
def jensen_shannon(reference: Summaries, current: Summaries, *, debiased: bool = True) -> Measured:
    """Jensen-Shannon distance, base 2, from 0 to 1: sqrt((KL(p, m) + KL(q, m)) / 2), m = (p + q) / 2, of the debiased divergence.

    Lin 1991; Endres and Schindelin 2003.

    >>> then, now = Frequent(), Frequent()
    >>> then.update(["a"] * 100)
    >>> now.update(["b"] * 100)
    >>> jensen_shannon({"frequent": then}, {"frequent": now}, debiased=False)
    1.0
    """
    return _binned(reference, current, _DISTANCES[debiased]["jensen_shannon"])


@column_metric(needs=_BINNED, better="lower", compared=True, several=_each("chi2"))
def chi2(reference: Summaries, current: Summaries, *, debiased: bool = True) -> Measured:
    """Symmetric chi-square distance, from 0 to 1: half the sum of (p - q)^2 / (p + q), debiased (Vincze 1981, Le Cam 1986).

    For samples of n rows each, the plain one is the two-sample chi-square statistic divided by 2 n.

    >>> then, now = Frequent(), Frequent()
    >>> then.update(["a", "b"] * 50)
    >>> now.update(["a"] * 100)
    >>> round(chi2({"frequent": then}, {"frequent": now}, debiased=False), 4)
    0.3333
    """
    return _binned(reference, current, _DISTANCES[debiased]["chi2"])


@column_metric(needs={"number": ("quantiles",)}, better="lower", compared=True)
def ks(reference: Summaries, current: Summaries, *, debiased: bool = True) -> Measured:
    """Kolmogorov-Smirnov distance: the greatest gap between the two distribution functions, max |F - G|, from 0 to 1, debiased.

    ``debiased=false`` gives the plain gap.

    Debiased twice over, as the greatest of many noisy gaps is too great: without a shift D^2 exceeds 0 by (pi^2 / 12)(1/n + 1/m)
    on average; with one, D exceeds the true gap by what resampling adds to it once more. The larger of the two is subtracted.

    >>> then, now = Quantiles(), Quantiles()
    >>> then.update([1.0, 2.0, 3.0, 4.0])
    >>> now.update([3.0, 4.0, 5.0, 6.0])
    >>> ks({"quantiles": then}, {"quantiles": now}, debiased=False)
    0.5
    """
    first, second, note = _sketches(reference, current)
    if note:
        return Measured(None, second.count, note=note)
    n, m = first.count, second.count
    _, f, g = _distributions(first, second)
    place = int(np.argmax(np.abs(f - g)))
    gap = float(abs(f[place] - g[place]))
    smooth = _bridge((n * f + m * g) / (n + m))
    noise = smooth * (1 / n + 1 / m)
    # at the place of the greatest gap the two shares are binomial; near no shift the place itself is chance, which adds as much
    # as makes one interval in twenty exclude 0 there
    chance = 0.33**2 * (1 / n + 1 / m) * math.exp(-gap**2 / (4 * noise)) * smooth / _CONTINUOUS
    variance = f[place] * (1 - f[place]) / n + g[place] * (1 - g[place]) / m + chance
    estimate, error = gap, math.sqrt(variance)
    if debiased:
        less = min(_excess(f, g, n, m), gap)
        error = math.sqrt(variance + less**2)  # what is subtracted is itself uncertain, and measured to be too little by up to half
        estimate = math.sqrt(max(0.0, gap * gap - max(noise, gap * gap - (gap - less) ** 2)))
    return Measured(Spread("normal", estimate, n=float(m), error=error, low_limit=0.0, high_limit=1.0), m, first.error + second.error)


_CONTINUOUS = math.pi**2 / 12


@functools.lru_cache(maxsize=32)
def _normals(sides: int, draws: int, cells: int) -> Array:
    """Return standard normal draws, the same for every column; making them takes longer than all that is done with them."""
    return np.random.default_rng(0).standard_normal((sides, draws, cells)).transpose(0, 2, 1).copy()


class _Scratch(threading.local):
    """Memory of each thread for the resampling of a column: fresh memory costs more than the arithmetic."""

    def __init__(self) -> None:
        self.held = np.empty((2, 0, 0))

    def take(self, cells: int, draws: int) -> Array:
        if self.held.shape[1] < cells or self.held.shape[2] != draws:
            self.held = np.empty((2, cells, draws))
        return self.held[:, :cells]


_SCRATCH = _Scratch()


def _bridge(pooled: Array, draws: int = 400, cells: int = 60) -> float:
    """Return the mean of the greatest squared value of a Brownian bridge at the jumps of a distribution function.

    pi^2 / 12 where it is continuous (Kolmogorov 1933); less where the column has few values, p (1 - p) where it has two.
    """
    inner = pooled[(pooled > 0) & (pooled < 1)]
    if not len(inner) or len(inner) > cells:
        return _CONTINUOUS
    steps = np.diff(inner, prepend=0.0, append=1.0)
    noise = _normals(1, draws, len(steps))[0] * np.sqrt(steps)[:, None]
    reached = np.add.accumulate(noise, axis=0)
    bridge = reached[:-1] - inner[:, None] * reached[-1]
    return float(np.mean(np.max(bridge**2, axis=0)))


def _excess(f: Array, g: Array, n: int, m: int, draws: int = 200, cells: int = 200) -> float:
    """Return by how much the greatest gap exceeds the true one on average, from what resampling adds to it once more.

    Both samples are resampled as Gaussian noise of their cells. Around its peak the gap is a parabola with noise of variance v,
    whose maximum is too great by a multiple of v^(2/3); resampling doubles v, so it adds 2^(2/3) - 1 times that.
    """
    gap = np.abs(f - g)
    picked = np.append(np.searchsorted((f + g) / 2, np.arange(1, cells) / cells), np.argmax(gap))
    picked.sort()
    picked = picked[np.append(True, picked[1:] != picked[:-1]) & (picked < len(f))]
    size = len(picked) + 1
    normals = _normals(2, draws, size)
    both = _SCRATCH.take(size, draws)
    ends = []
    for side, (reached, rows) in enumerate(((f[picked], n), (g[picked], m))):
        share = np.diff(reached, prepend=0.0, append=1.0)
        np.multiply(normals[side], np.sqrt(np.maximum(share, 0.0) / rows)[:, None], out=both[side])
        ends.append((reached, both[side].sum(axis=0)))
    # sums of noise up to each cell, of both sides at once, pulled back to end at 0
    moved, spare = both[0], both[1]
    moved += spare
    np.add.accumulate(moved, axis=0, out=moved)
    moved, spare = moved[:-1], spare[:-1]
    for reached, end in ends:
        moved -= np.multiply(reached[:, None], end, out=spare)
    moved += (f - g)[picked][:, None]
    greatest = np.abs(moved, out=moved).max(axis=0)
    return max(float(greatest.mean() - gap.max()), 0.0) / (2 ** (2 / 3) - 1)


def _wasserstein_each(references: Sequence[Summaries], currents: Sequence[Summaries], *, scaled: bool = True,
                      debiased: bool = True) -> list[Measured]:
    """Return the distances of many columns: those of as many points on either side together."""
    found: dict[int, Measured] = {}
    alike: dict[tuple[int, int], list[int]] = {}
    sides = [_sketches(*each) for each in zip(references, currents, strict=True)]
    held = [(None, None) if note else (first.distribution, second.distribution) for first, second, note in sides]
    for place, (one, other) in enumerate(held):
        if one is not None and other is not None:
            alike.setdefault((len(one[0]), len(other[0])), []).append(place)
    for places in alike.values():
        for start in range(0, len(places), COLUMNS):
            some = places[start : start + COLUMNS]
            grid, f, g, pairs = joined([held[each][0] for each in some], [held[each][1] for each in some])  # type: ignore[misc]
            some = [some[pair] for pair in pairs]
            of = areas(grid, f, g, *(np.array([sides[each][side].count for each in some]) for side in (0, 1)))  # type: ignore[union-attr]
            found |= {each: _earth(references[each], *sides[each][:2], of, row, scaled, debiased) for row, each in enumerate(some)}
    return [found[place] if place in found else wasserstein.function(*each, scaled=scaled, debiased=debiased)
            for place, each in enumerate(zip(references, currents, strict=True))]


@column_metric(needs={"number": ("quantiles", "moments")}, better="lower", compared=True, several=_wasserstein_each)
def wasserstein(reference: Summaries, current: Summaries, *, scaled: bool = True, debiased: bool = True) -> Measured:
    """Wasserstein-1 (earth mover's) distance in standard deviations of the reference: the integral of |F - G| over them, debiased.

    ``scaled=false`` gives it in the column's unit, ``debiased=false`` the plain area between the two distribution functions. Debiased as
    sqrt(max(0, W^2 - b^2)), b = sqrt(2/pi) sqrt(1/n + 1/m) times the integral of sqrt(F (1 - F)), its mean without a shift.

    >>> then, now = Quantiles(), Quantiles()
    >>> then.update([0.0, 1.0, 3.0])
    >>> now.update([5.0, 6.0, 8.0])
    >>> wasserstein({"quantiles": then, "moments": Moments()}, {"quantiles": now}, scaled=False, debiased=False)
    5.0
    """
    first, second, note = _sketches(reference, current)
    if note:
        return Measured(None, second.count, note=note)
    grid, f, g = (each[None] for each in _distributions(first, second))
    of = areas(grid, f, g, np.array([first.count]), np.array([second.count]))
    return _earth(reference, first, second, of, 0, scaled, debiased)


def _earth(reference: Summaries, first: Quantiles, second: Quantiles, of: Areas, row: int, scaled: bool, debiased: bool) -> Measured:
    """Return the Wasserstein distance of two sketches from the areas between them."""
    deviation = cast(Moments, reference["moments"]).deviation
    if scaled and not deviation > 0:
        return Measured(None, second.count, note="the reference has only one value, so there is no standard deviation to scale with")
    n, m, area = first.count, second.count, of.area[row]
    noise = math.sqrt(2 / math.pi) * math.sqrt(1 / n + 1 / m) * of.breadth[row]
    variance = sum(some[row] / rows for some, rows in zip(of.variances, (n, m), strict=True))
    error = math.sqrt(variance + (0.4 * noise) ** 2)
    unit = deviation if scaled else 1.0
    estimate = (math.sqrt(max(0.0, area * area - noise * noise)) if debiased else area) / unit
    spread = Spread("normal", estimate, n=float(m), error=error / unit, low_limit=0.0)
    # the cells of a sketch are as wide as sqrt(F (1 - F)) asks for, so its error of a rank is greatest at the median and small in the tails
    off = sum(each.error * 2 * some[row] for each, some in ((first, of.breadths[0]), (second, of.breadths[1])) if each.error)
    return Measured(spread, m, off / unit)


def _binned(reference: Summaries, current: Summaries, by: Distance) -> Measured:
    """Return a debiased distance of two sets of counts."""
    return _binned_each([reference], [current], by)[0]


def _binned_each(references: Sequence[Summaries], currents: Sequence[Summaries], by: Distance) -> list[Measured]:
    """Return the distances of many columns, those of as many bins in use together."""
    found: dict[int, Measured] = {}
    alike: dict[int, list[tuple[int, Array, Array, str | None]]] = {}
    for place, each in enumerate(zip(references, currents, strict=True)):
        first, second, note = _counts(*each, pooled=by.noise > 0)
        if first.any() and second.any():
            used = (first + second) > 0
            if not used.all():
                first, second = first[used], second[used]
            alike.setdefault(len(first), []).append((place, first, second, note))
        else:
            found[place] = Measured(None, int(second.sum()), note="there are no rows on one side")
    for some in alike.values():
        first, second = np.array([each[1] for each in some]), np.array([each[2] for each in some])
        spreads = divergences(first, second, by)
        found |= {place: Measured(spread, int(spread.n), note=note) for (place, _, _, note), spread in zip(some, spreads, strict=True)}
    return [found[place] for place in range(len(references))]


def _counts(reference: Summaries, current: Summaries, *, pooled: bool) -> tuple[Array, Array, str | None]:
    """Return counts of both sides in the same bins, and a note where they are not exact; missing values are the last bin.

    ``pooled``: categories that are rare on both sides together are one bin.
    """
    if "histogram" in reference:
        sides = [cast(Histogram, each["histogram"]) for each in (reference, current)]
        return _cells(sides[0]), _cells(sides[1]), None
    first, second = (cast(Frequent, each["frequent"]) for each in (reference, current))
    n, m = first.present, second.present
    then, now = first.counts, second.counts
    # where the reference has more categories than were kept, one that is not listed may be rare, not new
    names = dict.fromkeys(name for each in (first, second) for name, _ in each.top[:_MOST] if name in then or not first.error)
    both = {name: (then.get(name, 0), now.get(name, 0)) for name in names}
    # what is rare on both sides together is one cell: a distance of cells of a row or two is mostly chance (Cochran 1954)
    rare = _FEWEST * (n + m) / max(min(n, m), 1) if pooled else 0.0
    cells = np.array([each for each in both.values() if sum(each) >= rare], float).reshape(-1, 2)
    rest = [each.present - float(cells[:, side].sum()) for side, each in enumerate((first, second))]
    off = max(first.error, second.error)
    note = f"more than {first.size:,} categories: counts are low by at most {off:,} rows each" if off else None
    return (np.array([*cells[:, 0], rest[0], first.nulls], float), np.array([*cells[:, 1], rest[1], second.nulls], float), note)


def _cells(histogram: Histogram) -> Array:
    """Return the counts of the bins, and that of missing values behind them."""
    found = np.empty(len(histogram.counts) + 1)
    found[:-1], found[-1] = histogram.counts, histogram.nulls
    return found


def _sketches(reference: Summaries, current: Summaries) -> tuple[Quantiles, Quantiles, str | None]:
    first, second = (cast(Quantiles, each["quantiles"]) for each in (reference, current))
    empty = [name for name, each in (("reference", first), ("current data", second)) if not each.count]
    return first, second, f"the column has no finite values in the {' and the '.join(empty)}" if empty else None


class _Last(threading.local):
    """The two sketches that a thread compared last: a column is asked for several distances in a row."""

    def __init__(self) -> None:
        self.of: tuple[Quantiles, int, Quantiles, int] | None = None
        self.found: tuple[Array, Array, Array] | None = None


_LAST = _Last()


def _distributions(first: Quantiles, second: Quantiles) -> tuple[Array, Array, Array]:
    """Return the values of both sketches in order, and both distribution functions at them."""
    of = _LAST.of
    if _LAST.found is not None and of is not None and of[0] is first and of[2] is second and (of[1], of[3]) == (first.n, second.n):
        return _LAST.found
    sides = [each.distribution for each in (first, second)]
    both = np.concatenate([sides[0][0], sides[1][0]])
    order = both.argsort(kind="stable")  # two runs in order, which such a sort merges
    grid = both[order]
    seen = np.add.accumulate(order < len(sides[0][0]), dtype=np.intp)  # points of the first at or before each, and those of the second
    reached = [shares[number] for (_, shares), number in zip(sides, (seen, np.arange(1, len(grid) + 1) - seen), strict=True)]
    last = grid[1:] != grid[:-1]
    if not last.all():  # of equal values the last has all that lies at or below
        keep = np.append(last, True)
        grid, reached = grid[keep], [each[keep] for each in reached]
    _LAST.of, _LAST.found = (first, first.n, second, second.n), (grid, reached[0], reached[1])
    return _LAST.found
