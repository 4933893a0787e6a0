"""ONNX networks over images: the sides that the file states, files and lists of pixels in, and what does not fit told in one sentence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper
from PIL import Image

from assay.errors import AssayError, ConfigError, ModelError, SignatureError
from assay.model import guard
from assay.model.load import load

RNG = np.random.default_rng(4)
CLASSES = ["left", "right", "none"]
OPTIONS: dict[str, Any] = {"task": "multiclass", "classes": CLASSES, "features": ["photo"]}
FILES = RNG.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)   # height 4, width 6: no side is taken for another


def made(path: Path, sides: list[Any], *, logits: bool = False, rows: Any = "n") -> tuple[Path, Any]:
    """Return a network that weighs all numbers of an array of ``sides``, and its weights."""
    size = 72 if len(sides) == 3 else 24
    weight = RNG.normal(size=(size, 3)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["flat"], axis=1), helper.make_node("MatMul", ["flat", "w"], ["sum" if not logits else "y"])]
    nodes += [] if logits else [helper.make_node("Softmax", ["sum"], ["y"], axis=1)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, *sides])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 3])],
                              [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.ravel())])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path, weight


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def batch(images: Any = FILES) -> pa.RecordBatch:
    return pa.record_batch({"photo": pa.array([png(each) for each in images], pa.binary())})


def plain(flat: Any, weight: Any) -> Any:
    grown = np.exp(flat @ weight)
    return grown / grown.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("sides", "first"), [([3, 4, 6], True), ([4, 6, 3], False), ([3, "high", "wide"], True)])
@pytest.mark.parametrize("rows", ["n", 2])
def test_files_become_the_array_that_the_file_asks_for(tmp_path: Path, sides: list[Any], first: bool, rows: Any) -> None:
    path, weight = made(tmp_path / "m.onnx", sides, rows=rows)
    said = {} if isinstance(sides[1], int) else {"image": "4x6x3"}
    answer = guard.answer(load(path, **OPTIONS, **said), batch())
    flat = (np.moveaxis(FILES, 3, 1) if first else FILES).reshape(5, -1) / 255
    np.testing.assert_allclose(answer.score, plain(flat, weight), atol=1e-5)


def test_logits_grey_images_and_lists_of_pixels(tmp_path: Path) -> None:
    path, weight = made(tmp_path / "m.onnx", [4, 6], logits=True)
    grey = FILES[..., 0]
    model = load(path, **OPTIONS, activation="softmax")
    np.testing.assert_allclose(guard.answer(model, batch(grey)).score, plain(grey.reshape(5, -1) / 255, weight), atol=1e-5)
    lists = pa.record_batch({"photo": pa.array((grey.reshape(5, -1) / 255).tolist(), pa.list_(pa.float32(), 24))})
    np.testing.assert_allclose(guard.answer(model, lists).score, guard.answer(model, batch(grey)).score, atol=1e-5)
    assert model.digest != load(path, **OPTIONS).digest   # the same file read otherwise answers otherwise


def test_a_picture_of_another_size_is_brought_to_that_of_the_model(tmp_path: Path) -> None:
    path, _ = made(tmp_path / "m.onnx", [3, 4, 6])
    model = load(path, **OPTIONS)
    large = np.repeat(np.repeat(np.full((1, 4, 6, 3), 90, np.uint8), 3, axis=1), 3, axis=2)
    np.testing.assert_allclose(guard.answer(model, batch(large)).score, guard.answer(model, batch(large[:, :4, :6])).score, atol=1e-5)


def test_grey_of_sixteen_bits_is_as_bright_as_of_eight(tmp_path: Path) -> None:
    path, _ = made(tmp_path / "m.onnx", [3, 4, 6])
    model, grey = load(path, **OPTIONS), FILES[:1, ..., 0]
    deep = guard.answer(model, batch(grey.astype(np.uint16) * 257)).score
    np.testing.assert_allclose(deep, guard.answer(model, batch(grey)).score, atol=1e-5)


@pytest.mark.parametrize(("sides", "options", "error", "words"), [
    ([3, "high", "wide"], {}, SignatureError, "expected the size of the images"),
    ([3, 4, 6], {"image": "8x8x3"}, SignatureError, "8 x 8 x 3"),
    ([3, 4, 6], {"layout": "middle"}, ConfigError, "layout"),
])
def test_what_does_not_fit_is_told(tmp_path: Path, sides: list[Any], options: dict[str, Any], error: type[AssayError], words: str) -> None:
    path, _ = made(tmp_path / "m.onnx", sides)
    with pytest.raises(error, match=words):
        load(path, **OPTIONS, **options)


def test_two_arrays_and_a_broken_file_are_told(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 4, 6]) for name in "ab"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", inputs,
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 4, 6])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "two.onnx")
    with pytest.raises(ModelError, match="one array of numbers"):
        load(tmp_path / "two.onnx", **OPTIONS)
    model = load(made(tmp_path / "m.onnx", [3, 4, 6])[0], **OPTIONS)
    with pytest.raises(SignatureError, match=r"holds text; .* a path is no image"):
        guard.answer(model, pa.record_batch({"photo": ["a.png", "b.png"]}))
    for content, where in (([png(FILES[0])[:60]], "the image cannot"), ([png(FILES[0]), b"text"], "the image in row 1 cannot")):
        with pytest.raises(AssayError, match=where):
            guard.answer(model, pa.record_batch({"photo": pa.array(content, pa.binary())}))
