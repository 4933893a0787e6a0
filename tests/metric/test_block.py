"""A column has the same bits in a block of columns as alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from assay.metric import find
from assay.metric.block import areas, joined
from assay.summary import Summary
from assay.summary.frequent import Frequent
from assay.summary.histogram import Histogram
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles

Array = np.ndarray[Any, Any]


def _columns() -> list[tuple[Array, Array]]:
    """Columns of both sides: continuous, tied, of few values, shifted, of one value, missing, empty, and of several batches."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 6, 9_000))
    found = [(a[place], b[place] + 0.1 * place) for place in range(6)]
    found += [(np.round(a[0], 1), np.round(b[0], 1)), (np.round(a[1]), np.round(b[1])), (a[2], np.round(b[2], 2)), (a[3], a[3])]
    found += [(np.full(50, 2.0), b[4]), (a[4], np.full(50, 2.0)), (np.where(a[5] > 1, np.nan, a[5]), b[5]), (np.full(9, np.nan), b[5])]
    found += [(a[0], np.empty(0)), (rng.standard_normal(300_000), b[1]), (a[0] * 1e100, b[0] * 1e100), (a[0] * 1e-310, b[0] * 1e-310)]
    return found


def _sides() -> tuple[list[dict[str, Summary]], list[dict[str, Summary]]]:
    sides: tuple[list[dict[str, Summary]], list[dict[str, Summary]]] = ([], [])
    for then, now in _columns():
        edges: tuple[float, ...] = ()
        for held, values in zip(sides, (then, now), strict=True):
            quantiles, moments = Quantiles(), Moments()
            for start in range(0, len(values), 131_072):
                quantiles.update(values[start : start + 131_072])
                moments.update(values[start : start + 131_072])
            edges = quantiles.edges() if held is sides[0] else edges
            histogram = Histogram(edges=edges)
            histogram.update(values)
            held.append({"quantiles": quantiles, "moments": moments, "histogram": histogram})
    return sides


@pytest.mark.parametrize("options", [{}, {"debiased": False}])
@pytest.mark.parametrize("name", ["psi", "jensen_shannon", "chi2", "wasserstein"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_many_columns_are_measured_to_the_bit_as_each(name: str, options: dict[str, bool]) -> None:
    metric, (then, now) = find(name), _sides()
    each = [metric.function(*pair, **options) for pair in zip(then, now, strict=True)]
    assert sum(found.spread is not None for found in each) >= 12
    assert repr(metric.several(then, now, **options)) == repr(each)  # NaN is unlike itself


def test_columns_of_categories_are_measured_among_those_of_numbers() -> None:
    then, now = _sides()
    text: list[dict[str, Summary]] = []
    for values in (["a", "b", "b"] * 30, ["a", "a", "b"] * 30):
        frequent = Frequent()
        frequent.update(values)
        text.append({"frequent": frequent})
    psi = find("psi")
    found = psi.several([then[0], text[0], then[1]], [now[0], text[1], now[1]])
    assert found == [psi.function(then[0], now[0]), psi.function(*text), psi.function(then[1], now[1])]


def test_an_area_is_the_sum_of_its_rectangles() -> None:
    rng = np.random.default_rng(5)
    first, second = np.sort(rng.integers(0, 40, 30) / 4), np.sort(rng.integers(0, 40, 20) / 4 + 1)
    sides = [(each, np.arange(len(each) + 1) / len(each)) for each in (first, second)]
    grid, f, g, pairs = joined(sides[:1], sides[1:])
    values = sorted({*first.tolist(), *second.tolist()})
    assert pairs == [0]
    assert grid[0].tolist() == values
    by_hand = sum(abs((first <= low).mean() - (second <= low).mean()) * (high - low) for low, high in itertools.pairwise(values))
    assert areas(grid, f, g, np.array([30]), np.array([20])).area[0] == pytest.approx(by_hand, abs=1e-12)


def test_pairs_with_more_values_in_common_are_left_to_others() -> None:
    shares = np.array([0.0, 0.5, 1.0])
    firsts = [(np.array([1.0, 2.0]), shares)] * 3
    seconds = [(np.array([3.0, 4.0]), shares), (np.array([2.0, 4.0]), shares), (np.array([0.0, 9.0]), shares)]
    grid, f, g, pairs = joined(firsts, seconds)
    assert pairs == [0, 2]
    assert grid.tolist() == [[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 9.0]]
    assert (f.tolist(), g.tolist()) == ([[0.5, 1.0, 1.0, 1.0], [0.0, 0.5, 1.0, 1.0]], [[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 0.5, 1.0]])
