"""Exact answers where a model can be read: the share of all inputs that is discriminatory, with bounds that are proved.

``certificate(model, space)`` reads a linear model, a decision tree, or the trees of a forest or of a boosted model, through their neutral
layouts; of any other model it says nothing, and ``unproved`` why. The verbs import it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.model.linear import Linear, linear, obstacle
from assay.model.model import Model
from assay.model.trees import Trees, trees
from assay.probe.ensemble import VARIANTS, Bounds, bounds
from assay.probe.grid import Cuts, columns, cuts
from assay.probe.space import Space

__all__ = ["Certificate", "certificate", "unproved"]

Array = np.ndarray[Any, Any]

CELLS = 1 << 19      # of a line on which scores are added up
BOXES = 2_000_000    # that are looked at before a tree is given up
COPIES = 1 << 17     # of a tree that go down at a time
SECONDS = 20.0       # that several trees are cut for


@dataclass(frozen=True, eq=False)
class Certificate:
    """The share of all points of a space that is discriminatory: at least ``low``, at most ``high``.

    ``kind`` is ``linear``, ``tree`` or ``trees``. ``boxes`` (boxes, 2, axes) are of a tree the boxes that hold all of them, from a place to
    a place, both in it; of several ``trees`` those in which any of them may lie that is not proved. Places are those of ``space``, in which
    categories perhaps stand in another order. ``looked`` is how many were looked at, ``count`` how many trees there are.
    """

    kind: str
    low: float
    high: float
    boxes: Array | None = None
    looked: int = 0
    count: int = 1
    space: Space | None = None

    @property
    def fair(self) -> bool:
        """Whether no input is discriminatory."""
        return self.high == 0


def certificate(model: Model, space: Space, *, positive: int = 1, threshold: float | None = None,
                seconds: float = SECONDS) -> Certificate | None:
    """Return what is proved of a model's classes over all points of ``space``; None where it is neither linear nor made of trees, or has
    not two classes, or splits a column in a way that does not follow the order of the axis.

    Scores are added in 64 bits as the model does, up to rounding. ``threshold`` is that of the score of ``positive``. Of several trees
    boxes are cut for so many ``seconds`` at most; what is then open lies between ``low`` and ``high``.

    >>> import assay, pyarrow as pa
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from assay.probe.space import axis
    >>> rows = [[x, s] for x in range(10) for s in (0, 1)]
    >>> tree = DecisionTreeClassifier(random_state=0).fit(rows, [x + 2 * s > 6 for x, s in rows])
    >>> space = Space((axis("x", None, declared=[0, 9]),), (axis("s", None, declared=[0, 1]),), order=("x", "s"))
    >>> certificate(assay.load(tree, features=["x", "s"]), space).low
    0.2
    """
    signature = model.signature
    if _asked_otherwise(model, positive, threshold) is not None:
        return None
    found = linear(model)
    if found is not None and found.outputs == 1 and (found.unit == "log-odds" or (found.unit == "margin" and threshold is None)):
        return _linear(found, space, 0.0 if threshold is None else math.log(threshold / (1 - threshold)), reached=threshold is not None)
    grown = trees(model)
    if grown is not None and len(grown.roots) == 1:
        return _tree(grown, space, threshold, signature.names or space.order)
    if grown is None:
        return None
    proved: Bounds | None = bounds(grown, space, signature.names or space.order, threshold=threshold, seconds=seconds)
    return None if proved is None else Certificate("trees", proved.low, proved.high, proved.boxes, proved.looked,
                                                   len(grown.roots), proved.space)


def unproved(model: Model, space: Space, *, positive: int = 1, threshold: float | None = None) -> str:
    """Return in words what stands in the way of a certificate, of a model of which :func:`certificate` says nothing.

    >>> import assay
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from assay.probe.space import axis
    >>> mixed = make_pipeline(PCA(1), LogisticRegression()).fit([[0, 1], [3, 0], [1, 1], [5, 0]], [0, 1, 0, 1])
    >>> space = Space((axis("x", None, declared=[0, 9]),), (axis("s", None, declared=[0, 1]),), order=("x", "s"))
    >>> unproved(assay.load(mixed, features=["x", "s"]), space)
    "the step 'pca' (PCA) makes numbers from several columns, or in a way not read"
    """
    asked = _asked_otherwise(model, positive, threshold)
    if asked is not None:
        return asked
    if linear(model) is not None:
        return "the coefficients give no two classes, or no probability that the threshold could be one of"
    grown = trees(model)
    if grown is None:
        return obstacle(model)
    inputs = model.signature.names or space.order
    known = {each.name for each in (*space.axes, *space.protected)}
    lost = next((inputs[int(each)] for each in grown.source if inputs[int(each)] not in known), None)
    if lost is not None:
        return f"the trees split '{lost}', which is not searched"
    if len(grown.roots) == 1:
        return f"the tree cannot be cut within {BOXES:,} boxes, or answers no two classes"
    if len(space.variants) > VARIANTS:
        return f"the protected columns have {len(space.variants)} combinations, and at most {VARIANTS} can be compared at a time"
    return "the sums of the trees are no score of two classes"


def _asked_otherwise(model: Model, positive: int, threshold: float | None) -> str | None:
    """Return why a decision is none that is proved: of other than two classes, or with a threshold that is no probability of the second."""
    if model.signature.task != "binary" or len(model.signature.classes or ()) != 2:
        return "proofs are of decisions between two classes"
    if threshold is not None and (positive != 1 or not 0 < threshold < 1):
        return "the threshold is no probability of the second class"
    return None


# linear models ------------------------------------------------------------------------------------------------------------


def _linear(found: Linear, space: Space, level: float, *, reached: bool) -> Certificate:
    """Add up the distributions of what each axis contributes: discriminatory is where the sum lies between two planes."""
    base, numbered, variants = columns(space, found.matrix)
    start = float(found.sums(base)[0, 0])
    parts = [found.sums(each)[:, 0] - start for each in numbered]
    shift = found.sums(variants)[:, 0]
    # class 1 where part + shift > level, of a threshold >=: between are those with the sum in (low, high], of a threshold [low, high)
    low, high = level - float(shift.max()), level - float(shift.min())
    least, most = sum(float(each.min()) for each in parts), sum(float(each.max()) for each in parts)
    slack = 1e-9 * max(1.0, abs(least), abs(most), abs(low), abs(high))
    if high - low <= 0 or high < least - slack or low > most + slack:
        return Certificate("linear", 0.0, 0.0)
    cell = max((most - least) / CELLS, 1e-300)
    steps = [np.floor((each - each.min()) / cell).astype(np.int64) for each in parts]
    chance = np.ones(1)
    for each in sorted(steps, key=lambda one: int(one.max())):
        grown = np.zeros(len(chance) + int(each.max()))
        for step, count in zip(*np.unique(each, return_counts=True), strict=True):
            grown[step:step + len(chance)] += chance * (count / len(each))
        chance = grown
    place = least + np.arange(len(chance)) * cell   # the sum lies between this and as many cells more as there are axes
    over = len(steps) * cell + slack
    surely = chance[(place - slack > low) & (place + over < high)].sum()
    perhaps = chance[(place + over >= low) & (place - slack <= high)].sum()
    return Certificate("linear", float(surely), float(min(perhaps, 1.0)))


# one tree -----------------------------------------------------------------------------------------------------------------


def _tree(grown: Trees, space: Space, threshold: float | None, inputs: Sequence[str]) -> Certificate | None:
    """Let a copy of the tree for each variant go down through shared boxes, until all copies agree or differ; many boxes at a time."""
    split = cuts(grown, space, inputs)
    classes = _classes(grown, threshold)
    if split is None or classes is None:
        return None
    way = _Way.of(grown, split)
    held, depends, depth = _below(grown, classes, way.axis)
    sizes, variants = split.space.sizes, len(split.space.variants)
    most = max(1, COPIES // variants)
    first = (np.full((1, variants), int(grown.roots[0])), np.zeros((1, len(sizes)), np.int64), (sizes - 1)[None])
    waiting, boxes, visited = [first], [], 0
    while waiting:
        nodes, low, high = waiting.pop()
        if len(nodes) > most:   # so that memory stays small: the last ones are gone through to the end before the others
            waiting.append((nodes[:-most], low[:-most], high[:-most]))
            nodes, low, high = nodes[-most:], low[-most:], high[-most:]
        visited += len(nodes)
        if visited > BOXES:
            return None
        way.descend(nodes, low, high, held)
        given = held[nodes]
        one, other = (given == 1).any(axis=1), (given == 2).any(axis=1)
        apart = one & other   # some copies can only give one class, others only the other
        boxes.append(np.stack([low[apart], high[apart]], axis=1).astype(np.int32))
        same = (nodes == nodes[:, :1]).all(axis=1) & ~depends[nodes[:, 0]]
        left = np.flatnonzero((given == 3).any(axis=1) & ~apart & ~same)
        if not len(left):
            continue
        nodes, low, high = nodes[left], low[left], high[left]
        rows, ahead = np.arange(len(left)), np.where(given[left] == 3, depth[nodes], len(held)).argmin(axis=1)
        at, where = way.border(nodes[rows, ahead], low, high)
        lower, upper = high.copy(), low.copy()
        lower[rows, at], upper[rows, at] = where - 1, where
        waiting.append((np.concatenate([nodes, nodes]), np.concatenate([low, upper]), np.concatenate([lower, high])))
    found = np.concatenate(boxes)
    total = float(((found[:, 1] - found[:, 0] + 1) / sizes).prod(axis=1).sum())
    return Certificate("tree", total, total, found, visited, space=split.space)


@dataclass(frozen=True, eq=False)
class _Way:
    """A tree to go down in: its children, and the fields of ``Cuts``.

    ``sides`` has a row for each split of a protected column, ``side`` the row of a node. ``turn`` (rows of ``listed``, places) is the first
    place from there on that goes another way than the one before it.
    """

    left: Array
    right: Array
    axis: Array
    cut: Array
    listed: Array
    turn: Array
    sides: Array
    side: Array

    @classmethod
    def of(cls, grown: Trees, split: Cuts) -> _Way:
        side = np.zeros(len(grown.left), np.int64)
        side[list(split.sides)] = np.arange(len(split.sides))
        goes = np.diff(split.listed, axis=1)
        turns = np.pad(goes[:, 1:] != goes[:, :-1], ((0, 0), (1, 0)))
        there = np.where(turns, np.arange(turns.shape[1]), turns.shape[1])
        turn = np.minimum.accumulate(there[:, ::-1], axis=1)[:, ::-1]
        return cls(grown.left, grown.right, split.axis, split.cut, split.listed.astype(np.int64), turn,
                   np.array(list(split.sides.values()) or [[False]]), side)

    def descend(self, nodes: Array, low: Array, high: Array, held: Array) -> None:
        """Move each copy to where it stops, in place: where only one class is below, or at a split that cuts the box."""
        box, variant = np.nonzero(held[nodes] == 3)
        while len(box):
            node = nodes[box, variant]
            at = self.axis[node]
            goes, stays = self.sides[self.side[node], np.minimum(variant, self.sides.shape[1] - 1)], np.zeros(len(node), bool)
            own = np.flatnonzero(at >= 0)
            if len(own):
                bottom, top, where = low[box[own], at[own]], high[box[own], at[own]], self.cut[node[own]]
                there = np.clip(where - bottom, 0, top - bottom + 1)   # how many places of the box go left
                mixed = np.flatnonzero(where < 0)
                row = -1 - where[mixed]
                there[mixed] = self.listed[row, top[mixed] + 1] - self.listed[row, bottom[mixed]]
                goes[own], stays[own] = there > 0, (there > 0) & (there <= top - bottom)
            box, variant, node, goes = (each[~stays] for each in (box, variant, node, goes))
            node = np.where(goes, self.left[node], self.right[node])
            nodes[box, variant] = node
            further = held[node] == 3
            box, variant = box[further], variant[further]

    def border(self, node: Array, low: Array, high: Array) -> tuple[Array, Array]:
        """Return the axis that each node splits, and the first place in its box that goes another way than the one before it."""
        at, where = self.axis[node], self.cut[node]
        mixed = np.flatnonzero(where < 0)
        where[mixed] = self.turn[-1 - where[mixed], low[mixed, at[mixed]] + 1]
        return at, where


def _classes(grown: Trees, threshold: float | None) -> Array | None:
    """Return for each node the class of its value."""
    value = grown.value + grown.base[int(grown.output[0]):int(grown.output[0]) + grown.value.shape[1]]
    if value.shape[1] == 2 and grown.unit == "probability":
        return np.asarray(value[:, 1] > value[:, 0] if threshold is None else value[:, 1] >= threshold)
    if value.shape[1] != 1 or grown.unit not in ("probability", "log-odds"):
        return None
    level = 0.5 if threshold is None else threshold
    level = level if grown.unit == "probability" else math.log(level / (1 - level))
    return np.asarray(value[:, 0] > level if threshold is None else value[:, 0] >= level)


def _below(grown: Trees, classes: Array, axes: Array) -> tuple[Array, Array, Array]:
    """Return for each node which classes (1 the first, 2 the second, 3 both) and whether a protected split are below it, and its depth."""
    held, depends = np.where(classes, 2, 1), axes < 0
    depth, nodes = np.zeros(len(held), np.int64), grown.roots[:1].astype(np.int64)
    levels: list[Array] = []
    while len(nodes):
        depth[nodes] = len(levels)
        levels.append(nodes[grown.left[nodes] >= 0])
        nodes = np.concatenate([grown.left[levels[-1]], grown.right[levels[-1]]])
    for inner in reversed(levels):
        one, other = grown.left[inner], grown.right[inner]
        held[inner] = held[one] | held[other]
        depends[inner] |= depends[one] | depends[other]
    return held, depends, depth
