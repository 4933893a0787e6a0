"""Open a model, whatever made it: ``load(model, **options) -> Model``.

The format is found by looking (a file's first bytes, the scheme of an address, the module of an object's type); formats are in
:data:`assay.model.format.FORMATS`, where third parties add theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from assay.errors import AssayError, ConfigError, ModelError, UnknownFormatError, UntrustedModelError, listed
from assay.model import guard
from assay.model.address import Address, Written
from assay.model.file import File
from assay.model.folder import Folder
from assay.model.format import FORMATS, Options
from assay.model.model import Model, bind, called

__all__ = ["load"]

# They recognise much (XGBoost's own classes inherit from scikit-learn's; many objects can be called), so they are asked last.
LAST = ("sklearn", "callable")


def load(model: Any, *, trust: bool = False, task: str | None = None, classes: Sequence[Any] | None = None,
         features: Sequence[str] | None = None, name: str | None = None, scores: str | None = None, isolation: str | None = None,
         **options: Any) -> Model:
    """Return a model to ask: from a path, an address, a fitted object, a callable, or a Model, which is returned as it is.

    An address is "http://...", "command:...", or "mlflow:..."; a mapping is ``{"uri": ..., option: ...}``, or a router,
    ``{"router": {"by": column, value: model, ..., "default": model}}``.

    ``trust`` allows a file that runs code when it is loaded (a pickle). ``task`` and ``classes`` (in the order of the scores) and
    ``features`` (in the order of training) are for models that do not know them. ``scores="score"`` says that the scores are not
    probabilities. ``name`` is used in messages. ``isolation="process"`` runs a model of a file or an address in a process of its
    own, with ``timeout`` (seconds for a batch), ``memory`` ("2GB"), ``requirements`` (a file of them, or True for the model's own) or
    ``python`` (an interpreter), and ``environment`` (variables that it may see). Further options belong to a format: ``frame`` ("arrow",
    "pandas", "polars", "numpy") of callables, ``categories`` of LightGBM and XGBoost, ``missing`` of XGBoost and CatBoost,
    ``threads`` of ONNX.

    Raises ``UntrustedModelError``, ``UnknownFormatError``, or another ``ModelError`` that says what is wrong with the model.

    >>> model = load(lambda batch: [0.5] * batch.num_rows, task="binary", classes=["no", "yes"])
    >>> model.signature.classes
    ('no', 'yes')
    """
    if scores not in (None, "probability", "score"):
        raise ConfigError(f"scores of the kind '{scores}' are unknown", expected="'probability' or 'score'")
    if isolation not in (None, "process", "none"):
        raise ConfigError(f"there is no isolation '{isolation}'", expected="'process' or 'none'")
    said = {"task": task, "classes": classes, "features": features, "name": name, "scores": scores, "isolation": isolation} | options
    said = {key: each for key, each in said.items() if each is not None}
    if isinstance(model, Mapping) and "uri" in model:
        return _mapped(model, said, trust=trust)
    if _loaded(model):
        return _as_it_is(model, features, {key: each for key, each in said.items() if key != "features"})
    if isinstance(model, Mapping) and isolation is not None:   # a router's models are put apart one by one
        options["isolation"] = isolation
    elif isolation == "process":
        return _isolated(model, said, trust=trust)
    asked = Options(name=name or "", trust=trust, task=task, classes=_sequence("classes", classes),
                    features=_sequence("features", features), scores=scores,  # type: ignore[arg-type]
                    more={key: each for key, each in options.items() if each is not None})
    place = _place(model, trust=trust)
    asked = replace(asked, name=name or _named(place), digest=place.digest if isinstance(place, File) else None)
    found = _opened(place, asked)
    if not _loaded(found) and (found is place or isinstance(found, File | Folder | Address)):
        raise UnknownFormatError("a format gave the file back", where=asked.name)
    if not _loaded(found):   # a container held it
        found = _opened(found, asked)
    if not _loaded(found):
        raise UnknownFormatError(f"the file holds {_described(found)}, not a model", where=asked.name)
    loaded: Model = found
    return loaded


def _place(model: Any, *, trust: bool) -> Any:
    """A path as a file or folder, and text with a scheme as an address; anything else as it is."""
    if not isinstance(model, str | PathLike):
        return model
    text = fspath(model)
    address = Address.of(text) if isinstance(text, str) else None
    if address is not None:
        address.check()
        if isinstance(model, Written) and not trust and (address.scheme != "mlflow" or Address.of(address.rest) is not None):
            raise UntrustedModelError("this address stands in a configuration, and rows would be sent there", where=address.shown,
                                      hint="if you trust who wrote the file, pass --trust; or name the model yourself: --model")
        return address
    path = Path(text) if isinstance(text, str) else Path(text.decode())
    return Folder(path) if path.is_dir() else File.at(path)


def _named(place: Any) -> str:
    if isinstance(place, Address):
        return place.shown
    return place.path.name if isinstance(place, File | Folder) else called(place)


def _mapped(model: Mapping[Any, Any], said: dict[str, Any], *, trust: bool) -> Model:
    """Load what ``{"uri": ..., option: ...}`` says; what was given beside it wins."""
    inner = {str(key): each for key, each in model.items() if key != "uri"}
    if "trust" in inner:
        raise ConfigError("a description of a model cannot say that it is to be trusted", expected="--trust (trust=True) beside it")
    return load(model["uri"], trust=trust, **{**inner, **said})


def _isolated(model: Any, said: dict[str, Any], *, trust: bool) -> Model:
    from assay.model.isolation import OPTIONS, isolated

    if not isinstance(model, str | PathLike):
        raise ConfigError("only a model of a file or an address can be put into another process", where=called(model),
                          expected="a path", hint="save the model, and load the file")
    place = _place(model, trust=trust)
    if isinstance(place, Address) and place.scheme == "command":
        raise ConfigError("a command has a process of its own already", where=place.shown, hint="leave isolation out")
    title = said.get("name") or _named(place)
    requirements = said.get("requirements")
    if requirements is True:
        from assay.model.mlflow import requirements as own

        requirements = own(place, where=title)
    apart = {key: said.get(key) for key in OPTIONS}
    more = {key: (list(each) if isinstance(each, tuple) else each) for key, each in said.items() if key not in (*OPTIONS, "isolation")}
    found: Model = isolated(fspath(model), {**more, "name": title, "trust": trust}, name=title, timeout=apart["timeout"],
                            memory=apart["memory"], requirements=requirements, python=apart["python"], passed=apart["environment"])
    return found


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
            if each not in ("pickle", "skops", "mlflow", "router"):   # they hold models of other formats, which know their options
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
    known = "a model file (.onnx, .ubj, .json, .txt, .cbm, .skops, .joblib, .pkl, .pmml, .pt2, .keras, a MOJO's .zip)"
    if isinstance(model, Address):
        return UnknownFormatError(f"models are not read from addresses that begin with {model.scheme}:", where=options.name,
                                  expected="a path, or http(s)://, command:, mlflow:, models:/", hint="fetch the file first")
    if isinstance(model, Folder):
        return UnknownFormatError("this is a folder", where=options.name,
                                  expected=f"{known}, or a folder that MLflow, TensorFlow or transformers made")
    if isinstance(model, File):
        return UnknownFormatError("the file is no model that is known here", where=options.name, expected=known)
    return UnknownFormatError(f"this is {_described(model)}, not a model", where=options.name,
                              expected=f"{known}, a fitted object, or a callable", hint=_inside(model))


def _described(model: Any) -> str:
    keys = f" with the keys {listed(map(str, model), 5)}" if isinstance(model, dict) else ""
    return f"an object of type {type(model).__name__}{keys}"


def _inside(model: Any) -> str | None:
    return "save the model alone, without what is around it" if isinstance(model, dict | list | tuple) else None
