"""Text classifiers as they are given: models that assay loads, functions, ``file.py:function``; and labels of one for those of another.

``opened(models, ...)`` returns a ``Named`` for each; ``mapping(path)`` reads a map of labels. The verbs of texts import it.
"""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.data import meter
from assay.errors import AssayError, ConfigError, ModelError, PredictionError, UntrustedModelError, listed, nearest
from assay.model import guard
from assay.model.load import load
from assay.model.model import Model, bind, called
from assay.probe.text.oracle import Classifier, Said, classifier
from assay.verbs.config import located

__all__ = ["TEXT", "Labels", "Named", "mapping", "opened"]

#: names of labels: ``{"pos": "positive", "mixed": None}``, or a mapping of these by the name of the model
Labels = Mapping[str, Any]

TEXT = "text"  # the column that a model is asked by, where it does not say
_FUNCTION = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d]\w*)")


@dataclass(frozen=True, eq=False)
class Named:
    """A classifier by the name that sentences call it; ``labels`` are those that it may answer, in common names, None where unknown.

    ``place`` is the path or the address that it was loaded from, ``model`` what was loaded, None for a function of texts.
    """

    name: str
    ask: Classifier
    labels: tuple[str, ...] | None = None
    place: str | None = None
    model: Model | None = None


def opened(
    models: Sequence[Any],
    *,
    labels: Labels | None = None,
    column: str | None = None,
    trust: bool = False,
    options: Mapping[str, Any] | None = None,
) -> list[Named]:
    """Return classifiers, each with a name of its own; ``labels`` maps what they say to common names, None to an abstention.

    ``options`` are those of ``assay.load``: ``task``, ``classes``, ``features``. Raises ``UntrustedModelError`` for a Python file without
    ``trust``, ``ConfigError`` for a map that names no label there is.
    """
    found: list[Named] = []
    for place, model in enumerate(models):
        one = _opened(model, column, trust, {key: each for key, each in (options or {}).items() if each is not None})
        found.append(Named(_unlike(one.name, [each.name for each in found], place), one.ask, one.labels, one.place, one.model))
    if not labels:
        return found
    nested = {key: each for key, each in labels.items() if isinstance(each, Mapping)}
    unknown = next((key for key in nested if key not in {each.name for each in found}), None)
    if unknown is not None:
        near = nearest(unknown, [each.name for each in found])
        raise ConfigError(
            f"labels are mapped of '{unknown}', which is no model here",
            expected=f"one of {listed([each.name for each in found])}",
            hint=f"did you mean '{near}'?" if near else None,
        )
    flat = {str(key): each for key, each in labels.items() if key not in nested}
    _used(flat, found)
    return [_renamed(each, {**flat, **{str(key): one for key, one in nested.get(each.name, {}).items()}}) for each in found]


def mapping(path: str | Path) -> dict[str, Any]:
    """Return a map of labels from a YAML file: ``great: positive``, ``mixed: null``, or such lines under the name of a model.

    What YAML reads as a number or a truth value is a label as it is written there. Raises ``ConfigError`` with line and column.
    """
    value, where = located(path)
    if not isinstance(value, Mapping) or not value:
        raise ConfigError("this is no map of labels", where=str(path), expected="lines such as  great: positive")

    def spelt(each: Any, *keys: str) -> str | None:
        if isinstance(each, list | Mapping):
            raise ConfigError("a label is mapped to one other", where=where(*keys), expected="a label, or null for an abstention")
        return None if each is None else str(each)

    return {
        str(key): {str(one): spelt(other, str(key), str(one)) for one, other in each.items()}
        if isinstance(each, Mapping)
        else spelt(each, str(key))
        for key, each in value.items()
    }


def _opened(model: Any, column: str | None, trust: bool, options: Mapping[str, Any]) -> Named:
    if isinstance(model, str | Path) and (match := _FUNCTION.fullmatch(str(model))):
        function = _function(Path(match["file"]), match["name"], trust)
        return Named(match["name"], _asking(function, str(model)), place=str(model))
    if callable(model) and not hasattr(model, "predict"):
        name = getattr(model, "__name__", type(model).__name__)
        return Named("function" if name == "<lambda>" else name, _asking(model, name))
    loaded = load(model, trust=trust, **options)
    signature = loaded.signature
    if signature.positional and signature.inputs is None:
        loaded = bind(loaded, [column or TEXT])
    names = loaded.signature.names
    if names is not None and len(names) != 1:
        raise ConfigError(
            f"the model takes {listed(names)}, and a sentence is one text", where=called(loaded), expected="a model of one column of text"
        )
    if column is not None and names is not None and names != (column,):
        raise ConfigError(f"the model takes '{names[0]}', and '{column}' is named as the text", where=called(loaded))
    ask = classifier(loaded, names[0] if names else column or TEXT)
    uri = model.get("uri") if isinstance(model, Mapping) else model
    place = str(uri) if isinstance(uri, str | Path) else None
    shown = Path(place).stem if place is not None and "://" not in place else called(loaded)
    return Named(shown, ask, tuple(str(each) for each in loaded.signature.classes or ()), place, loaded)


def _unlike(name: str, taken: Sequence[str], place: int) -> str:
    return name if name not in taken else f"{name} ({place + 1})"


def _function(path: Path, name: str, trust: bool) -> Callable[..., Any]:
    """Return a function of a Python file, which is run: only with trust."""
    if not path.is_file():
        raise ConfigError("there is no such file", where=str(path), expected="a Python file, as in classifier.py:answer")
    if not trust:
        raise UntrustedModelError(
            "a Python file runs code when it is loaded", where=str(path), hint="if you trust who wrote the file, pass --trust (trust=True)"
        )
    spec = importlib.util.spec_from_file_location(f"_assay_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError("this is no Python file", where=str(path), expected="a file ending in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # classes of the file that are looked up by their module, such as dataclasses
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        spec.loader.exec_module(module)
    except AssayError:
        raise
    except (Exception, SystemExit) as error:  # the file is the user's
        raise ModelError(f"the file raised {guard.cause(error)}", where=str(path)) from error
    finally:
        sys.path.remove(str(path.parent.absolute()))
    found = getattr(module, name, None)
    if not callable(found):
        names = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        near = nearest(name, names)
        raise ConfigError(
            f"the file has no function '{name}'",
            where=str(path),
            expected=f"one of {listed(names)}" if names else "a function",
            hint=f"did you mean '{near}'?" if near else None,
        )
    return found  # type: ignore[no-any-return]


def _asking(function: Callable[..., Any], where: str) -> Classifier:
    """Return a function of texts as a classifier: it returns labels, or pairs of a label and how sure it is, None for "cannot tell"."""

    def ask(sentences: Sequence[str]) -> list[Said]:
        meter.current().asked(len(sentences))
        try:
            given = list(function(list(sentences)))
        except PredictionError:
            raise
        except (Exception, SystemExit, GeneratorExit) as error:  # the function is the user's
            raise PredictionError(f"the function raised {guard.cause(error)}", where=where) from error
        if len(given) != len(sentences):
            raise PredictionError(
                f"the function gives {len(given):,} answers to {len(sentences):,} sentences",
                where=where,
                expected="a label a sentence, or a pair of a label and how sure it is",
            )
        return [_said(each, where) for each in given]

    return ask


def _said(given: Any, where: str) -> Said:
    label, sure = given if isinstance(given, tuple) and len(given) == 2 else (given, 1.0)
    if isinstance(label, list | tuple | dict | set | float):
        raise PredictionError(
            f"the function answers {str(given)[:60]!r}", where=where, expected="a label, or (label, how sure from 0 to 1)"
        )
    try:
        number = float(sure)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise PredictionError(f"the function is {str(sure)[:30]} sure of an answer", where=where, expected="a number from 0 to 1")
    return (None if label is None else str(label), number)


def _used(names: Mapping[str, Any], found: Sequence[Named]) -> None:
    """Raise where a label is mapped that no model has, as far as that is known."""
    if any(each.labels is None for each in found):
        return
    known = sorted({one for each in found for one in each.labels or ()})
    wrong = next((key for key in names if key not in known), None)
    if wrong is not None:
        near = nearest(wrong, known)
        raise ConfigError(
            f"'{wrong}' is mapped, and no model answers it",
            expected=f"one of {listed(known, 12)}",
            hint=f"did you mean '{near}'?" if near else None,
        )


def _renamed(one: Named, names: Mapping[str, str | None]) -> Named:
    def ask(sentences: Sequence[str]) -> list[Said]:
        return [(None if label is None else names.get(label, label), sure) for label, sure in one.ask(sentences)]

    kept = (
        None if one.labels is None else tuple(dict.fromkeys(other for each in one.labels if (other := names.get(each, each)) is not None))
    )
    return Named(one.name, ask, kept, one.place, one.model)
