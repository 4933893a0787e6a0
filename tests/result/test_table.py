"""Values by group as a pandas frame: the numbers that scikit-learn gives group by group, in the shape of Fairlearn's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score

import assay
from assay.errors import ConfigError, UnknownNameError
from assay.result import Run, Spread, Value

CHECKS = ["accuracy by sex >= 0.1", "recall by sex >= 0.1", "accuracy by sex * region >= 0.1", "recall by sex * region >= 0.1",
          "accuracy >= 0.1", "recall >= 0.1", "selection_rate ratio by sex >= 0", "psi of x <= 9", "missing of x by sex <= 1"]


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame({"x": rng.standard_normal(n), "sex": rng.choice(["f", "m"], n), "region": rng.choice(["n", "s", "w"], n)})
    frame["y"] = (frame["x"] + rng.standard_normal(n) > 0).astype(int)
    frame.loc[:2, "sex"] = "d"   # three rows: too few to be shown
    model = LogisticRegression().fit(frame[["x"]], frame["y"])
    run = assay.check(model, frame, label="y", train=frame, features=["x"], checks=CHECKS)
    frame["predicted"] = model.predict(frame[["x"]])
    return frame, run


def expected(frame, by):
    groups = frame.groupby(by)
    return pd.DataFrame({"accuracy": groups.apply(lambda part: accuracy_score(part["y"], part["predicted"])),
                         "recall": groups.apply(lambda part: recall_score(part["y"], part["predicted"], zero_division=np.nan))})


def test_groups_are_those_of_scikit_learn(world):
    frame, run = world
    found = run.by_group("sex", ["accuracy", "recall"])
    wanted = expected(frame[frame["sex"] != "d"], "sex")
    pd.testing.assert_frame_equal(found.loc[["f", "m"]], wanted, check_index_type=False)
    assert found.loc["d"].isna().all()
    assert list(found.index) == ["d", "f", "m"]


def test_the_table_is_that_of_fairlearn(world):
    frame, run = world
    part = frame[frame["sex"] != "d"]
    oracle = MetricFrame(metrics={"accuracy": accuracy_score, "recall": recall_score}, y_true=part["y"], y_pred=part["predicted"],
                                 sensitive_features=part["sex"])
    found = run.by_group("sex", ["accuracy", "recall"])
    pd.testing.assert_frame_equal(found.drop("d"), oracle.by_group, check_index_type=False, check_dtype=False)
    assert found.drop("d").index.name == oracle.by_group.index.name


@pytest.mark.parametrize("by", ["sex * region", ["sex", "region"], ("region", "sex"), "region*sex", "region * `sex`"])
def test_crossed_slices_have_an_index_of_several_levels(world, by):
    frame, run = world
    found = run.by_group(by, "accuracy")
    names = ["region", "sex"] if "region" in str(by)[:9] else ["sex", "region"]
    assert found.index.names == names
    wanted = expected(frame, names)["accuracy"]
    counts = frame.groupby(names).size()
    for key, number in found["accuracy"].items():
        assert np.isnan(number) if counts[key] < 5 else number == pytest.approx(wanted[key], abs=1e-12)


def test_intervals_stand_beside_their_value(world):
    _, run = world
    found = run.by_group("sex", ["recall"], intervals=True)
    assert list(found.columns) == [("recall", name) for name in ("value", "low", "high", "n")]
    value = next(each for each in run.values if each.metric == "recall" and dict(each.slice) == {"sex": "f"})
    assert found.loc["f", "recall"].tolist() == [value.value, value.low, value.high, value.n]
    assert found.loc["d", ("recall", "n")] == 3
    assert found.loc["d", "recall"][["value", "low", "high"]].isna().all()


def test_all_rows_make_a_series_without_disparities(world):
    frame, run = world
    found = run.overall()
    assert found["accuracy"] == pytest.approx(accuracy_score(frame["y"], frame["predicted"]))
    assert set(found.index) == {"accuracy", "recall", "psi of x"}
    assert run.overall("recall").to_dict() == {"recall": found["recall"]}


def test_columns_are_told_apart(world):
    assert "missing of x" in world[1].by_group("sex").columns


def test_what_is_not_there_is_said(world):
    run = world[1]
    with pytest.raises(ConfigError, match=r"cuts its rows by 'sex', 'region \* sex'"):
        run.by_group()
    with pytest.raises(UnknownNameError, match="did you mean 'sex'"):
        run.by_group("sexx")
    with pytest.raises(UnknownNameError, match="did you mean 'recall'"):
        run.by_group("sex", "recal")
    with pytest.raises(ConfigError, match="no slices"):
        Run("check").by_group()


def test_a_metric_that_a_group_lacks_is_nan_and_bins_keep_their_order():
    values = [Value.of(metric, Spread("binomial", 0.5, n=50), n=50, slice={"age": bin})
              for metric, bins in (("a", ("< 20", "[20, 30)", ">= 30", "missing")), ("b", ("< 20",))) for bin in bins]
    found = Run("check", tuple(values)).by_group("age:3")
    assert list(found.index) == ["< 20", "[20, 30)", ">= 30", "missing"]
    assert found["b"].isna().tolist() == [False, True, True, True]


def test_slices_of_numbers_booleans_and_missing_values():
    for keys in ((1, 2, None), (True, False), (0.5, 1), ("a", None), (1, "missing")):
        values = [Value.of("a", Spread("binomial", 0.5, n=50), n=50, slice={"k": key}) for key in keys]
        assert Run("check", tuple(values)).by_group()["a"].tolist() == [0.5] * len(keys)


def test_few_rows_are_hidden_in_any_run():
    run = Run("check", (Value.of("a", Spread("binomial", 0.5, n=4), n=4, slice={"k": "x"}),))
    assert run.by_group()["a"].isna().all()
