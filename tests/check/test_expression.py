from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.check.expression import Bound, Check, check, parse
from assay.check.lexeme import MAX_DEPTH, MAX_LENGTH
from assay.errors import ConfigError, ExpressionError
from tests.check.expressions import checks

SAID = {
    "auc >= 0.70 warn 0.75": Check("auc", at_least=Bound(0.7), warn=0.75),
    "auc by carrier >= 0.60": Check("auc", by="carrier", at_least=Bound(0.6)),
    "auc>.6": Check("auc", at_least=Bound(0.6)),
    "mae < 12.5": Check("mae", at_most=Bound(12.5)),
    "mae ≤ 1e1": Check("mae", at_most=Bound(10)),
    "mcc >= -0.1": Check("mcc", at_least=Bound(-0.1)),
    "recall(positive='yes') by origin >= champion - 0.01":
        Check("recall", options={"positive": "yes"}, by="origin", at_least=Bound(-0.01, "champion")),
    "precision(at=100, strict=true, beta=0.5, none=null) >= 70%":
        Check("precision", options={"at": 100, "strict": True, "beta": 0.5, "none": None}, at_least=Bound(0.7)),
    "selection_rate ratio by origin >= 0.8": Check("selection_rate", compare="ratio", by="origin", at_least=Bound(0.8)),
    "tpr difference by sex <= 0.1": Check("tpr", compare="difference", by="sex", at_most=Bound(0.1)),
    "calibration_error <= 5%": Check("calibration_error", at_most=Bound(0.05)),
    "x <= 0.7%": Check("x", at_most=Bound(0.007)),
    "psi of dep_delay, distance <= 0.1": Check("psi", columns=("dep_delay", "distance"), at_most=Bound(0.1)),
    "psi of `dep delay`, `by` <= 0.1": Check("psi", columns=("dep delay", "by"), at_most=Bound(0.1)),
    "missing of * <= 2%": Check("missing", columns=("*",), at_most=Bound(0.02)),
    "recall by (age < 25 and region == 'N') >= 0.8": Check("recall", by="age < 25 and region == 'N'", at_least=Bound(0.8)),
    "recall by age < 25 and region == 'N' >= 0.8": Check("recall", by="age < 25 and region == 'N'", at_least=Bound(0.8)),
    "auc by age:4 * carrier >= 0.6": Check("auc", by="age:4 * carrier", at_least=Bound(0.6)),
    "auc by carrier * (age < 25) >= 0.6": Check("auc", by="carrier * (age < 25)", at_least=Bound(0.6)),
    "recall where age < 25 >= 0.8": Check("recall", where="age < 25", at_least=Bound(0.8)),
    "recall where (age >= 25) by carrier >= 0.8": Check("recall", by="carrier", where="age >= 25", at_least=Bound(0.8)),
    "recall by region in ('N', 'S') >= 0.8": Check("recall", by="region in ('N', 'S')", at_least=Bound(0.8)),
    "accuracy between 0.8 and 0.95": Check("accuracy", at_least=Bound(0.8), at_most=Bound(0.95)),
    "accuracy where x between 1 and 2 between 0.8 and 0.95":
        Check("accuracy", where="x between 1 and 2", at_least=Bound(0.8), at_most=Bound(0.95)),
    '"delays are ranked": auc >= 0.7': Check("auc", name="delays are ranked", at_least=Bound(0.7)),
    "f1 >= champion": Check("f1", at_least=Bound(0, "champion")),
    "auc >= reference - 0.02 warn reference": Check("auc", at_least=Bound(-0.02, "reference"), warn=0),
    "mae <= champion * 1.05 + 0.1": Check("mae", at_most=Bound(0.1, "champion", 1.05)),
    "accuracy >= train -5%": Check("accuracy", at_least=Bound(-0.05, "train")),
    "macro.f1 >= 0.5": Check("macro.f1", at_least=Bound(0.5)),
    "`my metric` >= 0.5": Check("my metric", at_least=Bound(0.5)),
    "champion >= champion": Check("champion", at_least=Bound(0, "champion")),
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_written_is_what_is_meant(text: str) -> None:
    assert parse(text) == SAID[text]
    assert parse(str(SAID[text])) == SAID[text]


CANONICAL = [
    "auc by carrier >= 0.6 warn 0.65", "recall(positive='yes') by (age < 25) where (origin == 'JFK') >= champion - 0.01",
    "psi of `dep delay`, distance <= 0.1", "mae <= champion * 1.05 + 2 warn champion * 1.05 + 1", '"a \\"b\\"\\n": auc >= 0',
    "selection_rate ratio by carrier * origin >= 0.8", "auc by `where` >= 0.6", "accuracy between 0.8 and 1e-05".replace("0.8", "-3"),
]


@pytest.mark.parametrize("text", CANONICAL)
def test_canonical_text_is_kept(text: str) -> None:
    assert str(parse(text)) == text


@settings(max_examples=250)
@given(checks())
def test_text_and_check_are_a_bijection(each: Check) -> None:
    found = parse(str(each))
    assert found == each
    assert str(found) == str(each)
    assert hash(found) == hash(each)
    assert {type(value) for value in found.options.values()} == {type(value) for value in each.options.values()}


@settings(max_examples=300)
@given(checks())
def test_json_and_yaml_round_trip(each: Check) -> None:
    data = each.to_json()
    assert Check.from_json(json.loads(json.dumps(data, allow_nan=False))) == each
    assert Check.from_json(str(each)) == each
    if not any(0xD800 <= ord(c) < 0xE000 for c in str(each)):  # YAML has no way to write half a character
        assert Check.from_json(yaml.safe_load(yaml.safe_dump([data]))[0]) == each


WRONG = {
    "": (0, "empty", None),
    "   ": (0, "empty", None),
    "auc": (3, "no bound", "auc >= 0.7"),
    "auc by carrier": (14, "no bound", "auc by carrier >= 0.7"),
    "auc => 0.7": (4, "'=>' is not a comparison", ">="),
    "auc =< 0.7": (4, "'=<' is not a comparison", "<="),
    "auc == 0.7": (4, "'==' is not a comparison", "between 0.7 and 0.7"),
    "auc != 0.7": (4, "'!=' is not a comparison", None),
    "auc 0.7": (4, "no comparison before '0.7'", None),
    "auc champion": (4, "no comparison before 'champion'", None),
    "auc >=": (6, "the end is not a number", None),
    "auc >= champio": (7, "'champio' is not a bound", "champion"),
    "auc >= nan": (7, "'nan' is not a bound", None),
    "auc >= inf": (7, "'inf' is not a bound", None),
    "auc >= 1e999": (7, "too large", None),
    "auc >= 0.7x": (7, "'0.7x' is not a number", None),
    "auc >= 0.7.1": (7, "'0.7.1' is not a number", None),
    "auc >= 0,7": (8, "',' is left over", "0.7"),
    "auc >= 70 %": (10, "stands apart", None),
    "auc >= 0.7 0.8": (11, "left over", None),
    "auc >= 0.7 wrn 0.8": (11, "'wrn' is left over", "warn"),
    "auc >= 0.7 warn": (15, "the end is not a number", None),
    "auc >= champion * -1": (18, "factor must be positive", None),
    "auc >= champion warn 0.01": (21, "not relative to what", "warn champion + 0.01"),
    "auc >= 0.5 warn champion": (16, "not relative to what", None),
    "auc BY carrier >= 0.6": (4, "'BY' does not belong here", "by"),
    "auc per carrier >= 0.6": (4, "'per' does not belong here", None),
    "auc by >= 0.7": (4, "nothing follows 'by'", "by carrier"),
    "auc where >= 0.7": (4, "nothing follows 'where'", "age < 25"),
    "auc by a by b >= 0.7": (9, "twice", None),
    "auc by a, b >= 0.7": (7, "','", "carrier * origin"),
    "auc by 'a < 3' >= 0.7": (7, "in quotes", "(a < 3)"),
    "auc by () >= 0.7": (7, "empty", None),
    "auc by (a >= 0.7": (7, "never closed", None),
    "auc by a) >= 0.7": (8, "closes nothing", None),
    "auc by (a] >= 0.7": (9, "closes nothing", None),
    "auc by 'x >= 0.7": (7, "never closed", None),
    "auc by carrier == 'AA'": (15, "not a comparison", None),
    "psi of dep-delay <= 1": (10, "'-' does not belong here", "backticks"),
    "psi of brightness of photo <= 1": (18, "'of' does not belong here", "`brightness of photo`"),
    "psi of <= 1": (7, "'<=' is not a name", None),
    "psi of a, a <= 1": (10, "twice", None),
    "psi of `*` <= 1": (7, "every column", None),
    "psi of 'a' <= 1": (7, "is not a name", "backticks"),
    "psi of by <= 1": (7, "'by' is not a name", "`by`"),
    "`` >= 1": (0, "empty", None),
    "recall(yes) >= 0.7": (7, "by name", "positive='yes'"),
    "recall(positive=yes) >= 0.7": (16, "'yes' is not a value", "'yes'"),
    "recall(a=1, a=2) >= 0.7": (12, "twice", None),
    "recall(a=1 b=2) >= 0.7": (11, "does not belong", None),
    "'auc' >= 0.7": (6, "does not belong", None),
    '"\\q": auc >= 1': (1, "not an escape", "backslash"),
    '"\\U00110000": auc >= 1': (1, "not an escape", "backslash"),
    ">= 0.7": (0, "'>=' is not a name", None),
    "auc $ >= 0.7": (4, "does not belong", "backticks"),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_pointed_at(text: str) -> None:
    position, what, hint = WRONG[text]
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert (error.position, error.text) == (position, text)
    assert what in error.what
    if hint is None:
        assert error.hint is None or text.strip() == ""
    else:
        assert hint in str(error.hint)


@pytest.mark.parametrize(("text", "words"), [
    ("auc >= 0.7 warn 0.6", "can never warn"), ("mae <= 3 warn 4", "can never warn"), ("auc >= champion warn champion - 0.1", "can never"),
    ("auc ratio >= 0.8", "needs slices"), ("auc between 0.9 and 0.8", "nothing lies between"),
    ("auc between champion - 1 and 0.8", "not relative to the same"), ("auc between 0 and 1 warn 0.5", "does not go with 'between'"),
    ('"": auc >= 1', "name of a check is empty"),
])
def test_what_cannot_be_meant_is_explained_and_placed(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse(text)
    assert caught.value.where == f"in '{text}'"


def test_a_warn_equal_to_the_bound_is_allowed() -> None:
    assert parse("auc >= 0.7 warn 0.7").warn == 0.7


@settings(max_examples=500)
@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["auc", " ", ">=", "<", "by", "where", "of", "(", ")", ",", "*", "'", '"', "`", "0.7", "%", "warn", "champion", "-", "=", ":",
     "between", "and", "ratio", "\\", "é", "\n"]), max_size=25).map("".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except ConfigError:  # never anything but our own errors
        return
    assert parse(str(found)) == found


def test_hostile_length_and_depth_are_refused_quickly() -> None:
    start = time.perf_counter()
    for text in ["(" * (MAX_LENGTH - 1), "auc by " + "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1) + " >= 1", "'\\" * 1999,
                 "`" * 3999, "a" * 10_000_000, "auc by " + "a " * 1990 + '"', "auc by " + "<" * 3000, "\\" * 3999, "- " * 1999]:
        with pytest.raises(ConfigError):
            parse(text)
    assert time.perf_counter() - start < 20
    deep = "auc by " + "(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH + " >= 1"
    assert parse(deep).by == "a"
    with pytest.raises(ConfigError, match="too long"):
        Check("a" * MAX_LENGTH, at_least=Bound(0))


def test_blanks_and_parentheses_around_a_clause_do_not_matter() -> None:
    assert parse("auc by ((  age  <\n 25 ))  >= 0.6") == parse("auc by age < 25 >= 0.6")
    assert parse("auc by (a) * (b) >= 0.6").by == "(a) * (b)"
    assert parse("auc where (name == 'a  b') >= 0.6").where == "name == 'a  b'"  # not the blanks in quotes


def test_the_check_function_says_the_same_as_text() -> None:
    def recall() -> None: ...

    assert check(recall, at_least=0.8, by="sex") == parse("recall by sex >= 0.8")
    assert check("auc", at_least="champion - 1%", warn="champion") == parse("auc >= champion - 0.01 warn champion")
    assert check("psi", columns="dep_delay", at_most=np.float64(0.1)) == parse("psi of dep_delay <= 0.1")
    assert check("f", options={"at": np.int64(3), "x": np.float64(0.5)}, at_least=np.float32(0.5)) == parse("f(at=3, x=0.5) >= 0.5")
    assert str(check("f", options={"x": np.float64(0.5), "y": np.bool_(True)}, at_least=Bound(1))) == "f(x=0.5, y=true) >= 1"
    assert Bound.from_json("5%") == Bound(0.05)


@pytest.mark.parametrize(("arguments", "words"), [
    ({}, "no bound"), ({"at_least": True}, "not a number"), ({"at_least": math.nan}, "nan"), ({"at_least": 10**400}, "inf"),
    ({"at_least": [1]}, "not a number"), ({"at_least": 1, "by": ["a", "b"]}, "'by' of a check is text"),
    ({"at_least": 1, "columns": 3}, "'columns' is a list"), ({"at_least": 1, "columns": [3]}, "name of a column is not text"),
    ({"at_least": 1, "columns": ["a", "*"]}, "twice"), ({"at_least": 1, "options": {"a": [1]}}, "option 'a' is a list"),
    ({"at_least": 1, "options": [1]}, "mapping"), ({"at_least": 1, "options": {"a": math.inf}}, "inf"),
    ({"at_least": 1, "compare": "quotient", "by": "a"}, "cannot be compared by"), ({"at_least": 1, "name": " "}, "empty"),
    ({"at_least": 1, "by": " "}, "'by' of a check is empty"), ({"at_least": "0.7 or so"}, "'or' is left over"),
    ({"at_least": "champion", "warn": 0.1}, "not relative to"),
])
def test_what_python_gets_wrong_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check("auc", **arguments)  # type: ignore[arg-type]


def test_a_metric_that_has_no_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="by its name"):
        check(3, at_least=1)
    for name in ("", None):
        with pytest.raises(ConfigError):
            Check(name, at_least=Bound(1))  # type: ignore[arg-type]


def test_a_bound_needs_sense() -> None:
    for wrong in ({"number": 1, "factor": 2}, {"number": 1, "relative": "champion", "factor": 0}, {"number": 1, "relative": "me"}):
        with pytest.raises(ConfigError):
            Bound(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a bound is a Bound"):
        Check("auc", at_least=0.7)  # type: ignore[arg-type]
    assert str(Bound(-0.0)) == "0"


@pytest.mark.parametrize(("data", "words"), [
    (3, "cannot be a int"), (None, "cannot be a NoneType"), (["auc >= 1"], "cannot be a list"), ({}, "needs the name of a metric"),
    ({"metric": "auc"}, "no bound"), ({"metric": "auc", "at_lest": 1}, "did you mean 'at_least'"),
    ({"metric": 3, "at_least": 1}, "name of a"),
    ({"metric": "auc", "at_least": 1, 5: 2}, "has no '5'"), ({"x": '"y": auc >= 1'}, "two names"), ({"auc": 0.7}, "has no 'auc'"),
])
def test_what_yaml_gets_wrong_says_where(data: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Check.from_json(data, where="assay.yaml: checks[2]")
    assert str(caught.value.where).startswith("assay.yaml: checks[2]")


def test_yaml_reads_a_named_check_as_a_mapping() -> None:
    (data,) = yaml.safe_load('- "delays are ranked": auc by carrier >= 0.6')
    assert Check.from_json(data) == parse('"delays are ranked": auc by carrier >= 0.6')
