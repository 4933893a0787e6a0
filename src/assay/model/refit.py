"""Fit a model anew to other rows, with the settings that it has: estimators and pipelines of scikit-learn.

``refit(model)`` returns a :class:`Refit`, or None where a model cannot be fitted; ``dumped(model)`` is its file. Layers above
the models may import this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import DataError
from assay.model._sklearn_refit import dumped as pickled
from assay.model.load import load
from assay.model.model import Model, called
from assay.model.predictor import Predictor

__all__ = ["Refit", "dumped", "refit"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Refit:
    """A model that can be fitted anew. Called with a table of its columns, and labels as places of its classes, it returns a new model.

    Rows of every class must be there. With ``around``, a function from an estimator to another that holds it, that one is fitted;
    ``beside`` are columns that it takes beside the inputs of the model.

    >>> import assay
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = assay.load(LogisticRegression().fit([[0.0], [1.0], [5.0]], [0, 0, 1]), features=["x"])
    >>> other = refit(model)(pa.table({"x": [0.0, 1.0, 5.0]}), np.array([1, 1, 0]))
    >>> other.predict(pa.record_batch({"x": [0.0, 5.0]})).column("prediction").to_pylist()
    [1, 0]
    """

    model: Predictor

    def __call__(self, table: pa.Table, labels: Array, weight: Array | None = None, *, around: Callable[[Any], Any] | None = None,
                 beside: Sequence[str] = ()) -> Model:
        names = [*(self.model.signature.names or ()), *(each for each in beside if each not in (self.model.signature.names or ()))]
        classes = self.model.signature.classes or ()
        absent = next((each for place, each in enumerate(classes) if not (labels == place).any()), None)
        if absent is not None:
            raise DataError(f"there is no row of the class {absent} to fit on", where=called(self.model), expected="rows of each class")
        batch = table.select(names).combine_chunks().to_batches()[0]
        respond: Any = self.model.respond
        made = respond.refitted(batch, labels, weight, around=around, framed=around is not None)
        return load(made, classes=classes, features=names, name=called(self.model), scores=self.model.signature.scores)


def refit(model: Model) -> Refit | None:
    """Return how a loaded model is fitted anew, None where it cannot be."""
    if not isinstance(model, Predictor) or not hasattr(model.respond, "refitted") or model.signature.names is None:
        return None
    return Refit(model) if model.signature.task in ("binary", "multiclass") else None


def dumped(model: Model) -> bytes:
    """Return the fitted object behind a model that :class:`Refit` made as the bytes of a joblib file."""
    return pickled(getattr(getattr(model, "respond", None), "model", None))
