"""Where the splits of trees and the numbers of a model lie on the axes of a space.

``columns`` gives the numbers that a model reads of each place of an axis, ``cuts`` each split of an ensemble as an axis and a count of
places. Certificates in this package import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.model.trees import Trees
from assay.probe.space import Space

__all__ = ["columns", "cuts"]

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


def cuts(grown: Trees, space: Space, inputs: Sequence[str]) -> tuple[list[int], list[int], dict[int, list[bool]]] | None:
    """Return for each split its axis and how many of its first places go left; of protected ones -1, and which variants go left."""
    named, protected = {each.name: place for place, each in enumerate(space.axes)}, {each.name for each in space.protected}
    _, numbered, variants = columns(space, grown.matrix)
    axes, cut = np.zeros(len(grown.left), np.int64), np.zeros(len(grown.left), np.int64)
    sides: dict[int, list[bool]] = {}
    inner = np.flatnonzero(grown.left >= 0)
    for feature in np.unique(grown.feature[inner]).tolist():
        nodes = inner[grown.feature[inner] == feature]
        name = inputs[int(grown.source[feature])]
        if name not in named and name not in protected:
            return None
        numbers = (variants if name in protected else numbered[named[name]])[:, feature].astype(np.float64)
        goes = grown.goes_left(np.repeat(nodes, len(numbers)), np.tile(numbers, len(nodes))).reshape(len(nodes), len(numbers))
        if name in protected:
            axes[nodes] = -1
            sides |= dict(zip(nodes.tolist(), goes.tolist(), strict=True))
            continue
        if (goes[:, 1:] & ~goes[:, :-1]).any():   # what goes left must be the first places of the axis
            return None
        axes[nodes], cut[nodes] = named[name], goes.sum(axis=1)
    return axes.tolist(), cut.tolist(), sides
