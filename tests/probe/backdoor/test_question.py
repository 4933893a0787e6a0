"""Searches side by side find what each finds alone, and every image is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import PredictionError
from assay.probe.backdoor import question
from assay.probe.backdoor.question import Oracle, Search, together


def halving(secret: int) -> Search[int]:
    """Find a number from 0 to 255 by images that hold a guess; the label says whether the guess is at most the number."""
    low, high = 0, 255
    while low < high:
        middle = (low + high + 1) // 2
        labels = yield np.array([[[[middle]], [[secret]]]])
        low, high = (middle, high) if labels[0] else (low, middle - 1)
    return low


def ask(images: np.ndarray) -> np.ndarray:
    return (images[:, 0, 0, 0] <= images[:, 1, 0, 0]).astype(int)


@given(st.lists(st.integers(0, 255), max_size=30))
def test_each_search_finds_its_own(secrets: list[int]) -> None:
    oracle = Oracle(ask)
    assert together([halving(each) for each in secrets], oracle) == secrets
    assert oracle.asked == 8 * len(secrets)


def test_more_searches_than_go_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question, "AHEAD", 4)
    monkeypatch.setattr(question, "MOST", 3)
    secrets = list(range(11))
    assert together([halving(each) for each in secrets], Oracle(ask)) == secrets


def test_a_model_that_answers_for_fewer_images_is_told() -> None:
    with pytest.raises(PredictionError, match="one label an image"):
        Oracle(lambda images: np.zeros(1))(np.zeros((3, 2, 2, 1)))
