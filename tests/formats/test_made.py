"""Files that sklearn2pmml and H2O made, each in its own environment: the answers are those of the library that trained the model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import special

from assay.explain.explain import explain
from assay.model import guard
from assay.model.load import load
from assay.model.trees import trees
from tests.formats.cases import made, mojo_frame
from tests.laws.test_model import batch_of

pytestmark = pytest.mark.formats
PMML = ("binned", "boosting", "boosting3", "boostingvalue", "forest", "forestvalue", "lightgbm", "linear", "logistic", "logistic3", "onerest", "poisson",
        "tree", "treevalue", "voting", "xgboost")
MOJO = ("drf_three", "drf_two", "drf_value", "gbm_count", "gbm_three", "gbm_two", "gbm_value", "glm_count", "glm_three", "glm_two", "glm_value")


@pytest.fixture(scope="module")
def pmml(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pmml")
    made("pmml", folder)
    return folder


@pytest.fixture(scope="module")
def mojo(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mojo")
    made("mojo", folder)
    return folder


@pytest.mark.parametrize("name", PMML)
def test_pmml_answers_as_scikit_learn_does(pmml, name) -> None:
    said = json.loads((pmml / f"{name}.json").read_text())
    model, rows = load(pmml / f"{name}.pmml"), batch_of(pd.read_csv(pmml / f"{name}.csv"))
    found = guard.answer(model, rows)
    single = 1e-6 if name in ("voting", "xgboost") else 1e-12     # which work in 32 bits
    if said["classes"] is None:
        np.testing.assert_allclose(found.value, said["prediction"], rtol=1e-12, atol=1e-12)
    else:
        order = [said["classes"].index(each) for each in model.signature.classes]
        np.testing.assert_allclose(found.score, np.array(said["shares"])[:, order], atol=single)
        assert [model.signature.classes[each] for each in found.prediction] == said["prediction"]


@pytest.mark.parametrize("name", MOJO)
def test_mojo_answers_as_h2o_does(mojo, name) -> None:
    said = json.loads((mojo / f"{name}.json").read_text())["rows"]
    model = load(mojo / f"{name}.zip")
    found = guard.answer(model, batch_of(mojo_frame(mojo)))
    if found.score is None:
        np.testing.assert_allclose(found.value, [each[0] for each in said], rtol=1e-12)
    else:
        np.testing.assert_allclose(found.score, np.array([each[1:] for each in said], np.float64), atol=1e-12)
        assert [model.signature.classes[each] for each in found.prediction] == [each[0] for each in said]


SHARES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log-odds": lambda sums: np.column_stack([1 - special.expit(sums), special.expit(sums)]), "log": np.exp, "value": lambda sums: sums,
    "margin": lambda sums: special.softmax(sums, axis=1), "probability": lambda sums: sums}


def agree(model: Any, rows: pa.RecordBatch, tolerance: float) -> None:
    """The trees of a model in the neutral layout add up to its own answers, and their nodes cover what those below cover."""
    held = trees(model)
    assert held is not None
    said = guard.answer(model, rows)
    found = SHARES[held.unit](held.sums(held.matrix(model.taken(rows))))
    np.testing.assert_allclose(found, said.value[:, None] if said.score is None else said.score, rtol=tolerance, atol=tolerance)
    inner = held.left >= 0
    np.testing.assert_allclose(held.cover[inner], held.cover[held.left[inner]] + held.cover[held.right[inner]], rtol=1e-6)


@pytest.mark.parametrize("name", [each for each in MOJO if not each.startswith("glm") and each != "drf_three"])
def test_trees_of_mojos_add_up_to_what_h2o_answers(mojo, name) -> None:
    model, rows = load(mojo / f"{name}.zip"), batch_of(mojo_frame(mojo))
    agree(model, rows, 1e-12)
    assert trees(model).cover.max() == len(mojo_frame(mojo)) or name.startswith("drf")   # the weights of training came along
    target = model.signature.classes[1] if model.signature.classes else None
    assert explain(model, rows.slice(0, 3), rows.slice(100, 20), target=target).method == "exact trees"


@pytest.mark.parametrize("name", ["boosting", "boosting3", "boostingvalue", "forest", "forestvalue", "lightgbm", "tree", "treevalue", "xgboost"])
def test_trees_of_pmml_add_up_to_its_answers(pmml, name) -> None:
    model, rows = load(pmml / f"{name}.pmml"), batch_of(pd.read_csv(pmml / f"{name}.csv"))
    agree(model, rows, 1e-7 if name == "xgboost" else 1e-12)
    target = model.signature.classes[1] if model.signature.classes else None
    assert explain(model, rows.slice(0, 3), rows.slice(100, 20), target=target).method == "exact trees"


def test_shares_that_h2o_divides_by_their_total_are_no_sums(mojo) -> None:
    assert trees(load(mojo / "drf_three.zip")) is None
    assert trees(load(mojo / "glm_two.zip")) is None


@pytest.mark.parametrize("kind", ["pmml", "mojo"])
def test_five_thousand_rows_a_second(request, kind) -> None:
    folder = request.getfixturevalue(kind)
    path, rows = (folder / "forest.pmml", pd.read_csv(folder / "forest.csv")) if kind == "pmml" else (folder / "drf_three.zip", mojo_frame(folder))
    model, batch = load(path), batch_of(rows.iloc[np.arange(20_000) % 240])
    began = time.perf_counter()
    guard.answer(model, batch)
    assert time.perf_counter() - began < 4


def test_damaged_mojos_end_in_an_error_of_ours(mojo, tmp_path) -> None:
    import contextlib
    import random

    from assay.errors import ModelError

    whole = (mojo / "gbm_two.zip").read_bytes()
    rng, rows = random.Random(4), batch_of(mojo_frame(mojo))
    for number in range(60):
        changed = bytearray(whole)
        for _ in range(rng.choice([1, 3, 9])):
            changed[rng.randrange(len(whole))] = rng.randrange(256)
        (tmp_path / f"{number}.zip").write_bytes(bytes(changed))
        with contextlib.suppress(ModelError):
            guard.answer(load(tmp_path / f"{number}.zip"), rows)
