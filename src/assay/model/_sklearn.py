"""scikit-learn: fitted estimators and pipelines, what behaves like one, and the pickles and joblib files that hold them.

A pickle runs code when it is read; it is read with ``trust`` only.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import importlib.util
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ModelError, SignatureError, UntrustedModelError
from assay.model import _pandas, guard
from assay.model._sklearn_linear import fitted, obstacle, unwrapped
from assay.model._sklearn_refit import anew
from assay.model._sklearn_trees import drawn, grown
from assay.model.answer import Answer
from assay.model.column import is_numeric, is_text, matrix, texts
from assay.model.file import File
from assay.model.format import Format, Options, belongs, described
from assay.model.linear import Linear
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Signature, Task, agreed_classes, agreed_task, plain
from assay.model.trees import Trees

__all__ = ["FORMAT", "PICKLE", "load", "recognises", "unpickled"]

Array = np.ndarray[Any, Any]
# Their `predict` is the class of greatest probability, so one call serves both. All others are asked twice: thresholds may be
# tuned, votes may be hard, and the probabilities of a support vector machine disagree with its decisions.
GREATEST = {
    "DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier", "HistGradientBoostingClassifier",
    "LogisticRegression", "LogisticRegressionCV", "GaussianNB", "MultinomialNB", "BernoulliNB", "CalibratedClassifierCV",
}
# Modules of estimators to which the name of a column means nothing.
BLIND = ("sklearn.linear_model.", "sklearn.pipeline", "sklearn.preprocessing._data", "sklearn.impute._base")


def recognises(model: object) -> bool:
    """Return whether ``model`` is an estimator, by its type, or behaves like a fitted one."""
    if isinstance(model, File | type):
        return False
    return belongs(model, "sklearn") or (callable(getattr(model, "predict", None)) and any(
        hasattr(model, each) for each in ("predict_proba", "classes_", "n_features_in_", "feature_names_in_", "_estimator_type")))


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a fitted estimator or pipeline."""
    if not callable(getattr(model, "predict", None)):
        raise ModelError(f"{type(model).__name__} does not predict", expected="a classifier or a regressor")
    _fitted(model)
    found, labels = _task(model)
    task = agreed_task(found, options.task, where=options.name, why=f"{type(model).__name__} is neither classifier nor regressor")
    signature = Signature(None, task) if task in NUMERIC_TASKS else _classifier(model, task, found, labels, options)
    first = _first(model)
    textual = type(first).__module__ == "sklearn.feature_extraction.text"
    names = getattr(model, "feature_names_in_", None)
    width = 1 if textual else getattr(model, "n_features_in_", None)
    signature = described(signature, names, options, width=width, kind="text" if textual else "unknown",
                          takes="places" if width is not None else "names")
    own = None if names is None else tuple(map(str, names))
    bare = own is not None and width is not None and _blind(model)
    prepare = _Texts(options.name) if textual else _Prepare(own, by_name=width is None, whole=_takes_numbers(first),
                                                                 view=_only_reads(model), where=options.name)
    quick = (_nameless(model), _Prepare(None, by_name=False, whole=True, view=_only_reads(model), where=options.name)) if bare else None
    return Predictor(options.name, signature, options.digest or digest(model), _Respond(model, signature, prepare, quick), textual=textual)


def digest(model: object) -> str:
    """Return a digest of a fitted object, or its type where it cannot be described."""
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    import joblib

    try:
        return hashlib.sha256(f"{kind}:{joblib.hash(model)}".encode()).hexdigest()
    except Exception:  # noqa: BLE001  (whatever cannot be pickled: locks, handles, lambdas)
        return f"object:{kind}"


def _fitted(model: Any) -> None:
    if not belongs(model, "sklearn"):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ModelError(f"{type(model).__name__} is not fitted", expected="a fitted model", hint="call fit first") from None


def _task(model: Any) -> tuple[Task | None, int]:
    """The task of an estimator, and how many labels it gives, if several."""
    classes = getattr(model, "classes_", None)
    if not _is(model, "classifier") and classes is None:
        if int(getattr(_last(model), "n_outputs_", 1) or 1) > 1:
            raise ModelError(f"{type(model).__name__} predicts several numbers a row", expected="one number a row",
                             hint="wrap one of them in a callable")
        return ("regression" if _is(model, "regressor") else None), 0
    last = _last(model)
    binarizer = getattr(last, "_label_binarizer", None) or getattr(last, "label_binarizer_", None)
    if isinstance(classes, list) and classes and np.ndim(classes[0]):
        strange = next((each for each in classes if not set(np.asarray(each).tolist()) <= {0, 1}), None)
        if strange is not None:
            raise ModelError(f"{type(model).__name__} predicts several outputs with the classes {list(strange)[:5]}",
                             expected="one output, or several labels of 0 and 1")
        return "multilabel", len(classes)
    if getattr(last, "multilabel_", False) or str(getattr(binarizer, "y_type_", "")).startswith("multilabel"):
        return "multilabel", len(classes) if classes is not None else 0
    if classes is None:
        return None, 0
    return ("binary" if len(classes) == 2 else "multiclass"), 0


def _is(model: Any, kind: str) -> bool:
    if belongs(model, "sklearn"):
        from sklearn import base

        return bool(base.is_classifier(model) if kind == "classifier" else base.is_regressor(model))
    return getattr(model, "_estimator_type", None) == kind or (kind == "classifier" and hasattr(model, "predict_proba"))


def _classifier(model: Any, task: Task, found: Task | None, labels: int, options: Options) -> Signature:
    if found in NUMERIC_TASKS:     # a regressor that was said to give the probability of the second of two classes
        classes = agreed_classes(None if options.classes else (0, 1), options.classes, count=2, where=options.name)
        return Signature(None, task, classes, scores=options.scores or "probability")
    known = range(labels) if labels else getattr(model, "classes_", None)
    classes = agreed_classes(known, options.classes, count=None, where=options.name)
    if hasattr(model, "predict_proba"):
        return Signature(None, task, classes, scores=options.scores or "probability")
    votes = getattr(_last(model), "decision_function_shape", None) == "ovo" and len(classes) > 2   # one score a pair, not a class
    return Signature(None, task, classes, scores="score" if hasattr(model, "decision_function") and not votes else None)


def _first(model: Any) -> Any:
    """The part of a model that sees the data first."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif type(model).__name__ in ("Pipeline", "FunctionPipeline") and getattr(model, "steps", None):
            steps = [each for _, each in model.steps if each is not None and each != "passthrough"]
            if not steps or steps[0] is model:
                return model
            model = steps[0]
        else:
            return model


def _last(model: Any) -> Any:
    """The part of a model that decides."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif type(model).__name__ == "Pipeline" and getattr(model, "steps", None):
            model = model.steps[-1][1]
        else:
            return model


def _takes_numbers(first: Any) -> bool:
    """Whether whole numbers may as well be given as floats: true for scikit-learn's own, save what hands columns to user code."""
    place = type(first).__module__
    return place.startswith("sklearn.") and not place.startswith("sklearn.compose") and type(first).__name__ not in (
        "FunctionTransformer", "FeatureUnion")


def _only_reads(model: Any) -> bool:
    """Whether a model never writes into what it is given: scikit-learn's own, where nobody has asked for that to save a copy."""
    if not type(model).__module__.startswith("sklearn.") or not hasattr(model, "get_params"):
        return False
    try:
        held = model.get_params(deep=True)
    except AttributeError:    # one of an older version, which lacks what was added since
        return False
    for name, value in held.items():
        if name.rpartition("__")[2].startswith("copy") and value is False:
            return False
        foreign = not type(value).__module__.startswith("sklearn.") and (hasattr(value, "predict") or hasattr(value, "transform"))
        if foreign or callable(value):
            return False
    return True


def _blind(model: Any) -> bool:
    """Whether a model looks at no column's name: linear estimators, alone or behind steps that scale or fill numbers.

    A later step that has names was fitted on frames, as ``set_output`` makes them, and would miss the names of the first.
    """
    steps = [each for _, each in model.steps if not isinstance(each, str)] if type(model).__name__ == "Pipeline" else [model]
    return (bool(steps) and all(type(each).__module__.startswith(BLIND) for each in (model, *steps))
            and not any(hasattr(each, "feature_names_in_") for each in steps[1:]))


def _nameless(model: Any) -> Any:
    """A model as if it had been fitted without names, which shares all else: columns are matched before it is asked.

    A frame made only to carry names, and taken apart again, costs as much as a third of a linear prediction.
    """
    bare = copy.copy(model)
    if type(model).__name__ == "Pipeline":
        first = next((place for place, (_, each) in enumerate(model.steps) if not isinstance(each, str)), None)
        if first is not None:
            name, step = model.steps[first]
            bare.steps = [*model.steps[:first], (name, _nameless(step)), *model.steps[first + 1:]]
        return bare
    vars(bare).pop("feature_names_in_", None)
    return bare


class _Texts:
    """One column of text, as the vectorizers of scikit-learn take it."""

    def __init__(self, where: str):
        self.where = where

    def __call__(self, batch: pa.RecordBatch) -> Any:
        if not is_text(batch.column(0).type):
            raise SignatureError(f"the column '{batch.schema.names[0]}' is of type {batch.column(0).type}", where=self.where,
                                 expected="text")
        return texts(batch.column(0), missing=np.nan)


class _Prepare:
    """Numbers as one matrix, anything else as a frame; with names exactly if the model was fitted with names."""

    def __init__(self, names: tuple[str, ...] | None, *, by_name: bool, whole: bool, view: bool, where: str):
        self.names, self.by_name, self.whole, self.view, self.where = names, by_name, whole, view, where

    def __call__(self, batch: pa.RecordBatch) -> Any:
        numeric = all(is_numeric(each) for each in batch.schema.types)
        if self.names is None and not self.by_name:
            return matrix(batch, where=self.where, view=self.view) if numeric else _objects(batch)
        if numeric and self.whole and not self.by_name:
            numbers = matrix(batch, where=self.where, view=self.view)
            return _pandas.sheet(numbers, self.names or ()) if _pandas.installed() else _unnamed(numbers)
        return self._frame(batch)

    def _frame(self, batch: pa.RecordBatch) -> Any:
        if self.names is not None and list(self.names) != batch.schema.names:
            batch = batch.rename_columns(list(self.names))
        if _pandas.installed() or importlib.util.find_spec("polars") is None:
            return _pandas.frame(batch)
        from assay.model import _polars

        return _polars.frame(batch)


def _objects(batch: pa.RecordBatch) -> Array:
    """A batch with text as the array of objects that such a model was fitted on; NaN where null."""
    out = np.empty((batch.num_rows, batch.num_columns), object)
    for place in range(batch.num_columns):
        column = batch.column(place)
        if is_text(column.type):
            out[:, place] = texts(column, missing=np.nan)
        else:
            out[:, place] = [np.nan if each is None else each for each in column.to_pylist()]
    return out


def _unnamed(numbers: Array) -> Array:
    # without pandas there is no frame to carry the names; they were matched already, so the warning would be untrue
    warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
    return numbers


class _Respond:
    def __init__(self, model: Any, signature: Signature, prepare: Callable[[pa.RecordBatch], Any],
                 quick: tuple[Any, Callable[[pa.RecordBatch], Any]] | None = None):
        self.model, self.signature, self.prepare = model, signature, prepare
        self.asked, self.given = quick or (model, prepare)     # the same answers, sooner
        last = _last(model)
        self.probable = hasattr(model, "predict_proba")
        self.once = type(last).__name__ in GREATEST and type(last).__module__.startswith("sklearn.")
        classifies = self.probable or hasattr(model, "classes_") or signature.scores is None
        self.numeric = signature.task in NUMERIC_TASKS or (not classifies and not hasattr(model, "decision_function"))

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        given = self.given(batch)
        if self.numeric:
            return Answer.valued(self.signature, self.asked.predict(given))
        if self.signature.task == "multilabel":
            return self._labels(given)
        if self.probable:
            score = self.asked.predict_proba(given)
            if self.once:
                return Answer.scored(self.signature, score)
        elif self.signature.scores:
            score = self.asked.decision_function(given)
        else:
            score = None
        said = Answer.labelled(_own(self.model, self.signature), self.asked.predict(given))
        return said if score is None else Answer.scored(self.signature, score, prediction=said.prediction)

    def trees(self) -> Trees | None:
        """Return the trees in the neutral layout, for who explains them."""
        model, prepare, places = unwrapped(self.model, self.prepare)
        found = None if places is None else grown(model, prepare)
        return None if found is None or places is None else replace(found, source=places[found.source])

    def drawn(self, rows: int) -> Array | None:
        """Return how often each tree of a forest drew each of its ``rows`` training rows, for who traces answers to them."""
        return drawn(unwrapped(self.model, self.prepare)[0], rows)

    def linear(self) -> Linear | None:
        """Return the coefficients, for who explains them."""
        model, prepare, places = unwrapped(self.model, self.prepare)
        return None if places is None else fitted(model, prepare, places)

    def obstacle(self) -> str:
        """Return what stands in the way of reading trees or coefficients, where neither can be."""
        return obstacle(self.model)

    def refitted(self, batch: pa.RecordBatch, labels: Array, weight: Array | None, *, around: Callable[[Any], Any] | None = None,
                 framed: bool = False) -> Any:
        """Return a new estimator fitted to a batch of the model's columns and ``labels``, places of its classes.

        ``framed``: it is handed a frame, as what is put around an estimator finds columns by name.
        """
        classes = _own(self.model, self.signature).classes or ()
        own = np.asarray(getattr(self.model, "classes_", classes))
        given = _pandas.frame(batch) if framed else self.prepare(batch)
        return anew(self.model, given, own[labels], weight, around=around, where=type(self.model).__name__)

    def _labels(self, given: Any) -> Answer:
        said = self.asked.predict(given)
        said = said.toarray() if hasattr(said, "toarray") else said
        marks = Answer.labelled(self.signature, said)
        if not self.signature.scores:
            return marks
        score = self.asked.predict_proba(given) if self.probable else self.asked.decision_function(given)
        if isinstance(score, list):   # one array a label, with a column for each value that occurred in training
            score = np.stack([_of_one(each, known) for each, known in zip(score, self.model.classes_, strict=True)], axis=1)
        return Answer.scored(self.signature, score, prediction=marks.prediction)


def _own(model: Any, signature: Signature) -> Signature:
    """The signature in the classes that the model itself says, of which the user may have named others."""
    own = getattr(model, "classes_", None)
    if own is None or signature.classes is None or isinstance(own, list):
        return signature
    return replace(signature, classes=tuple(plain(each) for each in own))


def _of_one(score: Array, known: Any) -> Array:
    place = np.flatnonzero(np.asarray(known) == 1)
    return score[:, place[0]] if len(place) else np.zeros(len(score))


def _is_pickle(model: object) -> bool:
    return isinstance(model, File) and (model.kind == "pickle" or (model.kind == "" and model.suffix in (".pkl", ".pickle", ".joblib")))


def unpickled(file: File, options: Options) -> object:
    """Return the object in a pickle or joblib file; without ``trust`` an ``UntrustedModelError``, before anything is read."""
    if not options.trust:
        raise UntrustedModelError("this is a pickle, and loading a pickle runs whatever code is in it", where=options.name,
                                  hint="if you trust where it comes from, pass --trust (trust=True); ONNX or skops files need none")
    import joblib

    try:
        return joblib.load(io.BytesIO(file.data))
    except (ImportError, AttributeError) as error:
        raise ModelError(f"the pickle needs code that is not here ({guard.cause(error)})", where=options.name,
                         hint=_older(file.data) or "install that library, put that module on the Python path, or save the model without "
                         "code") from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"the pickle cannot be read: it is cut off, damaged, or from other versions ({guard.cause(error)})",
                         where=options.name, hint=_older(file.data)) from error


def _older(data: bytes) -> str | None:
    """What to do with a pickle of another version of scikit-learn, which is written there unless the file is compressed."""
    try:
        here = importlib.metadata.version("scikit-learn")   # it is not imported, as that it cannot be may be what is wrong
    except ImportError:
        return None
    found = re.search(rb"_sklearn_version.{1,8}?(\d+\.\d+[.\w]{0,12})", data, re.DOTALL)
    said = found[1].decode() if found is not None else here
    if said == here:
        return None
    return (f"it was made with scikit-learn {said}, and {here} is installed: run it with its own, isolation=process and "
            "requirements=FILE (a file with the versions that it was made with)")


FORMAT = Format(recognises, load, what="scikit-learn: fitted estimators and pipelines, and what behaves like one",
                library="scikit-learn", runs="it is yours")
PICKLE = Format(_is_pickle, unpickled, what="pickle and joblib files of models, also compressed", library="joblib", runs="yes")
