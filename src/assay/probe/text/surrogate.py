"""A stand-in for the question "does this sentence fail?": logistic regression on what derivations are made of, alone and in pairs.

``Surrogate`` has ``marks`` (the inputs of a derivation), ``fit`` and ``chance``. ``probe.text.search`` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["Surrogate"]

Array = np.ndarray[Any, Any]

WIDTH = 1 << 16     # places of pairs of productions, and as many of single parts
MANY = 60           # productions of a derivation whose pairs are told apart
RIDGE = 0.03       # inputs have length one, so that weights are large: one, divided by about the number of inputs of a sentence
STEPS = 15
ONCE = 2            # sentences, below which a mark is left out


@lru_cache(maxsize=128)
def _pairs(size: int) -> tuple[Array, Array]:
    return np.triu_indices(size, 1)


class Surrogate:
    """Learns from outcomes; before there are both kinds every chance is one half.

    >>> model = Surrogate()
    >>> marks = [model.marks([0, 1]), model.marks([0, 2])] * 20
    >>> model.fit(marks, [True, False] * 20)
    >>> [bool(each > 0.5) for each in model.chance(marks[:2])]
    [True, False]
    """

    def __init__(self) -> None:
        self.weights = np.zeros(2 * WIDTH)
        self.bias = 0.0
        self.fitted = False

    def marks(self, parts: Sequence[int], productions: int = WIDTH) -> Array:
        """Return the places of a derivation made of ``parts``, of which those below ``productions`` are paired with each other."""
        own = np.asarray(parts, np.int64)
        used = own[own < productions][:MANY]
        one, other = _pairs(len(used))
        mixed = (used[one] * 1_000_003 + used[other] * 10_007) % WIDTH
        return np.concatenate([own % WIDTH, np.unique(mixed) + WIDTH])

    def fit(self, marks: Sequence[Array], fails: Sequence[bool]) -> None:
        """Learn from all outcomes so far, going on from what was learned before."""
        from scipy.optimize import minimize
        from scipy.sparse import csr_matrix

        y = np.asarray(fails, np.float64)
        if not 0 < y.sum() < len(y):
            return
        every = np.concatenate(marks)
        sizes = np.array([len(each) for each in marks])
        often = np.bincount(every, minlength=2 * WIDTH) >= ONCE   # what was seen once says nothing of others
        places = np.flatnonzero(often)
        column = np.cumsum(often) - 1
        use = often[every]
        ends = np.concatenate([[0], np.cumsum(use)])[np.concatenate([[0], np.cumsum(sizes)])]
        values = np.repeat(1 / np.sqrt(sizes), sizes)[use]
        x = csr_matrix((values, column[every[use]].astype(np.int32), ends.astype(np.int32)), shape=(len(marks), len(places)))
        turned = x.T.tocsr()

        def loss(theta: Array) -> tuple[float, Array]:
            margin = x @ theta[:-1] + theta[-1]
            missed = 1 / (1 + np.exp(-np.clip(margin, -30, 30))) - y
            value = np.logaddexp(0, margin).sum() - y @ margin + RIDGE / 2 * theta[:-1] @ theta[:-1]
            return float(value), np.append(turned @ missed + RIDGE * theta[:-1], missed.sum())

        found = minimize(loss, np.append(self.weights[places], self.bias), jac=True, method="L-BFGS-B",
                         options={"maxiter": STEPS, "maxcor": 6})
        self.weights[places] = found.x[:-1]
        self.bias, self.fitted = float(found.x[-1]), True

    def chance(self, marks: Sequence[Array]) -> Array:
        """Return how likely each derivation is held to fail."""
        if not self.fitted or not marks:
            return np.full(len(marks), 0.5)
        sizes = np.array([len(each) for each in marks])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        margin = np.add.reduceat(self.weights[np.concatenate(marks)], starts) / np.sqrt(sizes) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(margin, -30, 30))))

