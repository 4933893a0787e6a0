"""Check an XGBoost file before XGBoost reads it: a damaged one would end the process, as its indices are believed.

``check(data)`` is the whole interface. Both forms are read, JSON and Universal Binary JSON, and every index that prediction follows
must stay inside its array. Only the XGBoost adapter uses this module.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.errors import ModelError
from assay.model import guard

__all__ = ["check"]

Array = np.ndarray[Any, Any]
SCALARS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_NOBODY = 2147483647  # the parent of a root
DEPTH = 64   # a model nests a dozen levels


def check(data: bytes) -> None:
    """Raise ``ModelError`` unless the bytes are a whole model whose trees are trees and whose indices stay inside."""
    try:
        head = data.lstrip()[:2]
        # JSON continues with a quotation mark or space, the binary form with the length of a name
        model = json.loads(data, object_pairs_hook=_once) if head[1:] in (b'"', b" ", b"\n", b"\r", b"\t") else _Reader(data).whole()
        _check_learner(model["learner"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError, struct.error,
            MemoryError) as error:
        raise ModelError(f"the XGBoost file is cut off or damaged ({guard.cause(error)})", expected="a whole model") from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the keys and values of a JSON object; one that is there twice would be read one way here and another by the library."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


class _Reader:
    """A reader of the part of Universal Binary JSON that XGBoost writes."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def whole(self) -> Any:
        return self._value(self._take(1), 0)

    def _take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("a value reaches beyond the end")
        part = self.data[self.at:self.at + size]
        self.at += size
        return part

    def _number(self, mark: bytes) -> Any:
        kind = np.dtype(SCALARS[mark])
        return np.frombuffer(self._take(kind.itemsize), kind)[0].item()

    def _size(self) -> int:
        size = self._number(self._take(1))
        if not isinstance(size, int) or size < 0:
            raise ValueError("a length is no number")
        return size

    def _value(self, mark: bytes, depth: int) -> Any:
        if depth > DEPTH:
            raise ValueError("it nests too deep")
        if mark in CONSTANTS:
            return CONSTANTS[mark]
        if mark == b"S":
            return self._take(self._size()).decode()
        if mark == b"C":
            return self._take(1).decode()
        if mark == b"{":
            return self._object(depth)
        return self._array(depth) if mark == b"[" else self._number(mark)

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (mark := self._take(1)) != b"}":
            size = self._number(mark)
            name = self._take(size).decode()
            if name in found:  # read one way here, it might be read another way by the library
                raise ValueError("a key that is there twice")
            found[name] = self._value(self._take(1), depth + 1)
        return found

    def _array(self, depth: int) -> Any:
        mark = self._take(1)
        if mark == b"$":
            kind = np.dtype(SCALARS[self._take(1)])
            if self._take(1) != b"#":
                raise ValueError("an array of one type has no length")
            return np.frombuffer(self._take(self._size() * kind.itemsize), kind)
        if mark == b"#":
            return [self._value(self._take(1), depth + 1) for _ in range(min(self._size(), len(self.data)))]
        found = []
        while mark != b"]":
            found.append(self._value(mark, depth + 1))
            mark = self._take(1)
        return found


def _check_learner(learner: dict[str, Any]) -> None:
    shape = learner["learner_model_param"]
    features, groups = int(shape["num_feature"]), max(int(shape.get("num_class", 0)), int(shape.get("num_target", 1)), 1)
    if features < 0 or groups > 10**6:
        raise ValueError("the number of features or classes")
    for each in ("feature_names", "feature_types"):
        if len(learner.get(each) or ()) not in (0, features):
            raise ValueError(each)
    booster = learner["gradient_booster"]
    kind = booster["name"]
    if kind == "gblinear":
        if len(booster["model"]["weights"]) != (features + 1) * groups:
            raise ValueError("the weights")
        return
    if kind not in ("gbtree", "dart"):
        raise ValueError(f"the booster {str(kind)[:20]}")
    model = booster["gbtree"]["model"] if kind == "dart" else booster["model"]
    trees = model["trees"]
    if int(model["gbtree_model_param"]["num_trees"]) != len(trees) or len(model["tree_info"]) != len(trees):
        raise ValueError("the number of trees")
    if kind == "dart" and len(booster["weight_drop"]) != len(trees):
        raise ValueError("the weights of trees")
    _inside("tree_info", model["tree_info"], groups)
    rounds = _whole("iteration_indptr", model.get("iteration_indptr", [0, len(trees)]))
    if len(rounds) and (rounds[0] != 0 or rounds[-1] != len(trees) or (np.diff(rounds) < 0).any()):
        raise ValueError("the rounds")
    if int(model["gbtree_model_param"].get("num_parallel_tree", 1)) < 0:
        raise ValueError("the number of parallel trees")
    if "cats" in model:
        _check_categories(model["cats"], features)
    for number, tree in enumerate(trees):
        _check_tree(tree, number, features, groups)


def _check_tree(tree: dict[str, Any], number: int, features: int, groups: int) -> None:
    size, width = int(tree["tree_param"]["num_nodes"]), int(tree["tree_param"].get("size_leaf_vector", 1) or 1)
    fault = ValueError(f"tree {number}")
    if size < 1 or int(tree["tree_param"].get("num_feature", features)) != features or width not in (1, groups):
        raise fault
    columns = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left",
               "sum_hessian", "loss_changes")
    if any(len(tree[each]) != size for each in columns if each in tree) or len(tree.get("split_type", ())) not in (0, size):
        raise fault
    if len(tree["base_weights"]) != size * width or int(tree["id"]) != number:
        raise fault
    left, right = _whole("left", tree["left_children"]), _whole("right", tree["right_children"])
    seen = np.zeros(size, bool)
    front = np.zeros(1, np.int64)
    while len(front):   # every node that can be reached is reached once: no ways round in circles, nothing outside
        seen[front] = True
        inner = front[left[front] != -1]
        nexts = np.concatenate([left[inner], right[inner]])
        if len(nexts) and (nexts.min() < 0 or nexts.max() >= size or len(np.unique(nexts)) < len(nexts) or seen[nexts].any()):
            raise fault
        front = nexts
    branches = np.flatnonzero(seen & (left != -1))
    if "parents" in tree:
        above = _whole("parents", tree["parents"])
        if above[0] not in (_NOBODY, -1) or (above[left[branches]] != branches).any() or (above[right[branches]] != branches).any():
            raise fault
    split = _whole("split_indices", tree["split_indices"])[branches]
    if len(split) and (split.min() < 0 or split.max() >= features):
        raise fault
    if width > 1 and "leaf_weights" in tree:
        leaves = np.flatnonzero(seen & (left == -1))
        if len(leaves) and (right[leaves].min() < 0 or (right[leaves].max() + 1) * width > len(tree["leaf_weights"])):
            raise fault
    _check_sets(tree, size, fault)


def _check_sets(tree: dict[str, Any], size: int, fault: ValueError) -> None:
    """The sets of categories that branches go by: each a stretch of one list."""
    nodes = _whole("categories_nodes", tree.get("categories_nodes", ()))
    starts, sizes = (_whole(each, tree.get(each, ())) for each in ("categories_segments", "categories_sizes"))
    values = _whole("categories", tree.get("categories", ()))
    kinds = _whole("split_type", tree.get("split_type", ()))
    if len(starts) != len(nodes) or len(sizes) != len(nodes) or (len(values) and (values.min() < 0 or values.max() >= 1 << 24)):
        raise fault
    if len(nodes) and (nodes.min() < 0 or nodes.max() >= size or starts.min() < 0 or sizes.min() < 1 or (starts + sizes).max() > len(values)
                       or (np.diff(nodes) <= 0).any()):
        raise fault
    if len(kinds) and (((kinds != 0) & (kinds != 1)).any() or set(np.flatnonzero(kinds == 1).tolist()) != set(nodes.tolist())):
        raise fault


def _check_categories(stored: dict[str, Any], features: int) -> None:
    """The categories of training, a list a feature, as XGBoost keeps them from 3.1 on."""
    bounds = _whole("feature_segments", stored.get("feature_segments", ()))
    order = _whole("sorted_idx", stored.get("sorted_idx", ()))
    lists = stored.get("enc", [])
    if not len(lists) and not len(bounds):
        return
    if len(lists) != features or len(bounds) != features + 1 or bounds[0] != 0 or bounds[-1] != len(order):
        raise ValueError("the categories")
    for each, low, high in zip(lists, bounds[:-1], bounds[1:], strict=True):
        count = len(each["values"])
        if "offsets" in each:   # text: one run of bytes, cut at the offsets
            cuts = _whole("offsets", each["offsets"])
            if len(cuts) and (cuts[0] != 0 or cuts[-1] != count or (np.diff(cuts) < 0).any()):
                raise ValueError("the categories")
            count = max(len(cuts) - 1, 0)
        if high - low != count:
            raise ValueError("the categories")
        if count:
            _inside("the order of categories", order[low:high], count)


def _whole(name: str, values: Sequence[Any] | Array) -> Array:
    found = np.asarray(values) if len(values) else np.empty(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iub":
        raise ValueError(name)
    return found.astype(np.int64)


def _inside(name: str, values: Sequence[Any] | Array, limit: int) -> None:
    found = _whole(name, values)
    if len(found) and (found.min() < 0 or found.max() >= limit):
        raise ValueError(name)
