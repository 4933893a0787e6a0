"""The three kinds of change: planted ones are found as what they are, nothing is claimed where nothing changed, intervals cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay.explain.split import PARTS, apart, numbers, split

Array = np.ndarray[Any, Any]
_GRID = np.linspace(-8, 10, 200_001)


def expected(x: Array) -> Array:
    """The loss at a place: a step and a bend."""
    return np.asarray(0.2 + 0.15 * (x > 0.5) + 0.1 * np.tanh(x))


def drawn(seed: int, rows: int, kind: str) -> tuple[pa.RecordBatch, pa.RecordBatch, tuple[Array, Array]]:
    """Return two sides that differ in one way only, and what was lost on them."""
    random = np.random.default_rng(seed)
    x, z = random.normal(size=rows), random.integers(0, 4, rows)
    after, other = random.normal(size=rows), random.integers(0, 4, rows)
    if kind == "harder":
        after = random.normal(0.5, 0.8, rows)
    if kind == "unseen":
        after = np.where(random.random(rows) < 0.2, random.uniform(4, 6, rows), after)
    later = expected(after) + (0.3 * (other == 2) if kind == "answer" else 0) + (np.where(after > 4, 0.4, 0) if kind == "unseen" else 0)
    lost = expected(x) + 0.3 * random.normal(size=rows), later + 0.3 * random.normal(size=rows)
    made = [pa.record_batch({"x": one, "z": [f"c{each}" for each in two]}) for one, two in ((x, z), (after, other))]
    return made[0], made[1], lost


def truth(kind: str) -> tuple[float, float, float]:
    """Return the three parts by integration."""
    def normal(mean: float, spread: float) -> Array:
        return np.asarray(np.exp(-0.5 * ((_GRID - mean) / spread) ** 2) / spread)

    p = normal(0, 1) / normal(0, 1).sum()
    q = normal(0.5, 0.8) if kind == "harder" else p
    q = q / q.sum()
    if kind == "unseen":
        far = ((_GRID > 4) & (_GRID < 6)).astype(float)
        q = 0.8 * p + 0.2 * far / far.sum()
    after = expected(_GRID) + (0.075 if kind == "answer" else 0) + (np.where(_GRID > 4, 0.4, 0) if kind == "unseen" else 0)
    shared = p * q / (p + q + 1e-300)
    shared /= shared.sum()
    return (float(shared @ expected(_GRID) - p @ expected(_GRID)), float(shared @ (after - expected(_GRID))),
            float(q @ after - shared @ after))


@pytest.mark.parametrize("kind", ["harder", "answer", "unseen"])
def test_the_planted_kind_is_found(kind: str) -> None:
    before, after, lost = drawn(11, 2000, kind)
    found = split(before, after, lost)
    assert sum(each.value or 0.0 for each in found.parts) == pytest.approx(found.change.value, abs=1e-12)
    wanted = truth(kind)
    for each, value in zip(found.parts, wanted, strict=True):
        assert each.spread is not None
        assert abs((each.value or 0.0) - value) < 4 * each.spread.error
    largest = int(np.argmax(np.abs(wanted)))
    assert (found.parts[largest].low or 0.0) > 0
    assert found.parts[largest].note == PARTS[largest]


def test_groups_and_weights() -> None:
    before, after, lost = drawn(3, 300, "answer")
    twice = [pa.Table.from_batches([each, each]).combine_chunks().to_batches()[0] for each in (before, after)]
    who = np.tile(np.arange(300), 2)
    lost_twice = np.tile(lost[0], 2), np.tile(lost[1], 2)
    found = split(twice[0], twice[1], lost_twice, group=(who, who + 300))
    plain = split(twice[0], twice[1], lost_twice)
    one, other = found.parts[1].spread, plain.parts[1].spread
    assert one is not None
    assert other is not None
    assert one.error > 1.2 * other.error       # rows that are there twice say it once
    even = split(before, after, lost, weight=(np.full(300, 3.0), np.full(300, 0.5)))
    assert [each.value for each in even.parts] == pytest.approx([each.value for each in split(before, after, lost).parts])


def test_refusals_are_said() -> None:
    before, after, lost = drawn(1, 400, "none")
    few = split(before.slice(0, 50), after, (lost[0][:50], lost[1]))
    assert not few.parts
    assert "50 rows on one side" in str(few.note)
    away = pa.record_batch({"x": after.column(0).to_numpy() + 50, "z": after.column(1)})
    nil = split(before, away, lost)
    assert not nil.parts
    assert "hardly overlap" in str(nil.note)
    assert apart(before, away) == ("x", 0.0)
    blank = pa.record_batch({"x": pa.nulls(400)})
    assert "no input is a number or a category" in str(split(blank, blank, lost).note)


def test_bad_columns_are_taken_as_they_are() -> None:
    """Missing, infinite, constant, of null type, of many categories."""
    before, after, lost = drawn(1, 400, "none")
    hard = []
    for side in (before, after):
        x = side.column(0).to_numpy().copy()
        x[:5], x[5:9] = np.nan, np.inf
        hard.append(pa.record_batch({"x": x, "one": np.ones(400), "none": pa.nulls(400), "id": [str(each) for each in range(400)],
                                     "yes": pa.array([None, True] * 200)}))
    found = split(hard[0], hard[1], lost)
    assert all(np.isfinite(each.value or 0.0) for each in found.parts)
    assert numbers(hard)[0].shape == (800, 4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "harder", "answer", "unseen"])
def test_intervals_cover(kind: str) -> None:
    """In 24 draws: at least 20 of each hold the truth (95 % are promised; fewer have a chance of 1 in 1,000), which is 0 where nothing changed."""
    wanted, held = truth(kind), np.zeros(3)
    for seed in range(24):
        before, after, lost = drawn(1000 + seed, 1500, kind)
        held += [each.low <= value <= each.high for each, value in zip(split(before, after, lost, seed=seed).parts, wanted, strict=True)]
    assert (held >= 20).all()
