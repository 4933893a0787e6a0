"""How many positives and negatives got each score: all that ranking, calibration and loss of a binary score need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.resample import GROUPS, Array, Replicates, drawn, grouping, left_out
from assay.summary.summary import Latch, Summary

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
    pairs that are tied then, which bounds the error of AUC by half of it. It holds scores, without saying whose.

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
        self._keys = np.empty(0, np.int64)  # scores as integers of the same order, rising
        self._groups = np.empty(0, np.int64)  # rising where keys are equal; all 0 where not grouped
        self._counts = np.empty((2, 0))  # of negatives, of positives
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._waits = 0
        self._lock = Latch()

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        """Add rows: labels as class codes (``of`` is the positive one, the rest negative), and their scores."""
        label, score = np.asarray(columns[0]), np.asarray(columns[1], np.float64)
        if not np.isfinite(score).all():
            raise SummaryError("a score is not a finite number")
        groups = grouping(group, self.kind) if self.grouped else np.zeros(len(label), np.int64)
        self.rows += len(label)
        positive = label == self.of
        counts = np.stack([~positive, positive]).astype(np.float64)
        if weight is not None:
            counts *= np.asarray(weight, np.float64)
        self._waiting.append((_keys(score), groups, counts))
        self._waits += len(label)
        if self._waits > max(self.size, 1 << 18):
            self._settle()

    def _settle(self) -> None:
        """Bring what waits into order: equal scores of a group become one, and as few bits go as must."""
        with self._lock:  # whoever reads settles what waits, and several may read at once
            self._settle_waiting()

    def _settle_waiting(self) -> None:
        if not self._waiting:
            return
        parts = [(self._keys, self._groups, self._counts), *self._waiting]
        keys, groups, counts = (np.concatenate([part[place] for part in parts], axis=-1) for place in range(3))
        while True:
            keys, groups, counts = self._joined((keys >> self.dropped) << self.dropped, groups, counts)
            if len(keys) <= self.size:
                break
            self.dropped = _bits(keys, groups, self.size)
        self._keys, self._groups, self._counts = keys, groups, counts
        self._waiting, self._waits = [], 0

    def _joined(self, keys: Array, groups: Array, counts: Array) -> tuple[Array, Array, Array]:
        order = np.argsort(keys)
        keys = keys[order]
        new = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
        if self.grouped:
            if not new.all():
                order = order[np.argsort(np.cumsum(new) * GROUPS + groups[order])]
            groups = groups[order]
            new[1:] |= groups[1:] != groups[:-1]
        else:
            groups = np.zeros(len(keys), np.int64)
        place = np.cumsum(new) - 1
        # as floats even where there are none: bincount of nothing counts in whole numbers
        added = np.stack([np.bincount(place, side[order], int(new.sum())) for side in counts]).astype(np.float64)
        return keys[new], groups[new], added

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
        keys, counts = self._keys, self._counts
        if self.grouped and len(keys):
            new = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
            keys, counts = keys[new], np.add.reduceat(counts, new, axis=1)
        return Ranks(_scores(keys, self.dropped), counts.T)

    @property
    def tied(self) -> float:
        """The share of (positive, negative) pairs that rounding may have tied; 0 while exact."""
        if not self.dropped:
            return 0.0
        counts = self.view().counts
        pairs = float(counts[:, 0].sum() * counts[:, 1].sum())
        return float((counts[:, 0] * counts[:, 1]).sum()) / pairs if pairs else 0.0

    def replicates(self, seed: int = 0) -> Replicates[Ranks]:
        """Return resampled counts in at most ``COARSE`` cells.

        Half of what makes cells equally heavy is the negatives, half the positives: where either is rare, it is still told apart.
        """
        self._settle()
        keys, counts = self._keys, self._counts
        cell, cells = np.empty(0, np.int64), 0
        if len(keys):
            mass = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)).sum(axis=0)
            before = np.cumsum(mass) - mass
            new = np.append(True, keys[1:] != keys[:-1])  # equal scores stay together, else ties would be broken by group
            before = before[np.flatnonzero(new)][np.cumsum(new) - 1]
            cell = np.minimum(before / max(float(mass.sum()), 1e-300) * COARSE, COARSE - 1).astype(np.int64)
            used, cell = np.unique(cell, return_inverse=True)
            cells = len(used)
        scores, weight = _scores(keys, self.dropped), counts.sum(axis=0)
        first = np.searchsorted(cell, np.arange(cells))
        # the mean score of a cell, taken from its first so that scores of any size do not overflow
        share = weight / np.maximum(np.bincount(cell, weight, cells), 1e-300)[cell]
        middle = scores[first] + np.bincount(cell, share * scores - share * scores[first][cell], cells)  # a gap of huge scores overflows
        many = GROUPS if self.grouped else 1
        found = np.stack([np.bincount(self._groups * cells + cell, side, many * cells) for side in counts], axis=-1)
        if self.grouped:
            parts = left_out(found.reshape(many, cells, 2))
            return Replicates(Ranks(middle, parts), "jackknife", max(len(parts) - 1.0, 1.0))
        return Replicates(Ranks(middle, drawn(found, seed=seed)), "bootstrap", np.inf)

    def fields(self) -> Mapping[str, Any]:
        self._settle()
        return {"size": self.size, "grouped": self.grouped, "of": self.of, "rows": self.rows, "dropped": self.dropped,
                "keys": self._keys, "groups": self._groups.astype(np.uint8), "counts": self._counts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(size=codec.whole(fields, "size"), grouped=codec.flag(fields, "grouped"), of=codec.whole(fields, "of", most=1 << 31))
        out.rows, out.dropped = codec.whole(fields, "rows"), codec.whole(fields, "dropped", most=63)
        out._keys = keys = codec.array(fields, "keys", "<i8")
        out._groups = groups = codec.array(fields, "groups", "|u1", (len(keys),)).astype(np.int64)
        out._counts = codec.array(fields, "counts", "<f8", (2, len(keys)), least=0)
        later = (keys[1:] > keys[:-1]) | ((keys[1:] == keys[:-1]) & (groups[1:] > groups[:-1]))
        if (len(keys) > out.size or not later.all() or (groups >= (GROUPS if out.grouped else 1)).any() or (len(keys) and not out.rows)
                or (keys >> out.dropped << out.dropped != keys).any() or (np.abs(keys.astype(np.float64)) > _GREATEST).any()):
            raise SummaryError("the counts do not make a 'scores' summary")
        return out


_GREATEST = 0x7FEFFFFFFFFFFFFF  # the key of the greatest finite number


def _bits(keys: Array, groups: Array, size: int) -> int:
    """Return how many trailing bits must go so that at most ``size`` (key, group) pairs are left.

    Two neighbours in a group become one when the highest bit in which they differ goes.
    """
    order = np.argsort(groups, kind="stable")  # keys are in order already
    keys, groups = keys[order], groups[order]
    lengths = np.searchsorted(np.uint64(1) << np.arange(64, dtype=np.uint64), (keys[1:] ^ keys[:-1]).view(np.uint64), "right")
    lengths[groups[1:] != groups[:-1]] = 64
    left = 1 + len(lengths) - np.cumsum(np.bincount(lengths, minlength=65))  # pairs that are left when 0, 1, 2 ... bits go
    return int(np.argmax(left <= size))


def _keys(scores: Array) -> Array:
    """Return float64 as int64 of the same order (negative floats count down in their bits)."""
    bits = (scores + 0.0).view(np.int64)
    out: Array = np.where(bits < 0, np.int64(-(2**63)) - bits, bits)
    return out


def _scores(keys: Array, dropped: int) -> Array:
    """Return the scores of keys; rounded keys stand for the middle of what was rounded to them."""
    keys = np.clip(keys + ((1 << dropped) >> 1), -_GREATEST, _GREATEST)
    bits = np.where(keys < 0, np.int64(-(2**63)) - keys, keys)
    out: Array = bits.view(np.float64)
    return out
