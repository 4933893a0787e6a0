"""Folders as MLflow 3 lays them out (held against the real one in the slow test): read without MLflow where that can be."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from assay.errors import AssayError, ConfigError, MissingExtraError, ModelError, UntrustedModelError
from assay.model import environment, guard
from assay.model.load import load
from assay.model.mlflow import requirements

RNG = np.random.default_rng(5)
FRAME = pd.DataFrame({"wind": RNG.normal(size=300), "delay": RNG.normal(size=300)})
LABEL = np.array(["no", "yes"])[(FRAME.wind > 0).astype(int)]
BATCH = pa.RecordBatch.from_pandas(FRAME)


def folder(path: Path, flavours: dict, *, names: list[str] | None = None, lines: str = "mlflow==3.17.2\nnumpy==2.4.6\nscikit-learn==1.9.1") -> Path:
    path.mkdir(exist_ok=True)
    about: dict = {"flavors": flavours, "mlflow_version": "3.17.2"}
    if names:
        columns = [{"type": "double", "name": name, "required": True} for name in names]
        about["signature"] = {"inputs": json.dumps(columns), "outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}])}
    (path / "MLmodel").write_text(yaml.safe_dump(about))
    (path / "requirements.txt").write_text(lines)
    return path


def sklearn(path: Path, fitted: object = None, **more) -> Path:
    made = folder(path, {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": {"pickled_model": "model.pkl", "sklearn_version": "1.9.1"}}, **more)
    joblib.dump(fitted if fitted is not None else LogisticRegression().fit(FRAME.to_numpy(), LABEL), made / "model.pkl")
    return made


def test_native_flavours_are_read_without_mlflow(tmp_path) -> None:
    import catboost
    import lightgbm
    import xgboost
    from skl2onnx import to_onnx

    flag = (LABEL == "yes").astype(int)
    skl = sklearn(tmp_path / "sklearn", names=["wind", "delay"])
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FRAME, flag), 3)
    booster.save_model(folder(tmp_path / "xgboost", {"xgboost": {"data": "model.ubj"}}) / "model.ubj")
    lgb = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(FRAME, flag), 3)
    lgb.save_model(folder(tmp_path / "lightgbm", {"lightgbm": {"data": "model.lgb"}}) / "model.lgb")
    cat = catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False).fit(FRAME, LABEL)
    cat.save_model(str(folder(tmp_path / "catboost", {"catboost": {"data": "model.cb"}}) / "model.cb"))
    fitted = joblib.load(skl / "model.pkl")
    made = to_onnx(fitted, FRAME.to_numpy(np.float32)[:1], options={"zipmap": False}).SerializeToString()
    (folder(tmp_path / "onnx", {"onnx": {"data": "model.onnx"}}, names=["wind", "delay"]) / "model.onnx").write_bytes(made)
    said = {"sklearn": fitted.predict_proba(FRAME.to_numpy())[:, 1], "xgboost": booster.predict(xgboost.DMatrix(FRAME)), "lightgbm": lgb.predict(FRAME),
            "catboost": cat.predict_proba(FRAME)[:, 1], "onnx": fitted.predict_proba(FRAME.to_numpy())[:, 1]}
    for name, expected in said.items():
        model = load(tmp_path / name, trust=name == "sklearn")
        assert model.signature.names == ("wind", "delay"), name
        np.testing.assert_allclose(guard.answer(model, BATCH).score[:, 1], expected, rtol=1e-5, atol=1e-6, err_msg=name)   # ONNX computes in float32
        file = next(each for each in (tmp_path / name).iterdir() if each.name.startswith("model."))
        if file.suffix in (".ubj", ".onnx", ".pkl"):   # the same model, wherever it is loaded from
            assert load(file, trust=name == "sklearn").digest == model.digest
        assert load(f"mlflow:{tmp_path / name}", trust=name == "sklearn").digest == model.digest


def test_the_signature_names_and_types_what_the_model_does_not(tmp_path) -> None:
    model = load(sklearn(tmp_path / "m", names=["wind", "delay"]), trust=True)
    assert [(each.name, each.type) for each in model.signature.inputs] == [("wind", "number"), ("delay", "number")]
    bare = load(sklearn(tmp_path / "n"), trust=True)
    assert bare.signature.positional
    own = load(sklearn(tmp_path / "o", LogisticRegression().fit(FRAME, LABEL), names=["delay", "wind"]), trust=True)
    assert own.signature.names == ("wind", "delay")   # the model knows better in which order it was trained


@pytest.mark.parametrize(("about", "error", "words"), [
    ("flavors: {sklearn: {pickled_model: ../outside.pkl}}", ModelError, "leads out of the model's folder"),
    ("flavors: {sklearn: {pickled_model: /etc/passwd}}", ModelError, "leads out"), ("flavors: {sklearn: {pickled_model: link.pkl}}", ModelError, "leads out"),
    ("flavors: {sklearn: {pickled_model: gone.pkl}}", ModelError, "there is no 'gone.pkl'"), ("flavors: {sklearn: {}}", ModelError, "does not say where"),
    ("flavors: {}", ModelError, "names no flavour"), ("- 1", ModelError, "holds no mapping"), ("a: [", ModelError, "not YAML"),
    ("flavors: !!python/object/apply:os.system [id]", ModelError, "YAML"), ("flavors: {spark: {}}", ModelError, "of the flavour 'spark'"),
    ("flavors: {python_function: {loader_module: os}}", UntrustedModelError, "runs whatever code"),
    ("flavors: {sklearn: {pickled_model: model.pkl}}", UntrustedModelError, "a pickle"),
    ("flavors: {onnx: {data: model.pkl}}", ModelError, "no onnx model"),
    ("flavors: {xgboost: {data: model.txt}}\nsignature: {inputs: 'no json'}", ModelError, "signature in the MLmodel"),
])
def test_a_folder_is_not_believed(tmp_path, about, error, words) -> None:
    made = sklearn(tmp_path / "m")
    joblib.dump(1, tmp_path / "outside.pkl")
    (made / "link.pkl").symlink_to(tmp_path / "outside.pkl")
    (made / "model.txt").write_text("tree\n")
    (made / "MLmodel").write_text(about)
    with pytest.raises(error, match=words):
        load(made)


def test_requirements_come_with_the_model(tmp_path) -> None:
    from assay.model.folder import Folder

    assert requirements(Folder(sklearn(tmp_path / "m")), where="m") == ["numpy==2.4.6", "scikit-learn==1.9.1"]
    (tmp_path / "m" / "requirements.txt").unlink()
    with pytest.raises(AssayError, match=r"no 'requirements.txt'"):
        load(tmp_path / "m", trust=True, isolation="process", requirements=True)


def test_what_needs_mlflow_says_so(tmp_path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc", None)
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", None)
    made = folder(tmp_path / "m", {"python_function": {"loader_module": "mlflow.pyfunc.model"}})
    with pytest.raises(MissingExtraError, match=r"assay\[mlflow\]"):
        load(made, trust=True, task="regression")
    for uri in ("models:/flights/3", "mlflow:models:/flights/3", "runs:/abc/model"):
        with pytest.raises(MissingExtraError, match=r"assay\[mlflow\]"):
            load(uri)
    with pytest.raises(ConfigError, match="not read from http"):
        load("mlflow:http://host/x")
    with pytest.raises(ModelError, match="no 'MLmodel'"):
        load(f"mlflow:{tmp_path}")


@pytest.mark.slow
def test_folders_that_the_real_one_made(tmp_path) -> None:
    import subprocess

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        python = environment.built(["mlflow==3.17.2", "scikit-learn==1.9.1", "skops==0.16.0"], where="test").python
    FRAME.to_csv(tmp_path / "x.csv", index=False)
    code = """
import mlflow.sklearn, mlflow.pyfunc, numpy, pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
x = pandas.read_csv("x.csv"); y = numpy.array(["no", "yes"])[(x.wind > 0).astype(int)]
m = LogisticRegression().fit(x, y)
numpy.save("said.npy", m.predict_proba(x))
mlflow.sklearn.save_model(m, "skops", signature=infer_signature(x, y))
mlflow.sklearn.save_model(m, "pickle", serialization_format="cloudpickle")
class Rule(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input["wind"] > 0).map({True: "yes", False: "no"})
mlflow.pyfunc.save_model("rule", python_model=Rule(), signature=infer_signature(x, y))
"""
    subprocess.run([python, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    batch = pa.RecordBatch.from_pandas(pd.read_csv(tmp_path / "x.csv"))
    for name in ("skops", "pickle"):
        np.testing.assert_allclose(guard.answer(load(tmp_path / name, trust=name == "pickle"), batch).score, np.load(tmp_path / "said.npy"))
    # a Python function in the environment that has MLflow, which this one lacks
    rule = load(tmp_path / "rule", trust=True, isolation="process", python=str(python), classes=["no", "yes"])
    assert [("no", "yes")[place] for place in guard.answer(rule, batch).prediction] == LABEL.tolist()
    assert rule.signature.names == ("wind", "delay")
