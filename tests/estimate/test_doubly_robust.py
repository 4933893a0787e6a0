"""Estimates reach what labels show, where scores alone do not; intervals cover; what cannot be known is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.estimate.atc import accuracy, atc
from assay.estimate.cbpe import cbpe
from assay.estimate.doubly_robust import Estimator, Window
from assay.estimate.pape import recalibrated
from assay.estimate.performance import CLASSIFIED, VALUED, classified, known, loss, valued
from assay.estimate.rows import Rows
from assay.estimate.weighting import weighted
from tests.estimate.three import three_rows, weak


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.of(weak(12_000, seed=0), folds=2)


@pytest.fixture(scope="module")
def tilted(estimator: Estimator) -> Window:
    return estimator.window(weak(20_000, tilt=1.0, seed=1))   # many rows, so that the labels' own chance is small


@pytest.mark.parametrize("metric", CLASSIFIED)
def test_a_tilt_that_the_model_does_not_see(estimator: Estimator, tilted: Window, metric: str) -> None:
    real = classified(metric, tilted.current, known(tilted.current), positive=1).value
    made = tilted.estimate(metric, positive=1)
    assert tilted.refusal is None
    assert abs(made.value - real) < 3 * made.total
    assert made.low < made.value < made.high
    alone = abs(cbpe(estimator.reference).value(metric, tilted.current, positive=1) - real)
    assert abs(made.value - real) < max(alone, 3 * made.noise)


def test_ways_beside_it(estimator: Estimator, tilted: Window) -> None:
    rows = tilted.current
    real = float((rows.answer == rows.truth).mean())
    wrong = {"constant": float((estimator.reference.answer == estimator.reference.truth).mean()) - real,
             "atc": accuracy(atc(estimator.reference), rows) - real,
             "cbpe": cbpe(estimator.reference).value("accuracy", rows) - real,
             "weighted": weighted("accuracy", estimator.reference, tilted.ratio.weight) - real,
             "pape": classified("accuracy", rows, recalibrated(estimator.reference, tilted.ratio.weight)(rows)).value - real}
    assert all(abs(wrong[name]) < 0.02 for name in ("weighted", "pape")), wrong
    assert abs(wrong["cbpe"]) > abs(wrong["weighted"])


def test_without_a_shift_nothing_is_weighed_and_intervals_cover(estimator: Estimator) -> None:
    hits = []
    for seed in range(40):
        window = estimator.window(weak(1_000, seed=100 + seed))
        assert window.ratio.effective > 0.7 * len(estimator.reference)
        made = window.estimate("accuracy")
        hits.append(made.low <= (window.current.answer == window.current.truth).mean() <= made.high)
    assert sum(hits) >= 35


def test_a_group_is_estimated_alone(estimator: Estimator, tilted: Window) -> None:
    here, there = tilted.current.features[:, 2] > 0, estimator.reference.features[:, 2] > 0
    made = tilted.estimate("recall", positive=1, here=here, there=there)
    some = tilted.current.take(here)
    assert abs(made.value - classified("recall", some, known(some), positive=1).value) < 3 * made.total
    assert made.n == here.sum()
    few = np.zeros(len(tilted.current), bool)
    few[:5] = True
    assert np.isnan(tilted.estimate("recall", positive=1, here=few, there=there).value)


def test_three_classes() -> None:
    window = Estimator.of(three_rows(8_000), folds=2).window(three_rows(6_000, 8_000))
    for metric in CLASSIFIED:
        made = window.estimate(metric)
        assert abs(made.value - classified(metric, window.current, known(window.current)).value) < 4 * made.total, metric


@pytest.mark.parametrize("metric", VALUED)
def test_numbers(metric: str) -> None:
    def rows(n: int, tilt: float, seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 2))
        x[:, 1] += tilt
        return Rows(x, 2 * x[:, 0], None, 2 * x[:, 0] + (0.5 + np.maximum(x[:, 1], 0)) * rng.normal(size=n))

    estimator = Estimator.of(rows(12_000, 0.0, 0), folds=2)
    window = estimator.window(rows(10_000, 0.7, 1))
    made = window.estimate(metric)
    real, before = (valued(metric, loss("mae" if metric == "mae" else "mse", each))[0] for each in (window.current, estimator.reference))
    assert abs(made.value - real) < 3.5 * made.total
    assert abs(made.value - real) < 0.3 * abs(before - real)


def test_what_is_unlike_anything_labelled_is_refused(estimator: Estimator) -> None:
    far = estimator.window(weak(1_000, tilt=7.0, seed=5))
    assert far.refusal is not None
    assert far.strange.mean() > 0.5


def test_one_score_is_not_enough_of_a_reference() -> None:
    rows = weak(1_000, seed=6)
    with pytest.raises(DataError, match="too few"):
        Estimator.of(rows.take(np.arange(100)))
    with pytest.raises(DataError, match="one class"):
        Estimator.of(dataclasses.replace(rows, label=np.zeros(1_000, int)))
    with pytest.raises(DataError, match="all but 3 of 1,000 labels"):
        Estimator.of(dataclasses.replace(rows, label=(np.arange(1_000) < 3).astype(int)))


def test_few_rows_of_now_and_a_column_without_values(estimator: Estimator) -> None:
    one = estimator.window(weak(1, seed=3))
    assert one.refusal == "they are fewer than 30"
    assert np.isnan(one.estimate("accuracy").value)
    rows = weak(1_000, seed=6)
    empty = dataclasses.replace(rows, features=np.column_stack([rows.features, np.full(1_000, np.nan)]),
                                categorical=(*(rows.categorical or (False,) * rows.features.shape[1]), False))
    assert np.isfinite(Estimator.of(empty, folds=2).window(empty).estimate("accuracy").value)


def test_labels_alone_are_enough_for_what_needs_no_score() -> None:
    estimator = Estimator.of(dataclasses.replace(weak(3_000, seed=7), score=None), folds=2)
    assert estimator.metrics == ("accuracy", "precision", "recall", "f1", "false_positive_rate")
    window = estimator.window(dataclasses.replace(weak(2_000, seed=8), score=None))
    assert abs(window.estimate("f1", positive=1).value - 0.75) < 0.1
    with pytest.raises(ConfigError, match="'auc' cannot be estimated"):
        window.estimate("auc")
