"""What is counted is what a loop over rows counts, and every counterexample fails again when it is asked alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.schema import Schema
from assay.errors import ConfigError, PredictionError
from assay.model.load import load
from assay.probe.alteration import alteration
from assay.probe.behaviour import EXAMPLES, Behaviour, Reading, Seeds, outcome
from assay.summary.target import Target

REGRESSION = Reading(Target("regression"), scored=False)
BINARY = Reading(Target("binary", ("no", "yes"), positive=1), scored=True)


def seeds(**columns) -> Seeds:
    table = pa.table(columns)
    return Seeds(table, Schema.of(table.schema, {"label": "y"} if "y" in columns else {}), tuple(f"row {each + 1}" for each in range(table.num_rows)))


def model(answer, **options):
    """A model of a function of one row."""
    return load(lambda batch: [answer(each) for each in batch.to_pylist()], **({"task": "regression"} | options), name="m")


def falls(before: float, after: float, expect: str, tolerance: float) -> bool:
    return {"not lower": after < before - tolerance, "not higher": after > before + tolerance, "higher": not after > before + tolerance,
            "lower": not after < before - tolerance, "same": abs(after - before) > tolerance}[expect]


@given(levels=st.lists(st.integers(0, 9), min_size=21, max_size=21), rows=st.lists(st.integers(0, 10), min_size=1, max_size=12),
       steps=st.lists(st.integers(1, 10), min_size=1, max_size=3, unique=True), other=st.booleans(),
       expect=st.sampled_from(["not lower", "not higher", "higher", "lower", "same"]), tolerance=st.integers(0, 3))
def test_counts_are_those_of_a_loop(levels, rows, steps, other, expect, tolerance):
    """The model is any function of a whole number, and of a second column or not."""
    def answer(row):
        return float(levels[row["x"]] + (5 if other and row["k"] == "b" else 0))

    kind = "invariance" if expect == "same" else "direction"
    change = (alteration("x", {"add": steps}), alteration("k", {"swap": ["a", "b"]}))
    test = Behaviour("t", kind, change, None if expect == "same" else expect, tolerance=float(tolerance))
    start = seeds(x=rows, k=["a"] * len(rows))
    found = outcome(test, start, model(answer), REGRESSION)
    failed = [any(falls(answer({"x": x, "k": "a"}), answer({"x": x + step, "k": "b"}), expect, tolerance) for step in steps) for x in rows]
    assert (found.units, found.failed) == (len(rows), sum(failed))
    assert len(found.examples) == min(sum(failed), EXAMPLES)
    for each in found.examples:
        row = {"x": rows[each.row], "k": "a"}
        old, new = answer(row), answer({**row, **each.after})
        assert (old, new) == each.said
        assert falls(old, new, expect, tolerance)
        assert each.before == {name: row[name] for name in each.after}
        if expect not in ("higher", "lower"):   # one column where one is enough, and then no smaller step of it
            alone = [{"x": x} for x in range(row["x"] + 1, row["x"] + max(steps) + 1)]
            first = next((one for one in alone if falls(old, answer({**row, **one}), expect, tolerance)), None)
            if set(each.after) == {"x"}:
                assert each.after == first


def test_what_fails_as_it_stands_needs_no_change():
    test = Behaviour("t", "case", (alteration("x", {"between": [0, 1]}),), "value >= 2", draws=5)
    found = outcome(test, seeds(x=[1.0, 5.0]), model(lambda row: row["x"]), REGRESSION)
    assert (found.units, found.failed) == (2, 2)
    assert (dict(found.examples[0].after), found.examples[0].said) == ({}, (1.0,))
    assert found.examples[1].after["x"] < 2


def test_a_threshold_decides_the_label():
    decided = Reading(Target("binary", ("no", "yes"), positive=1, threshold=0.7), scored=True)
    test = Behaviour("t", "case", expect="label == 'yes'")
    asked = model(lambda row: row["x"], task="binary", classes=["no", "yes"])
    assert outcome(test, seeds(x=[0.6, 0.8]), asked, decided).failed == 1
    assert outcome(test, seeds(x=[0.6, 0.8]), asked, BINARY).failed == 0


def test_labels_of_several_types_and_numbers_are_right_or_not():
    asked = model(lambda row: row["x"], task="binary", classes=["no", "yes"])
    assert outcome(Behaviour("t", "functionality"), seeds(x=[0.1, 0.9], y=["no", "no"]), asked, BINARY).failed == 1
    numbers = Behaviour("t", "functionality", tolerance=0.5)
    assert outcome(numbers, seeds(x=[1.0, 2.0], y=[1.4, 2.6]), model(lambda row: row["x"]), REGRESSION).failed == 1
    with pytest.raises(ConfigError, match="have no label"):
        outcome(numbers, seeds(x=[1.0, 2.0], y=[1.0, None]), model(lambda row: row["x"]), REGRESSION)


def test_many_rows_are_asked_in_few_calls():
    calls = []

    def answer(batch):
        calls.append(batch.num_rows)
        return -np.asarray(batch.column("x"))

    test = Behaviour("t", "direction", (alteration("x", {"add": [1.0, 2.0, 3.0]}),), "not lower")
    asked = load(answer, task="regression", features=["x"], name="m")
    found = outcome(test, seeds(x=np.arange(400.0)), asked, REGRESSION)
    assert found.failed == 400
    assert calls[0] == 1600
    assert len(calls) <= 8
    assert found.asked == sum(calls)


def test_a_value_out_of_the_range_of_its_type_is_told():
    table = pa.table({"x": pa.array([100], pa.int8())})
    start = Seeds(table, Schema.of(table.schema, {}), ("row 1",))
    test = Behaviour("t", "direction", (alteration("x", {"add": 100}),), "not lower")
    with pytest.raises(ConfigError, match="out of the range of its type int8"):
        outcome(test, start, model(lambda row: float(row["x"])), REGRESSION)


def test_a_model_that_raises_is_told():
    test = Behaviour("t", "case", expect="value > 0")
    with pytest.raises(PredictionError, match="ZeroDivisionError"):
        outcome(test, seeds(x=[0.0]), model(lambda row: 1 / row["x"]), REGRESSION)


@pytest.mark.parametrize(("reading", "names"), [
    (BINARY, ("label", "score", "score of no", "score of yes")),
    (Reading(Target("binary", ("no", "yes"), positive=1), scored=False), ("label",)),
    (Reading(Target("binary", ("a", "b")), scored=True), ("label", "score of a", "score of b")),
    (Reading(Target("multiclass", (1, 2, 3)), scored=True), ("label", "score of 1", "score of 2", "score of 3")),
    (Reading(Target("multilabel", ("x", "y")), scored=True), ("score of x", "score of y")),
    (REGRESSION, ("value",)),
])
def test_words_of_an_answer(reading, names):
    assert reading.names == names
    assert reading.schema.names == names
