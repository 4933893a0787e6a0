"""Intervals that hold whenever one stops: by simulation, against every point of small spaces, against what is proved of a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.probe._sklearn import regions
from assay.probe.betting import Betting, drawn, stratified
from assay.probe.certificate import certificate
from assay.probe.oracle import Oracle
from assay.probe.search import search
from assay.probe.space import Space, axis

NAMES = ["a", "b", "c", "s"]


def space(size: int) -> Space:
    return Space(tuple(axis(name, None, declared=[0, size - 1]) for name in "abc"), (axis("s", None, declared=[0, 1]),), order=tuple(NAMES))


def fitted(kind: Any, size: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, size, (500, 3)), rng.integers(0, 2, 500)])
    y = x[:, 0] - 0.6 * x[:, 1] + 0.3 * x[:, 2] + 0.12 * size * x[:, 3] + rng.normal(0, size / 30, 500) > 0.4 * size
    return assay.load(kind.fit(x, y.astype(int)), features=NAMES)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5])
def test_the_interval_misses_no_more_often_than_it_says_however_long_one_looks(share: float) -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(100):
        bets = Betting(planned=300)
        for part in np.split((rng.random(300) < share).astype(float), 4):
            bets.add(part, 0.0, 1.0)
        low, high = bets.interval()   # what was ruled out at any time stays so
        missed += not low <= share <= high
    assert missed <= 11   # 5 are allowed for; more than 11 of them have a chance of less than 0.5 %


@pytest.mark.slow
@pytest.mark.parametrize(("share", "level"), [(0.002, 0.8), (0.02, 0.9), (0.3, 0.8)])
def test_the_interval_misses_no_more_often_than_it_says_by_many_runs(share: float, level: float) -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(400):
        bets = Betting(level, 1_000)
        for part in np.split((rng.random(1_000) < share).astype(float), 10):
            bets.add(part, 0.0, 1.0)
        low, high = bets.interval()
        missed += not low <= share <= high
    assert missed <= 400 * (1 - level) + 3 * np.sqrt(400 * level * (1 - level))


def test_draws_may_be_of_any_range() -> None:
    rng = np.random.default_rng(3)
    bets = Betting(planned=4_000)
    for scale in (1.0, 2.0, 0.5, 1.5):
        bets.add(0.3 + scale * (rng.integers(0, 2, 1_000) - 0.5), 0.3 - scale / 2, 0.3 + scale / 2)
    low, high = bets.interval()
    assert low < 0.3 < high
    assert high - low < 0.1


def test_more_draws_never_widen_it() -> None:
    rng = np.random.default_rng(4)
    bets, last = Betting(planned=3_000), (0.0, 1.0)
    for part in np.split((rng.random(3_000) < 0.1).astype(float), 6):
        bets.add(part, 0.0, 1.0)
        low, high = bets.interval()
        assert last[0] <= low + 1e-9
        assert high <= last[1] + 1e-9
        last = (low, high)


def test_strata_hold_every_point_of_a_small_box() -> None:
    missed = 0
    for seed in range(12):
        where = space(9)
        model = fitted(DecisionTreeClassifier(random_state=0), 9, seed)
        truth = float(Oracle(model, where).ask(where.everything()).found.mean())
        rng = np.random.default_rng(seed)
        tried = where.uniform(150, rng)
        boxes = regions(where, tried, Oracle(model, where).ask(tried).found, seed=0, boxes=16)
        found = stratified(Oracle(model, where), boxes, 500, seed=seed)
        missed += not found.low <= truth <= found.high
        assert found.n <= 500
        assert found.low <= found.share <= found.high
    assert missed <= 3   # 0.6 are allowed for


def test_strata_hold_the_share_that_is_proved_of_a_linear_model_and_narrow_it() -> None:
    where = space(40)
    model = fitted(LogisticRegression(), 40, 7)
    proved = certificate(model, where)
    assert proved is not None
    found = search(Oracle(model, where), budget=4_000, method="walk", seed=0)
    boxes = regions(where, found.tried, found.hits, seed=0)
    inner = stratified(Oracle(model, where), boxes, 4_000, seed=1)
    rng = np.random.default_rng(1)
    even = drawn(Oracle(model, where), lambda count: where.uniform(count, rng), 4_000)
    for each in (inner, even):
        assert each.low <= proved.high
        assert proved.low <= each.high
    if inner.n == even.n:
        assert inner.high - inner.low < even.high - even.low


def test_it_ends_when_told_to() -> None:
    where = space(40)
    model = fitted(LogisticRegression(), 40, 8)
    rng = np.random.default_rng(1)
    found = drawn(Oracle(model, where), lambda count: where.uniform(count, rng), 10_000, enough=lambda: True)
    assert found.n == 256
