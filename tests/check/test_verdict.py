from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from assay.check.expression import Bound, Check, check, parse
from assay.check.verdict import broken, judge
from assay.errors import AssayError, ConfigError
from assay.result import Run, Spread, Value, Verdict
from tests.check.values import fact, mean, means, naive, power, share, shares, values

bounds = st.sampled_from([0.05, 0.3, 0.5, 0.6, 0.8, 0.95])
RANK = {"fail": 0, "inconclusive": 1, "warn": 2, "pass": 3}


def outcomes(each: Check | str, found: list[Value]) -> list[str]:
    return [verdict.verdict for verdict in judge(parse(each) if isinstance(each, str) else each, found)]


# -- against a judge that does nothing clever --


@settings(max_examples=300)
@given(st.lists(shares(), min_size=1, max_size=8), st.sampled_from(["at_least", "at_most", "between"]), bounds, bounds)
def test_shares_are_judged_as_by_hand(found: list[Value], kind: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    each = Check("recall", by="carrier", at_least=None if kind == "at_most" else Bound(low),
                 at_most=None if kind == "at_least" else Bound(high))
    assert outcomes(each, found) == naive(each, found)


@given(st.lists(shares(), min_size=1, max_size=6), bounds)
def test_whether_rights_or_wrongs_are_counted_does_not_matter(found: list[Value], bound: float) -> None:
    wrongs = [share(value.n - round((value.value or 0) * value.n), value.n, **dict(value.slice)) for value in found]
    assert outcomes(check("recall", by="c", at_least=bound), found) == outcomes(check("miss", by="c", at_most=1 - bound), wrongs)


# -- laws --


@settings(max_examples=200)
@given(st.lists(values, min_size=1, max_size=8), bounds, st.randoms(use_true_random=False))
def test_order_does_not_matter(found: list[Value], bound: float, random: Random) -> None:
    order = list(range(len(found)))
    random.shuffle(order)
    each = check("m", by="carrier", at_least=bound)
    straight = judge(each, found)
    assert judge(each, [found[place] for place in order]) == [straight[place] for place in order]


@settings(max_examples=200)
@given(st.lists(values, min_size=1, max_size=6), values, bounds)
def test_another_slice_never_makes_one_fail(found: list[Value], more: Value, bound: float) -> None:
    for each in (check("m", by="carrier", at_least=bound), check("m", by="carrier", at_most=bound)):
        for before, after in zip(outcomes(each, found), outcomes(each, [*found, more]), strict=False):
            assert after != "fail" or before == "fail"
            assert (after == "pass") == (before == "pass")


@settings(max_examples=200)
@given(st.lists(values, min_size=1, max_size=6), bounds, bounds)
def test_a_stricter_bound_never_judges_better(found: list[Value], one: float, other: float) -> None:
    low, high = sorted((one, other))
    for easy, hard in ((check("m", at_least=low), check("m", at_least=high)), (check("m", at_most=high), check("m", at_most=low))):
        for lenient, strict in zip(outcomes(easy, found), outcomes(hard, found), strict=True):
            if "too small" not in (lenient, strict):
                assert RANK[strict] <= RANK[lenient]


@settings(max_examples=300)
@given(values, bounds)
def test_what_passes_lies_inside_and_what_fails_lies_outside(value: Value, bound: float) -> None:
    (verdict,) = judge(check("m", at_least=bound), [value])
    if verdict.verdict == "pass":
        assert value.value is not None
        assert value.value >= bound  # so NaN never passes
        assert verdict.p is None or verdict.p >= 0.025
    if verdict.verdict == "fail":
        assert value.value is not None
        assert value.value < bound
    assert Verdict.from_json(verdict.to_json()).verdict == verdict.verdict
    assert "\n" not in verdict.sentence
    assert "nan" not in verdict.sentence.replace("nano", "")


@given(means(), bounds)
def test_a_mean_that_fails_alone_has_an_interval_outside(value: Value, bound: float) -> None:
    (verdict,) = judge(check("m", at_least=bound), [value])
    if verdict.verdict == "fail":
        assert value.high is not None
        assert value.high <= bound


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), bounds)
def test_facts_are_compared_and_never_open(numbers: list[float], bound: float) -> None:
    found = [fact(number, column=place) for place, number in enumerate(numbers)]
    assert outcomes(check("m", at_most=bound), found) == ["pass" if number <= bound else "fail" for number in numbers]


# -- cases --


def test_holm_and_not_each_slice_alone_decides() -> None:
    near = share(71, 100, carrier="HA")  # p = 0.0200 against 0.8 alone
    assert outcomes("recall by carrier >= 0.8", [near]) == ["fail"]
    good = [share(95, 100, carrier=place) for place in range(20)]
    verdict, *rest = judge(parse("recall by carrier >= 0.8"), [near, *good])
    assert verdict.verdict == "inconclusive"
    assert "alone it would fail, among 21 slices that can be chance" in verdict.sentence
    assert {each.verdict for each in rest} == {"pass"}
    assert verdict.p == pytest.approx(21 * stats.binom.cdf(71, 100, 0.8))


def test_a_warning_needs_a_pass_and_a_number_short_of_the_wish() -> None:
    assert outcomes("recall >= 0.7 warn 0.8", [share(750, 1000)]) == ["warn"]
    assert outcomes("recall >= 0.7 warn 0.8", [share(800, 1000)]) == ["pass"]
    assert outcomes("recall >= 0.7 warn 0.8", [share(710, 1000)]) == ["inconclusive"]
    assert outcomes("mae <= 12 warn 10", [mean(11, 0.1, 500)]) == ["warn"]
    assert outcomes("mae <= 12 warn 10", [mean(10, 0.1, 500)]) == ["pass"]


def test_too_small_is_for_slices_that_no_outcome_could_decide() -> None:
    assert outcomes("recall by c >= 0.6", [share(5, 5, c=1)]) == ["pass"]  # five of five could pass, so three of five is open
    assert outcomes("recall by c >= 0.6", [share(3, 5, c=1)]) == ["inconclusive"]
    small = Value.of("recall", Spread("binomial", 2 / 3, n=3), n=40, slice={"c": 1})  # three positives among forty rows
    assert outcomes("recall by c >= 0.6", [small]) == ["too small"]
    assert outcomes("recall >= 0.6", [small.replace(slice={})]) == ["inconclusive"]  # all the data is never too small to count
    filtered = small.replace(slice={"where": "x == 1"})  # nor is all that a filter leaves
    assert outcomes("recall where x == 1 >= 0.6", [filtered]) == ["inconclusive"]
    assert outcomes("recall by c between 0.4 and 0.6", [share(3, 6, c=1), share(10, 20, c=2)]) == ["too small", "inconclusive"]


def test_few_rows_of_a_mean_are_too_small_unless_they_fail() -> None:
    assert outcomes("mae by c <= 12", [mean(5, 0.1, 29, c=1), mean(5, 0.1, 30, c=1)]) == ["too small", "pass"]
    assert outcomes("mae by c <= 12", [mean(50, 1, 12, c=1), mean(50, 1, 9, c=1)]) == ["fail", "too small"]
    assert outcomes("mae by c <= 12", [mean(50, 0, 12, c=1), mean(50, 0, 30, c=1)]) == ["too small", "fail"]
    (verdict,) = judge(parse("mae <= 12"), [mean(5, 0.1, 12)])
    assert (verdict.verdict, verdict.rows_needed) == ("inconclusive", 18)


def test_slices_under_five_rows_show_no_number() -> None:
    for value in (share(0, 4, name="Ann"), fact(1.0, n=4, name="Ann"), mean(50, 0.1, 4, name="Ann")):
        (verdict,) = judge(parse("recall by name <= 0.5"), [value])
        assert verdict.verdict == "too small"
        assert verdict.sentence == "recall of name Ann: fewer than 5 rows, too small to tell"
        assert verdict.value is None
        assert verdict.p is None
    assert outcomes("recall >= 0.5", [share(0, 4)]) == ["inconclusive"]
    assert outcomes("missing <= 0.5", [fact(1.0, n=4)]) == ["fail"]


def test_what_is_not_defined_says_why() -> None:
    note = "there are no positives"
    whole, part = (Value.undefined("recall", note, n=40, slice=key) for key in ({}, {"c": 1}))
    first, second = judge(parse("recall by c >= 0.5"), [whole, part])
    assert (first.verdict, second.verdict) == ("inconclusive", "too small")
    assert first.sentence == f"recall is not defined on 40 rows: {note}"
    (verdict,) = judge(parse("recall >= 0.5"), [])
    assert (verdict.verdict, verdict.sentence) == ("inconclusive", "recall has no value: there was nothing to judge")
    assert Run("check", verdicts=(verdict,)).exit_code == 3


def test_a_value_without_spread_is_judged_by_its_interval_or_not_at_all() -> None:
    assert outcomes("mae <= 12", [Value("mae", 14, 13, 15, 100), Value("mae", 11, 10.5, 11.9, 100), Value("mae", 11, 9, 13, 100)]) == [
        "fail", "pass", "inconclusive"]
    (verdict,) = judge(parse("mae <= 12"), [Value("mae", 1, None, None, 100)])
    assert (verdict.verdict, verdict.rows_needed) == ("inconclusive", None)
    assert verdict.sentence.endswith("cannot tell, as the value has no interval")


def test_the_error_of_a_sketch_counts_against_both_outcomes() -> None:
    slack = [value.replace(bound=0.02) for value in (fact(0.09), fact(0.07), fact(0.11), fact(0.13))]
    assert outcomes("psi of x <= 0.1", slack) == ["inconclusive", "pass", "inconclusive", "fail"]
    sure = mean(0.8, 0.005, 500)
    assert outcomes("auc >= 0.78", [sure, sure.replace(bound=0.05)]) == ["pass", "inconclusive"]
    assert outcomes("auc >= 0.82", [sure, sure.replace(bound=0.05)]) == ["fail", "inconclusive"]


def test_infinite_facts_are_facts() -> None:
    assert outcomes("psi of x <= 0.1", [fact(math.inf)]) == ["fail"]
    assert outcomes("x >= 0.1", [fact(math.inf)]) == ["pass"]
    assert outcomes("x >= 0.1", [Value.of("x", Spread("normal", math.inf, error=0.1), n=100)]) == ["inconclusive"]


def test_relative_checks_take_differences_only() -> None:
    value = mean(-0.002, 0.002, 4000)
    with pytest.raises(ConfigError, match="compared with nothing; expected its difference to the champion"):
        judge(parse("auc >= champion - 0.01"), [value])
    assert outcomes("auc >= champion - 0.01", [value.replace(against="champion")]) == ["pass"]
    assert outcomes("psi of x <= 0.1", [value.replace(against="reference")]) == ["pass"]  # a distance, and a plain bound
    (verdict,) = judge(parse("mae <= champion * 1.05"), [mean(0.4, 0.09, 4000).replace(against="champion")])
    assert verdict.sentence == (
        "mae less 1.05 times the champion's is 0.40 [0.22, 0.58] on 4,000 rows, at most 0.00 asked: fails, over by 0.40")


def test_the_interval_shown_is_the_one_judged() -> None:
    value = Value.of("auc", Spread("normal", 0.7, error=0.01), n=900, level=0.5)
    (verdict,) = judge(parse("auc >= 0.6"), [value])
    assert "[0.680, 0.720]" in verdict.sentence


def test_a_broken_check_is_a_result() -> None:
    verdict = broken(parse("auc by carrier >= 0.6"), AssayError("the model raised", where="model.onnx", hint="look at row 3"), model="b")
    assert (verdict.verdict, verdict.check, verdict.model) == ("error", "auc by carrier >= 0.6", "b")
    assert verdict.sentence == "auc could not be measured: model.onnx: the model raised; hint: look at row 3"
    raised = broken("auc >= 0.6", RuntimeError("postgresql://ann:s3cret@db/x\n" + "a" * 5000), slice={"c": 1})
    assert "s3cret" not in raised.sentence
    assert len(raised.sentence) < 700
    assert Run("check", verdicts=(verdict, raised)).exit_code == 1


# -- how many rows more --


@pytest.mark.parametrize(("expression", "value"), [
    ("auc >= 0.6", mean(0.64, 0.03, 400)), ("auc >= 0.66", mean(0.64, 0.03, 400)), ("auc between 0.6 and 0.7", mean(0.64, 0.03, 400)),
    ("recall >= 0.8", share(83, 100)), ("recall >= 0.8", share(78, 100)), ("recall >= 0.99", share(200, 200)),
])
def test_so_many_rows_more_would_decide_and_fewer_would_not(expression: str, value: Value) -> None:
    (verdict,) = judge(parse(expression), [value])
    assert verdict.verdict == "inconclusive"
    assert verdict.rows_needed is not None
    assert value.spread is not None

    def grown(n: int) -> Value:
        spread, growth = value.spread, n / value.n
        assert spread is not None
        return Value.of("m", Spread(spread.kind, spread.estimate, n=spread.n * growth, error=spread.error / math.sqrt(growth)), n=n)

    assert outcomes(expression, [grown(value.n + verdict.rows_needed)]) != ["inconclusive"]
    assert outcomes(expression, [grown(value.n + verdict.rows_needed - 1)]) == ["inconclusive"]
    assert f"about {verdict.rows_needed:,} more labelled rows would" in verdict.sentence


def test_rows_needed_agrees_with_the_spread() -> None:
    value = mean(0.64, 0.03, 4000)
    (verdict,) = judge(parse("auc >= 0.6"), [value])
    assert value.spread is not None
    assert verdict.rows_needed == pytest.approx((value.spread.rows_factor(0.6) - 1) * 4000, abs=2)


def test_no_realistic_number_of_rows_is_said_so() -> None:
    (verdict,) = judge(parse("recall >= 0.8"), [share(80, 100)])
    assert verdict.rows_needed is None
    assert "no realistic number of labelled rows would" in verdict.sentence
    (verdict,) = judge(parse("psi of x <= 0.1"), [Value.of("psi", Spread("normal", 0.09, error=0.02), n=400)])
    assert "more rows would" in verdict.sentence  # a distance needs no labels


# -- what is promised about chance; the numbers stand in design/verdicts.md --

SLICES = 50
SIZES = np.unique(np.geomspace(50, 5000, SLICES).astype(int))
SIZES = np.concatenate([SIZES, np.full(SLICES - len(SIZES), 50)])


def _shares(random: np.random.Generator, *, truth: float = 0.8) -> list[Value]:
    return [share(int(random.binomial(n, truth)), int(n), c=place) for place, n in enumerate(SIZES)]


def _means(random: np.random.Generator) -> list[Value]:
    """Means of normal rows, their errors estimated: from their distributions, not row by row."""
    errors = np.sqrt(random.chisquare(SIZES - 1) / (SIZES - 1) / SIZES)
    return [mean(0.8 + z / math.sqrt(n), float(error), int(n), c=place)
            for place, (z, error, n) in enumerate(zip(random.normal(size=SLICES), errors, SIZES, strict=True))]


def _skewed(random: np.random.Generator) -> list[Value]:
    """Mean absolute errors of rows whose errors are exponential, as delays are."""
    found = []
    for place, n in enumerate(SIZES):
        rows = random.exponential(0.8, n)
        found.append(mean(float(rows.mean()), float(rows.std(ddof=1) / math.sqrt(n)), int(n), c=place))
    return found


def _ranked(random: np.random.Generator) -> list[Value]:
    """AUC of 0.8 at three positives in ten, with DeLong's error on the logit scale (DeLong, DeLong, Clarke-Pearson 1988)."""
    found = []
    for place, n in enumerate(SIZES):
        m = min(max(int(random.binomial(n, 0.3)), 2), n - 2)
        positive, negative = random.normal(math.sqrt(2) * special.ndtri(0.8), 1, m), random.normal(0, 1, n - m)
        above = np.searchsorted(np.sort(negative), positive) / (n - m)
        below = 1 - np.searchsorted(np.sort(positive), negative) / m
        auc = float(above.mean())
        error = math.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / (n - m)) / (auc * (1 - auc))
        found.append(Value.of("auc", Spread("normal", auc, error=error, scale="logit"), n=int(n), slice={"c": place}))
    return found


def false_fails(draw: Callable[[np.random.Generator], list[Value]], expression: str, times: int, seed: int = 7) -> tuple[float, float]:
    """Return how often any slice of a model exactly at the bound fails, and how often one would without the correction."""
    random, any_fail, uncorrected = np.random.default_rng(seed), 0, 0
    each = parse(expression)
    for _ in range(times):
        found = draw(random)
        any_fail += any(verdict.verdict == "fail" for verdict in judge(each, found))
        uncorrected += any(value.spread is not None and (
            value.spread.p_at_most(0.8) if each.at_most else value.spread.p_at_least(0.8)) < 0.025 for value in found)
    return any_fail / times, uncorrected / times


KINDS = {"shares": (_shares, "recall by c >= 0.8"), "means": (_means, "mae by c <= 0.8"), "skewed means": (_skewed, "mae by c <= 0.8"),
         "areas under the curve": (_ranked, "auc by c >= 0.8")}


@pytest.mark.parametrize("kind", ["shares", "means"])
def test_fifty_slices_at_the_bound_seldom_fail(kind: str) -> None:
    false, alone = false_fails(*KINDS[kind], times=120)
    assert false <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 120)
    assert alone > 0.4  # which is what the correction is for


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fifty_slices_at_the_bound_fail_as_seldom_as_promised(kind: str, root: Path) -> None:
    false, alone = false_fails(*KINDS[kind], times=2000)
    text = (root / "design" / "verdicts.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {kind}\b[^|]*(.*)\|$", text, re.MULTILINE)
    written = [float(each) for each in re.findall(r"([\d.]+) %", row)]
    assert written == [pytest.approx(100 * false, abs=0.051), pytest.approx(100 * alone, abs=0.51)]
    assert false <= 0.025 + 2 * math.sqrt(0.025 * 0.975 / 2000)


@pytest.mark.parametrize("slices", [1, 50])
@pytest.mark.parametrize("truth", [0.70, 0.75, 0.80, 0.85, 0.90])
def test_the_power_table_of_the_design_is_right(truth: float, slices: int, root: Path) -> None:
    cells = [" / ".join(f"{100 * each:.0f}" for each in power(0.8, truth, n, slices)) for n in (50, 200, 1000, 5000)]
    row = f"| {truth:.2f} | {slices} | {' | '.join(cells)} |"
    assert row in (root / "design" / "verdicts.md").read_text(encoding="utf-8")


def test_power_is_what_judging_gives() -> None:
    random = np.random.default_rng(3)
    found = [outcomes("recall >= 0.8", [share(int(random.binomial(200, 0.85)), 200)])[0] for _ in range(600)]
    for outcome, chance in zip(("pass", "fail", "inconclusive"), power(0.8, 0.85, 200), strict=True):
        assert found.count(outcome) / 600 == pytest.approx(chance, abs=0.07)
