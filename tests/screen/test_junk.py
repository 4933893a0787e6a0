from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.screen.junk import _apart, _flips, _repeated, placeholder_rows, placeholder_share, repeated_blocks, suspect_labels
from assay.summary.target import Target
from tests.screen.studies import BINARY, ROLES, estimates, flights, low, numbers, replaced, seen, strange, study


def put(values: object, stand_in: object, share: float = 0.02, seed: int = 0) -> list[object]:
    """Some values replaced by a stand-in."""
    found = list(values)  # type: ignore[call-overload]
    for place in np.random.default_rng(seed).choice(len(found), int(share * len(found)), replace=False):
        found[place] = stand_in
    return found


def share_of(values: object, **kind: object) -> tuple[float, str | None]:
    reading = seen(placeholder_share, study(pa.table({"x": values if isinstance(values, pa.Array) else pa.array(values, **kind)}), target=None))["x"]
    assert reading.spread is not None
    return reading.spread.estimate, reading.note


# stand-ins ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("column", "stand_in"), [
    ("temp", -999.0), ("temp", -9999.0), ("humid", 999.0), ("pressure", 0.0), ("pressure", -1.0), ("distance", 99999.0), ("wind_dir", 990909.0),
    ("hour", 99.0), ("visib", -9.0), ("wind_speed", -1.0), ("temp", 9.969209968386869e36), ("distance", -2147483648.0), ("precip", 99.99),
])
def test_a_stand_in_among_real_numbers_is_found(column: str, stand_in: float) -> None:
    table = flights(5)
    values = put(numbers(table, column), stand_in, 0.01)
    reading = seen(placeholder_share, study(replaced(table, **{column: values}), **ROLES))
    assert {name for name, each in reading.items() if each.spread and each.spread.estimate} == {column}
    spread = reading[column].spread
    assert spread is not None
    assert spread.interval()[0] <= 0.0104
    assert spread.interval()[1] >= 0.0096
    assert f"rows hold {stand_in:.10g}" in (reading[column].note or "")


@pytest.mark.parametrize("month", range(1, 13))
def test_the_flights_of_a_year_hold_no_stand_ins(month: int) -> None:
    of = study(flights(month), **ROLES)
    assert {name: value for name, value in estimates(placeholder_share, of).items() if value} == {}
    assert estimates(placeholder_rows, of) == {None: 0.0}
    assert estimates(repeated_blocks, of) == {None: 0.0}


def test_real_tables_without_stand_ins() -> None:
    from sklearn import datasets

    for load_set in (datasets.load_breast_cancer, datasets.load_diabetes, datasets.load_wine, datasets.load_iris, datasets.load_digits):
        bunch = load_set()
        of = study(pa.table({f"x{place}": bunch.data[:, place] for place in range(bunch.data.shape[1])}), target=None)
        assert {name: value for name, value in estimates(placeholder_share, of).items() if value} == {}


def test_the_stand_ins_of_known_tables_are_found(shared) -> None:
    folder = shared / "data" / "fairness"
    adult = estimates(placeholder_share, study(pa.csv.read_csv(folder / "bba-adult.csv"), target=None))
    assert {name for name, value in adult.items() if value} == {"workclass", "occupation", "native-country", "capital-gain"}
    options = {"parse_options": pa.csv.ParseOptions(delimiter=";"), "read_options": pa.csv.ReadOptions(autogenerate_column_names=True)}
    bank = seen(placeholder_share, study(pa.csv.read_csv(folder / "bank-marketing-raw-4521.csv", **options), target=None))
    assert {name: each.note for name, each in bank.items() if each.spread and each.spread.estimate} == {"f13": "3,705 rows hold -1"}
    for name in ("bba-german_categorical.csv", "fairtest-berkeley.csv", "aft-bank-coded.csv"):
        found = estimates(placeholder_share, study(pa.csv.read_csv(folder / name), target=None))
        assert {column: value for column, value in found.items() if value} == {}


@pytest.mark.parametrize("values", [
    np.random.default_rng(0).integers(-1, 2, 3000), np.random.default_rng(0).integers(0, 100, 3000), np.random.default_rng(0).normal(3, 1.5, 3000).round(),
    np.where(np.random.default_rng(0).random(3000) < 0.9, 0.0, np.random.default_rng(1).gamma(2, 0.1, 3000)), np.random.default_rng(0).poisson(2, 3000),
    np.where(np.random.default_rng(0).random(3000) < 0.6, 0, np.random.default_rng(1).integers(5000, 6000, 3000)), np.arange(3000),
    np.random.default_rng(0).standard_cauchy(3000), np.random.default_rng(0).integers(0, 2, 3000), np.full(3000, -999), np.repeat([0, 50, 100], 1000),
    np.random.default_rng(0).integers(17, 100, 3000), np.exp(np.random.default_rng(0).normal(0, 3, 3000)), np.random.default_rng(0).integers(-9, 50, 3000),
], ids=["signs", "percent", "rounded", "rain", "counts", "bonus", "index", "cauchy", "flag", "constant", "doses", "ages", "lognormal", "negative"])
def test_legitimate_numbers_are_none(values) -> None:
    assert share_of(values) == (0.0, None)


@pytest.mark.parametrize(("values", "found"), [
    (["good", "bad"] * 100 + ["?"] * 20, 20 / 220), (["good", "bad"] * 100 + ["N/A", " null "], 2 / 202), (["none", "mild", "severe"] * 50, 0),
    (["unknown", "cellular", "telephone"] * 50, 0), (["+", "-"] * 50, 0), (["a", "b", "-"] * 50, 1 / 3), (["train", "test"] * 50, 0),
    ([f"name {each}" for each in range(95)] + ["test"] * 5, 0.05), ([f"name {each}" for each in range(95)] + ["unknown"] * 5, 0.05),
    (["x", "", None] * 50, 0.5), (["Namibia", "NA", "Norway"] * 30, 0),
])
def test_words_that_stand_for_nothing(values: list[str], found: float) -> None:
    assert share_of(values)[0] == pytest.approx(found)
    assert share_of(pa.array(values).dictionary_encode())[0] == pytest.approx(found)


def test_days_that_stand_for_nothing() -> None:
    days = [dt.date(1950, 1, 1) + dt.timedelta(days=19 * each) for each in range(1000)]
    assert share_of(days) == (0.0, None)
    assert share_of(put(days, dt.date(1900, 1, 1))) == (0.02, "20 rows hold 1900-01-01")
    assert share_of(put(days, dt.date(9999, 12, 31))) == (0.02, "20 rows hold 9999-12-31")
    assert share_of(put(days, dt.date(1970, 1, 1))) == (0.0, None)   # people were born on that day
    moments = [dt.datetime(2013, 5, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=each) for each in range(1000)]
    assert share_of(put(moments, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)), type=pa.timestamp("ms", "UTC"))[0] == 0.02


@given(st.lists(st.integers(0, 60), min_size=30, max_size=300), st.sampled_from([-999.0, 9999.0, 99999.0, -9999.0]), st.integers(3, 9))
def test_the_order_of_values_does_not_matter_and_a_far_code_is_always_found(values: list[int], stand_in: float, times: int) -> None:
    values = [*values, 0, 1, 7]
    different, counts = np.unique(np.array([*values, *[stand_in] * times], float), return_counts=True)
    assert stand_in in _apart(different, counts).tolist()


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=200))
def test_what_occurs_once_or_twice_is_no_stand_in(values: list[float]) -> None:
    different = np.unique(np.array(values))
    assert not len(_apart(different, np.full(len(different), 2)))


def test_junk_rows_hold_several_stand_ins_or_speak_of_tests() -> None:
    table = flights(5).slice(0, 5000)
    columns = {name: numbers(table, name).copy() for name in ("temp", "humid", "pressure")}
    for values in columns.values():
        values[100:150] = -999
    columns["temp"][200:300] = -999
    of = study(replaced(table, **columns), **ROLES)
    assert estimates(placeholder_rows, of) == {None: 0.01}
    assert seen(placeholder_rows, of)[None].note == "50 of stand-ins among the sampled rows"
    mails = [f"p{each}@mail.net" if each % 100 else "someone@example.com" for each in range(5000)]
    assert estimates(placeholder_rows, study(replaced(table, mail=mails), **ROLES)) == {None: 0.01}
    who = ["Ann Test", "Contest user", "Testa Rossa", "test user 7"] * 1250
    assert estimates(placeholder_rows, study(replaced(table, who=who), **ROLES)) == {None: 0.25}


# blocks -------------------------------------------------------------------------------------------------------------------------


def naive(rows: list[int]) -> set[int]:
    found: set[int] = set()
    for one in range(len(rows) - 4):
        for other in range(one + 5, len(rows) - 4):
            if rows[one : one + 5] == rows[other : other + 5]:
                found |= set(range(one, one + 5)) | set(range(other, other + 5))
    return found


@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(2, 40)), max_size=4))
def test_blocks_are_those_of_two_loops(seed: int, copies: list[tuple[int, int, int]]) -> None:
    rows = list(range(300))
    for start, at, size in copies:
        rows[at:at] = rows[start : start + size]
    prints = np.random.default_rng(seed).integers(0, 2**63, 300).astype(np.uint64)[np.array(rows)]
    inside, first = _repeated(prints)
    assert set(np.flatnonzero(inside)) == naive(rows)
    assert (first is None) == (not inside.any())


def test_a_block_delivered_twice_is_found() -> None:
    table = flights(5)
    of = study(pa.concat_tables([table.slice(0, 9000), table.slice(2000, 500), table.slice(9000, 500)]), **ROLES)
    reading = seen(repeated_blocks, of)[None]
    assert reading.spread is not None
    assert reading.spread.estimate == pytest.approx(0.1)
    assert reading.note == "the rows from 2,001 on come again from row 9,001 on; 1,000 rows are in such blocks"


@pytest.mark.parametrize("kind", ["constant", "flag", "few", "slow", "cycle", "pairs"])
def test_rows_that_repeat_are_no_blocks(kind: str) -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    codes = {"constant": np.zeros(n), "flag": rng.integers(0, 2, n), "few": rng.integers(0, 40, n), "slow": np.repeat(rng.integers(0, 30, n // 20), 20),
             "cycle": np.arange(n) % 2, "pairs": np.repeat(rng.integers(0, 2**40, n // 2), 2)}[kind]
    assert not _repeated(np.unique(codes, return_inverse=True)[1].astype(np.uint64) * np.uint64(2654435761))[0].any()


# labels -------------------------------------------------------------------------------------------------------------------------


def flipped(table: pa.Table, label: str, share: float, classes: int, seed: int = 0, **roles: object):
    rng = np.random.default_rng(seed)
    y = table[label].to_numpy().astype(np.int64)
    some = rng.random(len(y)) < share
    wrong = np.where(some, (y + rng.integers(1, classes, len(y))) % classes, y)
    target = BINARY if classes == 2 else Target("multiclass", tuple(range(classes)))
    return study(replaced(table, **{label: wrong}), label=label, target=target, **roles), float(some.mean())


def packaged(name: str) -> pa.Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    return pa.table({**{f"x{place}": bunch.data[:, place] for place in range(bunch.data.shape[1])}, "y": bunch.target})


@pytest.mark.parametrize(("name", "classes"), [("breast_cancer", 2), ("digits", 10)])
def test_flipped_labels_are_found_and_right_ones_are_not_suspected(name: str, classes: int) -> None:
    clean = seen(suspect_labels, flipped(packaged(name), "y", 0.0, classes)[0])[None].spread
    assert clean is not None
    assert clean.p_at_most(0.01) > 0.05
    assert clean.estimate < 0.01
    of, share = flipped(packaged(name), "y", 0.1, classes)
    found = seen(suspect_labels, of)[None].spread
    assert low(found) > 0.02
    assert found is not None
    assert 0.4 * share < found.estimate < 1.3 * share


@pytest.mark.parametrize("month", [1, 5])
def test_a_problem_in_which_nobody_can_be_sure_does_not_alarm(month: int) -> None:
    roles = {name: each for name, each in ROLES.items() if name != "label"}
    found = seen(suspect_labels, flipped(flights(month), "delayed", 0.0, 2, **roles)[0])[None].spread
    assert found is not None
    assert found.p_at_most(0.02) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
def test_noisy_problems_rarely_alarm(noise: float) -> None:
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(3000, 4))
        y = (x @ [2, 1, 0, 0] + noise * rng.logistic(size=3000) > 1).astype(np.int64)
        spread = seen(suspect_labels, study(pa.table({**{f"x{place}": x[:, place] for place in range(4)}, "y": y}), label="y"))[None].spread
        assert spread is not None
        alarms += spread.p_at_most(0.02) < 0.025
    assert alarms <= 2


def test_the_share_of_flips_is_estimated() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 4, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-margin))
    weight, gain = _flips(margin, np.where(rng.random(20_000) < 0.06, ~truth, truth).astype(float))
    assert weight.mean() == pytest.approx(0.06, abs=0.01)
    assert gain > 100
    weight, gain = _flips(margin, truth.astype(float))
    assert weight.mean() < 0.005


def test_labels_that_cannot_be_suspected() -> None:
    table = pa.table({"x": np.arange(300.0), "y": np.arange(300) % 2})
    assert "classes" in (seen(suspect_labels, study(table, label="y", target=Target("regression")))[None].note or "")
    assert "200 labelled rows" in (seen(suspect_labels, study(table.slice(0, 100), label="y"))[None].note or "")
    many = Target("multiclass", tuple(range(30)))
    assert "more than 10" in (seen(suspect_labels, study(pa.table({"x": np.arange(3000.0), "y": np.arange(3000) % 30}), label="y", target=many))[None].note or "")


@pytest.mark.parametrize("screen", [placeholder_share, placeholder_rows, repeated_blocks, suspect_labels], ids=lambda each: each.name)
@pytest.mark.parametrize("name", list(strange()))
def test_no_table_makes_it_fail(name: str, screen) -> None:
    of = study(strange()[name], label="y", entity="who")
    for reading in screen.function(of):
        assert reading.spread is None or 0 <= reading.spread.estimate <= 1
        assert reading.spread is not None or reading.note
