"""Labels tied to a group: each as a naive test says, no more of them by chance than said, and rare ones cost nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse, stats

from assay.probe.association.measure import Variable
from assay.probe.association.tagger import logistic, tags


def group(rng: np.random.Generator, n: int, share: float = 0.3) -> Variable:
    return Variable("race", (rng.random(n) < share).astype(int), ("all others", "black"))


def test_each_label_is_tested_as_fisher_would() -> None:
    rng = np.random.default_rng(0)
    race = group(rng, 600)
    shown = rng.random((600, 40)) < 0.01
    shown[:, 0] |= (race.values == 1) & (rng.random(600) < 0.2)
    found = tags(race, shown, [str(number) for number in range(40)], rate=0.999)
    for each in found.tags:
        x = shown[:, int(each.label)]
        table = [[int((x & (race.values == side)).sum()), int((~x & (race.values == side)).sum())] for side in (0, 1)]
        assert each.p == pytest.approx(stats.fisher_exact(table)[1], rel=1e-6)
    assert found.tags[0].label == "0"
    assert tags(race, sparse.csr_matrix(shown), [str(number) for number in range(40)]).tags[0].p == found.tags[0].p


def test_planted_labels_are_found_among_a_thousand() -> None:
    rng = np.random.default_rng(1)
    race = group(rng, 3_000)
    shown = rng.random((3_000, 1_000)) < rng.uniform(0.0005, 0.05, 1_000)
    planted = (3, 500, 999)
    for each in planted:
        shown[:, each] |= (race.values == 1) & (rng.random(3_000) < 0.08)
    names = [f"tag {number}" for number in range(1_000)]
    found = tags(race, shown, names)
    assert {each.label for each in found.tags} == {f"tag {each}" for each in planted}
    assert found.tested < 1_000
    for each in found.tags:
        low, high = each.difference.effect.interval(each.level)
        assert low <= 0.08 * 0.97 <= high
        assert each.ratio is not None
        assert each.ratio.estimate > 1
        assert each.coefficient is not None
        assert each.coefficient.interval()[0] > 0


def test_chance_is_reported_no_more_often_than_said() -> None:
    rng = np.random.default_rng(2)
    runs = sum(bool(tags(group(rng, 800), rng.random((800, 200)) < 0.02, [str(number) for number in range(200)]).tags) for _ in range(30))
    assert runs <= 5


def test_labels_too_rare_to_be_found_cost_nothing() -> None:
    rng = np.random.default_rng(3)
    race = group(rng, 500)
    shown = rng.random((500, 3)) < 0.05
    shown[:, 0] |= (race.values == 1) & (rng.random(500) < 0.1)
    rare = np.zeros((500, 5_000), bool)
    rare[rng.integers(0, 500, 5_000), np.arange(5_000)] = True   # each in one row
    names = [str(number) for number in range(5_003)]
    few, many = tags(race, shown, names[:3]), tags(race, np.concatenate([shown, rare], axis=1), names)
    assert many.tested <= 4
    assert [each.label for each in many.tags] == [each.label for each in few.tags] == ["0"]


def test_a_label_that_another_explains_has_no_coefficient_of_its_own() -> None:
    rng = np.random.default_rng(4)
    race = group(rng, 4_000)
    first = (rng.random(4_000) < 0.05) | ((race.values == 1) & (rng.random(4_000) < 0.25))
    second = first & (rng.random(4_000) < 0.8) | (rng.random(4_000) < 0.02)   # shown with the first, whoever is in the picture
    found = {each.label: each for each in tags(race, np.stack([first, second], axis=1), ["first", "second"]).tags}
    assert set(found) == {"first", "second"}
    assert found["first"].coefficient is not None
    assert found["second"].coefficient is not None
    assert found["first"].coefficient.estimate > 1
    low, high = found["second"].coefficient.interval(0.99)
    assert low <= 0 <= high


def test_strata_explain_labels() -> None:
    rng = np.random.default_rng(5)
    place = rng.integers(0, 3, 3_000)
    race = Variable("race", (rng.random(3_000) < 0.2 + 0.25 * place).astype(int), ("all others", "black"))
    shown = (rng.random(3_000) < 0.02 + 0.08 * place)[:, None]
    assert tags(race, shown, ["beach"]).tags
    assert not tags(race, shown, ["beach"], strata=place).tags


def test_the_regression_is_that_of_the_likelihood() -> None:
    rng = np.random.default_rng(6)
    x = (rng.random((5_000, 2)) < 0.3).astype(float)
    y = rng.random(5_000) < 1 / (1 + np.exp(1 - 0.8 * x[:, 0] + 0.5 * x[:, 1]))
    one, other = logistic(x, y)
    assert one.interval()[0] <= 0.8 <= one.interval()[1]
    assert other.interval()[0] <= -0.5 <= other.interval()[1]
    alone = logistic(np.r_[np.ones((30, 1)), np.zeros((30, 1))], np.r_[np.ones(30), np.zeros(30)] > 0)[0]   # parted: still finite
    assert math.isfinite(alone.estimate)
    assert alone.estimate > 2
