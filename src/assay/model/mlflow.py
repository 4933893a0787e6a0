"""MLflow models: a folder with an ``MLmodel`` file, ``mlflow:FOLDER``, or what MLflow itself must fetch, ``models:/NAME/VERSION``.

A flavour that is read natively (scikit-learn, XGBoost, LightGBM, CatBoost, ONNX) is, without MLflow; what is left runs code of the
model's own, through MLflow and with ``trust``. The signature and the requirements come from the folder.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.data._yaml import composed
from assay.errors import ConfigError, ModelError, UntrustedModelError, listed
from assay.model import _mlflow
from assay.model.address import Address
from assay.model.file import File
from assay.model.folder import Folder
from assay.model.format import FORMATS, Format, Options
from assay.model.model import Model, bind
from assay.model.predictor import Predictor
from assay.model.signature import Input, Kind

__all__ = ["FORMAT", "load", "recognises", "requirements"]

FETCHED = ("models", "runs", "mlflow-artifacts")
# The flavours that are read natively, by preference, and the key that names their file.
FLAVOURS = {"sklearn": "pickled_model", "lightgbm": "data", "xgboost": "data", "catboost": "data", "onnx": "data"}
KINDS: dict[str, Kind] = {"double": "number", "float": "number", "long": "number", "integer": "number", "boolean": "boolean",
                          "string": "unknown", "datetime": "time"}
LONGEST = 2**20   # bytes of a description


def recognises(model: object) -> bool:
    """Return whether ``model`` is a folder of MLflow or an address of a model there."""
    if isinstance(model, Folder):
        return model.has("MLmodel")
    return isinstance(model, Address) and model.scheme in ("mlflow", *FETCHED)


def load(model: Folder | Address, options: Options) -> Model:
    """Return the model in a folder or at an address of MLflow."""
    folder = _folder(model, options.name)
    about = _about(folder)
    flavours = about.get("flavors")
    if not isinstance(flavours, Mapping) or not flavours:
        raise ModelError("the MLmodel file names no flavour", where=options.name, expected="a model that MLflow saved")
    names = _inputs(about)
    native = next((name for name in FLAVOURS if isinstance(flavours.get(name), Mapping)), None)
    if native is not None:
        return _described(_native(folder, native, flavours[native], options), names)
    if "python_function" not in flavours:
        raise ModelError(f"the model is of the flavour {listed(flavours)}", where=options.name,
                         expected=f"one of {listed([*FLAVOURS, 'python_function'])}")
    if not options.trust:
        raise UntrustedModelError("this is a Python function of MLflow, and loading it runs whatever code is in it", where=options.name,
                                  hint="if you trust where it comes from, pass --trust (trust=True)")
    with folder.still():
        digest = folder.digest
        predict = _mlflow.function(folder.path, options.name)
    frame = dataclasses.replace(options, digest=digest, features=options.features or (tuple(names) if names else None),
                                more={**options.more, "frame": "pandas"})
    FORMATS["callable"].check(frame)
    found: Any = FORMATS["callable"].load(predict, frame)
    return _described(dataclasses.replace(found, unheard=options.scores is None), names)


def requirements(model: Any, *, where: str) -> list[str]:
    """Return the lines of the requirements that came with a model; without MLflow itself, where its flavour is read natively."""
    if not recognises(model):
        raise ConfigError("no requirements came with this model", where=where, expected="a folder of MLflow",
                          hint="name a file: requirements=requirements.txt")
    folder = _folder(model, where)
    if not folder.has("requirements.txt"):
        raise ModelError("there is no 'requirements.txt' in the folder", where=where, hint="name a file: requirements=requirements.txt")
    lines = folder.place("requirements.txt").read_text("utf-8", "replace").splitlines()
    native = any(each in (_about(folder).get("flavors") or {}) for each in FLAVOURS)
    return [each for each in lines if not (native and each.strip().lower().startswith("mlflow"))]


def _folder(model: Any, where: str) -> Folder:
    if isinstance(model, Folder):
        return model
    inner = Address.of(model.rest) if model.scheme == "mlflow" else model
    if inner is not None and inner.scheme in FETCHED:
        return Folder(_mlflow.fetched(str(inner), where))
    if inner is not None:
        raise ConfigError(f"MLflow models are not read from {inner.scheme}:", where=where,
                          expected="mlflow:FOLDER, models:/NAME/VERSION or runs:/ID/PATH")
    folder = Folder(Path(model.rest))
    if not folder.has("MLmodel"):
        raise ModelError("there is no 'MLmodel' file in the folder", where=model.rest, expected="a folder that MLflow made")
    return folder


def _about(folder: Folder) -> Mapping[str, Any]:
    path = folder.place("MLmodel")
    with path.open("rb") as file:
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ModelError("the MLmodel file is too long", where=str(path), expected=f"at most {LONGEST:,} bytes")
    try:
        found, _ = composed(data, str(path))
    except ConfigError as error:
        raise ModelError(error.what, where=error.where) from error
    if not isinstance(found, Mapping):
        raise ModelError("the MLmodel file holds no mapping", where=str(path), expected="a model that MLflow saved")
    return found


def _inputs(about: Mapping[str, Any]) -> dict[str, Kind]:
    """The columns of the signature by name; empty where there is none, or where it is of tensors."""
    given = about.get("signature")
    try:
        columns = json.loads(given["inputs"]) if isinstance(given, Mapping) and given.get("inputs") else []
        return {str(each["name"]): KINDS.get(str(each["type"]), "unknown") for each in columns if each["type"] != "tensor"}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError("the signature in the MLmodel file cannot be read", expected="a model that MLflow saved") from error


def _native(folder: Folder, flavour: str, about: Mapping[str, Any], options: Options) -> Model:
    named = about.get(FLAVOURS[flavour])
    if not isinstance(named, str):
        raise ModelError(f"the MLmodel file does not say where the {flavour} model is", where=options.name)
    place = folder.place(named)
    if place.is_dir():
        raise ModelError(f"'{named}' is a folder", where=options.name, expected="a model file")
    file = File.at(place)
    held = dataclasses.replace(options, digest=file.digest)   # the file's own: the same model, wherever it lies
    format = "pickle" if file.kind == "pickle" else "skops" if file.kind == "zip" else flavour
    if format in ("pickle", "skops") and flavour not in ("sklearn", "lightgbm", "xgboost"):
        raise ModelError(f"'{named}' is no {flavour} model", where=options.name)
    found: Any = _checked(format, held).load(file, held)
    if not isinstance(found, Model):
        inner = next((each for each in (flavour, "xgboost", "lightgbm", "catboost", "sklearn") if FORMATS[each].recognises(found)), None)
        if inner is None:
            raise ModelError(f"'{named}' holds an object of type {type(found).__name__}, not a model", where=options.name)
        found = _checked(inner, held).load(found, held)
    made: Model = found
    return made


def _checked(name: str, options: Options) -> Format:
    if name not in ("pickle", "skops"):
        FORMATS[name].check(options)
    return FORMATS[name]


def _described(model: Model, names: Mapping[str, Kind]) -> Model:
    """The model with what the signature adds: names where it knows none, types where it knows none."""
    if names and model.signature.positional and model.signature.width in (None, len(names)):
        model = bind(model, list(names))
    if isinstance(model, Predictor) and model.signature.inputs is not None:
        inputs = tuple(Input(each.name, names.get(each.name, "unknown")) if each.type == "unknown" else each
                       for each in model.signature.inputs)
        return dataclasses.replace(model, signature=dataclasses.replace(model.signature, inputs=inputs))
    return model


FORMAT = Format(recognises, load, what="MLflow: folders with an MLmodel file, mlflow:FOLDER, models:/NAME/VERSION",
                library="mlflow-skinny", extra="mlflow", runs="pickles and Python functions do")
