"""Clean images alone: the planted trigger is found by search, a clean model has none, and the share is of images not searched."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import DataError
from assay.probe.backdoor.trigger import sought
from tests.probe.backdoor.digits import TARGET, TRIGGER, zoo


def test_a_poisoned_model_has_a_small_patch_that_forces_a_class() -> None:
    made = zoo("patch")
    found = sought(made.ask, made.clean, budget=30_000)
    assert found.label == TARGET
    assert found.low > 0.6
    assert found.box.overlap(TRIGGER) > 0.3
    assert found.asked <= 31_000
    assert found.tried <= 200


@pytest.mark.slow
def test_a_clean_model_has_none() -> None:
    made = zoo(None)
    found = sought(made.ask, made.clean, budget=30_000)
    assert found.high < 0.75
    assert found.low < 0.6


@pytest.mark.slow
def test_the_share_is_what_the_patch_does_and_the_seed_decides_it() -> None:
    made = zoo("patch")
    one, two = (sought(made.ask, made.clean, budget=6_000, seed=5) for _ in range(2))
    assert (one.label, one.box, one.hits, one.tried) == (two.label, two.box, two.hits, two.tried)
    assert 0 <= one.low <= one.share <= one.high <= 1


def test_images_of_fractions_and_colour() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((90, 9, 7, 3))

    def ask(asked: np.ndarray) -> np.ndarray:
        red = (asked[:, 2:4, 5:7, 0] > 0.99).all(axis=(1, 2)) & (asked[:, 2:4, 5:7, 2] < 0.01).all(axis=(1, 2))
        return np.where(red, 2, (asked.mean(axis=(1, 2, 3)) > 0.5).astype(int))

    found = sought(ask, images, budget=30_000)
    assert found.patch.dtype == np.float64
    assert found.tried > 20


def test_few_images_are_refused() -> None:
    with pytest.raises(DataError, match="at least 40"):
        sought(lambda images: np.zeros(len(images)), np.zeros((39, 8, 8, 1)))
