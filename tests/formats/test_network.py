"""Networks: images as inputs, gradients against differences, and files that would run code."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import ConfigError, ModelError, PredictionError, UntrustedModelError
from assay.model import guard
from assay.model.gradient import gradient
from assay.model.load import load

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("default")]
torch = pytest.importorskip("torch", reason="torch is not installed: make test-formats")
ROWS = pa.record_batch({name: np.random.default_rng(place).normal(size=20) for place, name in enumerate("abcd")})


def moved(rows: pa.RecordBatch, name: str, step: float) -> pa.RecordBatch:
    place = rows.schema.names.index(name)
    return rows.set_column(place, name, pa.array(rows.column(name).to_numpy() + step))


def slopes(model, output: int, step: float = 1e-5) -> np.ndarray:
    """The gradient by differences of the answers."""
    def part(rows: pa.RecordBatch) -> np.ndarray:
        found = guard.answer(model, rows)
        return found.value if found.score is None else found.score[:, output]

    return np.column_stack([(part(moved(ROWS, name, step)) - part(moved(ROWS, name, -step))) / (2 * step) for name in "abcd"])


@pytest.mark.parametrize(("outputs", "options"), [
    (3, {"classes": ["x", "y", "z"], "activation": "softmax"}), (1, {"task": "binary", "activation": "sigmoid"}), (1, {"task": "regression"}),
    (2, {"task": "multilabel", "classes": ["u", "v"], "activation": "sigmoid"})])
def test_a_gradient_of_torch_is_that_of_differences(outputs, options) -> None:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.Tanh(), torch.nn.Linear(7, outputs)).double()
    model = load(net, features=list("abcd"), **options)
    for output in range(len(model.signature.classes or (0,))):
        np.testing.assert_allclose(gradient(model, ROWS, output), slopes(model, output), atol=1e-8)


def test_a_gradient_of_keras_is_that_of_differences() -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    net = keras.Sequential([keras.Input((4,), dtype="float64"), keras.layers.Dense(7, activation="tanh", dtype="float64"),
                            keras.layers.Dense(3, activation="softmax", dtype="float64")])
    model = load(net, features=list("abcd"))
    single = keras.backend.backend() != "tensorflow"     # the others take their inputs in 32 bits, whatever a layer says
    np.testing.assert_allclose(gradient(model, ROWS, 2), slopes(model, 2, 5e-3 if single else 1e-5), atol=2e-4 if single else 1e-5)


def test_a_gradient_of_jax_is_that_of_differences() -> None:
    jax = pytest.importorskip("jax")
    weight = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    model = load(jax.jit(lambda rows: jax.numpy.tanh(rows @ weight)), features=list("abcd"), classes=["x", "y", "z"], activation="softmax")
    np.testing.assert_allclose(gradient(model, ROWS, 1), slopes(model, 1), atol=2e-2)   # differences of 32-bit answers


def digits() -> tuple[np.ndarray, pa.RecordBatch]:
    from PIL import Image
    from sklearn.datasets import load_digits

    images = (load_digits().images[:30] * 15).astype(np.uint8)
    data = []
    for each in images:
        file = io.BytesIO()
        Image.fromarray(each, "L").save(file, "PNG")
        data.append(file.getvalue())
    return images, pa.record_batch({"digit": pa.array(data, pa.binary())})


def test_torch_takes_images_as_files_and_as_lists() -> None:
    images, rows = digits()
    torch.manual_seed(2)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10)).eval()
    options = {"classes": list(range(10)), "activation": "softmax", "image": "8x8", "features": ["digit"]}
    with torch.no_grad():
        expected = torch.softmax(net(torch.from_numpy(images[:, None].astype(np.float32) / 255)).double(), 1).numpy()
    np.testing.assert_allclose(guard.answer(load(net, **options), rows).score, expected, atol=1e-6)
    lists = pa.record_batch({"digit": pa.array((images.reshape(30, -1) / 255).tolist(), pa.list_(pa.float64(), 64))})
    np.testing.assert_allclose(guard.answer(load(net, **options), lists).score, expected, atol=1e-6)
    assert gradient(load(net, **options), rows, 3).shape == (30, 1, 8, 8)
    broken = pa.record_batch({"digit": pa.array([rows.column(0)[0].as_py(), b"no image"], pa.binary())})
    with pytest.raises(PredictionError, match="row 1 cannot be decoded"):
        guard.answer(load(net, **options), broken)


def test_keras_takes_images() -> None:
    keras = pytest.importorskip("keras")
    images, rows = digits()
    net = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])
    model = load(net, image="8x8", features=["digit"])
    np.testing.assert_allclose(guard.answer(model, rows).score, np.asarray(net.predict(images[..., None] / 255.0, verbose=0)), atol=1e-6)


@pytest.mark.parametrize("kind", ["exported", "script", "module"])
def test_programs_of_torch_need_trust(tmp_path, kind) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 1))
    path = tmp_path / ("net.pt2" if kind == "exported" else "net.pt")
    if kind == "exported":
        torch.export.save(torch.export.export(net, (torch.zeros(5, 4),)), path)
    elif kind == "script":
        torch.jit.script(net).save(str(path))
    else:
        torch.save(net, path)
    with pytest.raises(UntrustedModelError):
        load(path, task="regression")
    assert load(path, task="regression", trust=True).signature.task == "regression"


def test_weights_want_their_class(tmp_path) -> None:
    torch.save(torch.nn.Linear(4, 1).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="weights and no network"):
        load(tmp_path / "w.pt", task="regression")
    with pytest.raises(ModelError, match="do not fit"):
        load(tmp_path / "w.pt", task="regression", network=torch.nn.Linear(5, 1))
    with pytest.raises(UntrustedModelError, match="would be imported"):
        load(tmp_path / "w.pt", task="regression", network="os:system")
    with pytest.raises(ConfigError, match=r"image is 'big'"):
        load(tmp_path / "w.pt", task="regression", network=torch.nn.Linear(4, 1), image="big")


def test_a_keras_file_with_code_needs_trust(tmp_path) -> None:
    keras = pytest.importorskip("keras")
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    net.save(tmp_path / "net.keras")
    assert load(tmp_path / "net.keras").signature.task == "regression"
    with zipfile.ZipFile(tmp_path / "net.keras") as held:
        parts = {name: held.read(name) for name in held.namelist()}
    config = json.loads(parts["config.json"])
    for change in ({"class_name": "function", "module": "os", "config": "system"}, {"class_name": "Lambda", "module": "keras.layers", "config": {}},
                   {"class_name": "Dense", "module": "keras.layers", "registered_name": "theirs>Dense", "config": {}},
                   {"class_name": "torch", "module": "keras.src.backend.torch.optimizers.torch_adam", "config": {}},
                   {"class_name": "Adam", "module": "keras.src.backend.torch.optimizers.torch_adam.x", "config": {}}):
        harm = json.loads(json.dumps(config))
        harm["config"]["layers"].append(change)
        with zipfile.ZipFile(tmp_path / "harm.keras", "w") as made:
            for name, data in parts.items():
                made.writestr(name, json.dumps(harm) if name == "config.json" else data)
        with pytest.raises(UntrustedModelError):
            load(tmp_path / "harm.keras")


def test_folders_with_code_need_trust(tmp_path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(UntrustedModelError, match="a SavedModel is a program"):
        load(tmp_path / "saved", task="regression")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "model.safetensors").write_bytes(b"x")
    (tmp_path / "theirs" / "config.json").write_text('{"auto_map": {"AutoConfig": "evil.Config"}}')
    with pytest.raises(UntrustedModelError, match="names Python code"):
        load(tmp_path / "theirs")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "pickled" / "config.json").write_text("{}")
    with pytest.raises(UntrustedModelError, match="the weights are a pickle"):
        load(tmp_path / "pickled")
