"""Any callable as a model: it gets a batch and returns numbers, scores or labels. Its task must be said."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, SignatureError, listed
from assay.model.answer import Answer
from assay.model.file import File
from assay.model.format import Format, Options, described
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Signature, agreed_classes, agreed_task

__all__ = ["FORMAT", "load", "recognises"]

FRAMES = ("arrow", "pandas", "polars", "numpy")


def recognises(model: object) -> bool:
    """Return whether ``model`` can be called (a file cannot)."""
    return not isinstance(model, File) and callable(model)


def load(model: Callable[[Any], Any], options: Options) -> Predictor:
    """Return the model behind a callable.

    It gets a ``pyarrow.RecordBatch``, or what ``frame`` names: a pandas or polars frame, or a numpy matrix. What it returns is read
    by the task: for regression and ranking one number a row; for classes (n, K) scores, one-dimensional floats as the score of
    the second of two classes, anything else as labels; for several labels (n, L) scores, or 0/1 of an integer or boolean type.
    A RecordBatch in the layout of :mod:`assay.model.answer` is taken as it is.
    """
    frame = options["frame"] or "arrow"
    if frame not in FRAMES:
        raise ConfigError(f"there is no frame '{frame}'", where=options.name, expected=f"one of {listed(FRAMES)}")
    guess: Any = None
    if options.task is None and options.classes is not None:
        guess = "binary" if len(options.classes) == 2 else "multiclass"
    task = agreed_task(guess, options.task, where=options.name, why="a callable never does")
    classes = None
    if task not in NUMERIC_TASKS:
        known = (0, 1) if task == "binary" and options.classes is None else None
        classes = agreed_classes(known, options.classes, count=2 if task == "binary" else None, where=options.name)
    signature = Signature(None, task, classes, scores=None if classes is None else options.scores or "probability")
    signature = described(signature, None, options, width=None, takes="names")
    respond = _Respond(model, signature, frame, options.name)
    return Predictor(options.name, signature, options.digest or _digest(model), respond)


class _Respond:
    def __init__(self, model: Callable[[Any], Any], signature: Signature, frame: str, name: str):
        self.model, self.signature, self.frame, self.name = model, signature, frame, name

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        return read(self.model(given(batch, self.frame, self.name)), self.signature)


def given(batch: pa.RecordBatch, frame: str, where: str) -> Any:
    """Return a batch in the form that a callable asked for."""
    if frame == "pandas":
        from assay.model import _pandas

        return _pandas.frame(batch)
    if frame == "polars":
        from assay.model import _polars

        return _polars.frame(batch)
    if frame == "numpy":
        from assay.model.column import is_numeric, matrix

        strange = [each.name for each in batch.schema if not is_numeric(each.type)]
        if strange:
            raise SignatureError(f"the columns {listed(strange)} are not numbers", where=where, expected="numbers, for a numpy matrix",
                                 hint="name the columns with features=[...], or use another frame")
        return matrix(batch, where=where, order="C")
    return batch


def read(said: Any, signature: Signature) -> Answer:
    """Return what a callable said as an ``Answer``, by the task and by the type of what it said."""
    if isinstance(said, pa.RecordBatch):
        return Answer.of(said)
    if signature.classes is None:
        return Answer.valued(signature, said)
    said = said.to_pylist() if isinstance(said, pa.Array | pa.ChunkedArray) else said
    array = np.asarray(said) if said is not None else None
    if array is None or (array.dtype.kind == "f" and (array.ndim == 2 or signature.task == "binary")):
        return Answer.scored(signature, array)
    if array.ndim == 2 and signature.task != "multilabel":
        return Answer.scored(signature, array)
    return Answer.labelled(signature, array)


def _digest(model: Any) -> str:
    """A digest of a plain function's code and constants; of what may hold more than that, its type, which tells it from no other."""
    code = getattr(model, "__code__", None)
    if code is None or getattr(model, "__closure__", None) or getattr(model, "__self__", None) is not None or _reads(model):
        return f"object:{type(model).__module__}.{type(model).__qualname__}"
    constants = [each for each in code.co_consts if isinstance(each, str | int | float | bool | bytes | None)]
    text = repr((code.co_code, code.co_names, constants, getattr(model, "__defaults__", None)))
    return hashlib.sha256(text.encode()).hexdigest()


def _reads(function: Any) -> bool:
    """Whether a function reads variables of its module, which may change while its code does not."""
    held = (function.__globals__.get(name) for name in function.__code__.co_names)
    return any(each is not None and not isinstance(each, types.ModuleType | type) and not callable(each) for each in held)


FORMAT = Format(recognises, load, frozenset({"frame"}), what="any Python function of a batch", runs="it is yours")
