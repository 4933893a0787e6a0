"""What each training row did to a linear model: exact leave-one-out for least squares and ridge, one Newton step for the others.

``Newton.of(model, numbers, labels)`` is the interface; :mod:`assay.explain.training_row` uses it. The penalty is not asked of the library:
at the fitted coefficients the slopes of the training rows are what the penalty holds against, so it is read off there, and where they
are not, the model was not fitted to these rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from scipy import linalg, optimize

from assay.explain.training_loss import Loss
from assay.model.linear import Linear

__all__ = ["Newton"]

Array = np.ndarray[Any, Any]
_WIDEST = 3_000     # coefficients whose curvature is held and inverted
_LOOSE = 0.02       # of the rows' slopes, which may be left over where a solver stopped early
_AGAIN = 100        # rows that are left out by refitting, those that one step moves furthest
_SPARE = 2          # equations beyond those that weights of classes need, so that they can be wrong
_CLEAR = 0.2        # of the next singular value: a smaller one tells that the equations agree
_WORK = 2e9         # products that this may take
_STEPS = 12         # of Newton, for each
_PART = 20_000_000  # moves of sums held at once


@dataclass(frozen=True, eq=False)
class Newton:
    """A fitted linear model and its training rows.

    ``left`` is the part of the rows' slopes that neither they nor the penalty explain (0: exactly the fitted optimum), ``penalty`` that
    of squared coefficients; ``sparse``: absolute ones are held back too, and those at 0 are taken to stay there. ``inverse`` is the
    inverse curvature, (outputs, outputs, numbers, numbers) where outputs depend on each other and (outputs, 1, numbers, numbers) where
    not, ``step`` (rows, outputs) the slope of each row divided by one less its leverage. ``again`` are rows that were left out by
    refitting, ``moved`` (again, numbers) their coefficients without them, less those with them. ``counted`` are weights of classes, the
    least 1, where they were read off the coefficients.
    """

    model: Linear
    loss: Loss
    numbers: Array     # with a column of ones where there is an intercept
    labels: Array
    weight: Array
    sums: Array
    penalty: float
    left: float
    sparse: bool
    active: Array
    inverse: Array
    step: Array
    leverage: Array
    again: Array
    moved: Array
    counted: tuple[float, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether leaving out any one row is told without error."""
        return self.loss.kind in ("squared", "signed") and self.left < 1e-6 and not self.sparse

    @classmethod
    def of(cls, model: Linear, numbers: Array, labels: Array, weight: Array | None, losses: Sequence[Loss]) -> Self | None:
        """Return the model with its rows, None where no loss explains the coefficients, or there are too many of them.

        ``numbers`` are (rows, numbers) as the model has them, ``labels`` (rows,) numbers or places of classes.
        """
        if model.weights.size + model.outputs > _WIDEST or not np.isfinite(numbers).all():
            return None
        weight = np.ones(len(numbers)) if weight is None else weight
        sums = model.sums(numbers)
        constant = bool(model.intercept.any())
        found = [(*_penalty(model, numbers, each.slope(sums, labels) * weight[:, None], constant=constant), each) for each in losses]
        if not found:
            return None
        left, penalty, sparse, loss = min(found, key=lambda each: each[0])
        counted: tuple[float, ...] = ()
        if left > _LOOSE:   # perhaps classes were weighted, which the rows do not show
            tried = [(*_penalty(model, numbers, each.slope(sums, labels) * (weight * some[places])[:, None], constant=constant), each, some)
                     for each in losses if each.classes for places in (labels.astype(np.int64),)
                     for some in _classes(model, numbers, each.slope(sums, labels) * weight[:, None], places, constant=constant)]
            if not tried:
                return None
            left, penalty, sparse, loss, some = min(tried, key=lambda each: each[0])
            weight, counted = weight * some[labels.astype(np.int64)], tuple(some.tolist())
        if left > _LOOSE:
            return None
        active = (model.weights != 0).any(axis=0)
        used = numbers[:, active]
        if constant:
            used = np.concatenate([used, np.ones((len(used), 1))], axis=1)
        held = np.full(used.shape[1], penalty)
        held[int(active.sum()):] = 0.0
        slope, curve = loss.slope(sums, labels), _curve(loss, sums, labels)
        inverse = _inverse(used, curve * weight[:, None, None], held)
        step, leverage = _steps(used, inverse, curve, slope, weight)
        made = cls(model, loss, used, labels, weight, sums, penalty, left, sparse, active, inverse, step, leverage, np.empty(0, np.int64),
                   np.empty((0, used.shape[1])), counted)
        return made if made.exact or slope.shape[1] > 1 or sparse else made._refitted(held)

    def shifts(self, numbers: Array, output: int) -> Array:
        """Return by how much each training row moves one sum of each row, (rows, training rows): with it, less without it."""
        some = self._taken(numbers)
        out = np.zeros((len(some), len(self.numbers)))
        for other in range(self.step.shape[1]):
            if self.inverse.shape[1] == 1 and other != output:
                continue
            block = self.inverse[output, other if self.inverse.shape[1] > 1 else 0]
            out -= (some @ block @ self.numbers.T) * self.step[:, other]
        if len(self.again):
            out[:, self.again] = -(some @ self.moved.T)
        return out

    def losses(self, numbers: Array, labels: Array) -> Array:
        """Return by how much each training row raised the loss of each row, (rows, training rows)."""
        sums = self.model.sums(numbers)
        shifts = np.stack([self.shifts(numbers, each) for each in range(sums.shape[1])], axis=2)
        out = np.empty(shifts.shape[:2])
        for row, (each, label) in enumerate(zip(sums, labels, strict=True)):
            here = np.full(len(self.labels), label)
            out[row] = self.loss.cost(each[None], here[:1]) - self.loss.cost(each - shifts[row], here)
        return out

    def total(self, numbers: Array, labels: Array) -> Array:
        """Return by how much each training row raised the loss of all rows together, (training rows,)."""
        out = np.zeros(len(self.labels))
        part = max(1, _PART // max(self.step.size, 1))
        for low in range(0, len(numbers), part):
            out += self.losses(numbers[low:low + part], labels[low:low + part]).sum(axis=0)
        return out

    def cost(self) -> Array:
        """Return the loss of each training row, (rows,)."""
        return self.loss.cost(self.sums, self.labels)

    def own(self) -> Array:
        """Return by how much more each row's own loss is without it, (rows,): its self-influence."""
        return cast(Array, self.loss.cost(self.without(), self.labels) - self.loss.cost(self.sums, self.labels))

    def without(self) -> Array:
        """Return the sums of each training row by the model that was not trained on it, (rows, outputs)."""
        if self.inverse.shape[1] == 1:
            out = self.sums + self.leverage[:, :, 0] * self.step
            if len(self.again):
                out[self.again, 0] = self.sums[self.again, 0] + (self.numbers[self.again] * self.moved).sum(axis=1)
            return cast(Array, out)
        return cast(Array, self.sums + np.einsum("nkl,nl->nk", self.leverage, self.step))

    def _refitted(self, held: Array) -> Self:
        """Leave out the rows that move the model most by Newton's steps to the end: one step is least good for them."""
        rows, width = self.numbers.shape
        most = int(min(_AGAIN, rows, _WORK / (rows * (width + 1) ** 2 * _STEPS / 3)))
        if most < 1:
            return self
        far = np.abs(self.leverage[:, 0, 0] * self.step[:, 0])
        again = np.sort(np.argsort(-far, kind="stable")[:most])
        first = np.concatenate([self.model.weights[0, self.active], self.model.intercept[:width - int(self.active.sum())]])
        # where the solver stopped a little early, the slopes at its end count as none
        rest = (self.loss.slope(self.sums, self.labels)[:, 0] * self.weight) @ self.numbers + held * first
        moved = np.stack([self._left_out(int(row), first, held, rest) for row in again])
        return dataclasses.replace(self, again=again, moved=moved)

    def _left_out(self, row: int, first: Array, held: Array, rest: Array) -> Array:
        weight = self.weight.copy()
        weight[row] = 0.0
        offset = self.sums[:, 0] - self.numbers @ first
        theta = first + self.inverse[0, 0] @ self.numbers[row] * self.step[row, 0]
        for _ in range(_STEPS):
            sums = (self.numbers @ theta + offset)[:, None]
            slope = self.numbers.T @ (self.loss.slope(sums, self.labels)[:, 0] * weight) + held * theta - rest
            curve = (self.numbers * (self.loss.curve(sums, self.labels)[:, 0] * weight)[:, None]).T @ self.numbers + np.diag(held)
            step = _inverted(curve) @ slope
            theta = theta - step
            if np.abs(step).max() <= 1e-8 * (1 + np.abs(theta).max()):
                break
        return cast(Array, theta - first)

    def _taken(self, numbers: Array) -> Array:
        some = numbers[:, self.active]
        return np.concatenate([some, np.ones((len(some), 1))], axis=1) if self.numbers.shape[1] > some.shape[1] else some


def _penalty(model: Linear, numbers: Array, slope: Array, *, constant: bool) -> tuple[float, float, bool]:
    """Return how much of the rows' slopes no penalty explains, as a share of their size, the squared penalty, and if there is another.

    At the optimum the slopes of the rows sum up to -(a sign(w) + b w) for coefficients that are not 0, and to 0 for the intercept.
    """
    pull = -(slope.T @ numbers)
    there = model.weights != 0
    size = float(np.sqrt(((np.abs(slope).T @ np.abs(numbers)) ** 2)[there].sum())) or 1.0
    w, p = model.weights[there], pull[there]
    rest = abs(float(slope.sum(axis=0).max())) / (float(np.abs(slope).sum(axis=0).max()) or 1.0) if constant else 0.0
    if not len(w):
        return rest, 0.0, False
    squared = max(float(w @ p) / float(w @ w), 0.0)
    alone = float(np.linalg.norm(p - squared * w)) / size
    if alone < 1e-6:
        scale = float((numbers ** 2).sum(axis=0).mean()) or 1.0
        return max(alone, rest), squared if squared > 1e-11 * scale else 0.0, False
    both, norm = optimize.nnls(np.stack([np.sign(w), w], axis=1), p)
    if norm / size < 0.5 * alone:
        return max(float(norm) / size, rest), float(both[1]), True
    return max(alone, rest), squared, False


def _classes(model: Linear, numbers: Array, slope: Array, places: Array, *, constant: bool) -> list[Array]:
    """Return weights of classes under which a model may have been fitted to rows, the least 1: balanced ones, and those read off.

    At the optimum sum_c v_c P_c = b w and, for an intercept, sum_c v_c S_c = 0, where P_c and S_c are the slopes of the rows of class c: a
    homogeneous system in the weights v and the penalty b. It is solved where it has more equations than unknowns by enough to be wrong.
    """
    size = int(places.max(initial=0)) + 1
    counts = np.bincount(places, minlength=size).astype(np.float64)
    if size < 2 or not (counts > 0).all():
        return []
    found = [counts.max() / counts]
    there = model.weights != 0
    parts = [-(slope[places == each].T @ numbers[places == each])[there] for each in range(size)]
    system = np.column_stack([*parts, -model.weights[there]])
    if constant:
        ends = np.column_stack([*(slope[places == each].sum(axis=0) for each in range(size)), np.zeros(slope.shape[1])])
        scale = float(np.abs(numbers).mean()) or 1.0
        system = np.concatenate([system, ends * scale])
    if len(system) < size + 1 + _SPARE:
        return found
    norms = np.linalg.norm(system, axis=0)
    if not (norms[:size] > 0).all():
        return found
    for width in (size + 1, size):   # with a penalty, and without
        _, spread, ways = np.linalg.svd(system[:, :width] / norms[:width])
        solved = ways[-1] / norms[:width]
        solved = solved * np.sign(solved[:size].sum())
        if (solved[:size] > 0).all() and (width == size or solved[-1] >= 0) and spread[-1] < _CLEAR * spread[-2]:
            found.append(solved[:size] / solved[:size].min())
    return found


def _curve(loss: Loss, sums: Array, labels: Array) -> Array:
    """Return the second derivatives of each row's loss, (rows, outputs, outputs), or (rows, outputs, 1) where outputs are apart."""
    plain = loss.curve(sums, labels)
    if not loss.joined:
        return plain[:, :, None]
    p = np.exp(sums - sums.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return cast(Array, p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :]))


def _inverse(used: Array, curve: Array, held: Array) -> Array:
    outputs, width = curve.shape[1], used.shape[1]
    if curve.shape[2] == 1:
        made = [_inverted((used * curve[:, each, 0][:, None]).T @ used + np.diag(held)) for each in range(outputs)]
        return np.stack(made)[:, None]
    whole = np.empty((outputs, width, outputs, width))
    for one in range(outputs):
        for other in range(outputs):
            whole[one, :, other] = (used * curve[:, one, other][:, None]).T @ used + (np.diag(held) if one == other else 0.0)
    found = _inverted(whole.reshape(outputs * width, outputs * width)).reshape(outputs, width, outputs, width)
    return np.ascontiguousarray(found.transpose(0, 2, 1, 3))


def _inverted(matrix: Array) -> Array:
    """The inverse, or where several coefficients say the same, that of what the rows do tell."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    even = matrix / scale[:, None] / scale
    try:
        factor = linalg.cho_factor(even, lower=True)
        if np.abs(np.diag(factor[0])).min() > 1e-6:
            return cast(Array, linalg.cho_solve(factor, np.eye(len(matrix))) / scale[:, None] / scale)
    except linalg.LinAlgError:
        pass
    return cast(Array, linalg.pinvh(even, rtol=1e-11) / scale[:, None] / scale)


def _steps(used: Array, inverse: Array, curve: Array, slope: Array, weight: Array) -> tuple[Array, Array]:
    """Return (1 - W S)^-1 g of each row, and S: its own numbers through the inverse curvature (Sherman, Morrison and Woodbury)."""
    outputs = slope.shape[1]
    if inverse.shape[1] == 1:
        through = np.stack([np.einsum("nd,de,ne->n", used, inverse[each, 0], used, optimize=True) for each in range(outputs)], axis=1)
        room = 1 - curve[:, :, 0] * through * weight[:, None]
        step = slope * weight[:, None] / np.maximum(room, 1e-9)
        return np.where(np.abs(slope) < 1e-12, 0.0, step), through[:, :, None]
    through = np.empty((len(used), outputs, outputs))
    for one in range(outputs):
        for other in range(outputs):
            through[:, one, other] = ((used @ inverse[one, other]) * used).sum(axis=1)
    room = np.eye(outputs) - curve * weight[:, None, None] @ through
    return np.linalg.solve(room, (slope * weight[:, None])[:, :, None])[:, :, 0], through
