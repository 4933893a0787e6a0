"""Tests of independence within strata: one statistic for groups and numbers, its distribution exact, permuted or asymptotic.

``independence(...)`` is the generalised statistic of Cochran, Mantel and Haenszel; ``exact`` tests 2 x 2 tables, ``centred`` and
``counted`` are what they rest on. Only ``assay.probe.association`` imports it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Tested", "centred", "continued", "counted", "exact", "independence"]

Array = np.ndarray[Any, Any]

EXPECTED = 10.0        # fewest rows expected in a cell, above which the chi-squared distribution does
SMALL = 50             # rows of numbers, below which they are permuted
WORK = 4_000           # values of a table's cell that the exact test goes through
PERMUTED = 9_999
MOST_PERMUTED = 3e8    # numbers moved by permutations
ENOUGH = 50            # permutations at least as extreme, from which on more would not change the answer


@dataclass(frozen=True)
class Tested:
    """A statistic with its degrees of freedom, its p-value, how that was found; ``inflation`` is what entities make of the statistic."""

    stat: float
    df: int
    p: float
    test: str
    inflation: float = 1.0


def centred(values: Array, stratum: Array | None) -> Array:
    """Return columns less their means, within strata (codes from 0) where there are any."""
    if stratum is None:
        out: Array = values - values.mean(axis=0)
        return out
    counts = np.bincount(stratum)
    out = np.empty_like(values)
    for place in range(values.shape[1]):
        column = values[:, place]
        out[:, place] = column - (np.bincount(stratum, column) / np.maximum(counts, 1))[stratum]
    return out


def counted(a: Array, b: Array, stratum: Array) -> Array:
    """Return the rows of each stratum, value of ``a`` and value of ``b`` (all codes from 0).

    >>> counted(np.array([0, 1, 1]), np.array([0, 1, 1]), np.array([0, 0, 0])).tolist()
    [[[1, 0], [0, 2]]]
    """
    sizes = [int(each.max()) + 1 for each in (stratum, a, b)]
    cell = (stratum * sizes[1] + a) * sizes[2] + b
    found: Array = np.bincount(cell, minlength=math.prod(sizes)).reshape(sizes)
    return found


def independence(s: Array, o: Array, sc: Array, oc: Array, stratum: Array | None, cluster: Array | None, *, counts: bool,
                 seed: int = 0) -> Tested:
    """Return the test of "``s`` and ``o`` are independent within strata"; ``sc`` and ``oc`` are the same, centred there.

    The statistic is T' V⁻ T of the sums T of products: V is their variance over all permutations within strata (Mantel 1963; Landis,
    Heyman and Koch 1978), or by ``cluster`` where rows of one belong together. Of two by two (``counts``: both are groups) the
    distribution is exact, in very large tables normal with a correction for continuity. Else, where rows are few, it is that of up to
    9,999 permutations, p = (1 + b) / (1 + n) (Besag and Clifford 1991: drawn until 50 are as extreme).
    """
    sc, oc = _independent(sc), _independent(oc)
    t = (sc.T @ oc).reshape(-1)
    plain = _variance(sc, oc, stratum)
    stat, df = _quadratic(t, plain)
    if cluster is not None:
        return _clustered(sc, oc, t, cluster, stat)
    if counts and s.shape[1] == o.shape[1] == 1:
        p = _exact_of(s[:, 0], o[:, 0], stratum)
        if p is not None:
            return Tested(stat, df, p, "exact")
        return Tested(stat, df, continued(float(t[0]), float(plain[0, 0])), "asymptotic")
    few = _few(s, o, stratum) if counts else len(s) < SMALL or _rare(s) or _rare(o)
    if few and df and PERMUTED * len(s) * sc.shape[1] <= MOST_PERMUTED:
        return Tested(stat, df, _permuted(sc, oc, plain, stat, stratum, seed), "permutation")
    return Tested(stat, df, _tail(stat, df), "asymptotic")


def exact(x: Array, n1: Array, m: Array, n: Array) -> float | None:
    """Return the p-value of independence in 2 x 2 tables by stratum, two-sided by probability; None where they are too large.

    ``x`` of ``n1`` rows of a group and ``m`` of all ``n`` are successes. Given the margins each x is hypergeometric (Fisher 1935), and the
    distribution of their sum over strata is a convolution (Birch 1964).

    >>> round(exact(np.array([3]), np.array([4]), np.array([4]), np.array([8])), 4)
    0.4857
    """
    low, high = np.maximum(0, m + n1 - n), np.minimum(n1, m)
    if int((high - low).sum()) > WORK:
        return None
    sums = np.ones(1)
    for each in zip(low.tolist(), high.tolist(), n1.tolist(), m.tolist(), n.tolist(), strict=True):
        if each[1] > each[0]:
            sums = np.convolve(sums, _hypergeometric(*each))   # no transform: small chances keep their digits
    place = int((x - low).sum())
    return min(float(sums[sums <= sums[place] * (1 + 1e-7)].sum()), 1.0)


def continued(excess: float, variance: float) -> float:
    """Return the p-value of a count that exceeds what is expected by ``excess``, less a half: it has no values in between (Yates 1934).

    >>> round(continued(10.5, 25.0), 4), continued(0.2, 25.0)
    (0.0455, 1.0)
    """
    if variance <= 0:
        return 1.0
    return math.erfc(max(abs(excess) - 0.5, 0.0) / math.sqrt(2 * variance))


def _hypergeometric(low: int, high: int, n1: int, m: int, n: int) -> Array:
    from scipy import special

    k = np.arange(low, high + 1, dtype=np.float64)
    log = -sum(special.gammaln(each + 1) for each in (k, n1 - k, m - k, n - n1 - m + k))
    likely = np.exp(log - log.max())
    found: Array = likely / likely.sum()
    return found


def _independent(columns: Array) -> Array:
    """Return columns without the last of several indicators, which the others tell."""
    return columns if columns.shape[1] == 1 else columns[:, :-1]


def _variance(sc: Array, oc: Array, stratum: Array | None) -> Array:
    if stratum is None:
        found: Array = np.kron(sc.T @ sc, oc.T @ oc) / max(len(sc) - 1, 1)
        return found
    counts = np.bincount(stratum)
    if sc.shape[1] == oc.shape[1] == 1:
        one, other = (np.bincount(stratum, each[:, 0] ** 2) for each in (sc, oc))
        return np.array([[float((one * other / np.maximum(counts - 1, 1)).sum())]])
    order = np.argsort(stratum, kind="stable")
    parts = np.split(order, np.cumsum(counts)[:-1])
    total = np.zeros((sc.shape[1] * oc.shape[1],) * 2)
    for part in parts:
        if len(part) > 1:
            total += np.kron(sc[part].T @ sc[part], oc[part].T @ oc[part]) / (len(part) - 1)
    return total


def _quadratic(t: Array, variance: Array) -> tuple[float, int]:
    """Return t' V⁻ t and the rank of V."""
    scale = np.sqrt(np.maximum(np.diag(variance), 1e-300))
    values, vectors = np.linalg.eigh(variance / np.outer(scale, scale))
    good = values > 1e-9 * max(float(values.max()), 1e-300)
    good &= bool(np.diag(variance).max() > 1e-300)
    along = vectors[:, good].T @ (t / scale)
    return float((along**2 / values[good]).sum()), int(good.sum())


def _tail(stat: float, df: int) -> float:
    from scipy import special

    return float(special.chdtrc(df, stat)) if df else 1.0


def _clustered(sc: Array, oc: Array, t: Array, cluster: Array, plain: float) -> Tested:
    """Test by entity: the sums of products of each are independent, and few entities make a wide distribution (Hotelling's)."""
    from scipy import special

    many = int(cluster.max()) + 1
    products = [np.bincount(cluster, sc[:, i] * oc[:, j], many) for i in range(sc.shape[1]) for j in range(oc.shape[1])]
    sums = np.stack(products, axis=1)
    sums -= sums.mean(axis=0)
    stat, df = _quadratic(t, sums.T @ sums * many / max(many - 1, 1))
    if not df or many <= df + 1:
        return Tested(stat, df, 1.0, "by entity")
    p = float(special.fdtrc(df, many - df, stat * (many - df) / (df * (many - 1))))
    return Tested(stat, df, p, "by entity", stat / plain if plain > 0 else 1.0)


def _few(s: Array, o: Array, stratum: Array | None) -> bool:
    """Whether a cell of two tables of groups is expected to hold few rows, over all strata."""
    place = np.zeros(len(s), np.int64) if stratum is None else stratum
    one, other = (np.concatenate([1 - each, each], axis=1) if each.shape[1] == 1 else each for each in (s, o))
    size = np.bincount(place).astype(np.float64)
    rows, columns = (np.stack([np.bincount(place, each[:, i]) for i in range(each.shape[1])]) for each in (one, other))
    expected = rows @ (columns / np.maximum(size, 1)).T
    return bool(expected[expected > 0].min(initial=math.inf) < EXPECTED)


def _rare(columns: Array) -> bool:
    """Whether indicators name a group of few rows."""
    if not np.isin(columns, (0.0, 1.0)).all():
        return False
    sums = columns.sum(axis=0)
    sums = np.concatenate([sums, len(columns) - sums]) if columns.shape[1] == 1 else sums
    return bool(sums[sums > 0].min(initial=math.inf) < 30)


def _exact_of(s: Array, o: Array, stratum: Array | None) -> float | None:
    place = np.zeros(len(s), np.int64) if stratum is None else stratum
    tables = counted((s > 0).astype(np.int64), (o > 0).astype(np.int64), place)
    if tables.shape[1:] != (2, 2):
        return 1.0
    return exact(tables[:, 1, 1], tables[:, 1].sum(axis=1), tables[:, :, 1].sum(axis=1), tables.sum(axis=(1, 2)))


def _permuted(sc: Array, oc: Array, variance: Array, stat: float, stratum: Array | None, seed: int) -> float:
    rng = np.random.default_rng(seed)
    place = np.zeros(len(sc), np.int64) if stratum is None else stratum
    order = np.argsort(place, kind="stable")
    one, other, at = sc[order], oc[order], place[order]
    scale = np.sqrt(np.maximum(np.diag(variance), 1e-300))
    inverse = np.linalg.pinv(variance / np.outer(scale, scale), rcond=1e-9, hermitian=True)
    extreme = drawn = 0
    block = max(1, min(500, int(2e6 // (len(sc) * sc.shape[1]))))
    while drawn < PERMUTED and extreme < ENOUGH:
        many = min(block, PERMUTED - drawn)
        moved = np.argsort(rng.random((many, len(at))) + at, axis=1)   # within strata, as codes are whole numbers
        t = np.einsum("bip,iq->bpq", one[moved], other).reshape(many, -1) / scale
        extreme += int((np.einsum("bi,ij,bj->b", t, inverse, t) >= stat * (1 - 1e-9)).sum())
        drawn += many
    return (1 + extreme) / (1 + drawn)
