"""Segments say in words which labelled rows those of now are like, and which are like none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay.estimate.doubly_robust import Estimator
from assay.estimate.rows import Encoding, Rows
from assay.estimate.segments import likeness, strangers


def table(n: int, seed: int, old: float = 0.2, new: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    job = np.where(rng.random(n) < new, "robot", np.where(rng.random(n) < old, "retired", rng.choice(["clerk", "cook"], n)))
    return pa.table({"job": job, "age": np.where(job == "retired", rng.uniform(60, 90, n), rng.uniform(20, 60, n)).round(),
                     "id": [f"{seed}-{each}" for each in range(n)]})


def rows(encoding: Encoding, given: pa.Table, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    retired = np.array(given.column("job").to_pylist()) == "retired"
    right = rng.random(len(retired)) < np.where(retired, 0.6, 0.9)
    answer = rng.integers(0, 2, len(retired))
    score = np.where(answer == 1, 0.8, 0.2)
    return Rows(encoding.matrix(given), answer, np.column_stack([1 - score, score]), np.where(right, answer, 1 - answer),
                encoding.categorical, 2)


@pytest.fixture(scope="module")
def estimator() -> tuple[Estimator, Encoding]:
    given = table(6_000, 0)
    encoding = Encoding.of(given, given.column_names)
    assert encoding.left_out == ("id",)   # as many values as rows: it can be like nothing
    return Estimator.of(rows(encoding, given, 0), folds=2), encoding


def test_more_of_a_weak_segment_is_said(estimator: tuple[Estimator, Encoding]) -> None:
    made, encoding = estimator
    window = made.window(rows(encoding, table(2_000, 1, old=0.6), 1))
    first, *rest = likeness(window, encoding)
    assert "retired" in first.words or "age" in first.words
    assert first.value == pytest.approx(0.6, abs=0.06)
    assert first.now > first.before
    assert sum(each.now for each in (first, *rest)) == pytest.approx(1)
    assert window.estimate("accuracy").value == pytest.approx(0.72, abs=0.04)


def test_rows_like_nothing_labelled_are_named(estimator: tuple[Estimator, Encoding]) -> None:
    made, encoding = estimator
    window = made.window(rows(encoding, table(2_000, 2, new=0.3), 2))
    assert window.refusal is not None
    found = strangers(window, encoding)
    assert "job is new" in found[0].words
    assert found[0].now == pytest.approx(0.3, abs=0.05)
    assert found[0].labelled == 0
    same = made.window(rows(encoding, table(2_000, 3), 3))
    assert same.refusal is None
    assert strangers(same, encoding) == []
