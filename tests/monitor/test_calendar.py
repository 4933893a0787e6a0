"""Holidays are dates that a user gives."""

from __future__ import annotations

import datetime as dt

import pytest

from assay.errors import ConfigError
from assay.monitor.calendar import Calendar


def test_all_sources_rest_unless_some_are_named() -> None:
    calendar = Calendar.parse(["2013-12-25"])
    assert calendar.resting(dt.date(2013, 12, 25), ["a", "b"]) == ("a", "b")
    assert calendar.resting(dt.date(2013, 12, 26), ["a", "b"]) == ()


def test_a_window_of_a_week_rests_where_a_day_in_it_is_free() -> None:
    calendar = Calendar.parse([dt.date(2013, 12, 25)])
    assert calendar.resting(dt.date(2013, 12, 23), ["a"], end=dt.date(2013, 12, 30)) == ("a",)
    assert calendar.resting(dt.date(2013, 12, 18), ["a"], end=dt.date(2013, 12, 25)) == ()


@pytest.mark.parametrize("wrong", ["christmas", "2013-13-01", "2013-12-26 to 2013-12-24", "2000-01-01 to 2030-01-01"])
def test_what_is_no_date_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError):
        Calendar.parse([wrong])
