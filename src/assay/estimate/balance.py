"""Weights that make the labelled rows look like those of now: the smallest change of weights that brings every group to its share of now.

``Groups.of(reference, wrong)`` cuts rows once, into bins of each input and the leaves of a tree of where the model is wrong;
``balance(groups, current)`` finds the weights of a window. Only shares of groups matter to a mean, so this is faster than learning
to tell the two apart, and steadier.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize, sparse

from assay.estimate.ratio import CUT, Ratio, apart
from assay.estimate.rows import Array, Rows

__all__ = ["Groups", "balance"]

BINS = 12
LEAVES, LEAF = 48, 100
RIDGE = 3.0        # rows of a group by which shares of now are doubted
_STEPS = 40
_NEAR = 0.1        # of its sampling error, to which a share is met
_WIDE, _SOME = 1_500, 3_000   # groups beyond which how they go together is left out of the search; rows of now that it is taken from


@dataclass(frozen=True, eq=False)
class Groups:
    """How rows are cut, fixed on the reference: edges of numbers, how many codes a category has, and a tree; ``marks`` are its rows'."""

    edges: tuple[Array | None, ...]
    codes: tuple[int, ...]
    tree: Any
    leaves: Array
    marks: Any = None

    @classmethod
    def of(cls, reference: Rows, wrong: Array) -> Groups:
        """Cut the rows of the reference; ``wrong`` (n,) is how wrong the model is at each."""
        from sklearn.tree import DecisionTreeRegressor

        x = reference.inputs
        edges: list[Array | None] = []
        codes = []
        for column, coded in zip(x.T, reference.marks, strict=True):
            there = column[~np.isnan(column)]
            if coded:   # the last two are what the reference never had, and what is missing
                edges.append(None)
                codes.append(int(there.max(initial=0)) + 3)
            else:
                inner = np.unique(np.quantile(there, np.arange(1, BINS) / BINS)) if len(there) else np.empty(0)
                edges.append(inner)
                codes.append(len(inner) + 2)
        tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF, random_state=0).fit(x, wrong)
        made = cls(tuple(edges), tuple(codes), tree, np.unique(tree.apply(x)))
        return dataclasses.replace(made, marks=made(reference))

    @functools.cached_property
    def back(self) -> Any:
        """The rows' marks by group."""
        return self.marks.T.tocsr()

    @functools.cached_property
    def share(self) -> Array:
        """How large each group is in the reference."""
        return np.asarray(self.marks.mean(axis=0)).ravel()

    @functools.cached_property
    def together(self) -> Array | None:
        """The covariance of the marks, None of very many groups."""
        return _together(self.marks) if len(self.share) <= _WIDE else None

    def __call__(self, rows: Rows) -> sparse.csr_matrix:
        """Return (n, groups) of 0 and 1: which groups each row is in."""
        x = rows.inputs
        columns, first = [], 0
        for column, inner, width in zip(x.T, self.edges, self.codes, strict=True):
            place = np.minimum(np.nan_to_num(column), width - 2) if inner is None else np.searchsorted(inner, column, side="right")
            columns.append(np.where(np.isnan(column), width - 1, place).astype(np.int32) + first)
            first += width
        columns.append(np.searchsorted(self.leaves, self.tree.apply(x)).astype(np.int32) + first)
        every = np.column_stack(columns)
        n, k = every.shape
        return sparse.csr_matrix((np.ones(n * k), every.ravel(), np.arange(0, n * k + 1, k)), shape=(n, first + len(self.leaves)))


def balance(groups: Groups, current: Rows) -> Ratio:
    """Return weights exp(sum of a number for each group of a row) under which the reference has the groups' shares of ``current``.

    Entropy balancing (Hainmueller 2012), which is the logistic density ratio fitted to means; shares are held as near as a window of its
    size knows them (ridge).

    >>> rng = np.random.default_rng(0)
    >>> old, new = (Rows(rng.normal(at, 1, (4000, 1)), np.zeros(4000)) for at in (0.0, 0.5))
    >>> found = balance(Groups.of(old, rng.random(4000)), new)
    >>> bool(0.45 < np.average(old.features[:, 0], weights=found.weight) < 0.55), bool(2500 < found.effective < 3500)
    (True, True)
    """
    before, now = groups.marks, groups(current)
    n, m = before.shape[0], now.shape[0]
    share = np.asarray(now.mean(axis=0)).ravel()
    step = _step(groups, now, share)

    def cost(place: Array) -> tuple[float, Array]:
        at = step @ place if step.ndim == 2 else step * place
        line = before @ at
        top = line.max()
        mass = np.exp(line - top)
        whole = mass.sum()
        value = float(np.log(whole) + top - share @ at + 0.5 * RIDGE / m * (at @ at))
        slope = groups.back @ (mass / whole) - share + RIDGE / m * at
        return value, step.T @ slope if step.ndim == 2 else step * slope

    found = optimize.minimize(cost, np.zeros(before.shape[1]), jac=True, method="L-BFGS-B",
                              options={"maxiter": _STEPS, "gtol": _NEAR / np.sqrt(m)})
    at = step @ found.x if step.ndim == 2 else step * found.x
    old, new = before @ at, now @ at
    level = float(np.log(np.exp(old - old.max()).mean()) + old.max())
    weight = np.minimum(np.exp(old - level), CUT)
    return Ratio(weight * (n / weight.sum()), np.exp(np.clip(new - level, -30, 30)), apart(old, new))


def _step(groups: Groups, now: Any, share: Array) -> Array:
    """Return what makes the search about as steep in every direction, so that it takes few steps: a matrix, or a number for each group.

    The curvature is the covariance of the marks, of the reference where the search begins and of now where it ends: their mean will do.
    """
    together = groups.together
    if together is None:   # rare groups are steep: in units of their spread
        return np.asarray(1 / np.sqrt(groups.share + share + 1 / groups.marks.shape[0]))
    curve = (together + _together(now[:: now.shape[0] // _SOME + 1])) / 2
    lower = np.linalg.cholesky(curve + RIDGE / now.shape[0] * np.eye(len(share)))
    return np.asarray(linalg.solve_triangular(lower, np.eye(len(share)), lower=True).T)


def _together(marks: Any) -> Array:
    """Return the covariance of marks."""
    share = np.asarray(marks.mean(axis=0)).ravel()
    return np.asarray((marks.T @ marks).toarray() / marks.shape[0] - np.outer(share, share))
