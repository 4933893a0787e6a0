"""The quantities that can be explained of a model, as functions of a batch: its score, log-odds, decision, or what its answer costs.

``chosen`` finds the class that is meant, ``asking`` makes the function; every way to explain uses them, and only those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pyarrow as pa
from scipy import special

from assay.errors import ConfigError, listed, nearest
from assay.model import guard
from assay.model.model import Model, called
from assay.model.signature import Class

__all__ = ["LABEL", "asking", "chosen"]

Array = np.ndarray[Any, Any]
LABEL = "label\0"   # the column of labels, the last of a batch; no column of data is called so


def chosen(model: Model, target: Class | None, quantity: str | None) -> Class | None:
    """Return the class whose score is meant: ``target``, the second of two, none of a number; raises ``ConfigError`` with the nearest."""
    classes = model.signature.classes
    if classes is None:
        if target is not None:
            raise ConfigError(f"the model predicts numbers, so there is no class '{target}'", where=called(model))
        return None
    if target is None:
        if len(classes) == 2:
            return classes[1]
        if quantity == "loss":
            return None
        raise ConfigError(f"the model has {len(classes)} classes", where=called(model), expected=f"one of {listed(map(str, classes))}",
                          hint="pass target=...")
    if target not in classes:
        guess = nearest(str(target), map(str, classes))
        raise ConfigError(f"the model has no class '{target}'", where=called(model), expected=f"one of {listed(map(str, classes))}",
                          hint=f"did you mean '{guess}'?" if guess else None)
    return target


def asking(model: Model, quantity: str, target: Class | None) -> Callable[[pa.RecordBatch], Array]:
    """Return the function that asks a model for a quantity; for the loss a batch ends with a column ``LABEL`` (places of classes)."""
    classes = model.signature.classes
    place = classes.index(target) if classes is not None and target is not None else 0

    def say(batch: pa.RecordBatch) -> Array:
        label = None
        if batch.schema.names[-1] == LABEL:
            label = batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False)
            batch = batch.select(batch.schema.names[:-1])
        answer = guard.answer(model, batch)
        if answer.value is not None:
            value: Array = answer.value
            return value if label is None else cast(Array, (value - label) ** 2)
        if quantity == "decision" or answer.score is None:
            if quantity not in ("decision", "score") or answer.prediction is None:
                raise ConfigError("the model gives labels only", where=called(model), expected="the quantity 'decision'")
            return cast(Array, (answer.prediction == place).astype(np.float64))
        if label is not None:
            if model.signature.scores == "score":
                raise ConfigError("the model gives scores that are no probabilities", where=called(model), expected="'score' or 'decision'")
            chance = answer.score[np.arange(len(label)), label.astype(np.int64)]
            return cast(Array, -np.log(np.clip(chance, 1e-15, 1.0)))
        score: Array = answer.score[:, place]
        return special.logit(np.clip(score, 1e-15, 1 - 1e-15)) if quantity == "log-odds" else score

    return say
