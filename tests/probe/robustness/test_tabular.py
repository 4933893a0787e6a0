"""The smallest changes of rows, beside models whose smallest change is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.probe.robustness.domain import domain
from assay.probe.robustness.question import Question, Said
from assay.probe.robustness.tabular import evasions

RNG = np.random.default_rng(3)
ROWS = pa.table({"income": RNG.normal(50, 10, 600).round(1), "rooms": RNG.integers(1, 9, 600), "job": RNG.choice(["cook", "clerk", "vet"], 600),
                 "flag": RNG.integers(0, 2, 600)})
SCALE = domain(ROWS)
MATRIX = SCALE.matrix(ROWS)


def linear(weights: dict[str, float], bar: float) -> Any:
    """Decides by a sum of columns, of which those that are not named count nothing."""
    def ask(batch: pa.RecordBatch) -> Said:
        total = sum(much * batch.column(name).to_numpy(zero_copy_only=False) for name, much in weights.items())
        return Said((np.asarray(total) > bar).astype(np.int64))

    return ask


@given(one=st.floats(0.2, 3), other=st.floats(0.2, 8), bar=st.floats(-10, 10))
@settings(max_examples=5)
def test_of_a_linear_model_the_smallest_change_is_that_of_its_steepest_column(one: float, other: float, bar: float) -> None:
    weights = {"income": one, "rooms": other}
    level = bar + one * 50 + other * 4
    question = Question(linear(weights, level))
    some = MATRIX[:12]
    attack = evasions(question, SCALE, some, MATRIX[20:420])
    fields = {each.name: each for each in SCALE.fields}
    for each in attack.found:
        total = one * each.before[0] + other * each.before[1]
        least = min(abs(level - total) / (much * fields[name].spread) for name, much in weights.items()
                    if fields[name].low <= each.before[SCALE.names.index(name)] + (level - total) / much <= fields[name].high)
        coarse = max(each.step / each.spread for each in fields.values() if each.numeric)
        assert least - 1e-9 <= each.size + coarse   # not smaller than is possible
        assert each.size <= 1.2 * least + 2 * coarse


def test_what_is_found_is_asked_again_and_stays_within_the_columns() -> None:
    ask = linear({"income": 1.0, "rooms": 2.0}, 60)
    attack = evasions(Question(ask), domain(ROWS, fixed=["rooms"]), MATRIX[:60], MATRIX)
    assert len(attack.found) > 50
    for each in attack.found:
        before, after = (ask(SCALE.batch(point[None])).decision[0] for point in (each.before, each.after))
        assert (before, after) == (each.was, each.said)
        assert before != after
        assert each.before[1] == each.after[1]
        assert MATRIX[:, 0].min() <= each.after[0] <= MATRIX[:, 0].max()
        assert round(each.after[0], 1) == pytest.approx(each.after[0])   # as the column is written
        assert each.size == pytest.approx(SCALE.sizes(each.before, each.after).sum())


def test_a_flip_that_takes_two_columns_is_found_from_real_rows_and_has_no_third() -> None:
    def ask(batch: pa.RecordBatch) -> Said:
        jobs, rooms = batch.column("job").to_pylist(), batch.column("rooms").to_pylist()
        return Said(np.array([int(job == "vet" and room > 5) for job, room in zip(jobs, rooms, strict=True)]))

    some = np.flatnonzero((MATRIX[:, 1] < 4) & (MATRIX[:, 2] != SCALE.fields[2].values.to_pylist().index("vet")))[:10]   # type: ignore[union-attr]
    attack = evasions(Question(ask), SCALE, MATRIX[some], MATRIX)
    assert len(attack.found) == 10
    for each in attack.found:
        assert each.columns == (1, 2)
        assert each.after[1] == 6


def test_directions_ranges_and_lists_are_kept() -> None:
    scale = domain(ROWS, changeable={"income": "increase", "rooms": [2, 5], "job": ["cook", "vet"]})
    attack = evasions(Question(linear({"income": 1.0, "rooms": 1.0}, 55)), scale, MATRIX[:60], MATRIX)
    assert attack.found
    for each in attack.found:
        assert each.after[0] >= each.before[0]
        assert each.after[1] == each.before[1] or 2 <= each.after[1] <= 5
        assert each.after[3] == each.before[3]
    for wrong in ({"incom": "any"}, {"job": "increase"}, {"income": "up"}, {"income": [3, 3]}):
        with pytest.raises(AssayError):
            domain(ROWS, changeable=wrong)


def test_near_counts_only_what_is_near_a_real_row() -> None:
    question = Question(linear({"income": 1.0}, 200 - 120))
    far = evasions(question, SCALE, MATRIX[:40], MATRIX)
    near = evasions(Question(linear({"income": 1.0}, 80)), SCALE, MATRIX[:40], MATRIX, near=True)
    assert all(each.far <= near.radius for each in near.found)
    assert len(near.found) <= len(far.found)


def test_a_constant_model_and_a_spent_budget_find_nothing() -> None:
    attack = evasions(Question(lambda batch: Said(np.zeros(batch.num_rows, int))), SCALE, MATRIX[:20], MATRIX)
    assert (attack.found, attack.tried) == ((), 20)
    assert np.isinf(attack.sizes).all()
    question = Question(linear({"income": 1.0}, 50), budget=700)
    assert evasions(question, SCALE, MATRIX[:20], MATRIX).tried == 0
    again = [evasions(Question(linear({"income": 1.0}, 50)), SCALE, MATRIX[:8], MATRIX, seed=1).sizes.tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_rows_become_numbers_and_rows_again() -> None:
    table = pa.table({"x": pa.array([1.5, None, 2.5, 9.0], pa.float32()), "n": pa.array([1, 2, None, 5], pa.int16()),
                      "c": pa.array(["a", None, "b", "a"]).dictionary_encode(), "t": pa.array([0, 1, 2, 3], pa.timestamp("s"))})
    scale = domain(table)
    assert scale.batch(scale.matrix(table)).to_pydict() == table.to_pydict()
    assert [each.kind for each in scale.fields] == ["number", "whole", "category", "other"]
    assert scale.fields[3].fixed
