"""The watch as a whole: one page a cause, what people say, bytes that hold everything, and windows computed again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from assay.errors import ConfigError, SummaryError
from assay.monitor import reading
from assay.monitor.baseline import Season
from assay.monitor.budget import Budget, shares
from assay.monitor.reading import Seen, Stream
from assay.monitor.watch import Report, Watch, advanced
from tests.monitor.test_fault import Columns, changed, day, some, table

BUDGET = Budget.parse("1 per 30d", window="1d")


def run(days: list[Columns], watch: Watch | None = None, start: int = 0) -> tuple[Watch, list[Report]]:
    watch, reports = watch or Watch(), []
    for at, columns in enumerate(days, start):
        watch, report = advanced(watch, [table(columns)], budget=BUDGET, season=Season.daily(at % 7))
        reports.append(report)
    return watch, reports


@pytest.fixture(scope="module")
def learned() -> Watch:
    watch, reports = run([day(at) for at in range(40)])
    assert not any(report.opened for report in reports)
    assert reports[-1].learned == 40
    return watch


def test_a_broken_column_pages_once_and_goes_on(learned: Watch) -> None:
    watch = learned
    pages = []
    for at in range(3):
        watch, report = advanced(watch, [changed("amount", some(0.5, np.nan), 100 + at)], budget=BUDGET, season=Season.daily((40 + at) % 7))
        pages.append(report.opened)
        assert any(each.kind == "fault" and each.columns == ("amount",) for each in report.alerts)
    assert pages == [("feed",), (), ()]
    assert watch.account.paged + watch.state.account.paged == 1


def test_what_is_broken_teaches_nothing(learned: Watch) -> None:
    broken, _ = advanced(learned, [changed("amount", some(0.5, np.nan), 100)], budget=BUDGET, season=Season.daily(5))
    assert broken.record.columns["feed", "amount"] == learned.record.columns["feed", "amount"]
    assert broken.reference["feed", "amount"] == learned.reference["feed", "amount"]
    assert broken.reference["feed", "count"].windows == learned.reference["feed", "count"].windows + 1


def test_a_dismissed_fault_is_the_record_and_a_confirmed_one_costs_nothing(learned: Watch) -> None:
    broken, _ = advanced(learned, [changed("amount", some(0.2, np.nan), 100)], budget=BUDGET, season=Season.daily(5))
    for true, opened in ((False, ()), (True, ("feed",))):
        watch = broken.judged("feed", true)
        assert watch.account.balance == pytest.approx(learned.account.balance + BUDGET.rules - (0 if true else 1))
        watch, _ = advanced(watch, [table(day(300))], budget=BUDGET, season=Season.daily(6))
        watch, report = advanced(watch, [changed("amount", some(0.2, np.nan), 101)], budget=BUDGET, season=Season.daily(0))
        assert report.opened == opened


def test_a_fault_that_stays_is_how_it_is_now(learned: Watch) -> None:
    watch, spoken = learned, []
    for at in range(30):
        watch, report = advanced(watch, [changed("amount", some(0.5, np.nan), 100 + at)], budget=BUDGET, season=Season.daily((40 + at) % 7))
        spoken.append(bool(report.faults))
    assert all(spoken[:8])
    assert not any(spoken[-3:])


def test_rules_take_what_the_evidence_has_to_spare_and_never_more_than_both_have(learned: Watch) -> None:
    watch, paid = learned, []
    have = learned.account.balance + learned.state.account.balance
    for at in range(6):
        watch, report = advanced(watch, [changed("amount", some(0.3 + 0.1 * at, np.nan), 100 + at)], budget=BUDGET, season=Season.daily(at))
        paid += [watch.charged.get(source) for source in report.opened]
        watch, _ = advanced(watch, [table(day(400 + at))], budget=BUDGET, season=Season.daily(at))
    assert paid == ["rules", "evidence"]
    assert watch.account.withheld == 4
    assert watch.state.account.balance >= 1  # one is left for the evidence itself
    assert len(paid) <= have + 12 * (BUDGET.rules + BUDGET.evidence)


def test_a_catastrophe_pages_though_the_account_is_empty(learned: Watch) -> None:
    watch = learned
    for at in range(4):  # rules spend what there is
        watch, _ = advanced(watch, [changed("amount", some(0.3 + 0.2 * (at % 2), np.nan), 100 + at)], budget=BUDGET, season=Season.daily(at))
        watch, _ = advanced(watch, [table(day(400 + at))], budget=BUDGET, season=Season.daily(at))
    assert watch.account.withheld
    _, report = advanced(watch, [changed("city", lambda values: np.full(len(values), "Rome", object))], budget=BUDGET, season=Season.daily(5))
    assert report.opened == ("feed",)


def test_bytes_hold_everything(learned: Watch) -> None:
    broken, _ = advanced(learned, [changed("amount", some(0.5, np.nan), 100)], budget=BUDGET, season=Season.daily(5))
    for watch in (Watch(), learned, broken):
        again = Watch.parse(watch.dump())
        assert again.dump() == watch.dump()
        first, other = (run([day(500), day(501)], each, 41) if each.state.phases else run([day(500)], each) for each in (watch, again))
        assert first[0].dump() == other[0].dump()
        assert first[1][-1].alerts == other[1][-1].alerts
    data = bytearray(broken.dump())
    data[len(data) // 2] ^= 1
    with pytest.raises(SummaryError):
        Watch.parse(bytes(data))


def test_a_backfill_gives_what_the_live_run_gave() -> None:
    days = [day(at) for at in range(34)]
    live, kept = Watch(), []
    for at, columns in enumerate(days):
        kept.append(live.dump())
        live, _ = advanced(live, [table(columns)], budget=BUDGET, season=Season.daily(at % 7))
    again, _ = run(days[20:], Watch.parse(kept[20]), 20)
    assert again.dump() == live.dump()


def test_readings_do_not_depend_on_how_rows_were_split() -> None:
    whole = day(1)
    halves = [table({name: values[part] for name, values in whole.items()}) for part in (slice(0, 400), slice(400, None))]
    merged = {name: {kind: halves[0].columns[name][kind].merge(halves[1].columns[name][kind]) for kind in some_}
              for name, some_ in halves[0].columns.items()}
    reference = reading.learned({}, [table(day(0))])
    for _ in range(8):
        reference = reading.learned(reference, [table(day(0))])
    first, _ = reading.read(reference, [table(whole)])
    other, _ = reading.read(reference, [reading.Table("feed", 1_000, merged, dict.fromkeys(merged, "x"))])
    assert first.streams == other.streams
    assert other.x == pytest.approx(first.x, rel=1e-9, abs=1e-9)


def test_a_distance_is_free_of_what_sample_size_brings() -> None:
    rng = np.random.default_rng(3)
    reference: dict[tuple[str, str], Seen] = {}
    for _ in range(30):
        reference = reading.learned(reference, [table({"x": rng.normal(size=500)})])
    shifts = []
    for _ in range(60):
        readings, _ = reading.read(reference, [table({"x": rng.normal(size=100)})])
        shifts.append(float(readings.x[readings.streams.index(Stream("feed", "x", "shift"))]) ** 2)
    assert np.mean(shifts) < 0.006  # of 9 / 8 / 100 = .011 that plain divergences have; what is below 0 is cut off


def test_rows_of_a_join_count_as_its_keys() -> None:
    columns = {"x": np.repeat(np.random.default_rng(4).normal(size=50), 20)}
    plain, _ = reading.read({}, [table(columns)])
    joined, _ = reading.read({}, [table(columns, keys=50)])
    at = plain.streams.index(Stream("feed", "x", "mean"))
    assert joined.v[at] == pytest.approx(20 * plain.v[at], rel=0.15)
    assert joined.x[0] == pytest.approx(np.log(50))


def test_hostile_names_and_values_are_only_names_and_values() -> None:
    odd = "x\x00\x01\ud800\n"[:3]
    columns = {odd: np.array([np.inf, -np.inf, np.nan, 1e308, -1e308] * 20), "y": np.array(["\x00", "", None, "'); --", "é"] * 20, object)}
    watch = Watch()
    for at in range(12):
        watch, _ = advanced(watch, [table(columns)], budget=BUDGET, season=Season.daily(at % 7))
    json.dumps(watch.record.to_json())
    assert all(np.isfinite(getattr(watch.state, name)).all() for name in ("sums", "pools", "nu"))


def test_weights_share_the_budget() -> None:
    assert shares(["a", "b", "c"], {"a": 2}) == {"a": 0.5, "b": 0.25, "c": 0.25}
    assert BUDGET.evidence + BUDGET.rules == pytest.approx(1 / 30)
    for wrong in ({"a": -1.0}, {"a": float("nan")}, {"a": 0.0, "b": 0.0}):
        with pytest.raises(ConfigError):
            shares(wrong, wrong)
