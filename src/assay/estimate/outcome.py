"""What the labels of rows probably are: chances of classes, or expected losses of numbers, learned on the held-out reference.

``outcome(reference)`` returns an ``Outcome``: the chances of each row of the reference by models that have not seen it, and by calling it
of others. It reads features and answers alike, so that it knows where the model of the user does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.estimate.calibration import Many, calibrated
from assay.estimate.ratio import filled, learner
from assay.estimate.rows import Array, Rows

__all__ = ["Losses", "Outcome", "losses", "outcome", "parts"]

ROUNDS = 80
_FLOOR = 1e-4


@dataclass(frozen=True, eq=False)
class Outcome:
    """Chances of labels: ``held`` (n, K) of the reference, each by models that have not seen the row; of other rows by calling it.

    ``blend`` is the part of the boosted trees, the rest is the calibrated score alone; the reference chose it.
    """

    held: Array
    blend: float
    fold: Array
    models: Sequence[Any] = field(repr=False)
    curves: Sequence[Many | None] = field(repr=False)
    level: Many | None = None

    def __call__(self, rows: Rows) -> Array:
        found = self._raw(rows)
        return found if self.level is None else self.level(dataclasses.replace(rows, score=found))

    def levelled(self, reference: Rows) -> Outcome:
        """Return chances that are right on average at each height, on rows that they were not learned on.

        Boosted trees stop early, so that their chances are a little too near the middle.
        """
        level = calibrated(dataclasses.replace(reference, score=self.held))
        return dataclasses.replace(self, held=level(dataclasses.replace(reference, score=self.held)), level=level)

    def _raw(self, rows: Rows) -> Array:
        x = rows.inputs
        found = [_mixed(_chances(model, x, rows.classes), curve(rows) if curve is not None else None, self.blend)
                 for model, curve in zip(self.models, self.curves, strict=True)]
        return np.asarray(np.mean(found, axis=0))


def parts(rows: int) -> int:
    """Return into how many parts a reference is cut: of very many rows half is enough to learn from.

    >>> parts(3_000), parts(30_000), parts(300_000)
    (5, 3, 2)
    """
    return 5 if rows < 20_000 else 3 if rows < 40_000 else 2


def outcome(reference: Rows, *, folds: int | None = None, rounds: int = ROUNDS, seed: int = 0) -> Outcome:
    """Return chances of labels from boosted trees on features and scores, mixed with the calibrated score as the reference says is best.

    Where the score says all there is to say, trees only add noise, and the mixture leaves them out; where the model of the user does not
    see what matters, they do the work.
    """
    x, y, k = reference.inputs, reference.truth.astype(int), reference.classes
    folds = folds or parts(len(y))
    fold = np.random.default_rng(seed).permutation(len(y)) % folds
    trees, steps = np.zeros((len(y), k)), np.zeros((len(y), k))
    models: list[Any] = []
    curves: list[Many | None] = []
    for each in range(folds):
        fit, rest = fold != each, fold == each
        models.append(learner(reference, rounds=rounds, seed=seed, leaf=max(20, len(y) // 1000)).fit(filled(x[fit]), y[fit]))
        curves.append(calibrated(reference.take(fit)) if reference.score is not None else None)
        trees[rest] = _chances(models[-1], x[rest], k)
        curve = curves[-1]
        steps[rest] = curve(reference.take(rest)) if curve is not None else trees[rest]
    blend = _blend(trees, steps, y) if reference.score is not None else 1.0
    return Outcome(_mixed(trees, steps, blend), blend, fold, models, curves).levelled(reference)


@dataclass(frozen=True, eq=False)
class Losses:
    """Expected losses of numbers: ``held`` (n,) of the reference, by models that have not seen the row; of other rows by calling it."""

    held: Array
    fold: Array
    models: Sequence[Any] = field(repr=False)

    def __call__(self, rows: Rows) -> Array:
        x = rows.inputs
        return np.asarray(np.mean([np.maximum(model.predict(x), 0.0) for model in self.models], axis=0))


def losses(reference: Rows, loss: Array, *, folds: int | None = None, rounds: int = ROUNDS, seed: int = 0) -> Losses:
    """Return what ``loss`` (n,) is to be expected of a row, by boosted trees on features and answer (direct loss estimation)."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    x = reference.inputs
    folds = folds or parts(len(x))
    fold = np.random.default_rng(seed).permutation(len(x)) % folds
    held, models = np.zeros(len(x)), []
    marks = np.array(reference.marks, bool) if any(reference.marks) else None
    for each in range(folds):
        fit, rest = fold != each, fold == each
        model = HistGradientBoostingRegressor(max_iter=rounds, max_leaf_nodes=15, min_samples_leaf=max(20, len(x) // 1000),
                                              l2_regularization=1.0, categorical_features=marks, early_stopping=False, random_state=seed)
        models.append(model.fit(filled(x[fit]), loss[fit]))
        held[rest] = np.maximum(model.predict(x[rest]), 0.0)
    return Losses(held, fold, models)


def _chances(model: Any, x: Array, classes: int) -> Array:
    """Return (n, K) chances; a class that the fit did not see has none but a trace."""
    out = np.full((len(x), classes), _FLOOR)
    out[:, model.classes_.astype(int)] += model.predict_proba(x)
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def _mixed(trees: Array, steps: Array | None, blend: float) -> Array:
    return trees if steps is None else blend * trees + (1 - blend) * steps


def _blend(trees: Array, steps: Array, y: Array) -> float:
    """Return the part of the trees with the smallest squared error on rows that neither has seen."""
    truth = np.zeros_like(trees)
    truth[np.arange(len(y)), y] = 1.0
    gap = trees - steps
    whole = float((gap**2).sum())
    return float(np.clip(((truth - steps) * gap).sum() / whole, 0.0, 1.0)) if whole > 0 else 1.0
