"""Log replay: a log that the model wrote is reproduced, and of one that it did not it is told what it saw instead."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import ConfigError, EmptyDataError, PredictionError, SignatureError
from assay.verbs.gate.canary import canary
from assay.verbs.gate.replay import compare, replay

N = 3_000
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
ROLES = {"score": "logged", "id": "id", "timestamp": "at", "entity": "plane", "label": "late"}
MODEL = {"task": "binary", "classes": [0, 1], "features": ["temp", "wind", "origin"]}
WEATHER = {"weather": ["temp", "wind"]}


def model(batch: pa.RecordBatch) -> np.ndarray:
    """Return scores; what is missing goes a way of its own, as in trees."""
    temp = batch.column("temp").cast(pa.float64()).to_numpy(zero_copy_only=False)
    wind = batch.column("wind").cast(pa.float64()).to_numpy(zero_copy_only=False)
    home = np.array([each == "JFK" for each in batch.column("origin").to_pylist()])
    z = np.where(np.isnan(temp), 0.7, (temp - 50) / 30) + np.where(np.isnan(wind), -0.4, wind / 15) + home - 1
    return 1 / (1 + np.exp(-z))


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    rng = np.random.default_rng(0)
    at = [START + dt.timedelta(minutes=int(each)) for each in np.sort(rng.integers(0, 1440, N))]
    table = pa.table({"id": np.arange(N), "plane": [f"N{each}" for each in rng.integers(0, 400, N)], "at": pa.array(at, pa.timestamp("us", "UTC")),
                      "temp": rng.normal(50, 15, N).round(1), "wind": rng.gamma(2, 4, N).round(1), "origin": rng.choice(["EWR", "JFK", "LGA"], N)})
    late = rng.random(N) < score(table)
    return table.append_column("late", pa.array(late.astype(int)))


def score(table: pa.Table) -> np.ndarray:
    return model(table.combine_chunks().to_batches()[0])


def put(table: pa.Table, **columns) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        table = table.append_column(name, array) if place < 0 else table.set_column(place, name, array)
    return table


def logged(rows: pa.Table, served: pa.Table) -> pa.Table:
    """Return the rows with the scores that other values got."""
    return put(rows, logged=score(served))


def test_its_own_log_is_reproduced(rows) -> None:
    run = replay(model, logged(rows, rows), **MODEL, **ROLES)
    assert run.verdict == "pass"
    assert "reproduces its logged scores: none of 3,000 rows" in run.verdicts[0].sentence
    assert 0 < run.values[0].high < 0.01


def test_rounding_in_the_log_is_no_difference(rows) -> None:
    run = replay(model, put(rows, logged=score(rows).round(3)), **MODEL, **ROLES)
    assert run.verdict == "pass"
    assert any("3 digits" in each for each in run.notes)
    assert replay(model, put(rows, logged=score(rows).round(3)), tolerance=1e-6, **MODEL, **ROLES).verdict == "fail"


def test_a_feed_that_was_silent_for_an_hour_is_named(rows) -> None:
    silent = np.array([each.hour == 17 for each in rows["at"].to_pylist()])
    served = put(rows, temp=np.where(silent, np.nan, rows["temp"]), wind=np.where(silent, np.nan, rows["wind"]))
    for sources in (WEATHER, None):
        run = replay(model, logged(rows, served), sources=sources, slices=["origin"], **MODEL, **ROLES)
        assert run.verdict == "fail"
        assert run.values[0].value == pytest.approx(silent.mean())
        said = run.verdicts[0].sentence
        assert "missing, the champion gives the logged score again in 100 %" in said
        assert "temp" in said
        assert "wind" in said
        assert "it is of 2026-03-01, 17:00 to 18:00 (UTC)" in " ".join(each.sentence for each in run.verdicts)
        assert {tuple(each.slice.items()) for each in run.values if each.slice} == {(("origin", each),) for each in ("EWR", "JFK", "LGA")}


def test_another_unit_at_serving_is_named(rows) -> None:
    served = put(rows, temp=(rows["temp"].to_numpy() - 32) * 5 / 9)
    said = replay(model, logged(rows, served), **MODEL, **ROLES).verdicts[0].sentence
    assert "temp as if multiplied by 0.5556" in said
    assert "degrees Fahrenheit to degrees Celsius" in said


def test_a_value_that_was_not_known_yet(rows) -> None:
    late = np.random.default_rng(3).random(N) < 0.2
    known = [at + dt.timedelta(hours=1 if each else -1) for at, each in zip(rows["at"].to_pylist(), late, strict=True)]
    log = put(logged(rows, put(rows, temp=np.where(late, np.nan, rows["temp"]))), known=pa.array(known, pa.timestamp("us", "UTC")))
    run = replay(model, log, available_at={"temp": "known"}, **MODEL, **ROLES)
    words = " ".join(each.sentence for each in run.verdicts)
    assert "With temp missing" in words
    assert "temp was known only after the time of the row" in words


def test_the_value_of_the_row_before_of_the_same_entity(rows) -> None:
    order = np.lexsort((rows["at"].to_numpy(), np.array(rows["plane"].to_pylist())))
    planes, wind = np.array(rows["plane"].to_pylist())[order], rows["wind"].to_numpy()[order]
    stale = np.where(np.r_[False, planes[1:] == planes[:-1]], np.r_[np.nan, wind[:-1]], wind)
    served = put(rows, wind=stale[np.argsort(order)])
    said = replay(model, logged(rows, served), **MODEL, **ROLES).verdicts[0].sentence
    assert "wind as it was in the row before of the same entity" in said


@pytest.mark.parametrize(("change", "words"), [
    (lambda given: 1 - given, "one less the score"),
    (lambda given: np.random.default_rng(0).permutation(given), "in another order"),
    (lambda given: given**2, "a calibration or a scale"),
])
def test_a_log_that_is_off_as_a_whole(rows, change, words) -> None:
    run = replay(model, put(rows, logged=change(score(rows))), **MODEL, **ROLES)
    assert run.verdict == "fail"
    assert words in run.verdicts[0].sentence


def test_an_unknown_cause_is_said_to_be_unknown(rows) -> None:
    noise = np.where(np.random.default_rng(5).random(N) < 0.3, 0.05, 0.0)
    run = replay(model, put(rows, logged=np.clip(score(rows) + noise, 0, 1)), **MODEL, **ROLES)
    assert "No feature, value or hour goes with the differences." in run.verdicts[0].sentence


def test_offline_features_that_differ_explain_the_change(rows) -> None:
    off = put(rows, temp=rows["temp"].to_numpy() + np.where(np.arange(N) % 10 == 0, 9.0, 0.0)).take(pa.array(np.random.default_rng(0).permutation(N)[:-50]))
    run = replay(model, logged(rows, rows), offline=off, **MODEL, **ROLES)
    found = next(each for each in run.verdicts if "temp" in each.check)
    assert found.verdict == "fail"
    assert "by 9 on average" in found.sentence
    assert "explains 100 % of the change" in found.sentence
    assert {each.column: each.value for each in run.values if each.column}["wind"] == 0
    assert any("50 of 3,000 ids" in each for each in run.notes)
    same = replay(model, logged(rows, rows), offline=rows, **MODEL, **ROLES)
    assert same.verdict == "pass"
    assert "All 3 features of the log" in same.verdicts[-1].sentence


def test_features_that_were_not_logged_come_from_the_offline_table(rows) -> None:
    log = logged(rows, rows).drop_columns(["wind"])
    with pytest.raises(SignatureError, match="'wind', which was not logged"):
        replay(model, log, **MODEL, **ROLES)
    run = replay(model, log, offline=rows.select(["id", "wind"]), **MODEL, **ROLES)
    assert run.verdict == "pass"
    assert any("not logged" in each for each in run.notes)


def test_ids_that_come_twice_and_rows_without_a_score_are_told(rows) -> None:
    log = logged(rows, rows)
    log = put(pa.concat_tables([log, log.slice(0, 7)]), logged=pa.array([None, None, *pa.concat_tables([log, log.slice(0, 7)])["logged"].to_pylist()[2:]]))
    run = replay(model, log, **MODEL, **ROLES)
    assert run.verdict == "pass"
    assert any("2 of 3,007 rows" in each for each in run.notes)
    assert any("5 of 3,005 rows" in each for each in run.notes)


def test_what_cannot_be_meant(rows) -> None:
    with pytest.raises(ConfigError, match="names no scores"):
        replay(model, rows, **MODEL, id="id")
    with pytest.raises(ConfigError, match="no log"):
        replay(model, **MODEL)
    with pytest.raises(EmptyDataError, match="no row has a logged score"):
        replay(model, put(rows, logged=pa.nulls(N, pa.float64())), **MODEL, **ROLES)
    with pytest.raises(ConfigError, match="no column is named"):
        replay(model, logged(rows, rows), offline=rows, **MODEL, score="logged")
    with pytest.raises(PredictionError):
        replay(lambda batch: [math.nan] * batch.num_rows, logged(rows, rows), **MODEL, **ROLES)


def test_a_regression_and_logged_classes(rows) -> None:
    log = put(rows, logged=score(rows) * 1000)
    run = replay(lambda batch: model(batch) * 1000, log, task="regression", features=["temp", "wind", "origin"],
                 prediction="logged", id="id", label="late")
    assert run.verdict == "pass"
    names = np.where(score(rows) >= 0.5, 1, 0)
    run = replay(model, put(rows, logged=np.where(np.arange(N) < 300, 1 - names, names)), **MODEL, prediction="logged", id="id")
    assert run.verdict == "fail"
    assert run.values[0].value == pytest.approx(0.1, abs=1e-3)


def test_two_logs(rows) -> None:
    first = logged(rows, rows)
    other = put(first, logged=np.where(np.array(rows["origin"].to_pylist()) == "JFK", score(rows) / 2, score(rows)))
    run = compare(first, pa.concat_tables([other.slice(0, 2_500), other.slice(0, 3)]), threshold=0.5, **ROLES)
    said = run.verdicts[0].sentence
    assert run.verdict == "warn"
    assert "of 2,500 rows that both logs have" in said
    assert "0 of them up" in said
    assert "origin is 'JFK'" in run.verdicts[1].sentence
    assert any("comes again later" in each for each in run.notes)
    assert any("500 of 3,000 ids" in each for each in run.notes)
    assert compare(first, first, **ROLES).verdict == "pass"
    with pytest.raises(EmptyDataError, match="no id is in both"):
        compare(first, put(first, id=np.arange(N) + 10**6), **ROLES)


def candidates(rows: pa.Table) -> dict[str, pa.Table]:
    right, wrong = rows["late"].to_numpy(), np.random.default_rng(0).random(N) < 0.1
    base = np.where(np.random.default_rng(1).random(N) < 0.2, 1 - right, right).astype(float)
    harmed = np.where(np.array(rows["origin"].to_pylist()) == "JFK", np.where(wrong & (base == right), 1 - base, base), base)
    return {"champion": put(rows, logged=base), "same": put(rows.drop_columns(["late"]), logged=base),
            "worse": put(rows.drop_columns(["late"]), logged=np.where(wrong, 1 - base, base)), "harmed": put(rows.drop_columns(["late"]), logged=harmed)}


def test_a_shadow_is_stopped_or_safe(rows) -> None:
    logs = candidates(rows)
    same = canary(logs["champion"], logs["same"], maturity="1h", **ROLES)
    assert (same.verdict, same.about["decision"]) == ("pass", "safe")
    assert "sure after" in same.verdicts[0].sentence
    worse = canary(logs["champion"], logs["worse"], maturity="1h", **ROLES)
    assert (worse.verdict, worse.about["decision"]) == ("fail", "stop")
    few = canary(logs["champion"].slice(0, 60), logs["same"].slice(0, 60), **ROLES)
    assert (few.verdict, few.about["decision"]) == ("inconclusive", "go on")
    assert few.verdicts[0].rows_needed > 100
    assert any("no age was named" in each for each in few.notes)


def test_only_matured_rows_count(rows) -> None:
    logs = candidates(rows)
    late = [(each.hour, each.minute) > (12, 0) for each in rows["at"].to_pylist()]
    run = canary(logs["champion"], logs["same"], maturity="12h", now="2026-03-02T00:00:00+00:00", **ROLES)
    assert run.about["rows"] == N - sum(late)
    assert any("not old enough" in each for each in run.notes)
    now = dt.datetime.now(dt.UTC)
    times = [now + dt.timedelta(days=30_000), None, *(now - dt.timedelta(minutes=each) for each in range(N - 2))]
    slip = put(logs["champion"], at=pa.array(times, pa.timestamp("us", "UTC")))
    run = canary(slip, logs["same"], maturity="1h", **ROLES)   # one row of another century ages no other, and one without a time has no age
    assert run.about["rows"] == N - 2 - 60
    with pytest.raises(ConfigError, match="time of each row"):
        canary(logs["champion"].drop_columns(["at"]), logs["same"].drop_columns(["at"]), maturity="1h", **{**ROLES, "timestamp": None})


def test_harm_in_a_slice_stops(rows) -> None:
    logs = candidates(rows)
    run = canary(logs["champion"], logs["harmed"], slices=["origin"], margin=0.2, **ROLES)
    assert run.about["decision"] == "stop"
    assert [each.slice for each in run.verdicts if each.verdict == "fail" and each.slice] == [{"origin": "JFK"}]


def test_parts_of_the_traffic(rows) -> None:
    logs = candidates(rows)
    half = np.arange(N) % 2 == 0
    bad = put(logs["champion"], logged=1 - logs["champion"]["logged"].to_numpy())
    run = canary(logs["champion"].filter(pa.array(half)), bad.filter(pa.array(~half)), **ROLES)
    assert run.about["decision"] == "stop"
    assert run.about["design"] == "canary, part against part"


def test_errors_of_a_canary(rows) -> None:
    logs = candidates(rows)
    with pytest.raises(ConfigError, match="no labels"):
        canary(logs["same"], logs["same"], **MODEL_OF_LOGS, **ROLES)
    with pytest.raises(ConfigError, match="'margin'"):
        canary(logs["champion"], logs["same"], margin=-1, **ROLES)
    with pytest.raises(ConfigError, match="no loss 'auc'"):
        canary(logs["champion"], logs["same"], loss="auc", **ROLES)
    with pytest.raises(ConfigError, match="'alpha'"):
        canary(logs["champion"], logs["same"], alpha=2, **ROLES)


MODEL_OF_LOGS = {"task": "binary", "classes": [0, 1]}
