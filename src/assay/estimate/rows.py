"""Rows that a model answered, as numbers: features, answers, and labels where there are any; and how columns become numbers.

``Rows`` is what every method of this package takes; ``Encoding.of(table, names)`` is fixed on the reference and turns any later table into
the same columns. Verbs and monitors make both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import DataError

__all__ = ["Array", "Encoding", "Rows"]

Array = np.ndarray[Any, Any]

CATEGORIES = 200   # of a column, by frequency in the reference; further ones are one category
_EDGE = 1e-6       # of probabilities, before they become log odds


@dataclass(frozen=True, eq=False)
class Rows:
    """Answered rows of one model: ``features`` (n, p), ``answer`` (n,), ``score`` (n, K) or None, ``label`` (n,) or None.

    With ``classes`` K above 0 answers and labels are places of classes; with 0 they are numbers. ``categorical`` marks features that are
    codes. Missing features are NaN. Labels must be known: leave rows without one out. Errors: ``DataError`` where shapes do not fit.

    >>> rows = Rows(np.zeros((2, 1)), np.array([0, 1]), np.array([[0.8, 0.2], [0.4, 0.6]]), classes=2)
    >>> len(rows), rows.inputs.shape, len(rows.take(np.array([True, False])))
    (2, (2, 2), 1)
    """

    features: Array
    answer: Array
    score: Array | None = None
    label: Array | None = None
    categorical: tuple[bool, ...] = ()
    classes: int = 0

    def __post_init__(self) -> None:
        n = len(self.answer)
        for name, each in (("features", self.features), ("scores", self.score), ("labels", self.label)):
            if each is not None and len(each) != n:
                raise DataError(f"there are {len(each):,} {name} and {n:,} answers", expected="one of each a row")
        if self.score is not None and self.score.shape[1] != self.classes:
            raise DataError(f"scores are of {self.score.shape[1]} classes", expected=f"{self.classes}")

    def __len__(self) -> int:
        return len(self.answer)

    def take(self, which: Array) -> Rows:
        """Return some of the rows, by places or a mask."""
        return dataclasses.replace(self, features=self.features[which], answer=self.answer[which],
                                   score=None if self.score is None else self.score[which],
                                   label=None if self.label is None else self.label[which])

    @property
    def truth(self) -> Array:
        """The labels; raises ``DataError`` where there are none."""
        if self.label is None:
            raise DataError("these rows have no labels", expected="the labelled reference")
        return self.label

    @property
    def inputs(self) -> Array:
        """What a model of labels may read: the features, then the log odds of the answer (or the answer itself)."""
        return np.column_stack([self.features, self.said])

    @property
    def said(self) -> Array:
        """The answer as numbers, (n, m): log odds of the second of two classes, of each of several, or what was answered."""
        if self.score is None:
            return np.asarray(self.answer, float)[:, None]
        chance = self.score[:, 1:] if self.classes == 2 else self.score
        if chance.size and (chance.min() < 0 or chance.max() > 1):   # margins of any size are log odds of a kind
            return np.asarray(chance, float)
        chance = np.clip(chance, _EDGE, 1 - _EDGE)
        return np.asarray(np.log(chance / (1 - chance)))

    @property
    def marks(self) -> tuple[bool, ...]:
        """Which of ``inputs`` are codes."""
        given = self.categorical or (False,) * self.features.shape[1]
        return (*given, *(False,) * (self.inputs.shape[1] - len(given)))


@dataclass(frozen=True)
class Encoding:
    """How columns become numbers: categories are coded by the reference, rare ones are one code, those never seen another.

    >>> encoding = Encoding.of(pa.table({"x": [1.0, None], "c": ["a", "b"]}), ["x", "c"])
    >>> encoding.matrix(pa.table({"x": [2, 3], "c": ["b", "new"]})).tolist()
    [[2.0, 1.0], [3.0, 3.0]]
    """

    names: tuple[str, ...]
    categories: tuple[tuple[Any, ...] | None, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: pa.Table, names: Sequence[str]) -> Encoding:
        """Return the encoding of the columns ``names``; times, lists and what has one value only are left out."""
        kept: list[tuple[str, tuple[Any, ...] | None]] = []
        for name in names:
            column = table.column(name)
            if _counted(column.type):
                kept.append((name, None))
            elif _named(column.type):
                counts = pc.value_counts(_plain(column).drop_null())
                pairs = sorted(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True),
                               key=lambda pair: (-pair[1], str(pair[0])))
                if len(pairs) > 1 and len(pairs) < 0.5 * max(len(column), 1):   # else identifiers
                    kept.append((name, tuple(value for value, _ in pairs[:CATEGORIES])))
                elif 1 < len(pairs) <= 10:
                    kept.append((name, tuple(value for value, _ in pairs)))
        there = [name for name, _ in kept]
        return cls(tuple(there), tuple(each for _, each in kept), tuple(name for name in names if name not in there))

    def matrix(self, table: pa.Table) -> Array:
        """Return (n, p) numbers of a table with the same columns; missing values are NaN."""
        found = [_numbers(table.column(name)) if known is None else _codes(_plain(table.column(name)), known)
                 for name, known in zip(self.names, self.categories, strict=True)]
        return np.column_stack(found) if found else np.empty((table.num_rows, 0))

    @property
    def categorical(self) -> tuple[bool, ...]:
        return tuple(each is not None for each in self.categories)


def _counted(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind))


def _named(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column.cast(kind).cast(pa.large_string()) if _named(kind) else column


def _numbers(column: pa.ChunkedArray) -> Array:
    found = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), float).copy()
    found[~np.isfinite(found)] = np.nan
    return found


def _codes(column: pa.ChunkedArray, known: Sequence[Any]) -> Array:
    """Return codes: the place in ``known``, one beyond for what the reference had rarely or never (no telling which), NaN for missing."""
    places = pc.index_in(column, value_set=pa.array(known, pa.large_string())).to_numpy(zero_copy_only=False).astype(float)
    strange = np.isnan(places) & column.is_valid().to_numpy(zero_copy_only=False)
    return np.where(strange, float(len(known) + 1), places)
