"""How much a model depends on its inputs, against models whose dependence is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import GradientBoostingClassifier

import assay
from assay.verbs.monitor.dependence import dependence


def frame(n=5_000, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.normal(size=n)})


def test_a_linear_model_depends_on_its_inputs_as_its_weights_say():
    model = assay.load(lambda batch: 3 * batch.column("a").to_numpy() + 4 * batch.column("b").to_numpy(), task="regression")
    found = dependence(model, assay.source(frame()))
    assert (found["a"], found["b"], found["c"]) == (pytest.approx(0.6, abs=0.05), pytest.approx(0.8, abs=0.05), 0.0)  # weight by the deviation of the answers, 5
    assert dependence(model, assay.source(frame())) == found   # the same again


def test_a_classifier_that_was_fitted():
    table = frame()
    x = np.column_stack([table[name].to_numpy() for name in "abc"])
    model = assay.load(GradientBoostingClassifier(n_estimators=20, random_state=0).fit(x, x[:, 0] + 0.3 * x[:, 1] > 0), features=["a", "b", "c"])
    found = dependence(model, assay.source(table))
    assert found["a"] > 3 * found["b"] > 9 * found["c"]


def test_labels_only_and_few_rows():
    model = assay.load(lambda batch: np.where(batch.column("a").to_numpy() > 0, "yes", "no"), task="binary", classes=["no", "yes"])
    found = dependence(model, assay.source(frame()))
    assert (found["a"], found["b"]) == (pytest.approx(1, abs=0.1), 0.0)
    assert dependence(model, assay.source(frame(5))) == {}
    constant = assay.load(lambda batch: np.zeros(batch.num_rows), task="regression")
    assert set(dependence(constant, assay.source(frame())).values()) == {0.0}


def test_it_is_bounded_and_the_sample_is_drawn_from_all_rows():
    asked = []

    def respond(batch):
        asked.append(batch.num_rows)
        return batch.column("a").to_numpy() * 1.0

    table = pa.table({"a": np.concatenate([np.zeros(300_000), np.ones(300_000)]), **{f"x{each}": np.zeros(600_000) for each in range(5)}})
    found = dependence(assay.load(respond, task="regression"), assay.source(table))
    assert found["a"] == pytest.approx(1, abs=0.2)   # of the first rows alone it would be nothing
    assert sum(asked) == 1_000 * 7
