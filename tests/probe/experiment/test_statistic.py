"""Statistics against regressions of numpy and scikit-learn, fitted anew for every assignment."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from assay.probe.experiment import statistic
from assay.probe.experiment.permutation import enumerated
from assay.probe.experiment.statistic import Contrast, CrossFit, Difference, counted, ranked


def lots(sizes, seed):
    rng = np.random.default_rng(seed)
    return (np.concatenate([rng.permutation(np.arange(size) % 2) for size in sizes]).astype(np.int8), np.repeat(np.arange(len(sizes)), sizes),
            rng)


@pytest.mark.parametrize("missing", [0, 3])
def test_a_difference_is_the_coefficient_of_a_regression_with_blocks(missing) -> None:
    labels, blocks, rng = lots([2, 5, 4, 4, 3], 1)
    y = rng.standard_normal(18) + blocks**2
    y[rng.choice(18, missing, replace=False)] = np.nan
    given = np.isfinite(y)
    design = np.column_stack([labels, *(blocks == block for block in range(5))]).astype(float)
    wanted = np.linalg.lstsq(design[given], y[given], rcond=None)[0][0]
    assert Difference(y, blocks)(labels[None])[0] == pytest.approx(wanted)


def test_units_of_a_block_need_not_stand_together() -> None:
    labels, blocks, rng = lots([4, 4, 4], 2)
    y, order = rng.standard_normal(12), np.random.default_rng(5).permutation(12)
    y[3] = np.nan
    assert Difference(y[order], blocks[order])(labels[order][None])[0] == pytest.approx(Difference(y, blocks)(labels[None])[0])


def test_a_block_without_a_pair_says_nothing() -> None:
    y = np.array([1.0, np.nan, 5.0, 9.0])
    assert Difference(y, np.array([0, 0, 1, 1]))(np.array([[1, 0, 0, 1]])).tolist() == [4.0]
    assert Difference(np.full(4, np.nan), np.array([0, 0, 1, 1]))(np.array([[1, 0, 0, 1]])).tolist() == [0.0]


def test_a_contrast_is_in_standard_deviations_of_the_lots() -> None:
    labels, blocks, rng = lots([4, 3, 2], 3)
    counts = rng.poisson(2.0, (9, 3)).astype(float)
    rows = np.concatenate(list(enumerated(labels, blocks)))
    centred = counts - np.stack([counts[blocks == block].mean(axis=0) for block in blocks])
    sums = rows @ centred
    found = Contrast(counts, np.ones(9, bool), labels, blocks)(rows)
    assert np.allclose(found, np.abs(sums - sums.mean(axis=0)) / sums.std(axis=0), atol=2e-4)


@pytest.mark.parametrize("features", [4, 60])
def test_a_classifier_is_trained_anew_for_every_assignment(features) -> None:
    labels, blocks, rng = lots([4] * 12, 4)
    counts = rng.poisson(1.0, (48, features)).astype(float)
    seen = np.ones(48, bool)
    seen[[5, 17]] = False
    fit = CrossFit(counts, seen, labels, blocks, folds=4, seed=7)
    rows = np.stack([labels, *(rng.permuted(labels.reshape(12, 4), axis=1).ravel() for _ in range(3))])
    x = np.log1p(counts)
    x = np.stack([x[at] - x[(blocks == blocks[at]) & seen].mean(axis=0) if seen[at] else np.zeros(features) for at in range(48)])
    x = x / np.sqrt((x**2).mean(axis=0)) / np.sqrt(features)
    folds = np.random.default_rng(7).permutation(12)[blocks] % 4
    for row, scores in zip(rows, fit.scores(rows), strict=True):
        wanted = np.zeros(48)
        for fold in range(4):
            train, test = (folds != fold) & seen, (folds == fold) & seen
            strength = statistic.RIDGE * (x[train] ** 2).sum(axis=1).mean()
            wanted[test] = Ridge(alpha=strength, fit_intercept=False).fit(x[train], row[train] - 0.5).predict(x[test])
        for block in range(12):
            inside = (blocks == block) & seen
            wanted[inside] -= wanted[inside].mean()
        assert np.allclose(scores, wanted, atol=1e-5)


def test_a_classifier_tells_apart_what_differs_and_nothing_else() -> None:
    labels, blocks, rng = lots([4] * 40, 5)
    counts = rng.poisson(1.0, (160, 30)).astype(float)
    blind = CrossFit(counts, np.ones(160, bool), labels, blocks).accuracy(labels[None])[0]
    counts[:, :5] += rng.poisson(2.0, (160, 5)) * labels[:, None]
    sharp = CrossFit(counts, np.ones(160, bool), labels, blocks).accuracy(labels[None])[0]
    assert 0.35 < blind < 0.65
    assert sharp > 0.9


def test_nothing_to_learn_from_is_chance() -> None:
    labels, blocks, _ = lots([2, 2], 6)
    for counts in (np.zeros((4, 0)), np.ones((4, 2))):
        fit = CrossFit(counts, np.ones(4, bool), labels, blocks)
        assert fit.accuracy(labels[None]).tolist() == [0.5]
        assert fit(labels[None]).tolist() == [0.0]


def test_ranks_do_not_hang_on_blocks_or_on_the_size_of_what_is_wild() -> None:
    _, blocks, rng = lots([4] * 6, 8)
    y = rng.standard_normal(24)
    y[9] = 50.0
    wild = np.where(y == 50, 1e9, y)
    assert np.allclose(ranked(y, blocks), ranked(wild, blocks))
    assert np.allclose(ranked(y + 100 * blocks, blocks), ranked(y, blocks))


def test_counts_are_of_what_more_than_one_unit_saw() -> None:
    names, counts, seen = counted([["a", "b", "a"], ["b", "c"], [], None], most=1)
    assert names == ["b"]
    assert counts[:, 0].tolist() == [1, 1, 0, 0]
    assert seen.tolist() == [True, True, True, False]
