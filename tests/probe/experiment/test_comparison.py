"""What the units of a log prove, and the smallest p-value that the lots of a design allow."""

from __future__ import annotations

import math

import pytest

from assay.probe.experiment.comparison import comparisons, least
from assay.probe.experiment.design import Design, Outcome, System, Treatment, planned
from assay.probe.experiment.log import Observation


def made(sizes, *outcomes: Outcome, treatments: str = "ab"):
    found = Design("x", System(), tuple(map(Treatment, treatments)), outcomes or (Outcome("n", "number", "mean"),), tuple(sizes), against="a")
    return found, planned(found)


@pytest.mark.parametrize(("sizes", "smallest"), [((2, 2), 0.5), ((4, 4), 2 / 36), ((4,) * 10, 1e-4), ((3,), 1 / 3)])
def test_few_lots_allow_no_small_p_value(sizes, smallest) -> None:
    design, plan = made(sizes)
    assert least(design, plan, 9_999) == pytest.approx(smallest)
    seen = {unit.number: Observation(unit.number, {"n": float(unit.treatment == "b")}) for unit in plan.units}
    assert comparisons(design, plan, seen)[0].p == pytest.approx(smallest, rel=1.0 if smallest < 1e-3 else 1e-6)


def test_units_that_are_missing_keep_their_lots() -> None:
    design, plan = made((4,) * 5)
    seen = {unit.number: Observation(unit.number, {"n": 3.0 * (unit.treatment == "b")}) for unit in plan.units}
    seen[0] = Observation(0, failed="gone")
    del seen[1]
    numbers, answered = comparisons(design, plan, seen)
    assert sum(numbers.units) == 18
    assert numbers.difference == 3.0
    assert answered.outcome.name == "answered"
    assert sum(answered.units) == 19
    assert answered.p > 0.4


def test_nothing_seen_of_one_treatment_proves_nothing() -> None:
    items = Outcome("ads", "items", "either")
    design, plan = made((4,) * 5, Outcome("n", "number", "mean"), items)
    seen = {unit.number: Observation(unit.number, {"n": 1.0, "ads": ["x"]} if unit.treatment == "b" else {}) for unit in plan.units}
    for each in comparisons(design, plan, seen):
        assert each.p == 1.0
        assert min(each.units) == 0
        assert math.isnan(each.difference)


def test_pairs_of_many_treatments_are_compared_among_their_own_units() -> None:
    design, plan = made((6, 5, 4, 6), treatments="abc")
    seen = {unit.number: Observation(unit.number, {"n": {"a": 0.0, "b": 0.0, "c": 7.0}[unit.treatment]}) for unit in plan.units}
    one, other = comparisons(design, plan, seen)
    assert (one.treatment, one.difference, one.p) == ("b", 0.0, 1.0)
    assert other.treatment == "c"
    assert other.difference == pytest.approx(7.0)
    assert other.p < 0.01


def test_items_are_counted_by_treatment_and_named_when_they_differ() -> None:
    design, plan = made((4,) * 10, Outcome("ads", "items", "either"))
    seen = {unit.number: Observation(unit.number, {"ads": ["all", *(["jobs"] * 2 if unit.treatment == "b" else []), f"own{unit.number}"]})
            for unit in plan.units}
    found = comparisons(design, plan, seen)[0]
    assert found.p < 0.001
    assert found.features[0].name == "jobs"
    assert found.features[0].count == (40, 0)
    assert found.features[0].units == (20, 0)
    assert found.features[0].p < 0.001
    assert found.features[1].p == 1.0
    assert found.accuracy == (1.0, 1.0, 1.0)
    assert {each.name for each in found.features} == {"all", "jobs"}      # what one unit saw tells nothing
