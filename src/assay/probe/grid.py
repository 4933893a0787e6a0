"""Where the splits of trees and the numbers of a model lie on the axes of a space.

``columns`` gives the numbers that a model reads of each place of an axis, ``cuts`` the ``Cuts`` of an ensemble: each split as an axis and
the places that go left. Certificates in this package import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.model.trees import Trees
from assay.probe.space import Space

__all__ = ["Cuts", "columns", "cuts"]

Array = np.ndarray[Any, Any]


def columns(space: Space, matrix: Any) -> tuple[Array, list[Array], Array]:
    """Return the numbers of the usual point, those with each axis at each of its places, and those of each variant."""
    usual = space.usual
    first = np.zeros(1, np.int64)
    base = matrix(space.batch(usual[None], first))
    each = []
    for place, size in enumerate(space.sizes):
        points = np.tile(usual, (int(size), 1))
        points[:, place] = np.arange(size)
        each.append(matrix(space.batch(points, np.zeros(int(size), np.int64))))
    variants = matrix(space.batch(np.tile(usual, (len(space.variants), 1)), np.arange(len(space.variants))))
    return np.asarray(base), each, np.asarray(variants)


@dataclass(frozen=True, eq=False)
class Cuts:
    """Each split of an ensemble as a division of the places of an axis of ``space``.

    ``axis`` is -1 at splits of protected columns, of which ``sides`` says which variants go left. Of the others the first ``cut`` places go
    left; where ``cut`` is below 0, those that the row ``-1 - cut`` of ``listed`` counts: its entry at k is how many of the first k do.
    """

    space: Space
    axis: Array
    cut: Array
    listed: Array
    sides: dict[int, list[bool]]


def cuts(grown: Trees, space: Space, inputs: Sequence[str]) -> Cuts | None:
    """Return the splits of an ensemble on a space, None where it splits a column that the space lacks.

    A column in one-hot parts is one axis, of which each part lists a place. Categories that the model reads as one number stand in the
    order of that number in the space that is returned, so that most splits take first places.
    """
    protected = {each.name for each in space.protected}
    names = [inputs[int(each)] for each in grown.source]
    inner = np.flatnonzero(grown.left >= 0)
    used = np.unique(grown.feature[inner]).tolist()
    space = _ordered(space, {name: [each for each in used if names[each] == name] for name in {names[each] for each in used}}, grown.matrix)
    named = {each.name: place for place, each in enumerate(space.axes)}
    _, numbered, variants = columns(space, grown.matrix)
    axes, cut = np.zeros(len(grown.left), np.int64), np.zeros(len(grown.left), np.int64)
    sides: dict[int, list[bool]] = {}
    rows: list[Array] = []
    width, count = int(space.sizes.max()) + 1, 0
    for feature in used:
        nodes, name = inner[grown.feature[inner] == feature], names[feature]
        if name not in named and name not in protected:
            return None
        numbers = (variants if name in protected else numbered[named[name]])[:, feature].astype(np.float64)
        goes = grown.goes_left(np.repeat(nodes, len(numbers)), np.tile(numbers, len(nodes))).reshape(len(nodes), len(numbers))
        if name in protected:
            axes[nodes] = -1
            sides |= dict(zip(nodes.tolist(), goes.tolist(), strict=True))
            continue
        axes[nodes], cut[nodes] = named[name], goes.sum(axis=1)
        strange = (goes[:, 1:] & ~goes[:, :-1]).any(axis=1)   # what goes left is not the first places
        if strange.any():
            kinds, which = np.unique(goes[strange], axis=0, return_inverse=True)
            cut[nodes[strange]] = -1 - count - which.reshape(-1)
            summed = np.cumsum(kinds, axis=1)
            rows.append(np.pad(summed, ((0, 0), (1, width - 1 - summed.shape[1])), mode="edge"))
            rows[-1][:, 0] = 0
            count += len(kinds)
    listed = np.concatenate(rows) if rows else np.zeros((1, width), np.int64)
    return Cuts(space, axes, cut, listed.astype(np.int32), sides)


def _ordered(space: Space, features: Mapping[str, Sequence[int]], matrix: Any) -> Space:
    """Return the space with categories in the order of the one number that stands for each, where one does."""
    loose = [place for place, each in enumerate(space.axes) if not each.ordered and len(features.get(each.name, ())) == 1]
    if not loose:
        return space
    numbered, axes = columns(space, matrix)[1], list(space.axes)
    for place in loose:
        each = axes[place]
        order = np.argsort(numbered[place][:, features[each.name][0]].astype(np.float64), kind="stable")
        usual = int(np.flatnonzero(order == each.usual)[0])
        axes[place] = replace(each, values=each.values.take(pa.array(order)), usual=usual)
    return replace(space, axes=tuple(axes))
