"""assay's metrics where other libraries want a function: scikit-learn's searches, the evaluation of boosting rounds.

``scorer(metric)`` is what ``scoring=`` takes, ``evaluation(metric, library=...)`` what ``lightgbm.train(feval=...)``,
``xgboost.train(custom_metric=...)`` and Keras's ``fit(callbacks=[...])`` take. All give the number that ``assay.check`` gives
on the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.data.source import source
from assay.errors import ConfigError
from assay.metric import find
from assay.model.logged import Logged
from assay.model.signature import Input, Signature, plain
from assay.result import goodness
from assay.verbs.interop._keras import callback
from assay.verbs.measure import measure
from assay.verbs.question import Question
from assay.verbs.subject import Subject, target_of

__all__ = ["Scorer", "evaluation", "scorer"]

Array = np.ndarray[Any, Any]
Library = Literal["lightgbm", "xgboost", "keras"]


@dataclass(frozen=True)
class Scorer:
    """A metric as scikit-learn calls it: ``(estimator, X, y) -> float``, greater where the estimator is better."""

    metric: str
    positive: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803 (scikit-learn's names)
        """Return the metric of an estimator on rows; NaN where it is not defined on them."""
        _single(estimator, y)
        answers = _answers(estimator, X)
        classes = tuple(plain(each) for each in estimator.classes_) if hasattr(estimator, "classes_") else ()
        task = ("binary" if len(classes) == 2 else "multiclass") if classes else "regression"
        found = _measured(self.metric, self.options, task, classes, y, answers, positive=self.positive, weight=sample_weight)
        return goodness(found, find(self.metric).better)

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in {"positive": self.positive, **self.options}.items() if value is not None)
        return f"assay.scorer({self.metric!r}{given})"


def scorer(metric: Any, *, positive: Any = None, **options: Any) -> Scorer:
    """Return a metric as a scorer for ``cross_val_score``, ``GridSearchCV`` and whatever else takes ``scoring=``.

    ``metric`` is a name, or something that has one. Where lower is better, the number is negative (``mae``), so that greater is
    always better; where it is best at 0 or 1, its distance from there is. ``positive`` names the positive of two classes where they
    are not 0 and 1; ``options`` are the metric's.

    Errors: ``UnknownNameError``; ``ConfigError`` for a metric of columns, or one that is neither good nor bad.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_val_score(LogisticRegression(max_iter=1000), X, y, scoring=scorer("balanced_accuracy")).round(2).tolist()
    [0.97, 1.0, 0.93, 0.97, 1.0]
    """
    name = _labelled(metric)
    if find(name).better is None:
        raise ConfigError(f"{name} is neither good nor bad", expected="a metric with a better end", hint="assay metrics lists them")
    return Scorer(name, positive, options)


def evaluation(metric: Any, *, library: Library, data: Any = None, positive: Any = None, task: str | None = None, **options: Any) -> Any:
    """Return a metric as LightGBM's ``feval``, XGBoost's ``custom_metric`` or a Keras callback, computed after each round or epoch.

    The task is known from what is predicted: several columns, multiclass (XGBoost: ``multi:softprob``); labels 0 and 1, binary, if the
    metric is one of classes; groups, ranking; else regression. ``task`` says it otherwise. Weights of rows count. XGBoost is not told
    which direction is better: where higher is, stop early with ``EarlyStopping(..., maximize=True)``.

    Keras keeps validation rows to itself, so ``data=(x, y)`` names them, or ``(x, y, weight)``; ``y`` holds numbers, class numbers, or a
    column for each class. The epoch's logs get ``val_METRIC``: list the callback before those that read it (``EarlyStopping``).

    Errors: ``UnknownNameError``, ``ConfigError``, ``MissingExtraError``.

    >>> function = evaluation("calibration_error", library="lightgbm")
    >>> function.__name__
    'calibration_error'
    """
    name = _labelled(metric)
    if library not in ("lightgbm", "xgboost", "keras"):
        raise ConfigError(f"there is no evaluation for {library!r}", expected="'lightgbm', 'xgboost' or 'keras'")
    found = find(name)
    if found.better is None:
        raise ConfigError(f"{name} is neither good nor bad", expected="a metric with a better end", hint="assay metrics lists them")
    if (data is not None) is not (library == "keras"):
        raise ConfigError(f"data is {'not ' if data is None else ''}given", expected="validation rows for Keras, and for no other",
                          hint="evaluation('auc', library='keras', data=(x, y))")

    def evaluated(label: Any, scores: Array, weight: Any, group: Any = None) -> float:
        label = np.asarray(label)
        asked = task or _task(found, label, scores, group)
        classes = tuple(range(2 if asked == "binary" else scores.shape[-1])) if asked in ("binary", "multiclass") else ()
        if asked == "multiclass" and scores.ndim == 1:
            raise ConfigError("one number a row was predicted for more than two classes", hint="XGBoost: objective='multi:softprob'")
        answers: dict[str, Any] = {"value": scores}
        if classes:
            probable = bool(((scores >= 0) & (scores <= 1)).all())
            answers = {"score": scores, "kind": "probability" if probable else "score"}
            label = label.astype(np.int64)
        query = None if asked != "ranking" or group is None else np.repeat(np.arange(len(group)), group)
        number = _measured(name, options, asked, classes, label, answers, positive=positive, weight=weight, query=query)
        return -goodness(number, found.better) if found.better in ("nearer 0", "nearer 1") else number

    def boosted(predicted: Any, rows: Any) -> Any:
        group = rows.get_group() if hasattr(rows, "get_group") else None
        number = evaluated(rows.get_label(), np.asarray(predicted, np.float64), rows.get_weight(), group)
        return (name, number, found.better == "higher") if library == "lightgbm" else (name, number)

    if library == "keras":
        return callback(name, evaluated, data)
    boosted.__name__ = boosted.__qualname__ = name
    return boosted


def _labelled(metric: Any) -> str:
    name = metric if isinstance(metric, str) else getattr(metric, "name", None)
    if not isinstance(name, str):
        raise ConfigError(f"a metric is given by its name, not by a {type(metric).__name__}", hint="scorer('auc')")
    found = find(name)
    if found.of != "rows":
        raise ConfigError(f"{name} is a metric of columns", expected="a metric of what a model answers", hint="scorer('auc')")
    return str(found.name)


def _single(estimator: Any, y: Any) -> None:
    """Refuse an estimator of several outputs: one number of all of them would say of none how good it is."""
    outputs = np.shape(y)[1] if len(np.shape(y)) > 1 else 1
    if outputs > 1 or isinstance(getattr(estimator, "classes_", None), list):
        raise ConfigError(f"the estimator answers {max(outputs, 2)} outputs a row", expected="one label, or one number, a row",
                          hint="score one output at a time, or assay.check with task='multilabel' and the labels by name")


def _answers(estimator: Any, rows: Any) -> dict[str, Any]:
    """Return what an estimator answers, in as few calls as tell all: a class is predicted beside its scores, as thresholds are tuned."""
    if not hasattr(estimator, "classes_"):
        return {"value": np.asarray(estimator.predict(rows), np.float64).reshape(-1)}
    found = {"prediction": estimator.predict(rows)}
    for method, kind in (("predict_proba", "probability"), ("decision_function", "score")):
        if hasattr(estimator, method):
            return {**found, "score": np.asarray(getattr(estimator, method)(rows), np.float64), "kind": kind}
    return found


def _measured(name: str, options: Mapping[str, Any], task: str, classes: Sequence[Any], label: Any, answers: Mapping[str, Any], *,
              positive: Any = None, weight: Any = None, query: Any = None) -> float:
    """Return the plain number of a metric of labels and answers, by way of logged predictions; NaN where it is not defined."""
    columns: dict[str, Any] = {"label": [plain(each) for each in np.asarray(label).reshape(-1)]}
    scores: list[str] = []
    if "value" in answers:
        columns["label"] = np.asarray(label, np.float64).reshape(-1)
        columns["prediction"] = answers["value"]
    if "prediction" in answers:
        columns["prediction"] = [plain(each) for each in np.asarray(answers["prediction"]).reshape(-1)]
    if "score" in answers:
        parts = answers["score"].reshape(len(columns["label"]), -1)
        scores = [f"score {place}" for place in range(parts.shape[1])]
        columns |= {each: np.ascontiguousarray(parts[:, place]) for place, each in enumerate(scores)}
    roles: dict[str, Any] = {"label": "label"}
    for role, values in (("weight", weight), ("query", query)):
        if values is not None and len(values):
            columns[role], roles[role] = np.asarray(values), role
    if "prediction" in columns:
        roles["prediction"] = "prediction"
    if scores:
        roles["score"] = scores
    data = source(pa.table({key: pa.array(values) for key, values in columns.items()}), **roles)
    inputs = tuple(Input(each, "number" if each in scores else "unknown") for each in (*scores, "prediction") if each in columns)
    signature = Signature(inputs, task, tuple(classes) if classes else None, scores=answers.get("kind"))  # type: ignore[arg-type]
    model = Logged(signature, "prediction" if "prediction" in columns else None, tuple(scores), data.name)
    try:
        target = target_of({"model": model}, data, positive, None)
    except ConfigError as error:
        if positive is None and task == "binary":
            error.hint = f"name it: positive={classes[-1]!r}"
        raise
    (answer,), _ = measure(Subject(data, {"model": model}, target), [Question(find(name), dict(options))])
    for failed in answer.failed:
        raise failed
    (value,) = answer.values
    return math.nan if value.value is None else value.value


def _task(metric: Any, label: Array, scores: Array, group: Any) -> str:
    """Return the task that a boosted model was trained for, as far as its predictions and the metric tell."""
    tasks = getattr(metric, "tasks", None)
    if scores.ndim == 2:
        return "multiclass"
    if bool(np.isin(label, (0, 1)).all()) and (tasks is None or "binary" in tasks):
        return "binary"
    if group is not None and len(group) and (tasks is None or "ranking" in tasks):
        return "ranking"
    return "multiclass" if tasks is not None and "regression" not in tasks else "regression"
