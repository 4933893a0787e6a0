"""Stand-ins for a model, learned from the tests so far with scikit-learn: which new points are probably discriminatory.

``boosted`` learns the bit "differs or not" with boosted trees, ``slab`` the classes with a logistic regression whose two parallel planes
are then known in closed form, ``regions`` cuts the space into boxes by the bit. The only module of the package that loads scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from assay.probe.space import Space

__all__ = ["Regions", "Screen", "boosted", "regions", "slab"]

Array = np.ndarray[Any, Any]
Screen: TypeAlias = Callable[[Array], Array]   # points -> how sure it is that each is discriminatory, 0 to 1

TREES, LEAVES, RATE = 80, 63, 0.2
BOXES, FEWEST = 512, 15
STEEP = 110.0      # of a slab: 0.02 of its squared width inside counts as 0.9
ROWS = 60_000      # that a logistic regression learns from


def boosted(space: Space, points: Array, found: Array, *, seed: int, trees: int = TREES, leaves: int = LEAVES) -> Screen:
    """Return a screen by boosted trees on the bit."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    unordered = np.array([not each.ordered and len(each) <= 255 for each in space.axes])
    model = HistGradientBoostingClassifier(max_iter=trees, max_leaf_nodes=leaves, learning_rate=RATE, early_stopping=False,
                                           random_state=seed, categorical_features=unordered if unordered.any() else None)
    model.fit(points.astype(np.float64), found)

    def screen(some: Array) -> Array:
        return np.asarray(model.predict_proba(some.astype(np.float64))[:, 1])

    return screen


def slab(space: Space, points: Array, said: Array) -> Screen | None:
    """Return a screen by a logistic regression on the classes, or None where there are not two.

    With one intercept for each combination of protected values, a linear model discriminates exactly where its score without them lies
    between the negatives of the least and the greatest intercept.
    """
    from sklearn.linear_model import LogisticRegression

    classes = np.unique(said)
    if len(classes) != 2:
        return None
    variants = said.shape[1]
    some = np.linspace(0, len(points) - 1, min(len(points), ROWS // variants)).astype(np.int64)
    points, said = points[some], said[some]
    design, center, scale = _design(space, points), 0.0, 1.0
    center, scale = design.mean(axis=0), np.maximum(design.std(axis=0), 1e-9)
    design = (design - center) / scale
    rows = np.concatenate([np.repeat(np.eye(variants), len(points), axis=0), np.tile(design, (variants, 1))], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=1e3, fit_intercept=False, max_iter=300).fit(rows, said.T.reshape(-1) == classes[1])
    starts, weights = model.coef_[0, :variants], model.coef_[0, variants:]
    width = float(starts.max() - starts.min())
    if width <= 1e-9:
        return None

    def screen(some: Array) -> Array:
        inner = ((_design(space, some) - center) / scale) @ weights
        product = (inner + starts.max()) * (inner + starts.min()) / width**2   # negative between the two planes
        return np.asarray(1 / (1 + np.exp(np.clip(STEEP * product, -50, 50))))

    return screen


def _design(space: Space, points: Array) -> Array:
    parts = []
    for place, each in enumerate(space.axes):
        if each.ordered:
            parts.append(each.scaled[points[:, place]][:, None])
        elif len(each) <= 32:
            parts.append(np.eye(len(each))[points[:, place]])
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(points), 1))


@dataclass(frozen=True, eq=False)
class Regions:
    """Boxes that divide the space: places from ``low`` to ``high`` (boxes, axes), both in it, with the tests and finds in each."""

    low: Array
    high: Array
    tests: Array
    finds: Array
    apply: Callable[[Array], Array]

    def weights(self, alpha: float, beta: float = 1.0) -> Array:
        """Return how often to draw from each box: its size to the power of ``beta`` times its share of finds to that of ``alpha``."""
        size = np.log((self.high - self.low + 1).astype(np.float64)).sum(axis=1)
        log = beta * (size - size.max()) + alpha * np.log((self.finds + 0.05) / (self.tests + 1))
        weight = np.exp(log - log.max())
        return np.asarray(weight / weight.sum())

    def draw(self, count: int, rng: np.random.Generator, *, alpha: float, weights: Array | None = None) -> Array:
        """Return points drawn from the boxes, evenly within each."""
        at = rng.choice(len(self.low), count, p=self.weights(alpha) if weights is None else weights)
        span = self.high[at] - self.low[at] + 1
        return np.asarray((self.low[at] + (rng.random(span.shape) * span).astype(np.int64)).astype(np.int16))


def regions(space: Space, points: Array, found: Array, *, seed: int, boxes: int = BOXES) -> Regions:
    """Return boxes cut by Gini gain on the bit, at most 512, with at least 15 tests each."""
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_leaf_nodes=boxes, min_samples_leaf=FEWEST, random_state=seed)
    model.fit(points.astype(np.float32), found)
    grown = model.tree_
    low = np.zeros((grown.node_count, len(space.axes)), np.int64)
    high = np.tile(space.sizes - 1, (grown.node_count, 1))
    for node in range(grown.node_count):   # parents stand before their children
        left, right = grown.children_left[node], grown.children_right[node]
        if left >= 0:
            cut = int(np.floor(grown.threshold[node]))
            for child in (left, right):
                low[child], high[child] = low[node], high[node]
            high[left, grown.feature[node]] = cut
            low[right, grown.feature[node]] = cut + 1
    leaves = np.flatnonzero(grown.children_left < 0)
    number = np.full(grown.node_count, -1)
    number[leaves] = np.arange(len(leaves))

    def apply(some: Array) -> Array:
        return np.asarray(number[model.apply(some.astype(np.float32))])

    at = apply(points)
    return Regions(low[leaves], high[leaves], np.bincount(at, minlength=len(leaves)),
                   np.bincount(at, weights=found.astype(np.float64), minlength=len(leaves)), apply)
