"""The decision of the gate: errors are held to what is stated, by simulation with known truth; and each rule by an example."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.check.gate import size
from assay.check.gate.decision import Goal, Guard, decision
from assay.result import Spread, Value, worst


def changed(by, n=5_000, error=None, *, better="higher", metric="accuracy", **place):
    spread = Spread("normal", by, n=n, error=0.28 / math.sqrt(n) if error is None else error)
    return Value.of(metric, spread, n=n, better=better, slice=place, against="champion")


def guard(by, n=5_000, tolerance=0.02, *, named=False, **rest):
    return Guard(changed(by, n, **rest), tolerance, "accuracy by slice >= champion - 0.02", named=named)


def verdicts(*guards, goals=(), **rest):
    return [each.verdict for each in decision(list(goals), list(guards), **rest)]


def test_each_outcome_of_a_guard() -> None:
    assert verdicts(guard(0.0, 20_000, s="a")) == ["pass"]
    assert verdicts(guard(-0.05, 20_000, s="a")) == ["fail"]
    assert verdicts(guard(-0.015, 40_000, s="a")) == ["warn"]             # surely worse, surely within the tolerance
    assert verdicts(guard(-0.015, 3_000, s="a", named=True)) == ["fail"]  # surely worse, not shown to be within it
    assert verdicts(guard(0.0, 300, s="a")) == ["too small"]
    assert verdicts(guard(0.0, 300, s="a", named=True)) == ["inconclusive"]
    assert verdicts(guard(0.0, 300)) == ["inconclusive"]                  # all rows are never too small
    assert verdicts(guard(0.0, 20, s="a", named=True)) == ["too small"]   # a tail of tiny slices does not keep the gate shut
    assert verdicts(guard(0.0, 20, s="a", named=True), smallest=0) == ["inconclusive"]


def test_lower_is_better_is_the_mirror_image() -> None:
    for by, n in ((0.0, 20_000), (0.05, 20_000), (0.015, 40_000), (0.0, 300)):
        assert verdicts(guard(by, n, s="a", better="lower")) == verdicts(guard(-by, n, s="a"))


def test_what_is_private_or_not_defined_never_passes() -> None:
    small, none = guard(0.5, 4, s="a"), Guard(Value.undefined("recall", "no positive rows", n=900, slice={"s": "b"}), 0.02, "recall")
    assert verdicts(small, none) == ["too small", "too small"]
    found = decision([], [small])
    assert found[0].value is None
    assert "0.5" not in found[0].sentence
    assert verdicts(Guard(Value.undefined("recall", "no positive rows", n=900), 0.02, "recall")) == ["inconclusive"]


def test_a_goal_is_met_by_any_metric_and_corrected_for_how_many() -> None:
    up, flat = Goal(changed(0.02, metric="auc")), Goal(changed(0.0, metric="recall"))
    found = decision([up, flat], [])
    assert [each.verdict for each in found] == ["pass", "pass"]
    assert "not shown to be better" in found[1].sentence
    assert verdicts(goals=[flat]) == ["inconclusive"]
    assert verdicts(goals=[Goal(changed(-0.02, metric="auc"))]) == ["fail"]
    assert verdicts(goals=[Goal(changed(0.002, 100_000, metric="auc"), gain=0.01)]) == ["fail"]   # better, and surely not by so much
    border = 2.1 * 0.28 / math.sqrt(5_000)  # significant alone, not among five
    assert verdicts(goals=[Goal(changed(border, metric="auc"))]) == ["pass"]
    assert verdicts(goals=[Goal(changed(border, metric=f"m{each}")) for each in range(5)]) == ["inconclusive"] * 5


def test_a_goal_that_is_surely_worse_blocks_though_another_is_better() -> None:
    found = decision([Goal(changed(0.05, metric="auc")), Goal(changed(-0.05, metric="recall"))], [])
    assert [each.verdict for each in found] == ["pass", "fail"]


def test_the_rows_that_are_asked_for_give_the_planned_power() -> None:
    asked, = decision([], [guard(0.0, 400, named=True, s="a")], power=0.8)
    assert asked.rows_needed is not None
    assert "more labelled rows of s a would" in asked.sentence
    n, rng = 400 + asked.rows_needed, np.random.default_rng(0)
    error = 0.28 / math.sqrt(n)
    passed = [verdicts(guard(by, n, named=True, s="a")) == ["pass"] for by in rng.normal(0, error, 2_000)]
    assert 0.87 <= np.mean(passed) <= 0.93   # planned at 1 - 0.2 / 2, as one guard shares beta with the goal


def test_more_guards_ask_for_more_rows() -> None:
    alone = decision([], [guard(0.0, 400, named=True, s="a")])[0].rows_needed
    among = decision([], [guard(0.0, 400, named=True, s=str(each)) for each in range(10)])[0].rows_needed
    assert alone < among


@pytest.mark.parametrize(("slices", "metrics"), [pytest.param(20, 5, marks=pytest.mark.slow), (3, 1)])
def test_false_blocks_stay_below_the_level(slices, metrics) -> None:
    """No slice is worse in truth; a block is then false. One in forty at most, however many comparisons."""
    rng, runs = np.random.default_rng(1), 150
    rows = np.geomspace(30, 100_000, slices).astype(int)
    blocked = 0
    for _ in range(runs):
        noise = 0.7 * rng.normal(size=(slices, 1)) + math.sqrt(0.51) * rng.normal(size=(slices, metrics))   # those of a slice hang together
        noise *= 0.28 / np.sqrt(rows)[:, None]
        guards = [guard(float(noise[at, metric]), int(n), metric=f"m{metric}", s=str(at))
                  for at, n in enumerate(rows) for metric in range(metrics)]
        blocked += "fail" in verdicts(*guards)
    assert blocked / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)


def test_a_slice_at_its_tolerance_is_let_through_no_more_often_than_stated() -> None:
    """A slice that is worse by all that is tolerated passes with alpha at most, whatever its size: an intersection-union test."""
    rng = np.random.default_rng(2)
    for n in (60, 1_000, 50_000):
        noise = rng.normal(-0.02, 0.28 / math.sqrt(n), 2_000)
        passed = np.mean([verdicts(guard(float(by), n, named=True, s="a"))[0] in ("pass", "warn") for by in noise])
        assert passed <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 2_000)


def test_harm_is_seen_with_the_power_that_was_planned() -> None:
    family, loss = 100, 0.06
    n = size.rows(0.28, loss, alpha=0.025 / family, beta=0.2)
    rng = np.random.default_rng(3)
    others = [guard(0.01, 20_000, s=f"o{each}") for each in range(family - 1)]
    caught = [decision([], [guard(float(by), n, s="harmed"), *others])[0].verdict == "fail"
              for by in rng.normal(-loss, 0.28 / math.sqrt(n), 150)]
    assert np.mean(caught) >= 0.72


def test_adding_a_fine_slice_lets_no_other_fail() -> None:
    one = [guard(-0.02, 2_000, s="a"), guard(-0.012, 2_000, s="b")]
    before = verdicts(*one)
    after = verdicts(*one, *[guard(0.0, 50_000, s=f"o{each}") for each in range(50)])[:2]
    assert all(not (now == "fail" and then != "fail") for then, now in zip(before, after, strict=True))


def test_a_slice_that_looks_worse_does_not_become_too_small_by_it() -> None:
    """How many rows a slice needs comes from all rows: harm makes its own rows differ more, and must not excuse it."""
    whole = [guard(0.0, 100_000, error=0.2 / math.sqrt(100_000))]
    harmed = guard(-0.014, 4_000, error=0.8 / math.sqrt(4_000), s="a")
    assert verdicts(*whole, harmed)[1] == "inconclusive"
    assert verdicts(*whole, guard(0.0, 4_000, error=0.8 / math.sqrt(4_000), s="a"))[1] == "too small"


def test_the_level_of_the_interval_is_that_of_the_claim() -> None:
    found, = decision([], [guard(0.0, 20_000, s="a")], alpha=0.05)
    assert found.value.level == pytest.approx(0.9)
    assert worst([found.verdict]) == "pass"
