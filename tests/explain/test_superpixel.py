"""Patches of an image: connected, along edges, values of every coalition, and what was planted is found, in files and lists alike."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from scipy import ndimage

import assay
from assay.errors import ConfigError, DataError
from assay.explain.superpixel import grid, slic, superpixels
from assay.model.model import Model
from tests.explain.reference import by_definition
from tests.explain.test_gradient import network


def disc(size: int = 24) -> np.ndarray:
    """A bright disc on dark ground, in colour."""
    y, x = np.mgrid[:size, :size]
    inside = (y - 8) ** 2 + (x - 15) ** 2 < 30
    out = np.zeros((size, size, 3), np.uint8)
    out[inside] = (220, 40, 40)
    out[~inside] = (20, 60, 90)
    return out


def listed(pixels: np.ndarray, first: bool = True) -> pa.Array:
    flat = (np.moveaxis(pixels, 2, 0) if first else pixels).reshape(-1)
    return pa.array([flat.tolist()], pa.list_(pa.from_numpy_dtype(pixels.dtype), flat.size))


def test_patches_are_connected_and_follow_edges() -> None:
    image = disc()
    labels = slic(image.astype(float), 16)
    assert labels.shape == (24, 24)
    assert 6 <= labels.max() + 1 <= 20
    for each in range(labels.max() + 1):
        assert ndimage.label(labels == each)[1] == 1
    inside = image[..., 0] > 100
    mixed = sum(min((inside & (labels == each)).sum(), (~inside & (labels == each)).sum()) for each in range(labels.max() + 1))
    squares = grid(24, 24, 16)
    crude = sum(min((inside & (squares == each)).sum(), (~inside & (squares == each)).sum()) for each in range(16))
    assert mixed < crude / 4
    assert np.unique(slic(np.zeros((9, 5, 1)), 6)).tolist() == list(range(slic(np.zeros((9, 5, 1)), 6).max() + 1))
    assert len(np.unique(grid(7, 30, 20))) == grid(7, 30, 20).max() + 1


def red(batch: pa.RecordBatch) -> np.ndarray:
    """How much red there is at the top right, times how much blue at the bottom left; lists of planes."""
    pixels = np.array(batch.column(0).to_pylist(), float).reshape(-1, 3, 24, 24)
    return pixels[:, 0, :12, 12:].mean(axis=(1, 2)) * (1 + pixels[:, 2, 12:, :12].mean(axis=(1, 2)) / 90)


@pytest.fixture(scope="module")
def model() -> Model:
    return assay.load(red, task="regression", features=["photo"])


def test_values_are_those_of_every_coalition(model: Model) -> None:
    image = disc()
    made = superpixels(model, {"photo": listed(image)}, patches="grid", count=4)
    labels = grid(24, 24, 4)
    mean = np.rint(image.mean(axis=(0, 1))).astype(np.uint8)

    def game(coalition: int) -> float:
        there = np.isin(labels, [each for each in range(4) if coalition >> each & 1])
        return float(red(pa.record_batch({"photo": listed(np.where(there[..., None], image, mean))}))[0])

    assert made.attributions.values[0] == pytest.approx(by_definition(game, 4), abs=1e-9)
    assert made.attributions.gap < 1e-12
    assert made.attributions.method == "every coalition"
    assert int(np.argmax(made.attributions.values[0])) == 1   # top right
    assert (made.labels == labels).all()
    assert "mean colour" in made.attributions.notes[0]


def test_a_background_of_images_and_sampling(model: Model) -> None:
    rng = np.random.default_rng(0)
    behind = [rng.integers(0, 255, (24, 24, 3), dtype=np.uint8) for _ in range(5)]
    table = pa.table({"photo": pa.concat_arrays([listed(each) for each in behind])})
    made = superpixels(model, {"photo": listed(disc())}, table, count=20, at_most=3.0)
    said = made.attributions
    assert said.method == "sampled"
    assert said.gap < 1e-12
    assert said.background_rows == 5
    assert said.base == pytest.approx(np.mean([red(pa.record_batch({"photo": listed(each)}))[0] for each in behind]))
    assert all(each.low <= each.value <= each.high for each in made.tree)
    assert said.model_rows <= 4_200


def test_files_are_read_and_written() -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    file = io.BytesIO()
    pillow.fromarray(disc()).save(file, "PNG")

    def say(batch: pa.RecordBatch) -> np.ndarray:
        held = [each["bytes"] if isinstance(each, dict) else each for each in batch.column(0).to_pylist()]
        return np.array([np.asarray(pillow.open(io.BytesIO(each)))[:12, 12:, 0].mean() for each in held])

    model = assay.load(say, task="regression", features=["photo"])
    cells = {"bytes": pa.array([file.getvalue()], pa.binary()),
             "struct": pa.array([{"bytes": file.getvalue(), "path": "x.png"}], pa.struct({"bytes": pa.binary(), "path": pa.string()}))}
    for cell in cells.values():
        made = superpixels(model, {"photo": cell}, patches="grid", count=4)
        assert made.attributions.output[0] == pytest.approx(disc()[:12, 12:, 0].mean())
        assert made.attributions.values[0, [0, 2, 3]] == pytest.approx([0, 0, 0])
        assert not any("put together" in each for each in made.attributions.notes)
    grey = io.BytesIO()
    pillow.fromarray(disc()[..., 0]).save(grey, "PNG")
    counted = assay.load(lambda batch: np.array([len(np.asarray(pillow.open(io.BytesIO(each))).shape) for each in batch.column(0).to_pylist()], float),
                         task="regression", features=["photo"])
    assert superpixels(counted, {"photo": pa.array([grey.getvalue()], pa.binary())}, count=4).attributions.output[0] == 2   # stays grey
    with pytest.raises(DataError, match="cannot be decoded"):
        superpixels(model, {"photo": pa.array([b"\x89PNG\r\n\x1a\nrest"], pa.binary())})


def test_gradients_of_pixels_add_up_by_patch() -> None:
    weights = np.random.default_rng(1).normal(size=64)
    bent = network(lambda x: np.tanh(x @ weights[:, None] / 4), lambda x: ((1 - np.tanh(x @ weights / 4) ** 2)[:, None] * weights / 4)[:, None, :],
                   shape=(8, 8), inputs=("photo",))
    numbers = np.random.default_rng(2).random((8, 8, 1))
    walked = superpixels(bent, {"photo": listed(numbers)}, patches="grid", count=4, way="gradients")
    asked = superpixels(bent, {"photo": listed(numbers)}, patches="grid", count=4)
    assert walked.attributions.gap < 0.02
    assert walked.attributions.base == pytest.approx(asked.attributions.base)
    assert walked.attributions.values[0] == pytest.approx(asked.attributions.values[0], abs=0.1)   # another way to share, near for this one
    with pytest.raises(ConfigError, match="no gradients"):
        superpixels(assay.load(red, task="regression", features=["photo"]), {"photo": listed(disc())}, way="gradients")


@pytest.mark.parametrize(("first", "scale"), [(True, 1), (False, 1), (True, 3)])
def test_gradients_of_files_are_those_of_the_numbers_that_the_network_makes_of_them(first: bool, scale: int) -> None:
    pillow = pytest.importorskip("PIL.Image")
    weights = np.random.default_rng(1).normal(size=192)
    shape = (3, 8, 8) if first else (8, 8, 3)
    bent = network(lambda x: np.tanh(x @ weights[:, None] / 8), lambda x: ((1 - np.tanh(x @ weights / 8) ** 2)[:, None] * weights / 8)[:, None, :],
                   shape=shape, inputs=("photo",), image=(8, 8, 3))
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()   # a larger file shows the same once the network has made it smaller
    pillow.fromarray(np.full((24, 24, 3), 90, np.uint8) if scale == 3 else pixels).save(file, "PNG")
    seen = np.full((8, 8, 3), 90, np.uint8) if scale == 3 else pixels
    dark = io.BytesIO()
    pillow.fromarray(np.zeros((8 * scale, 8 * scale, 3), np.uint8)).save(dark, "PNG")
    made = superpixels(bent, {"photo": pa.array([file.getvalue()], pa.binary())}, {"photo": pa.array([dark.getvalue()], pa.binary())},
                       patches="grid", count=4, way="gradients")
    lists = superpixels(bent, {"photo": listed(seen / 255, first)}, {"photo": listed(np.zeros((8, 8, 3)), first)}, patches="grid", count=4,
                        way="gradients")
    assert made.attributions.values[0] == pytest.approx(lists.attributions.values[0], abs=1e-6)
    assert np.abs(made.attributions.values[0]).max() > 0.01


def test_bad_input_is_a_sentence(model: Model) -> None:
    row = {"photo": listed(disc())}
    with pytest.raises(DataError, match="shape"):
        superpixels(model, row, labels=np.zeros((3, 3)))
    with pytest.raises(ConfigError, match="at least 2"):
        superpixels(model, row, count=1)
    with pytest.raises(DataError, match="holds no images"):
        superpixels(model, row, {"x": [1]})
    with pytest.raises(DataError, match="another size"):
        superpixels(model, row, {"photo": listed(disc(20))})
    with pytest.raises(DataError, match="list of 70 numbers"):
        superpixels(model, {"photo": pa.array([[1.0] * 70], pa.list_(pa.float64(), 70))})
    with pytest.raises(DataError, match="no images in the row"):
        superpixels(model, {"photo": pa.array([None], pa.list_(pa.float64(), 64))})
    with pytest.raises(ConfigError, match="0 columns of the model hold images"):
        superpixels(model, {"photo": [1.0]})
    own = superpixels(model, row, labels=disc()[..., 0] > 100)
    assert own.attributions.values.shape == (1, 2)
    assert own.attributions.values[0, 1] > 5 * abs(own.attributions.values[0, 0])
