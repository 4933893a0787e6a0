"""Counts of classes beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from assay.errors import SummaryError
from assay.summary.confusion import Confusion, Labels, PairedConfusion

RNG = np.random.default_rng(2)
N = 5000
TRUTH, FIRST, SECOND = RNG.integers(0, 4, (3, N))
WEIGHT, GROUP = RNG.random(N) * 3, RNG.integers(0, 128, N)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["rows", "weights"])
@pytest.mark.parametrize("grouped", [False, True])
def test_confusion(weight, grouped):
    found = Confusion(classes=4, grouped=grouped)
    for part in np.array_split(np.arange(N), 7):
        found.update(TRUTH[part], FIRST[part], weight=None if weight is None else weight[part], group=GROUP[part])
    expected = metrics.confusion_matrix(TRUTH, FIRST, sample_weight=weight)
    assert np.allclose(found.total, expected)
    cells, each = found.view(), metrics.multilabel_confusion_matrix(TRUTH, FIRST, sample_weight=weight)
    for name, place in (("tn", (0, 0)), ("fp", (0, 1)), ("fn", (1, 0)), ("tp", (1, 1))):
        assert np.allclose(getattr(cells, name), each[:, *place])
    assert cells.total == pytest.approx(expected.sum())
    assert (cells.classes, found.n) == (4, N)


def test_labels():
    truth, answer = RNG.integers(0, 2, (2, 900, 5))
    found = Labels(labels=5)
    found.update(truth, answer)
    cells, expected = found.view(), metrics.multilabel_confusion_matrix(truth, answer)
    assert np.array_equal(np.stack([cells.tn, cells.fp, cells.fn, cells.tp]), expected.reshape(5, 4).T)
    weighted = Labels(labels=5, grouped=True)
    weighted.update(truth, answer, weight=WEIGHT[:900], group=GROUP[:900])
    expected = metrics.multilabel_confusion_matrix(truth, answer, sample_weight=WEIGHT[:900])
    assert np.allclose(weighted.view().tp, expected[:, 1, 1])


def test_two_models_on_the_same_rows():
    found = PairedConfusion(classes=4)
    found.update(TRUTH, FIRST, SECOND)
    for cells, answer in zip(found.view(), (FIRST, SECOND), strict=True):
        assert np.array_equal(cells.matrix, metrics.confusion_matrix(TRUTH, answer))
    assert found.total[1, 2, 3] == ((TRUTH == 1) & (FIRST == 2) & (SECOND == 3)).sum()


@pytest.mark.parametrize(("label", "prediction"), [([0, 4], [0, 0]), ([0, 0], [0, 4]), ([0, -1], [0, 0]), ([-1, 0], [4, 0])])
def test_a_code_that_is_no_class_is_not_counted_elsewhere(label, prediction):
    found = Confusion(classes=4)
    with pytest.raises(SummaryError, match="class code"):
        found.update(np.array(label), np.array(prediction))
    assert found.n == found.total.sum() == 0


def test_draws_spread_like_resampled_rows():
    found = Confusion(classes=4)
    found.update(TRUTH, FIRST)
    replicates = found.replicates().view
    matrix = metrics.confusion_matrix(TRUTH, FIRST)
    assert replicates.matrix.shape == (500, 4, 4)
    assert np.allclose(replicates.matrix.std(axis=0), np.sqrt(matrix), rtol=0.2)
    assert np.allclose(replicates.matrix.mean(axis=0), matrix, rtol=0.03)


def test_many_classes_are_drawn_less_often_and_own_up_to_it():
    found = Confusion(classes=1024)
    found.update(np.arange(1024), np.arange(1024))
    replicates = found.replicates()
    assert len(replicates.view.tp) == 32
    assert replicates.df == 31


def test_sizes_are_bounded():
    assert Confusion(classes=1000, grouped=True).counts.shape == (16, 10**6)
    for wrong in ({"classes": 0}, {"classes": 5000}, {"classes": 4096}, {"classes": 2000, "grouped": True}):
        with pytest.raises(SummaryError):
            Confusion(**wrong)
    with pytest.raises(SummaryError):
        PairedConfusion(classes=65)
