"""Curves on models whose answer to noise is known, and texts and images that are spoilt."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from assay.errors import ConfigError
from assay.probe.robustness.curve import NOISE, SHARES, corrupted, curve, kinds, spoilt, spoilt_text
from assay.probe.robustness.domain import domain
from assay.probe.robustness.question import Question, Said

RNG = np.random.default_rng(0)
TABLE = pa.table({"x": RNG.normal(0, 1, 4000), "c": RNG.choice(["a", "b"], 4000)})
SCALE = domain(TABLE)
ROWS = SCALE.matrix(TABLE)


def sign(batch: pa.RecordBatch) -> Said:
    return Said((batch.column("x").to_numpy(zero_copy_only=False) > 0).astype(np.int64))


def test_noise_flips_as_many_as_it_must() -> None:
    question = Question(sign)
    before = question(SCALE.batch(ROWS))
    spoil = corrupted(SCALE, ROWS, "noise", [0])
    made = curve(question, ROWS, lambda much: SCALE.batch(spoil(much)), NOISE, before, kind="noise", labels=before.decision)
    for place, much in enumerate(NOISE):
        truth = 1 - np.arctan(much) / np.pi   # of two normal numbers, of which one is the other and noise of that size
        low, high = made.agreement(place).interval(0.999)
        assert low <= truth <= high
        loss = made.loss(place)
        assert loss is not None
        assert loss.estimate == pytest.approx(1 - made.agreement(place).estimate)
    reached = made.reached(0.1)
    assert reached.at is not None
    assert reached.low <= np.tan(0.1 * np.pi) * 1.02
    assert reached.low <= reached.at <= (reached.high or np.inf)
    assert reached.at == pytest.approx(np.tan(0.1 * np.pi), rel=0.15)
    assert made.reached(0.9).at is None


def test_shares_go_missing_and_are_exchanged() -> None:
    assert set(kinds(SCALE)) == {"noise", "exchange", "missing"}
    for much in SHARES:
        gone = corrupted(SCALE, ROWS, "missing", [0, 1])(much)
        assert stats.binomtest(int(np.isnan(gone[:, 0]).sum()), 4000, much).pvalue > 1e-4
        assert (gone[:, 1] == -1).mean() == pytest.approx(much, abs=0.03)
        swapped = corrupted(SCALE, ROWS, "exchange", [1])(much)
        assert (swapped[:, 1] != ROWS[:, 1]).mean() == pytest.approx(much / 2, abs=0.03)   # half of the others have the same
        assert (swapped[:, 0] == ROWS[:, 0]).all()


def test_numbers_need_a_difference_and_lose_in_their_error() -> None:
    def value(batch: pa.RecordBatch) -> Said:
        return Said(batch.column("x").to_numpy(zero_copy_only=False))

    before = Question(value)(SCALE.batch(ROWS))
    spoil = corrupted(SCALE, ROWS, "noise", [0])
    with pytest.raises(ConfigError, match="difference"):
        curve(Question(value), ROWS, lambda much: SCALE.batch(spoil(much)), (0.1,), before, kind="noise")
    made = curve(Question(value, apart=0.1), ROWS, lambda much: SCALE.batch(spoil(much)), (0.1,), before, kind="noise", labels=before.decision)
    loss = made.loss(0)
    assert loss is not None
    assert loss.estimate == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)   # the mean of |noise|
    assert made.agreement(0).estimate == pytest.approx(stats.norm.cdf(1) - stats.norm.cdf(-1), abs=0.03)


def test_images_and_texts_are_spoilt_within_what_they_are() -> None:
    images = RNG.random((5, 8, 8, 1))
    for kind in ("noise", "blur", "brightness"):
        made = spoilt(images, kind)(0.1)
        assert made.shape == images.shape
        assert made.min() >= 0
        assert made.max() <= 1
        assert not np.allclose(made, images)
    text = "the quick brown fox jumps over the lazy dog " * 20
    made_text = spoilt_text([text])(0.1)[0]
    assert made_text != text
    assert sum(one == other for one, other in zip(text.split(), made_text.split(), strict=False)) > 60
    assert spoilt_text([text])(0.1) == spoilt_text([text])(0.1)
