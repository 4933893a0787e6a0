"""How many positives and negatives got each score: all that ranking, calibration and loss of a binary score need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary.resample import GROUPS, Array, Replicates, drawn, left_out
from assay.summary.summary import Summary

__all__ = ["Ranks", "Scores"]

COARSE = 512  # cells in which errors are resampled; point estimates use every score


@dataclass(frozen=True)
class Ranks:
    """Distinct scores (scores,) in rising order, and counts (..., scores, 2) of negatives and positives at each."""

    scores: Array
    counts: Array

    @property
    def negatives(self) -> Array:
        return self.counts[..., 0]

    @property
    def positives(self) -> Array:
        return self.counts[..., 1]


class Scores(Summary):
    """Negatives and positives at every distinct score; exact up to ``size`` (score, group) pairs.

    Beyond, scores are rounded down to fewer and fewer leading bits of their float64 representation (a relative grid), as few as
    needed: a function of the scores alone, so that any split of the rows gives the same counts. :attr:`tied` is the share of
    pairs that rounding tied, which bounds the error of AUC by half of it.

    >>> scores = Scores()
    >>> scores.update(np.array([0, 1, 1]), np.array([0.2, 0.9, 0.2]))
    >>> scores.view().scores.tolist(), scores.view().counts.tolist()
    ([0.2, 0.9], [[1.0, 1.0], [0.0, 1.0]])
    """

    kind: ClassVar[str] = "scores"
    inputs: ClassVar[tuple[str, ...]] = ("@label", "@score")

    def __init__(self, *, size: int = 1 << 19, grouped: bool = False, of: int = 1):
        if not 1024 <= size <= 1 << 24:
            raise SummaryError(f"a size of {size} scores cannot be kept", expected="between 1024 and 16777216")
        self.size, self.grouped, self.of = int(size), bool(grouped), int(of)
        self.rows = 0
        self.dropped = 0  # trailing bits of the scores that were rounded away
        self._keys = np.empty(0, np.int64)  # scores as integers of the same order
        self._groups = np.empty(0, np.int64)
        self._counts = np.empty((0, 2))
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._waits = 0

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        """Add rows: labels as class codes (``of`` is the positive one, the rest negative), and their scores."""
        label, score = np.asarray(columns[0]), np.asarray(columns[1], np.float64)
        if not np.isfinite(score).all():
            raise SummaryError("a score is not a finite number")
        if self.grouped and group is None:
            raise SummaryError("a grouped 'scores' summary needs the group of each row")
        self.rows += len(label)
        counts = np.zeros((len(label), 2))
        counts[np.arange(len(label)), (label == self.of).astype(np.int64)] = 1.0 if weight is None else weight
        groups = np.asarray(group, np.int64) if self.grouped else np.zeros(len(label), np.int64)
        self._waiting.append((self._rounded(_keys(score)), groups, counts))
        self._waits += len(label)
        if self._waits > max(self.size, 1 << 18):
            self._settle()

    def _rounded(self, keys: Array) -> Array:
        out: Array = (keys >> self.dropped) << self.dropped
        return out

    def _settle(self) -> None:
        """Bring what waits into order: equal scores of a group become one, and as few bits go as must."""
        if not self._waiting:
            return
        parts = [(self._keys, self._groups, self._counts), *self._waiting]
        keys, groups = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        counts = np.concatenate([part[2] for part in parts])
        self._waiting, self._waits = [], 0
        while True:
            keys = self._rounded(keys)
            order = np.lexsort((groups, keys)) if self.grouped else np.argsort(keys, kind="stable")
            keys, groups, counts = keys[order], groups[order], counts[order]
            new = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]) | (groups[1:] != groups[:-1])))
            if len(keys):
                keys, groups, counts = keys[new], groups[new], np.add.reduceat(counts, new, axis=0)
            if len(keys) <= self.size:
                break
            self.dropped += 1
        self._keys, self._groups, self._counts = keys, groups, counts

    def merge(self, other: Self) -> Self:
        self._same(other, "size", "grouped", "of")
        out = type(self)(size=self.size, grouped=self.grouped, of=self.of)
        out.rows = self.rows + other.rows
        out.dropped = max(self.dropped, other.dropped)
        for each in (self, other):
            each._settle()
            out._waiting.append((each._keys, each._groups, each._counts))
        out._settle()
        return out

    @property
    def n(self) -> int:
        return self.rows

    def view(self) -> Ranks:
        """Return scores and counts over all groups."""
        self._settle()
        if not self.grouped or not len(self._keys):
            return Ranks(_scores(self._keys, self.dropped), self._counts)
        new = np.flatnonzero(np.append(True, self._keys[1:] != self._keys[:-1]))
        return Ranks(_scores(self._keys[new], self.dropped), np.add.reduceat(self._counts, new, axis=0))

    @property
    def tied(self) -> float:
        """The share of (positive, negative) pairs that rounding may have tied; 0 while exact."""
        if not self.dropped:
            return 0.0
        counts = self.view().counts
        pairs = float(counts[:, 0].sum() * counts[:, 1].sum())
        return float((counts[:, 0] * counts[:, 1]).sum()) / pairs if pairs else 0.0

    def replicates(self, seed: int = 0) -> Replicates[Ranks]:
        """Return resampled counts in at most ``COARSE`` cells of about equal weight."""
        self._settle()
        scores = _scores(self._keys, self.dropped)
        reached = np.cumsum(self._counts.sum(axis=1))
        cell = np.minimum((reached - self._counts.sum(axis=1)) / max(reached[-1], 1e-300) * COARSE, COARSE - 1).astype(np.int64)
        if len(scores):  # equal scores stay together, else ties would be broken by group
            starts = np.append(True, scores[1:] != scores[:-1])
            cell = cell[np.maximum.accumulate(np.where(starts, np.arange(len(scores)), 0))]
        used, cell = np.unique(cell, return_inverse=True)
        weight = np.bincount(cell, self._counts.sum(axis=1))
        middle = np.bincount(cell, self._counts.sum(axis=1) * scores) / np.maximum(weight, 1e-300)
        many = GROUPS if self.grouped else 1
        counts = np.stack([np.bincount(self._groups * len(used) + cell, self._counts[:, side], many * len(used))
                           for side in (0, 1)], axis=-1).reshape(many, len(used), 2)
        if self.grouped:
            parts = left_out(counts)
            return Replicates(Ranks(middle, parts), "jackknife", max(len(parts) - 1.0, 1.0))
        return Replicates(Ranks(middle, drawn(counts[0], seed=seed)), "bootstrap", np.inf)

    def fields(self) -> Mapping[str, Any]:
        self._settle()
        return {"size": self.size, "grouped": self.grouped, "of": self.of, "rows": self.rows, "dropped": self.dropped,
                "keys": self._keys, "groups": self._groups.astype(np.int32), "counts": self._counts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(size=int(fields["size"]), grouped=bool(fields["grouped"]), of=int(fields["of"]))
        keys, groups, counts = fields["keys"], fields["groups"].astype(np.int64), fields["counts"]
        order = keys.astype(np.float64) * 0 if not len(keys) else np.diff(keys)
        fits = (len(keys) == len(groups) == len(counts) <= out.size and counts.shape == (len(keys), 2) and (order >= 0).all()
                and np.isfinite(counts).all() and (counts >= 0).all() and (groups >= 0).all() and (groups < GROUPS).all()
                and 0 <= int(fields["dropped"]) < 64 and int(fields["rows"]) >= 0)
        if not fits or not np.isfinite(_scores(keys, int(fields["dropped"]))).all():
            raise SummaryError("the counts do not make a 'scores' summary")
        out.rows, out.dropped = int(fields["rows"]), int(fields["dropped"])
        out._keys, out._groups, out._counts = keys.astype(np.int64), groups, counts.astype(np.float64)
        return out


def _keys(scores: Array) -> Array:
    """Return float64 as int64 of the same order (negative floats count down in their bits)."""
    bits = (scores + 0.0).view(np.int64)
    out: Array = np.where(bits < 0, np.int64(-(2**63)) - bits, bits)
    return out


def _scores(keys: Array, dropped: int) -> Array:
    """Return the scores of keys; rounded keys stand for the middle of what was rounded to them."""
    keys = keys + ((1 << dropped) >> 1)
    bits = np.where(keys < 0, np.int64(-(2**63)) - keys, keys)
    out: Array = bits.view(np.float64)
    return out
