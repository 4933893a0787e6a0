"""Linear estimators of scikit-learn, and the steps before an estimator that keep columns apart; only its adapter uses this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model.linear import Linear
from assay.model.trees import Unit

__all__ = ["fitted", "obstacle", "source", "unwrapped"]

Array = np.ndarray[Any, Any]
Prepare = Callable[[pa.RecordBatch], Any]
_LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
_MARGIN = ("SGDClassifier", "RidgeClassifier", "RidgeClassifierCV", "LinearSVC", "Perceptron", "LinearDiscriminantAnalysis")
_LOG = ("PoissonRegressor", "GammaRegressor")
_PLAIN = ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "ElasticNet", "ElasticNetCV", "SGDRegressor", "Lars",
          "HuberRegressor", "TheilSenRegressor", "QuantileRegressor", "BayesianRidge", "ARDRegression", "LinearSVR")
# each number out is made of one number in
_ONE_BY_ONE = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "QuantileTransformer", "PowerTransformer",
               "OrdinalEncoder", "Binarizer")


def unwrapped(model: Any, prepare: Prepare) -> tuple[Any, Prepare, Array | None]:
    """Return the estimator at the end of pipelines and searches, what it is given, and which column each number of that comes from.

    The last is None where some number comes from several columns, or it is not known from which.
    """
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    width = getattr(model, "n_features_in_", None)
    if type(model).__name__ != "Pipeline" or not type(model).__module__.startswith("sklearn."):
        return model, prepare, None if width is None else np.arange(width)
    before, last = model[:-1], model.steps[-1][1]
    known = None if width is None else source(before, width)

    def given(batch: pa.RecordBatch) -> Any:
        made = before.transform(prepare(batch)) if len(before.steps) else prepare(batch)
        return made.toarray() if hasattr(made, "toarray") else made

    inner, ask, places = unwrapped(last, given)
    return inner, ask, None if known is None or places is None or len(places) != len(known) else known[places]


def source(step: Any, width: int) -> Array | None:
    """Return which column in each column out of a fitted step is made of, None where that is more than one or not known."""
    kind = type(step).__name__
    idle = kind == "FunctionTransformer" and getattr(step, "func", step) is None   # what fitting makes of "passthrough"
    if step is None or idle or (isinstance(step, str) and step == "passthrough"):
        return np.arange(width)
    if not type(step).__module__.startswith("sklearn."):
        return None
    if kind == "Pipeline":
        places: Array | None = np.arange(width)
        for _, each in step.steps:
            if places is None:
                return None
            made = source(each, len(places))
            places = None if made is None else places[made]
        return places
    if kind == "ColumnTransformer":
        return _columns(step)
    if kind == "OneHotEncoder":
        counts = [len(each) for each in step.categories_]
        if len(step.get_feature_names_out()) != sum(counts):   # dropped, or gathered into "infrequent"
            counts = _told(step)
        return np.repeat(np.arange(width), counts)
    if type(step).__module__.startswith("sklearn.feature_selection") and hasattr(step, "get_support"):
        return np.asarray(step.get_support(indices=True))
    if kind == "KBinsDiscretizer":
        return np.arange(width) if step.encode == "ordinal" else np.repeat(np.arange(width), step.n_bins_)
    if kind == "TargetEncoder":
        return None if step.target_type_ == "multiclass" else np.arange(width)
    if kind == "FunctionTransformer":   # of a function of numpy it is known that it takes each number alone
        return np.arange(width) if isinstance(step.func, np.ufunc) and step.func.nin == step.func.nout == 1 else None
    if kind == "SimpleImputer":
        kept = np.flatnonzero(~np.isnan(step.statistics_)) if step.statistics_.dtype.kind == "f" and not step.keep_empty_features else (
            np.arange(width))
        if step.add_indicator:
            return np.concatenate([kept, step.indicator_.features_])
        return kept
    return np.arange(width) if kind in _ONE_BY_ONE else None


def obstacle(model: Any) -> str:
    """Return what keeps an estimator from being read as a linear model or as trees over numbers of one column each: the step, or itself."""
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    if type(model).__name__ == "Pipeline" and type(model).__module__.startswith("sklearn."):
        width = getattr(model, "n_features_in_", None)
        if width is None:
            return "it is not known how many columns the pipeline takes"
        if source(model[:-1], width) is None:
            return _blocked("", model[:-1], width)
        return obstacle(model.steps[-1][1])
    return f"{type(model).__name__} is neither linear nor made of trees that can be read"


def _blocked(name: str, step: Any, width: int) -> str:
    """Return in words which step, within this one, makes numbers of which it is not known from which one column they come."""
    kind = type(step).__name__
    if kind == "Pipeline":
        for inner, each in step.steps:
            made = source(each, width)
            if made is None:
                return _blocked(inner, each, width)
            width = len(made)
    if kind == "ColumnTransformer":
        for inner, each, columns in step.transformers_:
            size = len(columns) if isinstance(columns, list | tuple | np.ndarray) else 1
            where = step.output_indices_[inner]
            if where.stop > where.start and source(each, size) is None:
                return _blocked(inner, each, size)
    foreign = not type(step).__module__.startswith("sklearn.")
    if foreign:
        return f"the step '{name}' ({kind}) is none of scikit-learn's, and not read"
    if kind == "FunctionTransformer":
        return f"the step '{name}' ({kind}) calls a function, which is not read"
    return f"the step '{name}' ({kind}) makes numbers from several columns, or in a way not read"


def _told(step: Any) -> list[int]:
    drop = getattr(step, "drop_idx_", None)
    rare = getattr(step, "infrequent_categories_", None) or [None] * len(step.categories_)
    out = []
    for place, (each, few) in enumerate(zip(step.categories_, rare, strict=True)):
        count = len(each) if few is None else len(each) - len(few) + 1
        out.append(count - (drop is not None and drop[place] is not None))
    return out


def _columns(step: Any) -> Array | None:
    names = getattr(step, "feature_names_in_", None)
    order = {str(name): place for place, name in enumerate(names)} if names is not None else {}
    total = max((each.stop for each in step.output_indices_.values()), default=0)
    out = np.full(total, -1, np.int64)
    for name, transformer, columns in step.transformers_:
        where = step.output_indices_[name]
        if where.stop == where.start:
            continue
        if isinstance(columns, slice):
            places = np.arange(step.n_features_in_)[columns]
        else:
            given = [columns] if isinstance(columns, str | int) else list(columns)
            if given and isinstance(given[0], bool | np.bool_):
                places = np.flatnonzero(given)
            else:
                places = np.array([order[each] if isinstance(each, str) else int(each) for each in given], np.int64)
        made = source(transformer, len(places))
        if made is None or len(made) != where.stop - where.start:
            return None
        out[where] = places[made]
    return out if (out >= 0).all() else None


def fitted(model: Any, prepare: Prepare, places: Array) -> Linear | None:
    """Return the coefficients of a linear estimator, None for any other."""
    kind = type(model).__name__
    if not type(model).__module__.startswith("sklearn.") or not hasattr(model, "coef_"):
        return None
    unit: Unit
    if kind in _LOGISTIC:
        unit = "log-odds" if len(model.classes_) == 2 else "margin"
    elif kind in _MARGIN:
        unit = "margin"
    elif kind in _LOG:
        unit = "log"
    elif kind in _PLAIN:
        unit = "value"
    else:
        return None
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64))
    intercept = np.resize(np.asarray(model.intercept_, np.float64).reshape(-1), len(weights))
    return Linear(weights, intercept, unit, lambda batch: np.asarray(prepare(batch), np.float64), places)
