"""The few labels that come: drawn with known chances they put any estimate right, and show a change that nothing else shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.estimate.doubly_robust import Estimator, Window
from assay.estimate.labels import Watch, chosen, drawn, rectified
from tests.estimate.three import weak


@pytest.fixture(scope="module")
def changed() -> Window:
    """Rows of which a fifth of the labels became the other one, with nothing to see in the features."""
    return Estimator.of(weak(8_000, seed=0), folds=2).window(weak(4_000, seed=1, flipped=0.2))


def test_labels_put_right_what_a_changed_concept_makes_wrong(changed: Window) -> None:
    rows = changed.current
    real = float((rows.answer == rows.truth).mean())
    assert not changed.estimate("accuracy").low <= real <= changed.estimate("accuracy").high
    inside, errors = [], []
    for seed in range(60):
        some = chosen(changed, "accuracy", 200, seed=seed)
        made = rectified(changed, "accuracy", some.places, rows.truth[some.places], some.chance)
        inside.append(made.estimate.low <= real <= made.estimate.high)
        errors.append(made.estimate.value - real)
    assert sum(inside) >= 52
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(60)


def test_all_labels_are_the_metric_itself(changed: Window) -> None:
    rows = changed.current
    every = chosen(changed, "accuracy", len(rows))
    made = rectified(changed, "accuracy", every.places, rows.truth[every.places], every.chance)
    assert made.estimate.value == pytest.approx((rows.answer == rows.truth).mean())
    assert made.error == 0


def test_chances_are_those_of_the_draw() -> None:
    doubts = np.random.default_rng(0).random(300)
    counts = np.zeros(300)
    for seed in range(600):
        places, chance = drawn(doubts, 40, seed=seed)
        assert len(places) == len(set(places)) == 40
        counts[places] += 1
    assert np.abs(counts / 600 - chance).max() < 5 * np.sqrt(0.25 / 600)
    assert chance[doubts.argmax()] > 2 * chance[doubts.argmin()]


def test_the_watch_is_quiet_where_nothing_changed_and_speaks_where_something_did() -> None:
    rng = np.random.default_rng(0)
    loud = 0
    for _ in range(60):
        watch = Watch(tolerance=0.01, alpha=0.05)
        for _ in range(20):
            right = rng.random(100)
            watch.add((rng.random(100) < right) - right)
        loud += watch.alarm is not None
    assert loud <= 6
    watch = Watch(tolerance=0.01)
    for _ in range(30):
        right = rng.random(200)
        watch.add((rng.random(200) < right - 0.08) - right)
    assert watch.alarm is not None


def test_a_change_after_many_quiet_windows_is_found() -> None:
    rng = np.random.default_rng(1)
    watch = Watch(tolerance=0.01)
    for at in range(120):
        right = rng.random(200)
        watch.add((rng.random(200) < right - 0.08 * (at >= 80)) - right)
        assert at >= 80 or watch.alarm is None
    assert watch.alarm is not None
    assert watch.alarm <= 115


def test_what_was_expected_lets_bets_be_higher_and_stay_fair() -> None:
    loud, late = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        quiet, low, high = Watch(alpha=0.05), Watch(), Watch()
        for _ in range(15):
            right = rng.random(200)
            heft = np.where(right < 0.5, 3.0, 1 / 3)   # of each kind as many are wanted, drawn in proportion to 1 / heft
            kept = rng.random(200) < 1 / (3 * heft)
            sure, heft = right[kept], heft[kept]
            quiet.add((rng.random(len(sure)) < sure) - sure, heft, expected=sure)
            gaps = (rng.random(len(sure)) < sure - 0.15) - sure
            low.add(gaps, heft)
            high.add(gaps, heft, expected=sure)
        loud += quiet.alarm is not None
        late.append((low.alarm or 16, high.alarm or 16))
    assert loud <= 5
    assert np.mean(late, axis=0)[1] <= np.mean(late, axis=0)[0]


def test_wrong_requests(changed: Window) -> None:
    with pytest.raises(ConfigError, match="cannot be labelled"):
        chosen(changed, "accuracy", 10_000)
    with pytest.raises(DataError, match="make no estimate"):
        rectified(changed, "accuracy", np.arange(3), np.zeros(3), np.ones(len(changed.current)))
    with pytest.raises(DataError, match="beyond"):
        Watch().add(np.array([2.0]))
    with pytest.raises(ConfigError, match="not beyond the tolerance"):
        Watch(tolerance=0.03)


def test_labels_of_numbers() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(6_000, 1))
    rows = dataclasses.replace(weak(1, seed=0), features=x, answer=x[:, 0], score=None, label=x[:, 0] + rng.normal(size=6_000), classes=0)
    window = Estimator.of(rows.take(np.arange(3_000)), folds=2).window(rows.take(np.arange(3_000, 6_000)))
    worse = window.current.answer + 2 * (window.current.truth - window.current.answer)
    some = chosen(window, "mae", 300)
    made = rectified(window, "mae", some.places, worse[some.places], some.chance)
    assert made.estimate.low < np.abs(worse - window.current.answer).mean() < made.estimate.high
    assert made.surprise < 1e-6
