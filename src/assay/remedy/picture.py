"""A model of images as a function from pixels to labels, whatever its rows look like: one column of images, or a column for each pixel.

``Pictures.of(model, data)`` finds the images, ``read`` decodes those of a batch, ``ask`` answers for pixels. For the guarded model and the
verbs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from assay.data.derived import holds
from assay.data.medium import media
from assay.data.pixel import Canvas
from assay.data.source import Source
from assay.errors import ConfigError, DataError, SignatureError, listed
from assay.model import guard
from assay.model.answer import Answer
from assay.model.model import Model

__all__ = ["Pictures"]

Array = np.ndarray[Any, Any]
Size = tuple[int, int, int]
_LOOKED = 1_000   # images by whose sizes the usual one is told


@dataclass(frozen=True)
class Pictures:
    """The images that a ``model`` takes, all of one ``shape`` (height, width, channels).

    They stand in the one column of ``names`` (``canvas`` knows how), or in as many columns as there are numbers (``canvas`` is None).
    """

    model: Model
    names: tuple[str, ...]
    shape: Size
    canvas: Canvas | None = None

    @classmethod
    def of(cls, model: Model, data: Source, *, column: str | None = None, size: Size | None = None) -> Self:
        """Return where the images are, told from the first rows of ``data``.

        Raises ``ConfigError`` where that is not plain or the model predicts no classes, ``DataError`` where no image can be read.
        """
        if model.signature.classes is None or model.signature.task == "multilabel":
            raise ConfigError(f"the model's task is {model.signature.task}", expected="a model that answers each image with one class")
        known = model.signature.names
        names = tuple(data.schema.features if known is None else known)
        found = [name for name, what in media(data).items() if what == "image" and (known is None or name in known)]
        found = [column] if column is not None else found
        if not found:
            return cls(model, names, _square(data, names, size))
        if len(found) > 1 or (known is not None and len(known) > 1):
            raise ConfigError(f"the model takes the columns {listed(names, 8)}", where=data.name, expected="one column of images only",
                              hint="name it with --column")
        if column is not None and (column not in data.schema.names or holds(data.schema[column].type) != "image"):
            raise ConfigError(f"the column '{column}' holds no images", where=data.name, expected="PNG or JPEG files, or lists of pixels")
        return cls._in_one(model, found[0], data, size)

    @classmethod
    def _in_one(cls, model: Model, name: str, data: Source, size: Size | None) -> Self:
        entry = getattr(getattr(model, "respond", None), "entry", None)   # a network knows the shape of its images
        known = getattr(entry, "first", None)
        first = True if known is None else bool(known)
        shapes: Counter[Size] = Counter()
        canvas: Canvas | None = None
        for batch in data.batches([name]):
            cells = batch.column(0).drop_null()[:_LOOKED]
            if not len(cells):
                continue
            canvas = canvas or _canvas(cells, size or getattr(entry, "image", None), first, data.name)
            if canvas is not None:
                shapes.update(each.shape for each in canvas.known(cells) if each is not None)
            if shapes.total() >= _LOOKED:
                break
        if canvas is None or not shapes:
            raise DataError(f"no image in the column '{name}' can be read", where=data.name, expected="PNG or JPEG, or lists of pixels")
        return cls(model, (name,), shapes.most_common(1)[0][0], canvas)

    def read(self, batch: pa.RecordBatch) -> list[Array | None]:
        """Return the pixels of each row, None for what is missing, cannot be decoded or has another size or other channels."""
        if self.canvas is not None:
            found = self.canvas.known(batch.column(batch.schema.names.index(self.names[0])))
            return [each if each is not None and each.shape == self.shape else None for each in found]
        matrix = np.stack([_numbers(batch.column(batch.schema.names.index(name))) for name in self.names], axis=1)
        height, width, channels = self.shape
        images = np.moveaxis(matrix.reshape(-1, channels, height, width), 1, 3)
        return [image if np.isfinite(image).all() else None for image in images]

    def batch(self, images: Array) -> pa.RecordBatch:
        """Return images (n, height, width, channels) as rows that the model takes."""
        if self.canvas is not None:
            return pa.RecordBatch.from_arrays([self.canvas.cells(images)], names=list(self.names))
        flat = np.moveaxis(images, 3, 1).reshape(len(images), -1).astype(np.float64)
        return pa.RecordBatch.from_arrays([pa.array(np.ascontiguousarray(each)) for each in flat.T], names=list(self.names))

    def answer(self, images: Array) -> Answer:
        """Return what the model answers for images; raises what ``guard.answer`` does."""
        return guard.answer(self.model, self.batch(images))

    def ask(self, images: Array) -> Array:
        """Return the place of the class of each image."""
        return labels(self.answer(images))

    def shown(self, label: int) -> Any:
        """Return the class at a place."""
        return (self.model.signature.classes or ())[label]


def labels(said: Answer) -> Array:
    """Return the places of the classes that were answered, by the largest score where there is no more."""
    if said.prediction is not None:
        return np.asarray(said.prediction)
    if said.score is None:
        raise SignatureError("the model answered no class", expected="a class for each image")
    return np.asarray(said.score.argmax(axis=1))


def _canvas(cells: pa.Array, size: Size | None, first: bool, where: str) -> Canvas | None:
    """How the cells are laid out, told from the first that can be read."""
    for place in range(len(cells)):
        try:
            return Canvas.of(cells[place : place + 1], size, first, where=where)
        except DataError:
            if size is None and pa.types.is_fixed_size_list(cells.type):
                raise
    return None


def _square(data: Source, names: Sequence[str], size: Size | None) -> Size:
    """The size of an image whose pixels stand in columns of their own."""
    strange = next((name for name in names if name in data.schema.names and not _numeric(data.schema[name].type)), None)
    count = len(names)
    found = size or next(((side, side, planes) for planes in (1, 3) if (side := math.isqrt(count // planes)) ** 2 * planes == count
                          and side > 3), None)
    if strange is not None or found is None or math.prod(found) != count:
        what = f"'{strange}' among them" if strange is not None else f"{count} of them"
        raise ConfigError(f"the columns that the model takes are no image ({what})", where=data.name,
                          expected="a column of images, or a column of numbers for each pixel",
                          hint="name the column with --column, the label with --label, or the size with --size 8x8")
    return found


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _numbers(column: pa.Array) -> Array:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
