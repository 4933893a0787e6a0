"""Which training rows lie near: the Shapley value of each in a vote of the nearest, in closed form, for models that show nothing inside.

``Neighbours.of(train, labels)`` is the interface; :mod:`assay.explain.training_row` uses it. It tells what the data near a row say,
not what the model made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa

__all__ = ["Neighbours"]

Array = np.ndarray[Any, Any]
NEAREST = 10       # that vote
_APART = 30        # categories of a column that are told apart
_PART = 8_000_000  # distances held at once
_LONG = 200        # categories above which a column of text is no category
_ASKED = 3_000     # training rows whose neighbours are looked for, where each is asked


@dataclass(frozen=True, eq=False)
class _Column:
    """How a column becomes numbers: in units of its spread, or one for each frequent category."""

    name: str
    middle: float = 0.0
    width: float = 1.0
    categories: tuple[Any, ...] = ()

    @classmethod
    def of(cls, name: str, column: pa.Array) -> _Column | None:
        if _is_number(column.type):
            values = _numbers(column)
            known = values[np.isfinite(values)]
            if not len(known):
                return None
            low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
            width = (high - low) / 1.35 if high > low else float(known.std())
            return cls(name, float(middle), float(width)) if width > 0 else None
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        if not (pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type)):
            return None
        counts = sorted(plain.drop_null().value_counts().to_pylist(), key=lambda each: -each["counts"])
        if not counts or len(counts) > _LONG:
            return None
        return cls(name, categories=tuple(each["values"] for each in counts[:_APART]))

    def numbers(self, column: pa.Array) -> Array:
        if self.categories:
            plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            codes = {each: place for place, each in enumerate(self.categories)}
            at = np.array([codes.get(each, -1) for each in plain.to_pylist()], np.int64)
            out = np.zeros((len(at), len(codes)))
            there = np.flatnonzero(at >= 0)
            out[there, at[there]] = np.sqrt(0.5) * 2   # two that differ are as far apart as two standard deviations
            return out
        values = (_numbers(column) - self.middle) / self.width
        lost = ~np.isfinite(values)
        return np.stack([np.clip(np.where(lost, 0.0, values), -5, 5), np.where(lost, 1.0, 0.0)], axis=1)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Training rows as points, and their labels as numbers ``shown`` (rows, outputs)."""

    columns: tuple[_Column, ...]
    points: Array
    shown: Array
    weight: Array
    classes: bool
    skipped: tuple[str, ...]

    @classmethod
    def of(cls, train: pa.RecordBatch, labels: Array, *, classes: int | None, weight: Array | None = None) -> Self | None:
        """Return the training rows as points, None where no column can be one; ``labels`` are numbers, or places of ``classes``."""
        made = [(name, _Column.of(name, train.column(place))) for place, name in enumerate(train.schema.names)]
        columns = tuple(each for _, each in made if each is not None)
        if not columns:
            return None
        shown = np.eye(classes)[labels.astype(np.int64)] if classes else labels[:, None].astype(np.float64)
        found = cls(columns, np.empty((0, 0)), shown, np.ones(len(labels)) if weight is None else weight, classes is not None,
                    tuple(name for name, each in made if each is None))
        return cls(columns, found.placed(train), shown, found.weight, found.classes, found.skipped)

    def placed(self, rows: pa.RecordBatch) -> Array:
        """Return rows as points, (rows, dimensions)."""
        return np.concatenate([each.numbers(rows.column(rows.schema.get_field_index(each.name))) for each in self.columns], axis=1)

    def shifts(self, points: Array, output: int) -> Array:
        """Return by how much each training row pulls the mean label of the nearest from that of all, (rows, training rows)."""
        gain = self.shown[:, output] - np.average(self.shown[:, output], weights=self.weight)
        return self._shapley(points, lambda _: gain)

    def losses(self, points: Array, labels: Array) -> Array:
        """Return what each training row adds to the error of the nearest: half the squared difference of labels, (rows, training rows)."""
        theirs = np.eye(self.shown.shape[1])[labels.astype(np.int64)] if self.classes else labels[:, None]
        return self._shapley(points, lambda row: ((self.shown - theirs[row]) ** 2).sum(axis=1) / 2)

    def total(self, points: Array, labels: Array) -> Array:
        """Return what each training row adds to the error of all rows together, (training rows,)."""
        out = np.zeros(len(self.shown))
        part = max(1, _PART // len(self.shown))
        for low in range(0, len(points), part):
            out += self.losses(points[low:low + part], labels[low:low + part]).sum(axis=0)
        return out

    def cost(self) -> Array:
        """Return half the squared difference of each row's label to the mean of its nearest, itself left out, (rows,)."""
        out = np.empty(len(self.shown))
        count = min(NEAREST, len(self.shown) - 1)
        part = max(1, _PART // len(self.shown))
        for low in range(0, len(out), part):
            far = self._distances(self.points[low:low + part])
            far[np.arange(len(far)), np.arange(low, low + len(far))] = np.inf
            near = np.argpartition(far, max(count - 1, 0), axis=1)[:, :count]
            mean = self.shown[near].mean(axis=1) if count else np.zeros_like(self.shown[low:low + part])
            out[low:low + part] = ((mean - self.shown[low:low + part]) ** 2).sum(axis=1) / 2
        return out

    def own(self) -> Array:
        """Return nothing: a row's own vote is left out of :meth:`cost`, (rows,) zeros."""
        return np.zeros(len(self.shown))

    def harm(self, seed: int = 0) -> Array:
        """Return the mean Shapley value of each row in the errors of the other training rows, (rows,): mislabelled rows have more."""
        rows = np.arange(len(self.shown))
        if len(rows) > _ASKED:
            rows = np.sort(np.random.default_rng(seed).choice(rows, _ASKED, replace=False))
        out = np.zeros(len(self.shown))
        part = max(1, _PART // len(self.shown))
        for low in range(0, len(rows), part):
            some = rows[low:low + part]
            out += self._shapley(self.points[some], lambda row, some=some: ((self.shown - self.shown[some[row]]) ** 2).sum(axis=1) / 2,
                                 without=some).sum(axis=0)
        return out / max(len(rows), 1)

    def _distances(self, points: Array) -> Array:
        return cast(Array, (points ** 2).sum(axis=1)[:, None] - 2 * points @ self.points.T + (self.points ** 2).sum(axis=1))

    def _shapley(self, points: Array, gain: Any, without: Sequence[int] | Array | None = None) -> Array:
        """The Shapley values where a coalition is worth the mean gain of its nearest K (Jia et al., VLDB 2019).

        The farthest of n has a K / n / K, any other s_(i+1) + (a_i - a_(i+1)) min(K, i) / (i K), as each row's gain counts by itself.
        """
        far = self._distances(points)
        out = np.zeros(far.shape)
        for row in range(len(far)):
            if without is not None:
                far[row, without[row]] = np.inf
            order = np.argsort(far[row], kind="stable")
            order = order[:-1] if without is not None else order
            a, n = gain(row)[order], len(order)
            if not n:
                continue
            place = np.arange(1, n + 1)
            nearest = min(NEAREST, n)
            steps = np.append((a[:-1] - a[1:]) * np.minimum(nearest, place[:-1]) / place[:-1] / nearest, a[-1] / n)
            out[row, order] = np.cumsum(steps[::-1])[::-1]
        return out


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind))


def _numbers(column: pa.Array) -> Array:
    plain = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    return np.asarray(plain.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
