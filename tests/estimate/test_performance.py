"""Metrics of chances: with chances of 0 and 1 they are the metrics, in between what sampling gives, and moves are derivatives."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from assay.errors import ConfigError
from assay.estimate.performance import CLASSIFIED, classified, known, loss, valued
from assay.estimate.rows import Rows
from tests.estimate.three import three_rows, weak

Array = np.ndarray[Any, Any]


def learned(metric: str, rows: Rows, positive: int | None) -> float:
    """The metric by scikit-learn."""
    assert rows.score is not None
    y, said = rows.truth, rows.answer
    if metric == "accuracy":
        return float(metrics.accuracy_score(y, said))
    if metric in ("precision", "recall", "f1"):
        function = getattr(metrics, f"{metric}_score")
        if positive is None:
            return float(function(y, said, average="macro"))
        return float(function(y == positive, said == positive))
    if metric == "false_positive_rate":   # of the others, the share that is not recognised as such
        each = [1 - float(metrics.recall_score(y != one, said != one)) for one in (range(rows.classes) if positive is None else [positive])]
        return float(np.mean(each))
    if metric == "auc":
        if positive is None:
            return float(metrics.roc_auc_score(y, rows.score, multi_class="ovr"))
        return float(metrics.roc_auc_score(y == positive, rows.score[:, positive]))
    if metric == "log_loss":
        return float(metrics.log_loss(y, rows.score))
    if rows.classes == 2:
        return float(metrics.brier_score_loss(y, rows.score[:, 1]))
    return float(((known(rows) - rows.score) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("metric", CLASSIFIED)
@pytest.mark.parametrize(("rows", "positive"), [(weak(700, seed=1), 1), (weak(700, seed=2), 0), (three_rows(900), None), (three_rows(900), 2)],
                         ids=["two", "the other", "macro", "one of three"])
def test_with_known_labels_it_is_the_metric(metric: str, rows: Rows, positive: int | None) -> None:
    assert rows.score is not None
    rows = dataclasses.replace(rows, score=np.round(rows.score, 2) + (1 - np.round(rows.score, 2).sum(axis=1, keepdims=True)) / rows.classes)
    assert classified(metric, rows, known(rows), positive=positive).value == pytest.approx(learned(metric, rows, positive), abs=1e-12)


@pytest.mark.parametrize("metric", CLASSIFIED)
def test_chances_give_what_drawn_labels_give_on_average(metric: str) -> None:
    rows = three_rows(3_000)
    assert rows.score is not None
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(30):
        label = (rng.random(len(rows))[:, None] > np.cumsum(rows.score, axis=1)[:, :2]).sum(axis=1)
        drawn = dataclasses.replace(rows, label=label)
        seen.append(classified(metric, drawn, known(drawn)).value)
    expected = classified(metric, rows, rows.score).value
    assert abs(np.mean(seen) - expected) < 4 * np.std(seen) / np.sqrt(30) + 1e-4


@pytest.mark.parametrize("metric", CLASSIFIED)
@pytest.mark.parametrize("positive", [None, 1])
def test_moves_are_the_derivative(metric: str, positive: int | None) -> None:
    rows = three_rows(400)
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.ones(3), len(rows))
    change = 1e-6 * (rng.dirichlet(np.ones(3), len(rows)) - chances)
    found = classified(metric, rows, chances, positive=positive)
    slope = (classified(metric, rows, chances + change, positive=positive).value - found.value) / 1e-6
    assert slope == pytest.approx((change * found.moves(rows)).sum(axis=1).mean() / 1e-6, rel=1e-3, abs=1e-6)


def test_weights_count_rows_as_often() -> None:
    rows = weak(300, seed=4)
    often = np.random.default_rng(0).integers(1, 4, len(rows))
    many = rows.take(np.repeat(np.arange(len(rows)), often))
    for metric in CLASSIFIED:
        weighed = classified(metric, rows, known(rows), positive=1, weight=often.astype(float)).value
        assert weighed == pytest.approx(classified(metric, many, known(many), positive=1).value)


def test_a_class_never_answered_counts_as_zero_in_a_mean_only() -> None:
    rows = Rows(np.zeros((4, 0)), np.array([0, 0, 0, 1]), label=np.array([0, 1, 2, 1]), classes=3)
    assert classified("precision", rows, known(rows)).value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert np.isnan(classified("precision", rows, known(rows), positive=2).value)


def test_numbers() -> None:
    rows = Rows(np.zeros((3, 0)), np.array([1.0, 2.0, 3.0]), label=np.array([1.0, 4.0, 2.0]))
    assert valued("mae", loss("mae", rows))[0] == pytest.approx(1.0)
    assert valued("rmse", loss("rmse", rows))[0] == pytest.approx(np.sqrt(5 / 3))


def test_what_cannot_be_estimated_is_said() -> None:
    rows = Rows(np.zeros((1, 0)), np.array([0]), classes=2)
    with pytest.raises(ConfigError, match="needs scores"):
        classified("auc", rows, np.array([[0.5, 0.5]]))
    with pytest.raises(ConfigError, match="'mcc' is not estimated"):
        classified("mcc", rows, np.array([[0.5, 0.5]]))
