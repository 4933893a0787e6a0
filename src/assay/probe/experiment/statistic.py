"""What is compared between the units of two treatments: means, counts of words and items, and how well a classifier tells them apart.

``Difference`` of one number a unit, ``Contrast`` of many, ``CrossFit`` of a classifier that never saw the units it judges; all take many
assignments at once, rows of 0 and 1. ``counted`` makes numbers of what units were shown, ``ranked`` of numbers their ranks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Contrast", "CrossFit", "Difference", "counted", "keywords", "ranked", "words"]

Array = np.ndarray[Any, Any]

FEATURES = 1_000
FOLDS = 10
RIDGE = 1.0          # times the mean squared length of a unit's features
_WORD = re.compile(r"[^\W_]{2,40}")


class Difference:
    """The mean of the treated less that of the others, block by block, blocks weighted by n1 n0 / (n1 + n0).

    That is the coefficient of the treatment in a regression with one intercept a block. ``values`` (units,) are NaN where a unit gave
    none; a unit without a value keeps its place among the lots, so that a test stays exact whoever is missing.

    >>> even = Difference(np.array([1., 3., 5., 9.]), np.array([0, 0, 1, 1]))
    >>> even(np.array([[0, 1, 0, 1], [1, 0, 0, 1]])).tolist()
    [3.0, 1.0]
    """

    def __init__(self, values: Array, blocks: Array):
        _, at = np.unique(blocks, return_inverse=True)
        self.seen = np.isfinite(values)
        self.residual = _centred(np.where(self.seen, values, 0.0)[:, None], self.seen, at)[:, 0]
        self.order = np.argsort(at, kind="stable")
        self.starts = np.searchsorted(at[self.order], np.arange(at.max() + 1))
        self.count = np.bincount(at, self.seen.astype(np.float64))

    def __call__(self, rows: Array) -> Array:
        treated = np.add.reduceat((rows * self.seen)[:, self.order], self.starts, axis=1)
        weight = (treated * (self.count - treated) / np.maximum(self.count, 1)).sum(axis=1)
        total = rows @ self.residual
        return np.asarray(np.divide(total, weight, out=np.zeros(len(rows)), where=weight > 0))

    def size(self, rows: Array) -> Array:
        """Return the differences without their sign, for tests of both sides."""
        return np.abs(self(rows))


class Contrast:
    """How much more often each feature was seen by the treated, in standard deviations under the lots: (draws, features), no sign.

    ``features`` are counts (units, features); rows of units that are not ``seen`` do not count.
    """

    def __init__(self, features: Array, seen: Array, labels: Array, blocks: Array):
        _, at = np.unique(blocks, return_inverse=True)
        residual = _centred(features, seen, at)
        size, treated = np.bincount(at).astype(np.float64), np.bincount(at, labels)
        share = treated * (size - treated) / np.maximum(size * (size - 1), 1)   # of a block's squares: the variance of its sum
        deviation = np.sqrt(share[at] @ residual**2)
        # 32 bits are enough for ranks of sums, and half the time
        self.residual = np.divide(residual, deviation, out=np.zeros_like(residual), where=deviation > 1e-9).astype(np.float32)

    def __call__(self, rows: Array) -> Array:
        return np.asarray(np.round(np.abs(rows.astype(np.float32) @ self.residual), 4))   # ties stay ties

    def best(self, rows: Array) -> Array:
        """Return the greatest of each row."""
        return np.asarray(self(rows).max(axis=1, initial=0.0))


class CrossFit:
    """How well a linear classifier tells the treated from the others of blocks that it was not trained on.

    ``features`` are logarithms of counts, centred within the block and scaled, none of which depends on the lots. The classifier is ridge
    regression on the labels: its scores of the units left out are linear in the labels of the rest, so that one matrix trains it anew for
    every assignment. ``accuracy`` is the share of units that fall on their side; calling gives the correlation of score and label, in which
    sure answers count more.
    """

    def __init__(self, features: Array, seen: Array, labels: Array, blocks: Array, *, folds: int = FOLDS, seed: int = 0):
        _, at = np.unique(blocks, return_inverse=True)
        many = int(at.max()) + 1
        self.seen = seen
        self.mean = (np.bincount(at, labels) / np.bincount(at))[at].astype(np.float32)
        x = _centred(np.log1p(features), seen, at)
        scale = np.sqrt((x**2).mean(axis=0))
        x = x[:, scale > 1e-9] / scale[scale > 1e-9]
        x /= np.sqrt(max(x.shape[1], 1))
        part = np.random.default_rng(seed).permutation(many)[at] % min(folds, many)
        self.pieces: list[tuple[Array, Array, Array, Array | None]] = []
        for fold in range(min(folds, many)):
            test, train = np.flatnonzero((part == fold) & seen), np.flatnonzero((part != fold) & seen)
            if len(test) and len(train) and x.shape[1]:
                made = _smoother(x[train], x[test])
                centred = [_centred(each, np.ones(len(test), bool), at[test]) for each in made[:1]]
                self.pieces.append((test, train, centred[0].astype(np.float32), made[1]))

    def scores(self, rows: Array) -> Array:
        """Return the scores of units (draws, units), each by a classifier that was trained on other blocks; 0 where there is none."""
        labels = rows.astype(np.float32) - self.mean
        out = np.zeros(rows.shape, np.float32)
        for test, train, left, right in self.pieces:
            known = labels[:, train]
            out[:, test] = (known if right is None else known @ right.T) @ left.T
        return out

    def __call__(self, rows: Array) -> Array:
        scores = self.scores(rows)
        label = np.where(self.seen, rows - self.mean, 0.0).astype(np.float32)
        length = np.sqrt((scores**2).sum(axis=1) * (label**2).sum(axis=1))
        return np.asarray(np.round(np.divide((scores * label).sum(axis=1), length, out=np.zeros(len(rows), np.float32),
                                             where=length > 1e-12), 5), np.float64)

    def right(self, rows: Array) -> Array:
        """Return 1 for a unit on its side of the line, 0 on the other, 1/2 on it; NaN for a unit that was not seen."""
        scores = self.scores(rows)
        side = np.where(np.abs(scores) < 1e-7, 0.5, (scores > 0) == (rows == 1))
        return np.where(self.seen, side, np.nan)

    def accuracy(self, rows: Array) -> Array:
        """Return the share of the units seen that are on their side."""
        return np.asarray(np.nanmean(self.right(rows), axis=1))


def _smoother(train: Array, test: Array) -> tuple[Array, Array | None]:
    """Return a matrix, as a product where that is smaller, that turns labels of ``train`` into scores of ``test`` (ridge regression)."""
    strength = RIDGE * float((train**2).sum(axis=1).mean())
    strength = strength if strength > 0 else 1.0
    if train.shape[1] * 2 < len(train):
        right = np.linalg.solve(train.T @ train + strength * np.eye(train.shape[1]), train.T)
        return (test, right.astype(np.float32)) if len(test) > train.shape[1] else (test @ right, None)
    kernel = train @ train.T
    kernel[np.diag_indices_from(kernel)] += strength
    return np.linalg.solve(kernel, train @ test.T).T, None


def _centred(values: Array, seen: Array, at: Array) -> Array:
    """Return values (units, many) less the mean of the units seen in their block; 0 for those that were not."""
    many = int(at.max()) + 1 if len(at) else 0
    kept = np.where(seen[:, None], values, 0.0)
    count = np.maximum(np.bincount(at, seen.astype(np.float64), many), 1)
    order = np.argsort(at, kind="stable")
    present, starts = np.unique(at[order], return_index=True)
    total = np.zeros((many, values.shape[1]))
    total[present] = np.add.reduceat(kept[order], starts, axis=0)
    return np.where(seen[:, None], kept - (total / count[:, None])[at], 0.0)


def ranked(values: Array, blocks: Array) -> Array:
    """Return the ranks, from 0 to 1, of values less the median of their block (aligned ranks; Hodges and Lehmann 1962): NaN stays NaN.

    >>> ranked(np.array([1., 2., 1000., 9., np.nan]), np.array([0, 0, 0, 1, 1])).tolist()
    [0.125, 0.5, 0.875, 0.5, nan]
    """
    from scipy import stats

    out = np.full(len(values), np.nan)
    shifted = np.array(values, np.float64)
    for block in np.unique(blocks):
        inside = (blocks == block) & np.isfinite(values)
        if inside.any():
            shifted[inside] -= np.median(shifted[inside])
    seen = np.isfinite(values)
    if seen.any():
        out[seen] = (stats.rankdata(shifted[seen]) - 0.5) / seen.sum()
    return out


def words(text: str) -> list[str]:
    """Return the words of a text, small letters.

    >>> words("Be a CEO: $200k+ jobs!")
    ['be', 'ceo', '200k', 'jobs']
    """
    return _WORD.findall(text.casefold())


def keywords(items: Sequence[str], wanted: Sequence[str]) -> int:
    """Return how many of the items hold one of the words or phrases that are wanted, in any case of letters.

    >>> keywords(["Executive jobs", "cars"], ["executive", "CEO"])
    1
    """
    return sum(any(word.casefold() in item.casefold() for word in wanted) for item in items)


def counted(outcomes: Sequence[Sequence[str] | None], most: int = FEATURES) -> tuple[list[str], Array, Array]:
    """Return names, counts (units, names) and who was seen, of lists of items; the ``most`` names that the most units saw.

    Which names are kept does not depend on the treatment; a name that one unit saw only tells nothing of groups.

    >>> names, counts, seen = counted([["a", "b", "a"], None, ["a"]])
    >>> names, counts.tolist(), seen.tolist()
    (['a'], [[2.0], [0.0], [1.0]], [True, False, True])
    """
    tallies = [Counter(each or ()) for each in outcomes]
    reach = Counter(name for tally in tallies for name in tally)
    names = [name for name, units in sorted(reach.items(), key=lambda pair: (-pair[1], pair[0])) if units > 1][:most]
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(outcomes), len(names)))
    for row, tally in enumerate(tallies):
        for name, count in tally.items():
            if name in place:
                counts[row, place[name]] = count
    return names, counts, np.array([each is not None for each in outcomes], bool)
