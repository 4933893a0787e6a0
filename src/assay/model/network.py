"""What adapters of networks share: rows as one array, raw outputs as scores, and gradients of scores with respect to the inputs.

An adapter gives a :class:`Network` its function of arrays, and, where it can differentiate, ``pull``. ``foreseen`` makes the signature
of a model that says nothing of its task. Only adapters use this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, PredictionError, SignatureError
from assay.model.answer import Answer
from assay.model.column import is_text, matrix, numbers, texts
from assay.model.format import Options
from assay.model.linear import Linear
from assay.model.signature import Signature
from assay.model.trees import Unit

__all__ = ["OPTIONS", "Columns", "Entry", "Network", "activated", "activation"]

Array = np.ndarray[Any, Any]
OPTIONS = frozenset({"activation", "image", "layout", "dtype"})
ACTIVATIONS = ("softmax", "sigmoid", "none")
CELLS = 4_000_000     # of an array that is given at once: what lies between the layers is several times as much
_STEP = 4_096         # rows whose last layer is read at once
TYPES: Mapping[str, Any] = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "int32": np.int32, "float16": np.float16,
                            "uint8": np.uint8}


@dataclass(frozen=True)
class Entry:
    """How rows become the array that a network takes: ``shape`` of one row (None: as many numbers as columns), and its type.

    ``image`` is (height, width, channels); ``first``: channels stand before height and width.
    """

    dtype: Any = np.float32
    shape: tuple[int, ...] | None = None
    image: tuple[int, int, int] | None = None
    first: bool = False

    @classmethod
    def of(cls, options: Options, *, dtype: Any = np.float32, shape: tuple[int, ...] | None = None, first: bool = False) -> Entry:
        """Return what the user said (``image="28x28"`` or ``"64x64x3"``, ``layout``, ``dtype``), else what the model did."""
        said, layout, kind = options["image"], options["layout"], options["dtype"]
        if layout not in (None, "first", "last"):
            raise ConfigError(f"layout is {layout!r}", where=options.name, expected="first or last: where the channels of an image stand")
        if kind is not None and kind not in TYPES:
            raise ConfigError(f"dtype is {kind!r}", where=options.name, expected=f"one of {', '.join(TYPES)}")
        found = None
        if said is not None:
            match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})(?:x([134]))?", str(said))
            if match is None:
                raise ConfigError(f"image is {said!r}", where=options.name,
                                  expected="its size in pixels, such as 28x28, or 64x64x3 for colours")
            found = (int(match[1]), int(match[2]), int(match[3] or 1))
        first = first if layout is None else layout == "first"
        if found is not None:
            height, width, channels = found
            shape = shape or ((channels, height, width) if first else (height, width, channels))
        return cls(TYPES[kind] if kind else dtype, shape, found, first)

    @property
    def whole(self) -> bool:
        """Whether a row is one cell (an image, a list of numbers) and not a number in each column."""
        return self.image is not None or (self.shape is not None and len(self.shape) > 1)

    def __call__(self, batch: pa.RecordBatch, where: str) -> Array:
        if batch.num_columns == 1 and (self.whole or not _plain(batch.schema.types[0])):
            given = self._cells(batch.column(0), batch.schema.names[0], where)
        else:
            given = matrix(batch, where=where, order="C")
        if np.issubdtype(self.dtype, np.integer) and not np.isfinite(given).all():
            raise PredictionError("a number is missing, and the model takes whole numbers", where=where, expected="rows without nulls")
        given = given.astype(self.dtype, copy=False)
        if self.shape is None:
            return given
        try:
            return given.reshape(len(given), *self.shape)
        except ValueError:
            each = int(np.prod(given.shape[1:]))
            raise SignatureError(f"a row has {each} numbers, and the model takes an array of {self.shape}", where=where,
                                 expected=f"{int(np.prod(self.shape))} numbers") from None

    def _cells(self, column: pa.Array, name: str, where: str) -> Array:
        kind, rows = column.type, len(column)
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise PredictionError(f"the column '{name}' has no value{f' in row {row}' if rows > 1 else ''}", where=where,
                                  expected="a value in each row, as the model takes them")
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            column = column.field("bytes")
            kind = column.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            if self.image is None:
                raise SignatureError(f"the column '{name}' holds bytes", where=where, expected="the size of the images",
                                     hint="pass image='28x28' (grey) or image='64x64x3'")
            from assay.model._pillow import pixels

            found = pixels(column, self.image, where=where)
            return np.moveaxis(found, 3, 1) if self.first else found
        if is_text(kind):
            raise SignatureError(f"the column '{name}' holds text", where=where, expected="the bytes of image files, or lists of pixels",
                                 hint="a path is no image: read the files into the column" if self.image is not None else None)
        while pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            fixed = pa.types.is_fixed_size_list(column.type)
            if not fixed and len(np.unique(column.value_lengths().to_numpy(zero_copy_only=False))) > 1:
                raise SignatureError(f"the lists in the column '{name}' are not all of one length", where=where, expected="one length")
            column = column.flatten()
        if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise SignatureError(f"the column '{name}' is of type {kind}", where=where, expected="numbers, lists of numbers, or images")
        values: Array = column.to_numpy(zero_copy_only=False)
        return values.reshape(rows, -1)


@dataclass(frozen=True)
class Columns:
    """Rows for a network with an input for each column: by name, the type and the shape of one value, () or (1,)."""

    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    shape: tuple[int, ...] | None = None

    def __call__(self, batch: pa.RecordBatch, where: str) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for place, (name, (kind, shape)) in enumerate(self.inputs.items()):
            column, title = batch.column(place), batch.schema.names[place]
            if kind == "string":
                if not is_text(column.type) or column.null_count:
                    raise SignatureError(f"the column '{title}' is of type {column.type}", where=where, expected="text, without nulls")
                given: Array = texts(column, missing="")
            else:
                given = numbers(column, name=title, where=where)
                if np.issubdtype(np.dtype(kind), np.integer) and not np.isfinite(given).all():
                    raise PredictionError(f"a number is missing in '{title}'", where=where, expected="rows without nulls")
                given = given.astype(kind)
            found[name] = given.reshape(-1, *shape)
        return found


def _plain(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def activation(options: Options, otherwise: str = "none") -> str:
    """Return what turns raw outputs into scores, as the user said."""
    said = options["activation"] or otherwise
    if said not in ACTIVATIONS:
        raise ConfigError(f"activation is {said!r}", where=options.name, expected="softmax or sigmoid, if the model answers with logits")
    return str(said)


def activated(raw: Array, how: str) -> Array:
    """Return raw outputs (rows, K) as scores.

    >>> activated(np.array([[0.0, 0.0]]), "softmax").tolist()
    [[0.5, 0.5]]
    """
    if how == "softmax":
        grown = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(raw, -700, 700)))) if how == "sigmoid" else raw


class Network:
    """The ``respond`` of a network: ``call`` takes an array of rows and returns one of outputs, (rows,) or (rows, K).

    ``pull(array, weight)`` returns the gradient of the weighted sum of the outputs of each row, in the shape of the array; ``end(array)``
    what enters the last linear layer, its weights (outputs, numbers) and its constants, None where there is no such layer.
    """

    def __init__(self, call: Callable[[Any], Any], signature: Signature, entry: Entry | Columns, how: str, where: str,
                 pull: Callable[[Any, Array], Any] | None = None, end: Callable[[Any], tuple[Array, Array, Array] | None] | None = None):
        self.call, self.signature, self.entry, self.how, self.where, self.pull = call, signature, entry, how, where, pull
        self.end = end

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        width = int(np.prod(self.entry.shape)) if self.entry.shape else max(batch.num_columns, 1)
        step = max(1, CELLS // width)
        parts = [self._raw(self.entry(batch.slice(at, step), self.where)) for at in range(0, batch.num_rows, step)]
        raw = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if self.signature.classes is None:
            return Answer.valued(self.signature, raw)
        if self.how == "softmax" and raw.shape[1] == 1:
            raise PredictionError("the model answered with one number a row", where=self.where, expected="sigmoid in place of softmax")
        return Answer.scored(self.signature, activated(raw, self.how))

    def _raw(self, given: Any) -> Array:
        raw = np.asarray(self.call(given), np.float64)
        if raw.ndim > 2 and int(np.prod(raw.shape[2:])) == 1:
            raw = raw.reshape(raw.shape[:2])
        if raw.ndim not in (1, 2):
            raise PredictionError(f"the model answered with an array of shape {raw.shape}", where=self.where,
                                  expected="(rows,) or (rows, K)")
        return raw[:, None] if raw.ndim == 1 else raw

    def gradient(self, batch: pa.RecordBatch, output: int) -> Array | None:
        """Return how the score of class ``output`` (or the number) changes with each input, in the shape of the inputs."""
        if self.pull is None:
            return None
        given = self.entry(batch, self.where)
        return np.asarray(self.pull(given, self._slope(self._raw(given), output)), np.float64)

    def layer(self, batch: pa.RecordBatch) -> Linear | None:
        """Return the last linear layer, over what enters it, or None: the network does not end in one, as ``batch`` shows."""
        given = self.entry(batch, self.where)
        found = None if self.end is None or isinstance(given, dict) else self.end(given)
        if found is None or not batch.num_rows:
            return None
        entered, weights, constant = found
        sums, raw = entered @ weights.T + constant, self._raw(given)
        unit: Unit
        if self.signature.classes is None:
            how, unit = "none", "value"
        else:   # the last layer gives logits: the adapter turns them into scores, or the network itself
            how = self.how if self.how != "none" else "sigmoid" if sums.shape[1] == 1 else "softmax"
            unit = "log-odds" if sums.shape[1] == 1 else "margin"
        same = sums if self.how != "none" or self.signature.classes is None else activated(sums, how)
        if same.shape != raw.shape or not np.allclose(same, raw, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(raw).max()))):
            return None

        def matrix(rows: pa.RecordBatch) -> Array:
            parts = [self.end(self.entry(rows.slice(at, _STEP), self.where)) for at in range(0, max(rows.num_rows, 1), _STEP)]  # type: ignore[misc]
            return np.concatenate([each[0] for each in parts if each is not None])
        return Linear(weights, constant, unit, matrix, np.zeros(weights.shape[1], np.int64))

    def _slope(self, raw: Array, output: int) -> Array:
        """How the asked score changes with each raw output, (rows, K)."""
        score = activated(raw, self.how)
        slope = np.zeros_like(raw)
        if raw.shape[1] == 1:
            slope[:, 0] = score[:, 0] * (1 - score[:, 0]) if self.how == "sigmoid" else 1.0
            return -slope if self.signature.task == "binary" and output == 0 else slope
        if self.how == "softmax":
            slope = -score[:, [output]] * score
            slope[:, output] += score[:, output]
        else:
            slope[:, output] = score[:, output] * (1 - score[:, output]) if self.how == "sigmoid" else 1.0
        return slope
