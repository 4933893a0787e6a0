"""Integrated gradients of models that can be differentiated: the path from each background row to a row, walked in steps.

``integrated(model, rows, background, place)`` is the interface; ``explain.explain`` and ``explain.superpixel`` use it. The values add up
to the answer less its mean over the background but for a gap, which is measured for each row and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, DataError
from assay.model import guard
from assay.model.gradient import gradient
from assay.model.model import Model, called

__all__ = ["Integrated", "integrated"]

Array = np.ndarray[Any, Any]
_FIRST = 8           # steps of a path at first
_PRECISE = 0.01      # gap that is small enough, as a share of the spread of answers or of what is to be explained
_CELLS = 4_000_000   # numbers that are made at once


@dataclass(frozen=True, eq=False)
class Integrated:
    """Values (rows, numbers), what each number belongs to (``source``, a column), and how far they fail to add up (``gap``, rows).

    ``used`` are the background rows that were walked from, ``steps`` (rows) how many steps each of those paths took, ``asked`` how
    many rows the model was asked, gradients included.
    """

    values: Array
    source: Array
    base: float
    output: Array
    gap: Array
    steps: Array
    used: pa.RecordBatch
    asked: int


def integrated(model: Model, rows: pa.RecordBatch, background: pa.RecordBatch, place: int, *, at_most: float | None = None, budget: int,
               seed: int = 0) -> Integrated:
    """Return integrated gradients of the score of the class at ``place`` (of the number), the mean over paths from background rows.

    A path leads from a background row z straight to the row x, and number j gets (x_j - z_j) times the mean of the slope along it
    (Sundararajan, Taly and Yan 2017; with the background as baselines, Erion et al. 2021). The mean is taken at Gauss-Legendre nodes,
    8 at first; they are doubled for the rows whose gap is larger than ``at_most`` (default: a hundredth of the larger of the standard
    deviation of the background's answers and of what is to be explained) while ``budget`` rows of the model, all together, allow.
    Of a background that the budget does not allow, a sample is used. Raises ``ConfigError`` for a model without slopes, ``DataError``
    for columns that are no numbers or are missing.
    """
    count = rows.num_rows
    most = max(1, budget // max(1, count) // (8 * _FIRST))   # so that steps can be doubled three times
    if background.num_rows > most:
        chosen = np.sort(np.random.default_rng(seed).choice(background.num_rows, most, replace=False))
        background = background.take(pa.array(chosen))
    layout = _Layout.of(rows)
    start, end = layout.numbers(background, model), layout.numbers(rows, model)
    if not count:
        none = np.zeros(0)
        return Integrated(np.zeros((0, end.shape[1])), layout.source, float("nan"), none, none, none.astype(np.int64), background, 0)
    said, output = _answers(model, layout.batch(start), place), _answers(model, layout.batch(end), place)
    base, asked = float(said.mean()), len(start) + count
    allowed = np.full(count, at_most) if at_most is not None else _PRECISE * np.maximum(said.std(), np.abs(output - base))
    values, gap, steps = np.zeros(end.shape), np.full(count, np.inf), np.zeros(count, np.int64)
    step, left = _FIRST, np.arange(count)
    while len(left) and (step == _FIRST or asked + len(left) * len(start) * step <= budget):
        values[left] = _walked(model, layout, start, end[left], place, step)
        asked += len(left) * len(start) * step
        gap[left] = np.abs(values[left].sum(axis=1) + base - output[left])
        steps[left] = step
        left, step = left[gap[left] > allowed[left]], 2 * step
    return Integrated(values, layout.source, base, output, gap, steps, background, asked)


@dataclass(frozen=True, eq=False)
class _Layout:
    """How columns become numbers and back: a column of numbers is one, a column of lists as many as its lists are long."""

    schema: pa.Schema
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> _Layout:
        sizes = []
        for each, column in zip(batch.schema, batch.columns, strict=True):
            if pa.types.is_fixed_size_list(each.type):
                sizes.append(each.type.list_size)
            elif pa.types.is_list(each.type) or pa.types.is_large_list(each.type):
                sizes.append(len(column[0]) if len(column) and column[0].is_valid else 0)
            else:
                sizes.append(0)
        return cls(batch.schema, tuple(sizes))

    @property
    def source(self) -> Array:
        """The column of each number."""
        return np.repeat(np.arange(len(self.sizes)), [max(1, each) for each in self.sizes])

    def numbers(self, batch: pa.RecordBatch, model: Model) -> Array:
        """Return a batch as numbers (rows, width)."""
        parts = []
        for name, size in zip(self.schema.names, self.sizes, strict=True):
            column = batch.column(batch.schema.get_field_index(name))
            where = f"{called(model)}, column '{name}'"
            plain = column.flatten() if size else column
            if not (pa.types.is_integer(plain.type) or pa.types.is_floating(plain.type) or pa.types.is_boolean(plain.type)):
                raise ConfigError(f"a column of type {column.type} has no slope", where=where, expected="numbers, or lists of numbers",
                                  hint="leave out the way, and it is sampled")
            made = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
            if len(made) != len(column) * max(1, size) or not np.isfinite(made).all():
                raise DataError("a value is missing", where=where, expected="a number in each row, as a path leads from one to the other",
                                hint="leave out the way, and it is sampled")
            parts.append(made.reshape(len(column), max(1, size)))
        return np.concatenate(parts, axis=1) if parts else np.zeros((batch.num_rows, 0))

    def batch(self, numbers: Array) -> pa.RecordBatch:
        """Return numbers as a batch of the columns that they came from."""
        at, columns = 0, []
        for size in self.sizes:
            part = np.ascontiguousarray(numbers[:, at:at + max(1, size)]).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(part), size) if size else pa.array(part))
            at += max(1, size)
        return pa.RecordBatch.from_arrays(columns, names=self.schema.names)


def _answers(model: Model, batch: pa.RecordBatch, place: int) -> Array:
    said = guard.answer(model, batch)
    found = said.value if said.value is not None else None if said.score is None else said.score[:, place]
    if found is None:
        raise ConfigError("the model gives labels only, which have no slope", where=called(model))
    return np.asarray(found, np.float64)


def _walked(model: Model, layout: _Layout, start: Array, end: Array, place: int, steps: int) -> Array:
    """The mean over background rows of the way of each number times the mean slope along it, (rows, numbers)."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    at, share = (nodes + 1) / 2, weights / 2
    out = np.zeros(end.shape)
    some = max(1, _CELLS // max(1, steps * end.shape[1]))
    row, behind = (each.reshape(-1) for each in np.meshgrid(np.arange(len(end)), np.arange(len(start)), indexing="ij"))
    for low in range(0, len(row), some):
        here, there = row[low:low + some], behind[low:low + some]
        way = end[here] - start[there]
        points = start[there][:, None, :] + at[None, :, None] * way[:, None, :]
        slope = gradient(model, layout.batch(points.reshape(-1, end.shape[1])), place)
        if slope is None:
            raise ConfigError("the model has no gradients", where=called(model), expected="a network of PyTorch, Keras or JAX",
                              hint="leave out the way, and it is sampled")
        mean = np.einsum("psj,s->pj", np.asarray(slope, np.float64).reshape(points.shape), share)
        np.add.at(out, here, way * mean)
    return out / len(start)
