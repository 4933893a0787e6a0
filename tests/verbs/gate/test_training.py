"""The gate of training data: each fault is named in the first lines, and clean data of another month pass."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from assay.errors import ConfigError, EmptyDataError, UnknownColumnError
from assay.store import Note, Store
from assay.verbs.gate.training import training

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
A_DAY = 150
ROLES = {"label": "late", "id": "id", "timestamp": "at"}
SOURCES = {"weather": ["temp", "wind"]}


def days(first: int, count: int, seed: int = 0) -> pa.Table:
    """Return days of a stream with a season, in which the delay so far tells much of the label."""
    rng = np.random.default_rng(seed + first)
    n = count * A_DAY
    day = np.repeat(np.arange(first, first + count), A_DAY)
    minute = rng.integers(0, 1440, n)
    at = [START + dt.timedelta(days=int(d), minutes=int(m)) for d, m in zip(day, minute, strict=True)]
    temp = 50 + 15 * np.sin(day / 58) + 6 * np.sin(minute / 229) + rng.normal(0, 4, n)
    delay = rng.gamma(1.2, 20, n)
    arrival = delay + rng.normal(0, 6, n) + np.repeat(rng.normal(0, 2, count), A_DAY)
    wind = pa.array(rng.gamma(3, 4, n).round(1), mask=rng.random(n) < 0.02)
    return pa.table({"id": np.arange(n) + first * 100_000, "at": pa.array(at, pa.timestamp("us", "UTC")), "temp": temp.round(2), "wind": wind,
                     "carrier": rng.choice(["AA", "B6", "DL", "UA"], n, p=[0.3, 0.1, 0.3, 0.3]), "delay": delay.round(1),
                     "distance": rng.choice([200.0, 500.0, 700.0, 1000.0, 2500.0], n) + rng.integers(0, 99, n), "arrival": arrival,
                     "late": (arrival > 15).astype(int)})


OLD = days(0, 84).drop_columns(["arrival"])
WHOLE = days(84, 28)
NEW = WHOLE.drop_columns(["arrival"])
HELD = days(112, 7).drop_columns(["arrival"])


def put(table: pa.Table, **columns) -> pa.Table:
    for name, values in columns.items():
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        table = table.set_column(table.schema.get_field_index(name), name, array)
    return table


def gone(table: pa.Table, mask) -> pa.Table:
    return put(table, temp=np.where(mask, np.nan, table["temp"].to_numpy()), wind=np.where(mask, np.nan, table["wind"].to_numpy()))


def of(table: pa.Table, day: int) -> np.ndarray:
    return np.arange(table.num_rows) // A_DAY == day


def judged(new=NEW, held=None, **options):
    return training(new, history=OLD, validation=held, sources=SOURCES, **{**ROLES, **options})


def first(run, count: int = 3) -> str:
    return " | ".join(each.sentence for each in run.verdicts[:count] if each.verdict != "pass")


def test_clean_data_of_another_month_pass() -> None:
    run = judged(held=HELD)
    assert not [each.sentence for each in run.verdicts if each.verdict == "fail"]
    assert run.exit_code == 0
    assert run.about["rows"] == NEW.num_rows


def test_a_day_without_weather_is_named_with_its_date() -> None:
    run = judged(gone(NEW, of(NEW, 10)))
    assert run.verdict == "fail"
    assert "weather (temp and wind) have no value on 2026-04-09: 150 of 4,200 rows" in first(run, 1)


@pytest.mark.parametrize(("words", "new"), [
    (("temp", "units", "Fahrenheit"), put(NEW, temp=(NEW["temp"].to_numpy() - 32) * 5 / 9)),
    (("does not mean", "delay"), put(NEW, late=(WHOLE["arrival"].to_numpy() > 30).astype(int))),
    (("does not mean",), put(NEW, late=1 - NEW["late"].to_numpy())),
    (("share of late",), put(NEW, late=np.zeros(NEW.num_rows, int))),
    (("carrier has no 'B6'",), NEW.filter(pc.not_equal(NEW["carrier"], "B6"))),
    (("wind is missing in",), put(NEW, wind=np.where(np.arange(NEW.num_rows) % 5 == 0, np.nan, NEW["wind"].to_numpy()))),
    (("distance", "tells"), put(NEW, distance=NEW["late"].to_numpy() + np.random.default_rng(0).normal(0, 0.35, NEW.num_rows))),
    (("stand-ins", "temp"), put(NEW, temp=np.where(np.arange(NEW.num_rows) % 20 == 0, -999.0, NEW["temp"].to_numpy()))),
    (("lack the column 'distance'",), NEW.drop_columns(["distance"])),
    (("carrier has", "any more"), put(NEW, carrier=pc.utf8_lower(NEW["carrier"]))),
])
def test_a_fault_is_named_in_the_first_lines(words, new) -> None:
    run = judged(new)
    assert run.verdict == "fail", first(run)
    for word in words:
        assert word in first(run), first(run)


def test_a_day_in_another_unit_is_named() -> None:
    temp = np.where(of(NEW, 10), (NEW["temp"].to_numpy() - 32) * 5 / 9, NEW["temp"].to_numpy())
    assert "temp seems to be in another unit" in first(judged(put(NEW, temp=temp)))


def test_validation_shares_no_row_with_training_and_is_not_broken_itself() -> None:
    both = judged(held=pa.concat_tables([HELD, NEW.slice(0, 200)]))
    assert both.verdict == "fail"
    assert "Of the validation data: Rows of the training data are validated on" in first(both)
    hour = HELD.filter(pa.array(of(HELD, 6)))
    broken = judged(held=gone(hour, np.ones(hour.num_rows, bool)))
    assert broken.verdict == "fail"
    assert "What is validated on is broken itself" in first(broken, 1)


def test_notes_on_sources_are_honoured(tmp_path) -> None:
    with Store(tmp_path / "notes.db") as store:
        store.notes.put("weather", "temp", by="ann", corrupted_since="2026-04-20T00:00:00+00:00", text="The sensor at JFK drifts.")
        store.notes.put("billing", corrupted_since="2026-01-01T00:00:00+00:00")
    run = judged(notes=tmp_path / "notes.db")
    assert run.verdict == "fail"
    assert "weather, column temp: corrupted since 2026-04-20" in first(run, 1)
    assert "(ann)" in first(run, 1)
    assert "The sensor at JFK drifts." in first(run, 1)
    assert "1,050 of 4,200 rows" in first(run, 1)
    assert any("billing" in each for each in run.notes)
    past = Note("weather", corrupted_since="2026-01-01T00:00:00+00:00", corrupted_until="2026-02-01T00:00:00+00:00")
    assert judged(notes=[past]).verdict != "fail"
    assert judged(notes=[Note("weather", owner="ann")]).verdict != "fail"
    assert judged(put(NEW, temp=NEW["temp"]).drop_columns(["at"]), timestamp=None, notes=[past]).verdict == "fail"   # nobody knows of when


def test_without_history_or_times_it_says_what_it_cannot_see() -> None:
    run = training(NEW, **ROLES)
    assert run.verdict != "fail"
    assert any("no history" in each for each in run.notes)
    run = training(gone(NEW, of(NEW, 10)), sources=SOURCES, **ROLES)
    assert "on 2026-04-09" in first(run, 1)
    run = training(NEW, history=OLD, label="late", id="id")
    assert any("no column of times" in each for each in run.notes)


def test_numbers_as_labels() -> None:
    old, new = (put(each, late=pc.cast(each["delay"], pa.float64())) for each in (OLD, NEW))
    assert training(new, history=old, **ROLES, ignored=["delay"]).verdict != "fail"
    seconds = put(new, late=pc.multiply(new["late"], 60.0))
    run = training(seconds, history=old, **ROLES, ignored=["delay"])
    assert "minutes to seconds" in first(run)


def test_what_cannot_be_meant(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no data to train on"):
        training(None)
    with pytest.raises(EmptyDataError, match="training data have no rows"):
        training(NEW.slice(0, 0), history=OLD, **ROLES)
    with pytest.raises(UnknownColumnError):
        training(NEW, history=OLD, label="lat")
    with pytest.raises(ConfigError, match="no store of notes"):
        training(NEW, history=OLD, notes=tmp_path / "none.db", **ROLES)
