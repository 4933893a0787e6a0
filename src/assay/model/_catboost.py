"""CatBoost: its models and their .cbm files. Categories are handed over as values: CatBoost hashes them itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError, ModelError, SignatureError
from assay.model import _pandas, guard
from assay.model._catboost_trees import grown
from assay.model.answer import Answer
from assay.model.column import is_numeric, is_text, matrix, numbers, texts
from assay.model.file import File
from assay.model.format import Format, Options, belongs, described
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Input, Signature, Task, agreed_classes, agreed_task, plain
from assay.model.trees import Trees

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
LOSSES: dict[str, tuple[Task, str]] = {
    "Logloss": ("binary", "probability"), "CrossEntropy": ("binary", "probability"), "MultiClass": ("multiclass", "probability"),
    "MultiClassOneVsAll": ("multiclass", "score"),   # one sigmoid a class: they do not sum to 1
    "MultiLogloss": ("multilabel", "probability"), "MultiCrossEntropy": ("multilabel", "probability"),
}
RANKING = ("YetiRank", "PairLogit", "QueryRMSE", "QuerySoftMax", "QueryCrossEntropy", "StochasticFilter", "StochasticRank", "LambdaMart",
           "GroupQuantile", "UserQuerywiseMetric")


def recognises(model: object) -> bool:
    """Return whether ``model`` is a CatBoost file or object."""
    if isinstance(model, File):
        return model.kind == "catboost" or (model.kind == "" and model.suffix == ".cbm")
    return belongs(model, "catboost")


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a CatBoost object or file; a null in a categorical column counts as the text ``missing`` ("nan")."""
    try:
        import catboost
    except ImportError:
        raise MissingExtraError.of("catboost", "to load a CatBoost model") from None
    if isinstance(model, File):
        booster = catboost.CatBoost()
        if len(model.data) < 8 + int.from_bytes(model.data[4:8], "little"):   # CatBoost itself may take a file that is cut off
            raise ModelError("the CatBoost file is cut off", expected="a whole .cbm file")
        _survives(model.data)
        try:
            booster.load_model(blob=model.data)
        except catboost.CatBoostError as error:
            raise ModelError("CatBoost cannot read the file, it is cut off or damaged", expected="a whole .cbm file") from error
    elif isinstance(model, catboost.CatBoost):
        booster = model
        if not booster.is_fitted():
            raise ModelError(f"{type(model).__name__} is not fitted", expected="a fitted model", hint="call fit first")
    else:
        raise ModelError(f"{type(model).__name__} is no model", expected="a model of CatBoost")
    return _predictor(booster, options)


_TRIAL = """
import sys, catboost
model = catboost.CatBoost()
model.load_model(blob=sys.stdin.buffer.read())
words = set(model.get_cat_feature_indices()) | set(model.get_text_feature_indices())
model.predict([["0" if place in words else 0.0 for place in range(len(model.feature_names_))]])
"""


def _survives(data: bytes) -> None:
    """Load the file and ask it once in another process: CatBoost ends the process over some files in which a few bytes are wrong."""
    try:
        done = subprocess.run([sys.executable, "-c", _TRIAL], input=data, capture_output=True, check=False,  # noqa: S603 (our own text)
                              timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"CatBoost could not be tried on the file ({guard.cause(error)})", expected="a whole .cbm file") from error
    if done.returncode < 0:  # a signal; what it merely refuses is told better below
        raise ModelError("the CatBoost file is damaged: CatBoost breaks down over it", expected="a whole .cbm file")


_PATIENCE = 120.0  # seconds; a model of a gigabyte takes ten


def _predictor(booster: Any, options: Options) -> Predictor:
    metadata = booster.get_metadata()
    params = json.loads(metadata["params"]) if "params" in metadata.keys() else {}   # noqa: SIM118  (it is no mapping)
    loss = str(params.get("loss_function", {}).get("type", ""))
    found: Task | None
    found, kind = LOSSES.get(loss, ("ranking" if loss.startswith(RANKING) else "regression" if loss else None, "probability"))
    if loss.startswith("Multi") and loss not in LOSSES:
        raise ModelError("the model predicts several numbers a row", expected="one number a row", hint="wrap one of them in a callable")
    task = agreed_task(found, options.task, where=options.name, why="the file does not hold how it was trained")
    if task in NUMERIC_TASKS:
        signature = Signature(None, task)
    else:
        known = [plain(each) for each in booster.classes_] or ([0, 1] if task == "binary" else None)
        signature = Signature(None, task, agreed_classes(known, options.classes, count=None, where=options.name),
                              scores=options.scores or kind)  # type: ignore[arg-type]
    names = list(booster.feature_names_ or [])
    unnamed = names == [str(place) for place in range(len(names))]
    kinds = _kinds(booster)
    signature = described(signature, None if unnamed else names, options, width=len(names), kind="number", kinds=kinds)
    stated = metadata["binclass_probability_threshold"] if "binclass_probability_threshold" in metadata.keys() else None  # noqa: SIM118
    spelt = options["missing"] if options["missing"] is not None else "nan"
    respond = _Respond(booster, signature, names, kinds, threshold=None if stated is None else float(stated), missing=str(spelt),
                       probable=found not in (None, *NUMERIC_TASKS), where=options.name)
    return Predictor(options.name, signature, options.digest or _digest(booster), respond)


def _kinds(booster: Any) -> dict[int, Input]:
    if booster.get_embedding_feature_indices():
        raise ModelError("the model takes embeddings", expected="numbers, categories and text")
    kinds = {place: Input("", "category") for place in booster.get_cat_feature_indices()}
    return kinds | {place: Input("", "text") for place in booster.get_text_feature_indices()}


def _digest(booster: Any) -> str:
    # CatBoost writes a model to files only
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        booster.save_model(str(path))
        return hashlib.sha256(path.read_bytes()).hexdigest()


class _Respond:
    def __init__(self, booster: Any, signature: Signature, names: Sequence[str], kinds: dict[int, Input], *,
                 threshold: float | None, missing: str, probable: bool, where: str):
        self.booster, self.signature, self.names, self.kinds = booster, signature, list(names), kinds
        self.threshold, self.missing, self.probable, self.where = threshold, missing, probable, where

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        given = self._given(batch)
        if not self.probable:   # no prediction type: the model's own, such as the exponent for Poisson
            said = np.asarray(self.booster.predict(given))
            return Answer.valued(self.signature, said) if said.ndim == 1 else Answer.scored(self.signature, said)
        said = np.asarray(self.booster.predict(given, prediction_type="Probability"))
        prediction = None
        if self.threshold is not None and self.signature.task == "binary":
            prediction = (said[:, 1] > self.threshold).astype(np.int32)
        return Answer.scored(self.signature, said, prediction=prediction)

    def trees(self) -> Trees | None:
        """Return the trees in the neutral layout, for who explains them."""
        if self.kinds:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            self.booster.save_model(str(path), format="json")
            said = json.loads(path.read_text("utf-8"))
        loss = str(said.get("model_info", {}).get("params", {}).get("loss_function", {}).get("type", ""))
        return grown(said, loss, lambda batch: matrix(batch, where=self.where))

    def _given(self, batch: pa.RecordBatch) -> Any:
        if not self.kinds:
            return matrix(batch, where=self.where, view=True)
        columns = {}
        for place, name in enumerate(batch.schema.names):
            array = batch.column(place)
            if place not in self.kinds:
                columns[place] = numbers(array, name=name, where=self.where)
            elif self.kinds[place].type == "text":
                columns[place] = self._texts(array, name, missing="")
            else:
                columns[place] = self._category(array, name)
        if _pandas.installed():
            import pandas as pd

            return pd.DataFrame({self.names[place]: each for place, each in columns.items()}, copy=False)
        out = np.empty((batch.num_rows, batch.num_columns), object)
        for place, each in columns.items():
            out[:, place] = each
        return out

    def _texts(self, array: pa.Array, name: str, missing: str) -> Array:
        if not is_text(array.type) and not pa.types.is_null(array.type):
            raise SignatureError(f"the column '{name}' is of type {array.type}", where=self.where, expected="text")
        return texts(array, missing=missing)

    def _category(self, array: pa.Array, name: str) -> Array:
        if not is_text(array.type) and not is_numeric(array.type):
            raise SignatureError(f"the column '{name}' is of type {array.type}", where=self.where,
                                 expected="categories: text, whole numbers or true/false")
        return texts(array, missing=self.missing, spell=_spelt)


def _spelt(value: Any) -> str:
    """A category as CatBoost spells it: true and false as 1 and 0, a whole number without a point.

    CatBoost refuses floats as categories, so a whole number in a column of floats is an integer that met a null on its way.
    """
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


FORMAT = Format(recognises, load, frozenset({"missing"}), what="CatBoost: .cbm files and fitted objects", library="catboost",
                extra="catboost", runs="no")
