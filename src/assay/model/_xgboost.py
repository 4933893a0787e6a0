"""XGBoost: boosters, the classes that look like scikit-learn's, and their .ubj and .json files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError, ModelError, SignatureError
from assay.model import guard
from assay.model._xgboost_file import check
from assay.model._xgboost_trees import grown
from assay.model.answer import Answer
from assay.model.column import codes, is_numeric, matrix
from assay.model.file import File
from assay.model.format import Format, Options, belongs, described
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Input, Signature, Task, agreed_classes, agreed_task, plain
from assay.model.trees import Trees

__all__ = ["FORMAT", "load", "recognises"]


def recognises(model: object) -> bool:
    """Return whether ``model`` is an XGBoost file, booster, or estimator."""
    if isinstance(model, File):
        return model.kind == "xgboost" or (model.kind == "" and model.suffix in (".ubj", ".json"))
    return belongs(model, "xgboost")


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a booster; classes are 0 to K-1 unless named, as XGBoost keeps no names."""
    try:
        import xgboost
    except ImportError:
        raise MissingExtraError.of("xgboost", "to load an XGBoost model") from None
    estimator = None
    if isinstance(model, File):
        check(model.data)
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(model.data))
        except xgboost.core.XGBoostError as error:
            raise ModelError(f"XGBoost cannot read the file, it is cut off or damaged ({_line(error)})") from error
    elif isinstance(model, xgboost.Booster):
        booster = model
    elif hasattr(model, "get_booster"):
        if not model.__sklearn_is_fitted__():
            raise ModelError(f"{type(model).__name__} is not fitted", expected="a fitted model", hint="call fit first")
        estimator, booster = model, model.get_booster()
    else:
        raise ModelError(f"{type(model).__name__} is no model", expected="a Booster or an estimator of XGBoost")
    return _predictor(booster, estimator, options)


def _line(error: Exception) -> str:
    text = guard.cause(error)
    return text.rpartition(": ")[2] if "/" in text else text   # without the path of the C++ source


def _predictor(booster: Any, estimator: Any, options: Options) -> Predictor:
    config = json.loads(booster.save_config())["learner"]
    objective = str(config["objective"]["name"])
    if estimator is not None and callable(getattr(estimator, "objective", None)):
        objective = "custom"
    if "learner_model_param" not in config:
        raise ModelError("the model holds no parameters", expected="a model that was trained")
    shape = config["learner_model_param"]
    count, targets = int(shape.get("num_class", 0)), int(shape.get("num_target", 1))
    found, kind = _task(objective, targets, options, estimator)
    task = agreed_task(found, options.task, where=options.name, why=f"its objective is '{objective}'")
    if task in NUMERIC_TASKS:
        signature = Signature(None, task)
    else:
        known: Any = range(targets) if task == "multilabel" else range(max(count, 2))
        own = getattr(estimator, "classes_", None) if task != "multilabel" else None
        known = known if own is None else [plain(each) for each in own]
        signature = Signature(None, task, agreed_classes(known, options.classes, count=None, where=options.name),
                              scores=kind and (options.scores or kind))  # type: ignore[arg-type]
    types = booster.feature_types or []
    categories = _categories(booster, options)
    kinds = _kinds(types, categories)
    names = booster.feature_names
    signature = described(signature, names, options, width=int(booster.num_features()), kind="number", kinds=kinds)
    first = getattr(estimator, "missing", None)
    missing = options["missing"] if options["missing"] is not None else first if first is not None else float("nan")
    respond = _Respond(booster, signature, objective, kinds, float(missing), _rounds(booster, estimator),
                       additive=config["gradient_booster"]["name"] == "gblinear", where=options.name)
    digest = options.digest or hashlib.sha256(bytes(booster.save_raw("ubj"))).hexdigest()
    return Predictor(options.name, signature, digest, respond)


def _task(objective: str, targets: int, options: Options, estimator: Any) -> tuple[Task | None, str | None]:
    """The task that an objective is for, and what its scores are (None: it gives labels only, or numbers)."""
    group = objective.partition(":")[0]
    if targets > 1 and objective != "binary:logistic":
        raise ModelError(f"the model predicts {targets} numbers a row", expected="one number a row, or labels (binary:logistic)")
    if group == "binary":
        kind = {"binary:logitraw": "score", "binary:hinge": None}.get(objective, "probability")
        return ("multilabel" if targets > 1 else "binary"), kind
    if group == "multi":
        return "multiclass", "probability"
    if group in ("reg", "count", "survival"):
        return "regression", "probability"
    if group == "rank":
        return "ranking", None
    classes = len(getattr(estimator, "classes_", options.classes or ())) if objective == "custom" else 0
    if classes:
        return ("binary" if classes == 2 else "multiclass"), "score"
    return None, "score"


def _rounds(booster: Any, estimator: Any) -> tuple[int, int]:
    """The trees to use: as XGBoost itself does, an estimator stops at its best round and a bare booster uses all."""
    best = booster.attributes().get("best_iteration")
    if best is None or (estimator is None and booster.attr("scikit_learn") is None):
        return (0, 0)
    return (0, int(best) + 1)


def _categories(booster: Any, options: Options) -> Mapping[int, Sequence[Any]]:
    """The categories of training by place: as stored in the model (from XGBoost 3.1 on), or as the user names them."""
    said = options["categories"] or {}
    names = booster.feature_names or []
    found: dict[int, Sequence[Any]] = {place: list(said[name]) for place, name in enumerate(names) if name in said}
    if not hasattr(booster, "get_categories") or "c" not in (booster.feature_types or []):
        return found
    stored = booster.get_categories(export_to_arrow=True).to_arrow()
    for place, (_, values) in enumerate(stored or []):
        if values is not None:
            found[place] = values.to_pylist()
    return found


def _kinds(types: Sequence[str], categories: Mapping[int, Sequence[Any]]) -> dict[int, Input]:
    kinds = {}
    for place, each in enumerate(types):
        if each == "c" or place in categories:
            kinds[place] = Input("", "category", tuple(categories[place]) if place in categories else None)
        elif each == "i":
            kinds[place] = Input("", "boolean")
    return kinds


class _Respond:
    def __init__(self, booster: Any, signature: Signature, objective: str, kinds: Mapping[int, Input], missing: float,
                 rounds: tuple[int, int], *, additive: bool, where: str):
        self.booster, self.signature, self.objective, self.kinds = booster, signature, objective, kinds
        self.missing, self.rounds, self.additive, self.where = missing, rounds, additive, where

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        # the margin of multi:softmax becomes probabilities as with multi:softprob, which differs in nothing else
        margin = self.objective == "multi:softmax"
        said = self._ask(self._numbers(batch), "margin" if margin else "value")
        if self.signature.classes is None:
            return Answer.valued(self.signature, said)
        if margin:
            said = np.exp(said - said.max(axis=1, keepdims=True))
            said /= said.sum(axis=1, keepdims=True)
        if self.signature.scores is None:   # binary:hinge answers 0 or 1
            return Answer(self.signature.task, self.signature.classes, prediction=np.asarray(said).reshape(-1).astype(np.int32))
        return Answer.scored(self.signature, said)

    def trees(self) -> Trees | None:
        """Return the trees in the neutral layout, for who explains them."""
        return None if self.additive else grown(bytes(self.booster.save_raw("ubj")), self._known, lambda row: self._ask(row, "margin"),
                                              self.rounds[1])

    def _known(self, batch: pa.RecordBatch) -> Any:
        numbers = self._numbers(batch)
        return numbers if self.missing != self.missing else np.where(numbers == self.missing, np.nan, numbers)

    def _ask(self, numbers: Any, kind: str) -> Any:
        if not self.additive:
            return self.booster.inplace_predict(numbers, iteration_range=self.rounds, predict_type=kind, missing=self.missing,
                                                validate_features=False)
        import xgboost

        return self.booster.predict(xgboost.DMatrix(numbers, missing=self.missing), output_margin=kind == "margin", validate_features=False)

    def _numbers(self, batch: pa.RecordBatch) -> Any:
        made = {}
        for place, each in self.kinds.items():
            array, name = batch.column(place), batch.schema.names[place]
            if each.categories is not None:
                made[place] = codes(array, each.categories, name=name, where=self.where)
                if self.missing == self.missing:
                    made[place][np.isnan(made[place])] = self.missing
            elif not is_numeric(array.type):
                raise SignatureError(f"the column '{name}' is of type {array.type}, and the model holds no categories of training",
                                     where=self.where, expected="the codes of training as numbers",
                                     hint=f"pass categories={{'{name}': [...]}}")
        return matrix(batch, where=self.where, columns=made, view=True)


FORMAT = Format(recognises, load, frozenset({"categories", "missing"}), what="XGBoost: .ubj and .json files, boosters and estimators",
                library="xgboost", extra="xgboost", runs="no")
