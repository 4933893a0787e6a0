"""Evidence of harm: the budget holds while promises are kept, however often one looks; harm is found; the interval holds at all times."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from assay.check.expression import parse
from assay.check.verdict import judge
from assay.monitor.harm import Promise, e_value, promises, sequence, step
from assay.result import Spread, Value


def test_the_calibrator_integrates_to_one():
    total, _ = integrate.quad(lambda log: e_value(math.exp(log)) * math.exp(log), -600, 0, limit=500)
    assert total == pytest.approx(1, abs=0.01)  # the tail beyond 1e-260 holds 1/600
    assert e_value(1 - 1e-5) == pytest.approx(0.5, abs=1e-5)
    assert e_value(0) > 1e290


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=20), st.lists(st.floats(1e-9, 1), min_size=1, max_size=20))
def test_the_step_beside_its_definition(first, second):
    state, plain, cost = {}, [0.0, 0.0], 1e300
    for place in range(max(len(first), len(second))):
        told = []
        for key, ps in enumerate((first, second)):
            if place < len(ps):
                told.append(Promise(str(key), ps[place], ""))
                plain[key] = e_value(ps[place]) * (plain[key] + 1)
        state, harm = step(state, told, cost)
    assert harm.evidence == pytest.approx(sum(plain) / 2, rel=1e-9)


def test_the_budget_holds_while_promises_are_kept():
    """200 years of 20 slices each, at the very bound; slices depend on one another. Allowed: 365 / 30 = 12.2 pages a year."""
    rng = np.random.default_rng(0)
    pages, years = 0, 200
    for _ in range(years):
        common = rng.normal(size=(365, 1)) * 0.6
        ps = stats.norm.cdf(common + rng.normal(size=(365, 20)) * 0.8)
        state = {}
        for day in ps:
            state, harm = step(state, [Promise(str(key), p, "") for key, p in enumerate(day)], 30)
            pages += harm.page
    assert 0 < pages / years <= 365 / 30


def windows(accuracy, days, rows=300, seed=0):
    rng = np.random.default_rng(seed)
    return [Value.of("accuracy", Spread("binomial", rng.binomial(rows, accuracy) / rows, n=rows), n=rows, better="higher") for _ in range(days)]


def test_a_drop_is_paged_and_a_kept_promise_is_not():
    check = parse("accuracy >= 0.85")
    state, paged = {}, []
    for day, value in enumerate([*windows(0.9, 60), *windows(0.78, 10, seed=1)]):
        state, harm = step(state, promises(check, judge(check, [value])), 365)
        paged += [day] * harm.page
    assert paged
    assert 60 <= paged[0] <= 62
    assert state == {} or paged[-1] != 69


def test_a_slow_leak_is_paged_although_no_day_alone_is():
    check = parse("accuracy >= 0.90")
    state, worst, days = {}, 1.0, None
    for day, value in enumerate(windows(0.885, 120, rows=200, seed=3)):
        told = promises(check, judge(check, [value]))
        worst = min(worst, told[0].p)
        state, harm = step(state, told, 365)
        if harm.page and days is None:
            days = day
    assert days is not None
    assert days > 2
    assert worst > 1e-4  # 365 windows at 1 / 365 would need much less


def test_what_says_nothing_changes_nothing():
    check = parse("recall >= 0.9")
    undefined = Value.undefined("recall", "no positives", n=10)
    assert promises(check, judge(check, [undefined])) == []
    state, harm = step({"a": 1.0}, [], 30)
    assert (state, harm.page) == ({"a": 1.0}, False)
    assert step({}, [], 30)[1].evidence == 0


def test_which_promise_is_broken_is_told():
    check = parse("accuracy by origin >= 0.8")
    values = [value.replace(slice={"origin": origin}) for origin, share in (("EWR", 0.9), ("JFK", 0.5), ("LGA", 0.92))
              for value in windows(share, 1, seed=5)]
    _, harm = step({}, promises(check, judge(check, values)), 30)
    assert harm.page
    (broken,) = harm.broken
    assert "JFK" in broken.sentence


def test_the_interval_holds_at_all_times_at_once():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(400):
        errors = rng.uniform(0.005, 0.03, 100)
        numbers = 0.7 + rng.normal(size=100) * errors
        rows = 1 / errors**2
        for time in range(1, 101, 3):
            _, low, high = sequence(numbers[:time], errors[:time], rows[:time])
            if not low <= 0.7 <= high:
                missed += 1
                break
    assert missed / 400 <= 0.05
    assert all(map(math.isnan, sequence([], [], [])))


def test_it_is_no_wider_than_need_be():
    errors = np.full(10, 0.01)
    mean, low, high = sequence([0.7] * 10, errors, np.full(10, 900.0))
    assert mean == pytest.approx(0.7)
    assert (high - low) / (2 * 1.96 * 0.01 / math.sqrt(10)) < 1.8  # the price of looking always
