"""Opinions: a fault has to be shown, one error rate holds for all, faults come first, and sentences survive hostile names."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.check.expression import parse
from assay.check.suite import Scene, items, opinions
from assay.check.suite.default import Item, named
from assay.data.predicate import quoted
from assay.metric import disparity
from assay.result import Spread, Value, Verdict
from assay.verbs.suite import _larger

FULL = Scene(task="binary", scored=True, labelled=True, asked=True, train=True, reference=True, entity=True, available_at=True, ids=True,
             classes=2, slices=("carrier", "`a b`:4"), protected=("sex", "a b"), forbidden=("zip",),
             overall={"auc": 0.7, "accuracy": 0.8, "mae": 3.0})
LINE = Item("leakage", "lone_power of * <= 0.98", fault="{column} at {value}",
            fine="none, {column} at {value}", hint="look at {column}", grave="fail",
            many="{count}: {columns}", share=False)


def power(column: str, value: float, n: int = 1000, **rest: object) -> Value:
    return Value.of("lone_power", Spread("binomial", value, n=n), n=n, column=column, better="lower", **rest)


def scenes() -> list[Scene]:
    return [Scene(), FULL, Scene(task="regression", labelled=True, train=True, slices=("c",), overall={"mae": 2.0}),
            Scene(task="multiclass", scored=True, labelled=True, classes=5, protected=("g",), overall={"accuracy": 0.5})]


@pytest.mark.parametrize("scene", scenes())
def test_every_item_is_a_check_that_a_user_could_write(scene: Scene) -> None:
    for item in items(scene):
        check = parse(item.expression)
        assert parse(str(check)) == check
        assert item.aspect
        assert item.hint
        assert re.search(r"[.?]$", item.fault), item.fault


@pytest.mark.parametrize("scene", scenes())
def test_every_sentence_is_filled_in(scene: Scene) -> None:
    for item in items(scene):
        check = parse(item.expression)
        column = "x{0}" if check.columns else None
        bad = 1e6 if check.at_most is not None else -1e6
        for number, outcomes in ((bad, {item.grave}), (-bad, {"pass"})):
            value = Value.of(check.metric, Spread("exact", number), n=500, column=column, note="a {brace}", slice={"c": "{v}"} if check.by else {})
            for verdict in opinions([(item, [value])]):
                assert verdict.verdict in outcomes
                assert "{v" not in verdict.sentence.replace("{v}", "")
                assert not re.search(r"\{(value|low|high|column|note|place|n|count|columns)\}", verdict.sentence + (verdict.hint or ""))
                assert parse(str(verdict.expression))


def test_a_scene_without_anything_asks_only_for_quality() -> None:
    assert {each.aspect for each in items(Scene())} == {"leakage", "quality"}


def test_names_are_quoted_where_the_language_needs_it() -> None:
    for name in ("age", "loan id", "of", "a`b", "1st", "größe", "a*b", "true", "Not", "a.b"):
        check = parse(f"missing of {named(name)} <= 0")
        assert check.columns == (name,)


@given(st.one_of(st.text(min_size=1), st.sampled_from(["größe", "Not", "TRUE", "a.b", "a.", "_", "½", "x²"])))
def test_checks_and_predicates_quote_alike(name: str) -> None:
    """So that a slice that the user named is not cut by again under another spelling."""
    assert named(name) == quoted(name)


def test_what_is_not_shown_is_no_fault() -> None:
    near = power("x", 0.97, n=50)  # an estimate below the bound, an interval above it
    assert [each.verdict for each in opinions([(LINE, [near])])] == ["too small"]
    far = power("x", 1.0, n=1000)
    assert [each.verdict for each in opinions([(LINE, [far])])] == ["fail"]


def test_faults_come_first_and_the_gravest_before_the_others() -> None:
    warns = Item("junk", "missing of * <= 0.1", fault="{column} missing", fine="", hint="h", rank=0, share=True)
    later = Item("x", "constant of * <= 0", fault="{column} constant", fine="", hint="h", grave="fail", rank=9)
    found = opinions([
        (warns, [Value.of("missing", Spread("exact", 0.5), n=100, column="a")]),
        (later, [Value.of("constant", Spread("exact", 1.0), n=100, column="b")]),
        (LINE, [power("c", 1.0), power("d", 0.2)]),
        (Item("y", "duplicates <= 0.1", fault="many", fine="few", hint="h"), [Value.of("duplicates", Spread("exact", 0.0), n=100)])])
    assert [(each.verdict, each.sentence) for each in found] == [
        ("fail", "b constant"), ("fail", "c at 1"), ("warn", "a missing"), ("pass", "few")]


def test_many_columns_share_a_line_that_names_them_and_a_check_of_them() -> None:
    found = opinions([(LINE, [power(f"x{place}", 1.0) for place in range(9)])])
    assert [each.sentence for each in found] == ["9: x0, x1, x2, x3, x4, x5 and 3 more"]
    assert parse(str(found[0].expression)).columns == tuple(f"x{place}" for place in range(9))


def test_the_graver_of_two_items_speaks_for_a_column() -> None:
    softer = Item("leakage", "lone_power of * <= 0.8", fault="{column} suspicious", fine="", hint="h")
    found = opinions([(softer, [power("a", 1.0), power("b", 0.9)]), (LINE, [power("a", 1.0), power("b", 0.9)])])
    assert [each.sentence for each in found] == ["a at 1", "b suspicious"]


def test_a_baseline_that_is_not_beaten_clearly_is_a_warning() -> None:
    softer = next(each for each in items(FULL) if each.proof)
    graver = next(each for each in items(FULL) if each.aspect == "baselines" and each.grave == "fail")

    def gain(estimate: float) -> Value:
        spread = Spread("normal", estimate, error=0.01)
        return Value.of("gain_over_baseline", spread, n=5000, column="linear", better="higher", note="auc 0.7")

    def said(estimate: float) -> list[str]:
        return [each.verdict for each in opinions([(graver, [gain(estimate)]), (softer, [gain(estimate)])])]

    assert [said(each) for each in (0.1, 0.005, -0.1)] == [["pass"], ["warn"], ["fail"]]


def test_groups_under_five_rows_are_never_named() -> None:
    item = next(each for each in items(FULL) if each.expression.startswith("auc by carrier >= 0.5"))
    value = Value.of("auc", Spread("exact", 0.0), n=4, slice={"carrier": "hidden"}, better="higher")
    assert not any("hidden" in each.sentence for each in opinions([(item, [value])]))


def test_nothing_wrong_fails_at_most_once_in_twenty() -> None:
    """300 searches at the very edge of their bounds: the family-wise rate is 2.5 %; 400 draws err by 1.6 % (two sigma)."""
    rng = np.random.default_rng(0)
    item = Item("s", "accuracy by c >= 0.9", fault="{place}", fine="", hint="h", grave="fail")
    other = Item("l", "recall by c >= 0.8", fault="{place}", fine="", hint="h", grave="fail")
    failed = 0
    for _ in range(400):
        answers = []
        for each, share, metric in ((item, 0.9, "accuracy"), (other, 0.8, "recall")):
            values = [Value.of(metric, Spread("binomial", hits / 300, n=300), n=300, slice={"c": place}, better="higher")
                      for place, hits in enumerate(rng.binomial(300, share, 150))]
            answers.append((each, values))
        failed += any(verdict.verdict == "fail" for verdict in opinions(answers))
    assert failed / 400 <= 0.041


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_from_the_data_break_no_line(column: str, note: str) -> None:
    for verdict in opinions([(LINE, [power(column, 1.0, note=note)])]):
        assert verdict.sentence.isprintable()
        assert (verdict.hint or "").isprintable()


WHOLE = next(each for each in items(FULL) if each.expression.startswith("auc by carrier >= 0.6"))  # where all rows have 0.7


def auc(carrier: str, value: float, error: float, n: int) -> Value:
    return Value.of("auc", Spread("normal", value, error=error), n=n, slice={"carrier": carrier}, better="higher")


def test_a_large_slice_near_the_bound_is_named_and_small_ones_are_counted() -> None:
    found = opinions([(WHOLE, [auc("AA", 0.72, 0.01, 5000), auc("BB", 0.605, 0.01, 5000), auc("CC", 0.55, 0.2, 40)])])
    assert [each.verdict for each in found] == ["pass"]
    assert "the lowest AUC is 0.605 of carrier BB. That is near the bound of 0.6" in found[0].sentence
    assert "1 of 3 has too few rows to tell, the lowest of them 0.550 of carrier CC" in found[0].sentence


def test_a_large_slice_beyond_the_bound_is_not_fine() -> None:
    found = opinions([(WHOLE, [auc("AA", 0.72, 0.01, 5000), auc("BB", 0.59, 0.02, 5000)])])
    assert [each.verdict for each in found] == ["too small"]
    assert "the AUC of carrier BB: 0.590" in found[0].sentence


def test_nothing_found_among_few_rows_is_a_count() -> None:
    item = next(each for each in items(FULL) if each.expression == "placeholder_rows <= 1%")

    def said(share: float) -> Verdict:
        return opinions([(item, [Value.of("placeholder_rows", Spread("binomial", share, n=89), n=89, better="lower")])])[0]

    assert (said(0.0).verdict, said(0.0).sentence) == ("pass", item.fine)
    assert said(1 / 89).verdict == "too small"
    assert "placeholder_rows" not in said(1 / 89).sentence


def test_a_small_group_does_not_hide_what_the_large_ones_show() -> None:
    def rates(**shares: tuple[float, int]) -> list[Value]:
        return [Value.of("selection_rate", Spread("binomial", share, n=n), n=n, slice={"sex": name}) for name, (share, n) in shares.items()]

    item = next(each for each in items(FULL) if each.expression.startswith("selection_rate ratio by sex"))
    plain = rates(a=(0.26, 9000), b=(0.11, 900), c=(0.05, 40))
    whole = disparity(plain)
    assert [each.verdict for each in opinions([(item, [whole])])] == ["too small"]  # the pair of the smallest group decides nothing
    found = opinions([(item, [whole, *_larger(plain, "ratio")])])
    assert [each.verdict for each in found] == ["fail"]
    assert "sex=b against sex=a" in found[0].sentence
    assert _larger(rates(a=(0.2, 900), b=(0.2, 900)), "ratio") == []


def test_columns_that_could_not_be_measured_are_named() -> None:
    item = next(each for each in items(FULL) if each.expression.startswith("missing_effect"))
    values = [Value.of("missing_effect", Spread("exact", 0.0), n=500, column="a"),
              Value.undefined("missing_effect", "the model refuses missing values", n=500, column="b")]
    assert "Nothing could be measured of 1: b." in opinions([(item, values)])[0].sentence


def test_a_fraction_that_names_a_slice_is_short() -> None:
    found = opinions([(WHOLE, [Value.of("auc", Spread("normal", 0.72, error=0.01), n=5000, slice={"carrier": -0.044641636506989144}, better="higher")])])
    assert "carrier -0.0446416." in found[0].sentence


def test_an_example_does_not_read_as_the_whole() -> None:
    item = next(each for each in items(FULL) if each.expression.startswith("thin_region"))
    value = Value.of("thin_region", Spread("exact", 0.62), n=28_128, note="temp 60 to 61: about 1 rows to train on, 3,097 judged")
    assert "(the largest region: temp 60 to 61" in opinions([(item, [value])])[0].sentence
