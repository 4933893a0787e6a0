"""How far explanations hang on chance: nothing for exact ones of one background, more for less sampling."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

import assay
from assay.errors import DataError
from assay.explain.attribution import Attributions
from assay.explain.explain import explain
from assay.explain.stability import stability

NAMES = [f"x{place}" for place in range(14)]
X = np.random.default_rng(0).normal(size=(400, 14))
DATA = pa.table(dict(zip(NAMES, X.T, strict=True)))


def of(*rows):
    values = np.array(rows, float)
    return Attributions(tuple(NAMES[:values.shape[1]]), values, 0.0, values.sum(axis=1), "value", "sampled")


def test_the_same_explanation_is_wholly_stable():
    found = stability(of([3, -1, 0], [0, 0, 0]), [of([3, -1, 0], [0, 0, 0])] * 2)
    assert (found.order, found.kept, found.change, found.share) == (1.0, 1.0, 0.0, 0.0)
    assert "largest change 0 " in str(found)


def test_an_order_that_is_turned_round_is_told():
    found = stability(of([3, 2, 1]), [of([1, 2, 3])])
    assert found.order == -1
    assert (found.change, found.column) == (2.0, "x0")
    found = stability(of([3, 2, 1, 0.1]), [of([0.1, 2, 1, 3])], top=2)
    assert found.kept == 0.5
    assert "50% of them" in str(found)


def test_exact_values_hang_on_the_background_and_sampled_ones_on_the_seed_too():
    linear = assay.load(LinearRegression().fit(X, X @ np.arange(14)), features=NAMES)
    same = stability(explain(linear, DATA[:3], DATA), [explain(linear, DATA[:3], DATA, seed=7)])
    assert same.change == 0
    other = stability(explain(linear, DATA[:3], DATA[:100]), [explain(linear, DATA[:3], DATA[100:200])])
    assert other.change > 0
    box = assay.load(lambda batch: np.tanh(np.column_stack([each.to_numpy() for each in batch.columns]) @ np.arange(14.0) / 9), task="regression",
                     features=NAMES)
    few, many = (stability(explain(box, DATA[:3], DATA, budget=budget, at_most=1e-9),
                           [explain(box, DATA[:3], DATA, budget=budget, at_most=1e-9, seed=seed) for seed in (1, 2)]) for budget in (1500, 24_000))
    assert many.change < few.change
    assert many.order > 0.5


def test_other_rows_cannot_be_compared():
    for others in ([], [of([1, 2])], [of([1, 2, 3], [1, 2, 3])]):
        with pytest.raises(DataError):
            stability(of([1, 2, 3]), others)
    assert stability(of([0, 0, 0]), [of([0, 0, 0])]).order is None
