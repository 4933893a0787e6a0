"""The trees of scikit-learn's estimators in the neutral layout, from the fitted arrays; only the scikit-learn adapter uses this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model.trees import Growth, Trees, Unit

__all__ = ["drawn", "grown"]

Array = np.ndarray[Any, Any]
_SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
_FOREST = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_BOOSTED = ("GradientBoostingClassifier", "GradientBoostingRegressor")
_BINNED = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def grown(model: Any, prepare: Callable[[pa.RecordBatch], Any]) -> Trees | None:
    """Return the trees of an estimator; None for any other kind, and for several targets."""
    kind = type(model).__name__
    if not type(model).__module__.startswith("sklearn.") or np.ndim(getattr(model, "n_outputs_", 1)) or getattr(model, "n_outputs_", 1) > 1:
        return None
    if kind in _SINGLE + _FOREST:
        return _forest(model, [model] if kind in _SINGLE else model.estimators_, prepare)
    if kind in _BOOSTED:
        return _boosted(model, prepare)
    return _binned(model, prepare) if kind in _BINNED else None


def drawn(model: Any, rows: int) -> Array | None:
    """Return how often each tree of a forest drew each of its training rows, (trees, rows); None where that is not known.

    A forest keeps the seeds of its trees, so it is drawn again, and right where the rows come in the order of training.
    """
    if type(model).__name__ not in _FOREST or getattr(model, "_n_samples", None) != rows:
        return None
    return np.stack([np.bincount(each, minlength=rows) for each in model.estimators_samples_]).astype(np.float32)


def _numbers(prepare: Callable[[pa.RecordBatch], Any]) -> Callable[[pa.RecordBatch], Array]:
    return lambda batch: np.asarray(prepare(batch), np.float64)


def _forest(model: Any, members: Any, prepare: Callable[[pa.RecordBatch], Any]) -> Trees:
    growth, classifies = Growth(), hasattr(model, "classes_")
    for each in members:
        value = each.tree_.value[:, 0, :]
        if classifies:   # counts before scikit-learn 1.3, shares since
            value = value / np.where((total := value.sum(axis=1, keepdims=True)) > 0, total, 1)
        _add(growth, each.tree_, value / len(members), 0)
    width = growth.tables[0]["value"].shape[1]
    return growth.trees(base=np.zeros(width), unit="probability" if classifies else "value", strict=False, single=True,
                        matrix=_numbers(prepare), source=np.arange(model.n_features_in_))


def _boosted(model: Any, prepare: Callable[[pa.RecordBatch], Any]) -> Trees | None:
    if model.init_ != "zero" and type(model.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        return None   # it starts from another model, which is no sum of trees
    growth = Growth()
    for row in model.estimators_:
        for place, each in enumerate(row):
            _add(growth, each.tree_, each.tree_.value[:, 0, :] * model.learning_rate, place)
    groups = model.estimators_.shape[1]
    classifies = hasattr(model, "classes_")
    unit: Unit = ("log-odds" if groups == 1 else "margin") if classifies else "value"
    unit = "margin" if getattr(model, "loss", "") == "exponential" else unit   # half the log-odds
    start = np.asarray(model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)), np.float64).reshape(-1)
    return growth.trees(base=np.resize(start, groups), unit=unit, strict=False, single=True, matrix=_numbers(prepare),
                        source=np.arange(model.n_features_in_))


def _add(growth: Growth, tree: Any, value: Array, output: int) -> None:
    lost = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count, np.uint8))
    growth.add(left=tree.children_left, right=tree.children_right, feature=tree.feature, threshold=tree.threshold,
               default_left=np.asarray(lost, bool), cover=tree.weighted_n_node_samples, value=value, output=output)


def _binned(model: Any, prepare: Callable[[pa.RecordBatch], Any]) -> Trees:
    growth = Growth()
    for row in model._predictors:
        for place, each in enumerate(row):
            nodes = each.nodes
            leaf = nodes["is_leaf"].astype(bool)
            bits = (each.raw_left_cat_bitsets[..., None] >> np.arange(32, dtype=np.uint32) & 1).astype(bool)
            sets = [(int(node), np.flatnonzero(bits[nodes["bitset_idx"][node]].reshape(-1)))
                    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)]
            growth.add(left=np.where(leaf, -1, nodes["left"].astype(np.int64)), right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
                       feature=nodes["feature_idx"].astype(np.int64), threshold=nodes["num_threshold"],
                       default_left=nodes["missing_go_to_left"].astype(bool), cover=nodes["count"].astype(np.float64),
                       value=np.where(leaf, nodes["value"], 0.0), output=place, sets=sets)
    groups = len(model._predictors[0])
    classifies = hasattr(model, "classes_")
    unit: Unit = ("log-odds" if groups == 1 else "margin") if classifies else (
        "log" if getattr(model, "loss", "") in ("poisson", "gamma") else "value")
    kinds = model.is_categorical_
    # the estimator puts the columns with categories first
    order = np.arange(model.n_features_in_) if kinds is None else np.concatenate([np.flatnonzero(kinds), np.flatnonzero(~kinds)])
    return growth.trees(base=np.resize(np.asarray(model._baseline_prediction, np.float64).reshape(-1), groups), unit=unit,
                        strict=False, single=False, source=order, matrix=_Encoded(model, prepare))


class _Encoded:
    """The numbers as the trees see them: categories as codes, those never seen in training as missing."""

    def __init__(self, model: Any, prepare: Callable[[pa.RecordBatch], Any]):
        self.model, self.prepare = model, prepare
        known, places = model._bin_mapper.make_known_categories_bitsets()
        count = 0 if model.is_categorical_ is None else int(model.is_categorical_.sum())
        bits = (known[..., None] >> np.arange(32, dtype=np.uint32) & 1).astype(bool)
        self.known = {column: np.flatnonzero(bits[places[column]].reshape(-1)) for column in range(count)}

    def __call__(self, batch: pa.RecordBatch) -> Array:
        out = np.array(self.model._preprocess_X(self.prepare(batch), reset=False), np.float64, order="F")
        for place, each in self.known.items():
            out[~np.isin(out[:, place], each), place] = np.nan
        return out
