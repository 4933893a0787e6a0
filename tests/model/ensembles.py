"""One small ensemble a case: every library, missing values, categories, several classes; with the library's own raw answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.model.trees import Trees, trees

__all__ = ["CASES", "Case", "case"]

NAMES = [f"x{place}" for place in range(5)]
_RNG = np.random.default_rng(7)
N = 500
X = _RNG.normal(size=(N, 5)).round(2)
X[_RNG.random((N, 5)) < 0.1] = np.nan
X[:, 4] = _RNG.integers(0, 12, N)
X[_RNG.random(N) < 0.3, 1] = 0
FULL = np.nan_to_num(X)
STRANGE = X.copy()                                      # codes that training never saw
STRANGE[:50, 4] = [13, -1, 99, np.nan, 40] * 10
TINY = X.copy()
TINY[::7, 0] = 1e-36
TARGET = FULL[:, 0] + FULL[:, 1] * FULL[:, 2] + FULL[:, 4] % 3
TWO = (TARGET > 1).astype(int)
THREE = np.digitize(TARGET, [0, 2])
LIGHT = {"verbose": -1, "min_child_samples": 5, "min_data_per_group": 5, "cat_smooth": 1, "num_leaves": 14, "n_estimators": 3, "n_jobs": 1}
CAT = {"iterations": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


class Case:
    """The trees of one model, data for them as numbers, and what the library itself says of the rows."""

    def __init__(self, model: Any, data: np.ndarray, raw: np.ndarray):
        loaded: Any = assay.load(model, features=NAMES)
        found = trees(loaded)
        assert found is not None
        self.model, self.trees = loaded, found
        self.batch = pa.record_batch({name: data[:, place] for place, name in enumerate(NAMES)})
        self.numbers = found.matrix(loaded.taken(self.batch))
        self.raw = np.asarray(raw, float).reshape(len(data), -1)

    def sums(self) -> np.ndarray:
        said = Trees.sums(self.trees, self.numbers)
        return said if said.shape[1] == self.raw.shape[1] else said[:, 1:]


def _xgboost(data: np.ndarray = X, y: np.ndarray = TWO, kind: str = "XGBClassifier", fit: dict[str, Any] | None = None, **options: Any) -> Case:
    xgboost = pytest.importorskip("xgboost")
    model = getattr(xgboost, kind)(**{"n_estimators": 3, "max_depth": 4, "n_jobs": 1, **options}).fit(data, y, **(fit or {}))
    return Case(model, data, model.predict(data, output_margin=True))


def _xgboost_categories(**options: Any) -> Case:
    xgboost = pytest.importorskip("xgboost")
    kinds = {"feature_types": ["q"] * 4 + ["c"], "enable_categorical": True}
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1, **options}, xgboost.DMatrix(X, label=TWO, **kinds), 3)
    return Case(booster, STRANGE, booster.predict(xgboost.DMatrix(STRANGE, **kinds), output_margin=True))


def _lightgbm(data: np.ndarray = X, y: np.ndarray = TWO, asked: np.ndarray | None = None, kind: str = "LGBMClassifier", times: float = 1,
              fit: dict[str, Any] | None = None, **options: Any) -> Case:
    lightgbm = pytest.importorskip("lightgbm")
    asked = data if asked is None else asked
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(lightgbm, kind)(**{**LIGHT, **options}).fit(data, y, **(fit or {}))
    raw = model.booster_.predict(asked, raw_score=options.get("boosting_type") != "rf")   # a forest is averaged in the answer only
    return Case(model, asked, times * np.asarray(raw))


def _catboost(y: np.ndarray = TWO, kind: str = "CatBoostClassifier", **options: Any) -> Case:
    catboost = pytest.importorskip("catboost")
    model = getattr(catboost, kind)(**{**CAT, **options}).fit(X, y)
    return Case(model, X, model.predict(X, prediction_type="RawFormulaVal"))


def _sklearn(kind: str, y: np.ndarray = TWO, data: np.ndarray = X, asked: np.ndarray | None = None, say: str = "decision_function",
             **options: Any) -> Case:
    from sklearn import ensemble, tree

    model = getattr(ensemble, kind, None) or getattr(tree, kind)
    model = model(random_state=0, **options).fit(data, y)
    asked = data if asked is None else asked
    return Case(model, asked, getattr(model, say)(asked))


CASES: dict[str, Callable[[], Case]] = {
    "xgboost": _xgboost,
    "xgboost, three classes": lambda: _xgboost(y=THREE),
    "xgboost, a vector a leaf": lambda: _xgboost(y=THREE, multi_strategy="multi_output_tree"),
    "xgboost, poisson": lambda: _xgboost(y=np.abs(TARGET), kind="XGBRegressor", objective="count:poisson"),
    "xgboost, dart": lambda: _xgboost(y=TARGET, kind="XGBRegressor", booster="dart", rate_drop=0.5),
    "xgboost, 0 is missing": lambda: _xgboost(missing=0),
    "xgboost, stopped early": lambda: _xgboost(n_estimators=30, early_stopping_rounds=2, fit={
        "eval_set": [(X[::-1], TWO)], "verbose": False}),
    "xgboost, categories": _xgboost_categories,
    "xgboost, one category a split": lambda: _xgboost_categories(max_cat_to_onehot=50),
    "lightgbm": _lightgbm,
    "lightgbm, three classes": lambda: _lightgbm(y=THREE),
    "lightgbm, 0 is missing": lambda: _lightgbm(asked=TINY, zero_as_missing=True),
    "lightgbm, nothing was missing": lambda: _lightgbm(data=FULL, asked=X),
    "lightgbm, categories": lambda: _lightgbm(asked=STRANGE, fit={"categorical_feature": [4]}),
    "lightgbm, forest": lambda: _lightgbm(y=TARGET, kind="LGBMRegressor", boosting_type="rf", bagging_freq=1, bagging_fraction=0.5),
    "lightgbm, sigmoid": lambda: _lightgbm(times=0.7, sigmoid=0.7),
    "catboost": _catboost,
    "catboost, missing above": lambda: _catboost(nan_mode="Max"),
    "catboost, three classes": lambda: _catboost(y=THREE),
    "catboost, lossguide": lambda: _catboost(TARGET, "CatBoostRegressor", grow_policy="Lossguide"),
    "catboost, depthwise": lambda: _catboost(TARGET, "CatBoostRegressor", grow_policy="Depthwise"),
    "tree": lambda: _sklearn("DecisionTreeRegressor", TARGET, say="predict", max_depth=6),
    "forest": lambda: _sklearn("RandomForestClassifier", n_estimators=3, max_depth=9, say="predict_proba"),
    "forest of numbers": lambda: _sklearn("RandomForestRegressor", TARGET, n_estimators=3, say="predict"),
    "extra trees, three classes": lambda: _sklearn("ExtraTreesClassifier", THREE, FULL, n_estimators=3, max_depth=7, say="predict_proba"),
    "gradient boosting": lambda: _sklearn("GradientBoostingClassifier", TWO, FULL, n_estimators=3),
    "gradient boosting, three classes": lambda: _sklearn("GradientBoostingClassifier", THREE, FULL, n_estimators=3),
    "gradient boosting of numbers": lambda: _sklearn("GradientBoostingRegressor", TARGET, FULL, n_estimators=3, say="predict"),
    "histograms": lambda: _sklearn("HistGradientBoostingClassifier", max_iter=3, max_leaf_nodes=12),
    "histograms, categories": lambda: _sklearn("HistGradientBoostingClassifier", THREE, X, STRANGE, max_iter=3, max_leaf_nodes=12,
                                               categorical_features=[4, 1]),
    "histograms of numbers": lambda: _sklearn("HistGradientBoostingRegressor", TARGET, max_iter=3, max_leaf_nodes=12, say="predict"),
}


@cache
def case(name: str) -> Case:
    """Return a case, made once."""
    return CASES[name]()
