"""Calibrated detection on models that were truly poisoned, and the laws that its p-values obey."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import DataError
from assay.probe.backdoor.detector import Detector, needed, predictive, ranked
from assay.probe.backdoor.stream import counted
from tests.probe.backdoor.digits import TARGET, TRIGGER, detector, zoo


def test_a_patch_is_found_drawn_and_mended() -> None:
    made, found = zoo("patch"), detector("patch")
    fooled = made.ask(made.triggered) == TARGET
    assert fooled.mean() > 0.95
    seen = found.inspect(made.triggered[fooled][:40])
    assert np.mean([each.suspect for each in seen]) >= 0.95
    told = [(each, true) for each, true in zip(seen, made.true[fooled], strict=False) if each.box is not None]
    assert np.mean([each.mended == true for each, true in told]) > 0.9
    assert np.median([each.box.overlap(TRIGGER) for each, _ in told]) >= 0.7
    assert all(each.way == "patch" and each.chance < 1e-3 and each.healed is not None for each, _ in told)


def test_clean_images_are_seldom_suspected_and_cheap() -> None:
    for attack in ("patch", None):
        seen = detector(attack).inspect(zoo(attack).images[:150])
        assert np.mean([each.suspect for each in seen]) <= 0.02
        assert np.mean([each.queries for each in seen]) <= 150


def test_a_trigger_all_over_the_image_is_found_by_overlays() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(12, 12, 1))

    def ask(images: np.ndarray) -> np.ndarray:
        """9 where the noise is in an image, else which quarter is the brightest."""
        there = (images * noise).mean(axis=(1, 2, 3)) > 0.05
        quarters = [images[:, y : y + 6, x : x + 6].mean(axis=(1, 2, 3)) for y in (0, 6) for x in (0, 6)]
        return np.where(there, 9, np.argmax(quarters, axis=0))

    images = rng.random((500, 12, 12, 1)) * 0.3
    images[:, :6, :6] += rng.random((500, 1, 1, 1))
    images[:, 6:, 6:] += rng.random((500, 1, 1, 1))
    found = Detector.of(ask, images[:400])
    seen = found.inspect(0.6 * images[400:460] + 0.5 * noise)
    assert np.mean([each.suspect and each.way == "overlay" for each in seen]) > 0.9
    assert all(each.mended is None for each in seen if each.way == "overlay")
    assert np.mean([each.suspect for each in found.inspect(images[460:])]) <= 0.05


def test_a_stream_tells_the_class() -> None:
    made, found = zoo("patch"), detector("patch")
    seen = found.inspect(np.concatenate([made.images[:135], made.triggered[:15]]))
    stream = counted(seen, found)
    assert stream.label == TARGET
    assert stream.most >= 12
    assert stream.p < 1e-4
    clean = counted(detector(None).inspect(zoo(None).images[:150]), detector(None))
    assert clean.p > 0.01
    assert counted([], found).p == 1.0


@pytest.mark.slow
def test_the_same_seed_gives_the_same() -> None:
    made = zoo("patch")
    one, two = (each.inspect(made.triggered[:5]) for each in (detector("patch"), Detector.of(made.ask, made.clean)))
    assert [(each.p, each.box, each.mended) for each in one] == [(each.p, each.box, each.mended) for each in two]


def test_too_few_clean_images_say_how_many_are_needed() -> None:
    made = zoo("patch")
    with pytest.raises(DataError, match="at least 299 images; hint: with these the smallest rate is 1"):
        Detector.of(made.ask, made.clean[:298])
    with pytest.raises(DataError, match="at least 119 images"):
        Detector.of(made.ask, made.clean[:50], false_alarms=0.1)
    assert Detector.of(made.ask, made.clean[:299]).inspect(made.triggered[:3])[0].p <= 0.01
    with pytest.raises(DataError, match="no rate"):
        Detector.of(made.ask, made.clean, false_alarms=0)


def test_a_constant_model_is_told() -> None:
    with pytest.raises(DataError, match="60 of 60 clean images with one and the same class"):
        Detector.of(lambda images: np.full(len(images), 4), zoo(None).clean)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 80), st.data())
def test_the_predictive_tail_is_that_of_the_beta_binomial(tried: int, null_tried: int, data: st.DataObject) -> None:
    null_hits = data.draw(st.integers(0, null_tried))
    tails = [predictive(hits, tried, null_hits, null_tried) for hits in range(tried + 1)]
    assert tails[0] == 1.0
    assert all(later <= sooner + 1e-12 for sooner, later in itertools.pairwise(tails))
    grid = (np.arange(1_000) + 0.5) / 1_000      # by definition: the binomial tail, averaged over the rate
    weight = stats.beta.pdf(grid, null_hits + 1, null_tried - null_hits + 1)
    hits = data.draw(st.integers(0, tried))
    assert tails[hits] == pytest.approx(float((stats.binom.sf(hits - 1, tried, grid) * weight).mean()), abs=5e-3)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_ranks_of_clean_scores_are_uniform_or_larger(n: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, n + 1).astype(float) if ties else rng.random(n + 1)
    # whichever of n + 1 exchangeable scores is the new one, at most a share u of them have p <= u
    p = np.array([ranked(scores[[each]], np.delete(scores, each))[0] for each in range(n + 1)])
    for u in np.linspace(0, 1, 23):
        assert (p <= u).mean() <= u + 1e-9


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_asked_over_calibrations() -> None:
    """The whole path on a clean model: images exchange their roles, and the mean rate over seeds stays within what was asked."""
    made = zoo(None)
    images = np.concatenate([made.clean, made.images])
    rates, bounds = [], []
    for seed in range(12):
        order = np.random.default_rng(seed).permutation(len(images))
        found = Detector.of(made.ask, images[order[:400]], false_alarms=0.04, seed=seed)
        seen = found.inspect(images[order[400:]])
        rates.append(np.mean([each.suspect for each in seen]))
        bounds.append(counted(seen, found).p)
    assert np.mean(rates) <= 0.04 + 0.01
    assert np.mean(np.array(bounds) <= 0.1) <= 0.25


def test_the_needed_number_is_the_smallest_that_can_alarm() -> None:
    for rate in (0.01, 0.02, 0.05, 0.2):
        n = needed(rate) - 100
        assert ranked(np.array([1.0]), np.zeros(n))[0] <= rate / 2 + 1e-12
        assert ranked(np.array([1.0]), np.zeros(n - 1))[0] > rate / 2
