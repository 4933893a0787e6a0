"""Thresholds by group: the optimum of the linear program, equal rates, one threshold each, and what is refused."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from assay.errors import ConfigError, DataError, SignatureError
from assay.remedy.threshold import EQUALS, curve, thresholds


def drawn(seed: int, n: int = 300, groups: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group, label = rng.integers(0, groups, n), rng.integers(0, 2, n)
    score = np.round(label + rng.normal(0, 0.5 + group, n) + 0.3 * group, 1)   # ties
    return score, label, group


def naive(score: np.ndarray, label: np.ndarray, group: np.ndarray, equal: str) -> float:
    """The loss of a linear program over every threshold of every group, with no hull."""
    parts = []
    for each in np.unique(group):
        mine = group == each
        for cut in [np.inf, *np.unique(score[mine])]:
            yes = score[mine] >= cut
            truth = label[mine]
            parts.append((each, yes[truth == 0].mean(), yes[truth == 1].mean(), yes.mean(), float(np.sum(yes != truth)) / len(label)))
    rows, sides = [], []
    for each in np.unique(group):
        rows.append([float(part[0] == each) for part in parts])
        sides.append(1.0)
        for rate in {"odds": (1, 2), "true_positive_rate": (2,), "selection_rate": (3,)}[equal]:
            if each:
                rows.append([part[rate] if part[0] == 0 else -part[rate] if part[0] == each else 0.0 for part in parts])
                sides.append(0.0)
    return float(linprog([part[4] for part in parts], A_eq=rows, b_eq=sides, bounds=(0, 1)).fun)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), equal=st.sampled_from(EQUALS), groups=st.integers(2, 3))
def test_the_mixture_is_the_optimum_and_its_rates_are_equal(seed: int, equal: str, groups: int) -> None:
    score, label, group = drawn(seed, groups=groups)
    found = thresholds(score, label, group, equal=equal)
    assert found.loss == pytest.approx(naive(score, label, group, equal), abs=1e-9)
    assert found.apart < 1e-9
    for place, rule in enumerate(found.rules):   # the rates told are those of the rules
        chance, truth = rule.chance(score[group == place]), label[group == place]
        assert chance[truth == 1].mean() == pytest.approx(found.true[place])
        assert chance[truth == 0].mean() == pytest.approx(found.false[place])
        assert chance.mean() == pytest.approx(found.selected[place])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), equal=st.sampled_from(EQUALS))
def test_one_threshold_each_is_the_best_of_all_pairs(seed: int, equal: str) -> None:
    score, label, group = drawn(seed, n=60)
    if min(np.sum((group == place) & (label == truth)) for place in (0, 1) for truth in (0, 1)) < 10:
        return
    found = thresholds(score, label, group, equal=equal, randomised=False, at_most=0.1)
    assert found.apart <= 0.1 + 1e-9
    curves = [curve(score[group == place], label[group == place]) for place in (0, 1)]
    best = np.inf
    for one, other in itertools.product(range(len(curves[0].cut)), range(len(curves[1].cut))):
        rates = {"odds": ("false", "true"), "true_positive_rate": ("true",), "selection_rate": ("selected",)}[equal]
        if max(abs(getattr(curves[0], rate)[one] - getattr(curves[1], rate)[other]) for rate in rates) <= 0.1 + 1e-12:
            best = min(best, curves[0].loss((1, 1), 60)[one] + curves[1].loss((1, 1), 60)[other])
    assert found.loss == pytest.approx(best, abs=1e-9)


def test_what_cannot_be_made_equal_is_a_sentence() -> None:
    score, label, group = drawn(0)
    with pytest.raises(SignatureError, match="one group"):
        thresholds(score, label, np.zeros(len(score), int))
    few = np.r_[np.zeros(100, int), np.ones(3, int)]
    with pytest.raises(DataError, match="the group women has 3 positive rows"):
        thresholds(np.arange(103.0), np.r_[np.tile([0, 1], 50), 1, 1, 1], few, names=["men", "women"])
    with pytest.raises(ConfigError, match="cannot be made equal"):
        thresholds(score, label, group, equal="luck")   # type: ignore[arg-type]
    with pytest.raises(DataError, match="missing"):
        thresholds(np.where(score > 1, np.nan, score), label, group)


@pytest.mark.parametrize("name", ["income", "health"])
def test_equal_odds_of_the_score_files_are_the_optimum(shared, name: str) -> None:
    with (shared / "data" / "fairness" / f"pleiss-{name}-scores.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    numbers = np.array(lines, float)
    score, label, group = (numbers[:, head.index(each)] for each in ("prediction", "label", "group"))
    decided = (score >= 0.5).astype(float)   # few points: the naive program stays small
    found = thresholds(decided, label.astype(int), group.astype(int), equal="odds")
    assert found.loss == pytest.approx(naive(decided, label.astype(int), group.astype(int), "odds"), abs=1e-9)
    whole = thresholds(score, label.astype(int), group.astype(int), equal="odds")
    assert whole.apart < 1e-9
    assert whole.loss <= found.loss
