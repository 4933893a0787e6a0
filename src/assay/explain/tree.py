"""Exact Shapley values of tree ensembles, of the size of the background hardly dependent.

``shapley(trees, rows, background)`` is the interface; ``explain.explain`` and benchmarks use it. With a background the game is
interventional: absent columns take the values of a background row, and the values are means over all of them (Quantitative Input
Influence). Without one it is path dependent: absent columns take both branches, weighted by training rows (Lundberg et al. 2020).
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.errors import DataError, ModelError
from assay.explain import _plain, kernel
from assay.explain.path import Coder, Groups, gathered, paths
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
    who = trees.source if players is None else np.asarray(players, np.int64)
    width = int(max(who.max(initial=-1), trees.source.max(initial=-1))) + 1
    base = float(trees.base[output])
    plan = _planned(trees, output, who, compiled)
    if plan is None:
        return np.zeros((len(rows), width)), base
    codes = plan.coder.codes(rows)
    out = np.zeros((width, len(rows)))
    if isinstance(plan, kernel.Plan):
        behind, key = None, b"path"
        if background is not None:
            key = kernel.key(background)
            behind = functools.partial(plan.coder.codes, background)
        base += kernel.values(plan, codes, behind, key, out)
    else:
        base += _plain.values(plan.leaves, plan.value, codes, None if background is None else plan.coder.codes(background), out)
    return np.ascontiguousarray(out.T), base


@dataclass(frozen=True, eq=False)
class _Plain:
    """What an output of an ensemble is for the plain way."""

    coder: Coder
    leaves: Groups
    value: Array

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self.leaves.size


_PLANS: weakref.WeakKeyDictionary[Trees, dict[Any, _Plain | kernel.Plan | None]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()
_KEPT = 16               # plans of one ensemble: outputs, and who plays
_LARGEST = 128 * 2 ** 20   # bytes of the plans of one ensemble; a larger one is made anew each time


def _planned(trees: Trees, output: int, who: Array, compiled: bool | None) -> _Plain | kernel.Plan | None:
    """What an output of an ensemble is for the loops, made once for each ensemble; None where no tree adds to it."""
    key = (output, who.tobytes(), compiled)
    with _LOCK:
        known = _PLANS.setdefault(trees, {})
        if key in known:
            return known[key]
    made = _plan(trees, output, who, compiled)
    size = 0 if made is None else made.size
    if size <= _LARGEST:
        with _LOCK:
            while known and (len(known) >= _KEPT or size + sum(0 if each is None else each.size for each in known.values()) > _LARGEST):
                known.pop(next(iter(known)))
            known[key] = made
    return made


def _plan(trees: Trees, output: int, who: Array, compiled: bool | None) -> _Plain | kernel.Plan | None:
    chosen = (trees.output <= output) & (output < trees.output + trees.value.shape[1])
    if not chosen.any():
        return None
    some = dataclasses.replace(trees, roots=trees.roots[chosen], output=trees.output[chosen])
    way = paths(some)
    player = np.concatenate([who[:len(way.coder.cuts)], who[[feature for feature, _ in way.coder.virtual]]]).astype(np.int64)
    value = _values(some, output)
    kernels = kernel.kernels() if compiled is not False and way.coder.small else None
    if compiled and kernels is None:
        raise ModelError("the compiled kernels cannot be used", expected="numba, and fewer than 65,534 cuts a column")
    if kernels is not None:
        return kernel.plan(kernels, way, player, value)
    leaves = gathered(way, player, -1)[1]
    leaves.check()
    return _Plain(way.coder, leaves, value[leaves.leaf])


def _values(trees: Trees, output: int) -> Array:
    """What each node adds to one output."""
    if trees.value.shape[1] == 1:
        return np.ascontiguousarray(trees.value[:, 0])
    tree = np.clip(np.searchsorted(trees.roots, np.arange(len(trees.left)), side="right") - 1, 0, None)
    found: Array = trees.value[np.arange(len(tree)), np.clip(output - trees.output[tree], 0, trees.value.shape[1] - 1)]
    return found
