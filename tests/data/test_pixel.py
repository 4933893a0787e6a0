"""Columns of images become pixels and columns again, whatever they hold; what cannot be read is told, or skipped."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from assay.data.image import pictures
from assay.data.pixel import Canvas
from assay.errors import DataError


def png(pixels: np.ndarray) -> bytes:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int32(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("first", [True, False])
def test_lists_there_and_back(kind: pa.DataType, planes: int, first: bool) -> None:
    flat = np.random.default_rng(0).integers(0, 256, (4, 64 * planes))
    column = pa.array(flat.tolist(), pa.list_(kind, 64 * planes))
    canvas = Canvas.of(column, None, first)
    pixels = np.stack(canvas.pixels(column))
    assert pixels.shape == (4, 8, 8, planes)
    assert pixels[1, 2, 3, planes - 1] == flat[1].reshape((planes, 8, 8) if first else (8, 8, planes))[
        (planes - 1, 2, 3) if first else (2, 3, planes - 1)]
    assert canvas.cells(pixels).equals(column)


@pytest.mark.parametrize("planes", [1, 3])
def test_files_there_and_back(planes: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 5, 7, planes)).astype(np.uint8)
    column = pa.array([png(each) for each in images])
    canvas = Canvas.of(column)
    assert canvas.shape == (5, 7, planes)
    assert (np.stack(canvas.pixels(canvas.cells(images))) == images).all()
    struct = pa.StructArray.from_arrays([column, pa.array(["a", "b", "c"])], names=["bytes", "path"])
    again = Canvas.of(struct).cells(images)
    assert again.type == struct.type
    assert (np.stack(Canvas.of(struct).pixels(again)) == images).all()


def test_what_cannot_be_read_is_none_or_told() -> None:
    whole = png(np.zeros((5, 5, 1), np.uint8))
    column = pa.array([whole, b"GIF89a", None, whole[:40]])
    canvas = Canvas.of(column)
    assert [each is not None for each in canvas.known(column)] == [True, False, False, False]
    with pytest.raises(DataError, match="cannot be decoded"):
        canvas.pixels(column[:2])
    with pytest.raises(DataError, match="missing"):
        canvas.pixels(column)
    lists = pa.array([[0.0] * 64, [1.0] * 63, [float("nan")] * 64, None])
    assert [each is not None for each in Canvas.of(lists).known(lists)] == [True, False, False, False]
    with pytest.raises(DataError, match="a list of 63 numbers"):
        Canvas.of(lists[1:])


def test_grey_of_sixteen_bits_is_as_bright_as_it_is_measured_to_be() -> None:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.fromarray(np.linspace(0, 65_535, 12).astype(np.uint16).reshape(3, 4)).save(buffer, "PNG")
    column = pa.array([buffer.getvalue()])
    (found,) = Canvas.of(column).pixels(column)
    assert found.shape == (3, 4, 1)
    assert found.mean() / 255 == pytest.approx(pictures(column).brightness[0], abs=0.01)
