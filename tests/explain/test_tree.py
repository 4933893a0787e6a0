"""Exact values of trees: against every coalition asked one by one, and by the laws that define them."""

from __future__ import annotations

import functools
import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError, ModelError
from assay.explain import kernel
from assay.explain.tree import shapley
from assay.model.trees import Growth, Trees
from tests.explain.reference import interventional, path_dependent
from tests.model.ensembles import CASES, case

WAYS = [False, pytest.param(True, marks=pytest.mark.skipif(kernel.kernels() is None, reason="numba is not installed"))]


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_every_coalition(name: str, compiled: bool) -> None:
    made = case(name)
    rows, background, output = made.numbers[:4], made.numbers[40:80], made.trees.outputs - 1
    values, base = shapley(made.trees, rows, background, output=output, compiled=compiled)
    assert np.abs(values - interventional(made.trees, rows, background, output)).max() < 1e-9
    assert base == pytest.approx(made.trees.sums(background)[:, output].mean(), rel=1e-12)
    total = made.trees.sums(rows)[:, output]
    assert np.abs(values.sum(axis=1) + base - total).max() <= 1e-12 * np.abs(total).max()


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_path_dependent_values_are_those_of_every_coalition(name: str, compiled: bool) -> None:
    made = case(name)
    rows, output = made.numbers[:1], made.trees.outputs - 1
    values, base = shapley(made.trees, rows, output=output, compiled=compiled)
    assert np.abs(values - path_dependent(made.trees, rows, output)).max() < 1e-9
    total = made.trees.sums(rows)[:, output]
    assert np.abs(values.sum(axis=1) + base - total).max() <= 1e-12 * np.abs(total).max()


def sprout(table: list[list[float]], rng: np.random.Generator, cover: float, depth: int, features: int, cuts: int, empty: bool,
           stop: float) -> int:
    here = len(table)
    table.append([-1, -1, -1, 0.0, 0, cover, 0.0])
    if depth == 0 or (rng.random() < stop and len(table) > 1):
        table[here][6] = float(rng.normal())
        return here
    table[here][2:5] = [int(rng.integers(features)), float(rng.integers(cuts)), int(rng.random() < 0.5)]
    share = 0.0 if empty and rng.random() < 0.3 else float(rng.random())
    table[here][0] = sprout(table, rng, cover * share, depth - 1, features, cuts, empty, stop)
    table[here][1] = sprout(table, rng, cover * (1 - share), depth - 1, features, cuts, empty, stop)
    return here


def planted(seed: int, *, features: int, depth: int, trees: int = 3, empty: bool = False, strict: bool = True, cuts: int = 4,
            stop: float = 0.1) -> Trees:
    """Random trees, with columns that come twice on a path, both default directions and (``empty``) nodes that no row reached."""
    rng, growth = np.random.default_rng(seed), Growth()
    for _ in range(trees):
        table: list[list[float]] = []   # left, right, feature, cut, missing goes left, cover, value
        sprout(table, rng, 100.0, depth, features, cuts, empty, stop)
        left, right, feature, cut, lost, cover, value = np.array(table).T
        growth.add(left=left, right=right, feature=feature, threshold=cut, default_left=lost, cover=cover, value=value)
    return growth.trees(base=np.array([0.5]), unit="value", strict=strict, single=False, matrix=lambda batch: batch, source=np.arange(features))


def numbers(seed: int, rows: int, features: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = rng.integers(-1, 5, (rows, features)).astype(float)   # on the cuts, and either side of them
    out[rng.random(out.shape) < 0.2] = np.nan
    return out


@pytest.mark.parametrize("compiled", WAYS)
@given(seed=st.integers(0, 10_000), features=st.integers(1, 5), depth=st.integers(0, 5), empty=st.booleans(), strict=st.booleans())
@settings(max_examples=12, deadline=None)
def test_any_trees(compiled: bool, seed: int, features: int, depth: int, empty: bool, strict: bool) -> None:
    made = planted(seed, features=features, depth=depth, empty=empty, strict=strict)
    rows, background = numbers(seed, 2, features), numbers(seed + 1, 7, features)
    values, _ = shapley(made, rows, background, compiled=compiled)
    assert np.abs(values - interventional(made, rows, background)).max() < 1e-9
    values, _ = shapley(made, rows, compiled=compiled)
    assert np.abs(values - path_dependent(made, rows)).max() < 1e-9


@pytest.mark.skipif(kernel.kernels() is None, reason="numba is not installed")
@pytest.mark.parametrize(("features", "depth"), [(12, 9), (30, 13), (40, 22)])
def test_deep_trees_by_both_ways(features: int, depth: int) -> None:
    """Paths too wide for a table of all patterns, and those at the edge of it."""
    made = planted(depth, features=features, depth=depth, trees=1, empty=True, stop=0.02 if depth < 12 else 0.35)
    if depth > 20:   # one long arm
        made = arm(depth, features)
    rows, background = numbers(1, 30, features), numbers(2, 40, features)
    for behind in (background, None):
        fast, base = shapley(made, rows, behind, compiled=True)
        slow, other = shapley(made, rows, behind, compiled=False)
        assert np.abs(fast - slow).max() < 1e-12
        assert base == pytest.approx(other, rel=1e-12)


def arm(depth: int, features: int) -> Trees:
    growth, size = Growth(), 2 * depth + 1
    left, right = np.full(size, -1), np.full(size, -1)
    left[0:-1:2], right[0:-1:2] = np.arange(1, size, 2), np.arange(2, size, 2)
    cover = 2.0 ** -(np.arange(size) // 2 + np.arange(size) % 2)
    rng = np.random.default_rng(0)
    growth.add(left=left, right=right, feature=np.arange(size) // 2 % features, threshold=np.full(size, -0.5), default_left=np.zeros(size, bool),
               cover=cover, value=rng.normal(size=size))
    return growth.trees(base=np.zeros(1), unit="value", strict=False, single=False, matrix=lambda batch: batch, source=np.arange(features))


@pytest.mark.parametrize("compiled", WAYS)
def test_features_of_one_player_come_and_go_together(compiled: bool) -> None:
    made = planted(5, features=6, depth=6)
    rows, background, players = numbers(3, 4, 6), numbers(4, 9, 6), np.array([0, 1, 0, 2, 1, 2])
    values, _ = shapley(made, rows, background, players=players, compiled=compiled)
    expected = interventional(made, rows, background, players=players)
    assert np.abs(values[:, :3] - expected).max() < 1e-9
    assert not values[:, 3:].any()


@pytest.mark.parametrize("compiled", WAYS)
def test_laws(compiled: bool) -> None:
    one, other = planted(1, features=5, depth=5), planted(2, features=5, depth=4)
    rows, background = numbers(5, 6, 5), numbers(6, 30, 5)
    growth = Growth()
    for each in (one, other):   # linearity: the values of a sum of models are the sums of values
        size = growth.size
        growth.tables.append({"left": np.where(each.left < 0, -1, each.left + size), "right": np.where(each.right < 0, -1, each.right + size),
                              "feature": each.feature, "threshold": each.threshold, "default_left": each.default_left,
                              "sets": each.sets, "cover": each.cover, "value": each.value})
        growth.roots += (each.roots + size).tolist()
        growth.output += each.output.tolist()
        growth.size += len(each.left)
    both = growth.trees(base=np.array([1.0]), unit="value", strict=True, single=False, matrix=lambda batch: batch, source=np.arange(5))
    whole, base = shapley(both, rows, background, compiled=compiled)
    parts = [shapley(each, rows, background, compiled=compiled) for each in (one, other)]
    assert np.abs(whole - parts[0][0] - parts[1][0]).max() < 1e-12
    assert base == pytest.approx(parts[0][1] + parts[1][1])
    wider = planted(1, features=5, depth=5)   # dummy: a column that no tree tests has no value
    object.__setattr__(wider, "source", np.arange(8))
    values, _ = shapley(wider, numbers(5, 6, 8), numbers(6, 30, 8), compiled=compiled)
    assert not values[:, 5:].any()
    same = shapley(one, background[:1], background[:1], compiled=compiled)[0]   # a row against itself: nothing to explain
    assert np.abs(same).max() < 1e-15
    swapped = planted(1, features=5, depth=5)   # symmetry: names do not matter
    order = np.array([3, 1, 4, 0, 2])
    object.__setattr__(swapped, "feature", np.where(swapped.feature < 0, -1, order[swapped.feature]))
    turned = np.argsort(order)
    values, _ = shapley(swapped, rows[:, turned], background[:, turned], compiled=compiled)
    assert np.abs(values[:, order] - parts[0][0]).max() < 1e-12


@pytest.mark.parametrize("compiled", WAYS)
def test_a_large_background_is_the_mean_over_its_parts(compiled: bool) -> None:
    made, rows = planted(9, features=6, depth=6), numbers(5, 6, 6)
    background = numbers(6, 5000, 6)
    whole, base = shapley(made, rows, background, compiled=compiled)
    parts = [shapley(made, rows, background[start:start + 1000], compiled=compiled) for start in range(0, 5000, 1000)]
    assert np.abs(whole - np.mean([each for each, _ in parts], axis=0)).max() < 1e-12
    assert base == pytest.approx(np.mean([each for _, each in parts]))


def test_bad_input_is_a_sentence() -> None:
    made = planted(1, features=3, depth=2)
    with pytest.raises(DataError, match="background holds no rows"):
        shapley(made, numbers(1, 2, 3), np.empty((0, 3)))
    with pytest.raises(ModelError, match="no output 1"):
        shapley(made, numbers(1, 2, 3), output=1)
    with pytest.raises(ModelError, match="tests 65 columns"):
        shapley(arm(65, 65), numbers(1, 2, 65), compiled=False)
    assert shapley(made, np.empty((0, 3)), numbers(1, 4, 3))[0].shape == (0, 3)


@pytest.mark.skipif(kernel.kernels() is None, reason="numba is not installed")
def test_what_is_kept_changes_nothing() -> None:
    """Plans and tables are kept for an ensemble and a background: another of either is another answer, from any thread."""
    made, rows, backgrounds = planted(9, features=6, depth=6), numbers(5, 300, 6), [numbers(seed, 50, 6) for seed in (6, 7, 8)]
    fresh = [shapley(planted(9, features=6, depth=6), rows, each, compiled=True) for each in (*backgrounds, None)]
    with ThreadPoolExecutor(4) as pool:
        asked = [each for each in (*backgrounds, None) for _ in range(3)]
        found = list(pool.map(functools.partial(shapley, made, rows, compiled=True), asked))
    for place, (values, base) in enumerate(found):
        assert (values == fresh[place // 3][0]).all()
        assert base == fresh[place // 3][1]
    other = shapley(made, rows, backgrounds[0], players=np.array([0, 0, 1, 1, 2, 2]), compiled=True)[0]
    assert other[:, :3].sum(axis=1) == pytest.approx(fresh[0][0].sum(axis=1))
    assert not (other[:, 3:]).any()
    held = len(kernel._HELD)
    assert held
    del made
    gc.collect()
    assert len(kernel._HELD) < held   # tables go with their ensemble


@pytest.mark.skipif(kernel.kernels() is None, reason="numba is not installed")
def test_each_loop_is_compiled_once() -> None:
    """One layout of arrays only: a second would be compiled anew, for seconds, in the middle of a user's work."""
    loops = kernel.kernels()
    made = arm(12, 12)   # one long arm: leaves in groups, and leaves alone
    for rows in (numbers(1, 30, 12), np.asfortranarray(numbers(1, 30, 12)), numbers(1, 60, 12)[::2], numbers(1, 0, 12)):
        for behind in (numbers(2, 40, 12), np.asfortranarray(numbers(2, 40, 12)), None):
            shapley(made, rows, behind, compiled=True)
    shapley(made, numbers(1, 20_000, 12), numbers(2, 3, 12), compiled=True)
    assert [len(each.loop.signatures) for each in loops] == [1, 1, 1]


def test_trees_are_read_once() -> None:
    from assay.model.trees import trees

    model = case("lightgbm").model
    assert trees(model) is trees(model)
    assert trees(model.bound(model.signature.names)) is trees(model)
    with ThreadPoolExecutor(4) as pool:
        assert len({id(each) for each in pool.map(lambda _: trees(model), range(16))}) == 1
