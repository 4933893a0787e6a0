"""Which rows of a window belong to which baselines."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from assay.monitor.fault import Record, Rows
from assay.verbs.monitor.group import FEW, MOST, Seat, divided, home, named, pruned


def window(**clients):
    names = [name for name, count in clients.items() for _ in range(count)]
    return pa.table({"client": pa.array(names, pa.string()), "x": list(range(len(names)))})


def test_a_group_that_was_large_once_keeps_its_seat():
    parts, seats = divided(window(a=10, b=3), "client", {}, size=5)
    assert {name: part.num_rows for name, part in parts.items()} == {"a": 10, FEW: 3}
    parts, seats = divided(window(a=2, c=9), "client", seats, size=5)
    assert {name: part.num_rows for name, part in parts.items()} == {"a": 2, "c": 9, FEW: 0}
    assert seats["a"] == Seat(2)
    assert seats[FEW] == Seat()     # c might have been among the few: that they are fewer now says nothing
    _, seats = divided(window(c=9), "client", seats, size=5)
    assert seats["a"] == Seat(2, 1)
    _, seats = divided(window(a=9), "client", seats, size=5)
    assert seats["a"] == Seat(1)


def test_absence_is_told_of_whoever_always_came():
    record = Record(tables={"data, client a": Rows(20), "data, client b": Rows(20), "data, client c": Rows(20)})
    seats = {"data, client a": Seat(14, 1), "data, client b": Seat(3, 1), "data, client c": Seat(20, 8)}
    assert set(pruned(record, seats).tables) == {"data, client a"}
    assert pruned(record, {name: Seat(3) for name in seats}) is record


def test_names_are_safe_and_come_back():
    assert home(named("weather", "client", "a, client b"), "client") == "weather"
    odd = ["", "of few rows", "a\x00b", "a\x01b", "x" * 100, "x" * 101, "\n"]
    table = pa.table({"client": odd * 5})
    parts, _ = divided(table, "client", {}, size=5)
    assert len([name for name in parts if name != FEW]) == len(odd)
    assert all(name.isprintable() and len(name) < 70 for name in parts)
    assert len({named("s", "client", name) for name in parts}) == len(parts)


def test_there_are_no_more_than_some_hundred():
    table = pa.table({"client": [f"c{each}" for each in range(MOST + 50)] * 3})
    parts, seats = divided(table, "client", {}, size=2)
    assert len(parts) == len(seats) == MOST + 1
    assert parts[FEW].num_rows == 150


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "", None]), max_size=30), max_size=6), st.integers(1, 6))
def test_no_row_is_lost_or_twice(days, size):
    seats = {}
    for day in days:
        table = pa.table({"client": pa.array(day, pa.string()), "x": pa.array(range(len(day)), pa.int64())})
        parts, after = divided(table, "client", seats, size=size)
        assert sorted(x for part in parts.values() for x in part["x"].to_pylist()) == list(range(len(day)))
        assert set(seats) <= set(after) or (FEW in seats and FEW not in after)
        for name, part in parts.items():
            if name not in ("", FEW) and "~" not in name:
                assert set(pc.unique(part["client"]).to_pylist()) <= {name}
        seats = after
