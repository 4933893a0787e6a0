"""Many slices at once give what each gives alone, for every metric of counts."""

from __future__ import annotations

import numpy as np
import pytest

from assay.metric import METRICS
from assay.metric.metric import Metric
from assay.result import Spread, intervals
from assay.summary.confusion import Confusion, Labels
from assay.summary.target import Target

COUNTED = [name for name in METRICS if METRICS.builtin(name) and isinstance(METRICS[name], Metric)
           and any(form.needs in ("confusion", "predicted") for form in METRICS[name].forms)]


def slices(classes: int, *, grouped: bool = False) -> list[Confusion]:
    """Return slices of any size, among them tiny ones, perfect ones, and ones where a class is absent."""
    rng = np.random.default_rng(classes)
    found = []
    for size in (1, 2, 3, 7, 40, 300, 5_000):
        for hits in (0.0, 0.3, 0.8, 1.0):
            label = rng.integers(0, classes, size)
            if size == 40:
                label[:] = 0
            wrong = rng.integers(0, classes, size)
            each = Confusion(classes=classes, grouped=grouped)
            each.update(label, np.where(rng.random(size) < hits, label, wrong), group=rng.integers(0, 128, size) if grouped else None)
            found.append(each)
    return found


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", COUNTED)
def test_values_of_many_slices_are_those_of_each(name: str, classes: int, grouped: bool) -> None:
    metric: Metric = METRICS[name]
    task = "binary" if classes == 2 else "multiclass"
    if task not in metric.tasks:
        pytest.skip(f"{name} is none of {task} models")
    target = Target(task, tuple(range(classes)), 1 if classes == 2 else None, grouped=grouped)
    options = {"positive": 1} if name == "selection_rate" else {}
    several = [(each,) for each in slices(classes, grouped=grouped)]
    places = [{"slice": {"place": place}} for place in range(len(several))]
    alone = [metric.value(each, target, options, **place) for each, place in zip(several, places, strict=True)]
    together = metric.values(several, target, options, places)
    for one, other in zip(alone, together, strict=True):
        assert (one.metric, one.n, one.slice, one.note, one.better, one.unit, one.method, one.bound) == (
            other.metric, other.n, other.slice, other.note, other.better, other.unit, other.method, other.bound)
        for field in ("value", "low", "high"):
            mine, theirs = getattr(one, field), getattr(other, field)
            assert mine == theirs if mine is None or theirs is None else mine == pytest.approx(theirs, rel=1e-12, abs=1e-15)
        assert (one.spread is None) == (other.spread is None)
        if one.spread is not None and other.spread is not None:
            assert one.spread.kind == other.spread.kind
            assert one.spread.error == pytest.approx(other.spread.error, rel=1e-9)
            assert one.spread.p_at_least(0.6) == pytest.approx(other.spread.p_at_least(0.6), rel=1e-9, abs=1e-300)


def test_what_was_drawn_for_one_metric_serves_the_next() -> None:
    target, held = Target("binary", (0, 1), 1), {}
    several = [(each,) for each in slices(2)]
    places = [{} for _ in several]
    for name in ("f1", "mcc", "balanced_accuracy"):
        assert METRICS[name].values(several, target, {}, places, held) == METRICS[name].values(several, target, {}, places)
    assert {"draws", "totals"} <= set(held)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("kind", ["confusion", "labels"])
def test_a_stack_counts_as_a_summary_for_each_slice(kind: str, grouped: bool, weighted: bool) -> None:
    rng = np.random.default_rng(4)
    empty = Confusion(classes=3, grouped=grouped) if kind == "confusion" else Labels(labels=3, grouped=grouped)
    stack, naive = empty.stack(), {}
    for most in (5, 900):  # the second batch brings new slices
        shape, top = ((4_000,), 3) if kind == "confusion" else ((4_000, 3), 2)
        columns = [rng.integers(0, top, shape), rng.integers(0, top, shape)]
        where, group = rng.integers(0, most, 4_000), rng.integers(0, 128, 4_000)
        weight = rng.random(4_000) if weighted else None
        stack.update(where, most, columns, weight=weight, group=group)
        for place in np.unique(where):
            one = naive.setdefault(int(place), Confusion(classes=3, grouped=grouped) if kind == "confusion"
                                   else Labels(labels=3, grouped=grouped))
            mask = where == place
            one.update(*(each[mask] for each in columns), weight=None if weight is None else weight[mask], group=group[mask])
    found = dict(stack.summaries())
    assert found.keys() == naive.keys()
    for place, one in naive.items():
        assert found[place].n == one.n
        np.testing.assert_allclose(found[place].counts, one.counts, rtol=1e-12)
    assert empty.n == 0


def test_intervals_at_once_are_those_one_by_one() -> None:
    spreads = [Spread("binomial", share, n=n, df=df) for share in (0.0, 0.2, 1.0) for n in (1.0, 37.5, 1e6) for df in (5.0, float("inf"))]
    spreads += [Spread("normal", 0.4, error=0.1), Spread("exact", 3.0), Spread("binomial", float("nan"), n=3.0)]
    for one, (low, high) in zip(spreads, intervals(spreads), strict=True):
        assert (low, high) == pytest.approx(one.interval(), rel=1e-12, nan_ok=True)
