"""The trees of an XGBoost booster in the neutral layout, from its own binary dump; only the XGBoost adapter uses this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model._xgboost_file import _Reader
from assay.model.trees import Growth, Trees, Unit

__all__ = ["grown"]

Array = np.ndarray[Any, Any]
_UNITS: dict[str, Unit] = {"binary": "log-odds", "multi": "margin", "count": "log", "survival": "log"}
_LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


def grown(data: bytes, matrix: Callable[[pa.RecordBatch], Array], margin: Callable[[Array], Array], rounds: int) -> Trees | None:
    """Return the trees of the first ``rounds`` rounds (0: all) of a model in Universal Binary JSON; None for a linear one.

    ``margin`` asks the library itself for one row: where the base score stands in another unit than the leaves, that tells which.
    """
    learner = _Reader(data).whole()["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] not in ("gbtree", "dart"):
        return None
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    shape = learner["learner_model_param"]
    groups = max(int(shape.get("num_class", 0)), int(shape.get("num_target", 1)), 1)
    ends = np.asarray(model.get("iteration_indptr", ()), np.int64)
    last = int(ends[rounds]) if rounds and rounds < len(ends) else len(model["trees"])
    drop = np.asarray(booster["weight_drop"], np.float64) if booster["name"] == "dart" else np.ones(last)
    growth = Growth()
    for place, tree in enumerate(model["trees"][:last]):
        _add(growth, tree, int(model["tree_info"][place]), float(drop[place]))
    objective = str(learner["objective"]["name"])
    unit: Unit = "log" if objective in _LOG else _UNITS.get(objective.partition(":")[0], "value")
    unit = "log-odds" if objective == "reg:logistic" else unit
    width = int(shape["num_feature"])
    made = growth.trees(base=np.zeros(groups), unit=unit, strict=True, single=True, matrix=matrix, source=np.arange(width),
                        listed_left=False)
    object.__setattr__(made, "base", _base(str(shape["base_score"]), groups, made, margin, width))
    return made


def _add(growth: Growth, tree: dict[str, Any], output: int, weight: float) -> None:
    left, right = (np.asarray(tree[each], np.int64) for each in ("left_children", "right_children"))
    wide = int(tree["tree_param"].get("size_leaf_vector", 1) or 1)
    leaf = left == -1
    if wide > 1:
        value = np.zeros((len(left), wide))
        if "leaf_weights" in tree:
            value[leaf] = np.asarray(tree["leaf_weights"], np.float64).reshape(-1, wide)[right[leaf]]
        else:
            value[leaf] = np.asarray(tree["base_weights"], np.float64).reshape(-1, wide)[leaf]
    else:
        value = np.where(leaf, np.asarray(tree["split_conditions"], np.float32), 0).astype(np.float64)[:, None]
    kinds = np.asarray(tree.get("split_type", ()), np.int64)
    sets = []
    if kinds.any():
        starts, sizes = np.asarray(tree["categories_segments"], np.int64), np.asarray(tree["categories_sizes"], np.int64)
        members = np.asarray(tree["categories"], np.int64)
        sets = [(int(node), members[start:start + size])
                for node, start, size in zip(tree["categories_nodes"], starts, sizes, strict=True)]
    # 0 is not a cut in float64 where it is one in float32, so cuts are rounded as the library holds them
    growth.add(left=left, right=right, feature=np.asarray(tree["split_indices"], np.int64),
               threshold=np.asarray(tree["split_conditions"], np.float32).astype(np.float64),
               default_left=np.asarray(tree["default_left"]).astype(bool), cover=np.asarray(tree["sum_hessian"], np.float64),
               value=value * weight, output=0 if wide > 1 else output, sets=sets)


def _base(said: str, groups: int, made: Trees, margin: Callable[[Array], Array], width: int) -> Array:
    """The base score as a margin: it is kept as a probability, a mean or a margin, depending on objective and version."""
    stated = np.array([float(each) for each in said.strip("[]").split(",")], np.float32).astype(np.float64)
    stated = np.resize(stated, groups)
    row = np.full((1, width), np.nan)
    measured: Array = np.resize(np.asarray(margin(row), np.float64).reshape(-1), groups) - made.sums(row)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ways: list[Array] = [stated, np.log(stated), np.log(stated / (1 - stated))]
    for way in ways:
        if np.isfinite(way).all() and np.abs(way - measured).max() <= 1e-4 * max(1.0, float(np.abs(measured).max())):
            return way
    return measured
