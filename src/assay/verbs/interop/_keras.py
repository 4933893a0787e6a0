"""A metric as a Keras callback, the one place of this package that knows Keras.

``callback`` is the whole interface, and ``assay.evaluation`` its only user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.errors import ConfigError, MissingExtraError

__all__ = ["callback"]


def callback(name: str, evaluated: Callable[[Any, Any, Any], float], data: Any) -> Any:
    """Return a callback that puts ``evaluated(label, scores, weight)`` on ``data`` into each epoch's logs as ``val_NAME``.

    ``data`` is (x, y) or (x, y, weight) as ``model.fit(validation_data=...)`` takes it; ``y`` of shape (n,), (n, 1), or (n, K)
    with a 1 in the column of the class. Errors: ``MissingExtraError`` without Keras, ``ConfigError`` for other data.
    """
    if not (isinstance(data, tuple | list) and len(data) in (2, 3)):
        raise ConfigError(f"the validation rows are a {type(data).__name__}", expected="(x, y) or (x, y, weight)")
    try:
        import keras
    except ModuleNotFoundError as error:  # Keras itself, or the backend that it is told to use
        missing = (error.name or "keras").partition(".")[0]
        raise MissingExtraError.of(missing, "to evaluate a Keras model after each epoch", "keras") from error
    x, y, weight = (*data, None)[:3]
    label = np.asarray(y)
    if label.ndim == 2:
        label = label[:, 0] if label.shape[1] == 1 else label.argmax(axis=1)

    class Evaluation(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            scores = np.asarray(self.model.predict(x, verbose=0), np.float64)
            if len(scores) != len(label):
                raise ConfigError(f"the validation rows have {len(label)} labels and {len(scores)} predictions", expected="as many")
            if logs is not None:
                logs[f"val_{name}"] = evaluated(label, scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores, weight)

    return Evaluation()
