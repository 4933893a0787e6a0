from __future__ import annotations

import json

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from assay.errors import ConfigError, ModelError, SignatureError
from assay.model import guard
from assay.model.load import load

RNG = np.random.default_rng(2)
X = RNG.normal(size=(150, 3)).astype(np.float32)
BATCH = pa.record_batch(dict(zip("abc", X.astype(float).T, strict=True)))
FLAG = (X[:, 0] > 0).astype(int)
LABELS = np.column_stack([FLAG, X[:, 1] > 0.3]).astype(int)


def saved(path, model, **options):
    made = to_onnx(model, X[:1], options={id(model): options} if options else None)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize("zipmap", [True, False, "columns"])
@pytest.mark.parametrize("label", [np.array([7, 3])[FLAG], np.array(["z", "m", "b"])[FLAG + (X[:, 1] > 0)]],
                         ids=["numbers", "text"])
@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(4), KNeighborsClassifier(3),
                                   MLPClassifier((4,), max_iter=5)],
                         ids=lambda each: type(each).__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes_are_found_wherever_converters_put_them(tmp_path, model, label, zipmap) -> None:
    model.fit(X, label)
    path = saved(tmp_path / "m.onnx", model, zipmap=zipmap)
    loaded = load(path, features=["a", "b", "c"])
    assert loaded.signature.classes == tuple(model.classes_.tolist())
    answer = guard.answer(loaded, BATCH)
    np.testing.assert_allclose(answer.score, model.predict_proba(X), atol=1e-5)
    assert [answer.classes[place] for place in answer.prediction] == model.predict(X).tolist()
    renamed = load(path, features=["a", "b", "c"], classes=[f"class {each}" for each in model.classes_])
    np.testing.assert_array_equal(guard.answer(renamed, BATCH).prediction, answer.prediction)


@pytest.mark.parametrize("model", [OneVsRestClassifier(LogisticRegression()), MultiOutputClassifier(LogisticRegression()),
                                   KNeighborsClassifier(3)],
                         ids=lambda each: type(each).__name__)
def test_several_labels(tmp_path, model) -> None:
    model.fit(X, LABELS)
    answer = guard.answer(load(saved(tmp_path / "m.onnx", model, zipmap=False), features=["a", "b", "c"]), BATCH)
    native = model.predict_proba(X)
    native = np.column_stack([each[:, 1] for each in native]) if isinstance(native, list) else native
    assert (answer.task, answer.classes) == ("multilabel", (0, 1))
    np.testing.assert_allclose(answer.score, native, atol=1e-5)
    np.testing.assert_array_equal(answer.prediction, model.predict(X))


def test_numbers_with_one_thread_or_two(tmp_path) -> None:
    model = GradientBoostingRegressor(n_estimators=5).fit(X, X[:, 0])
    path = saved(tmp_path / "m.onnx", model)
    for threads in (1, 2, None):
        np.testing.assert_allclose(guard.answer(load(path, features=["a", "b", "c"], threads=threads), BATCH).value,
                                   model.predict(X), atol=1e-5)
    with pytest.raises(ConfigError, match="threads is -1"):
        load(path, threads=-1)


def graph(path, nodes, inputs, outputs, tensors=(), **metadata):
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, list(tensors)),
                             opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in metadata.items():
        entry = made.metadata_props.add()
        entry.key, entry.value = key, value
    path.write_bytes(made.SerializeToString())
    return path


def info(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def test_a_net_without_labels_needs_its_task_and_its_classes(tmp_path) -> None:
    path = graph(tmp_path / "m.onnx", [helper.make_node("Softmax", ["x"], ["y"])], [info("x", 1, [None, 3])],
                 [info("y", 1, [None, 3])])
    with pytest.raises(SignatureError, match="does not say what it predicts"):
        load(path)
    with pytest.raises(SignatureError, match="does not name its classes"):
        load(path, task="multiclass")
    answer = guard.answer(load(path, task="multiclass", classes=["z", "a", "m"], features=["a", "b", "c"]), BATCH)
    assert [answer.classes[place] for place in answer.prediction] == [["z", "a", "m"][place] for place in X.argmax(axis=1)]


def test_scores_apart_that_do_not_say_whose_they_are_are_refused(tmp_path) -> None:
    path = saved(tmp_path / "m.onnx", LogisticRegression().fit(X, FLAG), zipmap="columns")
    made = onnx.load(path)
    for place, each in enumerate(each for each in made.graph.output if each.type.tensor_type.elem_type == TensorProto.FLOAT):
        node = next(one for one in made.graph.node if each.name in one.output)
        node.output[list(node.output).index(each.name)] = each.name = "xy"[place]
    onnx.save(made, path)
    with pytest.raises(ModelError, match="which holds the scores of which class"):
        load(path, features=["a", "b", "c"])


def test_names_in_the_metadata_are_used(tmp_path) -> None:
    path = graph(tmp_path / "m.onnx", [helper.make_node("Softmax", ["x"], ["y"])], [info("x", 1, [None, 3])],
                 [info("y", 1, [None, 3])],
                 classes=json.dumps(["z", "a", "m"]), features=json.dumps(["c", "a", "b"]))
    loaded = load(path, task="multiclass")
    assert (loaded.signature.names, loaded.signature.classes) == (("c", "a", "b"), ("z", "a", "m"))
    np.testing.assert_array_equal(guard.answer(loaded, BATCH).prediction, X[:, [2, 0, 1]].argmax(axis=1))


def test_a_fixed_number_of_rows_at_a_time(tmp_path) -> None:
    path = graph(tmp_path / "m.onnx", [helper.make_node("ReduceMax", ["x"], ["y"], axes=[1])], [info("x", 1, [4, 3])],
                 [info("y", 1, [4, 1])])
    answer = guard.answer(load(path, features=["a", "b", "c"]), BATCH)
    np.testing.assert_allclose(answer.value, X.max(axis=1))


@pytest.mark.parametrize(("kind", "column", "words"), [
    (TensorProto.INT64, pa.array([1, None]), "nulls or fractions"), (TensorProto.INT64, pa.array([1.5, 2.0]), "nulls or fractions"),
    (TensorProto.FLOAT, pa.array(["a", "b"]), "expected numbers"), (TensorProto.STRING, pa.array([1, 2]), "expected text"),
    (TensorProto.INT64, pa.array([1.0, 2.0]), None), (TensorProto.INT32, pa.array([True, False]), None),
    (TensorProto.DOUBLE, pa.array([2**40, 1]), None),
    (TensorProto.FLOAT, pa.array([1e300, 1.0]), None),
])
def test_each_input_gets_its_type(tmp_path, kind, column, words) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)] if kind != TensorProto.STRING else [
        helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Cast", ["s"], ["y"], to=TensorProto.DOUBLE)]
    loaded = load(graph(tmp_path / "m.onnx", nodes, [info("x", kind, [None, 1])], [info("y", TensorProto.DOUBLE, [None, 1])]),
                  features=["x"])
    ask = lambda: loaded.predict(pa.record_batch({"x": column})).column("value").to_pylist()  # noqa: E731
    if words:
        with pytest.raises(SignatureError, match=words):
            ask()
    else:
        assert ask() == pytest.approx([float(each.as_py()) if each.as_py() < 1e38 else np.inf for each in column])


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("location", "fine"), [("w.bin", True), ("../w.bin", False), ("link.bin", False),
                                                ("/etc/hostname", False)])
def test_weights_are_read_from_the_models_own_folder_only(tmp_path, location, fine) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    weights = np.arange(3, dtype=np.float32)
    for each in (tmp_path / "w.bin", folder / "w.bin"):
        weights.tofile(each)
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    tensor = TensorProto(name="w", data_type=1, dims=[3, 1], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "12")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path = graph(folder / "m.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], [info("x", 1, [None, 3])],
                 [info("y", 1, [None, 1])], [tensor])
    if not fine:
        with pytest.raises(ModelError, match="cannot read the file"):
            load(path)
        return
    model = load(path, features=["a", "b", "c"])
    np.testing.assert_allclose(guard.answer(model, BATCH).value, X @ weights, atol=1e-5)
    (weights + 1).tofile(folder / "w.bin")    # the same graph with other weights is another model
    assert load(path, features=["a", "b", "c"]).digest != model.digest
    weights.tofile(folder / "w.bin")
    assert load(path, features=["a", "b", "c"]).digest == model.digest
