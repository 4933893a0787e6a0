"""The directed search on small worlds whose truth is known, and on a coded table of the literature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import ConfigError
from assay.probe.discrimination import actual, apart_from_earlier, at_most, distances, even, nearby, pairs
from assay.probe.oracle import Oracle
from assay.probe.reference import REFERENCES, reference
from assay.probe.search import Manifold, search
from assay.probe.space import Space, axis

NAMES = [f"x{number}" for number in range(6)]


def world(rule: Any, *, size: int = 60, columns: int = 6, scores: bool = False) -> tuple[Any, Space]:
    """Return a model of ``rule(x, s)`` and the space of its columns."""
    def decide(batch: pa.RecordBatch) -> Any:
        x = np.stack([batch.column(name).to_numpy() for name in NAMES[:columns]], axis=1)
        return rule(x, batch.column("s").to_numpy())

    model = assay.load(decide, task="regression", name="m") if scores else assay.load(decide, task="binary", classes=[0, 1], name="m")
    axes = tuple(axis(name, None, declared=[0, size - 1]) for name in NAMES[:columns])
    return model, Space(axes, (axis("s", None, declared=[0, 1]),))


def slab(x: Any, s: Any) -> Any:
    """Differs in about one input of 100."""
    return (x @ np.array([3, 2, 1, 1, 1, 1]) + 5 * s > 330).astype(int)


def checked(oracle: Oracle, found: Any) -> None:
    """Every find is one, and none is there twice."""
    assert len(np.unique(found.points, axis=0)) == len(found.points) == found.found
    assert oracle.ask(found.points).found.all()


@pytest.mark.parametrize("method", ["screen", "walk", "cover"])
def test_finds_are_distinct_true_and_far_more_than_even_draws_give(method: Any) -> None:
    model, space = world(slab)
    oracle = Oracle(model, space)
    found = search(oracle, budget=12_000, method=method, seed=1)
    assert found.tests == 12_000
    assert found.rows == 24_000
    assert found.stopped == "budget"
    base = even(Oracle(model, space), 4_000).share
    assert found.rate > (6 if method == "walk" else 15) * base   # without a screen, steps leave a thin slab
    checked(oracle, found)
    again = search(Oracle(model, space), budget=12_000, method=method, seed=1)
    assert (again.points == found.points).all()


@pytest.mark.parametrize("name", list(REFERENCES))
def test_reference_strategies_find_what_is_there_within_the_budget(name: str) -> None:
    model, space = world(slab)
    oracle = Oracle(model, space)
    found = reference(name, oracle, budget=3_000, seed=1)
    assert found.tests == 3_000
    checked(oracle, found)
    assert found.found > 0


def test_a_fair_model_has_no_find_and_the_share_is_bounded() -> None:
    model, space = world(lambda x, s: (x.sum(axis=1) > 170).astype(int))
    found = search(Oracle(model, space), budget=6_000)
    assert found.found == 0
    assert found.tests == 6_000
    assert at_most(found.tests) == pytest.approx(3 / 6_000, rel=0.01)


def test_a_small_space_is_asked_as_a_whole() -> None:
    model, space = world(lambda x, s: (x[:, 0] + 3 * s > 10).astype(int), size=15, columns=3)
    found = search(Oracle(model, space), budget=10_000)
    assert (found.stopped, found.method, found.tests, found.found) == ("exhausted", "everything", 15**3, 3 * 15**2)


def test_scores_differ_where_they_are_far_enough_apart() -> None:
    model, space = world(lambda x, s: x[:, 0] / 60 + np.where(x[:, 1] > 50, 0.3 * s, 0.05 * s), scores=True)
    oracle = Oracle(model, space, apart=0.2)
    found = search(oracle, budget=8_000, method="screen")
    assert found.rate > 0.5
    assert (found.points[:, 1] > 50).all()
    with pytest.raises(ConfigError, match="the difference that counts"):
        Oracle(model, space)


def test_several_protected_columns_are_asked_together() -> None:
    def rule(batch: pa.RecordBatch) -> Any:
        x, s, r = (batch.column(name).to_numpy() for name in ("x", "s", "r"))
        return ((s == 1) & (r == 2) & (x > 900)).astype(int)

    space = Space((axis("x", None, declared=[0, 999]), axis("y", None, declared=[0, 999])),
                  (axis("s", None, declared=[0, 1]), axis("r", None, declared=[0, 2])))
    oracle = Oracle(assay.load(rule, task="binary", classes=[0, 1], name="m"), space)
    found = search(oracle, budget=4_000, method="walk")
    assert found.rows == 6 * found.tests
    assert (found.points[:, 0] > 900).all()
    one = pairs(oracle, found.points, 3)[0]
    assert one.changed == (0,)
    assert one.point[0] == 901
    assert set(one.said) == {0, 1}


def test_finds_are_shrunk_to_the_fewest_and_most_ordinary_values() -> None:
    model, space = world(lambda x, s: ((x[:, 2] > 40) & (x[:, 4] < 20) & (s == 1)).astype(int))
    oracle = Oracle(model, space)
    found = search(oracle, budget=5_000, method="walk")
    small = pairs(oracle, found.points, 5)
    assert small[0].changed == (2, 4)
    assert small[0].point[[2, 4]].tolist() == [41, 19]
    assert (np.delete(small[0].point, [2, 4]) == np.delete(space.usual, [2, 4])).all()


def test_on_the_manifold_every_find_is_near_a_row() -> None:
    model, space = world(slab)
    rows = np.clip(np.random.default_rng(2).normal(36, 4, (1_500, 6)), 0, 59).astype(np.int16)
    manifold = Manifold.of(space, rows)
    oracle = Oracle(model, space)
    found = search(oracle, budget=8_000, method="screen", manifold=manifold)
    checked(oracle, found)
    assert found.found > 500
    assert distances(space, found.points, rows).max() <= manifold.radius + 1e-9
    assert distances(space, found.points, rows).max() > 0


def test_shares_agree_with_the_whole_space() -> None:
    model, space = world(lambda x, s: (x[:, 0] + 6 * s > 29).astype(int), size=30, columns=2)
    oracle = Oracle(model, space)
    assert even(oracle, 20_000, seed=3).share == pytest.approx(6 / 30, abs=0.012)
    rows = space.everything()
    assert actual(oracle, rows, 10_000).share == 6 / 30
    assert nearby(oracle, Manifold(rows, 0.2), 5_000).share == pytest.approx(6 / 30, abs=0.03)


def test_finds_far_from_earlier_ones_are_counted_as_a_loop_would() -> None:
    _, space = world(slab, size=4)
    points = np.unique(space.uniform(300, np.random.default_rng(4)), axis=0)
    points = points[np.random.default_rng(5).permutation(len(points))]
    slow = sum(all((points[place] != points[other]).sum() >= 2 for other in range(place)) for place in range(len(points)))
    assert apart_from_earlier(space, points) == slow


def test_an_interrupt_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model, space = world(slab)
    oracle = Oracle(model, space)
    ask, calls = oracle.ask, []

    def stop(points: Any) -> Any:
        calls.append(1)
        if len(calls) > 30:
            raise KeyboardInterrupt
        return ask(points)

    monkeypatch.setattr(oracle, "ask", stop)
    found = search(oracle, budget=100_000, method="walk")
    assert found.stopped == "interrupted"
    assert found.found > 0


@pytest.mark.slow
def test_the_census_tree_is_searched_as_well_as_measured_before(shared: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    data = np.loadtxt(shared / "data/fairness/adf-census-coded.csv", delimiter=",", skiprows=1, dtype=np.int64)
    names = [f"x{number}" for number in range(13)]
    bounds = [[1, 9], [0, 7], [0, 39], [0, 15], [0, 6], [0, 13], [0, 5], [0, 4], [0, 1], [0, 99], [0, 39], [0, 99], [0, 39]]
    model = assay.load(DecisionTreeClassifier(random_state=0).fit(data[:, :-1], data[:, -1]), features=names)
    axes = [axis(name, None, declared=bound) for name, bound in zip(names, bounds, strict=True)]
    space = Space((*axes[:8], *axes[9:]), (axes[8],), order=tuple(names))
    found = search(Oracle(model, space), budget=50_000, method="screen")
    assert found.rate > 0.6
