"""Answers as they stand beside rows, logged or asked: as a number and a decision a row; and the columns by which rows are alike.

``served(job, rows)`` and ``beside(names, prefix)`` say where answers stand, ``both`` reads those of two models, ``numbered`` those of
production, ``likened`` names the columns. ``pair`` and ``version`` import it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.model.model import Model
from assay.model.signature import NUMERIC_TASKS
from assay.monitor.disagreement import Answers
from assay.monitor.incident import Window
from assay.summary.hashing import hashes
from assay.summary.vector import kind_of
from assay.verbs.monitor.asked import ANSWER, SCORE
from assay.verbs.version import VERSION

__all__ = ["EVER", "FIRST", "ROWS", "Behind", "Side", "beside", "both", "likened", "numbered", "ordered", "scorable", "served"]

Array = np.ndarray[Any, Any]
Behind = Callable[[Window, dt.timedelta, dt.timedelta | None], pa.Table | None]

FIRST = 7             # windows that it is learned from how rows are answered, where no reference says it
ROWS = 20_000         # of them, evenly drawn
EVER = dt.timedelta(days=36_500)


@dataclass(frozen=True)
class Side:
    """The columns that hold the answers of one model."""

    scores: tuple[str, ...]
    prediction: str | None


def beside(names: Sequence[str], prefix: str) -> Side:
    """Return the columns of a model that was asked.

    >>> beside(["x", "assay score", "assay shadow prediction"], "assay shadow ")
    Side(scores=(), prediction='assay shadow prediction')
    """
    score, prediction = SCORE.replace("assay ", prefix, 1), ANSWER.replace("assay ", prefix, 1)
    scores = tuple(name for name in names if name == score or name.startswith(f"{score} "))
    return Side(scores, prediction if prediction in names else None)


def served(job: Any, rows: pa.Table) -> Side:
    """Return where the answers of production stand: logged, else asked."""
    score = job.roles.get("score", ())
    logged = Side((score,) if isinstance(score, str) else tuple(score), job.roles.get("prediction"))
    return logged if logged.scores or logged.prediction else beside(rows.column_names, "assay ")


def likened(job: Any, rows: pa.Table) -> list[str]:
    """Return the columns by which rows are told to be alike: what is watched and is no answer, and what windows are grouped by."""
    side = served(job, rows)
    apart = {*side.scores, side.prediction, VERSION}
    names = [name for some in job.kinds.values() for name in some if not name.startswith("assay ")]
    return sorted(name for name in {*names, *job.by} if name in rows.column_names and name not in apart)   # whatever the order of columns


def ordered(job: Any, rows: pa.Table) -> pa.Table:
    """Return rows in the order of time, and of a hash of their id (else of their content): the ledger gives them in any order."""
    stamp, name = job.roles.get("timestamp"), job.roles.get("id")
    columns = [name] if isinstance(name, str) and name in rows.column_names else likened(job, rows)
    key = np.zeros(rows.num_rows, np.uint64)
    for salt, each in enumerate(columns):
        key ^= hashes(rows[each], salt)
    keys = {"key": pa.array(key), **({"time": rows[stamp]} if stamp in rows.column_names else {})}
    return rows.take(pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in reversed(keys)]))


def numbered(job: Any, rows: pa.Table) -> Array | None:
    """Return the number that production answered for each row, NaN for none; None where no column holds its answers."""
    side = served(job, rows)
    found = both(job, rows, side, side, None)
    return None if found is None else found[0].number


def both(job: Any, rows: pa.Table, first: Side, second: Side, model: Model | None) -> tuple[Answers, Answers] | None:
    """Return what two models answered; None where one of them has no column, or they cannot be compared."""
    found: list[tuple[Array | None, Array | None]] = []
    for side in (first, second):
        scores = [name for name in side.scores if name in rows.column_names]
        prediction = side.prediction if side.prediction in rows.column_names else None
        if not scores and prediction is None:
            return None
        found.append(_read(job, rows, scores, prediction, job.model or model))
    _alike(job, found)
    codes: dict[str, int] = {}
    texts = [None if decision is None else np.array([-1 if each is None else codes.setdefault(_spelt(each), len(codes))
                                                     for each in decision], np.int64) for _, decision in found]
    if any(each is None for each in texts):
        texts = [None, None]
    numbers = [number for number, _ in found]
    if any(each is None for each in numbers):   # labels alone: the share of one answer stands for the score
        common = codes.get(_chosen(job.config.positive, codes), 0)
        numbers = [None if each is None else np.where(each < 0, np.nan, (each == common).astype(float)) for each in texts]
    made = [Answers(number, text) for number, text in zip(numbers, texts, strict=True) if number is not None]
    return (made[0], made[1]) if len(made) == 2 else None


def _alike(job: Any, found: list[tuple[Array | None, Array | None]]) -> None:
    """Let two be compared of which one has scores of a binary task and the other has names of classes: as positive (1) or not (0)."""
    bare = [number is not None and decision is not None and _coded(decision) for number, decision in found]
    named = [decision is not None and not _coded(decision) for _, decision in found]
    positive = job.config.positive
    for place in (0, 1):
        number, decision = found[place]
        if not (named[place] and bare[1 - place]) or positive is None or decision is None:
            continue
        texts = {_spelt(each) for each in decision if each is not None}
        if _spelt(positive) in texts or len(texts) < 2:   # else its classes have other names, and nothing is the same
            found[place] = number, np.array([None if each is None else int(_spelt(each) == _spelt(positive)) for each in decision], object)


def _coded(decision: Array) -> bool:
    """Whether decisions are 0 and 1, as a threshold makes them of scores."""
    return all(each is None or (not isinstance(each, str) and each in (0, 1)) for each in set(decision.tolist()))


def _chosen(positive: Any, codes: Mapping[str, int]) -> str:
    """Return the class whose share is watched where there are no scores: the positive one, else the first by name."""
    return _spelt(positive) if _spelt(positive) in codes else min(codes, default="")


def _read(job: Any, rows: pa.Table, scores: Sequence[str], prediction: str | None,
          model: Model | None) -> tuple[Array | None, Array | None]:
    """Return the number and the decision of each row."""
    task = model.signature.task if model is not None else job.config.task
    number: Array | None = None
    decision: Array | None = None
    if scores:
        table = np.column_stack([_floats(rows[name]) for name in scores])
        number = table[:, 0] if table.shape[1] == 1 else table.max(axis=1)
        if task not in NUMERIC_TASKS:
            threshold = 0.5 if job.config.threshold is None else job.config.threshold
            best = number >= threshold if table.shape[1] == 1 else np.nan_to_num(table, nan=-np.inf).argmax(axis=1)
            decision = best.astype(int).astype(object)
            decision[~np.isfinite(number)] = None
    if prediction is not None:
        column = rows[prediction]
        if kind_of(column.type) == "number" and (task in NUMERIC_TASKS or (task is None and pa.types.is_floating(column.type))):
            number = _floats(column) if number is None else number
        else:
            decision = np.array(column.to_pylist(), object)
    return number, decision


def scorable(kind: pa.DataType) -> bool:
    """Whether a column of a type can hold scores.

    >>> scorable(pa.float32()), scorable(pa.null()), scorable(pa.string())
    (True, True, False)
    """
    return kind_of(kind) == "number" or pa.types.is_boolean(kind) or pa.types.is_null(kind) or pa.types.is_decimal(kind)


def _floats(column: pa.ChunkedArray) -> Array:
    if not scorable(column.type):   # text among scores: no answer, which is told where the delivery is read
        return np.full(len(column), np.nan)
    found = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def _spelt(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
