"""Counts of true against predicted classes: for one model, for several labels at once, and for two models on the same rows."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.resample import DRAWS, GROUPS, Array, Replicates, drawn, grouping, left_out
from assay.summary.summary import Summary

__all__ = ["Cells", "Confusion", "Labels", "PairedConfusion", "Stack"]

_LARGEST = 1 << 24  # cells in all groups together: 128 MiB
_LEAST = 16  # groups, or draws: with fewer an error says nothing


@dataclass(frozen=True)
class Cells:
    """True and false positives and negatives of each class against the rest; arrays end in (classes,).

    ``matrix`` (..., classes, classes) has the true class along the second last axis; None for several labels.
    """

    tp: Array
    fp: Array
    fn: Array
    tn: Array
    matrix: Array | None = None

    @classmethod
    def of(cls, matrix: Array) -> Cells:
        """Return the cells of a confusion matrix (..., classes, classes)."""
        tp = np.diagonal(matrix, axis1=-2, axis2=-1)
        if matrix.shape[-1] == 2:  # sums of two are slow as sums, and a metric is asked of many resampled matrices
            truth, predicted = matrix[..., 0] + matrix[..., 1], matrix[..., 0, :] + matrix[..., 1, :]
            total = truth[..., :1] + truth[..., 1:]
        else:
            truth, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
            total = truth.sum(axis=-1, keepdims=True)
        return cls(tp, predicted - tp, truth - tp, total - truth - predicted + tp, matrix)

    @property
    def classes(self) -> int:
        return int(self.tp.shape[-1])

    @property
    def total(self) -> Array:
        """Rows (or their weight), without the class axis."""
        whole: Array = (self.tp + self.fp + self.fn + self.tn)[..., 0]
        return whole


class _Counted(Summary):
    """Weighted counts of cells, per resampling group if asked: what the three summaries below share."""

    _shape: tuple[int, ...]

    def __init__(self, grouped: bool) -> None:
        size = math.prod(self._shape)
        many = GROUPS
        while many > _LEAST and many * size > _LARGEST:
            many //= 2
        most = _LARGEST // (_LEAST if grouped else 4)  # ungrouped cells are drawn again and again
        if size > most:
            raise SummaryError(f"{size:,} cells are too many for a '{self.kind}' summary" + (" by group" if grouped else ""),
                               expected=f"at most {most:,}")
        self.grouped = bool(grouped)
        self.rows = 0
        self.counts = np.zeros((many if grouped else 1, size))

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        cells, weight = self._places(columns, weight, group)
        self.rows += len(cells)
        self.counts += np.bincount(cells.ravel(), weight, self.counts.size).reshape(self.counts.shape)

    def _cells(self, *columns: Any) -> Array:
        """Return the cell of each row, or several: (rows,) or (rows, labels), to be written to."""
        raise NotImplementedError

    def _places(self, columns: Sequence[Any], weight: Any, group: Any) -> tuple[Array, Any]:
        """Return the places of rows among the counts of all groups, and the weight of each place."""
        cells, size = self._cells(*columns), self.counts.shape[1]
        if self.grouped:
            offset = grouping(group, self.kind)
            if len(self.counts) < GROUPS:
                offset %= len(self.counts)
            offset *= size
            cells += offset if cells.ndim == 1 else offset[:, None]
        if weight is not None and cells.ndim == 2:
            weight = np.repeat(weight, cells.shape[1])
        return cells, weight

    def stack(self) -> Stack:
        """Return what counts the rows of many slices, each as this summary would."""
        return Stack(self)

    def merge(self, other: Self) -> Self:
        self._same(other, "_shape", "grouped")
        out = copy.copy(self)
        out.rows, out.counts = self.rows + other.rows, self.counts + other.counts
        return out

    @property
    def n(self) -> int:
        return self.rows

    @property
    def total(self) -> Array:
        """The counts of all groups, in their natural shape."""
        whole: Array = self.counts.sum(axis=0).reshape(self._shape)
        return whole

    def view(self) -> Any:
        """Return the cells that metrics read."""
        return self.seen(self.total)

    def replicates(self, seed: int = 0) -> Replicates[Any]:
        """Return resampled cells along a leading axis (see ``assay.summary.resample``)."""
        if self.grouped:
            parts = left_out(self.counts)
            return Replicates(self.seen(parts.reshape(len(parts), *self._shape)), "jackknife", max(len(parts) - 1.0, 1.0))
        # many classes make few draws, whose small number the degrees of freedom then own up to
        draws = min(DRAWS, max(_LEAST, 2 * _LARGEST // self.counts.size))
        return Replicates(self.seen(drawn(self.total, draws, seed)), "bootstrap", np.inf if draws == DRAWS else draws - 1.0)

    def seen(self, counts: Array) -> Any:
        """Return counts (..., in their natural shape) as the cells that metrics read."""
        return Cells.of(counts)

    def _read(self, fields: Mapping[str, Any]) -> Self:
        self.counts, self.rows = codec.array(fields, "counts", "<f8", self.counts.shape, least=0), codec.whole(fields, "rows")
        return self


class Stack:
    """Counts of many slices in one array while rows come in: a slice costs its counts, and an update no more for many slices.

    >>> stack = Confusion(classes=2).stack()
    >>> stack.update(np.array([0, 1, 1]), 2, [np.array([1, 1, 0]), np.array([1, 0, 0])])
    >>> {place: summary.n for place, summary in stack.summaries()}
    {0: 1, 1: 2}
    """

    def __init__(self, empty: _Counted):
        self._empty = copy.copy(empty)
        self._counts = np.zeros((0, empty.counts.size))
        self._rows = np.zeros(0, np.int64)

    def update(self, slices: Array, size: int, columns: Sequence[Any], *, weight: Any = None, group: Any = None) -> None:
        """Add rows; ``slices`` is the place of the slice of each row, below ``size``."""
        cells, weight = self._empty._places(columns, weight, group)
        if size > len(self._rows):
            more = max(size - len(self._rows), min(len(self._rows), 1 << 14))
            self._counts = np.concatenate((self._counts, np.zeros((more, self._counts.shape[1]))))
            self._rows = np.concatenate((self._rows, np.zeros(more, np.int64)))
        self._rows += np.bincount(slices, minlength=len(self._rows))
        offset = slices.astype(np.int64) * self._counts.shape[1]
        cells = (cells + (offset if cells.ndim == 1 else offset[:, None])).ravel()
        if self._counts.size <= 4 * len(cells):
            self._counts += np.bincount(cells, weight, self._counts.size).reshape(self._counts.shape)
        else:  # most counts stay as they are
            np.add.at(self._counts.reshape(-1), cells, 1.0 if weight is None else weight)

    def summaries(self) -> Iterator[tuple[int, _Counted]]:
        """Yield the place and the summary of each slice that has rows."""
        shape = self._empty.counts.shape
        for place in np.flatnonzero(self._rows).tolist():
            made = copy.copy(self._empty)
            made.rows, made.counts = int(self._rows[place]), self._counts[place].reshape(shape)
            yield place, made


def _many(classes: int, most: int) -> int:
    if not 1 <= int(classes) <= most:
        raise SummaryError(f"{classes} classes cannot be counted", expected=f"between 1 and {most}")
    return int(classes)


def _codes(column: Any, classes: int) -> Array:
    """Return class codes, checked: one beyond the last would count in another cell."""
    codes: Array = np.asarray(column, np.int64)
    if codes.size and (codes.min() < 0 or codes.max() >= classes):
        raise SummaryError(f"a class code is {codes.min() if codes.min() < 0 else codes.max()}", expected=f"0 to {classes - 1}")
    return codes


class Confusion(_Counted):
    """How often each true class was predicted as each class; classes are codes 0 to ``classes - 1``.

    >>> confusion = Confusion(classes=2)
    >>> confusion.update(np.array([1, 1, 0]), np.array([1, 0, 0]))
    >>> confusion.total.tolist(), confusion.view().tp.tolist()
    ([[1.0, 0.0], [1.0, 1.0]], [1.0, 1.0])
    """

    kind: ClassVar[str] = "confusion"
    inputs: ClassVar[tuple[str, ...]] = ("@label", "@prediction")

    def __init__(self, *, classes: int, grouped: bool = False):
        self.classes = _many(classes, 4096)
        self._shape = (self.classes, self.classes)
        super().__init__(grouped)

    def _cells(self, *columns: Any) -> Array:
        label, prediction = (_codes(each, self.classes) for each in columns)
        cells: Array = label * self.classes
        cells += prediction
        return cells

    def fields(self) -> Mapping[str, Any]:
        return {"classes": self.classes, "grouped": self.grouped, "rows": self.rows, "counts": self.counts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        return cls(classes=codec.whole(fields, "classes"), grouped=codec.flag(fields, "grouped"))._read(fields)


class Labels(_Counted):
    """Confusion of each of several yes-or-no labels at once (multilabel): 0/1 arrays of shape (rows, labels).

    >>> labels = Labels(labels=2)
    >>> labels.update(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
    >>> labels.view().tp.tolist(), labels.view().fn.tolist()
    ([1.0, 1.0], [1.0, 0.0])
    """

    kind: ClassVar[str] = "labels"
    inputs: ClassVar[tuple[str, ...]] = ("@label", "@prediction")

    def __init__(self, *, labels: int, grouped: bool = False):
        self.labels = _many(labels, 4096)
        self._shape = (self.labels, 2, 2)
        super().__init__(grouped)

    def _cells(self, *columns: Any) -> Array:
        label, prediction = (_codes(each, 2).reshape(-1, self.labels) for each in columns)
        cells: Array = np.arange(self.labels) * 4 + label * 2 + prediction
        return cells

    def seen(self, counts: Array) -> Cells:
        """Return counts (..., labels, 2, 2) as cells."""
        return Cells(counts[..., 1, 1], counts[..., 0, 1], counts[..., 1, 0], counts[..., 0, 0])

    def fields(self) -> Mapping[str, Any]:
        return {"labels": self.labels, "grouped": self.grouped, "rows": self.rows, "counts": self.counts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        return cls(labels=codec.whole(fields, "labels"), grouped=codec.flag(fields, "grouped"))._read(fields)


class PairedConfusion(_Counted):
    """True class against the classes that two models predicted for the same rows, so that differences are paired.

    >>> paired = PairedConfusion(classes=2)
    >>> paired.update(np.array([1, 1, 0]), np.array([1, 0, 0]), np.array([1, 1, 0]))
    >>> first, second = paired.view()
    >>> first.tp.tolist(), second.tp.tolist()
    ([1.0, 1.0], [1.0, 2.0])
    """

    kind: ClassVar[str] = "paired confusion"
    inputs: ClassVar[tuple[str, ...]] = ("@label", "@prediction", "@prediction:champion")

    def __init__(self, *, classes: int, grouped: bool = False):
        self.classes = _many(classes, 64)
        self._shape = (self.classes,) * 3
        super().__init__(grouped)

    def _cells(self, *columns: Any) -> Array:
        label, first, second = (_codes(each, self.classes) for each in columns)
        cells: Array = (label * self.classes + first) * self.classes + second
        return cells

    def seen(self, counts: Array) -> tuple[Cells, Cells]:
        """Return counts (..., classes, classes, classes) as the cells of both models."""
        return Cells.of(counts.sum(axis=-1)), Cells.of(counts.sum(axis=-2))

    def fields(self) -> Mapping[str, Any]:
        return {"classes": self.classes, "grouped": self.grouped, "rows": self.rows, "counts": self.counts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        return cls(classes=codec.whole(fields, "classes"), grouped=codec.flag(fields, "grouped"))._read(fields)
