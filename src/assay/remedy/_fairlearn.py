"""Fairlearn's reductions as an estimator that takes frames alone. The only module that loads Fairlearn."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from assay.errors import MissingExtraError

__all__ = ["Reduced"]

Array = np.ndarray[Any, Any]
ROUNDS = 25


class Reduced:
    """An estimator that mixes fits of another so that groups of the column ``by`` are at most ``at_most`` apart in ``equal``.

    ``predict_proba`` is the mean of the fits by their shares; ``predict`` takes the more probable class, so that a row is always decided
    alike.
    """

    _estimator_type = "classifier"

    def __init__(self, estimator: Any, by: str, equal: str, at_most: float, keep: bool):
        self.estimator, self.by, self.equal, self.at_most, self.keep = estimator, by, equal, at_most, keep

    def fit(self, rows: Any, labels: Any) -> Self:
        """Fit the mixture to a frame and two classes."""
        try:
            from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient, TruePositiveRateParity
        except ImportError:
            raise MissingExtraError.of("fairlearn", "to fit a model with a penalty for differences between groups") from None
        made = {"selection_rate": DemographicParity, "odds": EqualizedOdds, "true_positive_rate": TruePositiveRateParity}[self.equal]
        self.classes_ = np.unique(labels)
        self.feature_names_in_ = np.array([str(each) for each in rows.columns], object)
        self.n_features_in_ = len(rows.columns)
        found = ExponentiatedGradient(self.estimator, constraints=made(difference_bound=self.at_most), max_iter=ROUNDS,
                                      sample_weight_name=_weight_name(self.estimator))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.fit(self._inputs(rows), (labels == self.classes_[1]).astype(int), sensitive_features=rows[self.by].astype(str))
        self.parts_ = [(float(share), each) for share, each in zip(found.weights_, found.predictors_, strict=True) if share > 0]
        return self

    def predict_proba(self, rows: Any) -> Array:
        """Return the chance of each class, (rows, 2)."""
        given = self._inputs(rows)
        positive = sum((share * _chance(each, given) for share, each in self.parts_), np.zeros(len(rows)))
        positive = np.clip(positive, 0, 1)
        return np.stack([1 - positive, positive], axis=1)

    def predict(self, rows: Any) -> Array:
        """Return the more probable class of each row."""
        return np.asarray(self.classes_[(self.predict_proba(rows)[:, 1] >= 0.5).astype(int)])

    def _inputs(self, rows: Any) -> Any:
        return rows if self.keep else rows.drop(columns=[self.by])


def _chance(model: Any, rows: Any) -> Array:
    if hasattr(model, "predict_proba"):
        said = np.asarray(model.predict_proba(rows))
        return said[:, -1] if said.shape[1] > 1 else np.full(len(rows), float(np.asarray(model.predict(rows))[0]))
    return np.asarray(model.predict(rows), np.float64)


def _weight_name(model: Any) -> str:
    steps = getattr(model, "steps", None)
    return f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"
