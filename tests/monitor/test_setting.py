"""What the monitor's part of a configuration may say, and how time is cut into windows, across changes of clocks."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.monitor.calendar import Calendar
from assay.monitor.setting import Allowance, Cadence, duration
from assay.verbs.config import read

FULL = """\
data: today.parquet
columns: {id: flight_id, timestamp: time_hour}
monitor:
  window: 1d
  zone: America/New_York
  label_delay: 1d
  false_pages: 1 per 30d
  learning: 56
  store: monitor.db
  holidays: [2013-07-04, 2013-12-25]
  promises: ["auc >= 0.65", "recall by origin >= 0.4"]
  thresholds: ["missing of temp <= 50%"]
  sources:
    weather: {columns: [temp, humid], key: [origin, time_hour], owner: met team, notify: ["hooks://met/alerts"]}
    schedule: [carrier, dest]
  notify: "hooks://on-call/alerts"
  routes: [{source: weather, severity: ticket, notify: ["hooks://met/tickets"]}]
  secret: ASSAY_SECRET
"""


def test_everything_that_can_be_said(tmp_path):
    path = tmp_path / "assay.yaml"
    path.write_text(FULL, "utf-8")
    found = read(path).monitor
    assert found is not None
    assert (found.window.kind, found.window.zone, found.learning) == ("time", "America/New_York", 56)
    assert str(found.false_pages) == "1 per 30d"
    assert found.false_pages.per(found.window.time) == pytest.approx(1 / 30)
    assert found.sources["weather"].key == ("origin", "time_hour")
    assert found.sources["schedule"].columns == ("carrier", "dest")
    assert [str(each) for each in found.promises] == ["auc >= 0.65", "recall by origin >= 0.4"]
    assert found.holidays == (Calendar.parse(["2013-07-04", "2013-12-25"]),)
    assert found.notify == ("hooks://on-call/alerts",)
    assert read(_written(tmp_path, "data: x.parquet\n")).monitor is None
    assert str(read(_written(tmp_path, "monitor: {}\n")).monitor.false_pages) == "1 per 30d"


def _written(folder, text):
    path = folder / "other.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("line", "words"), [
    ("window: 1 fortnight", "no length of time"), ("window: 5h", "do not fill a day"), ("window: 25h", "no whole days"), ("window: 0 rows", "window of 0"),
    ("windw: 1d", "did you mean 'window'"), ("zone: Europe/Berln", "Europe/Berlin"), ("zone: ../../etc/passwd", "no time zone"),
    ("false_pages: none", "no number of false pages"), ("false_pages: 1 per 0d", "not between"), ("weight: -1", "a number from"),
    ("learning: 2.5", "whole number"), ("promises: auc >= 0.7", "no list"), ("promises: ['auc >> 0.7']", "auc >> 0.7"), ("holidays: ['2013-02-30']", "no date"), ("holidays: [US]", "no date"), ("holidays: ['02-30']", "no day"),
    ("holidays: {weather: [US]}", "no date"), ("by: [a]", "no text"), ("by_rows: 1", "whole number"), ("scheduled: {}", "no list"), ("scheduled: [{}]", "no checks"),
    ("scheduled: [{checks: ['auc >= 0.7'], evry: 7d}]", "did you mean 'every'"), ("scheduled: [{checks: ['auc >= 0.7'], every: 7d, over: 1d}]", "leaves rows out"),
    ("scheduled: [{checks: ['auc >= champion']}]", "compares two models"),
    ("sources: {a: [x], b: [x]}", "belongs to two sources"), ("sources: {a: {colums: [x]}}", "did you mean 'columns'"), ("routes: [{severity: loud}]", "page or ticket"),
    ("secret: hunter2 is my password", "environment variable"), ("label_delay: 3", "no length of time"), ("notify: [3]", "no text"),
])
def test_a_mistake_is_told_with_its_line(tmp_path, line, words):
    with pytest.raises(ConfigError) as caught:
        read(_written(tmp_path, f"monitor:\n  {line}\n"))
    assert words in str(caught.value)
    assert "line 2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_lengths_of_time():
    assert duration("2w") == dt.timedelta(weeks=2)
    assert duration("day") == dt.timedelta(days=1)
    assert str(Allowance.parse("1 every 12h")) == "1 per 12h"
    for bad in ("", "1", "d", "1 dd", "-1d", "1e9d", None, 5):
        with pytest.raises(ConfigError):
            duration(bad)


ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]


@tried(max_examples=300)
@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1)), st.sampled_from(ZONES), st.sampled_from(["15m", "1h", "6h", "12h", "1d", "7d", "2w"]))
def test_every_moment_is_in_one_window(moment, zone, text):
    cadence, moment = Cadence.parse(text, zone), moment.replace(tzinfo=dt.UTC)
    start = cadence.start(moment)
    end = cadence.end(start)
    assert start.astimezone(dt.UTC) <= moment < end.astimezone(dt.UTC)
    assert cadence.start(start) == start
    assert cadence.start(end).astimezone(dt.UTC) == end.astimezone(dt.UTC)  # the next begins where this one ends
    assert cadence.start(end - dt.timedelta(microseconds=1) if end.tzinfo is None else (end.astimezone(dt.UTC) - dt.timedelta(microseconds=1))) == start


def test_days_on_which_clocks_change():
    day = Cadence.parse("1d", "America/New_York")
    start = day.start(dt.datetime(2013, 3, 10, 12, tzinfo=dt.UTC))
    assert (day.end(start).astimezone(dt.UTC) - start.astimezone(dt.UTC)) == dt.timedelta(hours=23)
    start = day.start(dt.datetime(2013, 11, 3, 12, tzinfo=dt.UTC))
    assert (day.end(start).astimezone(dt.UTC) - start.astimezone(dt.UTC)) == dt.timedelta(hours=25)
    assert Cadence.parse("7d").start(dt.datetime(2026, 11, 21, tzinfo=dt.UTC)).strftime("%A") == "Monday"
