"""Which earlier model is better: named, none, or not to be told."""

from __future__ import annotations

import math

import numpy as np

from assay.check.gate.rollback import ranking, rollback
from assay.result import Spread, Value


def gain(by, better="higher"):
    return Value.of("auc", Spread("normal", float(by), n=5_000, error=0.004), n=5_000, better=better, against="champion")


def test_the_best_of_those_that_are_surely_better_is_named() -> None:
    found, = rollback({"v1": gain(0.02), "v2": gain(0.05), "v3": gain(-0.05)})
    assert (found.verdict, found.model) == ("pass", "v2")
    assert rollback({"v1": gain(0.02, "lower"), "v2": gain(-0.05, "lower")})[0].model == "v2"


def test_none_is_better_is_an_answer_and_so_is_not_knowing() -> None:
    assert rollback({"v1": gain(-0.02), "v2": gain(-0.05)})[0].verdict == "fail"
    open_, = rollback({"v1": gain(0.004), "v2": gain(-0.05)})
    assert open_.verdict == "inconclusive"
    assert open_.rows_needed > 0
    open_, = rollback({"v1": gain(-0.004), "v2": gain(-0.05)})   # looks worse, and is not shown to be: more rows would show that none is better
    assert open_.rows_needed > 0
    assert "alike" not in open_.sentence
    assert rollback({"v1": Value.undefined("auc", "one class", n=0)})[0].verdict == "inconclusive"
    assert [name for name, _ in ranking({"v1": gain(-0.02), "v2": gain(0.01)})] == ["v2", "v1"]


def test_the_best_of_many_alike_is_not_named_by_chance() -> None:
    rng, runs = np.random.default_rng(0), 1_000
    named = np.mean([rollback({str(each): gain(by) for each, by in enumerate(rng.normal(0, 0.004, 8))})[0].verdict == "pass"
                     for _ in range(runs)])
    assert named <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)
