"""Rules of other tools as checks: pandera's own verdicts on the same frames, and suites as Great Expectations documents them."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.check.expression import parse
from assay.errors import ConfigError, UnknownColumnError


def frame(n=200):
    rng = np.random.default_rng(5)
    return pd.DataFrame({
        "id": np.arange(n), "age": rng.integers(18, 80, n), "height": rng.normal(170, 8, n), "colour": rng.choice(["red", "blue"], n),
        "flag": rng.random(n) < 0.5, "day": pd.Timestamp("2026-03-01") + pd.to_timedelta(np.arange(n), unit="h"), "odd name's": rng.random(n)})


def test_the_name_of_a_type_without_an_end_is_left_at_once() -> None:
    import time

    from assay.verbs.interop.expectation import _InexpressibleError, _kind

    began = time.perf_counter()
    with pytest.raises(_InexpressibleError, match="too long"):
        _kind("int(" * 20_000)
    assert time.perf_counter() - began < 10


SCHEMA = pa.DataFrameSchema({
    "id": pa.Column(int, pa.Check.ge(0), unique=True),
    "age": pa.Column(int, [pa.Check.in_range(18, 80, include_max=False), pa.Check.ne(99), pa.Check.notin([44444, 55555])]),
    "height": pa.Column(float, [pa.Check.gt(100), pa.Check.lt(250.5)], nullable=True),
    "colour": pa.Column(str, pa.Check.isin(["red", "blue", "it's \"green\""]), nullable=True),
    "flag": pa.Column(bool),
    "day": pa.Column("datetime64[ns]", pa.Check.ge(pd.Timestamp("2026-01-01 12:00"))),
    "odd name's": pa.Column(float, [pa.Check.le(1.0), pa.Check.ge(0.0, ignore_na=False)]),
})


def verdict(checks, data):
    for each in checks:
        assert str(parse(each)) == each  # one line, in the one way of writing it
    return assay.check(None, data, checks=checks).verdict


def validates(schema, data):
    try:
        schema.validate(data, lazy=True)
    except (pa.errors.SchemaErrors, pa.errors.SchemaError):
        return False
    return True


FAULTS = {
    "none": lambda f: f,
    "id repeats": lambda f: f.assign(id=f["id"].replace(3, 4)),
    "id below 0": lambda f: f.assign(id=f["id"] - 1),
    "age at the open end": lambda f: f.assign(age=f["age"].where(f.index != 5, 80)),
    "age at the closed end": lambda f: f.assign(age=f["age"].where(f.index != 5, 18)),
    "age below": lambda f: f.assign(age=f["age"].where(f.index != 5, 17)),
    "age forbidden": lambda f: f.assign(age=f["age"].where(f.index != 5, 44444)),
    "age as text": lambda f: f.assign(age=f["age"].astype(str)),
    "age as fraction": lambda f: f.assign(age=f["age"].astype(float)),
    "height missing": lambda f: f.assign(height=f["height"].where(f.index != 5)),
    "height at an open end": lambda f: f.assign(height=f["height"].where(f.index != 5, 100.0)),
    "height infinite": lambda f: f.assign(height=f["height"].where(f.index != 5, np.inf)),
    "colour missing": lambda f: f.assign(colour=f["colour"].where(f.index != 5)),
    "colour unknown": lambda f: f.assign(colour=f["colour"].where(f.index != 5, "pink")),
    "colour with quotes": lambda f: f.assign(colour=f["colour"].where(f.index != 5, "it's \"green\"")),
    "flag as number": lambda f: f.assign(flag=f["flag"].astype(int)),
    "day too early": lambda f: f.assign(day=f["day"].where(f.index != 5, pd.Timestamp("2026-01-01 11:59"))),
    "day missing": lambda f: f.assign(day=f["day"].where(f.index != 5)),
    "odd name above": lambda f: f.assign(**{"odd name's": f["odd name's"].where(f.index != 5, 1.5)}),
    "odd name missing": lambda f: f.assign(**{"odd name's": f["odd name's"].where(f.index != 5)}),
}
TYPES = {"age as text"}  # conditions on numbers cannot be put to text: the check says so


@pytest.mark.parametrize("fault", FAULTS)
def test_verdicts_are_those_of_pandera(fault):
    data = FAULTS[fault](frame())
    checks = assay.expectations(SCHEMA)
    wanted = validates(SCHEMA, data)
    assert wanted is (fault in ("none", "age at the closed end", "height missing", "colour missing", "colour with quotes"))
    if fault in TYPES:
        with pytest.raises(assay.AssayError, match="'age'"):
            assay.check(None, data, checks=checks)
    else:
        assert verdict(checks, data) == ("pass" if wanted else "fail")


def test_the_yaml_of_a_schema_says_the_same(tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text(SCHEMA.to_yaml(), "utf-8")
    # times are texts in YAML, and ignore_na is
    plain = [each for each in assay.expectations(SCHEMA) if "`odd name's`" not in each]
    assert [each for each in assay.expectations(path) if "`odd name's`" not in each] == [
        each.replace("2026-01-01T12:00:00", "2026-01-01 12:00:00") for each in plain]
    assert verdict(assay.expectations(str(path)), frame()) == "pass"


def test_the_older_yaml(tmp_path):
    path = tmp_path / "schema.yml"
    path.write_text("""
schema_type: dataframe
columns:
  age:
    dtype: int64
    nullable: false
    checks:
      greater_than_or_equal_to: 18
      isin: {value: [18, 19], options: {raise_warning: true, ignore_na: true}}
      in_range: {min_value: 0, max_value: 10}
    unique: false
    coerce: false
    required: true
    regex: false
  colour:
    dtype: object
    checks:
      - value: red
        options: {check_name: equal_to}
checks: null
index: null
strict: false
""", "utf-8")
    assert assay.expectations(path) == [
        "missing of age <= 0", "has_type(name='integer') of age >= 1", "share where (age < 18) <= 0",
        "share where (age not in (18, 19)) <= 1 warn 0", "share where (not age between 0 and 10) <= 0", "missing of colour <= 0",
        "has_type(name='text') of colour >= 1", "share where (colour != 'red') <= 0"]


def test_models_warnings_and_sets():
    class Model(pa.DataFrameModel):
        age: int = pa.Field(ge=18, le=80)
        colour: str = pa.Field(isin=["red", "blue"], nullable=True)

    assert verdict(assay.expectations(Model), frame()) == "pass"
    warns = pa.DataFrameSchema({"age": pa.Column(int, pa.Check.lt(30, raise_warning=True))})
    assert verdict(assay.expectations(warns), frame()) == "warn"
    values = pa.DataFrameSchema({"colour": pa.Column(str, pa.Check.unique_values_eq(["red", "blue"]))})
    for data in (frame(), frame().assign(colour="red"), frame().assign(colour=["green"] + ["red", "blue"] * 99 + ["red"])):
        assert verdict(assay.expectations(values), data) == ("pass" if validates(values, data) else "fail")


@settings(max_examples=60)
@given(values=st.lists(st.one_of(st.none(), st.integers(-4, 4).map(float)), min_size=1, max_size=12), low=st.integers(-3, 3), width=st.integers(0, 3),
       include=st.tuples(st.booleans(), st.booleans()), nullable=st.booleans(), unique=st.booleans(), ignore=st.booleans())
def test_any_schema_of_a_column_judges_alike(values, low, width, include, nullable, unique, ignore):
    if not all(include) and width == 0:
        width = 1
    schema = pa.DataFrameSchema({"x": pa.Column(float, [
        pa.Check.in_range(low, low + width, include_min=include[0], include_max=include[1], ignore_na=ignore), pa.Check.ne(low, ignore_na=ignore)],
        nullable=nullable, unique=unique)})
    data = pd.DataFrame({"x": np.array(values, float), "y": 1})
    found = verdict(assay.expectations(schema), data)
    wanted = validates(schema, data)
    if unique and data["x"].isna().all():
        assert found in ("inconclusive", "fail")  # no value, so none that could repeat: nothing is known
    elif not ignore and data["x"].isna().any() and wanted:
        assert nullable  # pandera lets nulls pass "is not" even where they are not ignored
    else:
        assert found == ("pass" if wanted else "fail")


def test_what_pandera_says_beyond_is_listed():
    schema = pa.DataFrameSchema({
        "age": pa.Column(int, [pa.Check(lambda each: each > 3), pa.Check.ge(0)]), "^x": pa.Column(regex=True), "maybe": pa.Column(int, required=False),
        "name": pa.Column(str, pa.Check.str_startswith("a")), "kind": pa.Column(pd.IntervalDtype("int64"))}, strict=True, unique=["age", "name"])
    with pytest.raises(ConfigError) as caught:
        assay.expectations(schema)
    for word in ("<lambda> of age", "the columns ^x", "maybe (it may be absent)", "str_startswith of name", "strict of the schema", "unique of age, name",
                 "dtype interval[int64", "skip=True"):
        assert word in str(caught.value)
    assert assay.expectations(schema, skip=True) == [
        "missing of age <= 0", "has_type(name='integer') of age >= 1", "share where (age < 0) <= 0", "missing of name <= 0",
        "has_type(name='text') of name >= 1", "missing of kind <= 0"]


def test_a_column_that_is_not_there():
    with pytest.raises(UnknownColumnError, match="'height'"):
        assay.check(None, frame().drop(columns="height"), checks=assay.expectations(SCHEMA))


# Great Expectations

def said(name, **kwargs):
    severity = {"severity": kwargs.pop("severity")} if "severity" in kwargs else {}
    old = assay.expectations({"expectation_suite_name": "s", "expectations": [{"expectation_type": name, "kwargs": kwargs, "meta": {}, **severity}]})
    new = assay.expectations({"name": "s", "expectations": [{"type": name, "kwargs": kwargs, "id": "0", **severity}]})
    assert old == new == assay.expectations([{"type": name, "kwargs": kwargs, **severity}])
    return old


def outcome(name, data=None, **kwargs):
    return verdict(said(name, **kwargs), frame() if data is None else data)


# each with arguments that hold, and arguments that are broken, on the same frame
EXPECTATIONS = [
    ("expect_column_values_to_not_be_null", {"column": "height"}, None),
    ("expect_column_values_to_not_be_null", {"column": "gaps", "mostly": 0.9}, {"column": "gaps", "mostly": 0.91}),
    ("expect_column_values_to_be_null", {"column": "gaps", "mostly": 0.1}, {"column": "gaps", "mostly": 0.11}),
    ("expect_column_values_to_be_between", {"column": "age", "min_value": 18, "max_value": 79}, {"column": "age", "min_value": 30, "max_value": 79}),
    ("expect_column_values_to_be_between", {"column": "id", "min_value": 0}, {"column": "id", "min_value": 0, "strict_min": True}),
    ("expect_column_values_to_be_between", {"column": "id", "max_value": 199}, {"column": "id", "max_value": 199, "strict_max": True}),
    ("expect_column_values_to_be_between", {"column": "id", "max_value": 149, "mostly": 0.75}, {"column": "id", "max_value": 149, "mostly": 0.76}),
    ("expect_column_values_to_be_between", {"column": "day", "min_value": "2026-03-01"}, {"column": "day", "min_value": "2026-03-02"}),
    ("expect_column_values_to_be_between", {"column": "gaps", "min_value": 0, "max_value": 1, "mostly": 1.0}, {"column": "gaps", "min_value": 0.5, "mostly": 0.9}),
    ("expect_column_values_to_be_in_set", {"column": "colour", "value_set": ["red", "blue", "x", None]}, {"column": "colour", "value_set": ["red"]}),
    ("expect_column_values_to_be_in_set", {"column": "flag", "value_set": [True, False]}, {"column": "flag", "value_set": [True]}),
    ("expect_column_values_to_not_be_in_set", {"column": "id", "value_set": [-1, 200]}, {"column": "id", "value_set": [7]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "colour", "value_set": ["red", "blue", "x"]}, {"column": "colour", "value_set": ["blue"]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "colour", "value_set": ["red"]}, {"column": "colour", "value_set": ["red", "pink"]}),
    ("expect_column_distinct_values_to_equal_set", {"column": "colour", "value_set": ["red", "blue"]}, {"column": "colour", "value_set": ["red", "blue", "x"]}),
    ("expect_column_values_to_be_unique", {"column": "id"}, {"column": "age"}),
    ("expect_column_min_to_be_between", {"column": "id", "min_value": 0, "max_value": 0}, {"column": "id", "min_value": 0, "strict_min": True}),
    ("expect_column_max_to_be_between", {"column": "id", "max_value": 199}, {"column": "id", "max_value": 199, "strict_max": True}),
    ("expect_column_mean_to_be_between", {"column": "height", "min_value": 160, "max_value": 180}, {"column": "height", "min_value": 180, "max_value": 190}),
    ("expect_column_median_to_be_between", {"column": "height", "min_value": 160, "max_value": 180}, {"column": "height", "max_value": 160}),
    ("expect_column_stdev_to_be_between", {"column": "height", "min_value": 5, "max_value": 12}, {"column": "height", "max_value": 5}),
    ("expect_column_quantile_values_to_be_between", {"column": "height", "quantile_ranges": {"quantiles": [0.1, 0.9], "value_ranges": [[150, 170], [None, 190]]}},
     {"column": "height", "quantile_ranges": {"quantiles": [0.1, 0.9], "value_ranges": [[165, 170], [None, 190]]}}),
    ("expect_column_unique_value_count_to_be_between", {"column": "colour", "min_value": 2, "max_value": 2}, {"column": "colour", "min_value": 3}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "colour", "min_value": 0.01, "max_value": 0.01}, {"column": "colour", "min_value": 0.5}),
    ("expect_column_to_exist", {"column": "height"}, None),
    ("expect_column_values_to_be_of_type", {"column": "age", "type_": "int64"}, {"column": "age", "type_": "FLOAT"}),
    ("expect_column_values_to_be_in_type_list", {"column": "age", "type_list": ["INTEGER", "BIGINT", "FloatType"]}, {"column": "age", "type_list": ["str", "VARCHAR(20)"]}),
    ("expect_table_row_count_to_be_between", {"min_value": 100, "max_value": 200}, {"min_value": 201}),
    ("expect_table_row_count_to_equal", {"value": 200}, {"value": 199}),
    ("expect_table_columns_to_match_set", {"column_set": ["id", "age"], "exact_match": False}, None),
]


@pytest.mark.parametrize(("name", "holds", "broken"), EXPECTATIONS, ids=range(len(EXPECTATIONS)))
def test_expectations_hold_and_break(name, holds, broken):
    data = frame().assign(gaps=np.where(np.arange(200) % 10 == 0, np.nan, np.linspace(0, 1, 200)))
    assert outcome(name, data, **holds) == "pass"
    if broken is not None:
        assert outcome(name, data, **broken) == "fail"


@settings(max_examples=60)
@given(values=st.lists(st.one_of(st.none(), st.integers(0, 5).map(float)), min_size=1, max_size=20).filter(lambda each: any(one is not None for one in each)),
       low=st.integers(0, 5), mostly=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
def test_mostly_is_of_the_values_that_are_there(values, low, mostly):
    data = pd.DataFrame({"x": np.array(values, float), "y": 1})
    known = data["x"].dropna()
    wanted = (known >= low).mean() >= mostly - 1e-12
    assert outcome("expect_column_values_to_be_between", data, column="x", min_value=low, mostly=mostly) == ("pass" if wanted else "fail")


CONDITIONS = [
    ("age > 40", lambda f: f["age"] > 40), ("40 < age <= 60", lambda f: f["age"].between(41, 60)), ("30 >= age", lambda f: f["age"] <= 30),
    ("age > 40 & colour == 'red'", lambda f: (f["age"] > 40) & (f["colour"] == "red")),
    ('(age > 40) | ~(colour == "red")', lambda f: (f["age"] > 40) | (f["colour"] != "red")),
    ("colour in ['red', 'pink']", lambda f: f["colour"] == "red"), ("colour not in ('red', 'pink')", lambda f: f["colour"] != "red"),
    ("`odd name's` > 0.5", lambda f: f["odd name's"] > 0.5), ("flag == True and not age < 30", lambda f: f["flag"] & (f["age"] >= 30)),
    ("gaps.notnull()", lambda f: f["gaps"].notna()), ("not gaps.isna()", lambda f: f["gaps"].notna()), ("gaps != -0.5", lambda f: f["gaps"] != -0.5),
    ("not (gaps > 0.5)", lambda f: ~(f["gaps"] > 0.5)), ("not (0.2 < gaps < 0.5)", lambda f: ~((f["gaps"] > 0.2) & (f["gaps"] < 0.5))),
    ("not gaps != 0.0", lambda f: ~(f["gaps"] != 0.0)), ('col("colour") == "red"', lambda f: f["colour"] == "red"),
    ('col("gaps").notNull() & col("age") <= 60', lambda f: f["gaps"].notna() & (f["age"] <= 60)),
    ({"type": "comparison", "column": {"name": "age"}, "operator": ">", "parameter": 40}, lambda f: f["age"] > 40),
    ({"type": "and", "conditions": [{"type": "comparison", "column": {"name": "colour"}, "operator": "in", "parameter": ["red"]},
                                    {"type": "nullity", "column": {"name": "gaps"}, "is_null": False}]}, lambda f: (f["colour"] == "red") & f["gaps"].notna()),
]


@pytest.mark.parametrize(("condition", "mask"), CONDITIONS, ids=range(len(CONDITIONS)))
def test_row_conditions_select_the_rows_that_pandas_does(condition, mask):
    data = frame().assign(gaps=np.where(np.arange(200) % 10 == 0, np.nan, np.linspace(0, 1, 200)))
    data.loc[7, "gaps"] = 0.0
    rows = int(mask(data).sum())
    assert 0 < rows <= 200
    (check,) = said("expect_column_values_to_be_between", column="id", min_value=1e9, row_condition=condition, condition_parser="pandas")
    (value,) = assay.check(None, data, checks=[check]).values
    assert (value.value, value.n) == (1.0, rows)


def test_row_conditions_and_mostly_and_statistics():
    assert said("expect_column_values_to_be_between", column="age", min_value=18, mostly=0.9, row_condition="colour=='red'", condition_parser="pandas") == [
        "share(among='(colour == \\'red\\') and (age is not null)') where (age < 18) <= 0.1"]
    assert said("expect_column_mean_to_be_between", column="age", min_value=18, row_condition="flag == True", condition_parser="pandas") == [
        "mean of age where (flag == true) >= 18"]


def test_severity_that_is_not_critical_warns():
    assert outcome("expect_column_values_to_be_between", column="age", min_value=40, severity="warning") == "warn"
    assert outcome("expect_column_values_to_not_be_null", column="age", severity="info") == "pass"
    with pytest.raises(ConfigError, match="its severity is warning"):
        said("expect_column_max_to_be_between", column="age", max_value=3, severity="warning")


HOSTILE = [
    ("expect_column_values_to_match_regex", {"column": "a", "regex": "x"}, "there is no such check"),
    ("expect_column_values_to_be_between", {"column": "a"}, "it has no bounds"),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": {"$PARAMETER": "low"}}, "known only when it is run"),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": [1]}, "cannot stand in a condition"),
    ("expect_column_values_to_be_between", {"column": 3, "min_value": 1}, "its column has no name"),
    ("expect_column_values_to_be_between", {"min_value": 1}, "not written as it should be"),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 1, "mostly": 7}, "not between 0 and 1"),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 1, "allow_cross_type_comparisons": True}, "has no counterpart"),
    ("expect_column_values_to_be_in_set", {"column": "a", "value_set": []}, "its set is empty"),
    ("expect_column_values_to_be_in_set", {"column": "a", "value_set": [math.inf]}, "cannot stand"),
    ("expect_column_values_to_be_in_set", {"column": "a", "value_set": list(range(5000))}, "28899 characters"),
    ("expect_column_values_to_be_unique", {"column": "a", "mostly": 0.5}, "counts every one"),
    ("expect_column_mean_to_be_between", {"column": "a", "min_value": "3"}, "not a number"),
    ("expect_column_to_exist", {"column": "a", "row_condition": "a > 1"}, "it has a row condition"),
    ("expect_column_values_to_be_of_type", {"column": "a", "type_": "Geometry"}, "'Geometry' is not known"),
    ("expect_table_columns_to_match_set", {"column_set": ["a"]}, "forbids other columns"),
    *[("expect_column_max_to_be_between", {"column": "a", "max_value": 3, "row_condition": each}, "row condition") for each in (
        "__import__('os').system('true')", "a > b", "a > 1 +", "a.str.len() > 3", "(" * 3000, "a > (lambda: 3)()", "a == 'x" + "y" * 5000, "1 < 2", "",
        "a in b", "not", "a is None", "a > -'x'", "[a for a in b]", {"type": "and"}, {"type": "comparison", "column": "a", "operator": "like", "parameter": "x"})],
]


@pytest.mark.parametrize(("name", "kwargs", "why"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_said_is_listed_and_skipped(name, kwargs, why):
    suite = {"expectations": [{"type": name, "kwargs": kwargs}, {"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}
    with pytest.raises(ConfigError, match="1 of the rules cannot be said") as caught:
        assay.expectations(suite)
    assert why in str(caught.value)
    assert assay.expectations(suite, skip=True) == ["missing of a <= 1"]


def test_files(tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}] * 2}), "utf-8")
    assert assay.expectations(path) == assay.expectations(str(path)) == ["missing of a <= 1"]
    for text, words in (("{", "not JSON"), ("[" * 100_000, "not JSON"), ("3", "neither a suite nor a schema"), ("{}", "neither a suite nor a schema")):
        path.write_text(text, "utf-8")
        with pytest.raises(ConfigError, match=words):
            assay.expectations(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        assay.expectations(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="a DataFrame is neither"):
        assay.expectations(frame())


def test_objects_that_write_themselves():
    class Suite:
        def to_json_dict(self):
            return {"expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}

    assert assay.expectations(Suite()) == ["missing of a <= 1"]
