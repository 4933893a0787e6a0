"""The permutation test against all assignments counted by hand, against scipy, and against a search for its interval."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.probe.experiment.permutation import (
    Null,
    assignments,
    combined,
    enumerated,
    interval,
    null,
    permutation,
    permuted,
    stepdown,
)
from assay.probe.experiment.statistic import Difference

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def lots(sizes, rng, treatments=2):
    labels = np.concatenate([rng.permutation(np.arange(size) % treatments) for size in sizes]).astype(np.int8)
    return labels, np.repeat(np.arange(len(sizes)), sizes)


def every(labels, blocks):
    """All different assignments, by brute force."""
    parts = [sorted(set(itertools.permutations(labels[blocks == block].tolist()))) for block in np.unique(blocks)]
    return [np.array([one for part in parts_ for one in part]) for parts_ in itertools.product(*parts)]


@given(SIZES, st.integers(0, 10_000), st.integers(2, 3))
def test_every_assignment_is_enumerated_once(sizes, seed, treatments) -> None:
    labels, blocks = lots(sizes, np.random.default_rng(seed), treatments)
    found = np.concatenate(list(enumerated(labels, blocks)))
    assert sorted(map(tuple, found.tolist())) == sorted(tuple(each.tolist()) for each in every(labels, blocks))
    assert len(found) == assignments(labels, blocks)


@given(SIZES, st.integers(0, 10_000))
def test_draws_keep_what_each_block_holds(sizes, seed) -> None:
    rng = np.random.default_rng(seed)
    labels, blocks = lots(sizes, rng, 3)
    shuffled = rng.permutation(len(blocks))         # units of a block need not stand together
    labels, blocks = labels[shuffled], blocks[shuffled]
    rows = np.concatenate(list(permuted(labels, blocks, 20, rng)))
    for block in np.unique(blocks):
        assert (np.sort(rows[:, blocks == block], axis=1) == np.sort(labels[blocks == block])).all()


def test_draws_are_even() -> None:
    labels, blocks = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 1])
    rows = np.concatenate(list(permuted(labels, blocks, 24_000, np.random.default_rng(0))))
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    assert len(counts) == 12
    assert stats.chisquare(counts).pvalue > 0.001


@given(SIZES.filter(lambda sizes: max(sizes) > 1), st.integers(0, 10_000))
def test_the_exact_p_value_is_the_share_counted_by_hand(sizes, seed) -> None:
    rng = np.random.default_rng(seed)
    labels, blocks = lots(sizes, rng)
    values = rng.integers(0, 4, len(labels)).astype(float)     # with ties
    size = Difference(values, blocks).size
    mine = size(labels[None])[0]
    by_hand = np.mean([size(each[None])[0] >= mine - 1e-9 for each in every(labels, blocks)])
    assert permutation(size, labels, blocks) == pytest.approx(by_hand)


def test_one_block_is_the_test_of_scipy() -> None:
    rng = np.random.default_rng(4)
    one, other = rng.normal(0, 1, 6), rng.normal(1, 1, 6)
    labels = np.repeat([1, 0], 6)
    ours = permutation(Difference(np.concatenate([one, other]), np.zeros(12)).size, labels, np.zeros(12))
    theirs = stats.permutation_test((one, other), lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)), vectorized=True,
                                    alternative="greater", n_resamples=np.inf)
    assert ours == pytest.approx(theirs.pvalue)


def test_drawn_p_values_are_never_zero_and_near_the_exact_ones() -> None:
    rng = np.random.default_rng(1)
    labels, blocks = lots([4] * 5, rng)
    strong = Difference(labels * 100.0 + np.arange(20), blocks).size
    assert permutation(strong, labels, blocks, draws=199, most=0) == pytest.approx(1 / 200, abs=1e-3)
    weak = Difference(labels + rng.standard_normal(20), blocks).size
    assert permutation(weak, labels, blocks, draws=20_000, most=0) == pytest.approx(permutation(weak, labels, blocks), abs=0.015)


def test_p_values_are_even_or_larger_without_a_difference() -> None:
    rng, p = np.random.default_rng(2), []
    for _ in range(400):
        labels, blocks = lots([2, 3, 4, 6], rng)
        p.append(permutation(Difference(rng.standard_normal(15) + 3 * blocks, blocks).size, labels, blocks, draws=99, most=0))
    for level in (0.05, 0.1, 0.2, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 2.5 * math.sqrt(level * (1 - level) / 400)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_where_the_test_does_not_reject(seed, exact) -> None:
    rng = np.random.default_rng(seed)
    labels, blocks = lots([4, 4, 3, 2], rng)
    y = rng.standard_normal(13) + 0.7 * labels + blocks
    if seed == 3:
        y[5] = np.nan
    rows = np.concatenate(list(enumerated(labels, blocks))) if exact else next(permuted(labels, blocks, 299, rng))
    values, taken = Difference(y, blocks), Difference(np.where(np.isfinite(y), labels, np.nan), blocks)
    observed = float(values(labels[None])[0])
    low, high = interval(observed, values(rows), taken(rows), 0.9, exact=exact)

    def p(shift: float) -> float:
        moved = Difference(y - shift * labels, blocks).size
        above = (moved(rows) >= moved(labels[None])[0] - 1e-12).sum()
        return above / len(rows) if exact else (1 + above) / (1 + len(rows))

    assert low < observed < high
    for end, inwards in ((low, 1), (high, -1)):
        assert p(end + 1e-6 * inwards) > 0.1
        assert p(end - 1e-6 * inwards) <= 0.1


def test_an_interval_of_too_few_assignments_is_open() -> None:
    assert interval(1.0, np.array([1.0, -1.0]), np.array([1.0, -1.0]), 0.95, exact=True) == (-math.inf, math.inf)


@given(st.integers(0, 1_000))
def test_many_at_once_are_adjusted_as_one_after_the_other(seed) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, (30, 4)).astype(float)
    observed = rng.integers(0, 7, 4).astype(float)
    p = stepdown(Null(observed, values, False))
    order, last = np.argsort(-observed, kind="stable"), 0.0
    for place, each in enumerate(order):
        rest = values[:, order[place:]].max(axis=1)
        last = max(last, (1 + (rest >= observed[each]).sum()) / 31)
        assert p[each] == pytest.approx(last)


@given(st.integers(0, 1_000))
def test_the_best_of_several_is_ranked_among_the_bests(seed) -> None:
    rng = np.random.default_rng(seed)
    values, observed = rng.integers(0, 9, (20, 3)).astype(float), rng.integers(3, 10, 3).astype(float)
    everyone = np.concatenate([observed[None], values])
    best = [min(sum(everyone[:, at] >= one[at]) for at in range(3)) for one in everyone]
    assert combined(Null(observed, values, False)) == pytest.approx(np.mean(np.array(best) <= best[0]))


def test_several_statistics_of_one_draw() -> None:
    labels, blocks = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    found = null(lambda rows: rows[:, :2], labels, blocks)
    assert found.exact
    assert found.values.shape == (4, 2)
    assert found.p.tolist() == [1.0, 0.5]
