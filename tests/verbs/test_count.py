"""Rules as shares and counts of rows: pandas' masks give the same numbers, overall and by slice, with missing values left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.errors import ConfigError, ExpressionError, UnknownColumnError
from assay.metric import METRICS
from assay.summary.hashing import mixed
from assay.summary.rows import Rows


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    n = 1000
    x = rng.normal(10, 4, n)
    x[::50] = np.nan
    return pd.DataFrame({"x": x, "colour": rng.choice(["red", "blue", "green", None], n), "sex": rng.choice(["f", "m"], n),
                         "age": rng.integers(18, 80, n), "id": np.arange(n), "w": rng.random(n)})


def measured(frame, check, **options):
    return assay.check(None, frame, checks=[check], **options)


def number(frame, check, **options):
    (value,) = measured(frame, check, **options).values
    return value.value


CASES = [
    ("x > 12", lambda f: f["x"] > 12),
    ("not x between 5 and 15", lambda f: f["x"].notna() & ~f["x"].between(5, 15)),
    ("colour not in ('red', 'blue')", lambda f: f["colour"].notna() & ~f["colour"].isin(["red", "blue"])),
    ("colour is null or x < 0", lambda f: f["colour"].isna() | (f["x"] < 0)),
    ("age >= 65 and sex == 'f'", lambda f: (f["age"] >= 65) & (f["sex"] == "f")),
]


@pytest.mark.parametrize(("condition", "mask"), CASES)
def test_shares_and_counts_are_those_of_pandas(frame, condition, mask):
    assert number(frame, f"share where {condition} >= 0") == pytest.approx(mask(frame).mean(), abs=1e-12)
    assert number(frame, f"count where {condition} >= 0") == mask(frame).sum()
    among = number(frame, f"share(among='age < 40') where {condition} >= 0")
    assert among == pytest.approx(mask(frame)[frame["age"] < 40].mean(), abs=1e-12)
    by = measured(frame, f"share by sex where {condition} >= 0").by_group("sex").iloc[:, 0]
    pd.testing.assert_series_equal(by, mask(frame).groupby(frame["sex"]).mean(), check_names=False, check_index_type=False)


def test_a_slice_without_a_fitting_row_has_a_share_of_zero(frame):
    run = measured(frame, "count by sex where sex == 'f' >= 1")
    assert {each.slice["sex"]: each.verdict for each in run.verdicts} == {"f": "pass", "m": "fail"}
    assert run.by_group("sex").iloc[:, 0].to_dict() == {"f": (frame["sex"] == "f").sum(), "m": 0}


def test_bins_and_conditions_as_slices(frame):
    run = measured(frame, "share by age:3 where x > 12 >= 0")
    weights = [each.n for each in run.values]
    assert sum(weights) == len(frame)
    assert np.average([each.value for each in run.values], weights=weights) == pytest.approx((frame["x"] > 12).mean())
    only = measured(frame, "share by (sex == 'f') where x > 12 >= 0").values[0]
    assert (only.value, only.slice) == (pytest.approx((frame.loc[frame["sex"] == "f", "x"] > 12).mean()), {"where": "sex == 'f'"})


def test_two_rules_in_one_run_are_told_apart(frame):
    run = assay.check(None, frame, checks=["share where x > 12 >= 0", "share where x > 20 >= 0", "count >= 1000", "count by sex >= 600"])
    assert set(run.overall().index) == {"share(where=x > 12)", "share(where=x > 20)", "count"}
    assert [each.verdict for each in run.verdicts] == ["pass", "pass", "pass", "fail", "fail"]


def test_a_rule_is_a_fact_of_these_rows(frame):
    (verdict,) = measured(frame, "share where x > 12 <= 1%").verdicts
    assert verdict.verdict == "fail"
    assert verdict.value.spread.kind == "exact"
    assert verdict.sentence.startswith("share where x > 12 is 0.")
    assert "on 1,000 rows, at most 0.01 asked: fails" in verdict.sentence


def test_weights_do_not_count(frame):
    assert number(frame, "share where x > 12 >= 0", weight="w") == pytest.approx((frame["x"] > 12).mean())


def test_shares_of_slices_are_compared(frame):
    found = measured(frame, "share difference by sex where x > 12 <= 1").verdicts[0].value
    means = (frame["x"] > 12).groupby(frame["sex"]).mean()
    assert found.value == pytest.approx(abs(means["f"] - means["m"]))


def test_what_cannot_be_counted_is_said(frame):
    for check, error, text in [("share >= 0.1", ConfigError, "share needs the condition"),
                               ("share(among=3) where x > 1 >= 0.1", ConfigError, "a condition, as text"),
                               ("share(among='x >') where x > 1 >= 0.1", ExpressionError, "ends too early"),
                               ("share where z > 1 >= 0.1", ExpressionError, "no column 'z'"),
                               ("repeated of idd <= 0", UnknownColumnError, "did you mean 'id'")]:
        with pytest.raises(error, match=text):
            measured(frame, check)
    run = measured(frame, "share(among='age > 200') where x > 12 <= 1")
    assert (run.verdict, run.values[0].note) == ("inconclusive", "no row fits age > 200")
    assert measured(frame, "has_type(name='text') of colour where x > 1 >= 1").verdict == "error"


def test_unique_values(frame):
    assert number(frame, "repeated of id <= 0") == 0
    assert number(frame, "repeated of age <= 1") == pytest.approx(frame["age"].duplicated().mean())
    assert number(frame, "repeated of colour <= 1") == pytest.approx(frame["colour"].dropna().duplicated().mean())
    assert number(frame.assign(id=frame["id"].replace(7, 8)), "repeated of id <= 0") == pytest.approx(1 / len(frame))
    assert measured(frame, "repeated of id by sex <= 0").passed


def test_unique_texts_of_many_batches():
    frame = pd.DataFrame({"id": [f"row {each}" for each in range(200_000)]})
    assert number(frame, "repeated of id <= 0") == 0
    frame.loc[199_999, "id"] = "row 0"
    assert measured(frame, "repeated of id <= 0").verdict == "fail"


def test_a_sample_without_repeats_proves_no_uniqueness():
    rows = Rows(width=1, size=1000)
    rows.update(mixed(np.arange(50_000, dtype=np.uint64)), np.ones(50_000))
    found = METRICS["repeated"].value("x", {}, {"repeats": rows}, {})
    assert (found.value, found.n) == (0.0, 50_000)
    assert 1 / 1000 < found.high < 5 / 1000


def test_types(frame):
    frame = frame.assign(flag=frame["x"] > 0, day=pd.Timestamp("2026-01-01"), whole=frame["age"].astype("int8"))
    for name, column in (("fraction", "x"), ("number", "x"), ("number", "age"), ("integer", "whole"), ("text", "colour"),
                         ("boolean", "flag"), ("timestamp", "day")):
        assert measured(frame, f"has_type(name='{name}') of {column} >= 1").passed
    assert measured(frame, "has_type(name='integer') of x >= 1").verdict == "fail"


@settings(max_examples=25)
@given(values=st.lists(st.one_of(st.none(), st.integers(-3, 3).map(float)), min_size=1, max_size=30), low=st.integers(-3, 3))
def test_a_condition_and_its_negation_cover_the_present_values(values, low):
    frame = pd.DataFrame({"x": np.array(values, float), "y": 1})
    known = frame["x"].notna().mean()
    one, other = (number(frame, f"share where {no}x <= {low} >= 0") for no in ("", "not "))
    assert one + other == pytest.approx(known)
