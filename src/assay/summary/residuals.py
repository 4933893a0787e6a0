"""What regression metrics need of true and predicted numbers: moments of errors and of the truth, with their covariances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.resample import DRAWS, GROUPS, Array, Replicates, grouping, left_out
from assay.summary.summary import Summary

__all__ = ["Errors", "Residuals"]

# the vector of one row: 1, |e|, e, e^2, |e / y|, [y != 0], y - shift, (y - shift)^2
_SIZE = 8


@dataclass(frozen=True)
class Errors:
    """Means over rows, each of shape (...,); ``error`` is prediction minus truth, ``variance`` that of the truth.

    ``relative`` is the mean of |error / truth| over the rows whose truth is not 0.
    """

    weight: Array
    absolute: Array
    error: Array
    square: Array
    relative: Array
    variance: Array

    @classmethod
    def of(cls, sums: Array) -> Errors:
        """Return the means of sums (..., 8) of the row vectors."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            n = sums[..., 0]
            mean = sums / n[..., None]
            return cls(n, mean[..., 1], mean[..., 2], mean[..., 3], sums[..., 4] / sums[..., 5],
                       np.maximum(mean[..., 7] - mean[..., 6] ** 2, 0.0))


class Residuals(Summary):
    """Sums of one vector a row by group, or of its outer products, so that means and their covariances add.

    The truth is shifted by the mean of the first rows seen, which keeps its variance accurate far from zero; merging shifts exactly.

    >>> residuals = Residuals()
    >>> residuals.update(np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0]))
    >>> errors = residuals.view()
    >>> float(errors.absolute), round(float(errors.error), 4)
    (0.5, -0.1667)
    """

    kind: ClassVar[str] = "residuals"
    inputs: ClassVar[tuple[str, ...]] = ("@label", "@value")

    def __init__(self, *, grouped: bool = False):
        self.grouped = bool(grouped)
        self.rows = 0
        self.shift: float | None = None
        # (groups, 1, 8) sums, the first row of the products; ungrouped (1, 8, 8) outer products
        self.products = np.zeros((GROUPS, 1, _SIZE) if grouped else (1, _SIZE, _SIZE))

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        truth, value = (np.asarray(each, np.float64) for each in columns)
        if not (np.isfinite(truth).all() and np.isfinite(value).all()):
            raise SummaryError("a true or predicted number is not finite")
        groups = grouping(group, self.kind) if self.grouped else None
        if not len(truth):
            return
        if self.shift is None:
            self.shift = _middle(truth)
        with np.errstate(over="ignore", invalid="ignore"):
            vectors = _vectors(truth, value, self.shift)
            weighted = vectors if weight is None else vectors * np.asarray(weight, np.float64)
            if groups is None:
                added = (weighted @ vectors.T)[None]
            else:
                added = np.stack([np.bincount(groups, each, GROUPS) for each in weighted], axis=-1)[:, None]
            self.products = self.products + added
        self.rows += len(truth)

    def merge(self, other: Self) -> Self:
        self._same(other, "grouped")
        first, second = (self, other) if self.shift is not None else (other, self)
        out = type(self)(grouped=self.grouped)
        out.rows, out.shift = self.rows + other.rows, first.shift
        out.products = first.products
        if second.shift is not None and first.shift is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                out.products = out.products + _moved(second.products, second.shift - first.shift)
        return out

    @property
    def n(self) -> int:
        return self.rows

    def view(self) -> Errors:
        """Return the mean errors over all groups."""
        return Errors.of(self.products.sum(axis=0)[0])

    def replicates(self, seed: int = 0) -> Replicates[Errors]:
        """Return leave-one-group-out means, or draws of the mean vector around its estimate (central limit theorem)."""
        if self.grouped:
            parts = left_out(self.products[:, 0])
            return Replicates(Errors.of(parts), "jackknife", max(len(parts) - 1.0, 1.0))
        products = self.products[0]
        n = max(products[0, 0], 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            # whatever the shift was, which a split decides, the draws are around the mean truth
            products = _moved(self.products, -products[0, 6] / n)[0]
            mean = products[0] / n
            covariance = (products / n - np.outer(mean, mean)) / n
            infinite = ~np.isfinite(np.diag(covariance))  # |e / y| near y = 0, say: not a reason to know nothing of the others
            covariance[infinite] = covariance[:, infinite] = 0.0
            mean = np.where(infinite, np.nan, mean)
        draws = np.random.default_rng(seed).standard_normal((DRAWS, _SIZE))
        if np.isfinite(covariance).all():
            # what is constant has a variance of rounding, which must not be blown up to correlations
            varies = np.diag(covariance) * n > 1e-12 * np.diag(products) / n
            scale = np.sqrt(np.where(varies, np.diag(covariance), 0.0))
            inverse = np.where(varies, 1 / np.where(varies, scale, 1.0), 0.0)
            values, vectors = np.linalg.eigh(covariance * np.outer(inverse, inverse))
            # the symmetric root: unlike eigenvectors, it does not turn with the last bit of a sum, so any split gives the same draws
            root = np.sqrt(np.where(values > 1e-12 * values[-1], values, 0.0))
            means = mean + draws @ ((vectors * root) @ vectors.T) * scale
        else:
            means = np.full((DRAWS, _SIZE), np.nan)
        return Replicates(Errors.of(means * n), "bootstrap", np.inf)

    def fields(self) -> Mapping[str, Any]:
        shift = np.array([] if self.shift is None else [self.shift])
        return {"grouped": self.grouped, "rows": self.rows, "shift": shift, "products": self.products}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(grouped=codec.flag(fields, "grouped"))
        out.rows, shift = codec.whole(fields, "rows"), codec.array(fields, "shift", "<f8", (min(codec.whole(fields, "rows"), 1),))
        out.products = codec.array(fields, "products", "<f8", out.products.shape, finite=False)  # squares of huge errors overflow
        out.shift = float(shift[0]) if len(shift) else None
        weight = out.products[:, 0, 0]
        if not (np.isfinite(weight).all() and (weight >= 0).all()) or (out.shift is None and out.products.any()):
            raise SummaryError("the products do not make a 'residuals' summary")
        return out


def _vectors(truth: Array, value: Array, shift: float) -> Array:
    """Return the vector of each row, (8, rows)."""
    error, off = value - truth, truth - shift
    some = truth != 0
    out = np.empty((_SIZE, len(truth)))
    out[0], out[1], out[2], out[5], out[6] = 1.0, np.abs(error), error, some, off
    np.multiply(error, error, out=out[3])
    out[4] = 0.0
    np.divide(out[1], np.abs(truth), out=out[4], where=some)
    np.multiply(off, off, out=out[7])
    return out


def _moved(products: Array, d: float) -> Array:
    """Return products (..., 1 or 8, 8) for a shift that is less by ``d``: y - c1 = (y - c2) + d, and its square likewise.

    Not by multiplying matrices, where one infinite sum times 0 would make all of them NaN.
    """
    out = products.copy()
    for each in (out.transpose(2, 0, 1), out.transpose(1, 0, 2))[: 1 + (products.shape[1] == _SIZE)]:
        each[7] += d * d * each[0] + 2 * d * each[6]
        each[6] += d * each[0]
    return out


def _middle(truth: Array) -> float:
    with np.errstate(over="ignore"):
        mean = float(np.mean(truth))
    return mean if np.isfinite(mean) else float(truth[0])
