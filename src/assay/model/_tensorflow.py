"""TensorFlow SavedModels: folders with a graph that is asked by one of its signatures.

A graph can read and write files, so it needs trust.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.errors import ConfigError, MissingExtraError, ModelError, SignatureError, UntrustedModelError, listed
from assay.model import guard
from assay.model.folder import Folder
from assay.model.format import Format, Options, described
from assay.model.network import OPTIONS, Columns, Entry, Network, activation
from assay.model.predictor import Predictor
from assay.model.reply import foretold

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]


def recognises(model: object) -> bool:
    """Return whether ``model`` is a folder with a SavedModel."""
    return isinstance(model, Folder) and model.has("saved_model.pb")


def load(folder: Folder, options: Options) -> Predictor:
    """Return the model of a folder; ``output`` names one of several outputs, ``serving`` a signature other than serving_default."""
    if not options.trust:
        raise UntrustedModelError("a SavedModel is a program, which may read and write files",
                                  hint="if you trust where it comes from, pass --trust (trust=True)")
    try:
        import tensorflow as tf
    except ImportError:
        raise MissingExtraError.of("tensorflow", "to load a SavedModel") from None
    with folder.still():
        digest = folder.digest     # also refuses links that lead out
        try:
            held = tf.saved_model.load(str(folder.path))
        except Exception as error:
            raise ModelError(f"TensorFlow cannot read the folder ({guard.cause(error)})") from error
    serving = options["serving"] or "serving_default"
    if serving not in held.signatures:
        raise ModelError(f"the model has no signature '{serving}'", expected=f"one of {listed(held.signatures)}")
    asked = held.signatures[serving]
    outputs = list(asked.structured_outputs)
    output = options["output"] or (outputs[0] if len(outputs) == 1 else None)
    if output not in outputs:
        raise ConfigError(f"the model has the outputs {listed(outputs)}", where=options.name, expected="one of them as output")
    specs = dict(asked.structured_input_signature[1])
    entry, names, width = _entry(specs, options)
    signature = foretold(options, why="a graph does not say it", width=width)
    if names is not None:
        signature = described(signature, names, options, width=width)
    call = _called(tf, held, asked, str(output), next(iter(specs)) if len(specs) == 1 and isinstance(entry, Entry) else None)
    return Predictor(options.name, signature, digest, Network(call, signature, entry, activation(options), options.name))


def _entry(specs: dict[str, Any], options: Options) -> tuple[Entry | Columns, list[str] | None, int | None]:
    shapes = {name: tuple(spec.shape[1:]) if spec.shape.rank else () for name, spec in specs.items()}
    kinds = {name: spec.dtype.name for name, spec in specs.items()}
    if len(specs) == 1 and "string" not in kinds.values():
        ((name, shape),) = shapes.items()
        fixed = shape if shape and None not in shape else None
        entry = Entry.of(options, dtype=np.dtype(kinds[name]).type, shape=fixed)
        return entry, None, 1 if entry.whole else (fixed[0] if fixed else None)
    if any(shape not in ((), (1,)) for shape in shapes.values()):
        raise SignatureError(f"the model has {len(specs)} inputs of the shapes {list(shapes.values())}", where=options.name,
                             expected="one input, or one number or text in each")
    names = list(specs)
    return Columns({name: (kinds[name], shapes[name]) for name in names}), names, len(names)


def _called(tf: Any, held: Any, asked: Any, output: str, single: str | None) -> Callable[[Any], Any]:
    def call(given: Any) -> Any:
        arrays = {single: given} if single is not None else given
        return asked(**{name: tf.constant(each) for name, each in arrays.items()})[output].numpy()
    call.held = held  # type: ignore[attr-defined]  # the graph's variables live only as long as what was loaded
    return call


FORMAT = Format(recognises, load, OPTIONS | {"output", "serving"}, what="TensorFlow: SavedModel folders", library="tensorflow",
                extra="tensorflow", runs="yes")
