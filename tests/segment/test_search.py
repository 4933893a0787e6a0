"""The search against trying every conjunction by hand, with and without compiled loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.segment.axis import Axis, axes
from assay.segment.kernel import kernel
from assay.segment.search import Field, search

Array = np.ndarray[Any, Any]
WAYS = [False, pytest.param(True, marks=pytest.mark.skipif(kernel() is None, reason="numba is not installed"))]
GRID = (6, 4, 3)


def small(seed: int, rows: int = 400) -> pa.Table:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=rows)
    return pa.table({
        "a": pa.array(np.where(rng.random(rows) < 0.1, np.nan, numbers), from_pandas=True), "b": rng.integers(0, 5, rows),
        "c": rng.choice(["x", "y", "z"], rows), "d": pa.array(rng.choice([True, False, None], rows).tolist(), pa.bool_())})


def every(found: list[Axis], level: int) -> list[tuple[tuple[int, int, int], ...]]:
    """All conjunctions of ``level`` conditions on the grid, as fine codes, each column's conditions listed from its values."""
    conditions = []
    for place, each in enumerate(found):
        grid = each.level(GRID[level - 1], 9)
        mine = []
        for first, last in zip(grid.first.tolist(), grid.last.tolist(), strict=True):
            inside = [code for code in range(each.size) if first <= grid.of[code] <= last]
            mine.append((place, min(inside), max(inside)))
        conditions.append(mine)
    return [box for some in itertools.combinations(conditions, level) for box in itertools.product(*some)]


def brute(found: list[Axis], field: Field, levels: int) -> dict[int, float]:
    """The largest squared deviation of each level, row by row."""
    best = {}
    for level in range(1, levels + 1):
        best[level] = 0.0
        for box in every(found, level):
            inside = np.ones(len(field.excess), bool)
            for place, low, high in box:
                inside &= (found[place].codes >= low) & (found[place].codes <= high)
            sides = [inside] if field.side is None else [inside & (field.side == 0), inside & (field.side == 1)]
            weight = [float(each.sum()) if field.weight is None else float(field.weight[each].sum()) for each in sides]
            if any(not field.least <= each <= most for each, most in zip(weight, field.most, strict=True)):
                continue
            mean = [float(field.excess[each].sum()) / n for each, n in zip(sides, weight, strict=True)]
            gap = mean[0] - (mean[1] if len(mean) == 2 else 0.0)
            if gap > 0:
                best[level] = max(best[level], gap**2 / sum(v / n for v, n in zip(field.variance, weight, strict=True)))
    return best


def one_side(rng: np.random.Generator, rows: int) -> Field:
    value = rng.random(rows)
    return Field(value - value.mean(), None, None, np.array([value.var()]), 15.0, np.array([0.5 * rows]))


def weighted(rng: np.random.Generator, rows: int) -> Field:
    value, weight = rng.random(rows), rng.uniform(0.5, 1.5, rows)
    return Field((value - value.mean()) * weight, None, weight, np.array([value.var()]), 15.0, np.array([0.5 * weight.sum()]))


def two_sides(rng: np.random.Generator, rows: int) -> Field:
    value, side = rng.random(rows), (rng.random(rows) < 0.4).astype(np.uint8)
    counts = np.bincount(side, minlength=2)
    return Field(value - 0.5, side, None, np.array([value.var(), value.var()]), 10.0, 0.5 * counts)


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("made", [one_side, weighted, two_sides])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_is_the_best_of_all(made: Callable[[np.random.Generator, int], Field], seed: int, compiled: bool) -> None:
    found, _ = axes(small(seed))
    field = made(np.random.default_rng(seed + 10), 400)
    for level in (1, 2, 3):
        looked = search(found, np.arange(400), field, levels=level, limit=1, floor=-np.inf, compiled=compiled, bins=GRID,
                        categories=(9, 9, 9))
        # the one with the best score is not always of the highest level, so each level is asked for by what its own best reaches
        best = brute(found, field, level)
        counts = {each: len(every(found, each)) for each in best}
        scores = {each: reach - 2 * np.log(counts[each]) for each, reach in best.items() if reach > 0}
        assert looked.tried == sum(counts.values())
        assert looked.reached[0] == pytest.approx(max(scores.values()), rel=1e-9)
        box = looked.boxes[0]
        weight, excess = field.sums(box.mask(found))
        assert float(field.deviation(weight, excess)) == pytest.approx(box.deviation, rel=1e-9)


@pytest.mark.parametrize("compiled", WAYS)
def test_what_a_box_explains_is_not_found_again_and_bounds_miss_nothing(compiled: bool) -> None:
    rng = np.random.default_rng(3)
    found, _ = axes(small(3, 2000))
    value = rng.random(2000)
    field = Field(value - value.mean(), None, None, np.array([value.var()]), 20.0, np.array([1000.0]))
    lazy = search(found, np.arange(2000), field, limit=5, floor=-np.inf, compiled=compiled, bins=GRID, categories=(9, 9, 9))
    excess = field.excess.copy()
    for box in lazy.boxes:   # a search from the start on what is left finds the same
        left = Field(excess, None, None, field.variance, field.least, field.most)
        anew = search(found, np.arange(2000), left, limit=1, floor=-np.inf, compiled=compiled, bins=GRID, categories=(9, 9, 9))
        assert anew.boxes[0].parts == box.parts
        inside = box.mask(found)
        excess[inside] -= excess[inside].mean()


@pytest.mark.skipif(kernel() is None, reason="numba is not installed")
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), made=st.sampled_from([one_side, weighted, two_sides]))
def test_compiled_and_plain_agree(seed: int, made: Callable[[np.random.Generator, int], Field]) -> None:
    found, _ = axes(small(seed, 150))
    field = made(np.random.default_rng(seed), 150)
    plain, fast = (search(found, np.arange(150), field, limit=3, floor=-np.inf, compiled=each, bins=GRID) for each in (False, True))
    assert [each.deviation for each in plain.boxes] == pytest.approx([each.deviation for each in fast.boxes], rel=1e-9)


def test_many_columns_are_crossed_three_ways_only_as_far_as_there_is_time() -> None:
    rng = np.random.default_rng(0)
    found, _ = axes(pa.table({f"x{each}": rng.normal(size=500) for each in range(12)}))
    inside = (found[3].codes > 40) & (found[7].codes < 20)
    value = rng.random(500) + inside
    field = Field(value - value.mean(), None, None, np.array([value.var()]), 10.0, np.array([250.0]))
    looked = search(found, np.arange(500), field, limit=1, additions=20_000 * 20)
    assert "among the 6 of 12 columns" in looked.notes[0]
    assert {each[0] for each in looked.boxes[0].parts} == {3, 7}
