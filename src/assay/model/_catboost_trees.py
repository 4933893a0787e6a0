"""The trees of a CatBoost model in the neutral layout, from its JSON; only the CatBoost adapter uses this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model.trees import Growth, Trees, Unit

__all__ = ["grown"]

Array = np.ndarray[Any, Any]
_UNITS: dict[str, Unit] = {"Logloss": "log-odds", "CrossEntropy": "log-odds", "MultiClass": "margin", "MultiClassOneVsAll": "margin",
                           "Poisson": "log", "Tweedie": "log"}


def grown(model: Mapping[str, Any], loss: str, matrix: Callable[[pa.RecordBatch], Array]) -> Trees | None:
    """Return the trees of a model; None where it splits by categories, whose hashes only the library can make, or by text."""
    floats = model["features_info"].get("float_features", [])
    if set(model["features_info"]) - {"float_features"}:
        return None
    places = np.array([each["flat_feature_index"] for each in floats], np.int64)
    lost = np.array([each["nan_value_treatment"] != "AsTrue" for each in floats], bool)
    scale, bias = model["scale_and_bias"]
    width, growth = len(bias), Growth()
    for each in model.get("oblivious_trees", ()):
        _add_symmetric(growth, each, width, float(scale), places, lost)
    for each in model.get("trees", ()):
        _add_free(growth, each, width, float(scale), places, lost)
    return growth.trees(base=np.array(bias, np.float64), unit=_UNITS.get(loss, "value"), strict=False, single=True, matrix=matrix,
                        source=np.arange(int(places.max(initial=-1)) + 1))


def _add_symmetric(growth: Growth, tree: Mapping[str, Any], width: int, scale: float, places: Array, lost: Array) -> None:
    """Every level asks one question of all its nodes; bit i of a leaf's place answers question i. Level k has its nodes at 2^k - 1."""
    splits = tree["splits"] or []
    depth = len(splits)
    size = 2 ** (depth + 1) - 1
    left, right, feature = (np.full(size, -1, np.int64) for _ in range(3))
    cut, default, cover, value = np.zeros(size), np.zeros(size, bool), np.zeros(size), np.zeros((size, width))
    for level, split in enumerate(splits):
        at = np.arange(2 ** level - 1, 2 ** (level + 1) - 1)
        left[at], right[at] = 2 * at + 1, 2 * at + 2
        place = split["float_feature_index"]
        feature[at], cut[at], default[at] = places[place], split["border"], lost[place]
    leaves = np.arange(2 ** depth - 1, size)
    order = np.zeros(2 ** depth, np.int64)
    for level in range(depth):   # the first question is the first branch here, and the lowest bit there
        order |= ((np.arange(2 ** depth) >> (depth - 1 - level)) & 1) << level
    value[leaves] = np.asarray(tree["leaf_values"], np.float64).reshape(-1, width)[order] * scale
    cover[leaves] = np.asarray(tree["leaf_weights"], np.float64)[order]
    for node in range(2 ** depth - 2, -1, -1):
        cover[node] = cover[2 * node + 1] + cover[2 * node + 2]
    growth.add(left=left, right=right, feature=feature, threshold=cut, default_left=default, cover=cover, value=value)


def _add_free(growth: Growth, tree: Mapping[str, Any], width: int, scale: float, places: Array, lost: Array) -> None:
    left: list[int] = []
    right: list[int] = []
    feature, cut, default, value, cover = [], [], [], [], []
    waiting: list[tuple[Mapping[str, Any], int, bool]] = [(tree, -1, False)]
    while waiting:   # parents before children
        node, above, is_right = waiting.pop()
        here = len(left)
        if above >= 0:
            (right if is_right else left)[above] = here
        left.append(-1)
        right.append(-1)
        split = node.get("split")
        feature.append(-1 if split is None else int(places[split["float_feature_index"]]))
        cut.append(0.0 if split is None else float(split["border"]))
        default.append(split is not None and bool(lost[split["float_feature_index"]]))
        value.append(np.resize(np.atleast_1d(node.get("value", 0.0)), width) * scale if split is None else np.zeros(width))
        cover.append(float(node.get("weight", 0.0)) if split is None else 0.0)
        if split is not None:
            waiting += [(node["right"], here, True), (node["left"], here, False)]
    for here in range(len(left) - 1, -1, -1):
        if left[here] >= 0:
            cover[here] = cover[left[here]] + cover[right[here]]
    growth.add(left=np.array(left), right=np.array(right), feature=np.array(feature), threshold=np.array(cut),
               default_left=np.array(default), cover=np.array(cover), value=np.array(value))
