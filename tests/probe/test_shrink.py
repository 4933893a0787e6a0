"""Shrunk changes still show the fault, are the fewest columns and the smallest steps, and are the same each time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.probe.shrink import EXACT, WHOLE, shrink, shrinking, together

NAMES = "abcdefghij"


def asked(fault, start):
    """Return a function of changes, and the list of those that it was asked about."""
    seen: list[dict] = []

    def shows(changes):
        seen.extend(changes)
        return [bool(fault({**start, **each})) for each in changes]

    return shows, seen


@st.composite
def boxes(draw):
    """A change of some columns, and a fault that needs a few of them to have gone some way."""
    size = draw(st.integers(1, 9))
    names = NAMES[:size]
    start = {name: draw(st.integers(-1000, 1000)) for name in names}
    end = {name: start[name] + draw(st.integers(1, EXACT)) * draw(st.sampled_from((-1, 1))) for name in names}
    some = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    need = {name: draw(st.integers(1, abs(end[name] - start[name]))) for name in some}
    return start, end, need


@given(boxes())
def test_a_box_is_found_exactly(box):
    start, end, need = box

    def fault(row):
        return all(abs(row[name] - start[name]) >= far for name, far in need.items())

    shows, _ = asked(fault, start)
    found = shrink(start, end, shows, steps=list(start))
    assert found == {name: start[name] + (far if end[name] > start[name] else -far) for name, far in need.items()}


@given(st.integers(-50, 50), st.integers(1, EXACT), st.sets(st.integers(0, 400), max_size=60))
def test_no_smaller_step_of_one_column_shows_the_fault(start, far, bad):
    """Of whole numbers that are near each other, whatever the model does between them."""
    def fault(row):
        return abs(row["x"] - start) in bad or row["x"] == start + far

    shows, _ = asked(fault, {"x": start})
    found = shrink({"x": start}, {"x": start + far}, shows, steps=["x"])["x"]
    assert fault({"x": found})
    assert not any(fault({"x": each}) for each in range(start + 1, found))


@given(st.floats(-1e6, 1e6), st.floats(0.01, 1e6), st.floats(0.001, 0.999))
def test_a_threshold_among_fractions_is_met_within_two_percent(start, far, share):
    edge = start + far * share
    shows, _ = asked(lambda row: row["x"] >= edge, {"x": start})
    found = shrink({"x": start}, {"x": start + far}, shows, steps=["x"])["x"]
    assert edge <= found <= start + far
    assert found - edge <= 0.021 * (edge - start) + far / 30_000


@given(st.lists(st.sets(st.sampled_from(NAMES[:WHOLE]), min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_columns_are_the_fewest(causes):
    """A naive search through all subsets finds none that is smaller."""
    names = NAMES[:WHOLE]
    start, end = dict.fromkeys(names, 0), dict.fromkeys(names, 1)

    def fault(row):
        return any(all(row[name] for name in cause) for cause in causes)

    shows, _ = asked(fault, start)
    found = shrink(start, end, shows)
    fewest = next(size for size in range(1, WHOLE + 1) for some in itertools.combinations(names, size)
                  if fault({**start, **dict.fromkeys(some, 1)}))
    assert len(found) == fewest
    assert fault({**start, **found})


@given(st.sets(st.integers(0, 39), min_size=1, max_size=12))
def test_of_many_columns_none_can_be_left_out(cause):
    start, end = dict.fromkeys(map(str, range(40)), 0), dict.fromkeys(map(str, range(40)), 1)
    shows, _ = asked(lambda row: all(row[str(each)] for each in cause), start)
    assert set(shrink(start, end, shows)) == {str(each) for each in cause}


@given(boxes(), st.integers(0, 2**32))
def test_it_is_deterministic_and_asks_only_of_what_changed(box, salt):
    start, end, need = box

    def fault(row):   # a fault without any order to it, but there at the end
        return hash((salt, *row.values())) % 3 == 0 or row == {**start, **end}

    questions = []
    for _ in range(2):
        shows, seen = asked(fault, start)
        found = shrink(start, end, shows, steps=list(need))
        questions.append((found, seen))
    assert questions[0] == questions[1]
    assert fault({**start, **questions[0][0]})
    assert all(set(each) <= set(start) for each in questions[0][1])


def test_ladders_are_climbed_from_the_bottom():
    shows, _ = asked(lambda row: row["text"].count("she") >= 2, {"text": "he he he"})
    rungs = ["she he he", "he she he", "she she he", "he she she"]
    assert shrink({"text": "he he he"}, {"text": "she she she"}, shows, ladders={"text": rungs}) == {"text": "she she he"}


def test_what_is_no_number_keeps_its_value():
    for end in ("b", None, True, float("inf")):
        shows, _ = asked(lambda row: row["x"] != 2.0, {"x": 2.0})
        assert shrink({"x": 2.0}, {"x": end}, shows, steps=["x"]) == {"x": end}
    shows, _ = asked(lambda row: row["x"] > 0, {"x": -1.7e308})
    assert shrink({"x": -1.7e308}, {"x": 1.7e308}, shows, steps=["x"]) == {"x": 1.7e308}


def test_side_by_side_they_find_what_each_finds_alone():
    edges = [3, 17, 120, 4000]
    calls = []

    def shows(questions):
        calls.append(sum(map(len, questions)))
        return [[each["x"] >= edge for each in some] for edge, some in zip(edges, questions, strict=True)]

    found = together([shrinking({"x": 0}, {"x": 5000}, steps=["x"]) for _ in edges], shows)
    alone = [shrink({"x": 0}, {"x": 5000}, lambda some, edge=edge: [each["x"] >= edge for each in some], steps=["x"]) for edge in edges]
    assert found == alone
    assert [each["x"] for each in found[:3]] == edges[:3]
    assert len(calls) <= 6   # as many as the longest of them needs, not the sum


@pytest.mark.parametrize(("start", "end", "edge", "wanted"), [
    (40_000, 90_000, 41_234, 41_240), (0.0, 1.0, 0.4321, 0.44), (10.0, 5.0, 7.77, 7.76), (5.0, -5.0, -0.0123, -0.02)])
def test_numbers_with_few_digits_are_preferred(start, end, edge, wanted):
    found = shrink({"x": start}, {"x": end}, lambda some: [each["x"] >= edge if end > start else each["x"] <= edge for each in some], steps=["x"])
    assert found == {"x": pytest.approx(wanted)}
