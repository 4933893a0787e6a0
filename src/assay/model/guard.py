"""Ask a model, and believe nothing that it answers: the one way in which anything above calls ``predict``.

``answer(model, batch)`` is the whole interface. A model that raises or answers nonsense makes a ``PredictionError``, which
checks report as a verdict; data that do not fit the model make a ``SignatureError``, which the user can put right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from assay.data import meter
from assay.errors import MissingExtraError, PredictionError, SignatureError, listed, without_secrets
from assay.model.answer import Answer
from assay.model.model import Model, called
from assay.model.signature import Signature

__all__ = ["answer", "cause"]

Array = np.ndarray[Any, Any]
TOLERANCE = 1e-3   # of a sum of probabilities: float32 softmax over thousands of classes stays well within, a margin never does


def answer(model: Model, batch: pa.RecordBatch) -> Answer:
    """Return what ``model`` answers to ``batch``, checked.

    Raises ``PredictionError``, naming the model and the first bad row, if the model raises, answers for another number of
    rows, with NaN or infinite numbers, with probabilities outside [0, 1] or that do not sum to 1 within 0.001, or with a class
    that it does not have.

    >>> import assay
    >>> model = assay.load(lambda batch: [float("nan")], task="regression", name="m")
    >>> answer(model, pa.record_batch({"x": [1.0]}))
    Traceback (most recent call last):
    assay.errors.PredictionError: m: the model answered nan in row 0; expected a finite number
    """
    name = called(model)
    if not getattr(model, "recorded", False):
        meter.current().asked(batch.num_rows)
    try:
        given = Answer.of(model.predict(batch))
        _check(given, model.signature, batch.num_rows)
    except (SignatureError, MissingExtraError):
        raise
    except PredictionError as error:
        if error.where is None:
            error.where = name
        raise
    except (Exception, SystemExit, GeneratorExit) as error:   # not KeyboardInterrupt: that is the user, who wants an end
        raise PredictionError(f"the model raised {cause(error)}", where=name) from error
    return given


def cause(error: BaseException) -> str:
    """Return the type and the first line of an exception, short and without secrets.

    >>> cause(ValueError("bad input" + chr(10) + "and a long story"))
    'ValueError: bad input'
    """
    try:
        said = str(error)[:4000]
    except Exception:  # noqa: BLE001 (the text of an exception is code of the model too)
        said = ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = without_secrets(lines[0]) if lines else ""
    text = text if len(text) <= 240 else text[:240] + "..."
    return type(error).__name__ + (f": {text}" if text else "")


def _check(given: Answer, signature: Signature, rows: int) -> None:
    if given.task != signature.task or given.classes != signature.classes:
        raise PredictionError(f"the answer is for {given.task} with the classes {given.classes}",
                              expected=f"{signature.task} with the classes {signature.classes}, as the model's signature says")
    if signature.classes is None:
        parts = {"value": given.value}
        if given.value is None or given.prediction is not None or given.score is not None:
            raise PredictionError("the answer holds no 'value'" if given.value is None else "the answer holds classes", expected="numbers")
    else:
        parts = {"prediction": given.prediction, "score": given.score}
        if given.value is not None or (given.prediction is None and given.score is None):
            raise PredictionError("the answer holds neither classes nor scores", expected="'prediction', 'score' or both")
    for part, array in parts.items():
        if array is not None:
            _rows(part, array, rows)
    if given.value is not None:
        _finite(given.value)
    if given.score is not None:
        _score(given.score, signature)
    if given.prediction is not None:
        _prediction(given.prediction, signature)


def _rows(part: str, array: Array, rows: int) -> None:
    if len(array) != rows:
        raise PredictionError(f"the model answered for {len(array)} rows and was asked for {rows}", expected="one answer a row, in order")


def _finite(numbers: Array) -> None:
    # a finite sum proves that all are finite; only a sum that is not calls for the slow look
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(numbers.sum()):
            return
    strange = ~np.isfinite(numbers)
    bad = np.asarray(strange.any(axis=1) if strange.ndim == 2 else strange)
    if bad.any():
        row = int(np.argmax(bad))
        raise PredictionError(f"the model answered {_shown(numbers[row])} in row {row}", expected="a finite number")


def _score(score: Array, signature: Signature) -> None:
    width = len(signature.classes or ())
    if score.ndim != 2 or score.shape[1] != width:
        raise PredictionError(f"the model answered with scores of shape {score.shape}", expected=f"{width} scores a row, one a class")
    _finite(score)
    if signature.scores == "score" or not len(score):
        return
    if score.min() < -1e-6 or score.max() > 1 + 1e-6:
        row = int(np.argmax(((score < -1e-6) | (score > 1 + 1e-6)).any(axis=1)))
        raise PredictionError(f"the model answered {_shown(score[row])} in row {row}", expected="probabilities between 0 and 1",
                              hint="if these are margins, load the model with scores='score'")
    if signature.task != "multilabel":
        total = score @ np.ones(width)   # a fifth of the time of a sum over rows
        if total.min() < 1 - TOLERANCE or total.max() > 1 + TOLERANCE:
            row = int(np.argmax((total < 1 - TOLERANCE) | (total > 1 + TOLERANCE)))
            raise PredictionError(f"the model answered {_shown(score[row])} in row {row}, which sums to {score[row].sum():.6g}",
                                  expected="probabilities that sum to 1",
                                  hint="if these are no probabilities, load the model with scores='score'")


def _prediction(prediction: Array, signature: Signature) -> None:
    classes = signature.classes or ()
    shape = (len(prediction), len(classes)) if signature.task == "multilabel" else (len(prediction),)
    if prediction.shape != shape:
        raise PredictionError(f"the model answered with predictions of shape {prediction.shape}", expected=f"the shape {shape}")
    most = 1 if signature.task == "multilabel" else len(classes) - 1
    if prediction.size and (prediction.min() < 0 or prediction.max() > most):
        bad = (prediction < 0) | (prediction > most)
        row = int(np.argmax(bad.any(axis=1) if bad.ndim == 2 else bad))
        raise PredictionError(f"the model answered with class number {_shown(prediction[row])} in row {row}",
                              expected="0 or 1 for each label" if signature.task == "multilabel" else
                              f"a number from 0 to {most}, for the classes {listed(map(str, classes), 10)}")


def _shown(value: Any) -> str:
    if np.ndim(value) == 0:
        return f"{value:.6g}"
    return "[" + ", ".join(f"{each:.6g}" for each in value[:6]) + (", ..." if len(value) > 6 else "") + "]"
