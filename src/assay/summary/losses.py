"""Log loss and Brier score of class probabilities, for more than two classes or several labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from assay.errors import SummaryError
from assay.summary import codec
from assay.summary.resample import DRAWS, GROUPS, Array, Replicates, grouping, left_out
from assay.summary.summary import Summary

__all__ = ["Losses", "Means"]

CLIP = float(np.finfo(np.float64).eps)  # a probability of 0 costs -log(eps), as in scikit-learn


@dataclass(frozen=True)
class Means:
    """Mean log loss and Brier score (...,), and the rows (or weight) behind them."""

    log_loss: Array
    brier: Array
    weight: Array


class Losses(Summary):
    """Sums of the two losses and of their squares; ``task`` says how labels and scores are laid out.

    multiclass: labels are codes (rows,), scores (rows, classes); Brier is the sum over classes (Brier 1950).
    multilabel: labels are 0/1 (rows, labels), scores (rows, labels); both losses are means over the labels.

    >>> losses = Losses(task="multiclass")
    >>> losses.update(np.array([0, 2]), np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]))
    >>> round(float(losses.view().log_loss), 4), float(losses.view().brier)
    (0.3466, 0.1875)
    """

    kind: ClassVar[str] = "losses"
    inputs: ClassVar[tuple[str, ...]] = ("@label", "@scores")

    def __init__(self, *, task: str, grouped: bool = False):
        if task not in ("multiclass", "multilabel"):
            raise SummaryError(f"there are no losses for the task '{task}'", expected="multiclass or multilabel")
        self.task, self.grouped = task, bool(grouped)
        self.rows = 0
        # per group: weight, the two sums, and the two sums of squares
        self.sums = np.zeros((GROUPS if grouped else 1, 5))

    def update(self, *columns: Any, weight: Any = None, group: Any = None) -> None:
        label, score = np.asarray(columns[0]), np.asarray(columns[1], np.float64)
        if self.task == "multiclass":
            if len(label) and not 0 <= label.min() <= label.max() < score.shape[1]:
                raise SummaryError("a label is no class of the scores", expected=f"codes 0 to {score.shape[1] - 1}")
            true = score[np.arange(len(label)), label]
            loss = -np.log(np.clip(true, CLIP, 1.0))
            # sum (s - [c = y])^2, without the others' zeros
            brier = np.maximum(np.einsum("ij,ij->i", score, score) - 2 * true + 1, 0.0)
        else:
            chance = np.clip(np.where(label == 1, score, 1 - score), CLIP, 1.0)
            loss, brier = -np.log(chance).mean(axis=1), np.mean((score - label) ** 2, axis=1)
        parts = np.stack([np.ones(len(label)), loss, brier, loss * loss, brier * brier])
        if weight is not None:
            parts = parts * weight
        if self.grouped:
            groups = grouping(group, self.kind)
            self.sums = self.sums + np.stack([np.bincount(groups, part, GROUPS) for part in parts], axis=1)
        else:
            self.sums = self.sums + parts.sum(axis=1)
        self.rows += len(label)

    def merge(self, other: Self) -> Self:
        self._same(other, "task", "grouped")
        out = type(self)(task=self.task, grouped=self.grouped)
        out.rows, out.sums = self.rows + other.rows, self.sums + other.sums
        return out

    @property
    def n(self) -> int:
        return self.rows

    def view(self) -> Means:
        return _means(self.sums.sum(axis=0))

    def replicates(self, seed: int = 0) -> Replicates[Means]:
        """Return leave-one-group-out means, or draws of both means around their estimates (central limit theorem)."""
        if self.grouped:
            parts = left_out(self.sums)
            return Replicates(_means(parts), "jackknife", max(len(parts) - 1.0, 1.0))
        weight, *sums = self.sums[0]
        n = max(weight, 1.0)
        draws = np.random.default_rng(seed).standard_normal(DRAWS)
        draws = (draws - draws.mean()) / draws.std(ddof=1)  # so that the spread is the analytic one, not one draw of it
        means = [sums[k] / n + draws * np.sqrt(max(sums[k + 2] / n - (sums[k] / n) ** 2, 0.0) / n) for k in (0, 1)]
        return Replicates(Means(means[0], means[1], np.full(DRAWS, weight)), "bootstrap", np.inf)

    def fields(self) -> Mapping[str, Any]:
        return {"task": self.task, "grouped": self.grouped, "rows": self.rows, "sums": self.sums}

    @classmethod
    def restore(cls, fields: Mapping[str, Any]) -> Self:
        out = cls(task=fields["task"], grouped=codec.flag(fields, "grouped"))
        out.rows, out.sums = codec.whole(fields, "rows"), codec.array(fields, "sums", "<f8", out.sums.shape, least=0)
        return out


def _means(sums: Array) -> Means:
    with np.errstate(invalid="ignore", divide="ignore"):
        return Means(sums[..., 1] / sums[..., 0], sums[..., 2] / sums[..., 0], sums[..., 0])
