"""What regression metrics need of true and predicted numbers: moments of errors and of the truth, with their covariances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary.resample import DRAWS, GROUPS, Array, Replicates, left_out
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
    """Sums of the outer products of one vector a row, so that means and their covariances add.

    The truth is shifted by the first one seen, which keeps its variance accurate far from zero; merging shifts exactly.

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
        self.products = np.zeros((GROUPS if grouped else 1, _SIZE, _SIZE))

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        truth, value = (np.asarray(each, np.float64) for each in columns)
        if not len(truth):
            return
        if self.shift is None:
            self.shift = float(truth[0])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            error, off = value - truth, truth - self.shift
            some = truth != 0
            relative = np.where(some, np.abs(error) / np.where(some, np.abs(truth), 1.0), 0.0)
            rows = np.stack([np.ones(len(truth)), np.abs(error), error, error**2, relative, some.astype(float), off, off**2], axis=1)
            weighted = rows if weight is None else rows * np.asarray(weight)[:, None]
            self.rows += len(truth)
            if not self.grouped:
                self.products[0] += weighted.T @ rows
                return
            if group is None:
                raise SummaryError("a grouped 'residuals' summary needs the group of each row")
            order = np.argsort(group, kind="stable")
            members, starts = np.unique(np.asarray(group)[order], return_index=True)
            for member, part in zip(members, np.split(order, starts[1:]), strict=True):
                self.products[member] += weighted[part].T @ rows[part]

    def merge(self, other: Self) -> Self:
        self._same(other, "grouped")
        first, second = (self, other) if self.shift is not None else (other, self)
        out = type(self)(grouped=self.grouped)
        out.rows, out.shift = self.rows + other.rows, first.shift
        out.products = first.products.copy()
        if second.shift is not None and first.shift is not None:
            d = second.shift - first.shift
            moved = np.eye(_SIZE)  # y - c1 = (y - c2) + d, and its square likewise
            moved[6, 0], moved[7, 0], moved[7, 6] = d, d * d, 2 * d
            out.products = out.products + moved @ second.products @ moved.T
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
            mean = products[0] / n
            covariance = (products / n - np.outer(mean, mean)) / n
        draws = np.random.default_rng(seed).standard_normal((DRAWS, _SIZE))
        if np.isfinite(covariance).all():
            scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
            values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
            means = mean + (draws * np.sqrt(np.maximum(values, 0.0))) @ vectors.T * scale
        else:
            means = np.full((DRAWS, _SIZE), np.nan)
        return Replicates(Errors.of(means), "bootstrap", np.inf)

    def fields(self) -> Mapping[str, Any]:
        return {"grouped": self.grouped, "rows": self.rows, "shift": self.shift, "products": self.products}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(grouped=bool(fields["grouped"]))
        if fields["products"].shape != out.products.shape or int(fields["rows"]) < 0:
            raise SummaryError("the products do not make a 'residuals' summary")
        out.rows, out.products = int(fields["rows"]), fields["products"].astype(np.float64)
        out.shift = None if fields["shift"] is None else float(fields["shift"])
        return out
