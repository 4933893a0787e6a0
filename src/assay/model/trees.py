"""The trees of a model in one layout, whichever library grew them, for whoever can use more than ``predict``.

``trees(model)`` returns the :class:`Trees` of a model, or None where it has none that can be read; adapters build them with
:class:`Growth`. Layers above the models may import this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa

from assay.errors import ModelError

__all__ = ["Growth", "Trees", "Unit", "trees"]

Array = np.ndarray[Any, Any]
Unit = Literal["log-odds", "log", "margin", "probability", "value"]
_NONE = -1
_READ = "_trees_read"   # where the one who answers for a model keeps what was read


@dataclass(frozen=True, eq=False)
class Trees:
    """An ensemble of decision trees: the sum of one leaf of each tree and ``base``.

    Nodes of all trees stand in one table of N rows. ``left`` and ``right`` are rows of it, -1 at a leaf. A row of data goes left
    where ``x < threshold`` (``strict``) or ``x <= threshold``; ``single``: after x was rounded to 32 bits. Where ``sets`` is not -1
    it is a set of categories: a value in ``categories[sets]`` goes left if ``listed_left``, else right, and any other the other way.
    NaN goes left where ``default_left``. ``cover`` is the weight of training rows in a node, ``value`` (N, width) what a leaf adds to
    the outputs from ``output[tree]`` on. ``unit`` says what the outputs are: ``log-odds`` of the second class, ``log`` of the value,
    ``margin`` (one a class), ``probability`` or ``value``. ``matrix`` turns a batch of the model's columns into numbers (rows, width
    of the input), and ``source`` names the input column that each number stands for.
    """

    roots: Array
    left: Array
    right: Array
    feature: Array
    threshold: Array
    default_left: Array
    sets: Array
    cover: Array
    value: Array
    output: Array
    base: Array
    unit: Unit
    strict: bool
    single: bool
    matrix: Callable[[pa.RecordBatch], Array]
    source: Array
    categories: tuple[Array, ...] = ()
    listed_left: bool = True

    def __post_init__(self) -> None:
        size, inner = len(self.left), self.left != _NONE
        children = np.concatenate([self.left[inner], self.right[inner], self.roots])
        # each node is reached once, so there is no way round in circles and no node outside
        if len(children) and (children.min() < 0 or children.max() >= size or len(np.unique(children)) < len(children)):
            raise ModelError("the trees of the model are damaged", expected="each node below one other")
        if (self.feature[inner] < 0).any() or (self.feature[inner] >= len(self.source)).any():
            raise ModelError("the trees of the model test a column that is not there")

    @property
    def outputs(self) -> int:
        """How many numbers it gives a row."""
        return len(self.base)

    def goes_left(self, node: Array, x: Array) -> Array:
        """Return for each node of an array whether the value beside it goes left there."""
        values = x.astype(np.float32).astype(np.float64) if self.single else x
        with np.errstate(invalid="ignore"):
            out = values < self.threshold[node] if self.strict else values <= self.threshold[node]
        named = self.sets[node]
        for each in np.unique(named[named != _NONE]):
            at = named == each
            out[at] = np.isin(np.floor(x[at]), self.categories[each]) == self.listed_left
        lost = np.isnan(x)
        out[lost] = self.default_left[node[lost]]
        return cast(Array, out)

    def leaves(self, numbers: Array) -> Array:
        """Return the node of the leaf that each row reaches in each tree, (rows, trees)."""
        found = np.empty((len(numbers), len(self.roots)), np.int64)
        for place, root in enumerate(self.roots):
            node = np.full(len(numbers), root)
            rows = np.arange(len(numbers))
            while len(rows := rows[self.left[node[rows]] != _NONE]):
                at = node[rows]
                goes = self.goes_left(at, numbers[rows, self.feature[at]])
                node[rows] = np.where(goes, self.left[at], self.right[at])
            found[:, place] = node
        return found

    def sums(self, numbers: Array) -> Array:
        """Return the sum of leaves and base in 64 bits, (rows, outputs): what a library adds up in 32 bits, without its rounding."""
        out = np.tile(self.base, (len(numbers), 1))
        reached, width = self.leaves(numbers), self.value.shape[1]
        for place, first in enumerate(self.output):
            out[:, first:first + width] += self.value[reached[:, place]]
        return out


def trees(model: object) -> Trees | None:
    """Return the trees of a loaded model, or None: it has none, or some that this layout cannot hold (linear leaves, text).

    They are read once and kept with the model, as long as it lives: a model that is trained further is to be loaded again.

    >>> import assay
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> found = trees(assay.load(DecisionTreeRegressor().fit([[0.0], [1.0]], [2.0, 3.0])))
    >>> found.threshold[found.roots].tolist(), found.sums(np.array([[0.5], [0.6]])).tolist()
    ([0.5], [[2.0], [3.0]])
    """
    respond = getattr(model, "respond", None)
    ask = getattr(respond, "trees", None)
    if ask is None:
        return None
    held = getattr(respond, "__dict__", None)
    if not isinstance(held, dict):
        return cast("Trees | None", ask())
    if _READ not in held:   # two threads may read at once: the first to end is kept, so that there is one ensemble
        held.setdefault(_READ, ask())
    return cast("Trees | None", held[_READ])


@dataclass
class Growth:
    """Trees as they are read, one after the other: :meth:`add` each, then :meth:`trees` gives all."""

    tables: list[dict[str, Array]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    output: list[int] = field(default_factory=list)
    categories: list[Array] = field(default_factory=list)
    size: int = 0

    def add(self, *, left: Array, right: Array, feature: Array, threshold: Array, default_left: Array, cover: Array, value: Array,
            output: int = 0, sets: Sequence[tuple[int, Array]] = ()) -> None:
        """Add one tree whose root is row 0; ``sets`` are pairs of a node and its categories."""
        count = len(left)
        named = np.full(count, _NONE, np.int64)
        for node, members in sets:
            named[node] = len(self.categories)
            self.categories.append(np.asarray(members, np.float64))
        inner = np.asarray(left) != _NONE
        self.tables.append({
            "left": np.where(inner, np.asarray(left, np.int64) + self.size, _NONE),
            "right": np.where(inner, np.asarray(right, np.int64) + self.size, _NONE),
            "feature": np.where(inner, feature, _NONE).astype(np.int64), "threshold": np.asarray(threshold, np.float64),
            "default_left": np.asarray(default_left, bool), "sets": named, "cover": np.asarray(cover, np.float64),
            "value": np.asarray(value, np.float64).reshape(count, -1)})
        self.roots.append(self.size)
        self.output.append(output)
        self.size += count

    def trees(self, **rest: Any) -> Trees:
        """Return what was added; ``rest`` are the other fields of :class:`Trees`."""
        if not self.tables:
            raise ModelError("the model holds no trees", expected="a model that was trained")
        joined: dict[str, Any] = {name: np.concatenate([each[name] for each in self.tables]) for name in self.tables[0]}
        return Trees(roots=np.array(self.roots, np.int64), output=np.array(self.output, np.int64), categories=tuple(self.categories),
                     **joined, **rest)
