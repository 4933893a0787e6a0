from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.model.load import load
from assay.model.logged import Logged
from assay.result import Spread
from assay.screen.leakage import id_like, known_late, lone_power, seen_entity_gain, shared_ids, shared_rows
from assay.screen.power import Aim, Binned, aim, bins, clusters, edges, error, halves, power, share
from assay.summary.target import Target
from tests.screen.studies import BINARY, ROLES, estimates, flights, low, replaced, seen, strange, study

ALL = (shared_rows, shared_ids, id_like, lone_power, known_late, seen_entity_gain)


def mixed(size: int, *, rows: int = 4000, columns: int = 4, values: int = 30, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({f"x{place}": rng.integers(0, values, rows)[:size] for place in range(columns)})


def test_flights_of_another_month_share_nothing() -> None:
    of = study(flights(5), flights(1, 3), **ROLES)
    assert estimates(shared_rows, of) == {None: 0.0}
    assert estimates(shared_ids, of) == {None: 0.0}


@pytest.mark.parametrize("leaked", [0.02, 0.3, 1.0])
def test_rows_of_train_among_the_data_are_counted(leaked: float) -> None:
    train, data = flights(1, 2), flights(5)
    some = train.slice(1000, int(leaked * 10_000))
    of = study(pa.concat_tables([data.slice(0, 10_000 - len(some)), some]), train, **ROLES)
    for screen in (shared_rows, shared_ids):
        reading = seen(screen, of)[None]
        assert reading.spread is not None
        assert reading.spread.estimate == pytest.approx(leaked, abs=1e-3)
        assert reading.spread.interval()[0] <= leaked <= reading.spread.interval()[1]
        assert f"{len(some):,} of 10,000 rows" in (reading.note or "")


def test_shared_rows_are_those_of_python_sets() -> None:
    data, train = mixed(900, seed=1), mixed(4000, seed=2)
    theirs = [tuple(row.values()) for row in train.to_pylist()]
    known = set(theirs)
    hits = sum(tuple(row.values()) in known for row in data.to_pylist()) / 900
    twins = sum(theirs.count(row) > 1 for row in set(theirs)) and sum(theirs.count(row) > 1 for row in theirs) / 4000
    assert estimates(shared_rows, study(data, train)) == {None: pytest.approx(max(hits - twins, 0) / (1 - twins))}


@pytest.mark.parametrize(("columns", "values"), [(1, 2), (2, 10), (3, 12), (3, 18), (3, 30), (4, 20)])
def test_tables_of_few_different_rows_do_not_alarm(columns: int, values: int) -> None:
    alarms = 0
    for seed in range(40):
        data, train = mixed(1500, columns=columns, values=values, seed=seed), mixed(4000, columns=columns, values=values, seed=seed + 999)
        spread = seen(shared_rows, study(data, train))[None].spread
        alarms += spread is not None and spread.p_at_most(0.01) < 0.025
    assert alarms <= 3


def test_a_constant_table_says_nothing() -> None:
    table = pa.table({"x": ["a"] * 500})
    assert "repeat each other" in (seen(shared_rows, study(table, table))[None].note or "")


def test_the_prints_of_huge_tables_are_compared_where_both_were_kept() -> None:
    from dataclasses import replace

    of = study(mixed(2000, seed=1), mixed(2000, seed=1))
    huge = replace(of.data, rows=8_000_000, prints=of.data.prints[of.data.prints < np.uint64(2**63)])
    assert of.train is not None
    assert estimates(shared_rows, replace(of, data=of.train, train=huge)) == {None: 1.0}
    assert estimates(shared_rows, replace(of, data=huge)) == {None: 1.0}


def paired(data: pa.Table, train: pa.Table, **roles) -> dict[str | None, float]:
    from assay.data.source import source
    from assay.screen.study import Study, common, sample

    one, other = source(data, **roles), source(train, **roles)
    kinds = common(one, other)
    return estimates(shared_rows, Study(sample(one, shared=kinds), sample(other, shared=kinds), target=BINARY))


def test_shared_rows_are_found_however_they_were_written() -> None:
    rng = np.random.default_rng(0)
    made = {name: rng.normal(size=2000) * 1e3 for name in ("x", "z")} | {"y": rng.integers(0, 2, 2000), "file": rng.permutation(2000)}
    table = pa.table(made)
    train, data = table.slice(0, 1000), pa.concat_tables([table.slice(0, 300), table.slice(1000, 700)])
    roles = {"label": "y", "ignored": "file"}
    narrow = data.set_column(0, "x", data["x"].cast(pa.float32()))
    for each in (data, data.select(["file", "z", "y", "x"]), replaced(data, file=rng.permutation(1000)), narrow,
                 replaced(data, scored_at=np.arange(1000)), replaced(data, y=data["y"].cast(pa.float64()))):
        assert paired(each, train, **roles) == {None: 0.3}
    assert paired(replaced(data, x=np.asarray(data["x"]) + 1), train, **roles) == {None: 0.0}
    days = {"timestamp": "day", **roles}
    first, later = (replaced(each, day=pa.array([dt.date(2024, month, 1)] * 1000)) for month, each in ((1, train), (2, data)))
    assert paired(later, first, **days) == {None: 0.0}    # the same customers, a month later


def test_a_unique_train_says_nothing_of_rows_of_few_values() -> None:
    rng = np.random.default_rng(1)
    one, other = (pa.table({name: rng.choice(list("abcdefgh"), 3000) for name in ("a", "b", "c", "d")}) for _ in range(2))
    unique = other.group_by(other.column_names).aggregate([])
    reading = seen(shared_rows, study(one, unique))[None]
    assert reading.spread is None
    assert "made unique" in (reading.note or "")
    x = pa.table({"x": rng.normal(size=3000)})     # delivered twice is no coincidence
    assert estimates(shared_rows, study(pa.concat_tables([x, x]), x)) == {None: 1.0}


def test_wide_samples_do_not_ask_for_all_names_each_time() -> None:
    import time

    of = study(pa.table({f"x{place}": [0.5] for place in range(6000)}))
    began = time.perf_counter()
    for name in of.features:
        of.data.column(name)
    assert time.perf_counter() - began < 10


def test_ids_that_number_the_rows_are_no_ids() -> None:
    one, other = pa.table({"row": np.arange(1, 5001), "x": np.ones(5000)}), pa.table({"row": np.arange(1, 8001), "x": np.zeros(8000)})
    assert "number the rows" in (seen(shared_ids, study(one, other, id="row"))[None].note or "")
    later = replaced(other, row=np.arange(4001, 12_001))
    assert estimates(shared_ids, study(one, later, id="row")) == {None: 0.2}
    assert seen(shared_ids, study(one, other))[None].spread is None
    empty = replaced(one, row=pa.nulls(5000, pa.int64()))
    assert seen(shared_ids, study(empty, empty, id="row"))[None].spread is None


def identifiers(n: int) -> dict[str, object]:
    rng = np.random.default_rng(1)
    return {
        "key": [f"C{each:07d}" for each in rng.permutation(n)], "uuid": [f"{each:032x}" for each in rng.integers(0, 2**62, n)],
        "mail": [f"person{each}@example.org" for each in range(n)], "number": rng.permutation(n) + 10_000,
        "rising": np.cumsum(rng.integers(1, 4, n)), "index": np.arange(n), "falling": np.arange(n)[::-1],
        "invoice": [f"{each} of May in New York" for each in range(n)],
    }


def measurements(n: int) -> dict[str, object]:
    rng = np.random.default_rng(2)
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    words = ["red", "cotton", "shirt", "summer", "blue", "wool", "long", "for", "children", "with", "pockets", "and", "a", "hood"]
    return {
        "cents": np.exp(rng.normal(10, 1, n) + np.log(100)).astype(np.int64), "sorted cents": np.sort(np.exp(rng.normal(15, 1, n))).astype(np.int64),
        "float": rng.normal(size=n), "rising float": np.arange(n) * 1.5, "count": rng.poisson(3, n), "big count": rng.poisson(1e6, n),
        "time": pa.array([start + dt.timedelta(minutes=each) for each in range(n)]), "epoch": 1_700_000_000 + 60 * np.arange(n),
        "millis": 1_700_000_000_000 + 60_000 * np.arange(n), "drawn": rng.integers(0, 2 * n, n), "wide": rng.integers(0, 50 * n, n),
        "title": [" ".join(rng.choice(words, 5)) + f" {words[each % 14]}" for each in range(n)],
        "number as text": [f"{each:.7f}" for each in rng.normal(size=n)],
        "date as text": [str((start + dt.timedelta(hours=each)).date()) + f" {each}" for each in range(n)],
        "flag": rng.random(n) < 0.5, "category": rng.choice(["a", "b", "c"], n), "day": pa.array([start.date() + dt.timedelta(each) for each in range(n)]),
    }


@pytest.mark.parametrize("n", [400, 20_000, 60_000])
def test_identifiers_are_told_from_measurements(n: int) -> None:
    found = estimates(id_like, study(pa.table({**identifiers(n), **measurements(n)}), target=None))
    assert {name for name, value in found.items() if value == 1} == set(identifiers(n))
    assert {name for name, value in found.items() if value == 0} == set(measurements(n))


def test_real_features_are_no_identifiers(shared) -> None:
    from sklearn import datasets

    tables = [flights(5).drop_columns(["flight_id"])]
    for load_set in (datasets.load_breast_cancer, datasets.load_diabetes, datasets.load_wine, datasets.load_iris):
        bunch = load_set()
        tables.append(pa.table({str(name): bunch.data[:, place] for place, name in enumerate(bunch.feature_names)}))
    tables += [pa.csv.read_csv(shared / "data" / "fairness" / name) for name in ("bba-adult.csv", "fairtest-compas-two-years-noid.csv")]
    for table in tables:
        found = estimates(id_like, study(table, target=None))
        assert {name: value for name, value in found.items() if value} == {}


def test_the_note_says_how_many_values_differ() -> None:
    keys = [f"C{each}" for each in range(1000)]
    assert seen(id_like, study(pa.table({"key": [*keys, "C0", None]})))["key"].note == "1,000 different values in 1,001 rows"
    assert "fewer than 200" in (seen(id_like, study(pa.table({"key": keys[:100]})))["key"].note or "")


# power -----------------------------------------------------------------------------------------------------------------------


def naive(codes: np.ndarray, y: np.ndarray, half: np.ndarray, kind: str) -> float:
    """The same numbers, one row at a time."""
    scores = np.zeros(len(y))
    guesses = np.zeros(len(y))
    usual = np.zeros(len(y))
    for judged in (0, 1):
        fit, rows = half != judged, np.flatnonzero(half == judged)
        base = y[fit].mean()
        for row in rows:
            like = y[fit & (codes == codes[row])]
            scores[row] = (like.sum() + 10 * base) / (len(like) + 10)
            usual[row] = np.bincount(y[fit].astype(int)).argmax() if kind == "classes" else y[half == judged].mean()
            guesses[row] = np.bincount(like.astype(int)).argmax() if kind == "classes" and len(like) else usual[row]
    if kind == "binary":
        found = []
        for judged in (0, 1):
            rows = half == judged
            ones, zeros = scores[rows & (y == 1)], scores[rows & (y == 0)]
            found.append(np.mean(ones[:, None] > zeros) - np.mean(ones[:, None] < zeros))
        return float(np.mean(found))
    if kind == "number":
        return float(1 - np.sum((y - scores) ** 2) / np.sum((y - usual) ** 2))
    return float((np.mean(y == guesses) - np.mean(y == usual)) / (1 - np.mean(y == usual)))


@pytest.mark.parametrize("kind", ["binary", "number", "classes"])
def test_power_is_that_of_a_loop(kind: str) -> None:
    rng = np.random.default_rng(3)
    codes, half = rng.integers(0, 9, 700), rng.integers(0, 2, 700)
    y = {"binary": (rng.random(700) < 0.1 + codes / 12).astype(np.int64), "number": codes + rng.normal(size=700),
         "classes": np.where(rng.random(700) < 0.5, codes % 4, rng.integers(0, 4, 700))}[kind]
    found = power(Binned(codes, 10), Aim(kind, y, np.ones(700, bool), 4 if kind == "classes" else 2), half)  # type: ignore[arg-type]
    assert found is not None
    assert found.estimate == pytest.approx(max(naive(codes, y, half, kind), 0))


@pytest.mark.parametrize("kind", ["binary", "number", "classes"])
def test_the_error_of_power_is_that_of_new_rows_to_judge(kind: str) -> None:
    """The rows fitted on stay; those judged are drawn anew: the spread of what is found is the error that is claimed."""
    rng = np.random.default_rng(4)
    estimates_, errors = [], []
    for _ in range(150):
        codes, half = rng.integers(0, 6, 2000), np.arange(2000) % 2
        y = {"binary": (rng.random(2000) < 0.2 + codes / 10).astype(np.int64), "number": codes / 2 + rng.normal(size=2000),
             "classes": np.where(rng.random(2000) < 0.5, codes % 3, rng.integers(0, 3, 2000))}[kind]
        found = power(Binned(codes, 7), Aim(kind, y, np.ones(2000, bool), 3 if kind == "classes" else 2), half)  # type: ignore[arg-type]
        assert found is not None
        estimates_.append(found.estimate)
        errors.append(found.error)
    assert np.std(estimates_) == pytest.approx(np.mean(errors), rel=0.25)


def test_rows_of_an_entity_widen_the_error() -> None:
    rng = np.random.default_rng(5)
    codes, y = rng.integers(0, 5, 500), rng.integers(0, 2, 500)
    once = power(Binned(codes, 6), Aim("binary", y, np.ones(500, bool)), np.arange(500) % 2)
    many = power(Binned(np.repeat(codes, 9), 6), Aim("binary", np.repeat(y, 9), np.ones(4500, bool)), np.repeat(np.arange(500) % 2, 9), np.repeat(np.arange(500), 9))
    assert once is not None
    assert many is not None
    assert many.error == pytest.approx(once.error, rel=0.1)


@given(st.integers(0, 10_000))
def test_the_order_of_rows_changes_power_little(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, 3000)
    table = pa.table({"x": codes, "y": (rng.random(3000) < 0.1 + codes / 6).astype(np.int64), "who": rng.integers(0, 800, 3000)})
    other = table.take(pa.array(rng.permutation(3000)))
    assert estimates(lone_power, study(table, label="y", ignored="who"))["x"] == pytest.approx(estimates(lone_power, study(other, label="y", ignored="who"))["x"], abs=0.1)
    assert estimates(lone_power, study(table, label="y", entity="who"))["x"] == pytest.approx(estimates(lone_power, study(other, label="y", entity="who"))["x"], abs=1e-9)


def test_noise_has_no_power() -> None:
    rng = np.random.default_rng(6)
    columns = {f"x{place}": rng.normal(size=3000) if place % 2 else rng.integers(0, 400, 3000).astype(str) for place in range(60)}
    y = rng.random(3000) < 0.2
    for label, target in ((y.astype(np.int64), BINARY), (rng.normal(size=3000), Target("regression")),
                          (rng.integers(0, 3, 3000), Target("multiclass", (0, 1, 2)))):
        found = seen(lone_power, study(pa.table({**columns, "y": label}), label="y", target=target))
        assert max(each.spread.estimate for each in found.values() if each.spread) < 0.1
        assert sum(low(each.spread) > 0 for each in found.values()) <= 4


def test_what_tells_the_label_is_found() -> None:
    table = flights(5)
    late = table["delayed"].to_numpy()
    told = study(replaced(table, told=late * 30.0 + np.random.default_rng(0).random(len(late))), **ROLES)
    found = estimates(lone_power, told)
    assert found["told"] > 0.99
    assert max(value for name, value in found.items() if name != "told") < 0.5
    hours = Target("regression")
    told = study(replaced(table, copy=np.sqrt(table["hour"].to_numpy())), label="hour", target=hours, ignored=["flight_id", "tailnum", "time_hour"])
    assert estimates(lone_power, told)["copy"] > 0.99
    places = study(replaced(table, copy=pc.utf8_lower(table["origin"].cast(pa.string()))), label="origin", target=Target("multiclass", ("EWR", "JFK", "LGA")),
                   ignored=["flight_id", "tailnum", "time_hour"])
    assert estimates(lone_power, places)["copy"] == 1.0
    assert low(seen(lone_power, places)["copy"].spread) > 0.99


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
def test_a_copy_of_a_number_tells_it_all(sigma: float) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=1500) if sigma == 0 else np.exp(sigma * rng.normal(size=1500))
    table = pa.table({"copy": y, "scaled": 3 - 2.2 * y, "narrow": y.astype(np.float32), "bent": np.arctan(y), "walk": y + 1e-3 * rng.normal(size=1500),
                      "few": y + (rng.random(1500) < 0.01), "other": rng.normal(size=1500), "y": y})
    found = estimates(lone_power, study(table, label="y", target=Target("regression")))
    assert [name for name, value in found.items() if value == 1] == ["copy", "scaled", "narrow", "bent"]
    assert found["other"] < 0.1


def test_numbers_with_signs_are_no_identifiers() -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 2000, 1000)
    seconds = rng.integers(0, 86_400, 1000)
    found = estimates(id_like, study(pa.table({
        "money": [f"${each:,.2f}" for each in values], "share": [f"{each / 100:.3f}%" for each in values], "weight": [f"{each:.3f} kg" for each in values],
        "clock": [f"{each // 3600:02d}:{each // 60 % 60:02d}:{each % 60:02d}" for each in seconds],
        "place": [f"{a:.4f},{b:.4f}" for a, b in rng.normal(size=(1000, 2))], "thousands": [f"{each:,.2f}" for each in values],
        "key": [f"K{each:,.0f}" for each in values * 1e6], "address": [f"10.{each}.{place % 256}.7" for place, each in enumerate(seconds)],
    }), target=None))
    assert {name for name, value in found.items() if value} == {"key", "address"}


def test_labels_that_do_not_differ_say_nothing() -> None:
    table = pa.table({"x": np.arange(500.0), "y": np.zeros(500, np.int64)})
    for target in (BINARY, Target("regression"), Target("multiclass", (0, 1, 2))):
        assert seen(lone_power, study(table, label="y", target=target))["x"].spread is None


def test_many_classes_and_many_values_fit_in_memory() -> None:
    rng = np.random.default_rng(0)
    of = study(pa.table({"x": rng.permutation(20_000).astype(str), "y": rng.integers(0, 900, 20_000)}), label="y", target=Target("multiclass", tuple(range(900))))
    assert estimates(lone_power, of)["x"] == pytest.approx(0, abs=0.02)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=200), st.integers(2, 32))
def test_edges_rise(values: list[float], count: int) -> None:
    found = edges(np.array(values, np.float64), count)
    assert (np.diff(found) > 0).all()
    assert len(found) <= 2 * count


# times and entities -------------------------------------------------------------------------------------------------------------


def test_late_features_are_counted() -> None:
    hour = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    table = pa.table({"income": [1.0, 2.0, 3.0, 4.0, 5.0], "age": [1, 2, 3, 4, 5],
                      "at": pa.array([hour] * 5, pa.timestamp("ms", "UTC")),
                      "known": pa.array([hour, hour - dt.timedelta(1), hour + dt.timedelta(seconds=1), None, hour], pa.timestamp("us", "UTC")),
                      "day": pa.array([hour.date()] * 4 + [hour.date() + dt.timedelta(1)])})
    of = study(table, target=None, timestamp="at", available_at={"income": "known", "age": "day"})
    assert estimates(known_late, of) == {"income": 0.25, "age": 0.2}
    assert seen(known_late, of)["income"].n == 4


def test_late_rows_of_one_entity_are_one_observation() -> None:
    hits = np.repeat(np.arange(100) % 4 == 0, 10)
    assert share(hits, np.repeat(np.arange(100), 10)).n == pytest.approx(100, rel=0.02)
    assert share(hits).n == 1000
    assert share(np.zeros(10, bool), np.arange(10) // 2) == Spread("binomial", 0.0, n=5.0, df=4.0)


def remembered(gain: float, *, entities: int = 200, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Train and data of entities each with its own level; the scores of the data know those of train by ``gain``."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(entities), 20)
    level = rng.beta(0.5, 0.5, entities)[who]
    label = (rng.random(len(who)) < level).astype(np.int64)
    score = np.where(who % 2 == 0, gain * level + (1 - gain) * 0.5, 0.5)
    table = pa.table({"who": who.astype(str), "y": label, "p": score})
    return table.filter(pa.array(who % 2 == 0)), table


def logged(train: pa.Table, data: pa.Table):
    of = study(data, train, label="y", entity="who", score="p")
    from dataclasses import replace

    return replace(of, logged=Logged.of(of.schema))


def test_a_model_that_knows_entities_by_heart_gains_on_them() -> None:
    reading = seen(seen_entity_gain, logged(*remembered(0.9)))[None]
    assert low(reading.spread) > 0.3
    assert reading.note == "2,000 rows of 100 entities that are not in train, 2,000 rows of 100 that are"
    none = seen(seen_entity_gain, logged(*remembered(0.0)))[None].spread
    assert none is not None
    assert abs(none.estimate) < 1e-9


def test_seen_entities_gain_nothing_by_chance() -> None:
    alarms = 0
    for seed in range(100):
        train, data = remembered(0.0, entities=60, seed=seed)
        rng = np.random.default_rng(seed)
        spread = seen(seen_entity_gain, logged(train, replaced(data, p=np.clip(0.5 + 0.3 * rng.normal(size=60)[np.repeat(np.arange(60), 20)], 0, 1))))[None].spread
        assert spread is not None
        alarms += spread.p_at_most(0.0) < 0.025
    assert alarms <= 7


def test_few_entities_say_nothing() -> None:
    train, data = remembered(0.9, entities=16)
    assert "too few" in (seen(seen_entity_gain, logged(train, data))[None].note or "")


def test_entity_gain_of_numbers_is_that_of_absolute_errors() -> None:
    rng = np.random.default_rng(0)
    who = np.arange(1000) % 50
    data = pa.table({"who": who, "x": rng.normal(size=1000), "y": np.where(who < 25, 1.0, 3.0)})
    model = load(lambda batch: np.zeros(batch.num_rows), task="regression", features=["x"])
    of = study(data, data.filter(pc.less(data["who"], 25)), label="y", entity="who", target=Target("regression"), model=model)
    assert estimates(seen_entity_gain, of) == {None: pytest.approx((3 - 1) / 2)}


@pytest.mark.parametrize("screen", ALL, ids=lambda each: each.name)
@pytest.mark.parametrize("name", list(strange()))
def test_no_table_makes_it_fail(name: str, screen) -> None:
    table = strange()[name]
    for label, target in (("y", BINARY), ("huge", Target("regression")), ("empty", Target("regression"))):
        if label == "huge" and name != "all":
            continue
        of = study(table, table, label=label, entity="who", target=target, timestamp="day", available_at={"text": "day"})
        for reading in screen.function(of):
            assert reading.spread is None or np.isfinite(reading.spread.estimate)
            assert reading.spread is not None or reading.note


@given(st.data())
def test_arbitrary_tables_are_read(data) -> None:
    rows = data.draw(st.integers(0, 400))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.normal(size=rows) * 10.0 ** data.draw(st.integers(-300, 300))
    table = pa.table({"x": x, "i": rng.integers(-(2**62), 2**62, rows) >> data.draw(st.integers(0, 61)), "y": rng.integers(0, 2, rows)})
    of = study(table, table, label="y")
    for screen in (shared_rows, id_like, lone_power):
        for value in [] if rows == 0 else screen.values(of):
            assert value.value is None or 0 <= value.value <= 1


def test_shared_parts_agree_with_their_formulas() -> None:
    of = study(flights(5), **ROLES)
    cluster = clusters(of.data)
    assert cluster is not None
    assert len(np.unique(cluster)) == pytest.approx(pc.count_distinct(of.data.table["tailnum"]).as_py(), abs=0)
    half = halves(of)
    assert max(np.bincount(cluster[half == 0], minlength=cluster.max() + 1)[np.unique(cluster[half == 1])]) == 0
    assert bins(of, "precip").width <= 66
    assert aim(of).kind == "binary"
    assert error(np.ones(4), np.zeros(4, np.int64))[0] == np.inf
