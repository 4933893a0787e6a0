"""How the score of a model changes with its inputs, for models that can be differentiated: networks of PyTorch, Keras and JAX.

``gradient(model, batch, output)`` is the interface; ``None`` says that a model cannot. Layers above the models may import this.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

__all__ = ["Differentiable", "gradient"]

Array = np.ndarray[Any, Any]


@runtime_checkable
class Differentiable(Protocol):
    """What answers for a model, if it can tell slopes: ``batch`` holds exactly the model's columns, ``output`` is a class by its place."""

    def gradient(self, batch: pa.RecordBatch, output: int) -> Array | None: ...


def gradient(model: object, batch: pa.RecordBatch, output: int = 0) -> Array | None:
    """Return the gradient of the score of class ``output`` (of the number, for a number), (rows, inputs) or in the shape of an image.

    None where the model cannot be differentiated.

    >>> import assay
    >>> gradient(assay.load(lambda batch: [0.0], task="regression"), pa.record_batch({"x": [1.0]})) is None
    True
    """
    respond, taken = getattr(model, "respond", None), getattr(model, "taken", None)
    if taken is None or not isinstance(respond, Differentiable):
        return None
    return respond.gradient(taken(batch), output)
