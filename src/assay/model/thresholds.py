"""A model whose decisions follow thresholds by group: the scores of another model, cut where the row's group says.

``Grouped`` wraps any model with scores; ``written`` is the text of a JSON file that names the model and the thresholds, and ``load`` reads
it again: no code is in it, and the model beside it must be the one that the thresholds were chosen for. Remedies make them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, ModelError, SignatureError, listed
from assay.model import guard
from assay.model.answer import Answer
from assay.model.file import File
from assay.model.format import Format, Options
from assay.model.load import load as opened
from assay.model.model import Model, bind, called
from assay.model.signature import Input, Signature

__all__ = ["FORMAT", "Cuts", "Grouped", "load", "recognises", "spelt", "written"]

Array = np.ndarray[Any, Any]
HEAD = b'{"assay": "thresholds"'
MOST = 1_000_000   # bytes of a file
BEYOND = 1e6       # a cut that no score reaches, as a finite number


@dataclass(frozen=True)
class Cuts:
    """How a group is decided: with the chance ``weights[k]``, a score of at least ``cuts[k]`` is positive."""

    cuts: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        sound = len(self.cuts) == len(self.weights) > 0 and all(weight >= 0 for weight in self.weights)
        if not sound or abs(sum(self.weights) - 1) > 1e-6 or any(math.isnan(cut) for cut in self.cuts):
            raise ConfigError("the thresholds of a group do not fit together", expected="as many chances as thresholds, 1 in all")

    def chosen(self, luck: Array) -> Array:
        """Return the cut of each row, by a number from 0 to 1 that belongs to it."""
        places = np.searchsorted(np.cumsum(self.weights), luck, "right")
        return np.asarray(np.clip(np.array(self.cuts), -BEYOND, BEYOND)[np.minimum(places, len(self.cuts) - 1)])


class Grouped:
    """A model like others, for two classes. ``groups`` maps values of the columns ``by``, as text, to cuts; ``other`` is for the rest.

    Where a group has several cuts, which of them holds for a row is drawn by a hash of the whole row and of ``salt``: the same person is
    always decided alike. What it gives as a score is the distance to the cut, which is no probability.

    >>> import assay
    >>> inner = assay.load(lambda batch: batch.column("x").to_numpy(), task="binary", classes=["no", "yes"], name="m")
    >>> model = Grouped(inner, ("sex",), {("f",): Cuts((0.4,)), ("m",): Cuts((0.6,))}, Cuts((0.5,)), positive=1)
    >>> model.predict(pa.record_batch({"x": [0.5, 0.5], "sex": ["f", "m"]})).column("prediction").to_pylist()
    [1, 0]
    """

    def __init__(self, inner: Model, by: Sequence[str], groups: Mapping[tuple[str, ...], Cuts], other: Cuts, *, positive: int,
                 salt: str = "assay", name: str | None = None):
        signature = inner.signature
        if signature.task != "binary" or signature.scores is None:
            raise SignatureError("thresholds need the scores of a model for two classes", where=called(inner),
                                 expected="a binary model that answers with scores")
        self.inner, self.by, self.groups, self.other = inner, tuple(by), dict(groups), other
        self.positive, self.salt, self.name = positive, salt, name or f"{called(inner)} with thresholds by {' and '.join(by)}"
        inputs = signature.inputs
        if inputs is not None:
            inputs = (*inputs, *(Input(each, "unknown") for each in self.by if each not in {one.name for one in inputs}))
        self.signature: Signature = replace(signature, inputs=inputs, scores="score", width=None if inputs is None else len(inputs))
        told = json.dumps(self._described(), sort_keys=True)
        self.digest = hashlib.sha256(f"thresholds\n{inner.digest}\n{told}".encode()).hexdigest()

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Answer for each row by the cut of its group."""
        if batch.num_rows == 0:
            return Answer.nothing(self.signature).batch()
        absent = next((name for name in self.by if name not in batch.schema.names), None)
        if absent is not None:
            raise SignatureError(f"the data have no column '{absent}', by which thresholds are chosen", where=self.name,
                                 expected="a column of that name", hint=f"the data have {listed(batch.schema.names, 8)}")
        given = guard.answer(self.inner, batch)
        if given.score is None:
            raise SignatureError("the model answers classes only, and thresholds need scores", where=called(self.inner))
        score = given.score[:, self.positive]
        margin = score - self._cuts(batch)
        both = np.empty((len(score), 2))
        both[:, self.positive], both[:, 1 - self.positive] = margin, -margin
        prediction = np.where(margin >= 0, self.positive, 1 - self.positive).astype(np.int32)
        return Answer("binary", self.signature.classes, prediction, both, scores="score").batch()

    def bound(self, names: tuple[str, ...]) -> Grouped:
        """Return the same thresholds around a model whose inputs are named."""
        plain = [each for each in names if each not in self.by]
        width = self.inner.signature.width
        inner = bind(self.inner, plain if width == len(plain) else list(names))
        return Grouped(inner, self.by, self.groups, self.other, positive=self.positive, salt=self.salt, name=self.name)

    def _cuts(self, batch: pa.RecordBatch) -> Array:
        keys = list(zip(*(spelt(batch.column(name)) for name in self.by), strict=True))
        places = {key: place for place, key in enumerate(self.groups)}
        codes = np.array([places.get(key, -1) for key in keys], np.int64)
        out = np.empty(len(codes))
        luck: Array | None = None
        for code, cuts in ((-1, self.other), *enumerate(self.groups.values())):
            rows = np.flatnonzero(codes == code)
            if len(rows) and len(cuts.cuts) > 1 and luck is None:
                luck = self._luck(batch)
            out[rows] = cuts.chosen(luck[rows] if luck is not None else np.zeros(len(rows)))
        return out

    def _luck(self, batch: pa.RecordBatch) -> Array:
        """Return a number from 0 to 1 for each row that depends on its inputs and on the salt."""
        names = sorted(set(self.signature.names or batch.schema.names) & set(batch.schema.names))
        columns = [spelt(batch.column(name)) for name in names]
        out = np.empty(batch.num_rows)
        for row, values in enumerate(zip(*columns, strict=True)):
            text = json.dumps([self.salt, *values]).encode()
            out[row] = int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big") / 2.0**56
        return out

    def _described(self) -> dict[str, Any]:
        def told(cuts: Cuts) -> list[list[float | str]]:
            return [[cut if math.isfinite(cut) else str(cut), weight] for cut, weight in zip(cuts.cuts, cuts.weights, strict=True)]

        groups = [{"values": list(key), "cuts": told(cuts)} for key, cuts in self.groups.items()]
        return {"by": list(self.by), "positive": self.positive, "salt": self.salt, "groups": groups, "other": told(self.other)}


def spelt(column: pa.Array) -> list[str | None]:
    """Return values as text, whole numbers without a point, so that 1, 1.0 and "1" are one group."""
    def text(value: Any) -> str | None:
        if value is None or value != value:
            return None
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return repr(value) if isinstance(value, float) else str(value)

    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = [text(each) for each in encoded.dictionary.to_pylist()]
    return [None if place is None else values[place] for place in encoded.indices.to_pylist()]


def written(model: Grouped, inner: str | os.PathLike[str], place: Path) -> str:
    """Return the text of the file at ``place`` for a model whose own file is ``inner``; raises ``ConfigError`` where it is no file."""
    path = Path(inner)
    if not path.is_file():
        raise ConfigError("thresholds are saved beside the file of a model, and this is none", where=str(inner),
                          expected="a model file", hint="save the model first")
    found = {"assay": "thresholds", "version": 1, "model": os.path.relpath(path.absolute(), place.absolute().parent),
             "digest": File.at(path).digest, "features": list(model.inner.signature.names or ()) or None,
             "classes": list(model.signature.classes or ()), **model._described()}
    return json.dumps(found, indent=1, ensure_ascii=False).replace('{\n "assay"', '{"assay"', 1) + "\n"


def recognises(model: object) -> bool:
    """Return whether ``model`` is a file that ``written`` made."""
    return isinstance(model, File) and model.head.startswith(HEAD)


def load(model: File, options: Options) -> Grouped:
    """Return the model that a file of thresholds describes; the model that it names is loaded as any other is."""
    name = options.name
    if len(model.data) > MOST:
        raise ModelError("the file is too long for thresholds", where=name, expected=f"at most {MOST:,} bytes")
    try:
        told = json.loads(model.data)
        by, inner = tuple(str(each) for each in told["by"]), str(told["model"])
        groups = {tuple(str(each) for each in one["values"]): _read(one["cuts"]) for one in told["groups"]}
        other, positive, salt = _read(told["other"]), int(told["positive"]), str(told["salt"])
        features = None if told.get("features") is None else [str(each) for each in told["features"]]
        sound = positive in (0, 1) and by and all(len(key) == len(by) for key in groups) and told["version"] == 1
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError):
        sound = False
    if not sound:
        raise ModelError("the file is damaged: it is no description of thresholds", where=name, hint="write it anew: assay repair")
    if "://" in inner:
        raise ModelError("the thresholds name an address, not a model file", where=name, expected="a path beside the file")
    path = model.path.parent / inner
    found = File.at(path)
    if found.digest != told.get("digest"):
        raise ModelError(f"the model {inner} is not the one that these thresholds were chosen for", where=name,
                         expected="the same file, byte for byte", hint="choose them anew: assay repair")
    own = opened(str(path), trust=options.trust, task=options.task, classes=options.classes or told.get("classes"), name=None)
    own = bind(own, features) if features is not None else own
    return Grouped(own, by, groups, other, positive=positive, salt=salt, name=name)


def _read(given: Any) -> Cuts:
    return Cuts(tuple(float(cut) for cut, _ in given), tuple(float(weight) for _, weight in given))


FORMAT = Format(recognises, load, what="thresholds by group around a model, as assay repair writes them (JSON)", runs="as its model does")
