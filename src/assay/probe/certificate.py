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
from assay.probe.grid import columns, cuts
from assay.probe.space import Space

__all__ = ["Certificate", "certificate", "unproved"]

Array = np.ndarray[Any, Any]

CELLS = 1 << 19      # of a line on which scores are added up
BOXES = 2_000_000    # that are looked at before a tree is given up
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
    """Let a copy of the tree for each variant go down through shared boxes, until all copies agree or differ."""
    split = cuts(grown, space, inputs)
    classes = _classes(grown, threshold)
    if split is None or classes is None:
        return None
    left, right = grown.left.tolist(), grown.right.tolist()
    way = _Way(left, right, split.axis.tolist(), split.cut.tolist(), split.listed.tolist(), split.sides)
    held, depends, depth = _below(grown, classes, way.axes)
    sizes = split.space.sizes.tolist()
    boxes: list[tuple[list[int], list[int]]] = []
    total, visited = 0.0, 0
    root = int(grown.roots[0])
    stack: list[tuple[list[tuple[int, int]], list[int], list[int]]] = [
        ([(root, variant) for variant in range(len(space.variants))], [0] * len(sizes), [size - 1 for size in sizes])]
    while stack:
        copies, low, high = stack.pop()
        visited += 1
        if visited > BOXES:
            return None
        copies = [(way.down(node, variant, low, high), variant) for node, variant in copies]
        nodes = {node for node, _ in copies}
        union = 0
        for node in nodes:
            union |= held[node]
        if union in (1, 2) or (len(nodes) == 1 and not depends[next(iter(nodes))]):
            continue
        open_ = min((node for node in nodes if held[node] == 3), key=depth.__getitem__, default=None)
        if open_ is None or {1, 2} <= {held[node] for node in nodes}:   # some copies can only give one class, others only the other
            total += math.prod((top - bottom + 1) / size for bottom, top, size in zip(low, high, sizes, strict=True))
            boxes.append((low, high))
            continue
        at, where = way.axes[open_], way.border(open_, low, high)
        lower, upper = high.copy(), low.copy()
        lower[at], upper[at] = where - 1, where
        stack.append((copies, low, lower))
        stack.append((copies, upper, high))
    return Certificate("tree", total, total, np.array(boxes, np.int64).reshape(len(boxes), 2, len(sizes)), space=split.space)


@dataclass(frozen=True)
class _Way:
    """A tree as lists, to go down in: its children, and the fields of ``Cuts``."""

    left: list[int]
    right: list[int]
    axes: list[int]
    cut: list[int]
    listed: list[list[int]]
    sides: dict[int, list[bool]]

    def down(self, node: int, variant: int, low: list[int], high: list[int]) -> int:
        """Return where a copy stops: at a leaf, or at a split that cuts the box."""
        while self.left[node] >= 0:
            at, where = self.axes[node], self.cut[node]
            if at < 0:
                goes: bool | None = self.sides[node][variant]
            elif where < 0:
                there = self.listed[-1 - where][high[at] + 1] - self.listed[-1 - where][low[at]]
                goes = True if there == high[at] - low[at] + 1 else False if there == 0 else None
            else:
                goes = True if high[at] < where else False if low[at] >= where else None
            if goes is None:
                break
            node = self.left[node] if goes else self.right[node]
        return node

    def border(self, node: int, low: list[int], high: list[int]) -> int:
        """Return the first place in a box that goes another way at a split than the one before it."""
        at, where = self.axes[node], self.cut[node]
        if where >= 0:
            return where
        row = self.listed[-1 - where]
        return next(each for each in range(low[at] + 1, high[at] + 1) if row[each + 1] - row[each] != row[each] - row[each - 1])


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


def _below(grown: Trees, classes: Array, axes: list[int]) -> tuple[list[int], list[bool], list[int]]:
    """Return for each node which classes (1 the first, 2 the second, 3 both) and whether a protected split are below it, and its depth."""
    held, depends, depth = [0] * len(grown.left), [False] * len(grown.left), [0] * len(grown.left)
    order, waiting = [], [int(grown.roots[0])]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if grown.left[node] >= 0:
            waiting += [int(grown.left[node]), int(grown.right[node])]
            depth[waiting[-1]] = depth[waiting[-2]] = depth[node] + 1
    for node in reversed(order):
        if grown.left[node] < 0:
            held[node] = 2 if classes[node] else 1
        else:
            one, other = int(grown.left[node]), int(grown.right[node])
            held[node] = held[one] | held[other]
            depends[node] = axes[node] < 0 or depends[one] or depends[other]
    return held, depends, depth
