"""The trees of a LightGBM model in the neutral layout, from its text; only the LightGBM adapter uses this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model.trees import Growth, Trees, Unit

__all__ = ["grown"]

Array = np.ndarray[Any, Any]
_ZERO = float(np.float32(1e-35))   # what is nearer to 0 is 0 to LightGBM
_UNITS: dict[str, Unit] = {"binary": "log-odds", "cross_entropy": "log-odds", "multiclass": "margin", "multiclassova": "margin",
                           "poisson": "log", "gamma": "log", "tweedie": "log"}
_MISSING = {0: "none", 1: "zero", 2: "nan"}


def grown(text: str, matrix: Callable[[pa.RecordBatch], Array]) -> Trees | None:
    """Return the trees in a model's text; None where a leaf holds a linear model, or where one column's nulls mean two things."""
    head, _, body = text.partition("\n\n")
    said = dict(line.partition("=")[::2] for line in head.split("\n"))
    count, groups = int(said["num_class"]), int(said["num_tree_per_iteration"])
    width = int(said["max_feature_idx"]) + 1
    growth, modes = Growth(), np.full(width, -1)
    parts = body.partition("end of trees")[0].strip("\n").split("\n\n")
    tables = [dict(line.partition("=")[::2] for line in part.strip("\n").split("\n")) for part in parts if part.strip()]
    share = len(tables) / groups if "average_output" in said else 1.0
    for place, tree in enumerate(tables):
        if tree.get("is_linear", "0") != "0" or not _add(growth, tree, place % groups, share, modes):
            return None
    words = said.get("objective", "").split()
    unit = _UNITS.get(words[0] if words else "", "value")
    if unit == "log-odds" and words[0] == "binary":
        scale = next((float(each.partition(":")[2]) for each in words if each.startswith("sigmoid:")), 1.0)
        growth.tables = [{**each, "value": each["value"] * scale} for each in growth.tables] if scale != 1 else growth.tables
    if "sqrt" in words:   # the model squares the sum at the end
        unit = "margin"
    kinds = _categorical(growth)
    return growth.trees(base=np.zeros(max(groups, count)), unit=unit, strict=False, single=False, source=np.arange(width),
                        listed_left=True, matrix=_Known(matrix, modes, kinds))


def _add(growth: Growth, tree: Mapping[str, str], output: int, share: float, modes: Array) -> bool:
    leaves = int(tree["num_leaves"])
    inner = leaves - 1
    values = np.array(tree["leaf_value"].split(), np.float64) / share
    weight = np.array(tree["leaf_count"].split(), np.float64) if tree.get("leaf_count") else np.zeros(leaves)
    if not inner:
        growth.add(left=np.array([-1]), right=np.array([-1]), feature=np.array([-1]), threshold=np.zeros(1),
                   default_left=np.zeros(1, bool), cover=np.ones(1), value=values, output=output)
        return True
    # leaf k is written as -k-1; here it stands behind the inner nodes
    left, right, feature, kind = (np.array(tree[each].split(), np.int64)
                                  for each in ("left_child", "right_child", "split_feature", "decision_type"))
    left, right = (np.where(each < 0, inner - each - 1, each) for each in (left, right))
    cut = np.array(tree["threshold"].split(), np.float64)
    named, mode = (kind & 1) == 1, (kind >> 2) & 3
    for place, each in zip(feature[~named], mode[~named], strict=True):
        if modes[place] not in (-1, each):
            return False
        modes[place] = each
    sets = []
    if named.any():
        bounds = np.array(tree["cat_boundaries"].split(), np.int64)
        words = np.array(tree["cat_threshold"].split(), np.uint32)
        bits = ((words[:, None] >> np.arange(32, dtype=np.uint32)) & 1).astype(bool)
        for node in np.flatnonzero(named):
            first, last = bounds[int(cut[node])], bounds[int(cut[node]) + 1]
            sets.append((int(node), np.flatnonzero(bits[first:last].reshape(-1))))
    none = np.full(leaves, -1, np.int64)
    above = np.array(tree["internal_count"].split(), np.float64) if tree.get("internal_count") else np.zeros(inner)
    growth.add(left=np.concatenate([left, none]), right=np.concatenate([right, none]), feature=np.concatenate([feature, none]),
               threshold=np.concatenate([cut, np.zeros(leaves)]),
               # a category that is missing is in no set, so it goes right
               default_left=np.concatenate([((kind & 2) == 2) & ~named, np.zeros(leaves, bool)]), cover=np.concatenate([above, weight]),
               value=np.concatenate([np.zeros(inner), values]), output=output, sets=sets)
    return True


def _categorical(growth: Growth) -> Array:
    places = [each["feature"][each["sets"] >= 0] for each in growth.tables]
    return np.unique(np.concatenate(places)).astype(np.int64)


class _Known:
    """The numbers as the trees see them: what means missing is NaN, and nothing else is."""

    def __init__(self, matrix: Callable[[pa.RecordBatch], Array], modes: Array, kinds: Array):
        self.matrix, self.modes, self.kinds = matrix, modes, kinds

    def __call__(self, batch: pa.RecordBatch) -> Array:
        out = np.array(self.matrix(batch), np.float64, order="F")
        for place, mode in enumerate(self.modes):
            column = out[:, place]
            column[np.abs(column) <= _ZERO] = 0.0
            if place in self.kinds:
                np.trunc(column, out=column)
            elif _MISSING.get(mode) == "none":
                column[np.isnan(column)] = 0.0
            elif _MISSING.get(mode) == "zero":
                column[column == 0] = np.nan
        return out
