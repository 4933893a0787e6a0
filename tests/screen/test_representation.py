from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.screen.representation import thin_in_train, thin_region
from tests.screen.studies import ROLES, estimates, flights, numbers, replaced, seen, strange, study


def halved(seed: int, months: tuple[int, int] = (3, 5)) -> tuple[pa.Table, pa.Table]:
    """Flights that fly at random either in the data or in train."""
    table = flights(*months)
    train = np.random.default_rng(seed).random(len(table)) < 0.6
    return table.filter(pa.array(~train)), table.filter(pa.array(train))


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_one_population_are_nowhere_thin(seed: int) -> None:
    data, train = halved(seed)
    of = study(data, train, **ROLES)
    assert {name: value for name, value in estimates(thin_in_train, of).items() if value > 0} == {}
    assert estimates(thin_region, of) == {None: 0.0}


def test_small_samples_of_one_population_are_nowhere_thin() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        data, train = (pa.table({"x": rng.normal(size=n), "z": rng.zipf(1.5, n).clip(0, 500), "c": rng.zipf(1.5, n).astype(str)}) for n in (800, 500))
        of = study(data, train, target=None)
        alarms += any(estimates(thin_in_train, of).values()) or estimates(thin_region, of)[None] > 0
    assert alarms <= 1


def test_a_carrier_that_was_left_out_is_named() -> None:
    data, train = halved(0)
    few = train.filter(pc.not_equal(train["carrier"].cast(pa.string()), "B6"))
    some = train.filter(pc.equal(train["carrier"].cast(pa.string()), "B6")).slice(0, 30)
    reading = seen(thin_in_train, study(data, pa.concat_tables([few, some]).unify_dictionaries(), **ROLES))["carrier"]
    share = pc.mean(pc.equal(data["carrier"].cast(pa.string()), "B6")).as_py()
    assert reading.spread is not None
    low, high = reading.spread.interval(0.999)
    assert low <= share <= high
    told = re.fullmatch(r"carrier B6: about (\d+) rows to train on, ([\d,]+) judged", reading.note or "")
    assert told
    assert 10 <= int(told[1]) <= 60
    assert int(told[2].replace(",", "")) == pytest.approx(share * len(data), rel=0.05)


def test_a_range_that_was_left_out_is_named() -> None:
    data, train = halved(1)
    found = seen(thin_in_train, study(data, train.filter(pc.less(train["distance"], 2000)), **ROLES))
    spread = found["distance"].spread
    assert spread is not None
    assert spread.estimate > 0.6 * pc.mean(pc.greater_equal(data["distance"], 2000)).as_py()
    assert (found["distance"].note or "").startswith(("distance 2", "distance >= 2"))
    assert estimates(thin_in_train, study(data, train, **ROLES))["distance"] == 0


def naive(data: list[str], train: list[str]) -> float:
    found = 0
    for each in set(data):
        here, there = data.count(each), train.count(each)
        asked = here / len(data) * len(train)
        if here >= 10 and asked >= 10 and there < 0.1 * asked and there < 200:
            found += here
    return found / len(data)


@given(st.integers(0, 10_000), st.integers(300, 600), st.integers(300, 600))
def test_thin_groups_are_those_of_a_loop(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    here, there = rng.zipf(1.3, n).clip(0, 30).astype(str).tolist(), (rng.zipf(2.5, m).clip(0, 30)).astype(str).tolist()
    assert estimates(thin_in_train, study(pa.table({"c": here}), pa.table({"c": there}), target=None))["c"] == pytest.approx(naive(here, there))


def test_a_huge_train_set_has_enough_of_what_is_rare() -> None:
    data = pa.table({"c": ["a"] * 500 + ["b"] * 500})
    train = pa.table({"c": ["a"] * 30_000 + ["b"] * 900})
    assert estimates(thin_in_train, study(data, train, target=None, rows=2000))["c"] == 0.0
    assert estimates(thin_in_train, study(data, pa.table({"c": ["a"] * 30_000 + ["b"] * 90}), target=None, rows=2000))["c"] == 0.5


def test_few_people_of_a_protected_group_are_not_counted_out() -> None:
    data, train = pa.table({"race": ["a"] * 500 + ["b"] * 500}), pa.table({"race": ["a"] * 998 + ["b"] * 2})
    of = study(data, train, target=None, protected="race")
    assert seen(thin_in_train, of)["race"].note == "race b: fewer than 5 rows to train on, 500 judged"
    assert seen(thin_in_train, study(data, train, target=None))["race"].note == "race b: 2 rows to train on, 500 judged"


def test_the_oldest_person_is_not_named() -> None:
    rng = np.random.default_rng(0)
    data, train = pa.table({"age": np.append(rng.normal(60, 9, 2000).round(2), 101.25)}), pa.table({"age": rng.normal(55, 6, 2000)})
    note = seen(thin_in_train, study(data, train, target=None, protected="age"))["age"].note or ""
    assert note.startswith("age >= 7")
    assert "101" not in note


def test_times_and_identifiers_are_left_out() -> None:
    n = 1000
    times = pa.array(np.arange(n), pa.timestamp("s"))
    data = pa.table({"at": times, "key": [f"k{each}" for each in range(n)], "number": np.arange(n), "x": np.zeros(n), "only": np.zeros(n)})
    train = pa.table({"at": times, "key": [f"z{each}" for each in range(n)], "number": np.arange(n) + n, "x": np.zeros(n)})
    assert estimates(thin_in_train, study(data, train, target=None)) == {"x": 0.0}
    assert estimates(thin_region, study(data, train, target=None)) == {None: 0.0}


# regions ------------------------------------------------------------------------------------------------------------------------


def test_a_region_of_two_columns_is_described() -> None:
    data, train = halved(2)
    inside = [pc.and_(pc.greater_equal(each["temp"], 60.0), pc.equal(each["origin"].cast(pa.string()), "JFK")) for each in (data, train)]
    of = study(data, train.filter(pc.fill_null(pc.invert(inside[1]), True)), **ROLES)
    reading = seen(thin_region, of)[None]
    assert reading.spread is not None
    share = pc.mean(pc.fill_null(inside[0], False)).as_py()
    assert 0.6 * share < reading.spread.estimate < 1.1 * share
    assert "origin JFK" in (reading.note or "")
    assert "temp >= 6" in (reading.note or "")
    assert "about 0 rows to train on" in (reading.note or "")
    each = estimates(thin_in_train, of)
    assert each["origin"] == each["temp"] == 0   # neither column alone shows it


def test_a_region_is_counted_in_rows_that_did_not_choose_it() -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{place}": rng.normal(size=3000) for place in range(30)}
    data, train = pa.table(columns).slice(0, 1500), pa.table(columns).slice(1500)
    reading = seen(thin_region, study(data, train, target=None))[None]
    assert reading.spread is not None
    assert reading.spread.estimate == 0
    assert reading.n < 1500


def test_missing_values_are_a_region() -> None:
    data, train = halved(3)
    pressure = pa.array(np.where(np.arange(len(data)) % 3 == 0, np.nan, numbers(data, "pressure")), from_pandas=True)
    whole = train.filter(pc.is_valid(train["pressure"]))
    of = study(replaced(data, pressure=pressure), whole, **ROLES)
    assert estimates(thin_in_train, of)["pressure"] > 0.3
    reading = seen(thin_region, of)[None]
    assert reading.spread is not None
    assert reading.spread.estimate > 0.3
    assert "pressure missing" in (reading.note or "")


@pytest.mark.parametrize("screen", [thin_in_train, thin_region], ids=lambda each: each.name)
@pytest.mark.parametrize("name", list(strange()))
def test_no_table_makes_it_fail(name: str, screen) -> None:
    table, whole = strange()[name], strange()["all"]
    for data, train in ((table, whole), (whole, table), (pa.concat_tables([whole, whole, whole]), pa.concat_tables([whole, whole]))):
        for reading in screen.function(study(data, train, label="y", entity="who", protected="coded")):
            assert reading.spread is None or 0 <= reading.spread.estimate <= 1
            assert reading.spread is not None or reading.note


@given(st.integers(0, 10_000), st.integers(400, 700))
def test_arbitrary_numbers_are_read(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    data = pa.table({"x": rng.normal(size=n) * 10.0 ** rng.integers(-300, 300), "i": rng.integers(-(2**62), 2**62, n) >> rng.integers(0, 61)})
    for screen in (thin_in_train, thin_region):
        assert all(0 <= each <= 1 for each in estimates(screen, study(data, data, target=None)).values())
