"""Keras 3 models: .keras files and objects, with whichever backend is installed (TensorFlow, PyTorch or JAX).

A .keras file names the classes that its layers are made of. Those of Keras itself are made without trust; any other, and a Lambda,
is code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import MissingExtraError, ModelError, SignatureError, UntrustedModelError, listed
from assay.model import archive, guard
from assay.model.file import File
from assay.model.format import Format, Options, belongs, described
from assay.model.network import OPTIONS, Columns, Entry, Network, activation
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Signature, Task, agreed_classes, agreed_task

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
OWN = {"keras", "keras.layers", "keras.models", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.activations",
       "keras.optimizers", "keras.optimizers.schedules", "keras.losses", "keras.metrics", "keras.dtype_policies",
       "keras.src.models.functional",
       "keras.src.models.sequential", "builtins", None}
PLAIN = {"__tuple__", "__list__", "__numpy__", "__tensor__", "__bytes__", "__keras_tensor__", "Functional", "Sequential", "DTypePolicy"}
# What Keras writes of an optimizer where it runs on PyTorch; these modules hold others' modules too, so the names are listed.
TORCH = re.compile(r"keras\.src\.backend\.torch\.optimizers\.torch_[a-z]+")
OPTIMIZERS = {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion"}
RUNS = {"Lambda", "__lambda__", "function", "__typespec__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
LONGEST = 64 * 2**20   # bytes of a description


def recognises(model: object) -> bool:
    """Return whether ``model`` is a .keras archive or a model of Keras."""
    if not isinstance(model, File):
        return belongs(model, "keras") and callable(getattr(model, "predict", None))
    if model.kind != "zip":
        return False
    try:
        return {"config.json", "model.weights.h5"} <= {each.name for each in archive.members(model.data)}
    except ModelError:   # told where it is loaded, if another format does not take it
        return False


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a file or an object; classes are 0 to K-1 unless named, as Keras keeps no names."""
    if isinstance(model, File):
        strange = sorted(set(_strange(_described(model))))
        if strange and not options.trust:
            raise UntrustedModelError(f"the file is made of {listed(strange, 5)}, which would run code",
                                      hint="if you trust where it comes from, pass --trust (trust=True)")
    digest = model.digest if isinstance(model, File) else None
    keras = _keras()
    if isinstance(model, File):
        model = _read(keras, model, options)
    if not getattr(model, "built", True) or not getattr(model, "inputs", None):
        raise ModelError("the model does not say what it takes", expected="a model that is built, with inputs of known shapes")
    found = _task(model)
    count = int(model.output_shape[-1]) if isinstance(model.output_shape, tuple) else 0
    if isinstance(model.outputs, list) and len(model.outputs) != 1:
        raise SignatureError(f"the model has {len(model.outputs)} outputs", where=options.name, expected="one")
    task = agreed_task(found, options.task, where=options.name, why="its last layer says neither softmax nor sigmoid")
    if task in NUMERIC_TASKS:
        signature = Signature(None, task)
    else:
        known = range(max(count, 2))
        signature = Signature(None, task, agreed_classes(known, options.classes, count=None, where=options.name),
                              scores=options.scores or "probability")
    entry, names, width = _entry(model, options)
    signature = described(signature, names, options, width=width)
    chosen = activation(options)
    pull = _pulled(keras, model) if isinstance(entry, Entry) else None
    digest = digest or _digest(model)
    digest = hashlib.sha256(f"{digest}{chosen}".encode()).hexdigest() if options["activation"] else digest
    return Predictor(options.name, signature, digest, Network(_called(keras, model), signature, entry, chosen, options.name, pull))


def _keras() -> Any:
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ and not (Path.home() / ".keras" / "keras.json").exists():
        held = next((name for name in ("tensorflow", "torch", "jax") if importlib.util.find_spec(name)), None)
        if held is not None:
            os.environ["KERAS_BACKEND"] = held
    try:
        import keras
    except ModuleNotFoundError as error:   # Keras itself, or its backend
        missing = (error.name or "keras").partition(".")[0]
        raise MissingExtraError.of(missing, "to load a Keras model", "keras") from error
    return keras


def _described(file: File) -> Any:
    try:
        return json.loads(archive.read(file.data, "config.json", where=str(file.path.name), most=LONGEST))
    except (ValueError, RecursionError) as error:
        raise ModelError("the description of the model cannot be read", expected="a file that Keras saved") from error


def _strange(node: Any) -> Iterator[str]:
    """What a description names that is not Keras's own."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name, module = node.get("class_name"), node.get("module")
            if name in OPTIMIZERS and isinstance(module, str) and TORCH.fullmatch(module):
                module = "keras.optimizers"
            if isinstance(name, str) and (module not in OWN or name in RUNS or (node.get("registered_name") not in (None, name))
                                          or (module == "builtins" and name not in PLAIN)):
                yield f"{module}.{name}" if module else name
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _read(keras: Any, file: File, options: Options) -> Any:
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(file.data)     # what was looked at is what is read
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=not options.trust)
        except Exception as error:
            raise ModelError(f"Keras cannot read the file ({guard.cause(error)})") from error


def _task(model: Any) -> Task | None:
    last = getattr(getattr(model.layers[-1], "activation", None), "__name__", "")
    if type(model.layers[-1]).__name__ == "Softmax":
        last = "softmax"
    count = int(model.output_shape[-1])
    if last == "softmax":
        return "binary" if count == 2 else "multiclass"
    if last == "sigmoid":
        return "binary" if count == 1 else "multilabel"
    return "regression" if count == 1 else None


def _entry(model: Any, options: Options) -> tuple[Entry | Columns, list[str] | None, int | None]:
    inputs = list(model.inputs)
    kinds = [str(each.dtype) for each in inputs]
    shapes = [tuple(each.shape[1:]) for each in inputs]
    if len(inputs) > 1:
        if any(shape not in ((), (1,)) for shape in shapes):
            raise SignatureError(f"the model has {len(inputs)} inputs of the shapes {shapes}", where=options.name,
                                 expected="one input, or one number or text in each")
        names = [str(each.name) for each in inputs]
        return Columns(dict(zip(names, zip(kinds, shapes, strict=True), strict=True))), names, len(names)
    if kinds[0] == "string":
        raise SignatureError("the model takes text as one input", where=options.name, expected="numbers, or named inputs")
    fixed = shapes[0] if shapes[0] and None not in shapes[0] else None
    entry = Entry.of(options, dtype=np.dtype(kinds[0] if kinds[0] != "bfloat16" else "float32").type, shape=fixed)
    return entry, None, 1 if entry.whole else (fixed[0] if fixed else None)


def _called(keras: Any, model: Any) -> Callable[[Any], Any]:
    return lambda given: keras.ops.convert_to_numpy(model(given, training=False))


def _pulled(keras: Any, model: Any) -> Callable[[Any, Array], Any]:
    backend = keras.backend.backend()

    def pull(given: Array, weight: Array) -> Any:
        if backend == "torch":
            import torch

            array = keras.ops.convert_to_tensor(given).detach().clone().requires_grad_()
            said = model(array, training=False).reshape(weight.shape)
            (found,) = torch.autograd.grad((said * keras.ops.convert_to_tensor(weight.astype(np.float32))).sum(), array)
            return found.cpu().numpy()
        if backend == "tensorflow":
            import tensorflow as tf

            array = tf.convert_to_tensor(given)
            with tf.GradientTape() as tape:
                tape.watch(array)
                said = tf.reshape(model(array, training=False), weight.shape)
                total = tf.reduce_sum(said * weight.astype(np.float32))
            return tape.gradient(total, array).numpy()
        import jax

        total_of = lambda array: (model(array, training=False).reshape(weight.shape) * weight.astype(np.float32)).sum()  # noqa: E731
        return np.asarray(jax.grad(total_of)(jax.numpy.asarray(given)))
    return pull


def _digest(model: Any) -> str:
    made = hashlib.sha256(model.to_json().encode())
    for each in model.get_weights():
        made.update(f"{each.shape} {each.dtype}".encode())
        made.update(np.ascontiguousarray(each).tobytes())
    return made.hexdigest()


FORMAT = Format(recognises, load, OPTIONS, what="Keras 3: .keras files and models, on any backend", library="keras", extra="keras",
                runs="Lambda layers and classes of others do")
