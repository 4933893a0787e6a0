"""Why an estimate is what it is, in words: which labelled rows those of now are like, and which are like none.

``likeness(window, encoding)`` cuts the reference by a tree of where the model is wrong, and says how large each leaf is now and was;
``strangers(window, encoding)`` says what rows that the reference hardly has share. Verbs and monitors show both.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.estimate.doubly_robust import Estimator, Window
from assay.estimate.performance import loss
from assay.estimate.rows import Array, Encoding, Rows

__all__ = ["Segment", "likeness", "strangers"]

LEAVES, LEAF = 12, 100
CLEAR = 15.0    # squared standard errors by which the sides of a cut must differ
_NAMES = 3      # categories that words name


@dataclass(frozen=True)
class Segment:
    """Rows of one kind: the conditions in ``words``, its part of the rows ``now`` and ``before``, how many labelled rows it has.

    ``value`` is the share of right answers there among the labelled rows (of numbers, the mean absolute error), None without any.
    """

    words: str
    now: float
    before: float
    labelled: int
    value: float | None


def likeness(window: Window, encoding: Encoding) -> list[Segment]:
    """Return the segments of the reference, the ones that grew most first; their shares sum to 1.

    Leaves of a tree of at least 100 labelled rows each, grown on what the model got wrong: within a leaf it is about as good everywhere.
    """
    made, known = _kinds(window.estimator, encoding)
    now = made.leaf(window.current)
    out = [Segment(words, float((now == leaf).mean()), before, labelled, value) for leaf, words, before, labelled, value in known]
    return sorted(out, key=lambda each: each.before - each.now)


@functools.lru_cache(maxsize=2)
def _kinds(estimator: Estimator, encoding: Encoding) -> tuple[_Tree, list[tuple[int, str, float, int, float]]]:
    """Return the tree of where the model is wrong, and its leaves in the reference: the same for all windows of a monitor."""
    reference = estimator.reference
    right = (reference.answer == reference.truth).astype(float) if reference.classes else loss("mae", reference)
    made = _Tree.of(reference, right, encoding, leaves=LEAVES, leaf=max(LEAF, len(reference) // 200))
    before = made.leaf(reference)
    return made, [(leaf, words, float((before == leaf).mean()), int((before == leaf).sum()), float(right[before == leaf].mean()))
                  for leaf, words in made.words().items()]


def strangers(window: Window, encoding: Encoding) -> list[Segment]:
    """Return kinds of rows of now that the reference hardly has, the largest first; none where all are alike.

    Leaves of a tree that tells the two apart, in which rows of now are at least ten times as frequent as labelled ones.
    """
    reference, current = window.estimator.reference, window.current
    m = len(current)
    rng = np.random.default_rng(window.estimator.seed)
    some = reference if len(reference) <= 4 * m else reference.take(rng.choice(len(reference), 4 * m, replace=False))
    both = Rows(np.concatenate([some.features, current.features]), np.concatenate([some.answer, current.answer]),
                categorical=reference.categorical, classes=reference.classes)
    side = np.repeat([0.0, 1.0], [len(some), m])
    made = _Tree.of(both, side, encoding, leaves=LEAVES, leaf=max(20, m // 100), weight=np.repeat([m / len(some), 1.0], [len(some), m]))
    now, before = made.leaf(current), made.leaf(reference)
    right = (reference.answer == reference.truth).astype(float) if reference.classes else loss("mae", reference)
    out = []
    for leaf, words in made.words().items():
        here, there = now == leaf, before == leaf
        if here.mean() > 10 * there.mean() and here.mean() >= 0.005:
            value = float(right[there].mean()) if there.any() else None
            out.append(Segment(words, float(here.mean()), float(there.mean()), int(there.sum()), value))
    return sorted(out, key=lambda each: -each.now)


@dataclass(frozen=True, eq=False)
class _Tree:
    """A regression tree over features, whose categories stand in the order of their means, so that one cut splits them best."""

    tree: Any
    orders: tuple[Array | None, ...]
    encoding: Encoding

    @classmethod
    def of(cls, rows: Rows, value: Array, encoding: Encoding, *, leaves: int, leaf: int, weight: Array | None = None) -> _Tree:
        from sklearn.tree import DecisionTreeRegressor

        marks = rows.categorical or (False,) * rows.features.shape[1]
        orders = tuple(_order(column, value, weight) if coded else None for column, coded in zip(rows.features.T, marks, strict=True))
        least = CLEAR * float(np.var(value)) / max(len(value), 1)   # a best cut by chance alone hardly gains more
        tree = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=leaf, min_impurity_decrease=least, random_state=0)
        made = cls(tree, orders, encoding)
        made.tree.fit(made._ranked(rows.features), value, sample_weight=weight)
        return made

    def leaf(self, rows: Rows) -> Array:
        """Return the leaf of each row."""
        return np.asarray(self.tree.apply(self._ranked(rows.features)))

    def _ranked(self, x: Array) -> Array:
        out = x.copy()
        for at, order in enumerate(self.orders):
            if order is not None:
                codes = np.where(np.isnan(x[:, at]), len(order) - 1, np.minimum(np.nan_to_num(x[:, at]), len(order) - 2)).astype(int)
                out[:, at] = order[codes]
        return out

    def words(self) -> dict[int, str]:
        """Return the conditions of each leaf."""
        tree = self.tree.tree_
        out: dict[int, str] = {}
        stack: list[tuple[int, dict[int, tuple[float, float]]]] = [(0, {})]
        while stack:
            node, box = stack.pop()
            if tree.children_left[node] < 0:
                out[node] = " and ".join(self._said(at, low, high) for at, (low, high) in box.items()) or "all rows"
                continue
            at, cut = int(tree.feature[node]), float(tree.threshold[node])
            low, high = box.get(at, (-np.inf, np.inf))
            stack.append((tree.children_right[node], {**box, at: (max(low, cut), high)}))
            stack.append((tree.children_left[node], {**box, at: (low, min(high, cut))}))
        return out

    def _said(self, at: int, low: float, high: float) -> str:
        name, order = self.encoding.names[at], self.orders[at]
        if order is None:
            if np.isinf(low):
                return f"{name} <= {high:.4g}"
            return f"{name} > {low:.4g}" if np.isinf(high) else f"{low:.4g} < {name} <= {high:.4g}"
        known = self.encoding.categories[at] or ()
        inside = [code for code in range(len(order)) if low < order[code] <= high]
        texts = [_category(known, code, len(order)) for code in inside]
        texts = [each for each in texts if each]
        outside = [code for code in range(len(order)) if code not in inside and not np.isnan(order[code])]
        others = [each for each in (_category(known, code, len(order)) for code in outside) if each]
        if len(texts) <= len(others) or not others:
            return f"{name} is {_some(texts)}"
        return f"{name} is not {_some(others)}"


def _category(known: Sequence[Any], code: int, width: int) -> str:
    if code < len(known):
        return str(known[code])[:40]
    return "missing" if code == width - 1 else "new" if code == len(known) + 1 else ""


def _some(texts: Sequence[str]) -> str:
    shown = texts if len(texts) <= _NAMES + 1 else texts[:_NAMES]
    more = f" or {len(texts) - len(shown)} others" if len(texts) > len(shown) else ""
    return " or ".join(shown) + more if shown else "none that was there"


def _order(column: Array, value: Array, weight: Array | None) -> Array:
    """Return the rank of each code by its mean value; the last two codes are new ones and missing ones."""
    width = int(np.nanmax(column, initial=0)) + 3
    codes = np.where(np.isnan(column), width - 1, np.nan_to_num(column)).astype(int)
    mass = np.bincount(codes, weight, width)
    mean = np.bincount(codes, value if weight is None else value * weight, width) / np.where(mass > 0, mass, 1.0)
    ranks = np.empty(width)
    ranks[np.argsort(mean, kind="stable")] = np.arange(width)
    return np.where(mass > 0, ranks, np.nan)   # the tree sends what it never saw the way of most rows
