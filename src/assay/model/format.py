"""What a model format is, and the registry of them: the one door by which a format is added, by us or by anyone.

A format is one file: ``recognises`` looks cheaply (a file's first bytes, the module of an object's type) and never imports
the library to do so; ``load`` gives a model, or, for a container such as a pickle, the object inside, which is recognised anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from assay.errors import ConfigError, SignatureError, listed, nearest
from assay.model.signature import Input, ScoreKind, Signature
from assay.registry import Registry

__all__ = ["FORMATS", "Format", "Options", "belongs", "described", "named"]


@dataclass(frozen=True)
class Options:
    """What the user said about a model; None where nothing was said.

    ``digest`` is that of the file the model came from; ``more`` holds the options that only some formats know.
    """

    name: str
    trust: bool = False
    task: str | None = None
    classes: tuple[Any, ...] | None = None
    features: tuple[str, ...] | None = None
    scores: ScoreKind | None = None
    digest: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.more.get(name)


@dataclass(frozen=True)
class Format:
    """One format: how it is recognised, how it is loaded, and the names of the options that it alone knows.

    ``load`` takes a :class:`~assay.model.file.File`, a :class:`~assay.model.folder.Folder`, an
    :class:`~assay.model.address.Address` or an object, and the options, and returns a Model (or an object that another format
    recognises). The rest is told by ``assay models``: ``what`` it is, the ``library`` that must be installed (its distribution's
    name; None where nothing is needed), the ``extra`` that brings it, and whether loading ``runs`` code of the model's own:
    "yes", "no", or when.
    """

    recognises: Callable[[object], bool]
    load: Callable[[Any, Options], object]
    options: frozenset[str] = frozenset()
    what: str = ""
    library: str | None = None
    extra: str | None = None
    runs: str = ""

    def check(self, options: Options) -> None:
        """Raise ``ConfigError`` for an option that this format does not know."""
        for name in options.more:
            if name not in self.options:
                known = sorted({"trust", "task", "classes", "features", "name", "scores", *self.options})
                guess = nearest(name, known)
                raise ConfigError(f"there is no option '{name}' for this kind of model", where=options.name,
                                  expected=f"one of {listed(known, 20)}", hint=f"did you mean '{guess}'?" if guess else None)


FORMATS: Registry[Format] = Registry("format", {
    "callable": "assay.model._callable:FORMAT",
    "catboost": "assay.model._catboost:FORMAT",
    "command": "assay.model.command:FORMAT",
    "http": "assay.model.http:FORMAT",
    "jax": "assay.model._jax:FORMAT",
    "keras": "assay.model._keras:FORMAT",
    "lightgbm": "assay.model._lightgbm:FORMAT",
    "mlflow": "assay.model.mlflow:FORMAT",
    "mojo": "assay.model.mojo:FORMAT",
    "onnx": "assay.model._onnx:FORMAT",
    "pickle": "assay.model._sklearn:PICKLE",
    "pmml": "assay.model.pmml.format:FORMAT",
    "router": "assay.model.router:FORMAT",
    "sklearn": "assay.model._sklearn:FORMAT",
    "skops": "assay.model._skops:FORMAT",
    "tensorflow": "assay.model._tensorflow:FORMAT",
    "thresholds": "assay.model.thresholds:FORMAT",
    "torch": "assay.model._torch:FORMAT",
    "transformers": "assay.model._transformers:FORMAT",
    "xgboost": "assay.model._xgboost:FORMAT",
})


def belongs(model: object, library: str) -> bool:
    """Return whether the type of an object, or one that it inherits from, comes from ``library``; imports nothing.

    >>> belongs({}, "builtins"), belongs({}, "sklearn")
    (True, False)
    """
    return any(each.__module__.partition(".")[0] == library for each in type(model).__mro__)


def named(names: Sequence[str] | None, options: Options) -> tuple[str, ...] | None:
    """Return the names of a model's inputs as data call them: the model's own, unless the user named others, one for one.

    The model's own names in another order are refused, as that would swap columns silently.

    >>> named(["a", "b"], Options("model", features=("x", "y")))
    ('x', 'y')
    """
    own = None if names is None else tuple(map(str, names))
    asked = options.features
    if asked is None or own is None or asked == own:
        return asked if own is None else own
    if len(asked) != len(own):
        raise SignatureError(f"{len(asked)} features were named and the model takes {len(own)}", where=options.name,
                             expected=f"the inputs {listed(own)}", hint="leave the features out: the model knows them")
    if set(asked) == set(own):
        raise SignatureError("the features were named in another order than that of the model", where=options.name,
                             expected=f"the order {listed(own)}", hint="leave the features out: the model knows them")
    return asked


def described(signature: Signature, names: Sequence[str] | None, options: Options, *, width: int | None, kind: Any = "unknown",
              kinds: Mapping[int, Input] | None = None, takes: Literal["names", "places"] = "places") -> Signature:
    """Return ``signature`` with its inputs: by name if the model or the user named them, else by place."""
    found = named(names, options)
    if found is None:
        return replace(signature, inputs=None, positional=takes == "places", width=width)
    if width is not None and len(found) != width:
        raise SignatureError(f"{len(found)} features were named and the model takes {width}", where=options.name, expected=f"{width} names")
    inputs = tuple(replace(kinds[place], name=name) if kinds and place in kinds else Input(name, kind) for place, name in enumerate(found))
    return replace(signature, inputs=inputs, positional=False, width=len(inputs))
