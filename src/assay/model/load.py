"""Open a model, whatever made it: ``load(model, **options) -> Model``.

The format is found by looking (a file's first bytes, the module of an object's type); formats are in
:data:`assay.model.format.FORMATS`, where third parties add theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from assay.errors import AssayError, ConfigError, ModelError, UnknownFormatError, listed
from assay.model import guard
from assay.model.file import File
from assay.model.format import FORMATS, Options
from assay.model.model import Model, bind, called

__all__ = ["load"]

# They recognise much (XGBoost's own classes inherit from scikit-learn's; many objects can be called), so they are asked last.
LAST = ("sklearn", "callable")


def load(model: Any, *, trust: bool = False, task: str | None = None, classes: Sequence[Any] | None = None,
         features: Sequence[str] | None = None, name: str | None = None, scores: str | None = None, **options: Any) -> Model:
    """Return a model to ask: from a path, a fitted object, a callable, or a Model, which is returned as it is.

    ``trust`` allows a file that runs code when it is loaded (a pickle). ``task`` and ``classes`` (in the order of the scores) and
    ``features`` (in the order of training) are for models that do not know them. ``scores="score"`` says that the scores are not
    probabilities. ``name`` is used in messages. Further options belong to a format: ``frame`` ("arrow", "pandas", "polars",
    "numpy") of callables, ``categories`` of LightGBM and XGBoost, ``missing`` of XGBoost and CatBoost, ``threads`` of ONNX.

    Raises ``UntrustedModelError``, ``UnknownFormatError``, or another ``ModelError`` that says what is wrong with the model.

    >>> model = load(lambda batch: [0.5] * batch.num_rows, task="binary", classes=["no", "yes"])
    >>> model.signature.classes
    ('no', 'yes')
    """
    if scores not in (None, "probability", "score"):
        raise ConfigError(f"scores of the kind '{scores}' are unknown", expected="'probability' or 'score'")
    if _loaded(model):
        return _as_it_is(model, features, {"task": task, "classes": classes, "scores": scores, "name": name} | options)
    asked = Options(name=name or "", trust=trust, task=task, classes=_sequence("classes", classes),
                    features=_sequence("features", features), scores=scores,  # type: ignore[arg-type]
                    more={key: each for key, each in options.items() if each is not None})
    if isinstance(model, str | PathLike):
        file = File.at(model)
        asked = replace(asked, name=name or file.path.name, digest=file.digest)
        found: Any = _opened(file, asked)
        if found is file or isinstance(found, File):
            raise UnknownFormatError("a format gave the file back", where=asked.name)
    else:
        asked = replace(asked, name=name or called(model))
        found = _opened(model, asked)
    if not _loaded(found):   # a container held it
        found = _opened(found, asked)
    if not _loaded(found):
        raise UnknownFormatError(f"the file holds {_described(found)}, not a model", where=asked.name)
    loaded: Model = found
    return loaded


def _loaded(model: Any) -> bool:
    return not isinstance(model, type) and isinstance(model, Model)


def _as_it_is(model: Model, features: Sequence[str] | None, said: dict[str, Any]) -> Model:
    more = [key for key, each in said.items() if each is not None]
    if more:
        raise ConfigError(f"the model is loaded already, and {listed(more)} can be said only when it is loaded", where=called(model))
    return model if features is None else bind(model, list(features))


def _sequence(what: str, given: Sequence[Any] | None) -> tuple[Any, ...] | None:
    if isinstance(given, str | bytes) or (given is not None and not hasattr(given, "__iter__")):
        raise ConfigError(f"{what} is {given!r}", expected="a list", hint=f"{what}=[{given!r}]")
    return None if given is None else tuple(given)


def _opened(model: Any, options: Options) -> Any:
    if isinstance(model, type):
        raise ModelError(f"{model.__name__} is a class", where=options.name, expected="a fitted object of it")
    names = [each for each in FORMATS if each not in LAST]
    for each in (*names, *LAST):
        if FORMATS[each].recognises(model):
            if each not in ("pickle", "skops"):
                FORMATS[each].check(options)
            try:
                return FORMATS[each].load(model, options)
            except AssayError as error:
                error.where = error.where or options.name
                raise
            except Exception as error:
                raise ModelError(f"the model cannot be loaded ({guard.cause(error)})", where=options.name) from error
    raise _unknown(model, options)


def _unknown(model: Any, options: Options) -> UnknownFormatError:
    known = "a model file (.onnx, .ubj, .json, .txt, .cbm, .skops, .joblib, .pkl)"
    if isinstance(model, File):
        return UnknownFormatError("the file is no model that is known here", where=options.name, expected=known)
    return UnknownFormatError(f"this is {_described(model)}, not a model", where=options.name,
                              expected=f"{known}, a fitted object, or a callable", hint=_inside(model))


def _described(model: Any) -> str:
    keys = f" with the keys {listed(map(str, model), 5)}" if isinstance(model, dict) else ""
    return f"an object of type {type(model).__name__}{keys}"


def _inside(model: Any) -> str | None:
    return "save the model alone, without what is around it" if isinstance(model, dict | list | tuple) else None
