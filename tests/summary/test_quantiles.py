"""The error of a rank never exceeds what the sketch says, whatever the order, the values and the way of merging."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.summary.quantiles import EXACT, Quantiles

RNG = np.random.default_rng(11)
N = 1_200_000
PROBES = np.array([0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999])


def zoomed(n: int) -> np.ndarray:
    """Each value inside the gap that the ones before left open: what hurts a sketch that guesses by place."""
    low, high, out = 0.0, 1.0, np.empty(n)
    for place in range(n):
        middle = (low + high) / 2
        out[place] = middle
        low, high = (middle, high) if place % 3 else (low, middle)
        if high - low < 1e-12:
            low, high = out[place] + 1, out[place] + 2
    return out


COLUMNS = {
    "gauss": RNG.standard_normal(N), "sorted": np.arange(N, dtype=float), "reversed": np.arange(N, 0, -1.0),
    "heavy tail": RNG.standard_cauchy(N), "atoms": np.where(RNG.random(N) < 0.6, 7.0, RNG.standard_normal(N)),
    "many atoms": np.floor(RNG.exponential(3000, N)), "whole": RNG.integers(0, 20_000, N).astype(float),
    "alternating": np.where(np.arange(N) % 2, np.arange(N), -np.arange(N)).astype(float),
    "ramps": (np.arange(N) % 30_000).astype(float), "zoomed": np.resize(zoomed(50_000), N), "far": 1e9 + RNG.random(N),
    "scales": 10.0 ** RNG.uniform(-300, 300, N),
}


def sketch(values: np.ndarray) -> Quantiles:
    found = Quantiles()
    found.update(values)
    return found


def tree(parts: list[Quantiles]) -> Quantiles:
    while len(parts) > 1:
        parts = [functools.reduce(Quantiles.merge, parts[place : place + 2]) for place in range(0, len(parts), 2)]
    return parts[0]


def updated(parts: list[np.ndarray]) -> Quantiles:
    found = Quantiles()
    for part in parts:
        found.update(part)
    return found


WAYS = {
    "batches": lambda values: updated(np.array_split(values, 10)),
    "small batches": lambda values: updated(np.array_split(values, 2000)),
    "tree of 100": lambda values: tree([sketch(part) for part in np.array_split(values, 100)]),
    "line of 300": lambda values: functools.reduce(Quantiles.merge, [sketch(part) for part in np.array_split(values, 300)]),
    "unequal": lambda values: tree([sketch(part) for part in np.split(values, [1, 100, 5000, 5001, 100_000, 900_000])]),
}


def off(found: Quantiles, ordered: np.ndarray) -> float:
    """The largest distance of a probed quantile's true ranks from what was asked for."""
    worst = 0.0
    for q in PROBES:
        value = found.quantile(q)
        below, upto = (np.searchsorted(ordered, value, side) / len(ordered) for side in ("left", "right"))
        worst = max(worst, q - upto, below - q)
    return worst


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("way", WAYS)
def test_the_error_of_a_rank_is_at_most_the_stated_one(name, way):
    values = COLUMNS[name] if way in ("batches", "tree of 100") else COLUMNS[name][:: 4]
    found, ordered = WAYS[way](values), np.sort(values)
    assert found.count == len(values)
    assert off(found, ordered) <= found.error + 1e-12
    assert found.error <= 0.01  # log2(300) compressions, at 0.077 % each
    assert (found.low, found.high) == (ordered[0], ordered[-1])
    points, weights = found.points
    assert weights.sum() == pytest.approx(len(values))
    assert (points[1:] >= points[:-1]).all()
    # the distribution function is right everywhere, not at round quantiles only
    mine = np.cumsum(weights)[np.searchsorted(points, points, "right") - 1] / len(values)
    true = np.searchsorted(ordered, points, "right") / len(values)
    assert np.abs(mine - true).max() <= found.error + 1e-9


def test_tails_are_nearly_exact():
    found = sketch(RNG.permutation(131_072).astype(float))
    for q in (1e-4, 1e-3, 1 - 1e-3, 1 - 1e-4):
        assert abs(found.quantile(q) / 131_072 - q) < 0.07 * np.sqrt(q * (1 - q)) * np.pi / 1024 + 2e-5 + np.pi / 2048 * np.sqrt(q * (1 - q))


def test_one_compression_adds_half_a_cell_at_most():
    found = sketch(RNG.random(100_000))
    assert found.error == pytest.approx(np.sin(np.pi / 2048) / 2, rel=1e-3)  # 0.077 %
    assert sketch(RNG.random(EXACT)).error == 0


@given(st.lists(st.floats(-1e300, 1e300) | st.integers(-3, 3).map(float), min_size=1, max_size=60), st.integers(1, 4), st.floats(0, 1))
@settings(max_examples=80)
def test_few_values_are_exact(values, parts, q):
    found = tree([sketch(part) for part in np.array_split(np.array(values), parts)])
    expected = np.sort(values)[max(int(np.ceil(q * len(values) - 1e-9)) - 1, 0)]
    assert found.error == 0
    assert found.quantile(q) in (expected, np.sort(values)[min(int(q * len(values)), len(values) - 1)])
    assert found == sketch(np.array(values[::-1]))
    below, upto = (np.searchsorted(np.sort(values), found.quantile(q), side) / len(values) for side in ("left", "right"))
    assert below - 1e-9 <= q <= upto + 1e-9


def test_exact_ends_where_it_says():
    values = RNG.permutation(np.repeat(np.arange(EXACT, dtype=float), 20))
    found = tree([sketch(part) for part in np.array_split(values, 7)])
    assert found.error == 0
    assert found.quantile(0.5) == EXACT // 2 - 1
    found.update(np.array([-1.0]))
    assert 0 < found.error < 0.001


def test_edges_make_equal_bins_and_give_heavy_values_their_own():
    edges = np.array(sketch(RNG.standard_normal(200_000)).edges(20))
    assert len(edges) == 19
    assert np.abs(np.diff(edges, prepend=-9, append=9)).min() > 0
    values = np.where(RNG.random(100_000) < 0.5, 0.0, RNG.random(100_000))
    made = sketch(values).edges(10)
    counts = np.histogram(values, [-1, *made, 2])[0]
    assert 0 <= counts.max() - (values == 0).sum() <= 2 * sketch(values).error * len(values)
    assert sketch(np.array([1.0, 2.0, 5.0, 2.0])).edges() == (2.0, 5.0)
    assert sketch(np.array([3.0] * 9)).edges() == ()
    assert Quantiles().edges() == ()
    for each in COLUMNS.values():
        assert (np.diff(sketch(each[:50_000]).edges(50)) > 0).all()


def test_missing_and_infinite_are_counted_apart():
    found = sketch(np.array([1.0, np.nan, np.inf, -np.inf, -np.inf, 2.0]))
    assert (found.n, found.nulls, found.minus_infinite, found.plus_infinite, found.count) == (6, 1, 2, 1, 2)
    assert np.isnan(Quantiles().quantile(0.5))
    text = Quantiles()
    text.update(pa.array(["secret", None]))
    assert (text.n, text.nulls) == (2, 2)
    assert b"secret" not in text.dump()
