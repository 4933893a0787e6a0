"""Screens for what a model should not have known: rows and entities of training, identifiers, features that tell the label.

``shared_rows``, ``shared_ids``, ``id_like``, ``lone_power``, ``known_late`` and ``seen_entity_gain``; found by name in ``SCREENS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.schema import family
from assay.model.answer import Answer
from assay.result import Spread
from assay.screen.power import FEWEST, Aim, aim, bins, clusters, error, halves, power, readable, seconds, share
from assay.screen.screen import Reading, screen
from assay.screen.study import MOST_PRINTS, Sample, Study
from assay.summary.hashing import hashes

__all__ = ["id_like", "identifies", "known_late", "lone_power", "seen_entity_gain", "shared_ids", "shared_rows"]

Array = np.ndarray[Any, Any]

FEW = 200             # values below which nothing can be said to be nearly unique
MOSTLY_CHANCE = 0.9   # of train's rows repeat each other: that a row of the data does too then says nothing
FEWEST_VALUES = 33    # different ones: as many as bins hold apart
_REPEATS = 0.005      # of the rows repeat each other: more than stray twins
_COARSE = 0.1         # different values a row, at most, of columns that coincide by chance
_LONE = 10            # entities, and five times as many rows, that a mean on either side needs
# years 1990 to 2050 as seconds, and the same in milli-, micro- and nanoseconds: whole numbers that are times
_EPOCHS = tuple((6.3e8 * unit, 2.53e9 * unit) for unit in (1, 1e3, 1e6, 1e9))
# numbers with a currency, percent or unit about them, pairs of numbers, times of day
_NO_NAME = re.compile(r"\s*[-+]?(\d+[.,]\d*|\.\d+)([eE][-+]?\d+)?\s*|\s*[(\[]?[-+]?\d+\.\d+\s*[,; ]\s*[-+]?\d+\.\d+[)\]]?\s*|"
                      r"\s*[-+]?[$€£¥]\s?[-+]?\d[\d,.]*\s*|\s*[-+]?\d[\d,]*[.,]\d+\s?([$€£¥%‰°]|[a-zA-Zµ]{1,4})?\s*|\s*\d+\s?[$€£¥%‰°]\s*|"
                      r"\s*\d\d?:\d\d(:\d\d([.]\d+)?)?\s*([aApP][mM])?\s*|\s*\d{4}-\d\d?-\d\d?([ T].*)?|\s*\d\d?[./]\d\d?[./]\d{2,4}.*")


@screen(wants=("train",), limits=(0.0, 1.0))
def shared_rows(study: Study) -> Iterator[Reading]:
    """Share of the rows that are rows of train too, word for word, beyond those that coincide by chance.

    Compared are the features that both have, the label, and the columns of entity and time, whatever their order. With s the
    share of rows whose print is among train's, and c the share of train's rows that occur more than once in train:
    (s - c) / (1 - c), floored at 0, for a row that is not shared coincides with probability c. Equal rows count as one draw. Where
    the data repeat each other by chance and train hardly does, train was made unique, c is not known and nothing is said. Rows that
    were changed in passing are not seen, nor leakage from a train set of which most rows were repeated on purpose.
    """
    train = study.train
    assert train is not None
    mine, theirs = _comparable(study.data, train)
    n, m = len(mine), len(theirs)
    if not n or not m:
        yield Reading(None, n, note="there are no rows to compare")
        return
    prints, counts = np.unique(theirs, return_counts=True)
    ours, repeats = np.unique(mine, return_counts=True)
    found = prints[np.minimum(np.searchsorted(prints, ours), len(prints) - 1)] == ours
    seen = float(repeats[found].sum()) / n
    chance = float(counts[counts > 1].sum()) / m
    if chance > MOSTLY_CHANCE:
        yield Reading(None, study.data.rows, note=f"{chance:.0%} of train's rows repeat each other: rows that are shared say nothing")
        return
    own = float(repeats[repeats > 1].sum()) / n
    if own > _REPEATS and chance < own * min(1.0, m / n) / 2 and _coarse(study.data):
        yield Reading(None, study.data.rows, note=f"{own:.0%} of the rows repeat each other and {chance:.0%} of train's, which was perhaps "
                      "made unique: rows that are shared may be chance")
        return
    estimate = max(seen - chance, 0.0) / (1 - chance)
    # Rows that are equal are drawn together, twins two at a time (Kish 1965); where nothing is shared the error is that of a small share.
    low = max(estimate, 0.002)
    as_seen = min(chance + low * (1 - chance), 1 - 1e-9)
    together = float(np.sum(repeats[found] ** 2.0)) / n**2 - seen**2 / n
    twins = float(np.sum(counts[counts > 1] ** 2.0)) / m**2 - chance**2 / m
    variance = (max(as_seen * (1 - as_seen) / n, together) + twins) / (1 - chance) ** 2
    effective = n if estimate >= 1 else min(low * (1 - low) / variance, n)
    note = f"{int(repeats[found].sum()):,} of {n:,} rows are in the training data too, where {chance:.2%} of the rows repeat each other"
    yield Reading(Spread("binomial", estimate, n=max(effective, 1.0)), study.data.rows, note=note)


@screen(wants=("train",), limits=(0.0, 1.0))
def shared_ids(study: Study) -> Iterator[Reading]:
    """Share of the rows whose id is an id of train.

    Rows without an id are left out. It does not see one row under two ids. Ids that only number the rows of each file say nothing.
    """
    train = study.train
    assert train is not None
    if study.data.ids is None or train.ids is None:
        yield Reading(None, study.data.rows, note="not both data sets have a column of ids")
        return
    nobody = hashes(pa.nulls(1))[0]
    mine = study.data.ids[study.data.ids != nobody]
    if not len(mine):
        yield Reading(None, study.data.rows, note="no row has an id")
        return
    if _numbered(study.data) and _numbered(train):
        yield Reading(None, study.data.rows, note="the ids number the rows of each file, from the same start")
        return
    found = np.isin(mine, train.ids)
    yield Reading(Spread("binomial", float(found.mean()), n=float(len(mine))), len(mine),
                  note=f"{int(found.sum()):,} of {len(mine):,} rows have an id that is in the training data")


@screen(of="column", limits=(0.0, 1.0))
def id_like(study: Study) -> Iterator[Reading]:
    """Whether a feature is an identifier: 1 where it is, a fact about the sampled rows.

    Text is one where 95 % of its values differ, most have at most two words or hold digits in 64 characters, and they are neither
    numbers with a point nor dates. Whole numbers are one where 99 % differ and they fill their range evenly, or rise with the rows
    in even steps. Ids that come in many rows each (a customer's), random ones, and ids kept as floats are not seen.
    """
    for name in study.features:
        if not readable(study, name):
            continue
        n = len(study.data) - study.data.column(name).null_count
        if n < FEW:
            yield Reading(None, n, name, f"there are fewer than {FEW} values")
            continue
        different = identifies(study, name)
        note = f"{different:,} different values in {n:,} rows" if different else None
        yield Reading(Spread("exact", float(different > 0)), n, name, note)


def identifies(study: Study, name: str) -> int:
    """Return how many different values a column has, if they name rows rather than describe them, else 0."""
    key = ("identifies", name)
    if key not in study._held:
        column = study.data.column(name).drop_null()
        kind = family(column.type)
        look = {"text": _names, "integer": _counter}.get(kind)
        study._held[key] = look(column, study.data) if look and len(column) >= FEW and name not in study.media else 0
    held: int = study._held[key]
    return held


@screen(wants=("label",), of="column", limits=(0.0, 1.0))
def lone_power(study: Study) -> Iterator[Reading]:
    """How well one feature alone predicts the label, 0 to 1: a feature that tells it all was probably made after it.

    Cross-fitted on two halves of the sampled rows, entities kept together; numbers in at most 32 quantile bins, categories by their
    shrunken means. Gini (2 AUC - 1) for two classes, R² for numbers, (accuracy - majority) / (1 - majority) for more classes, floored at 0.
    A number that orders the rows exactly as a numeric label does, or is it times a factor, has 1: a fact that bins would blur.
    What features tell together is not seen.
    """
    what, half, cluster = aim(study), halves(study), clusters(study.data)
    n = int(what.known.sum())
    for name in study.measured:
        if readable(study, name):
            told = _tells(study, name, what)
            found = Spread("exact", 1.0) if told else power(bins(study, name), what, half, cluster)
            yield Reading(found, n, name, None if found else "too few labelled rows, or labels that do not differ")


def _tells(study: Study, name: str, what: Aim) -> bool:
    """Whether a number is a numeric label in other clothes: in the same order, ties too, or on one line with it to a millionth."""
    if what.kind != "number" or study.kind(name) != "number":
        return False
    x = study.numbers(name)
    both = what.known & np.isfinite(x)
    if both.sum() < max(FEWEST, 0.99 * what.known.sum()):
        return False
    x, y = x[both], what.values[both]
    if min(len(np.unique(x)), len(np.unique(y))) < FEWEST_VALUES:   # what has few values is in bins as it is
        return False
    for sign in (1.0, -1.0):
        order = np.lexsort((sign * y, x))
        if np.array_equal(np.diff(x[order]) > 0, np.diff(sign * y[order]) > 0) and (np.diff(sign * y[order]) >= 0).all():
            return True
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = (each / np.abs(each).max() for each in (x, y))
        x, y = (each - each.mean() for each in (x, y))
        rest = np.abs(y - x * (x @ y) / (x @ x)).max()
    return bool(rest <= 1e-6 * np.ptp(y))


@screen(wants=("available_at",), of="column", limits=(0.0, 1.0))
def known_late(study: Study) -> Iterator[Reading]:
    """Share of the rows in which a feature was known only after the time of the row.

    Rows in which either time is missing are left out; where one of the two is a date, days are compared. The times are
    believed: a feature that was written back later, under its old time, is not seen.
    """
    place = study.schema.timestamp
    assert place is not None
    cluster = clusters(study.data)
    for name, when in study.schema.available_at.items():
        at, known = study.data.column(place), study.data.column(when)
        if not (pa.types.is_temporal(at.type) and pa.types.is_temporal(known.type)):
            yield Reading(None, 0, name, "no times are there")
            continue
        times = [seconds(at), seconds(known)]
        if pa.types.is_date(at.type) or pa.types.is_date(known.type):
            times = [np.floor(each / 86_400) for each in times]
        both = np.isfinite(times[0]) & np.isfinite(times[1])
        if not both.any():
            yield Reading(None, 0, name, "no row has both times")
            continue
        late = (times[1] > times[0])[both]
        yield Reading(share(late, None if cluster is None else cluster[both]), len(late), name)


@screen(wants=("train", "label", "entity"))
def seen_entity_gain(study: Study) -> Iterator[Reading]:
    """How much greater the loss is for entities that are not in train, as a share of the mean loss.

    Mean loss of rows of unseen entities less that of seen ones, by the mean loss of all: Brier score for scores, misses for classes,
    absolute error for numbers. The error is by entity. It does not tell learning by heart from entities that are new because they differ.
    """
    train = study.train
    assert train is not None
    assert study.target is not None
    if train.entities is None or (study.model is None and study.logged is None):
        yield Reading(None, len(study.data), note="train names no entities" if train.entities is None else "there is no model to judge")
        return
    if study.target.task == "ranking":
        yield Reading(None, len(study.data), note="a ranking has no loss of one row")
        return
    loss = _losses(study.answer(), study.outcome())
    column = study.data.column(study.schema.entity or "")
    kept = np.isfinite(loss) & column.is_valid().to_numpy(zero_copy_only=False)
    loss, entity = loss[kept], hashes(column)[kept]
    known = np.isin(entity, train.entities)
    sides = [(int(each.sum()), len(np.unique(entity[each]))) for each in (~known, known)]
    note = f"{sides[0][0]:,} rows of {sides[0][1]:,} entities that are not in train, {sides[1][0]:,} rows of {sides[1][1]:,} that are"
    if any(rows < 5 * _LONE or groups < _LONE for rows, groups in sides) or not loss.mean() > 0:
        yield Reading(None, len(loss), note=f"too few on one side: {note}" if loss.size and loss.mean() > 0 else "the model errs nowhere")
        return
    new, old, mean = float(loss[~known].mean()), float(loss[known].mean()), float(loss.mean())
    gain = (new - old) / mean
    influence = np.where(known, -(loss - old) / sides[1][0], (loss - new) / sides[0][0]) - gain * (loss - mean) / len(loss)
    spread, _ = error(influence / mean, np.unique(entity, return_inverse=True)[1].reshape(-1))
    fewest = min(groups for _, groups in sides)
    yield Reading(Spread("normal", gain, n=float(len(loss)), error=spread, df=fewest - 1.0), len(loss), note=note)


def _coarse(of: Sample) -> bool:
    """Whether rows can coincide: no column has many different values, so rows that repeat each other were not delivered twice."""
    names = of.shared or [name for name in of.schema.names if name != of.schema.id]
    most = _COARSE * len(of)
    return all(len(of.column(name).unique()) <= most for name in names if not pa.types.is_nested(of.column(name).type))


def _comparable(one: Sample, other: Sample) -> tuple[Array, Array]:
    """Return the prints of both, of huge tables only those that both have kept."""
    rows = max(one.rows, other.rows)
    marked = one.marks is not None and other.marks is not None and one.shared == other.shared
    mine, theirs = (each.marks if marked and each.marks is not None else each.prints for each in (one, other))
    if rows <= MOST_PRINTS:
        return mine, theirs
    cut = np.uint64(int(MOST_PRINTS / rows * 2.0**64))
    return mine[mine < cut], theirs[theirs < cut]


def _numbered(of: Sample) -> bool:
    """Whether the ids are 0, 1, 2, ... or 1, 2, 3, ..."""
    column = of.column(of.schema.id or "").drop_null()
    if family(column.type) != "integer" or not len(column):
        return False
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    few = 20 * of.rows / max(len(values), 1)   # the smallest of n draws is near the start, not on it
    return bool(0 <= values.min() <= few and abs(values.max() + 1 - of.rows) <= few + 1)


def _names(column: pa.Array, of: Sample) -> int:
    column = column.cast(pa.string())
    different = pc.count_distinct(column).as_py()
    if different < 0.95 * len(column):
        return 0
    some = column.slice(0, 1000)
    texts = some.to_pylist()
    if sum(bool(_NO_NAME.fullmatch(each)) for each in texts) > len(texts) / 2:
        return 0
    words = np.median([len(each.split()) for each in texts])
    digits = sum(any(letter.isdigit() for letter in each) for each in texts) >= 0.9 * len(texts)
    short = np.median([len(each) for each in texts]) <= 64
    return int(different) if short and (words <= 2 or digits) else 0


def _counter(column: pa.Array, of: Sample) -> int:
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    n = len(values)
    ordered = np.sort(values)
    low, high = float(ordered[0]), float(ordered[-1])
    different = int((np.diff(ordered) > 0).sum()) + 1
    if different < 0.99 * n or any(start <= low and high <= end for start, end in _EPOCHS):
        return 0
    spread = high - low + 1
    even = float(np.max(np.abs(ordered - (low + (np.arange(n) + 0.5) / n * spread)))) / spread   # Kolmogorov's distance to uniform
    by_chance = n * n / (2 * spread) if n < of.rows else np.inf    # coincidences of random numbers: ids have none
    if spread <= 2 * of.rows and even <= 0.02 + 1.63 / np.sqrt(n) and n - different <= max(0.3 * by_chance, 0.0):
        return different
    steps = np.diff(values)
    rises = max(float((steps > 0).mean()), float((steps < 0).mean())) >= 0.999
    return different if rises and abs(float(np.corrcoef(np.arange(n), values)[0, 1])) >= 0.99 else 0


def _losses(answer: Answer, outcome: Array) -> Array:
    """Return the loss of each row, NaN where it has no label."""
    if answer.value is not None:
        return np.asarray(np.abs(answer.value - outcome), np.float64)
    known = outcome >= 0
    if answer.score is not None and answer.scores != "score":
        truth = np.zeros_like(answer.score)
        truth[np.flatnonzero(known), outcome[known]] = 1
        loss = ((answer.score - truth) ** 2).sum(axis=1) / (2 if answer.score.shape[1] == 2 else 1)
    else:
        assert answer.prediction is not None
        loss = (answer.prediction != outcome).astype(np.float64)
    return np.asarray(np.where(known, loss, np.nan), np.float64)
