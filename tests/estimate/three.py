"""Rows by arithmetic alone, so that another library can be given the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.estimate.rows import Rows

__all__ = ["three", "three_rows", "weak"]

Array = np.ndarray[Any, Any]


def three(n: int, first: int = 0) -> tuple[Array, Array, Array]:
    """Rows of three classes by arithmetic alone: features (n, 2), scores (n, 3), labels; the scores are too sure of themselves."""
    i = np.arange(first, first + n) + 1.0
    u, v, w = (np.modf(i * step)[0] for step in (0.6180339887, 0.7548776662, 0.5698402910))
    lines = np.column_stack([2 * u, 2 * v, 1.5 - u * v])
    chance = np.exp(lines)
    chance /= chance.sum(axis=1, keepdims=True)
    sure = np.exp(2.5 * lines)
    sure /= sure.sum(axis=1, keepdims=True)
    label = (w[:, None] > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
    return np.column_stack([u, v]), sure, label


def three_rows(n: int, first: int = 0) -> Rows:
    features, score, label = three(n, first)
    return Rows(features, score.argmax(axis=1), score, label, (), 3)


def weak(n: int, tilt: float = 0.0, seed: int = 0, flipped: float = 0.0) -> Rows:
    """Rows of a model that reads the first of three features, where labels follow all; ``tilt`` moves the second, which it does not see."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 1] += tilt
    chance = 1 / (1 + np.exp(-(2 * x[:, 0] + 1.5 * x[:, 1] * (x[:, 2] > 0))))
    label = (rng.random(n) < chance).astype(int)
    label = np.where(rng.random(n) < flipped, 1 - label, label)
    score = 1 / (1 + np.exp(-1.5 * x[:, 0]))
    return Rows(x, (score >= 0.5).astype(int), np.column_stack([1 - score, score]), label, (), 2)
