"""How strongly an output goes with a protected attribute: five metrics, each with an interval and a p-value, given what explains it or not.

``measured(attribute, output, rows, ...)`` is the interface, of two ``Variable``; ``suited`` chooses the metric, ``exact`` is the test of
small tables, ``heterogeneity`` compares two effects. ``assay.probe.association`` and its verb import it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from assay.errors import ConfigError
from assay.probe.association.independence import Tested, centred, counted, independence
from assay.result import Spread

__all__ = ["METRICS", "Effect", "Group", "Measured", "Metric", "Variable", "heterogeneity", "measured", "suited"]

Array = np.ndarray[Any, Any]
Metric: TypeAlias = Literal["difference", "ratio", "information", "correlation", "rank correlation"]

METRICS: tuple[Metric, ...] = ("difference", "ratio", "information", "correlation", "rank correlation")
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Variable:
    """A column as it is compared: numbers (NaN is missing), or codes of the groups ``names`` (-1 is missing).

    Of an output with two groups, the second is what is counted.
    """

    name: str
    values: Array
    names: tuple[str, ...] | None = None

    @property
    def grouped(self) -> bool:
        """Whether it holds groups, not numbers."""
        return self.names is not None

    @property
    def size(self) -> int:
        """How many groups there are, 0 of numbers."""
        return len(self.names or ())

    @property
    def known(self) -> Array:
        """Which rows have a value."""
        found: Array = self.values >= 0 if self.grouped else np.isfinite(self.values)
        return found

    def scores(self, rows: Array) -> Array:
        """Return some rows as numbers: themselves, 1 for the second of two groups, or a column for each of several."""
        values = self.values[rows]
        if not self.grouped:
            return np.asarray(values.reshape(-1, 1), np.float64)
        if self.size == 2:
            return np.asarray(values == 1, np.float64).reshape(-1, 1)
        return np.asarray(values[:, None] == np.arange(self.size), np.float64)


@dataclass(frozen=True)
class Group:
    """A group of the attribute in some rows: how many they are, and the mean of the output there (of classes the share of ``of``)."""

    name: str
    n: int
    mean: float
    of: str | None = None


@dataclass(frozen=True)
class Effect:
    """The size of an association. ``spread`` gives its interval; of sizes that cannot be below 0 a noncentral chi-squared ``stat`` does.

    ``per`` turns noncentrality into the size: information has size = noncentrality / per, a multiple correlation
    sqrt(noncentrality / (per + noncentrality)). ``error`` is that of a large information, from the spread of its terms.
    """

    metric: Metric
    estimate: float
    spread: Spread | None = None
    stat: float = 0.0
    df: int = 1
    per: float = 1.0
    error: float = 0.0

    @property
    def signed(self) -> bool:
        """Whether it has a direction."""
        return self.spread is not None

    @property
    def neutral(self) -> float:
        """What no association is."""
        return 1.0 if self.metric == "ratio" else 0.0

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the two-sided interval."""
        if self.spread is not None:
            return self.spread.interval(level)
        low, high = (self._size(each) for each in _noncentralities(self.stat, self.df, level))
        if self.error > 0:   # terms of very unequal size spread more than the noncentral distribution says
            from scipy import special

            half = float(special.ndtri((1 + level) / 2)) * self.error
            low, high = min(low, self.estimate - half), max(high, self.estimate + half)
        return max(min(low, self.estimate), 0.0), min(max(high, self.estimate), 1.0)

    def _size(self, noncentrality: float) -> float:
        if self.metric == "information":
            return noncentrality / self.per
        return math.sqrt(noncentrality / (self.per + noncentrality))

    @property
    def strength(self) -> float:
        """How far it is from no association, of a ratio in logarithms."""
        return abs(math.log(max(self.estimate, 1e-12))) if self.metric == "ratio" else abs(self.estimate)

    def greatest(self, level: float = LEVEL) -> float:
        """Return the end of the interval that is furthest from no association, as a strength."""
        low, high = self.interval(level)
        if self.metric == "ratio":
            low, high = math.log(max(low, 1e-12)), math.log(max(high, 1e-12))
        return max(abs(low), abs(high))

    def weakest(self, level: float = LEVEL) -> float:
        """Return the end of the interval that is nearest to no association, as a strength; 0 where that is inside."""
        low, high = self.interval(level)
        if self.metric == "ratio":
            low, high = math.log(max(low, 1e-12)), math.log(max(high, 1e-12))
        return max(low, -high, 0.0)

    @property
    def deviation(self) -> float:
        """Its standard error, on the scale where it is compared (of a ratio its logarithm)."""
        low, high = self.interval(LEVEL)
        if self.metric == "ratio":
            low, high = math.log(max(low, 1e-12)), math.log(max(high, 1e-12))
        return (high - low) / (2 * 1.959964)

    @property
    def direction(self) -> int:
        """1 where the second group, or the higher, gets more; -1 where less."""
        return -1 if self.signed and self.estimate < self.neutral else 1


@dataclass(frozen=True)
class Measured:
    """An association in some rows: its size, the p-value of "none beyond the tolerance", how it was tested, and the groups."""

    effect: Effect
    p: float
    test: str
    n: int
    groups: tuple[Group, ...] = ()


def suited(attribute: Variable, output: Variable, metric: str | None = None) -> Metric:
    """Return the metric for a pair, the one asked for where it fits; raises ``ConfigError`` where it does not.

    Two groups: the difference of rates or means. Several groups with classes: information. Numbers: correlation.
    """
    two = attribute.size == 2
    number = not attribute.grouped or not output.grouped
    if metric is None:
        many = output.size > 2
        return "difference" if two and not many else "correlation" if number else "information"
    if metric not in METRICS:
        raise ConfigError(f"there is no metric '{metric}' of associations", expected=f"one of {', '.join(METRICS)}")
    fits = {"difference": two and output.size in (0, 2), "ratio": two and output.size == 2,
            "information": attribute.grouped and output.grouped,
            "correlation": number or (two and output.size == 2), "rank correlation": number}
    if not fits[metric]:
        wants = {"difference": "two groups, and a number or two classes", "ratio": "two groups and two classes",
                 "information": "groups and classes", "correlation": "numbers on one side", "rank correlation": "numbers on one side"}
        raise ConfigError(f"the {metric} of '{output.name}' with '{attribute.name}' is not defined", expected=wants[metric],
                          hint=f"{suited(attribute, output)} fits")
    return metric


def measured(attribute: Variable, output: Variable, rows: Array, *, metric: Metric | None = None, strata: Array | None = None,
             entity: Array | None = None, tolerance: float = 0.0, seed: int = 0) -> Measured | None:
    """Return the association in the rows whose places are ``rows``, None where there is only one group or one answer.

    ``strata`` are codes of what explains a row (all rows): then rows are compared with rows of the same stratum only. Rows of one
    ``entity`` (codes) count as one observation. ``p`` is that of "independent (given the strata), and no more than ``tolerance``".

    >>> sex = Variable("sex", np.repeat([0, 1], 100), ("f", "m"))
    >>> hired = Variable("hired", np.r_[np.repeat([0, 1], [60, 40]), np.repeat([0, 1], [40, 60])], ("no", "yes"))
    >>> found = measured(sex, hired, np.arange(200))
    >>> found.effect.metric, round(found.effect.estimate, 2), [round(end, 2) for end in found.effect.interval()], round(found.p, 4)
    ('difference', 0.2, [0.07, 0.33], 0.0071)
    """
    rows = rows[attribute.known[rows] & output.known[rows]]
    metric = metric or suited(attribute, output)
    if len(rows) < 4:
        return None
    stratum = None if strata is None else np.unique(strata[rows], return_inverse=True)[1].reshape(-1)
    cluster = None if entity is None else np.unique(entity[rows], return_inverse=True)[1].reshape(-1)
    s, o = attribute.scores(rows), output.scores(rows)
    if metric == "rank correlation":
        s, o = (_ranked(each) if not one.grouped else each for each, one in ((s, attribute), (o, output)))
    sc, oc = centred(s, stratum), centred(o, stratum)
    if not ((sc**2).sum(axis=0) > 1e-9 * max(len(rows), 1)).any() or not (oc**2).sum() > 1e-12 * float((o**2).sum() + 1e-300):
        return None
    found = independence(s, o, sc, oc, stratum, cluster, counts=attribute.grouped and output.grouped, seed=seed)
    effect = _effect(metric, s, o, sc, oc, stratum, cluster, found)
    p = found.p
    if tolerance > 0:
        p = max(p, _beyond(effect, tolerance))
    return Measured(effect, p, found.test, len(rows), _groups(attribute, output, rows))


def heterogeneity(inside: Effect, outside: Effect, direction: int | None = None) -> float:
    """Return the p-value of "no more inside than outside" (``direction`` 1), "no less" (-1), or of "alike" (None).

    >>> one, other = (Effect("difference", each, Spread("normal", each, error=0.02)) for each in (0.2, 0.1))
    >>> round(heterogeneity(one, other, 1), 4), round(heterogeneity(one, other, -1), 2)
    (0.0002, 1.0)
    """
    ends = [math.log(max(each.estimate, 1e-12)) if each.metric == "ratio" else each.estimate for each in (inside, outside)]
    error = math.hypot(inside.deviation, outside.deviation)
    if not error > 0:
        return 1.0
    z = (ends[0] - ends[1]) / error
    return min(math.erfc(abs(z) / math.sqrt(2)) if direction is None else math.erfc(direction * z / math.sqrt(2)) / 2, 1.0)


# effects ---------------------------------------------------------------------------------------------------------------------------


def _effect(metric: Metric, s: Array, o: Array, sc: Array, oc: Array, stratum: Array | None, cluster: Array | None,
            found: Tested) -> Effect:
    binary = bool(np.isin(o, (0.0, 1.0)).all()) and o.shape[1] == 1
    if metric == "difference":
        return Effect(metric, *_slope(s[:, 0], o[:, 0], sc[:, 0], oc[:, 0], stratum, cluster, binary))
    if metric == "ratio":
        return Effect(metric, *_ratio(s[:, 0], o[:, 0], stratum, cluster))
    if metric == "information":
        return _information(s, o, stratum, found)
    if sc.shape[1] == 1 and oc.shape[1] == 1:
        return Effect(metric, *_correlation(sc[:, 0], oc[:, 0], stratum, cluster))
    stat, df = found.stat, found.df   # a multiple correlation, of groups with a number
    n = float(len(s))
    share = max(stat - df, 0.0)
    return Effect(metric, math.sqrt(share / (n + share)), None, stat, df, n)


def _slope(s: Array, o: Array, sc: Array, oc: Array, stratum: Array | None, cluster: Array | None,
           binary: bool) -> tuple[float, Spread]:
    """Return the difference between two groups: of rates or means, in strata with the weights of Mantel and Haenszel (1959)."""
    spread = float(sc @ sc)
    slope = float(sc @ oc) / spread
    fewest = max(min(float((s > 0).sum()), float((s <= 0).sum())), 1.0)
    limit = 1.0 if binary else math.inf
    if binary and cluster is None:
        error = _caffo(s, o) if stratum is None else _sato(s, o, stratum, slope)
        return slope, Spread("normal", slope, error=error, low_limit=-limit, high_limit=limit)
    pull = sc * (oc - slope * sc) / spread
    lost = 1 + (1 if stratum is None else int(stratum.max()) + 1)
    error, df = _summed(pull, cluster, lost)
    if stratum is None and cluster is None:   # by groups: each with its own variance
        parts = [float(o[mask].var(ddof=1)) / int(mask.sum()) if mask.sum() > 1 else math.inf for mask in (s > 0, s <= 0)]
        error = math.sqrt(sum(parts))
    return slope, Spread("normal", slope, error=error, df=min(df, max(fewest - 1, 1.0)), low_limit=-limit, high_limit=limit)


def _caffo(s: Array, o: Array) -> float:
    """Return the standard error of a difference of two rates, with a success and a failure more on each side (Agresti and Caffo 2000)."""
    total = 0.0
    for mask in (s > 0, s <= 0):
        n = float(mask.sum()) + 2
        rate = (float(o[mask].sum()) + 1) / n
        total += rate * (1 - rate) / n
    return math.sqrt(total)


def _sato(s: Array, o: Array, stratum: Array, difference: float) -> float:
    """Return the standard error of a Mantel-Haenszel difference of rates, for many small strata as for few large ones (Sato 1989)."""
    x, n1, y, n0 = _tables(s, o, stratum)
    n = n1 + n0
    weight = float((n1 * n0 / n).sum())
    p = ((n1**2 * y - n0**2 * x + n1 * n0 * (n0 - n1) / 2) / n**2).sum()
    q = ((x * (n0 - y) + y * (n1 - x)) / (2 * n)).sum()
    variance = float(difference * p + q) / weight**2
    least = 0.25 / (weight + 2) ** 2   # none and all have an error too
    return math.sqrt(max(variance, least))


def _ratio(s: Array, o: Array, stratum: Array | None, cluster: Array | None) -> tuple[float, Spread]:
    """Return the ratio of two rates (Mantel and Haenszel), with the error of Greenland and Robins (1985), or by entity."""
    x, n1, y, n0 = _tables(s, o, np.zeros(len(s), np.int64) if stratum is None else stratum)
    n = n1 + n0
    over, under = float((x * n0 / n).sum()), float((y * n1 / n).sum())
    few = 0.5 * float((n1 * n0 / n**2).sum())
    if over == 0 or under == 0:
        over, under = over + few, under + few
    ratio = over / under
    variance = float(((n1 * n0 * (x + y) - x * y * n) / n**2).sum()) / (over * under)
    if cluster is not None:
        place = np.zeros(len(s), np.int64) if stratum is None else stratum
        pull = np.where(s > 0, o * (n0 / n)[place] / over, -o * (n1 / n)[place] / under)
        variance = _summed(pull - pull.mean(), cluster, 2)[0] ** 2
    return ratio, Spread("normal", ratio, error=math.sqrt(max(variance, 1e-12)), scale="log", low_limit=0.0)


def _correlation(s: Array, o: Array, stratum: Array | None, cluster: Array | None) -> tuple[float, Spread]:
    """Return Pearson's correlation of two centred columns, its error from each row's pull, so that it holds for any distribution."""
    zs, zo = s / math.sqrt(float(s @ s) / len(s)), o / math.sqrt(float(o @ o) / len(o))
    r = float(np.clip(zs @ zo / len(s), -1, 1))
    pull = (zs * zo - r * (zs**2 + zo**2) / 2) / len(s)
    error, df = _summed(pull, cluster, 2 + (1 if stratum is None else int(stratum.max()) + 1))
    error /= max(1 - r * r, 1e-12)
    return r, Spread("normal", r, error=max(error, 1e-12), df=df, scale="atanh", low_limit=-1.0, high_limit=1.0)


def _information(s: Array, o: Array, stratum: Array | None, found: Tested) -> Effect:
    """Return the mutual information over the lesser entropy, less its bias (Miller 1955), both within strata."""
    a, b = (each[:, 0].astype(np.int64) if each.shape[1] == 1 else each.argmax(axis=1) for each in (s, o))
    table = counted(a, b, np.zeros(len(a), np.int64) if stratum is None else stratum)
    n, size = float(table.sum()), table.sum(axis=(1, 2), keepdims=True)
    row, column = table.sum(axis=2, keepdims=True), table.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(table > 0, np.log(table * size / (row * column)), 0.0)
        entropy = min(-float(np.where(each > 0, each * np.log(each / size), 0.0).sum()) / n for each in (row, column))
    plain = float((table * ratio).sum()) / n
    df = int(((np.maximum((row > 0).sum(axis=1) - 1, 0)) * np.maximum((column > 0).sum(axis=2) - 1, 0)).sum())
    if entropy <= 0 or df < 1:
        return Effect("information", 0.0, None, 0.0, 1, 1.0)
    inflated = max(found.inflation, 1e-9)   # by how much entities shrink the test's statistic
    stat = 2 * n * plain * inflated
    variance = float((table * (ratio - plain) ** 2).sum()) / n
    error = math.sqrt(variance / n / inflated) / entropy if plain * n * 2 > 4 * df else 0.0
    return Effect("information", max(stat - df, 0.0) / (2 * n * inflated * entropy), None, stat, df, 2 * n * inflated * entropy, error)


def _tables(s: Array, o: Array, stratum: Array) -> tuple[Array, Array, Array, Array]:
    """Return by stratum the successes and rows of the second group, and of the first; strata with one group say nothing."""
    size = int(stratum.max()) + 1
    n1, n0 = (np.bincount(stratum, each, size) for each in (s > 0, s <= 0))
    x, y = (np.bincount(stratum, each * o, size) for each in (s > 0, s <= 0))
    both = (n1 > 0) & (n0 > 0)
    return x[both], n1[both], y[both], n0[both]


def _summed(pull: Array, cluster: Array | None, lost: int) -> tuple[float, float]:
    """Return the standard error of a sum of pulls, and its degrees of freedom."""
    if cluster is None:
        n = len(pull)
        return math.sqrt(float(pull @ pull) * n / max(n - lost, 1)), math.inf
    sums = np.bincount(cluster, pull)
    many = len(sums)
    return math.sqrt(float(sums @ sums) * many / max(many - 1, 1)), max(many - 1.0, 1.0)


def _beyond(effect: Effect, tolerance: float) -> float:
    """Return the p-value of "at most the tolerance, either way"."""
    if effect.spread is not None:
        if effect.metric == "ratio":
            return max(min(effect.spread.p_at_most(1 + tolerance), effect.spread.p_at_least(1 / (1 + tolerance))), 0.0)
        return min(effect.spread.p_at_most(tolerance), effect.spread.p_at_least(-tolerance))
    from scipy import stats

    size = min(tolerance, 0.999999)
    noncentrality = size * effect.per if effect.metric == "information" else effect.per * size**2 / (1 - size**2)
    return float(stats.ncx2.sf(effect.stat, effect.df, noncentrality))


def _noncentralities(stat: float, df: int, level: float) -> tuple[float, float]:
    """Return the noncentralities of a chi-squared between which a statistic is neither too large nor too small."""
    from scipy import special

    tail = (1 - level) / 2
    ends = []
    for share in (1 - tail, tail):
        if float(special.chdtr(df, stat)) <= share:   # even without noncentrality it is no larger than that
            ends.append(0.0)
            continue
        low, high = 0.0, max(stat, 1.0)
        while float(special.chndtr(stat, df, high)) > share and high < 1e12:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if float(special.chndtr(stat, df, middle)) > share else (low, middle)
        ends.append((low + high) / 2)
    return ends[0], ends[1]


def _ranked(column: Array) -> Array:
    """Return ranks from 0 to 1, equal values alike."""
    values = column[:, 0]
    order = np.sort(values)
    rank = np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right")
    return (rank / (2 * len(values))).reshape(-1, 1)


def _groups(attribute: Variable, output: Variable, rows: Array) -> tuple[Group, ...]:
    """Return how many each group has, and the mean of the output there; numbers are cut at their quartiles."""
    if attribute.grouped:
        code, names = attribute.values[rows].astype(np.int64), attribute.names or ()
    else:
        values = attribute.values[rows]
        edges = np.unique(np.quantile(values, (0.25, 0.5, 0.75)))
        code = np.searchsorted(edges, values, side="right")
        shown = [f"{each:,.4g}" for each in edges]
        ends = [f"below {shown[0]}", *(f"{one} to {two}" for one, two in itertools.pairwise(shown)), f"{shown[-1]} or more"]
        names = tuple(ends)
    what = output.values[rows]
    of = None
    if output.grouped:
        place = 1 if output.size == 2 else int(np.bincount(what.astype(np.int64), minlength=output.size).argmax())
        what, of = (what == place).astype(np.float64), (output.names or ())[place]
    counts, sums = np.bincount(code, minlength=len(names)), np.bincount(code, what, len(names))
    return tuple(Group(name, int(n), float(total / n), of) for name, n, total in zip(names, counts, sums, strict=False) if n)
