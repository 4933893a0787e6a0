"""A naive engine: arrays of labels and answers, fed into whatever summaries a metric asks for, in as many parts as one likes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.metric import METRICS
from assay.metric.column import need as column_need
from assay.result import Value
from assay.summary import SUMMARIES, Need, Summary
from assay.summary.resample import groups
from assay.summary.target import Target

Array = np.ndarray[Any, Any]


def builtin() -> dict[str, Any]:
    """The metrics of the package itself; other tests and examples may have registered theirs."""
    found = {name: METRICS[name] for name in METRICS}
    return {name: each for name, each in found.items()
            if each.__module__.startswith("assay.") and getattr(importlib.import_module(each.__module__), name, None) is each}


@dataclass(frozen=True)
class Frame:
    """Rows with labels and answers, as codes and numbers."""

    label: Array
    prediction: Array | None = None
    score: Array | None = None  # (rows, classes or labels)
    value: Array | None = None
    query: Array | None = None
    entity: Array | None = None
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Array) -> Frame:
        return Frame(*(None if each is None else each[rows] for each in
                       (self.label, self.prediction, self.score, self.value, self.query, self.entity, self.weight)))

    def column(self, name: str, target: Target) -> Array:
        what, _, part = name.removeprefix("@").partition("/")
        if what == "label":
            return self.label[:, int(part)] if part else self.label
        if what == "prediction":
            return self.prediction
        if what == "score":
            return self.score[:, int(part) if part else target.positive]
        if what == "scores":
            return self.score
        if what == "value":
            return self.value
        if what == "correct":
            return (self.label == self.prediction).astype(np.int64)
        if what == "confidence":
            return self.score.max(axis=1)
        if what == "query":
            return self.query.astype(np.uint64)
        if what == "key":
            return (np.arange(len(self)) if self.entity is None else self.entity).astype(np.uint64)
        raise KeyError(name)

    def fill(self, need: Need, target: Target, parts: int = 1) -> Summary:
        """Return the summary of all rows, merged from so many parts."""
        group = groups(np.arange(len(self)) if self.entity is None else self.entity) if dict(need.options).get("grouped") else None
        columns = [self.column(name, target) for name in need.columns]
        out = need.empty()
        for rows in np.array_split(np.arange(len(self)), parts):
            part = need.empty()
            part.update(*(each[rows] for each in columns), weight=None if self.weight is None else self.weight[rows],
                        group=None if group is None else group[rows])
            out = out.merge(part)
        return out


def measured(name: str, frame: Frame, target: Target, *, parts: int = 1, **options: Any) -> Value:
    """Return the value of a metric of labelled rows."""
    metric = METRICS[name]
    if frame.weight is not None:
        target = replace(target, grouped=True)
    return metric.value([frame.fill(each, target, parts) for each in metric.needs(target, options)], target, options, model="m")


def compared(name: str, first: Frame, second: Frame, target: Target, *, paired: bool, factor: float = 1.0, **options: Any) -> Value:
    metric = METRICS[name]
    sides = [[each.fill(need, target) for need in metric.needs(target, options)] for each in (first, second)]
    return metric.difference(*sides, target, options, paired=paired, factor=factor)


def column_value(name: str, current: Any, reference: Any = None, **options: Any) -> Value:
    """Return the value of a drift or quality metric of one column, given as arrays or lists."""
    metric = METRICS[name]
    from assay.summary import Vector

    kind = "table" if metric.of == "table" else Vector.of(current if reference is None or len(current) else reference).kind
    then = {each: filled(each, reference) for each in ("quantiles", "moments", "frequent")} if reference is not None else {}
    sides: list[dict[str, Any]] = [dict(then), {}]
    for each in metric.needs[kind]:
        wanted = column_need(each, "x", then)
        for side, data in zip(sides, (reference, current), strict=True):
            if data is not None and wanted is not None:
                summary = wanted.empty()
                if each == "repeats":  # an engine counts each row of a column once
                    summary.update(Vector.of(data), np.ones(len(data)))
                else:
                    summary.update(data)
                side[each] = summary
    return metric.value("x", sides[0], sides[1], options)


def filled(kind: str, *columns: Any, **options: Any) -> Any:
    summary = SUMMARIES[kind](**options)
    summary.update(*columns)
    return summary
