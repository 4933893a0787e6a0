"""What would have had to differ: beside every combination on a grid, by every kind of column, and with nothing that is not needed."""

from __future__ import annotations

import datetime as dt
import itertools

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import assay
from assay.errors import ConfigError, DataError, UnknownColumnError
from assay.explain.alternative import alternatives, rounded
from assay.explain.counterfactual import Goal, counterfactuals

NAMES = ["a", "b", "c"]


def whole(n=400, seed=0, high=12):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, high, (n, 3))
    y = ((x[:, 0] > 5) & (x[:, 1] < 7) | (x[:, 2] > 9) & (x[:, 0] > 2)).astype(int)
    return pa.table(dict(zip(NAMES, x.T, strict=True))), np.where(rng.random(n) < 0.05, 1 - y, y)


def fitted(estimator, data, y):
    return assay.load(estimator.fit(np.column_stack([data[name] for name in NAMES]).astype(float), y), features=NAMES)


def decided(model, rows):
    return np.array([np.argmax(each) for each in model.predict(rows).column("score").to_pylist()])


def nearest_on_grid(model, row, ranges, scale):
    """The fewest changes, and the least cost with so many, of every combination of whole numbers in ranges."""
    grid = np.array(list(itertools.product(*(range(low, high + 1) for low, high in ranges))), float)
    yes = decided(model, pa.record_batch(dict(zip(NAMES, grid.T, strict=True)))) == 1
    mine = np.array([row[name][0].as_py() for name in NAMES], float)
    changes = (grid != mine).sum(axis=1)
    cost = (np.abs(grid - mine) / scale).sum(axis=1)
    if not yes.any():
        return None
    few = changes[yes].min()
    return int(few), float(cost[yes & (changes == few)].min())


def scales(data):
    quarters = [np.quantile(data[name], (0.25, 0.75)) for name in NAMES]
    return np.array([(high - low) / 1.35 for low, high in quarters])


@pytest.mark.parametrize("estimator", [
    DecisionTreeClassifier(max_depth=5, random_state=0), RandomForestClassifier(15, max_depth=5, random_state=0),
    xgboost.XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1), lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1)],
    ids=lambda each: type(each).__name__)
def test_of_trees_there_are_no_fewer_and_no_smaller_changes(estimator):
    data, y = whole()
    model = fitted(estimator, data, y)
    ranges = {name: [0, 12] for name in NAMES}
    no = np.flatnonzero(decided(model, data.to_batches()[0]) == 0)
    for at in no[::40]:
        row = data.slice(int(at), 1)
        made = counterfactuals(model, row, data, Goal(1), ranges)
        expected = nearest_on_grid(model, row, [(0, 12)] * 3, scales(data))
        assert made.exact
        assert (len(made.found[0].changes), made.found[0].cost) == (expected[0], pytest.approx(expected[1]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5000))
def test_of_any_tree_there_are_no_fewer_and_no_smaller_changes(seed):
    rng = np.random.default_rng(seed)
    data = pa.table(dict(zip(NAMES, rng.integers(0, 9, (60, 3)).T, strict=True)))
    y = rng.integers(0, 2, 60)
    if len(set(y.tolist())) < 2:
        return
    model = fitted(DecisionTreeClassifier(max_depth=4, random_state=seed), data, y)
    no = np.flatnonzero(decided(model, data.to_batches()[0]) == 0)
    if not len(no):
        return
    row, ranges = data.slice(int(no[0]), 1), {"a": [2, 8], "b": [0, 5], "c": [0, 8]}
    made = counterfactuals(model, row, data, Goal(1), ranges)
    mine = [row[name][0].as_py() for name in NAMES]
    bounds = [(low, high) if low <= has <= high else None for (low, high), has in zip(ranges.values(), mine, strict=True)]
    if any(each is None for each in bounds):
        return   # on a grid that has not the row itself, nothing counts as unchanged
    expected = nearest_on_grid(model, row, bounds, scales(data))
    if expected is None:
        assert not made.found
        assert made.exact
    else:
        assert (len(made.found[0].changes), made.found[0].cost) == (expected[0], pytest.approx(expected[1]))


def test_every_way_is_so_decided_and_each_change_is_needed():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 6))
    y = (x @ np.array([1, -1, 0.5, 0.5, 0.2, 0]) > 0.5).astype(int)
    names = [f"x{place}" for place in range(6)]
    data = pa.table(dict(zip(names, x.T, strict=True)))
    model = assay.load(LogisticRegression().fit(x, y), features=names)
    for at in np.flatnonzero(decided(model, data.to_batches()[0]) == 0)[:40:8]:
        row = data.slice(int(at), 1)
        made = counterfactuals(model, row, data, Goal(1), dict.fromkeys(names[:5], "any"), count=4)
        assert made.found
        columns = [{each.column for each in way.changes} for way in made.found]
        assert not any(one < other or (one == other and place != spot) for place, one in enumerate(columns)
                       for spot, other in enumerate(columns))
        for way in made.found:
            for left in [None, *way.changes]:
                changed = row
                for each in way.changes:
                    if each is not left:
                        assert each.after in data[each.column].to_pylist()
                        changed = changed.set_column(names.index(each.column), each.column, pa.array([each.after]))
                assert decided(model, changed.to_batches()[0])[0] == (1 if left is None else 0)


def test_a_range_of_fractions_is_searched_to_its_edge():
    data = pa.table({"a": np.linspace(0, 1, 200), "b": np.linspace(5, 9, 200)})
    model = assay.load(lambda batch: batch.column("a").to_numpy() * 100, task="regression", features=["a", "b"])
    made = counterfactuals(model, data[:1], data, Goal(at_least=37.3), {"a": [0, 0.9], "b": [0, 9]})
    assert made.found[0].changes[0].after == pytest.approx(0.373, rel=0.005)
    assert made.found[0].changes[0].after >= 0.373
    assert not made.exact
    up, down = Goal(at_least=37.3), Goal(at_most=12.0)
    assert not counterfactuals(model, data[:1], data, up, {"a": [0, 0.3], "b": [0, 9]}).found
    lower = counterfactuals(model, data[150:151], data, down, {"a": "decrease"}).found[0].changes[0].after
    assert lower in data["a"].to_pylist()
    assert 0.1 < lower <= 0.12


def test_whole_numbers_stay_in_their_type_and_wide_ranges_are_searched_near_the_row():
    data = pa.table({"a": pa.array(np.arange(100, 200), pa.uint8()), "b": np.linspace(1, 5, 100)})
    model = assay.load(lambda batch: batch.column("a").to_numpy() + batch.column("b").to_numpy(), task="regression", features=["a", "b"])
    made = counterfactuals(model, data[:1], data, Goal(at_least=148), {"a": [0, 100_000]})   # 300 would be 44 in one byte
    assert made.found[0].changes[0].after == 147
    assert not counterfactuals(model, data[:1], data, Goal(at_least=300), {"a": [0, 100_000]}).found
    made = counterfactuals(model, data[:1], data, Goal(at_least=150), {"b": [0, 1e300]})
    assert 50 <= made.found[0].changes[0].after <= 50.5
    assert counterfactuals(model, data[:1], data, Goal(at_least=103), {"b": [None, None]}).found[0].changes[0].after == pytest.approx(3, rel=0.01)


def test_types_and_categories_are_kept():
    n, rng = 300, np.random.default_rng(2)
    data = pa.table({
        "children": pa.array(rng.integers(0, 5, n), pa.int8()), "income": rng.uniform(10, 90, n).round(1),
        "job": pa.array(rng.choice(["clerk", "cook", "smith"], n)).dictionary_encode(), "member": rng.random(n) < 0.5,
        "since": pa.array([dt.date(2020, 1, 1) + dt.timedelta(days=int(each)) for each in rng.integers(0, 900, n)])})

    def score(batch):
        assert batch.schema.field("children").type == pa.int8()
        assert batch.schema.field("since").type == pa.date32()
        days = batch.column("since").cast(pa.int32()).to_numpy()
        job = np.array(batch.column("job").to_pylist()) == "smith"
        return 10.0 * job + 5.0 * batch.column("member").to_numpy(zero_copy_only=False) + batch.column("children").to_numpy() - (
            days - 18_262) / 200 + batch.column("income").to_numpy() / 100

    model = assay.load(score, task="regression")
    row = data.filter(pa.array([each == "cook" for each in data["job"].to_pylist()]))[:1]
    for name, spec, kind in (("job", ["smith", "clerk"], str), ("since", "decrease", dt.date), ("member", "any", bool)):
        now = float(score(row.to_batches()[0])[0])
        made = counterfactuals(model, row.set_column(3, "member", pa.array([False])), data, Goal(at_least=now + 0.5 - 5.0 * row["member"][
            0].as_py()), {name: spec})
        assert [type(each.after) for each in made.found[0].changes] == [kind]
    made = counterfactuals(model, row, data, Goal(at_least=float(score(row.to_batches()[0])[0]) + 0.9), {"children": "increase"})
    assert made.found[0].changes[0].after == row["children"][0].as_py() + 1


def test_a_pipeline_with_one_hot_columns_is_changed_in_its_own_columns():
    n, rng = 500, np.random.default_rng(3)
    data = pa.table({"income": rng.uniform(10, 90, n).round(), "job": rng.choice(["clerk", "cook", "smith"], n)})
    y = (data["income"].to_numpy() + 30 * (data["job"].to_numpy(zero_copy_only=False) == "smith") > 70).astype(int)
    made = make_pipeline(make_column_transformer((StandardScaler(), ["income"]), (OneHotEncoder(), ["job"])), LogisticRegression(C=10))
    model = assay.load(made.fit(data.to_pandas(), y))
    row = pa.table({"income": [50.0], "job": ["cook"]})
    found = counterfactuals(model, row, data, Goal(1), {"income": "increase", "job": "any"}).found
    assert {tuple(each.column for each in way.changes) for way in found} == {("income",), ("job",)}
    assert next(way for way in found if way.changes[0].column == "job").changes[0].after == "smith"


def test_a_threshold_and_any_other_class_count_as_they_decide():
    data, y = whole()
    model = fitted(LogisticRegression(max_iter=500), data, y)
    row = data.slice(int(np.flatnonzero(decided(model, data.to_batches()[0]) == 0)[0]), 1)
    made = counterfactuals(model, row, data, Goal(1, positive=1, threshold=0.9), dict.fromkeys(NAMES, "any"))
    assert all(way.score >= 0.9 for way in made.found)
    several = fitted(DecisionTreeClassifier(max_depth=3, random_state=0), data, np.minimum(data["a"].to_numpy() // 4, 2))
    made = counterfactuals(several, pa.table({"a": [6], "b": [3], "c": [3]}), data, Goal(), dict.fromkeys(NAMES, "any"))
    assert made.decision == 1
    assert {way.decision for way in made.found} <= {0, 2}
    assert made.found[0].changes[0].column == "a"


def test_a_wide_model_is_searched_along_a_beam_within_its_budget():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 30))
    names = [f"x{place}" for place in range(30)]
    data, asked = pa.table(dict(zip(names, x.T, strict=True))), []

    def score(batch):
        asked.append(batch.num_rows)
        return np.tanh(np.column_stack([batch.column(name).to_numpy() for name in names])).sum(axis=1)

    model = assay.load(score, task="regression", features=names)
    row = data.slice(0, 1)
    goal = Goal(at_least=float(score(row.to_batches()[0])[0]) + 4.0)
    asked.clear()
    made = counterfactuals(model, row, data, goal, dict.fromkeys(names, "any"), budget=60_000, most=6)
    assert made.found
    assert sum(asked) <= 65_000
    assert not made.exact
    assert len(made.found[0].changes) <= 4


def test_nothing_within_the_ranges_is_told_with_how_far_was_searched():
    data, y = whole()
    model = fitted(DecisionTreeClassifier(max_depth=4, random_state=0), data, y)
    made = counterfactuals(model, pa.table({"a": [0], "b": [11], "c": [0]}), data, Goal(1), {"b": "increase"})
    assert not made.found
    assert made.complete == 0   # nothing can increase
    made = counterfactuals(model, pa.table({"a": [0], "b": [11], "c": [0]}), data, Goal(1), {"b": [0, 12], "c": [0, 3]})
    assert (made.found, made.complete, made.exact) == ((), 2, True)


def test_missing_values_may_be_filled_and_nothing_becomes_missing():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 3))
    x[::5, 0] = np.nan
    y = (np.nan_to_num(x[:, 0], nan=-2) > 0).astype(int)
    data = pa.table({name: pa.array(column, from_pandas=True) for name, column in zip(NAMES, x.T, strict=True)})
    model = assay.load(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1).fit(x, y), features=NAMES)
    made = counterfactuals(model, data.slice(0, 1), data, Goal(1), dict.fromkeys(NAMES, "any"))
    assert made.found[0].changes[0].column == "a"
    assert made.found[0].changes[0].before is None
    assert all(each.after is not None for way in made.found for each in way.changes)


def test_what_cannot_change_is_told():
    data, y = whole()
    model = fitted(DecisionTreeClassifier(max_depth=4, random_state=0), data, y)
    row = data.slice(int(np.flatnonzero(decided(model, data.to_batches()[0]) == 0)[0]), 1)
    for spec, what in (("raise", "cannot change by 'raise'"), ([3, 1], "empty"), (["x"], "cannot change to"), (3, "by a int")):
        with pytest.raises(ConfigError, match=what):
            counterfactuals(model, row, data, Goal(1), {"a": spec})
    with pytest.raises(ConfigError, match="protected or forbidden"):
        counterfactuals(model, row, data, Goal(1), {"a": "any"}, barred=["a"])
    with pytest.raises(UnknownColumnError, match="incom"):
        counterfactuals(model, row, data, Goal(1), {"incom": "any"})
    with pytest.raises(DataError, match="already"):
        counterfactuals(model, row, data, Goal(0), {"a": "any"})
    with pytest.raises(ConfigError, match="no class"):
        counterfactuals(model, row, data, Goal(7), {"a": "any"})
    with pytest.raises(ConfigError, match="no order"):
        alternatives("job", pa.array(["a"]), pa.array(["a", "b"]), "increase")
    with pytest.raises(ConfigError, match=r"never has the value 'smiht'.*smith"):
        alternatives("job", pa.array(["cook"]), pa.array(["cook", "smith"]), ["smiht"])


@given(st.floats(-1e9, 1e9), st.floats(0, 1e6), st.booleans())
def test_a_rounded_number_lies_between_the_value_and_the_bound(value, gap, up):
    bound = value + gap if up else value - gap
    found = rounded(value, bound, up=up)
    assert (value <= found <= bound) if up else (bound <= found <= value)


def test_beyond_what_was_seen_an_open_range_of_whole_numbers_is_not_searched_to_its_end() -> None:
    model = assay.load(lambda batch: (batch.column("age").to_numpy() >= 85).astype(int), task="binary", features=["age"])
    seen = pa.table({"age": np.arange(18, 80)})
    for spec, exact in (([0, None], False), ([0, float("inf")], False), ([0, 84], True)):
        made = counterfactuals(model, seen.slice(10, 1), seen, Goal(), {"age": spec})
        assert made.exact is exact
        assert bool(made.found) is (not exact)


def test_a_range_beyond_what_numbers_hold_is_cut_to_them() -> None:
    model = assay.load(lambda batch: (batch.column("age").to_numpy() >= 85).astype(int), task="binary", features=["age"])
    seen = pa.table({"age": np.arange(18, 80)})
    made = counterfactuals(model, seen.slice(10, 1), seen, Goal(), {"age": [0, 1e17]})
    assert made.found


@pytest.mark.parametrize("wanted", [0, 150, 399])
def test_of_very_many_columns_each_is_tried_within_the_budget(wanted: int) -> None:
    """The one column that decides is found wherever it stands, though the budget allows a few values of each only."""
    rng = np.random.default_rng(0)
    names = [f"c{place}" for place in range(400)]
    seen = pa.record_batch({name: rng.normal(size=200) for name in names})
    row = pa.record_batch({name: [0.0] for name in names})
    model = assay.load(lambda batch: 1 / (1 + np.exp(1 - np.asarray(batch.column(names[wanted])))), task="binary", classes=[0, 1], features=names)
    made = counterfactuals(model, row, seen, Goal(1, positive=1), dict.fromkeys(names, "any"), budget=12_000)
    assert [each.column for each in made.found[0].changes] == [names[wanted]]
    assert made.asked <= 12_600
