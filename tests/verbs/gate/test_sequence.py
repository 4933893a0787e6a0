"""Intervals for any time: they hold the mean at every row at once, and they end in time."""

from __future__ import annotations

import numpy as np
import pytest

from assay.verbs.gate.sequence import asymptotic, betting, crossed, rejected, wealth


def losses(n: int, mean: float, seed: int) -> np.ndarray:
    """Return differences of two losses of 0 or 1 that disagree in 8 % of the rows."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 0.0, 1.0], n, p=[0.04 - mean / 2, 0.92, 0.04 + mean / 2])


@pytest.mark.parametrize("target", [None, 3_000])
def test_nothing_is_crossed_by_chance_however_often_one_looks(target) -> None:
    alpha, copies = 0.05, 300
    false = sum(crossed(losses(3_000, 0.0, seed), 0.0, alpha=alpha, target=target) is not None for seed in range(copies))
    assert false <= copies * alpha + 2 * np.sqrt(copies * alpha)


def test_what_a_plain_interval_would_have_done() -> None:
    """Looking after every row, a t-interval calls something out in far more cases than its level says."""
    false = 0
    for seed in range(100):
        numbers = losses(3_000, 0.0, seed)
        t = np.arange(1, len(numbers) + 1)
        mean = np.cumsum(numbers) / t
        error = np.sqrt(np.maximum(np.cumsum(numbers**2) / t - mean**2, 0) / t)
        false += bool((mean - 1.645 * error > 0)[100:].any())
    assert false > 20


def test_harm_of_a_point_is_found_in_about_ten_thousand_rows() -> None:
    found = [crossed(losses(60_000, 0.01, seed), 0.0) for seed in range(15)]
    assert all(found)
    assert np.median(found) < 20_000


@pytest.mark.parametrize("of", [betting, asymptotic])
def test_the_interval_holds_the_mean(of) -> None:
    missed = sum(not of(losses(2_000, 0.01, seed)).low <= 0.01 <= of(losses(2_000, 0.01, seed)).high for seed in range(200))
    assert missed <= 200 * 0.1 + 2 * np.sqrt(20)


def test_it_is_the_bets_product_where_an_end_lies() -> None:
    numbers = losses(4_000, 0.05, 1)
    found = betting(numbers)
    assert wealth(numbers, found.low) == pytest.approx(20, rel=1e-3)   # 1 / 0.05, by definition
    assert wealth(-numbers, -found.high) == pytest.approx(20, rel=1e-3)


def test_nothing_and_little() -> None:
    assert betting(np.empty(0)).n == 0
    assert asymptotic(np.ones(5)).low == -np.inf
    assert wealth(np.empty(0), 0.0) == 1.0
    assert crossed(np.empty(0), 0.0) is None
    assert rejected([]) == []
    assert rejected([1e9] * 5) == [True] * 5
    assert rejected([2.0] * 5) == [False] * 5
