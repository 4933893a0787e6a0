"""Metrics of ranked lists, one list per query: the mean over queries, with an interval over queries.

Labels are grades of relevance (0: not relevant); the model's value or positive score ranks. Queries without any relevant row
are left out, as no order of theirs is better than another. At most ten million rows are kept, whole queries beyond are sampled.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np

from assay.errors import ConfigError, UnknownNameError
from assay.metric.metric import METRICS, dressed
from assay.result import Better, Spread, Value
from assay.summary import Need, Summary
from assay.summary.resample import Array
from assay.summary.rows import Rows
from assay.summary.target import Target

__all__ = ["RankingMetric", "map", "mrr", "ndcg"]

_LIMIT = 10_000_000


@dataclass(frozen=True)
class RankingMetric:
    """A metric of one query's labels and scores, averaged over queries."""

    name: str
    function: Callable[..., float]
    better: Better = "higher"
    unit: str | None = None
    doc: str = ""
    of: Literal["rows"] = "rows"
    labelled: bool = True

    def __call__(self, label: Any, score: Any, **options: Any) -> float:
        return self.function(np.asarray(label, float), np.asarray(score, float), **options)

    def options(self, target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options, checked by name."""
        known = list(inspect.signature(self.function).parameters)[2:]
        for name in given:
            if name not in known:
                raise UnknownNameError.among(f"option of {self.name}", name, known)
        at = given.get("at")
        if at is not None and (not isinstance(at, int) or at < 1):
            raise ConfigError(f"{self.name}(at={at}) cuts the list nowhere", expected="a whole number above 0")
        return dict(given)

    def needs(self, target: Target, options: Mapping[str, Any], *, model: str = "") -> tuple[Need, ...]:
        """Return the rows to ask an engine for, keyed by query."""
        if target.task not in ("ranking", "regression", "binary"):
            raise ConfigError(f"{self.name} is not a metric of {target.task} models", expected="a ranking, regression or binary model")
        what = "@score" if target.task == "binary" else "@value"
        return (Need("rows", ("@query", "@label", what + (f":{model}" if model else "")), (("size", _LIMIT), ("width", 2))),)

    def value(self, summaries: Sequence[Summary], target: Target, options: Mapping[str, Any], **place: Any) -> Value:
        """Return the mean over queries."""
        kept = cast(Rows, summaries[0])
        queries, all_found = self._by_query(kept, target, self.options(target, options))
        found = all_found[np.isfinite(all_found)]
        fields = {"better": self.better, "unit": self.unit, **place}
        if not len(found):
            return Value.undefined(self.name, "no query has a relevant row", n=kept.n, **fields)
        values = found
        error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
        mean = float(values.mean())
        if not error > 0:  # all queries alike: perfect on so many queries, which is not certain to be perfect
            spread = Spread("binomial", min(max(mean, 0.0), 1.0), n=float(len(values)))
        else:
            spread = Spread("normal", mean, n=float(len(values)), error=error, df=float(max(len(values) - 1, 1)),
                            low_limit=0.0, high_limit=1.0)
        left = len(queries) - len(found)
        note = f"{left} queries without a relevant row are left out" if left else None
        return Value.of(self.name, spread, n=kept.n, method="mean over queries", note=note, **fields)

    def difference(self, mine: Sequence[Summary], theirs: Sequence[Summary], target: Target, options: Mapping[str, Any],
                   *, paired: bool, factor: float = 1.0, **place: Any) -> Value:
        """Return this model's mean over queries less ``factor`` times the other's; ``paired`` takes the difference query by query."""
        first, second = self.value(mine, target, options), self.value(theirs, target, options)
        fields = {"better": self.better, "unit": self.unit, **place}
        if first.value is None or second.value is None or first.spread is None or second.spread is None:
            return Value.undefined(self.name, first.note or second.note or "not defined", n=first.n, **fields)
        gap, error = first.value - factor * second.value, math.hypot(first.spread.error, factor * second.spread.error)
        df = min(first.spread.df, second.spread.df)
        if paired:
            keywords = self.options(target, options)
            (queries, a), (others, b) = (self._by_query(cast(Rows, each[0]), target, keywords) for each in (mine, theirs))
            _, at, of = np.intersect1d(queries, others, return_indices=True)
            gaps = a[at] - factor * b[of]
            gaps = gaps[np.isfinite(gaps)]
            error = float(gaps.std(ddof=1) / math.sqrt(len(gaps))) if len(gaps) > 1 else math.inf
            df = float(max(len(gaps) - 1, 1))
        spread = Spread("normal", gap, n=first.spread.n, error=error, df=df)
        return Value.of(self.name, spread, n=first.n, method="mean over queries", **fields)

    def _by_query(self, kept: Rows, target: Target, keywords: Mapping[str, Any]) -> tuple[Array, Array]:
        """Return the queries (their hashes), and the metric of each, NaN where a query has no relevant row."""
        if not np.array_equal(kept.counts, np.rint(kept.counts)):
            raise ConfigError(f"{self.name} counts rows, and their weights are not whole numbers", hint="leave out the weight for ranking")
        keys = kept.keys
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.empty(0, int)
        found = []
        for start, end in pairwise([*starts, len(keys)]):
            times = np.rint(kept.counts[start:end]).astype(int)
            label, score = np.repeat(kept.values[start:end], times, axis=0).T
            if target.task == "binary":
                label = (label == target.positive).astype(float)
            found.append(self.function(label, score, **keywords))
        return keys[starts], np.array(found, float)


def _ranking(function: Callable[..., float]) -> RankingMetric:
    made = RankingMetric(function.__name__, function, doc=inspect.getdoc(function) or "")
    return cast(RankingMetric, METRICS.add(made.name, dressed(made, function)))


@_ranking
def ndcg(label: Array, score: Array, at: int | None = None) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002) with linear gain; tied scores share their gain.

    Sum over places i of label_i / log2(i + 1), divided by that of the best order; ``at`` ends both sums.

    >>> round(ndcg([0, 1, 2], [0.1, 0.2, 0.3]), 3)
    1.0
    """
    discount = 1 / np.log2(np.arange(len(label)) + 2)
    if at is not None:
        discount[at:] = 0
    best = float(np.sort(label)[::-1] @ discount)
    if best <= 0 or len(label) < 2:
        return math.nan if best <= 0 else 1.0
    _, place, counts = np.unique(-score, return_inverse=True, return_counts=True)
    gains = np.bincount(place, label) / counts  # what a row of each tie gains on average
    reached = np.cumsum(counts)
    total = np.concatenate(([0.0], np.cumsum(discount)))
    return float(gains @ (total[reached] - total[reached - counts])) / best


@_ranking
def mrr(label: Array, score: Array, at: int | None = None) -> float:
    """Mean reciprocal rank: 1 / place of the first relevant row; among tied scores the relevant rows come last.

    >>> mrr([0, 1, 0], [0.3, 0.2, 0.1])
    0.5
    """
    relevant = label > 0
    if not relevant.any():
        return math.nan
    best = score[relevant].max()
    place = 1 + int((score > best).sum()) + int(((score == best) & ~relevant).sum())
    return 0.0 if at is not None and place > at else 1 / place


@_ranking
def map(label: Array, score: Array, at: int | None = None) -> float:
    """Mean average precision; tied scores count as one step, as in average_precision.

    With ``at``, precision is summed over the first ``at`` places (relevant rows last among ties) and divided by min(at, relevant).

    >>> round(map([1, 0, 1], [0.3, 0.2, 0.1]), 4)
    0.8333
    """
    relevant = label > 0
    if not relevant.any():
        return math.nan
    if at is not None:
        first = relevant[np.lexsort((relevant, -score))][:at]
        return float((np.cumsum(first) / (np.arange(len(first)) + 1) * first).sum() / min(at, int(relevant.sum())))
    values, place = np.unique(-score, return_inverse=True)
    hits = np.bincount(place, relevant, len(values))
    chosen = np.cumsum(np.bincount(place, minlength=len(values)))
    return float((hits * np.cumsum(hits) / chosen).sum() / relevant.sum())
