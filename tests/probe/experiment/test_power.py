"""The chance that is foretold is the chance that experiments have."""

from __future__ import annotations

import numpy as np
import pytest

from assay.probe.experiment.permutation import permutation
from assay.probe.experiment.power import Effect, blocks_needed, chance
from assay.probe.experiment.statistic import Difference


@pytest.mark.parametrize(("effect", "blocks"), [(Effect("number", 5.0, 1.0, 1.0), 8), (Effect("yes", 0.3, 0.3), 16),
                                                (Effect("count", 2.0, 1.0, 2.0), 16)])
def test_the_chance_is_that_of_whole_experiments(effect, blocks) -> None:
    found = 0
    labels, at = np.tile([1, 1, 0, 0], blocks), np.repeat(np.arange(blocks), 4)
    for run in range(150):
        rng = np.random.default_rng([run, 1])
        lots = rng.permuted(labels.reshape(blocks, 4), axis=1).ravel()
        y = effect.drawn(lots, 1, rng)[0] + 10 * at     # blocks that are unlike make no difference
        found += permutation(Difference(y, at).size, lots, at, draws=199, seed=run) <= 0.05
    stated = chance(effect, blocks, 4)
    assert 0.3 < stated < 0.95
    assert found / 150 == pytest.approx(stated, abs=3 * np.sqrt(stated * (1 - stated) / 150))


def test_next_to_nothing_is_found_as_often_as_the_level_says() -> None:
    assert chance(Effect("number", 0.0, 1e-6, 1.0), 20, 4, alpha=0.05) == pytest.approx(0.05, abs=0.025)


def test_the_blocks_that_are_needed_are_enough_and_fewer_are_not() -> None:
    effect = Effect("number", 0.0, 0.8, 1.0)
    need, found = blocks_needed(effect, 4, at_least=0.8)
    assert need is not None
    assert found >= 0.8
    assert found == chance(effect, need, 4)
    assert chance(effect, need - 3, 4) < 0.8
    # 2 (z_0.975 + z_0.8)^2 sd^2 / effect^2 units in each group, for tests of Gauss
    assert need == pytest.approx(2 * (1.96 + 0.84) ** 2 / 0.64 / 2, rel=0.2)
    more, _ = blocks_needed(effect, 4, at_least=0.8, alpha=0.001)
    assert more is not None
    assert more > need


def test_what_no_number_of_blocks_finds_is_said() -> None:
    assert blocks_needed(Effect("number", 0.0, 1e-3, 1.0), 2, most=64)[0] is None


@pytest.mark.parametrize(("effect", "mean", "deviation"), [
    (Effect("number", 5.0, 1.0, 2.0), 6.0, 2.0), (Effect("yes", 0.2, 0.3), 0.5, 0.5), (Effect("count", 3.0, 1.0), 4.0, 2.0),
    (Effect("count", 3.0, 1.0, 3.0), 4.0, 3.0), (Effect("count", 0.0, 0.0), 0.0, 0.0)])
def test_outcomes_are_drawn_as_they_are_described(effect, mean, deviation) -> None:
    y = effect.drawn(np.ones(40), 2_000, np.random.default_rng(0))
    assert y.mean() == pytest.approx(mean, abs=0.03)
    assert y.std() == pytest.approx(deviation, abs=0.04)
