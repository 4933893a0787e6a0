"""Weights that make the labelled rows look like those of now: the smallest change of weights that brings every group to its share of now.

``Groups.of(reference, wrong)`` cuts rows once, into bins of each input and the leaves of a tree of where the model is wrong;
``balance(groups, current)`` finds the weights of a window. Only shares of groups matter to a mean, so this is faster than learning
to tell the two apart, and steadier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from assay.estimate.ratio import CUT, Ratio, apart
from assay.estimate.rows import Array, Rows

__all__ = ["Groups", "balance"]

BINS = 12
LEAVES, LEAF = 48, 100
RIDGE = 3.0        # rows of a group by which shares of now are doubted
_STEPS = 40
_NEAR = 0.1        # of its sampling error, to which a share is met


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
        return cls(made.edges, made.codes, tree, made.leaves, made(reference))

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
    back = before.T.tocsr()
    # rare groups are steep: in units of their spread the search is as quick along each
    scale = 1 / np.sqrt(np.asarray(before.mean(axis=0)).ravel() + share + 1 / n)

    def cost(place: Array) -> tuple[float, Array]:
        at = place * scale
        line = before @ at
        top = line.max()
        mass = np.exp(line - top)
        whole = mass.sum()
        value = float(np.log(whole) + top - share @ at + 0.5 * RIDGE / m * (at @ at))
        return value, (back @ (mass / whole) - share + RIDGE / m * at) * scale

    found = optimize.minimize(cost, np.zeros(before.shape[1]), jac=True, method="L-BFGS-B",
                              options={"maxiter": _STEPS, "gtol": _NEAR / np.sqrt(m)})
    old, new = before @ (found.x * scale), now @ (found.x * scale)
    level = float(np.log(np.exp(old - old.max()).mean()) + old.max())
    weight = np.minimum(np.exp(old - level), CUT)
    return Ratio(weight * (n / weight.sum()), np.exp(np.clip(new - level, -30, 30)), apart(old, new))
