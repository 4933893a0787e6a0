from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.screen.unit import KNOWN, conversion, unit_changed
from tests.screen.studies import ROLES, estimates, flights, numbers, replaced, seen, strange, study

WEATHER = ("temp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib", "distance", "hour", "minute")
SEASON = list(itertools.permutations((1, 4, 5, 8, 11), 2))


def converted(factor: float, offset: float = 0.0, column: str = "temp", month: int = 5) -> dict[str, float]:
    table = flights(month)
    return {name: value for name, value in estimates(unit_changed, study(
        replaced(table, **{column: numbers(table, column) * factor + offset}), reference=flights(month - 1), **ROLES)).items() if value}


@pytest.mark.parametrize(("before", "after"), SEASON)
def test_seasons_are_no_units(before: int, after: int) -> None:
    found = estimates(unit_changed, study(flights(after), reference=flights(before), **ROLES))
    assert set(WEATHER) <= set(found)
    assert {name: value for name, value in found.items() if value} == {}


@pytest.mark.parametrize(("column", "factor", "offset"), [
    ("temp", 5 / 9, -160 / 9), ("temp", 5 / 9, 459.67 * 5 / 9), ("pressure", 1 / 33.86389, 0), ("pressure", 100, 0), ("distance", 1000, 0),
    ("humid", 0.01, 0), ("temp", 10, 0),
])
def test_another_unit_is_found_a_month_later(column: str, factor: float, offset: float) -> None:
    assert converted(factor, offset, column) == {column: 1.0}


def test_the_note_says_which_unit() -> None:
    table = flights(5)
    of = study(replaced(table, temp=(numbers(table, "temp") - 32) * 5 / 9), reference=flights(4), **ROLES)
    assert seen(unit_changed, of)["temp"].note == "as if multiplied by 0.5556 and less 17.78, like degrees Fahrenheit to degrees Celsius"


@pytest.mark.parametrize("known", [each for each in KNOWN if each.name], ids=lambda each: each.name)
def test_every_known_conversion_is_found_where_it_moves_the_values_apart(known) -> None:
    rng = np.random.default_rng(0)
    values, later = (np.abs(rng.normal(60, 8, 4000)) for _ in range(2))
    found = conversion(values, later * known.factor + known.offset)
    if known.offset or abs(np.log(known.factor)) > 0.25:
        assert found is not None
        assert found.factor == pytest.approx(known.factor, rel=0.06)
    else:
        assert found is None or found.factor == pytest.approx(known.factor, rel=0.1)


def test_an_unknown_factor_must_be_large() -> None:
    rng = np.random.default_rng(1)
    values, later = rng.gamma(20, size=3000), rng.gamma(20, size=3000)
    assert conversion(values, later * 1.4) is None
    found = conversion(values, later * 600)
    assert found is not None
    assert found.factor == pytest.approx(600, rel=0.02)


def test_seconds_and_milliseconds_are_told_although_time_goes_on() -> None:
    april, may = 1_365_000_000 + np.arange(5000) * 500, 1_368_000_000 + np.arange(5000) * 520
    table = pa.table({"at": may * 1000, "x": may % 997})
    of = study(table, reference=pa.table({"at": april, "x": april % 997}), target=None)
    assert estimates(unit_changed, of) == {"at": 1.0, "x": 0.0}
    assert "seconds since 1970 to milliseconds" in (seen(unit_changed, of)["at"].note or "")
    assert conversion(april.astype(float), may.astype(float)) is None


def test_fractions_are_compared_with_whole_numbers_and_text_is_not() -> None:
    rng = np.random.default_rng(0)
    cm, text = rng.integers(150, 200, 2000), ["a", "b"] * 1000
    of = study(pa.table({"size": cm / 100, "t": text}), reference=pa.table({"size": cm, "t": text}), target=None)
    assert estimates(unit_changed, of) == {"size": 1.0}
    assert estimates(unit_changed, study(pa.table({"size": cm}), reference=pa.table({"other": cm}), target=None)) == {}


def test_other_ids_are_no_other_unit() -> None:
    before, after = (pa.table({"key": np.arange(3000) + start, "x": np.arange(3000.0)}) for start in (10_000, 61_000))
    assert estimates(unit_changed, study(after, reference=before, target=None)) == {"x": 0.0}


def test_few_numbers_say_nothing() -> None:
    table = pa.table({"x": np.arange(100.0)})
    assert seen(unit_changed, study(table, reference=table, target=None))["x"].spread is None


@given(st.integers(0, 10_000), st.floats(-2, 2), st.floats(0.6, 1.6), st.sampled_from(["normal", "gamma", "lognormal", "uniform"]))
def test_a_shift_with_a_little_scale_is_no_unit(seed: int, shift: float, scale: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    before, now = ({"normal": rng.normal(size=1500), "gamma": rng.gamma(3, size=1500), "lognormal": np.exp(rng.normal(size=1500)),
                    "uniform": rng.random(1500)}[kind] for _ in range(2))
    place = 40.0 if kind == "normal" else 0.0
    assert conversion(before + place, now * scale + place + shift * before.std()) is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50),
       st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_any_numbers_are_compared(before: list[float], now: list[float]) -> None:
    conversion(np.array(before * 5), np.array(now * 5))


@pytest.mark.parametrize("name", list(strange()))
def test_no_table_makes_it_fail(name: str) -> None:
    table = strange()[name]
    assert all(each.spread is None or each.spread.estimate == 0 for each in unit_changed.function(study(table, reference=table)))
