"""Metrics that truly need rows: a user's own ``f(y_true, y_pred)``, bounded in how many rows it is given."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from assay.errors import ConfigError, UnknownNameError
from assay.metric.metric import METRICS, dressed
from assay.result import Better, Spread, Value
from assay.summary import Need, Summary
from assay.summary.resample import Array
from assay.summary.rows import Rows
from assay.summary.target import Target

__all__ = ["RowMetric", "rows"]

Uses = Literal["prediction", "score", "value", "scores"]
_DRAWS = 100
_SCORED = ("y_score", "y_scores", "y_prob", "y_proba", "score", "scores", "proba")
_MOST_COPIES = 20_000_000


@dataclass(frozen=True)
class RowMetric:
    """A function of true and predicted values, row by row.

    With classes it gets the classes themselves as arrays (``uses="prediction"``), or 1 for the positive class and its score
    (``uses="score"``), or class codes and all scores (``uses="scores"``); for numbers, numbers.
    """

    name: str
    function: Callable[..., Any]
    better: Better | None
    limit: int
    uses: Uses | None
    unit: str | None = None
    doc: str = ""
    of: Literal["rows"] = "rows"
    labelled: bool = True
    limits: tuple[float, float] = (-math.inf, math.inf)

    def __call__(self, y_true: Any, y_pred: Any, **options: Any) -> Any:
        return self.function(y_true, y_pred, **options)

    def _uses(self, target: Target) -> Uses:
        numbers = target.task in ("regression", "ranking")
        if self.uses is None:
            second = [*inspect.signature(self.function).parameters, "", ""][1]
            if not numbers and second in _SCORED:  # what scikit-learn calls a parameter that takes scores
                return "score" if target.task == "binary" else "scores"
            return "value" if numbers else "prediction"
        if (self.uses == "value") != numbers:
            raise ConfigError(f"{self.name} uses the model's {self.uses}, which a {target.task} model does not give")
        return self.uses

    def options(self, target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options, checked by name."""
        known = list(inspect.signature(self.function).parameters)[2:]
        for name in given:
            if name not in known:
                raise UnknownNameError.among(f"option of {self.name}", name, known)
        return dict(given)

    def needs(self, target: Target, options: Mapping[str, Any], *, model: str = "") -> tuple[Need, ...]:
        """Return the rows to ask an engine for."""
        uses = self._uses(target)
        if target.task == "multilabel":
            width = 2 * target.labels
            uses = "prediction" if uses == "prediction" else "scores"
        else:
            width = 1 + (len(target.classes) if uses == "scores" else 1)
        name = f"@{uses}" + (f":{model}" if model else "")
        return (Need("rows", ("@key", "@label", name), (("size", self.limit), ("width", width))),)

    def value(self, summaries: Sequence[Summary], target: Target, options: Mapping[str, Any], **place: Any) -> Value:
        """Return the function's number; its error comes from a Poisson bootstrap of entities, or of rows where there are none."""
        kept = cast(Rows, summaries[0])
        keywords = self.options(target, options)
        fields = {"better": self.better, "unit": self.unit, **place}
        counts = kept.counts
        estimate = self._call(kept.values, counts, target, keywords)
        if not math.isfinite(estimate):
            return Value.undefined(self.name, "the function returned no finite number", n=kept.n, **fields)
        rng = np.random.default_rng(0)
        draws = _DRAWS if len(counts) <= 100_000 else 40
        units, place_of = np.unique(kept.keys, return_inverse=True)
        found = []
        for _ in range(draws):
            drawn = rng.poisson(1.0, len(units))[place_of] * counts if target.grouped else rng.poisson(counts)
            if drawn.any():
                found.append(self._call(kept.values, drawn, target, keywords, quiet=True))
        error, df = _spread(found, draws, len(units) if target.grouped else math.inf)
        if error == 0:  # no resample differs, which proves nothing beyond so many units (the rule of three, halved to one sigma)
            error = 1.5 * max(abs(estimate), 1.0) / max(len(units) if target.grouped else kept.n, 1)
        low, high = self.limits
        spread = Spread("normal", estimate, n=float(counts.sum()), error=error, df=df, low_limit=low, high_limit=high)
        note = None if kept.share == 1.0 else f"measured on a sample of {int(counts.sum()):,} rows (the metric's limit is {self.limit:,})"
        return Value.of(self.name, spread, n=kept.n, method="bootstrap of rows", note=note, **fields)

    def difference(self, mine: Sequence[Summary], theirs: Sequence[Summary], target: Target, options: Mapping[str, Any],
                   *, paired: bool, factor: float = 1.0, **place: Any) -> Value:
        """Return this model's number less ``factor`` times the other's; ``paired`` resamples the same units for both."""
        first, second = self.value(mine, target, options), self.value(theirs, target, options)
        fields = {"better": self.better, "unit": self.unit, **place}
        if first.value is None or second.value is None:
            return Value.undefined(self.name, first.note or second.note or "not defined", n=first.n, **fields)
        keywords = self.options(target, options)
        sides = [cast(Rows, each[0]) for each in (mine, theirs)]
        rng = np.random.default_rng(0)
        draws = _DRAWS if len(sides[0].counts) <= 100_000 else 40
        units = np.unique(np.concatenate([each.keys for each in sides]))
        places = [np.searchsorted(units, each.keys) for each in sides]
        found = []
        for _ in range(draws):
            weights = [rng.poisson(1.0, len(units))] * 2 if paired else [rng.poisson(1.0, len(units)) for _ in sides]
            parts = [self._call(each.values, weight[at] * each.counts, target, keywords, quiet=True)
                     for each, weight, at in zip(sides, weights, places, strict=True)]
            found.append(parts[0] - factor * parts[1])
        error, df = _spread(found, draws, min(len(np.unique(each.keys)) for each in sides) if target.grouped else math.inf)
        spread = Spread("normal", first.value - factor * second.value, n=float(first.n), error=error, df=df)
        return Value.of(self.name, spread, n=first.n, method="bootstrap of rows", **fields)

    def _call(self, values: Array, counts: Array, target: Target, keywords: dict[str, Any], *, quiet: bool = False) -> float:
        rows = np.repeat(values, copies(counts), axis=0)
        half = target.labels if target.task == "multilabel" else 1
        truth, answer = rows[:, :half] if half > 1 else rows[:, 0], rows[:, half] if rows.shape[1] == half + 1 else rows[:, half:]
        if target.task in ("binary", "multiclass"):
            uses = self._uses(target)
            if uses == "prediction":
                classes = np.array(target.classes, dtype=object if any(isinstance(each, str) for each in target.classes) else None)
                truth, answer = classes[truth.astype(int)], classes[answer.astype(int)]
                if classes.dtype == object:
                    truth, answer = truth.astype(str), answer.astype(str)
            elif uses == "score":
                truth = (truth == target.positive).astype(np.int64)
            else:
                truth = truth.astype(np.int64)
        try:
            with warnings.catch_warnings():
                if quiet:
                    warnings.simplefilter("ignore")  # a resample may lack a class, which is no news
                return float(self.function(truth, answer, **keywords))
        except (Exception, SystemExit) as error:  # a user's own code: any error it raises becomes one sentence, as a verdict
            if quiet:
                return math.nan
            raise ConfigError(f"the metric {self.name} raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                              hint="it is called with arrays (y_true, y_pred) and must return one number") from error


def _spread(found: Sequence[float], draws: int, units: float) -> tuple[float, float]:
    """Return the error of a bootstrap and its degrees of freedom: of the draws, or half the units' (they are of unequal size)."""
    known = np.array([each for each in found if math.isfinite(each)])
    if len(known) <= draws / 2:
        return math.inf, float(draws - 1)
    few = units / (units - 1) if 1 < units < math.inf else 1.0
    return float(np.std(known, ddof=1)) * math.sqrt(few), float(max(min(draws - 1, (units - 1) / 2), 1.0))


def copies(counts: Array) -> Array:
    """Return how often to repeat each row for counts that may be weights: themselves where they are whole numbers.

    Others, and those that would repeat more than twenty million rows, are scaled to 20 rows for each given (at most a million) and
    rounded so that every running total is right to half a row.

    >>> copies(np.array([2.0, 1.0])).tolist(), copies(np.array([0.25, 0.75])).tolist()
    ([2, 1], [10, 30])
    """
    if not len(counts) or (np.array_equal(counts, np.rint(counts)) and counts.sum() <= _MOST_COPIES):
        return counts.astype(np.int64)
    reached = np.cumsum(counts)
    made: Array = np.diff(np.rint(reached / reached[-1] * min(20 * len(counts), 1_000_000)), prepend=0.0).astype(np.int64)
    return made


def rows(*, better: Better | None, limit: int = 1_000_000, uses: Uses | None = None, unit: str | None = None,
         name: str | None = None, limits: tuple[float, float] = (-math.inf, math.inf)) -> Callable[[Callable[..., Any]], RowMetric]:
    """Make a metric of ``f(y_true, y_pred) -> number`` and register it under the function's name.

    ``uses`` says what the second argument is: ``"prediction"`` (classes; the default for classifiers), ``"score"`` (of the positive
    class; the default where the parameter is called ``y_score`` or ``y_prob``), ``"scores"`` (of all classes) or ``"value"``
    (numbers; the default for regression). ``limits`` are the least and the greatest possible number: intervals end there.
    At most ``limit`` rows are kept; beyond, a sample of entities (or rows) is, and the value says so. A scikit-learn metric
    fits as it is: ``rows(better="higher")(sklearn.metrics.cohen_kappa_score)``.

    >>> @rows(better="lower")
    ... def worst_error(y_true, y_pred):
    ...     return float(abs(y_true - y_pred).max())
    >>> worst_error(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    3.0
    """

    def register(function: Callable[..., Any]) -> RowMetric:
        title = name or function.__name__
        made = RowMetric(title, function, better, limit, uses, unit, inspect.getdoc(function) or "", limits=limits)
        return cast(RowMetric, METRICS.add(title, dressed(made, function), replace=True))

    return register
