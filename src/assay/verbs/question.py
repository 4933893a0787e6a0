"""What a verb asks of a subject, and the answers: one metric or screen, of which columns, by which slices, against what.

``Question`` and ``Answered``; ``measure`` turns the one into the other. Verbs import both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.check.expression import Check
from assay.errors import ConfigError
from assay.metric import find
from assay.metric.column import ColumnMetric
from assay.model.model import Model
from assay.result import Value
from assay.screen import SCREENS
from assay.summary.target import Target

__all__ = ["Answered", "Question"]


@dataclass(frozen=True)
class Question:
    """One thing to measure: a metric, of columns or of labelled rows, overall or by slices, perhaps against something."""

    metric: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    by: str | None = None
    where: str | None = None
    against: str | None = None
    factor: float = 1.0
    compare: str | None = None

    @classmethod
    def of(cls, check: Check) -> Question:
        """Return what has to be measured to judge a check."""
        bound = check.bound
        return cls(_metric(check.metric), dict(check.options), check.columns, check.by, check.where, bound.relative, bound.factor,
                   check.compare)

    @property
    def clauses(self) -> str:
        """The slicing as one text: the filter, crossed with the slices."""
        return " * ".join(f"({each})" if self.where and self.by else each for each in (self.where, self.by) if each)

    @property
    def counts(self) -> bool:
        """Whether it is about how many rows there are, whatever stands in their columns."""
        return isinstance(self.metric, ColumnMetric) and self.metric.counts

    @property
    def as_train(self) -> str:
        """How the same metric is compared with the training data, for a hint."""
        return f"{self.metric.name} >= train - ..."

    def asks_query(self, target: Target) -> bool:
        """Whether rows are taken together by query."""
        return any(name.startswith("@query") for need in self.metric.needs(target, self.options) for name in need.columns)

    def fits_answers(self, target: Target, models: Mapping[str, Model]) -> None:
        """Refuse a metric of scores where the model gives only labels, before it stops the pass; raises ``ConfigError``."""
        signature = next(iter(models.values())).signature
        names = [name for need in self.metric.needs(target, self.options) for name in need.columns]
        if signature.task in ("binary", "multiclass", "multilabel") and signature.scores is None and any(
                name.startswith(("@score", "@confidence")) for name in names):
            raise ConfigError(f"{self.metric.name} needs scores, and the model gives only labels",
                              hint="use metrics of labels, such as accuracy, precision or recall")


@dataclass
class Answered:
    """The values of a question (differences, where it compares), the plain ones behind them, and what failed."""

    values: list[Value] = field(default_factory=list)
    plain: list[Value] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)


def _metric(name: str) -> Any:
    """Return the metric or the screen of a name."""
    if name in SCREENS:
        return SCREENS[name]
    return find(name)
