"""Exact Shapley values of tree ensembles, of the size of the background hardly dependent.

``shapley(trees, rows, background)`` is the interface; ``explain.explain`` and benchmarks use it. With a background the game is
interventional: absent columns take the values of a background row, and the values are means over all of them (Quantitative Input
Influence). Without one it is path dependent: absent columns take both branches, weighted by training rows (Lundberg et al. 2020).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from assay.errors import DataError, ModelError
from assay.explain import _numba, _plain
from assay.explain.path import gathered, paths
from assay.model.trees import Trees

__all__ = ["shapley"]

Array = np.ndarray[Any, Any]


def shapley(trees: Trees, rows: Array, background: Array | None = None, *, output: int = 0, players: Array | None = None,
            compiled: bool | None = None) -> tuple[Array, float]:
    """Return the Shapley values (rows, players) of one output of an ensemble, and its mean over the background.

    ``rows`` and ``background`` are numbers in the layout of the trees, (rows, features) with NaN for missing. ``players`` names the
    player of each feature, by default its input column: features of one player come and go together. ``compiled``: whether to use
    numba, by default where it is installed. Raises ``ModelError`` for a path of more than 64 players.

    A leaf of value v adds, for each background row, v (p-1)! n! / (p+n)! to a player that only the row passes and -v p! (n-1)! / (p+n)!
    to one that only the background passes, where p and n count such players and none may be passed by neither. The sum over the
    background is one subset sum at each node of a Gauss-Legendre rule, which is exact, as the weights are Beta integrals.

    >>> import assay
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from assay.model.trees import trees
    >>> model = assay.load(DecisionTreeRegressor().fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 4]))
    >>> values, base = shapley(trees(model), np.array([[1, 1]]), np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), compiled=False)
    >>> values.tolist(), base
    ([[1.5, 1.5]], 1.0)
    """
    if background is not None and not len(background):
        raise DataError("the background holds no rows", expected="at least one row to compare with")
    if not 0 <= output < trees.outputs:
        raise ModelError(f"there is no output {output}", expected=f"one of {trees.outputs}")
    chosen = (trees.output <= output) & (output < trees.output + trees.value.shape[1])
    some = dataclasses.replace(trees, roots=trees.roots[chosen], output=trees.output[chosen])
    who = trees.source if players is None else players
    width = int(max(who.max(initial=-1), trees.source.max(initial=-1))) + 1
    base = float(trees.base[output])
    if not chosen.any():
        return np.zeros((len(rows), width)), base
    way = paths(some)
    player = np.concatenate([who[:len(way.cuts)], who[[feature for feature, _ in way.virtual]]]).astype(np.int64)
    value = _values(some, output)
    codes = way.codes(rows)
    behind = None if background is None else way.codes(background)
    kernels = _numba.kernels() if compiled is not False and codes.dtype == np.uint16 else None
    if compiled and kernels is None:
        raise ModelError("the compiled kernels cannot be used", expected="numba, and fewer than 65,534 cuts a column")
    out = np.zeros((width, len(rows)))
    if kernels is None:
        leaves = gathered(way, player, -1)[1]
        leaves.check()
        base += _plain.values(leaves, value[leaves.leaf], codes, behind, out)
    else:
        base += _numba.values(kernels, way, player, value, codes, behind, out)
    return np.ascontiguousarray(out.T), base


def _values(trees: Trees, output: int) -> Array:
    """What each node adds to one output."""
    if trees.value.shape[1] == 1:
        return np.ascontiguousarray(trees.value[:, 0])
    tree = np.clip(np.searchsorted(trees.roots, np.arange(len(trees.left)), side="right") - 1, 0, None)
    found: Array = trees.value[np.arange(len(tree)), np.clip(output - trees.output[tree], 0, trees.value.shape[1] - 1)]
    return found
