"""Budgets and overrides: numbers held against limits, rules that touch rows and age."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from assay.check.gate.serving import budget, median, override
from assay.check.gate.setting import Override
from assay.result import Spread, Value

TODAY = dt.date(2026, 6, 1)


def test_the_interval_of_a_median_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    inside = [found.low <= 1.0 <= found.high for found in (median(rng.lognormal(0, 0.7, 60)) for _ in range(1_000))]
    assert 0.93 <= np.mean(inside) <= 0.99


@pytest.mark.parametrize(("limit", "verdict"), [(0.5, "fail"), (5.0, "pass"), (1.0, "inconclusive")])
def test_latency_is_held_with_its_interval(limit, verdict) -> None:
    times = np.random.default_rng(1).lognormal(0, 0.3, 60)
    found = budget("latency", median(times), limit)
    assert found.verdict == verdict
    assert "ms" in found.sentence


def test_facts_and_what_is_missing() -> None:
    age = Value.of("staleness", Spread("exact", 40.0), n=900, better="lower", unit="d")
    assert budget("staleness", age, 30.0).verdict == "fail"
    assert budget("staleness", age, 50.0).verdict == "pass"
    found = budget("staleness", None, 30.0, missing="name the training data")
    assert found.verdict == "inconclusive"
    assert "name the training data" in found.sentence


def test_a_rule_is_counted_and_ages() -> None:
    fresh = Override("x < 1", 1, TODAY - dt.timedelta(days=10))
    assert override(fresh, rows=100, touched=3, alike=0.2, today=TODAY).verdict == "pass"
    old = override(Override("x < 1", 1, TODAY - dt.timedelta(days=400)), rows=100, touched=3, alike=0.2, today=TODAY)
    assert old.verdict == "warn"
    assert "400 days old" in old.sentence
    assert "3 of 100 rows" in old.sentence
    assert "remove it" in override(fresh, rows=100, touched=0, alike=None, today=TODAY).hint
    assert "can go" in override(fresh, rows=100, touched=3, alike=1.0, today=TODAY).hint
    assert "since" in override(Override("x < 1"), rows=100, touched=3, alike=None, today=TODAY).hint
