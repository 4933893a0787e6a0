"""Windows whose labels have come put right what estimates cannot see, and change nothing where they were right."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from assay.estimate.doubly_robust import Estimate
from assay.estimate.maturity import Maturity


def made(value: float, noise: float = 0.01) -> Estimate:
    return Estimate("accuracy", value, value - 1.96 * noise, value + 1.96 * noise, noise, 0.0, value, 900.0, 2000)


@pytest.mark.parametrize(("lean", "spread", "least"), [(0.0, 1.0, 0.93), (0.8, 1.0, 0.93), (0.0, 1.8, 0.92)])
def test_later_windows_are_covered(lean: float, spread: float, least: float) -> None:
    rng = np.random.default_rng(0)
    plain, renewed, errors = [], [], []
    for _ in range(40):
        matured = Maturity()
        for at in range(90):
            one = made(0.8)
            real = one.value + one.noise * (lean + spread * rng.normal())
            if at < 50:
                matured.add(one, real)
            else:
                later = matured.renewed(one)
                plain.append(one.low <= real <= one.high)
                renewed.append(later.low <= real <= later.high)
                errors.append((abs(real - later.value), abs(real - one.value)))
    assert least <= np.mean(renewed) <= 0.975
    if (lean, spread) != (0.0, 1.0):
        assert np.mean(renewed) > np.mean(plain)
    better, before = np.mean(errors, axis=0)
    assert better < (before if lean else 1.02 * before)


def test_without_labels_it_is_the_estimate_and_nothing_is_scored_that_was_not_estimated() -> None:
    matured = Maturity()
    assert matured.renewed(made(0.8)) == made(0.8)
    assert math.isnan(matured.add(dataclasses.replace(made(0.8), value=math.nan), 0.8))
    assert not matured.scores
    matured.add(made(0.8), 0.85)
    assert math.isnan(matured.renewed(dataclasses.replace(made(0.8), value=math.nan)).value)
    assert matured.renewed(made(0.999)).high <= 1.0
    assert matured.renewed(made(0.8)).total == pytest.approx(matured.spread * math.sqrt(1 + 1 / 21) * 0.01)
