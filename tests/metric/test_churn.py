"""Churn agrees with counting rows, on each task; slices at once give what they give one by one."""

from __future__ import annotations

import numpy as np
import pytest

from assay.metric import METRICS
from assay.metric.churn import answer_change, broken, churn, churns, flipped_to, mended, score_change
from assay.metric.classification import accuracy
from assay.summary.confusion import Confusion, Labels
from assay.summary.residuals import Residuals
from assay.summary.target import Target

TARGET = Target("multiclass", ("a", "b", "c"))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    label, old = rng.integers(0, 3, (2, 5_000))
    new = np.where(rng.random(5_000) < 0.2, rng.integers(0, 3, 5_000), old)
    return label, old, new


def confusion(first, second, classes):
    found = Confusion(classes=classes)
    found.update(first.astype(np.int64), second.astype(np.int64))
    return found


def test_against_counting(rows) -> None:
    label, old, new = rows
    agreement, right = confusion(old, new, 3), confusion(old == label, new == label, 2)
    assert churn.value([agreement], TARGET, {}).value == pytest.approx(np.mean(old != new))
    for place, name in enumerate(TARGET.classes):
        found = flipped_to.value([agreement], TARGET, {"positive": name})
        assert found.value == pytest.approx(np.mean((new == place) & (old != place)))
    assert mended.value([right], TARGET, {}).value == pytest.approx(np.mean((new == label) & (old != label)))
    assert broken.value([right], TARGET, {}).value == pytest.approx(np.mean((new != label) & (old == label)))


def test_what_is_mended_less_what_is_broken_is_the_gain_of_accuracy(rows) -> None:
    label, old, new = rows
    right = confusion(old == label, new == label, 2)
    gain = accuracy.value([confusion(label, new, 3)], TARGET, {}).value - accuracy.value([confusion(label, old, 3)], TARGET, {}).value
    assert mended.value([right], TARGET, {}).value - broken.value([right], TARGET, {}).value == pytest.approx(gain)


def test_needs_name_both_models() -> None:
    need, = churn.needs(TARGET, {})
    assert need.columns == ("@prediction:champion", "@prediction")
    need, = mended.needs(TARGET, {})
    assert (need.columns, dict(need.options)["classes"]) == (("@correct:champion", "@correct"), 2)
    need, = score_change.needs(Target("binary", (0, 1), 1), {})
    assert need.columns == ("@score/1:champion", "@score/1")


def test_many_slices_at_once_are_as_one_by_one(rows) -> None:
    _, old, new = rows
    parts = [[confusion(old[start:start + 100], new[start:start + 100], 3)] for start in range(0, 5_000, 100)]
    places = [{"slice": {"part": each}} for each in range(len(parts))]
    together = churn.values(parts, TARGET, {}, places)
    assert together == [churn.value(part, TARGET, {}, **place) for part, place in zip(parts, places, strict=True)]


def test_several_labels_and_numbers() -> None:
    rng = np.random.default_rng(1)
    old, new, truth = rng.integers(0, 2, (3, 400, 4))
    target = Target("multilabel", (), None, None, 4)
    both, right = Labels(labels=4, grouped=True), Labels(labels=4, grouped=True)
    both.update(old, new, group=np.arange(400) % 128)
    right.update((old == truth).astype(int), (new == truth).astype(int), group=np.arange(400) % 128)
    assert churn.value([both], target, {}).value == pytest.approx(np.mean(old != new))
    assert broken.value([right], target, {}).value == pytest.approx(np.mean((old == truth) & (new != truth)))
    shift = Residuals()
    shift.update(np.array([1.0, 2.0]), np.array([1.5, 1.0]))
    assert answer_change.value([shift], Target("regression"), {}).value == pytest.approx(0.75)


def test_they_are_asked_for_by_task_and_not_in_the_registry() -> None:
    names = [each.name for each in churns(Target("binary", (0, 1), 1), scored=True)]
    assert names == ["churn", "mended", "broken", "score_change"]
    assert "score_change" not in [each.name for each in churns(Target("binary", (0, 1), 1), scored=False)]
    assert not set(names) & set(METRICS)
