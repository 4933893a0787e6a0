"""JAX: compiled functions (``jax.jit``) of a matrix of rows, which may be differentiated; a plain function is a callable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from assay.errors import MissingExtraError
from assay.model.format import Format, Options, belongs
from assay.model.network import OPTIONS, Entry, Network, activation
from assay.model.predictor import Predictor
from assay.model.reply import foretold

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]


def recognises(model: object) -> bool:
    """Return whether ``model`` is a function that JAX compiled."""
    return callable(model) and (belongs(model, "jaxlib") or belongs(model, "jax"))


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a compiled function from an array of rows to numbers or scores."""
    try:
        import jax
    except ImportError:
        raise MissingExtraError.of("jax", "to ask a function of JAX") from None
    entry = Entry.of(options)
    signature = foretold(options, why="a function does not say it", width=1 if entry.whole else None)
    if signature.inputs is None:
        signature = replace(signature, positional=True)
    network = Network(lambda given: np.asarray(model(given)), signature, entry, activation(options), options.name, _pulled(jax, model))
    return Predictor(options.name, signature, _digest(jax, model), network)


def _pulled(jax: Any, model: Any) -> Callable[[Any, Array], Any]:
    def pull(given: Array, weight: Array) -> Any:
        return jax.grad(lambda array: (model(array).reshape(weight.shape) * weight.astype(np.float32)).sum())(jax.numpy.asarray(given))
    return pull


def _digest(jax: Any, model: Any) -> str:
    """A digest of what the function computes, constants among it, for an example of one width after the other until it takes one."""
    for width in range(1, 257):
        try:
            made = jax.make_jaxpr(model)(np.zeros((2, width), np.float32))
        except Exception:  # noqa: BLE001, S112 (whatever a function raises for an array of another width)
            continue
        parts = [str(made), *(np.asarray(each).tobytes().hex() for each in made.consts)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"object:{type(model).__module__}.{type(model).__qualname__}"


FORMAT = Format(recognises, load, OPTIONS, what="JAX: compiled functions of a matrix of rows", library="jax",
                extra="jax", runs="it is yours")
