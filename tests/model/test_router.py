"""Versions per customer: each row is answered by its own model, in one order of classes, and told as one and apart."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import assay
from assay.errors import ConfigError, PredictionError, SignatureError
from assay.model import guard
from assay.model.load import load


def frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    made = pd.DataFrame({"x": rng.normal(size=rows), "z": rng.normal(size=rows)})
    made["customer"] = rng.choice(["A", "B", "C", "D"], rows)
    made["late"] = np.where(np.where(made.customer == "B", -made.x, made.x) > 0, "yes", "no")
    return made


@pytest.fixture
def fleet(tmp_path: Path) -> dict[str, Path]:
    data = frame()
    models = {"a": LogisticRegression().fit(data[["x"]], data.x > 0), "b": LogisticRegression().fit(data[["z", "x"]], data.x < 0),
              "rest": LogisticRegression().fit(data[["x"]], data.x > 0.2)}
    for name, each in models.items():
        each.classes_ = np.array(["no", "yes"])
        joblib.dump(each, tmp_path / f"{name}.joblib")
    return {name: tmp_path / f"{name}.joblib" for name in models}


def described(fleet, **more) -> dict:
    return {"router": {"by": "customer", "A": str(fleet["a"]), "B": str(fleet["b"]), "default": str(fleet["rest"]), **more}}


def test_each_row_is_answered_by_its_own_model(fleet) -> None:
    data = frame()
    model = load(described(fleet), trust=True)
    assert model.signature.names == ("x", "z", "customer")
    answer = guard.answer(model, pa.RecordBatch.from_pandas(data))
    for customers, name in ((["A"], "a"), (["B"], "b"), (["C", "D"], "rest")):
        rows = data.customer.isin(customers).to_numpy()
        native = joblib.load(fleet[name])
        np.testing.assert_allclose(answer.score[rows], native.predict_proba(data.loc[rows, list(native.feature_names_in_)]))
    batch = pa.RecordBatch.from_pandas(data)
    said = model.version(batch).to_pylist()
    assert said == [each if each in "AB" else "default" for each in data.customer]
    coded = batch.set_column(2, "customer", batch.column(2).dictionary_encode())
    np.testing.assert_array_equal(guard.answer(model, coded).score, answer.score)
    assert len(guard.answer(model, batch.slice(0, 0))) == 0
    null = batch.set_column(2, "customer", pa.nulls(batch.num_rows, pa.string()))
    assert set(model.version(null).to_pylist()) == {"default"}


def test_classes_in_another_order_are_not_swapped() -> None:
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"x": rng.normal(size=90)})
    label = np.array(["b", "m", "z"])[(x.x > -0.4).astype(int) + (x.x > 0.4)]
    one = LogisticRegression().fit(x, label)

    def other(batch: pa.RecordBatch) -> np.ndarray:   # the same model, which names its classes in another order
        return one.predict_proba(batch.to_pandas()[["x"]])[:, [2, 0, 1]]

    turned = load(other, classes=["z", "b", "m"], features=["x"])
    model = load({"router": {"by": "g", "1": one, "2": turned}})
    batch = pa.record_batch({"x": x.x.to_numpy(), "g": np.arange(90) % 2 + 1})
    answer = guard.answer(model, batch)
    np.testing.assert_allclose(answer.score, one.predict_proba(x))
    assert [model.signature.classes[place] for place in answer.prediction] == one.predict(x).tolist()


def test_the_digest_is_that_of_the_whole(fleet) -> None:
    one = load(described(fleet), trust=True)
    assert one.digest == load(described(fleet), trust=True).digest
    assert one.digest != load(described(fleet, C=str(fleet["a"])), trust=True).digest
    assert one.digest != load({"router": {**described(fleet)["router"], "by": "x"}}, trust=True).digest


def test_faults_are_told_with_the_version(fleet) -> None:
    batch = pa.RecordBatch.from_pandas(frame())
    strict = described(fleet)
    del strict["router"]["default"]
    with pytest.raises(PredictionError, match=r"no model answers for the customer '[CD]' of row \d+; expected one of 'A', 'B'"):
        guard.answer(load(strict, trust=True), batch)
    with pytest.raises(SignatureError, match="the models for 'A' and 'N' do not answer the same"):
        load(described(fleet, N=LinearRegression().fit([[1.0]], [1.0])), trust=True)
    with pytest.raises(Exception, match=r"router, customer Z.*no such file"):
        load(described(fleet, Z="nowhere.onnx"), trust=True)
    with pytest.raises(SignatureError, match="no column 'customer'"):
        guard.answer(load(described(fleet), trust=True), batch.drop_columns(["customer"]))
    for wrong in ({"router": {"A": "x"}}, {"router": {"by": "c"}}, {"router": 3}, {"router": {"by": "c", "A": "x"}, "more": 1}):
        with pytest.raises(ConfigError):
            load(wrong)


def test_a_fleet_is_checked_as_one_and_apart(fleet, tmp_path) -> None:
    frame(1200).to_parquet(tmp_path / "data.parquet")
    (tmp_path / "assay.yaml").write_text("""
model: {router: {by: customer, A: a.joblib, B: b.joblib, default: {uri: rest.joblib}}}
data: data.parquet
columns: {label: late, slices: [customer]}
checks: [accuracy >= 0.9, accuracy by customer >= 0.8]
""")
    run = assay.check(str(tmp_path / "assay.yaml"), trust=True)
    assert run.verdict == "pass"
    assert {each.slice["customer"] for each in run.values if each.slice} == {"A", "B", "C", "D"}


@pytest.mark.slow   # three processes that load scikit-learn
def test_a_fleet_in_processes_of_their_own(fleet) -> None:
    model = load(described(fleet), trust=True, isolation="process")
    here = load(described(fleet), trust=True)
    batch = pa.RecordBatch.from_pandas(frame())
    np.testing.assert_array_equal(guard.answer(model, batch).score, guard.answer(here, batch).score)
    assert model.digest == here.digest
