"""Square and boundary attack on digits, and on models whose nearest other answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import ConfigError
from assay.probe.robustness.image import boundary, square
from assay.probe.robustness.question import Question, Said


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, labels = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=300).fit(images[:1000] / 16, labels[:1000])

    def ask(batch):
        score = model.predict_proba(batch.reshape(len(batch), -1))
        return Said(score.argmax(axis=1), score)

    return model, ask, (images[1000:1030] / 16).reshape(-1, 8, 8, 1)


def test_squares_stay_within_their_radius_and_flip_what_they_say(digits) -> None:
    _, ask, images = digits
    found = square(Question(ask), images, radius=0.25, steps=60)
    assert 0.3 < found.hit.mean() <= 1
    assert np.abs(found.images - images).max() <= 0.25 + 1e-9
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    before = ask(images).decision
    assert (ask(found.images).decision[found.hit] != before[found.hit]).all()
    smaller = square(Question(ask), images, radius=0.05, steps=60)
    assert smaller.hit.mean() < found.hit.mean()
    round_ = square(Question(ask), images, radius=1.0, steps=60, norm="2")
    assert round_.size.max() <= 1 + 1e-6
    assert (ask(round_.images).decision[round_.hit] != before[round_.hit]).all()
    with pytest.raises(ConfigError, match="scores"):
        square(Question(lambda batch: Said(ask(batch).decision)), images, radius=0.1)


def test_the_boundary_is_reached_by_labels_alone(digits) -> None:
    model, ask, images = digits
    found = boundary(Question(lambda batch: Said(ask(batch).decision)), images[:12], images, steps=150)
    assert found.hit.all()
    before = ask(images[:12]).decision
    assert (ask(found.images).decision != before).all()
    # of a linear model the distance to the nearest other class is known, where pixels may be anything
    scores, weights = model.decision_function(images[:12].reshape(12, -1)), model.coef_
    least = np.array([min((scores[row, own] - scores[row, other]) / np.linalg.norm(weights[own] - weights[other])
                          for other in range(10) if other != own) for row, own in enumerate(before)])
    assert (found.size >= least - 1e-6).all()
    assert np.median(found.size / least) < 3
    start = boundary(Question(lambda batch: Said(ask(batch).decision)), images[:12], images, steps=0)
    assert np.median(found.size / start.size) < 0.9


def test_a_constant_model_is_never_flipped() -> None:
    images = np.random.default_rng(0).random((4, 8, 8, 1))
    question = Question(lambda batch: Said(np.zeros(len(batch), int), np.tile([0.9, 0.1], (len(batch), 1))))
    assert not square(question, images, radius=0.3, steps=20).hit.any()
    assert not boundary(question, images, images, steps=20).hit.any()
