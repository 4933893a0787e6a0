from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.check.expression import check, parse
from assay.check.sentence import sentence
from assay.check.verdict import judge
from assay.result import Spread, Value
from tests.check.values import fact, mean, share


def said(expression: str, value: Value) -> str:
    return judge(parse(expression), [value])[0].sentence


@pytest.mark.parametrize(("expression", "value", "words"), [
    ("recall by carrier >= 0.8", share(819, 900, carrier="AA"),
     "recall is 0.910 [0.890, 0.927] on 900 rows of carrier AA, at least 0.800 asked: pass"),
    ("recall >= 0.8 warn 0.95", share(819, 900),
     "recall is 0.910 [0.890, 0.927] on 900 rows, at least 0.800 asked: passes, but below 0.950, so warn"),
    ("mae <= 12.5", mean(14.04, 0.5, 800).replace(unit="minutes"),
     "mae is 14.04 minutes [13.06, 15.02] on 800 rows, at most 12.50 asked: fails, over by 1.54"),
    ("mae <= 12000", mean(14049.3, 500, 80000),
     "mae is 14,049 [13,069, 15,029] on 80,000 rows, at most 12,000 asked: fails, over by 2,049"),
    ("missing of * <= 2%", fact(0.0325).replace(column="dep time"),
     "missing of `dep time` is 0.0325 on 1,000 rows, at most 0.02 asked: fails, over by 0.0125"),
    ("recall(positive='yes') where (age < 25) >= 0.8", share(95, 100, carrier="AA"),
     "recall(positive='yes') is 0.950 [0.894, 0.981] on 100 rows of carrier AA where age < 25, at least 0.800 asked: pass"),
    ("recall by (age < 25) >= 0.8", share(95, 100, where="age < 25"),
     "recall is 0.950 [0.894, 0.981] on 100 rows where age < 25, at least 0.800 asked: pass"),
    ("tpr difference by sex <= 0.1", mean(0.031, 0.02, 900),
     "tpr difference by sex is 0.031 [-0.008, 0.070] on 900 rows, at most 0.100 asked: pass"),
    ("recall by c between 0.4 and 0.6", share(10, 20, c=None),
     ("recall is 0.50 [0.29, 0.71] on 20 rows of c missing, between 0.40 and 0.60 asked: "
      "cannot tell; about 74 more labelled rows of c missing would")),
])
def test_verdicts_read_as_sentences(expression: str, value: Value, words: str) -> None:
    assert said(expression, value) == words


@pytest.mark.parametrize(("expression", "key", "place"), [
    ("recall where (r == 'N') >= 0.8", {}, "rows where r == 'N',"),
    ("recall where (r == 'N') >= 0.8", {"where": 'r == "N"'}, 'rows where r == "N",'),
    ("recall by c where (r == 'N') >= 0.8", {"c": "A", "where": 'r  == "N"'}, 'rows of c A where r == "N",'),
    ("recall by (age < 25) where (r == 'N') >= 0.8", {"where": "age < 25"}, "rows where age < 25 where r == 'N',"),
])
def test_a_filter_is_said_once(expression: str, key: dict[str, str], place: str) -> None:
    assert place in said(expression, share(95, 100, **key))


def test_a_number_never_reads_like_the_bound_that_it_misses() -> None:
    assert "is 0.7999999 on 1,000 rows, at least 0.8 asked: fails, short by 0.0000001" in said("missing of x >= 0.8", fact(0.7999999))
    assert "is 0.79996 [" in said("recall >= 0.8", mean(0.799962, 0.01, 900))
    assert "at least 0.8333 asked" in said("recall >= 0.8333", mean(0.7, 0.05, 900))


def test_no_minus_stands_before_zero() -> None:
    assert "is 0.00 [-0.98, 0.98]" in said("m >= -3", mean(-0.0001, 0.5, 900))


@given(st.floats(allow_nan=False), st.floats(0, 1e300), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=200),
       st.none() | st.text(max_size=100))
def test_any_value_and_slice_give_one_line(number: float, error: float, bound: float, name: str, unit: str | None) -> None:
    value = Value.of("m", Spread("normal", number, error=error), n=100, slice={name: name}, unit=unit)
    (verdict,) = judge(check("m", by="a", at_least=bound), [value])
    assert verdict.sentence.isprintable()
    assert len(verdict.sentence) < 4000


def test_long_names_and_notes_are_cut() -> None:
    value = Value.undefined("auc", "because " * 200, n=40, slice={"carrier": "A" * 500})
    assert len(sentence(parse("auc by carrier >= 0.6"), value, "too small")) < 450


def test_an_infinite_fact_fails_without_a_shortfall() -> None:
    assert said("psi of x <= 0.1", fact(math.inf)).endswith("psi of x is inf on 1,000 rows, at most 0.1 asked: fails")
