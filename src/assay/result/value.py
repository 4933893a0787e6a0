"""A measured number, with its interval and how many rows it comes from.

``Value`` is what metrics return and checks judge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.result.plain import restored, told
from assay.result.spread import Spread
from assay.result.term import FEWEST_SHOWN, LEVEL, Better, Scalar, SliceKey

__all__ = ["Value"]

@dataclass(frozen=True)
class Value:
    """A measured number with its interval and sample size.

    ``value`` is None where the metric is not defined on these rows (recall without positives), and ``note`` says why.
    ``n`` counts the rows it was measured on. ``slice`` is empty for all rows. ``column`` names the column that a drift or
    quality value speaks of, ``model`` the model, ``against`` what it is compared with (``"reference"``, ``"champion"``).
    ``bound`` is the largest error that sketching may have added, 0 where the number is exact; ``options`` are those of the metric.

    >>> value = Value.of("recall", Spread("binomial", 0.9, n=200), n=950, better="higher")
    >>> round(value.low, 3), round(value.high, 3)
    (0.853, 0.936)
    >>> Value.from_json(value.to_json()) == value
    True
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    slice: Mapping[str, Scalar] = field(default_factory=dict)
    better: Better | None = None
    unit: str | None = None
    column: str | None = None
    model: str | None = None
    against: str | None = None
    level: float = LEVEL
    method: str | None = None
    bound: float = 0.0
    note: str | None = None
    spread: Spread | None = None
    options: Mapping[str, Scalar] = field(default_factory=dict)

    @classmethod
    def of(cls, metric: str, spread: Spread, *, n: int, **rest: Any) -> Value:
        """Return the value that ``spread`` describes, with its interval filled in."""
        level = rest.pop("level", LEVEL)
        low, high = spread.interval(level)
        rest.setdefault("method", spread.kind)
        return cls(metric, spread.estimate, low, high, n, level=level, spread=spread, **rest)

    @classmethod
    def undefined(cls, metric: str, note: str, *, n: int, **rest: Any) -> Value:
        """Return a value that says why there is no number."""
        return cls(metric, None, None, None, n, note=note, **rest)

    def __str__(self) -> str:
        """Return the value in words: ``recall 0.9 [0.853, 0.936], n=950, carrier=AA``."""
        number = "undefined" if self.value is None else f"{self.value:.4g}"
        if self.value is not None and self.low is not None and self.high is not None and self.low != self.high:
            number += f" [{self.low:.4g}, {self.high:.4g}]"
        place = [f"{name}={part}" for name, part in self.slice.items()] + ([f"against {self.against}"] if self.against else [])
        return ", ".join([f"{self.name}{f' of {self.column}' if self.column else ''} {number}", f"n={self.n:,}", *place])

    @property
    def name(self) -> str:
        """The metric with its options: ``recall(positive=0)`` is another metric than ``recall``."""
        options = ", ".join(f"{name}={each}" for name, each in self.options.items())
        return f"{self.metric}({options})" if options else self.metric

    @property
    def key(self) -> SliceKey:
        """The slice as a hashable, sorted tuple of pairs."""
        return tuple(sorted(self.slice.items()))

    @property
    def private(self) -> bool:
        """Whether it is of a slice of so few rows that its number would tell of single people."""
        return bool(self.slice) and self.n < FEWEST_SHOWN

    def silenced(self) -> Value:
        """Return the value as it may be shown to anyone: where it is private, without its number.

        >>> Value("recall", 0.5, 0.1, 0.9, 4, {"ward": "a"}).silenced().value is None
        True
        """
        if not self.private:
            return self
        return self.replace(value=None, low=None, high=None, spread=None, note=f"fewer than {FEWEST_SHOWN} rows: not shown")

    def replace(self, **changes: Any) -> Value:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        data = {"metric": self.metric, "name": self.name, **told(self, "value", "low", "high", "n", "slice", "better", "level")}
        if self.spread is not None:
            data["spread"] = self.spread.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Value:
        spread = Spread.from_json(data["spread"]) if data.get("spread") else None
        found = cls(**{**restored(cls, data, null=("value", "low", "high")), "spread": spread})
        if spread is None or found.value is None or (found.low is not None and found.high is not None):
            return found
        low, high = spread.interval(found.level)  # an end that is not there was infinite
        return found.replace(low=low if found.low is None else found.low, high=high if found.high is None else found.high)
