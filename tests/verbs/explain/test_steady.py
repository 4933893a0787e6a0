"""A model that does not say the same of a row each time is told of by every question that asks it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.verbs.explain.steady import unsteady

RNG = np.random.default_rng(5)
N = 400
TABLE = pa.table({"x": RNG.normal(size=N), "z": RNG.normal(size=N), "group": RNG.choice(["a", "b"], N), "y": RNG.integers(0, 2, N),
                  "day": pa.array(np.datetime64("2013-01-01") + RNG.integers(0, 59, N))})
GIVEN: dict[str, Any] = {"task": "binary", "classes": [0, 1], "label": "y", "features": ["x", "z"], "positive": 1, "protected": ["group"],
                         "timestamp": "day"}
ASKED: list[dict[str, Any]] = [
    {"row": 3}, {"rows": 40}, {"between": ("2013-01", "2013-02"), "quantity": "score"}, {"disparity": "group", "quantity": "score"}, {"segments": True}, {"segments": "disparity"},
    {"row": 3, "counterfactual": True}]


def plain(batch: pa.RecordBatch) -> Any:
    return 1 / (1 + np.exp(-np.asarray(batch.column("x")) - np.asarray(batch.column("z"))))


def ranked(batch: pa.RecordBatch) -> Any:
    return np.argsort(np.argsort(np.asarray(batch.column("x")))) / max(batch.num_rows, 1)


def first(batch: pa.RecordBatch) -> Any:
    return np.where(np.arange(batch.num_rows) < batch.num_rows / 2, 0.2, 0.8)


def test_a_model_that_hangs_on_nothing_but_the_row_is_not_told_of() -> None:
    model = assay.load(plain, task="binary", classes=[0, 1], features=["x", "z"])
    assert unsteady(model, TABLE.select(["x", "z"]).to_batches()[0]) == ()


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_answers_that_hang_on_other_rows_are_told(asked: dict[str, Any]) -> None:
    run = assay.explain(ranked if "row" in asked else first, TABLE, budget=2000, **GIVEN, **asked)
    assert sum("hang on the order of rows" in each for each in run.notes) == 1


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_answers_at_random_are_told_once(asked: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    run = assay.explain(lambda batch: random.random(batch.num_rows), TABLE, budget=2000, **GIVEN, **asked)
    assert sum("not deterministic" in each for each in run.notes) == 1
