"""Losses beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from assay.errors import SummaryError
from assay.summary.losses import Losses

RNG = np.random.default_rng(8)
N = 4000
LABEL, SCORE = RNG.integers(0, 3, N), RNG.dirichlet(np.ones(3), N)
WEIGHT, GROUP = RNG.random(N), RNG.integers(0, 128, N)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["rows", "weights"])
@pytest.mark.parametrize("grouped", [False, True])
def test_several_classes(weight, grouped):
    found = Losses(task="multiclass", grouped=grouped)
    for part in np.array_split(np.arange(N), 3):
        found.update(LABEL[part], SCORE[part], weight=None if weight is None else weight[part], group=GROUP[part])
    brier = np.average(((SCORE - np.eye(3)[LABEL]) ** 2).sum(axis=1), weights=weight)
    assert float(found.view().log_loss) == pytest.approx(metrics.log_loss(LABEL, SCORE, sample_weight=weight), rel=1e-12)
    assert float(found.view().brier) == pytest.approx(brier, rel=1e-12)


def test_several_labels():
    label, score = RNG.integers(0, 2, (N, 4)), RNG.random((N, 4))
    found = Losses(task="multilabel")
    found.update(label, score)
    expected = np.mean([metrics.log_loss(label[:, place], score[:, place]) for place in range(4)])
    assert float(found.view().log_loss) == pytest.approx(expected, rel=1e-12)
    assert float(found.view().brier) == pytest.approx(np.mean((score - label) ** 2), rel=1e-12)


def test_certain_and_wrong_is_finite():
    found = Losses(task="multiclass")
    found.update(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert float(found.view().log_loss) == pytest.approx(-np.log(np.finfo(float).eps) / 2)
    assert float(found.view().brier) == 1.0


def test_the_spread_is_that_of_a_mean():
    found = Losses(task="multiclass")
    found.update(LABEL, SCORE)
    loss = -np.log(SCORE[np.arange(N), LABEL])
    assert np.std(found.replicates().view.log_loss, ddof=1) == pytest.approx(loss.std() / np.sqrt(N), rel=1e-9)


@pytest.mark.parametrize("label", [[3], [-1]])
def test_a_label_that_is_no_class_is_refused(label):
    with pytest.raises(SummaryError):
        Losses(task="multiclass").update(np.array(label), np.full((1, 3), 1 / 3))
    with pytest.raises(SummaryError):
        Losses(task="regression")
