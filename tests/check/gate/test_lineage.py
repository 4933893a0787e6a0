"""Harm that adds up over releases: seen when it is there, not when it is not, and blamed on who adds to it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.check.gate.decision import Guard
from assay.check.gate.lineage import Release, lineage, total
from assay.result import Spread, Value


def changed(by, n=10_000, slice="a", error=None):
    spread = Spread("normal", float(by), n=n, error=0.28 / math.sqrt(n) if error is None else error)
    return Value.of("accuracy", spread, n=n, better="higher", slice={"s": slice}, against="champion")


def guard(by, **rest):
    return Guard(changed(by, **rest), 0.02, "accuracy by s >= champion - 0.02")


def test_the_sum_and_its_error() -> None:
    past = [Release((changed(-0.004),), "may"), Release((changed(-0.003),), "april")]
    made, many = total(guard(-0.005), past, "june")
    assert many == 2
    assert made.value.value == pytest.approx(-0.012)
    assert made.value.spread.error == pytest.approx(0.28 / 100 * math.sqrt(3))
    same, _ = total(guard(-0.005), [Release(each.values, "june") for each in past], "june")
    assert same.value.spread.error == pytest.approx(3 * 0.28 / 100)   # the same rows may err to the same side each time


def test_slow_harm_fails_and_a_release_that_wins_back_only_warns() -> None:
    past = [Release((changed(-0.009), changed(0.0, slice="b")), str(each)) for each in range(5)]
    found = lineage([guard(-0.009), guard(0.0, slice="b")], past, data="now")
    assert [(each.verdict, each.slice) for each in found] == [("fail", {"s": "a"})]
    assert "5 releases ago" in found[0].sentence
    assert [each.verdict for each in lineage([guard(0.004)], past, data="now")] == ["warn"]


def test_without_a_past_nothing_is_said_and_without_harm_one_line() -> None:
    assert lineage([guard(-0.5)], []) == []
    assert [each.verdict for each in lineage([guard(0.0)], [Release((changed(0.0),), "may")])] == ["pass"]
    assert lineage([guard(0.0)], [Release((), "may")]) == []   # a past that did not look at this slice


def test_noise_of_ten_releases_is_no_harm() -> None:
    rng, runs, falsely = np.random.default_rng(0), 150, 0
    for _ in range(runs):
        noise = rng.normal(0, 0.28 / 100, (10, 8))
        past = [Release(tuple(changed(by, slice=str(at)) for at, by in enumerate(row)), str(number)) for number, row in enumerate(noise[:9])]
        found = lineage([guard(by, slice=str(at)) for at, by in enumerate(noise[9])], past, data="now")
        falsely += any(each.verdict == "fail" for each in found)
    assert falsely / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)
