"""Repair features so that they tell nothing of a group, while who was ahead within the group stays ahead (Feldman et al., KDD 2015).

``Repair`` is a transformer for a pipeline of scikit-learn. Each value is moved towards what stands at its quantile in the median of the
groups' distributions: by the value (``geometric``), by places in the list of observed values (``combinatorial``), or of all columns
together (``multivariate``). Verbs put it before a model that is fitted anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from scipy import special

from assay.errors import ConfigError, DataError, listed, nearest
from assay.summary.hashing import mixed

__all__ = ["WAYS", "Keep", "Repair", "Way"]

Array = np.ndarray[Any, Any]
Way = Literal["geometric", "combinatorial", "multivariate"]
Keep = Literal["as it is", "constant", "left out"]
WAYS: tuple[Way, ...] = ("geometric", "combinatorial", "multivariate")

FEWEST = 10          # rows of a group
EDGE = 1e-6          # quantiles nearer to the ends are not believed
ROUNDS = 100         # of the fixed point of a barycentre
GRID = 1_001         # quantiles at which the median distribution is known


class Repair:
    """A transformer that repairs the columns of a frame or a matrix by the groups of the column ``by`` (a name, or a place).

    ``level`` goes from 0 (nothing) to 1 (the groups have one distribution of each column; with ``multivariate``, one correlation of columns
    too). Within a group a value that was not below another is not below it afterwards, save with ``multivariate``. Where many rows share
    a value, they are spread over the quantiles that it covers, by a number that depends on the whole row and on ``seed``. Text is moved
    between categories until each group has the median share of each. Missing values stay. ``columns`` are those to repair, by default all
    but ``by``, which stays ``"as it is"``, has one value in all rows (``"constant"``), or is ``"left out"``. Raises ``ConfigError`` and
    ``DataError``.

    >>> rows = np.array([[0, 10.0], [0, 20.0], [0, 30.0], [1, 110.0], [1, 120.0], [1, 130.0]] * 5)
    >>> Repair(by=0).fit_transform(rows)[:6, 1].round().tolist()
    [60.0, 70.0, 80.0, 60.0, 70.0, 80.0]
    """

    def __init__(self, by: Any = None, level: float = 1.0, way: Way = "geometric", columns: Sequence[Any] | None = None,
                 keep: Keep = "as it is", seed: int = 0):
        self.by, self.level, self.way, self.columns, self.keep, self.seed = by, level, way, columns, keep, seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, as pipelines ask for them."""
        return {name: getattr(self, name) for name in ("by", "level", "way", "columns", "keep", "seed")}

    def set_params(self, **params: Any) -> Self:
        """Change settings by name."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ConfigError(f"the repair has no setting '{name}'", expected=listed(self.get_params(), 12))
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from assay.remedy._sklearn import tags

        return tags()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "maps_")

    def fit(self, rows: Any, labels: Any = None) -> Self:
        """Learn the distributions of the groups from a frame or a matrix (rows, columns)."""
        if self.way not in WAYS:
            raise ConfigError(f"there is no repair '{self.way}'", expected=f"one of {', '.join(WAYS)}")
        if self.keep not in get_args(Keep):
            raise ConfigError(f"'{self.keep}' is nothing that becomes of the column", expected=f"one of {', '.join(get_args(Keep))}")
        if not 0 <= self.level <= 1:
            raise ConfigError(f"a level of {self.level:g}", expected="a number from 0 (nothing) to 1 (full repair)")
        table = _columns(rows)
        if self.by not in table:
            near = nearest(str(self.by), (str(each) for each in table))
            raise ConfigError(f"there is no column {self.by!r} to repair by", expected=f"one of {listed(map(str, table), 12)}",
                              hint=f"did you mean '{near}'?" if near else None)
        self.feature_names_in_ = np.array([str(each) for each in table], object) if hasattr(rows, "columns") else None
        if self.feature_names_in_ is None:
            del self.feature_names_in_
        self.n_features_in_ = len(table)
        self.groups_, codes = np.unique(_texts(table[self.by]), return_inverse=True)
        self._refuse(codes)
        self.usual_ = table[self.by][np.argmax(codes == np.argmax(np.bincount(codes)))]
        chosen = [name for name in (table if self.columns is None else self.columns) if name != self.by]
        spread = self._spread(table)
        self.maps_: dict[Any, _Numbers | _Categories] = {}
        for name in chosen:
            if name not in table:
                raise ConfigError(f"there is no column {name!r} to repair", expected=f"some of {listed(map(str, table), 12)}")
            self.maps_[name] = _learned(table[name], codes, len(self.groups_), self.way)
        self.joint_ = None
        quantiles = self._quantiles(table, codes, spread)
        if self.way == "multivariate" and len(quantiles) > 1:
            stacked = np.stack(list(quantiles.values()), axis=1)
            self.joint_ = _Joint.of(tuple(quantiles), stacked, codes, len(self.groups_))
        return self

    def transform(self, rows: Any) -> Any:
        """Return repaired rows, a frame or a matrix as was given; raises ``DataError`` for a group that was not there in ``fit``."""
        if not hasattr(self, "maps_"):
            raise ConfigError("the repair was not fitted", hint="call fit first")
        table = _columns(rows)
        given = _texts(table[self.by])
        codes = np.minimum(np.searchsorted(self.groups_, given), len(self.groups_) - 1)
        if (self.groups_[codes] != given).any():
            strange = str(given[np.argmax(self.groups_[codes] != given)])
            raise DataError(f"no row of the group {strange!r} of {self.by!r} was there when the repair was fitted",
                            expected=f"one of {listed(self.groups_.tolist(), 8)}")
        spread = self._spread(table)
        quantiles = self._quantiles(table, codes, spread)
        if self.joint_ is not None:
            quantiles |= self.joint_.moved(quantiles, codes)
        new: dict[Any, Array] = {}
        for place, (name, each) in enumerate(self.maps_.items()):
            if isinstance(each, _Numbers):
                new[name] = each.moved(table[name], quantiles[name], self.level, self.way)
            else:
                new[name] = each.moved(table[name], codes, _turned(spread, 1_000 + place), self.level)
        return self._laid(rows, new)

    def fit_transform(self, rows: Any, labels: Any = None, **_: Any) -> Any:
        """Learn from rows and return them repaired."""
        return self.fit(rows, labels).transform(rows)

    def _quantiles(self, table: Mapping[Any, Array], codes: Array, spread: Array) -> dict[Any, Array]:
        numeric = {name: each for name, each in self.maps_.items() if isinstance(each, _Numbers)}
        return {name: each.quantile(table[name], codes, _turned(spread, place)) for place, (name, each) in enumerate(numeric.items())}

    def _refuse(self, codes: Array) -> None:
        if len(self.groups_) < 2:
            raise DataError(f"{self.by!r} has one value only, {self.groups_[0]}: there is nothing to repair",
                            expected="at least two groups")
        counts = np.bincount(codes)
        if counts.min() < FEWEST:
            few = self.groups_[np.argmin(counts)]
            raise DataError(f"the group {few} of {self.by!r} has {counts.min()} rows: its distribution is not known",
                            expected=f"at least {FEWEST} rows of each group", hint="leave it out, or join it with another")

    def _spread(self, table: Mapping[Any, Array]) -> Array:
        """Return a whole number for each row that depends on nothing but its values."""
        total = np.zeros(len(next(iter(table.values()))), np.uint64)
        for place, each in enumerate(table.values()):
            if each.dtype.kind in "fiub":
                bits = (each.astype(np.float64) + 0.0).view(np.uint64)   # adding makes of -0 a 0
            else:
                values, inverse = np.unique(_texts(each), return_inverse=True)
                bits = np.array([int.from_bytes(_digest(value), "little") for value in values], np.uint64)[inverse]
            total = mixed(total ^ mixed(bits, 7 + place), 1 + self.seed)
        return total

    def _laid(self, rows: Any, new: Mapping[Any, Array]) -> Any:
        if hasattr(rows, "columns"):
            out = rows.copy()
            for name, values in new.items():
                out[name] = values
            if self.keep == "constant":
                out[self.by] = self.usual_
            return out.drop(columns=[self.by]) if self.keep == "left out" else out
        kind = np.float64 if np.asarray(rows).dtype.kind in "fiub" else object
        matrix = np.array(rows, kind)
        for name, values in new.items():
            matrix[:, name] = values
        if self.keep == "constant":
            matrix[:, self.by] = self.usual_
        return np.delete(matrix, self.by, axis=1) if self.keep == "left out" else matrix


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The distributions of a column of numbers: for each group its sorted values, the distribution in their middle, every value seen."""

    groups: tuple[Array, ...]
    median: Array
    seen: Array

    def quantile(self, column: Array, codes: Array, spread: Array) -> Array:
        """Return the place of each value in its own group's distribution, 0 to 1; NaN where it is missing."""
        given = column.astype(np.float64)
        out = np.full(len(given), np.nan)
        for code, own in enumerate(self.groups):
            rows = np.flatnonzero((codes == code) & np.isfinite(given))
            low, high = np.searchsorted(own, given[rows], "left"), np.searchsorted(own, given[rows], "right")
            # a value that was not seen stands between two: it is put there
            out[rows] = (low + np.where(high > low, spread[rows] * (high - low), 0.0)) / len(own)
        return np.asarray(np.clip(out, 0.0, 1.0))

    def moved(self, column: Array, quantile: Array, level: float, way: Way) -> Array:
        given = column.astype(np.float64)
        there = np.isfinite(quantile)
        out = given.copy()
        target = np.interp(quantile[there], np.linspace(0, 1, len(self.median)), self.median)
        if way != "combinatorial":
            out[there] = (1 - level) * given[there] + level * target
            return out
        last = len(self.seen) - 1
        own = np.clip(np.searchsorted(self.seen, given[there]), 0, last)
        right = np.clip(np.searchsorted(self.seen, target), 1, max(last, 1))
        right = np.minimum(right, last)
        left = np.maximum(right - 1, 0)
        goal = np.where(target - self.seen[left] <= self.seen[right] - target, left, right)
        out[there] = self.seen[np.clip(own + np.round(level * (goal - own)).astype(np.int64), 0, last)]
        return out


@dataclass(frozen=True, eq=False)
class _Categories:
    """The shares of categories: of each group (groups, categories), and their normalised median."""

    values: Array
    shares: Array
    median: Array

    def moved(self, column: Array, codes: Array, spread: Array, level: float) -> Array:
        """Return categories of which each group has the median share: what is too many moves to where there are too few."""
        out = column.copy()
        texts = _texts(column)
        at = np.minimum(np.searchsorted(self.values, texts), len(self.values) - 1)
        known = self.values[at] == texts
        for code, own in enumerate(self.shares):
            lack = np.maximum(self.median - own, 0)
            if not lack.sum():
                continue
            ends = np.cumsum(lack / lack.sum())
            leave = level * np.maximum(own - self.median, 0) / np.maximum(own, 1e-300)
            rows = np.flatnonzero((codes == code) & known)
            chance = leave[at[rows]]
            going = rows[spread[rows] < chance]
            place = np.searchsorted(ends, spread[going] / leave[at[going]], "right")
            out[going] = self.values[np.minimum(place, len(self.values) - 1)]
        return out


@dataclass(frozen=True, eq=False)
class _Joint:
    """How the normal scores of each group are moved to one correlation: the optimal transport to the barycentre of normal distributions."""

    names: tuple[Any, ...]
    maps: Array
    ranks: tuple[tuple[Array, ...], ...]

    @classmethod
    def of(cls, names: Sequence[Any], quantiles: Array, codes: Array, groups: int) -> _Joint:
        scores = _scores(quantiles)
        covariances = [np.atleast_2d(np.cov(scores[codes == code].T)) + 1e-6 * np.eye(len(names)) for code in range(groups)]
        weights = np.full(groups, 1 / groups)
        middle = sum(weight * each for weight, each in zip(weights, covariances, strict=True))
        for _ in range(ROUNDS):   # Alvarez-Esteban et al. 2016
            root, back = _root(middle), _root(middle, -0.5)
            mean = sum(weight * _root(root @ each @ root) for weight, each in zip(weights, covariances, strict=True))
            new = back @ mean @ mean @ back
            done = np.abs(new - middle).max() < 1e-10
            middle = new
            if done:
                break
        maps = []
        for each in covariances:
            root, back = _root(each), _root(each, -0.5)
            maps.append(back @ _root(root @ middle @ root) @ back)
        found = np.array(maps)
        ranks = tuple(tuple(np.sort((scores[codes == code] @ found[code])[:, place]) for place in range(len(names)))
                      for code in range(groups))
        return cls(tuple(names), found, ranks)

    def moved(self, quantiles: Mapping[Any, Array], codes: Array) -> dict[Any, Array]:
        given = np.stack([quantiles[name] for name in self.names], axis=1)
        scores = _scores(given)
        out = given.copy()
        for code, (turn, sorted_) in enumerate(zip(self.maps, self.ranks, strict=True)):
            rows = np.flatnonzero(codes == code)
            turned = scores[rows] @ turn
            for place, own in enumerate(sorted_):
                low, high = np.searchsorted(own, turned[:, place], "left"), np.searchsorted(own, turned[:, place], "right")
                out[rows, place] = np.clip((low + high) / 2 / len(own), 0, 1)
        out[~np.isfinite(given)] = np.nan
        return {name: out[:, place] for place, name in enumerate(self.names)}


def _scores(quantiles: Array) -> Array:
    return np.asarray(special.ndtri(np.clip(np.nan_to_num(quantiles, nan=0.5), EDGE, 1 - EDGE)))


def _root(matrix: Array, power: float = 0.5) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-12) ** power) @ vectors.T)


def _learned(column: Array, codes: Array, groups: int, way: Way) -> _Numbers | _Categories:
    if column.dtype.kind in "fiub":
        given = column.astype(np.float64)
        parts = tuple(np.sort(given[(codes == code) & np.isfinite(given)]) for code in range(groups))
        empty = next((code for code, each in enumerate(parts) if not len(each)), None)
        if empty is not None:
            raise DataError("a group has no value at all in a column to repair", expected="a value in each group")
        grid = np.linspace(0, 1, GRID)
        each_at = np.stack([np.interp(grid, (np.arange(len(own)) + 0.5) / len(own), own) for own in parts])
        return _Numbers(parts, np.median(each_at, axis=0), np.unique(given[np.isfinite(given)]))
    values, at = np.unique(_texts(column), return_inverse=True)
    shares = np.stack([np.bincount(at[codes == code], minlength=len(values)) / max((codes == code).sum(), 1) for code in range(groups)])
    median = np.median(shares, axis=0)
    return _Categories(values, shares, median / median.sum() if median.sum() else shares.mean(axis=0))


def _columns(rows: Any) -> dict[Any, Array]:
    if hasattr(rows, "columns"):
        return {name: np.asarray(rows[name]) for name in rows.columns}
    matrix = np.asarray(rows)
    if matrix.ndim != 2:
        raise DataError(f"rows of shape {matrix.shape}", expected="a frame, or a matrix (rows, columns)")
    return {place: matrix[:, place] for place in range(matrix.shape[1])}


def _texts(column: Array) -> Array:
    """Return values as text, numbers without a point where they are whole, so that 1 and 1.0 are one group."""
    if column.dtype.kind in "fiub":
        values, inverse = np.unique(column.astype(np.float64), return_inverse=True)
        return np.array([f"{each:g}" if abs(each) < 1e6 else repr(each) for each in values.tolist()], object)[inverse].astype(str)
    return np.array([str(each) for each in column.tolist()])


def _digest(text: str) -> bytes:
    import hashlib

    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _turned(spread: Array, place: int) -> Array:
    """Return numbers from 0 to 1 for each row, others for each column."""
    return np.asarray((mixed(spread, 1_000_003 + place) >> np.uint64(11)).astype(np.float64) / 2.0**53)
