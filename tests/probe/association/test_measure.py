"""The five metrics against naive references, published numbers, and their own level: intervals that cover, p-values that are uniform."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import ConfigError
from assay.probe.association.independence import centred, exact, independence
from assay.probe.association.measure import METRICS, Variable, heterogeneity, measured, suited

# Admissions at Berkeley in 1973 (Bickel, Hammel and O'Connell 1975): admitted and rejected men, then women, by department
BERKELEY = np.array([[512, 313, 89, 19], [353, 207, 17, 8], [120, 205, 202, 391], [138, 279, 131, 244], [53, 138, 94, 299], [22, 351, 24, 317]])


def berkeley() -> tuple[Variable, Variable, Any]:
    sex, admitted, department = [], [], []
    for place, counts in enumerate(BERKELEY):
        for (man, yes), count in zip(((1, 1), (1, 0), (0, 1), (0, 0)), counts, strict=True):
            sex += [man] * count
            admitted += [yes] * count
            department += [place] * count
    return Variable("sex", np.array(sex), ("f", "m")), Variable("admitted", np.array(admitted), ("no", "yes")), np.array(department)


def two(name: str, values: Any) -> Variable:
    return Variable(name, np.asarray(values, np.int64), ("a", "b"))


def numbers(name: str, values: Any) -> Variable:
    return Variable(name, np.asarray(values, np.float64))


def test_the_test_given_strata_is_that_of_cochran_mantel_and_haenszel() -> None:
    sex, admitted, department = berkeley()
    s, o = (each.scores(np.arange(len(department))) for each in (sex, admitted))
    found = independence(s, o, centred(s, department), centred(o, department), department, None, counts=True)
    top = bottom = 0.0   # the statistic as textbooks write it
    for a, b, c, d in BERKELEY.astype(float):
        n = a + b + c + d
        top += a - (a + b) * (a + c) / n
        bottom += (a + b) * (c + d) * (a + c) * (b + d) / (n * n * (n - 1))
    assert found.stat == pytest.approx(top * top / bottom)
    # with the correction for continuity this table has 1.4269 in the literature
    assert (abs(top) - 0.5) ** 2 / bottom == pytest.approx(1.4269, abs=5e-4)


def test_berkeley_is_explained_by_the_department() -> None:
    sex, admitted, department = berkeley()
    rows = np.arange(len(department))
    plain, given_ = measured(sex, admitted, rows), measured(sex, admitted, rows, strata=department)
    assert plain is not None
    assert given_ is not None
    assert plain.p < 1e-20
    assert plain.effect.estimate == pytest.approx(0.1416, abs=1e-4)
    assert given_.p > 0.1
    assert given_.effect.interval()[0] < 0 < given_.effect.interval()[1]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=2))
@settings(max_examples=60)
def test_exact_is_the_enumeration_of_all_tables(tables: list[tuple[int, int, int, int]]) -> None:
    x, n1, m, n = (np.array(each) for each in zip(*((a, a + b, a + c, a + b + c + d) for a, b, c, d in tables), strict=True))
    p = exact(x, n1, m, n)
    chances: dict[int, float] = {}
    ranges = [range(max(0, each[1] + each[0] - each[2]), min(each[0], each[1]) + 1) for each in zip(n1, m, n, strict=True)]
    for combination in itertools.product(*ranges):
        likely = math.prod(math.comb(int(a), k) * math.comb(int(c - a), int(b - k)) / math.comb(int(c), int(b))
                           for k, a, b, c in zip(combination, n1, m, n, strict=True))
        chances[sum(combination)] = chances.get(sum(combination), 0.0) + likely
    seen = chances[int(x.sum())]
    assert p == pytest.approx(sum(each for each in chances.values() if each <= seen * (1 + 1e-7)), rel=1e-6)


def test_one_table_is_fishers() -> None:
    for a, b, c, d in ((3, 1, 1, 3), (10, 2, 4, 9), (0, 7, 5, 6)):
        p = exact(*(np.array([each]) for each in (a, a + b, a + c, a + b + c + d)))
        assert p == pytest.approx(stats.fisher_exact([[a, b], [c, d]])[1], rel=1e-6)


def drawn(metric: str, rng: np.random.Generator, n: int, effect: bool, strata: bool) -> tuple[Variable, Variable, Any, float | None]:
    """Return an attribute, an output, strata, and the true size (of all people like these; None where it is not plain)."""
    e = rng.integers(0, 4, n) if strata else None
    base = 0.25 + (0.12 * e if e is not None else 0.0)
    if metric in ("difference", "ratio"):
        s = (rng.random(n) < (0.3 + 0.1 * (e if e is not None else 0))).astype(int)
        rate = base + 0.1 * s * effect if metric == "difference" else base * (1 + 0.4 * s * effect)
        return two("s", s), two("o", rng.random(n) < rate), e, (0.1 if metric == "difference" else 1.4) if effect else (
            0.0 if metric == "difference" else 1.0)
    if metric == "information":
        s = rng.integers(0, 3, n)
        o = np.where(rng.random(n) < 0.4 * effect, s, rng.integers(0, 3, n))
        p = np.full((3, 3), (1 - 0.4 * effect) / 9) + np.eye(3) * 0.4 * effect / 3
        true = float((p * np.log(p * 9)).sum() / np.log(3))
        return Variable("s", s, ("a", "b", "c")), Variable("o", o, ("x", "y", "z")), e, true
    x = rng.standard_t(6, n)
    noise = rng.standard_t(6, n) * (1 + (0.5 * e if e is not None else 0))
    if metric == "correlation":
        y = 0.5 * x * effect + noise
        return numbers("s", x), numbers("o", y + (3 * e if e is not None else 0)), e, (0.5 / math.sqrt(1.25) if effect else 0.0) if e is None else None
    return numbers("s", x), numbers("o", np.exp(0.5 * x * effect + noise)), e, None


@pytest.mark.parametrize("strata", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_p_values_are_uniform_where_there_is_nothing(metric: str, strata: bool) -> None:
    rng = np.random.default_rng(1)
    p = []
    for _ in range(150):
        s, o, e, _ = drawn(metric, rng, 400, effect=False, strata=strata)
        found = measured(s, o, np.arange(400), metric=metric, strata=e)   # type: ignore[arg-type]
        assert found is not None
        p.append(found.p)
    exact_ = metric in ("difference", "ratio")   # of counts: no smaller than uniform
    assert stats.binomtest(sum(each <= 0.05 for each in p), len(p), 0.05, "greater" if exact_ else "two-sided").pvalue > 0.001
    assert stats.kstest(p, "uniform", alternative="greater" if exact_ else "two-sided").pvalue > 0.001


@pytest.mark.parametrize(("metric", "strata", "effect"), [
    *((metric, strata, True) for metric in ("difference", "ratio") for strata in (False, True)), ("difference", True, False),
    ("information", False, True), ("information", False, False), ("correlation", False, True)])
def test_intervals_cover_the_truth(metric: str, strata: bool, effect: bool) -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        s, o, e, true = drawn(metric, rng, 500, effect=effect, strata=strata)
        found = measured(s, o, np.arange(500), metric=metric, strata=e)   # type: ignore[arg-type]
        assert found is not None
        low, high = found.effect.interval()
        assert true is not None
        inside += low <= true <= high
    assert inside >= 0.91 * 200


def test_many_small_strata() -> None:
    """Four rows in each of 150 strata: rates that the strata explain, and no difference."""
    rng = np.random.default_rng(3)
    covered = reported = 0
    for _ in range(200):
        e = np.repeat(np.arange(150), 4)
        level = rng.random(150)[e]
        s = (rng.random(600) < 0.2 + 0.6 * level).astype(int)
        o = (rng.random(600) < level).astype(int)
        found = measured(two("s", s), two("o", o), np.arange(600), strata=e)
        assert found is not None
        low, high = found.effect.interval()
        covered += low <= 0 <= high
        reported += found.p <= 0.05
    assert covered >= 184
    assert reported <= 20


def test_groups_with_a_number_are_compared_by_a_multiple_correlation() -> None:
    rng = np.random.default_rng(4)
    s = rng.integers(0, 4, 2000)
    attribute = Variable("s", s, ("a", "b", "c", "d"))
    found = measured(attribute, numbers("o", rng.normal(size=2000) + 0.3 * s), np.arange(2000))
    assert found is not None
    share = 0.09 * 1.25 / (1 + 0.09 * 1.25)
    low, high = found.effect.interval()
    assert low <= math.sqrt(share) <= high
    null = [measured(attribute, numbers("o", rng.normal(size=2000)), np.arange(2000)) for _ in range(100)]
    assert sum(each is not None and each.p <= 0.05 for each in null) <= 12
    assert sum(each is not None and each.effect.interval()[0] == 0 for each in null) >= 90


def test_rows_of_one_entity_count_once() -> None:
    rng = np.random.default_rng(5)
    false = {True: 0, False: 0}
    for _ in range(100):
        who = np.repeat(np.arange(60), 10)
        s, o = np.repeat(rng.integers(0, 2, 60), 10), np.repeat(rng.integers(0, 2, 60), 10)
        for known in (True, False):
            found = measured(two("s", s), two("o", o), np.arange(600), entity=who if known else None)
            if found is not None:
                false[known] += found.p <= 0.05
    assert false[True] <= 12
    assert false[False] >= 50


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_order_and_names_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s, o, e = rng.integers(0, 2, 300), rng.random(300) < 0.4, rng.integers(0, 3, 300)
    order = rng.permutation(300)
    one = measured(two("s", s), two("o", o), np.arange(300), strata=e)
    other = measured(two("s", s[order]), two("o", o[order]), np.arange(300), strata=e[order])
    turned = measured(two("s", 1 - s), two("o", o), np.arange(300), strata=2 - e)
    for each in (one, other, turned):
        assert each is not None
    assert one is not None
    assert other is not None
    assert turned is not None
    assert other.effect.estimate == pytest.approx(one.effect.estimate)
    assert other.p == pytest.approx(one.p)
    assert turned.effect.estimate == pytest.approx(-one.effect.estimate)
    assert turned.effect.interval()[0] == pytest.approx(-one.effect.interval()[1])
    low, high = one.effect.interval()
    assert low <= one.effect.estimate <= high


def test_a_tolerance_is_no_finding() -> None:
    rng = np.random.default_rng(6)
    s = rng.integers(0, 2, 20_000)
    o = rng.random(20_000) < 0.4 + 0.05 * s
    for metric, size in (("difference", 0.1), ("ratio", 0.3), ("information", 0.05)):
        plain = measured(two("s", s), two("o", o), np.arange(20_000), metric=metric)   # type: ignore[arg-type]
        floor = measured(two("s", s), two("o", o), np.arange(20_000), metric=metric, tolerance=size)   # type: ignore[arg-type]
        assert plain is not None
        assert floor is not None
        assert plain.p < 1e-6
        assert floor.p > 0.5


def test_effects_are_compared() -> None:
    rng = np.random.default_rng(7)
    s, o = rng.integers(0, 2, 2000), rng.random(2000)
    one, other = (measured(two("s", s), two("o", o < 0.4 + gap * s), np.arange(2000)) for gap in (0.3, 0.0))
    assert one is not None
    assert other is not None
    assert heterogeneity(one.effect, other.effect, 1) < 1e-6
    assert heterogeneity(one.effect, other.effect, -1) > 0.999
    assert heterogeneity(one.effect, one.effect) == 1.0


def test_one_group_or_one_answer_is_nothing_to_compare() -> None:
    rows = np.arange(100)
    assert measured(two("s", np.zeros(100)), two("o", rows % 2), rows) is None
    assert measured(two("s", rows % 2), two("o", np.ones(100)), rows) is None
    assert measured(numbers("s", rows), numbers("o", np.ones(100)), rows) is None
    assert measured(two("s", rows % 2), two("o", rows % 3 == 0), rows[:3]) is None
    assert measured(two("s", rows // 50), two("o", rows % 2), rows, strata=rows // 50) is None   # strata of one group each


@pytest.mark.parametrize(("attribute", "output", "metric"), [
    ("groups", "groups", "difference"), ("number", "groups", "ratio"), ("number", "number", "information"), ("two", "two", "chi2")])
def test_a_metric_that_does_not_fit_is_told(attribute: str, output: str, metric: str) -> None:
    kinds = {"groups": Variable("g", np.zeros(3), ("a", "b", "c")), "number": numbers("n", [1, 2, 3]), "two": two("t", [0, 1, 1])}
    with pytest.raises(ConfigError):
        suited(kinds[attribute], kinds[output], metric)
