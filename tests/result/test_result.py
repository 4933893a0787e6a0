"""Values, spreads and runs: intervals and p-values agree, JSON loses nothing, files are written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from assay.errors import ConfigError, DataError
from assay.result import Attribution, Cost, Figure, Finding, Incident, Run, Spread, Value, Verdict, worst, write_whole

share = st.floats(0.0, 1.0)
name = st.text("abcxyz_ é'\"", min_size=1, max_size=12)
scalar = st.one_of(st.text(max_size=8), st.integers(-(2**53), 2**53), st.booleans(), st.floats(-1e9, 1e9))
SCALES = {"identity": st.floats(-1e6, 1e6), "log": st.floats(1e-6, 1e6), "logit": st.floats(0.001, 0.999),
          "atanh": st.floats(-0.999, 0.999), "square": st.floats(0.0, 1e3)}


@st.composite
def spreads(draw):
    kind = draw(st.sampled_from(["exact", "binomial", "normal"]))
    if kind == "exact":
        return Spread("exact", draw(st.floats(-1e6, 1e6)), n=float(draw(st.integers(1, 1000))))
    df = draw(st.sampled_from([math.inf, 1.0, 7.5, 127.0]))
    if kind == "binomial":
        n = draw(st.integers(1, 10**6))
        return Spread("binomial", draw(st.integers(0, n)) / n, n=float(n), df=df)
    scale = draw(st.sampled_from(sorted(SCALES)))
    return Spread("normal", draw(SCALES[scale]), n=100.0, error=draw(st.floats(1e-3, 2.0)), scale=scale, df=df)


@st.composite
def values(draw):
    fields = {"slice": draw(st.dictionaries(name, scalar, max_size=2)), "better": draw(st.sampled_from(["higher", "lower", None])),
              "column": draw(st.none() | name), "note": draw(st.none() | name), "bound": draw(share)}
    if draw(st.booleans()):
        return Value.undefined(draw(name), "why", n=0, **{key: each for key, each in fields.items() if key != "note"})
    return Value.of(draw(name), draw(spreads()), n=draw(st.integers(0, 10**9)), level=draw(st.sampled_from([0.9, 0.95])), **fields)


# spreads

@given(spread=spreads(), level=st.floats(0.5, 0.999))
def test_the_estimate_lies_in_every_interval_and_wider_levels_hold_narrower_ones(spread, level):
    low, high = spread.interval(level)
    assert low <= spread.estimate + 1e-12 * abs(spread.estimate)
    assert spread.estimate <= high + 1e-12 * abs(spread.estimate)
    wider = spread.interval(1 - (1 - level) / 2)
    assert wider[0] <= low <= high <= wider[1]


@given(spread=spreads())
def test_a_normal_interval_is_what_the_p_values_do_not_reject(spread):
    assume(spread.kind == "normal" and spread.df > 1)  # one degree of freedom reaches beyond what floats can tell from a limit
    low, high = spread.interval(0.95)
    if low > (0.0 if spread.scale == "square" else -math.inf):
        assert spread.p_at_most(low) == pytest.approx(0.025, abs=1e-4)
    assert spread.p_at_least(high) == pytest.approx(0.025, abs=1e-4)


@given(spread=spreads(), first=st.floats(-10, 10), second=st.floats(-10, 10))
def test_p_values_rise_with_a_laxer_bound(spread, first, second):
    low, high = sorted((first, second))
    assert 0 <= spread.p_at_least(high) <= spread.p_at_least(low) <= 1
    assert 0 <= spread.p_at_most(low) <= spread.p_at_most(high) <= 1


@given(k=st.integers(0, 60), n=st.integers(1, 60), bound=st.floats(0.01, 0.99))
def test_binomial_p_values_are_those_of_scipy(k, n, bound):
    assume(k <= n)
    spread = Spread("binomial", k / n, n=float(n))
    assert spread.p_at_least(bound) == pytest.approx(stats.binomtest(k, n, bound, alternative="less").pvalue, abs=1e-9)
    assert spread.p_at_most(bound) == pytest.approx(stats.binomtest(k, n, bound, alternative="greater").pvalue, abs=1e-9)


@given(k=st.integers(0, 200))
def test_binomial_intervals_are_jeffreys(k):
    low, high = Spread("binomial", k / 200, n=200.0).interval(0.95)
    assert low == pytest.approx(0.0 if k == 0 else stats.beta.ppf(0.025, k + 0.5, 200 - k + 0.5))
    assert high == pytest.approx(1.0 if k == 200 else stats.beta.ppf(0.975, k + 0.5, 200 - k + 0.5))


@pytest.mark.parametrize("df", [math.inf, 1e6, 5000.5, 1000.0, 999.0, 12.0])
@pytest.mark.parametrize("t", [-30.0, -8.0, -1.96, -1e-9, 0.0, 0.3, 4.0])
def test_normal_p_values_are_those_of_scipy(t, df):
    expected = stats.norm.cdf(t) if math.isinf(df) else stats.t(df).cdf(t)
    assert Spread("normal", t, n=10.0, error=1.0, df=df).p_at_least(0.0) == pytest.approx(expected, rel=1e-12 if t > -9 else 1e-7)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999999])
def test_normal_intervals_are_those_of_scipy(level):
    low, high = Spread("normal", 0.0, n=10.0, error=1.0).interval(level)
    assert (low, high) == pytest.approx(stats.norm.interval(level), rel=1e-10)


def test_few_groups_widen_a_binomial_interval():
    wide, narrow = (Spread("binomial", 0.8, n=200.0, df=df).interval() for df in (5.0, math.inf))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_nan_decides_nothing():
    for spread in (Spread("normal", math.nan, error=1.0), Spread("binomial", math.nan, n=10.0), Spread("exact", math.nan)):
        assert spread.p_at_least(0.5) == spread.p_at_most(0.5) == 1.0
        assert all(math.isnan(each) for each in spread.interval())
    assert Spread("normal", 0.5, error=0.1).p_at_least(math.nan) == 1.0


def test_a_bound_on_the_limit_is_not_a_certainty():
    """A distance of 0.01 with an error of 0.02 does not prove that there is a distance; nor a ratio of 0.98 that there is a gap."""
    distance = Spread("normal", 0.01, error=0.02, low_limit=0.0)
    assert distance.p_at_most(0.0) == pytest.approx(stats.norm.sf(0.5))
    ratio = Spread("normal", 0.98, error=0.05, scale="log", low_limit=0.0, high_limit=1.0)
    assert ratio.p_at_least(1.0) > 0.3
    assert Spread("normal", 0.5, error=0.1, low_limit=0.0).p_at_most(-0.1) == 0.0
    assert 1 < distance.rows_factor(0.0) < 20


# rows_factor

@pytest.mark.parametrize(("truth", "bound", "n"), [(0.85, 0.8, 200), (0.75, 0.8, 150), (0.97, 0.95, 200), (0.4, 0.5, 60)])
def test_so_many_rows_decide_a_share_about_half_the_time(truth, bound, n):
    """Were the estimate the truth, its distance to the bound in standard errors is then 1.96: the interval ends there, on average."""
    factor = Spread("binomial", truth, n=float(n)).rows_factor(bound)
    assert factor > 0.9
    rng = np.random.default_rng(0)
    grown = math.ceil(n * factor)
    outside = 0
    for hits in rng.binomial(grown, truth, 2000):
        low, high = Spread("binomial", hits / grown, n=float(grown)).interval()
        outside += not low <= bound <= high
    assert 0.43 <= outside / 2000 <= 0.65  # half, but for skewness and whole numbers; its own standard error is 0.011


@pytest.mark.parametrize("scale", ["identity", "log"])
def test_so_many_rows_decide_a_mean_about_half_the_time(scale):
    rng = np.random.default_rng(1)
    truth, bound, n = 1.0, 1.1, 100
    error = 1 / math.sqrt(n)  # an exponential loss has a deviation of 1
    factor = Spread("normal", truth, n=n, error=error, scale=scale).rows_factor(bound)
    grown = math.ceil(n * factor)
    means, outside = [], 0
    for _ in range(2000):
        loss = rng.exponential(size=grown)
        mean = float(loss.mean())
        spread = Spread("normal", mean, error=float(loss.std()) / math.sqrt(grown) / (mean if scale == "log" else 1), scale=scale)
        means.append(mean)
        low, high = spread.interval()
        outside += not low <= bound <= high
    assert 0.42 <= outside / 2000 <= 0.6


def test_rows_factor_at_the_edges():
    assert Spread("exact", 0.5).rows_factor(0.4) == 0.0
    assert Spread("binomial", 0.8, n=10.0).rows_factor(0.8) == math.inf
    assert Spread("normal", 0.8, error=0.1).rows_factor(0.8) == math.inf
    assert 0 < Spread("binomial", 1.0, n=10.0).rows_factor(0.9) < math.inf


# JSON

@given(spread=spreads())
def test_a_spread_survives_json(spread):
    assert Spread.from_json(json.loads(json.dumps(spread.to_json(), allow_nan=False))) == spread


@given(value=values())
def test_a_value_survives_json(value):
    assert Value.from_json(json.loads(json.dumps(value.to_json(), allow_nan=False))) == value


def test_an_unknown_error_does_not_come_back_as_certainty():
    spread = Spread("normal", 0.5, error=math.inf)
    again = Spread.from_json(json.loads(json.dumps(spread.to_json(), allow_nan=False)))
    assert again == spread
    assert again.p_at_least(0.9) == pytest.approx(0.5)


def test_numpy_numbers_become_json():
    slice = {"a": np.int64(1), "b": np.bool_(True)}
    value = Value("m", np.float64(0.5), np.float64(math.nan), np.float32(1.0), np.int64(3), slice=slice)
    data = json.loads(json.dumps(value.to_json(), allow_nan=False))
    assert (data["value"], data["low"], data["high"], data["n"], data["slice"]) == (0.5, None, 1.0, 3, {"a": 1, "b": True})


@given(parts=st.lists(values(), max_size=3), strict=st.booleans())
def test_a_run_survives_json(parts, strict):
    verdicts = tuple(Verdict("c", "pass", "fine", value=each, p=0.5) for each in parts)
    run = Run("check", values=tuple(parts), verdicts=verdicts, strict=strict,
              findings=(Finding("probe", "found", {"a": 1}, {}, (1, "x")),), notes=("a note",), cost=Cost(1.5, 10, 20),
               incidents=(Incident("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", False, "moved", columns=("a",), slices=({"g": "x"},)),))
    assert Run.from_json(json.dumps(run.to_json(), allow_nan=False)) == run
    table = run.to_arrow()
    assert table.num_rows == len(parts)


def test_what_looks_like_nothing_survives_json():
    """A rule at zero, an empty title, an interval without an end, a threshold of zero: none of them is nothing."""
    figure = Figure("gaps", "interval", "", {"ward": ("a",), "gap": (0.1,)}, x="ward", y=("gap",), mark=0.0)
    value = Value.of("rmse", Spread("normal", 0.5, error=math.inf, scale="square", low_limit=0.0), n=10)
    assert (value.low, value.high) == (0.0, math.inf)
    verdict = Verdict("c", "fail", "", value=value, threshold=0.0, p=0.0, rows_needed=0)
    run = Run("check", (value,), (verdict,), figures=(figure,))
    again = Run.from_json(json.dumps(run.to_json(), allow_nan=False))
    assert again == run
    assert (again.figures[0].mark, again.values[0].high) == (0.0, math.inf)


def test_the_json_of_a_value_has_its_name():
    first, second = (Value("recall", 0.5, 0.4, 0.6, 10, options={"positive": each}) for each in (0, 1))
    assert [each.to_json()["name"] for each in (first, second)] == ["recall(positive=0)", "recall(positive=1)"]
    assert Value("auc", 0.5, 0.4, 0.6, 10).to_json()["name"] == "auc"


def test_an_attribution_survives_json():
    found = Attribution(("a", "b"), (1, "x"), ((0.5, -0.5), (1.0, 0.0)), 0.25)
    assert Attribution.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"verb": "check"}', '{"verb": "check", "run": "x", "values": [{}]}', "null"])
def test_what_is_no_run_is_refused(text):
    with pytest.raises(DataError):
        Run.from_json(text)


def test_a_run_of_a_later_version_is_read():
    run = Run("check", values=(Value("m", 0.5, 0.4, 0.6, 10),))
    data = run.to_json()
    data["values"][0]["invented"] = data["invented"] = 1
    assert Run.from_json(data) == run


# verdicts of runs

@given(outcomes=st.lists(st.sampled_from(["pass", "warn", "fail", "error", "inconclusive", "too small"])), strict=st.booleans())
def test_the_worst_verdict_stands_for_all(outcomes, strict):
    found = worst(outcomes, strict=strict)
    assert found != "too small"
    for bad in ("fail", "error"):
        if bad in outcomes:
            assert found in ("fail", "error")
    if outcomes and set(outcomes) <= {"pass", "warn"}:
        assert found in ("pass", "warn")
    assert worst(reversed(outcomes), strict=strict) == found


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("warn", 0), ("fail", 1), ("error", 1), ("inconclusive", 3), ("too small", 3)])
def test_exit_codes(verdict, code):
    assert Run("check", verdicts=(Verdict("c", verdict, "words"),)).exit_code == code


# files

def test_a_run_is_saved_as_json(tmp_path):
    run = Run("check", values=(Value.of("m", Spread("binomial", 0.5, n=10.0), n=10),))
    path = run.save(tmp_path / "run.json")
    assert Run.from_json(path.read_text("utf-8")) == run
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"run\.nonsense"):
        Run("check").save(tmp_path / "run.nonsense")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        Run("check").save(tmp_path / "none" / "run.json")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.write_text("old", "utf-8")

    def broken(first, second):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(ConfigError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text("utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.write_text("old", "utf-8")

    def interrupted(first, second):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "new")
    assert path.read_text("utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_a_saved_file_has_the_rights_of_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x", "utf-8")
    write_whole(tmp_path / "made", "x")
    assert (tmp_path / "made").stat().st_mode == plain.stat().st_mode


def test_a_name_without_a_folder_is_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Run("check").save("run.json") == Path("run.json")
    assert (tmp_path / "run.json").is_file()


def test_a_finding_that_a_person_has_to_judge_warns_and_a_fault_fails() -> None:
    asked, fault = Finding("proxies", "is it justified?", outcome="warn"), Finding("fairness", "denied as a woman")
    assert (Run("explain", findings=(asked,)).verdict, Run("explain", findings=(asked,)).exit_code) == ("warn", 0)
    assert Run("probe", findings=(asked, fault)).verdict == "fail"
    assert Finding.from_json(asked.to_json()) == asked
