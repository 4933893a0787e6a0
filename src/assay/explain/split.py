"""Why a loss moved, before any feature: harder but known places, other answers to the same input, or inputs never seen.

``split(before, after, ...)`` returns a :class:`Split`; ``apart`` names the input that keeps two sides from overlapping, ``numbers``
turns batches into columns that a regression can read, and ``spreads`` gives the errors of sums over rows that may belong together.
``explain.change`` shares the last, verbs import them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import DataError
from assay.explain._sklearn import believed, fitted
from assay.explain.additive import additive
from assay.result import Spread, Value
from assay.summary.vector import kind_of

__all__ = ["PARTS", "Split", "apart", "numbers", "split", "spreads"]

Array = np.ndarray[Any, Any]

FOLDS = 5
TURNS = 1
FEWEST = 200       # rows on either side; below, a regression in five folds says nothing
SHARED = 0.02      # of the mixture that both sides share; below, nothing can be compared
EFFECTIVE = 50.0   # rows of each side that the shared places are worth, at least
_CATEGORIES = 200  # told apart; the rarer ones are one
PARTS = ("harder but known inputs", "other outcomes for the same inputs", "inputs never seen before")


@dataclass(frozen=True)
class Split:
    """The change of a mean loss as three values that add up to ``change``; why there are none in ``note``.

    ``shared`` is between 0 (no place in common) and 1 (the same distribution).
    """

    change: Value
    parts: tuple[Value, ...] = ()
    shared: float | None = None
    note: str | None = None


def split(before: pa.RecordBatch, after: pa.RecordBatch, losses: tuple[Array, Array], *, metric: str = "loss",
          weight: tuple[Array, Array] | None = None, group: tuple[Array, Array] | None = None, seed: int = 0) -> Split:
    """Return the change of the mean loss from ``before`` to ``after``, split in three (DISDE; Cai, Namkoong and Yadlowsky 2023).

    With P before, Q after, and S the distribution of the inputs that both have, of density pq / (p + q):

    - S - P of what was lost before: inputs moved to places that were known, and harder (or easier);
    - Q - P of what is lost at the same inputs, over S: the outcome answers differently;
    - Q - S of what is lost after: inputs that were not there before.

    A classifier of the side and regressions of the loss on each side are fitted in five folds, and enter through the efficient
    influence function, so that their errors count only as products; rows of one ``group`` share a fold, and err together. S is what
    estimates with overlap weights are of (Li, Morgan and Zaslavsky 2018). No parts, and a note, where there are too few rows or the
    two sides hardly share a place. ``before`` and ``after`` hold the columns that count as input.
    """
    loss = np.concatenate([np.asarray(each, np.float64) for each in losses])
    side = np.repeat([0, 1], [len(losses[0]), len(losses[1])])
    share = _shares(side, weight)
    team = _teams(side, group)
    means = [float(share[side == each] @ loss[side == each]) for each in (0, 1)]
    total = np.where(side == 1, share * (loss - means[1]), -share * (loss - means[0]))
    change = _value(metric, means[1] - means[0], total, team, len(loss))
    smallest = min(before.num_rows, after.num_rows)
    if smallest < FEWEST:
        return Split(change, note=f"{smallest} rows on one side, fewer than {FEWEST}: too few to say whether inputs or outcomes moved")
    columns, categories = numbers([before, after])
    if not columns.shape[1]:
        return Split(change, note="no input is a number or a category that could be compared")
    chance, expected = _crossed(columns, categories, loss, side, share, team, seed)
    tilt, away = chance * (1 - chance), side == 1
    shared = 4 * float(_mixed(tilt, side, share))
    effective = min(float(np.sum(share[mine] * by[mine])) ** 2 / float(np.sum((share[mine] * by[mine]) ** 2))
                    for mine, by in ((~away, chance), (away, 1 - chance)))
    if shared < SHARED or effective < EFFECTIVE:
        return Split(change, shared=shared, note=f"the inputs of the two sides hardly overlap ({shared:.0%}), so nothing says what the old "
                     "ones would cost now")
    # the influence functions of E_m[e (1 - e) mu] and of its denominator, m the mixture of both sides in equal parts, e the chance of Q
    below = np.where(away, (1 - chance) ** 2, chance ** 2)
    one = np.where(away, (1 - chance) * (loss - chance * expected[1]), chance ** 2 * expected[1])
    nil = np.where(away, (1 - chance) ** 2 * expected[0], chance * (loss - (1 - chance) * expected[0]))
    size = _mixed(below, side, share)
    if not size > 0:
        return Split(change, shared=shared, note="the two sides have no input in common")
    middle = [_mixed(each, side, share) / size for each in (nil, one)]   # of the loss over S: before, after
    pull = [_pull(each - mean * below, side, share) / size for each, mean in zip((nil, one), middle, strict=True)]
    plain = [np.where(side == each, share * (loss - means[each]), 0.0) for each in (0, 1)]
    found = ((middle[0] - means[0], pull[0] - plain[0]), (middle[1] - middle[0], pull[1] - pull[0]),
             (means[1] - middle[1], plain[1] - pull[1]))
    parts = tuple(_value(metric, estimate, influence, team, len(loss)).replace(note=name)
                  for name, (estimate, influence) in zip(PARTS, found, strict=True))
    return Split(change, parts, min(shared, 1.0))


def apart(before: pa.RecordBatch, after: pa.RecordBatch) -> tuple[str, float] | None:
    """Return the column that alone tells two sides apart best, and the overlap of its distributions, between 0 and 1.

    >>> apart(pa.record_batch({"a": [1, 2], "b": [1, 2]}), pa.record_batch({"a": [1, 2], "b": [8, 9]}))
    ('b', 0.0)
    """
    found = []
    for name in before.schema.names:
        values, codes = numbers([each.select([name]) for each in (before, after)])
        if not values.shape[1]:
            continue
        column = values[:, 0]
        known = column[np.isfinite(column)]
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, 41)[1:-1])) if len(known) and not codes[0] else np.arange(_CATEGORIES) + 0.5
        place = np.where(np.isfinite(column), np.searchsorted(cuts, column, side="right"), len(cuts) + 1)
        shares = [np.bincount(some, minlength=len(cuts) + 2) / max(len(some), 1) for some in np.split(place, [before.num_rows])]
        found.append((name, float(np.minimum(*shares).sum())))
    return min(found, key=lambda each: each[1]) if found else None


def spreads(influence: Array, team: Array | None = None) -> tuple[Array, float]:
    """Return the standard errors of sums over rows of ``influence`` (rows, columns), and their degrees of freedom.

    Rows of a team are added first: they may err together (Liang and Zeger 1986).

    >>> spreads(np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([0, 0, 1, 1]))[0].tolist()
    [0.0]
    """
    if team is not None:
        summed = np.zeros((int(team.max(initial=-1)) + 1, influence.shape[1]))
        np.add.at(summed, team, influence)
        influence = summed
    count = len(influence)
    if count < 2:
        return np.full(influence.shape[1], math.inf), 1.0
    return np.sqrt(count / (count - 1) * (influence ** 2).sum(axis=0)), count - 1.0


def numbers(batches: Sequence[pa.RecordBatch]) -> tuple[Array, Array]:
    """Return batches of the same columns, one below the other, as numbers (rows, columns), and a mask of those that are codes.

    Missing values are NaN. Columns that are neither numbers, times nor categories are left out.

    >>> numbers([pa.record_batch({"a": ["x", None]}), pa.record_batch({"a": ["y", "x"]})])[0].ravel().tolist()
    [0.0, nan, 1.0, 0.0]
    """
    made, codes = [], []
    for name in batches[0].schema.names:
        parts = [batch.column(batch.schema.get_field_index(name)) for batch in batches]
        parts = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in parts]
        kind = next((kind_of(each.type) for each in parts if kind_of(each.type) != "missing"), "missing")
        if kind == "number":
            made.append(np.concatenate([_floats(each) for each in parts]))
            codes.append(False)
        elif kind == "category" and not any(pa.types.is_nested(each.type) for each in parts):
            made.append(_coded(pa.chunked_array([each.cast(pa.string()) for each in parts]).combine_chunks()))
            codes.append(True)
    rows = sum(batch.num_rows for batch in batches)
    return (np.column_stack(made) if made else np.empty((rows, 0))), np.array(codes, bool)


def _floats(column: pa.Array) -> Array:
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int64() if column.type.bit_width == 64 else pa.int32(), safe=False)
    found = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    return np.where(np.isinf(found), np.nan, found)


def _coded(column: pa.Array) -> Array:
    """Return the rank of each category by how often it is there, the rarer ones one, NaN where it is missing."""
    encoded = pc.dictionary_encode(column)
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    index = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), np.int64)
    counts = np.bincount(index[index >= 0], minlength=len(encoded.dictionary))
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    out = np.full(len(index), np.nan)
    out[index >= 0] = np.minimum(rank[index[index >= 0]], _CATEGORIES)
    return out


def _shares(side: Array, weight: tuple[Array, Array] | None) -> Array:
    """Return the share of each row in its side."""
    found = np.ones(len(side)) if weight is None else np.concatenate([np.asarray(each, np.float64) for each in weight])
    for each in (0, 1):
        size = found[side == each].sum()
        if not size > 0:
            raise DataError("one side has no rows", expected="rows with a weight above 0 on both")
        found = np.where(side == each, found / size, found)
    return found


def _teams(side: Array, group: tuple[Array, Array] | None) -> Array:
    if group is None:
        return np.arange(len(side))
    return np.unique(np.concatenate(group), return_inverse=True)[1].reshape(-1)


def _mixed(values: Array, side: Array, share: Array) -> float:
    return 0.5 * float(share @ values)


def _pull(values: Array, side: Array, share: Array) -> Array:
    """Return what each row adds to the error of a mean over both sides in equal parts."""
    out = np.zeros(len(values))
    for each in (0, 1):
        mine = side == each
        out[mine] = 0.5 * share[mine] * (values[mine] - float(share[mine] @ values[mine]))
    return out


def _value(metric: str, estimate: float, influence: Array, team: Array, rows: int) -> Value:
    error, df = spreads(influence[:, None], team)
    return Value.of(metric, Spread("normal", estimate, error=float(error[0]), df=df), n=rows)


def _crossed(columns: Array, categories: Array, loss: Array, side: Array, share: Array, team: Array,
             seed: int) -> tuple[Array, tuple[Array, Array]]:
    """Return the chance of the second side for each row, and the loss expected on either side, from fits that have not seen its team.

    Folds are drawn anew, and what they say is averaged: a fit's own noise would otherwise be taken for overlap.
    """
    random = np.random.default_rng(seed)
    chance, expected = np.zeros(len(loss)), (np.zeros(len(loss)), np.zeros(len(loss)))
    even = share * len(loss) / 2
    for turn in range(TURNS):
        fold = (random.permutation(int(team.max()) + 1) % FOLDS)[team]
        for kind in (None, 0, 1):   # of the side, of the loss before, of the loss after
            outcome = side.astype(np.float64) if kind is None else loss
            mine = np.ones(len(loss), bool) if kind is None else side == kind
            said = np.zeros((len(loss), 2))
            for each in range(FOLDS):
                here, rest = fold == each, (fold != each) & mine
                if not here.any():
                    continue
                shared: Any = {"categories": categories, "binary": kind is None, "weight": even[rest]}
                said[here, 0] = fitted(columns[rest], outcome[rest], seed=seed + FOLDS * turn + each, **shared)(columns[here])
                said[here, 1] = additive(columns[rest], outcome[rest], **shared)(columns[here])
            found = believed(said[mine], outcome[mine], weight=even[mine], binary=kind is None, of=said)
            if kind is None:
                chance += found / TURNS
            else:
                expected[kind][:] += found / TURNS
    return chance, expected
