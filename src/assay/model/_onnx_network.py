"""ONNX networks that take images: files or lists of pixels in one column, as the array of more than two sides that the network asks for.

``takes(inputs, options)`` says whether a model is such a one, or is told to be; ``network(session, ...)`` makes it. Only the adapter of
ONNX uses this module; it gives the session, so that ONNX Runtime is known in one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from assay.errors import ModelError, SignatureError
from assay.model.format import Options, described
from assay.model.network import OPTIONS, Entry, Network, activation
from assay.model.predictor import Predictor
from assay.model.signature import Signature

__all__ = ["network", "takes"]

Array = np.ndarray[Any, Any]
CHANNELS = (3, 1, 4)   # the likeliest first, to tell where they stand


def takes(inputs: Sequence[Any], options: Options) -> bool:
    """Return whether a model takes an array of more than two sides, or the user says how its rows become one."""
    return any(len(each.shape) > 2 for each in inputs) or any(options[name] is not None for name in OPTIONS)


def network(session: Any, score: Any, signature: Signature, digest: str, options: Options, types: Mapping[str, Any]) -> Predictor:
    """Return the network behind a session: one input, ``score`` of its outputs as scores; ``types`` are those of numbers by ONNX's name."""
    inputs = session.get_inputs()
    given = inputs[0]
    if len(inputs) != 1 or types.get(given.type, object) is object:
        raise ModelError(f"the model takes {', '.join(f'{each.name}: {each.type} of shape {each.shape}' for each in inputs)}",
                         expected="one array of numbers, for images and networks")
    if score is None or len(score.shape or (0, 0)) not in (1, 2, 3, 4):
        raise ModelError("no output holds a number for each class", expected="rows by classes")
    entry = _entry(list(given.shape[1:]), options, types[given.type])
    width = 1 if entry.whole else entry.shape[0] if entry.shape else None
    signature = described(signature, None, options, width=width)
    chosen = activation(options)
    said = "".join(str(options[name]) for name in sorted(OPTIONS) if options[name] is not None)
    digest = hashlib.sha256(f"{digest}{said}".encode()).hexdigest() if said else digest
    call = _called(session, given, score.name)
    return Predictor(options.name, signature, digest, Network(call, signature, entry, chosen, options.name))


def _entry(sides: list[Any], options: Options, dtype: Any) -> Entry:
    """Return how rows become the array, by what the model says of its sides and the user of the image."""
    first = len(sides) == 3 and next((place == 0 for each in CHANNELS for place in (0, 2) if sides[place] == each), True)
    fixed = tuple(sides) if sides and all(isinstance(each, int) and each > 0 for each in sides) else None
    found = Entry.of(options, dtype=dtype, shape=fixed, first=first)
    if found.image is None:
        if fixed is None and len(sides) > 1:
            raise SignatureError(f"the model takes arrays of the sides {sides}", where=options.name, expected="the size of the images",
                                 hint="pass image='28x28' (grey) or image='64x64x3'")
        return replace(found, image=_image(fixed, found.first)) if fixed is not None and len(sides) in (2, 3) else found
    height, width, channels = found.image
    whole = (channels, height, width) if found.first else (height, width, channels)
    if fixed is None:   # a grey image may come without a side for its one channel
        return replace(found, shape=(height, width) if len(sides) == 2 and channels == 1 else whole)
    if fixed not in (whole, (height, width) if channels == 1 else whole, (height * width * channels,)):
        raise SignatureError(f"the model takes arrays of the sides {sides}", where=options.name,
                             expected=f"those of images of {height} x {width} x {channels}")
    return found


def _image(fixed: tuple[int, ...], first: bool) -> tuple[int, int, int] | None:
    """Return height, width and channels of an image that fills an array, None where it has no such number of channels."""
    height, width, channels = (*fixed, 1) if len(fixed) == 2 else (fixed[1], fixed[2], fixed[0]) if first else fixed
    return (height, width, channels) if channels in CHANNELS else None


def _called(session: Any, given: Any, score: str) -> Any:
    step = given.shape[0] if given.shape and isinstance(given.shape[0], int) else None   # some take a fixed number of rows at a time

    def run(rows: Array) -> Array:
        return np.asarray(session.run([score], {given.name: np.ascontiguousarray(rows)})[0])

    def call(rows: Array) -> Array:
        if step is None:
            return run(rows)
        parts = [rows[at:at + step] for at in range(0, len(rows), step)]
        return np.concatenate([run(np.concatenate([each, np.repeat(each[-1:], step - len(each), axis=0)]))[:len(each)] for each in parts])
    return call
