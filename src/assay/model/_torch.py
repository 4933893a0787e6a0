"""PyTorch: exported programs (.pt2), TorchScript, weights with the class that they belong to, and modules as objects; on the CPU.

A program that was exported or scripted is code, and PyTorch evaluates text of its file when it reads one: both need ``trust``.
Weights alone are read without running anything.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np

from assay.errors import ConfigError, MissingExtraError, ModelError, UntrustedModelError
from assay.model import archive, guard
from assay.model.file import File
from assay.model.format import Format, Options, belongs
from assay.model.network import OPTIONS, Entry, Network, activation
from assay.model.predictor import Predictor
from assay.model.reply import foretold

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
HINT = "if you trust where it comes from, pass --trust (trust=True)"


def recognises(model: object) -> bool:
    """Return whether ``model`` is an archive that PyTorch wrote, a module, or an exported program."""
    if not isinstance(model, File):
        return belongs(model, "torch")
    return model.kind == "zip" and model.suffix not in (".skops", ".keras") and _kind(model) is not None


def _kind(file: File) -> str | None:
    """What an archive holds: "exported", "script", "pickle", or None if PyTorch did not write it."""
    try:
        names = {each.name.partition("/")[2] for each in archive.members(file.data)}
    except ModelError:   # told where it is loaded, if another format does not take it
        return None
    if "archive_format" in names or "serialized_exported_program.json" in names:
        return "exported"
    if "data.pkl" not in names or "version" not in names:
        return None
    return "script" if "constants.pkl" in names else "pickle"


def load(model: Any, options: Options) -> Predictor:
    """Return the model behind a module or a file; ``network`` is the class, or the module, that the weights in a file belong to."""
    kind = _kind(model) if isinstance(model, File) else None
    if kind in ("exported", "script") and not options.trust:
        raise UntrustedModelError("the file holds a program of PyTorch, which runs code when it is loaded", hint=HINT)
    if options["network"] is not None and kind != "pickle":
        raise ConfigError("a network is named, and the model has its own", where=options.name, expected="network beside weights alone")
    try:
        import torch
    except ImportError:
        raise MissingExtraError.of("torch", "to load a PyTorch model") from None
    width: int | None = None
    digest = model.digest if isinstance(model, File) else None
    if isinstance(model, File):
        model = _read(torch, model, kind, options)
    if isinstance(model, torch.export.ExportedProgram):
        digest, width = digest or _digest(model, model.state_dict), _width(model)
        model = model.module()
    elif isinstance(model, torch.nn.Module):
        digest = digest or _digest(model, model.state_dict())
        model.eval()     # without, layers such as dropout answer differently each time
    else:
        raise ModelError(f"{type(model).__name__} is no model", expected="a module, or an exported program, of PyTorch")
    first = next((each for each in model.parameters() if each.is_floating_point()), None)
    entry = Entry.of(options, dtype=np.float64 if first is not None and first.dtype == torch.float64 else np.float32, first=True)
    signature = foretold(options, why="a network does not say it", width=1 if entry.whole else width)
    if signature.inputs is None and not signature.positional:
        signature = replace(signature, positional=True)
    digest = hashlib.sha256(f"{digest}{activation(options)}".encode()).hexdigest() if options["activation"] else digest
    network = Network(_called(torch, model), signature, entry, activation(options), options.name, _pulled(torch, model),
                      _ended(torch, model))
    return Predictor(options.name, signature, digest, network)


def _read(torch: Any, file: File, kind: str | None, options: Options) -> Any:
    try:
        if kind == "exported":
            return torch.export.load(io.BytesIO(file.data))
        if kind == "script":
            return torch.jit.load(io.BytesIO(file.data), map_location="cpu")
    except Exception as error:
        raise ModelError(f"PyTorch cannot read the file ({guard.cause(error)})") from error
    held: Any
    try:
        held = torch.load(io.BytesIO(file.data), map_location="cpu", weights_only=True)
    except Exception as error:
        if not options.trust:
            raise UntrustedModelError("the file holds more than weights: loading it runs code", hint=HINT) from error
        try:
            held = torch.load(io.BytesIO(file.data), map_location="cpu", weights_only=False)
        except Exception as inner:
            raise ModelError(f"PyTorch cannot read the file ({guard.cause(inner)})") from inner
    if isinstance(held, torch.nn.Module):
        return held
    for key in ("state_dict", "model_state_dict"):     # as most trainers lay out their checkpoints
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
    if not isinstance(held, dict) or not held or not all(isinstance(each, torch.Tensor) for each in held.values()):
        raise ModelError(f"the file holds an object of type {type(held).__name__}", expected="a module, or the weights of one")
    return _filled(torch, held, options)


def _filled(torch: Any, weights: dict[str, Any], options: Options) -> Any:
    """The network of the user with the weights of a file."""
    made = options["network"]
    if made is None:
        raise ModelError(f"the file holds {len(weights)} weights and no network", where=options.name,
                         expected="the class that they belong to",
                         hint="pass network=YourModule() (network: package.module:YourModule in a configuration, with --trust), "
                              "or export the whole with torch.export.save")
    if isinstance(made, str):
        made = _imported(made, options)
    if not isinstance(made, torch.nn.Module) and callable(made):
        try:
            made = made()
        except Exception as error:
            raise ModelError(f"the network cannot be made ({guard.cause(error)})", where=options.name,
                             expected="a class or function that needs no arguments") from error
    if not isinstance(made, torch.nn.Module):
        raise ConfigError(f"network is of type {type(made).__name__}", where=options.name, expected="a module of PyTorch, or its class")
    try:
        made.load_state_dict(weights)
    except RuntimeError as error:
        said = re.sub(r"\s+", " ", str(error))[:240]
        raise ModelError(f"the weights do not fit the network ({said})", where=options.name,
                         expected="the class that they belong to") from error
    return made


def _imported(text: str, options: Options) -> Any:
    if not options.trust:
        raise UntrustedModelError(f"the network '{text}' is code that would be imported", where=options.name, hint=HINT)
    module, mark, name = text.partition(":")
    if not mark or not all(each.isidentifier() for each in (*module.split("."), name)):
        raise ConfigError(f"network is '{text}'", where=options.name, expected="package.module:Class")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"the network cannot be imported ({guard.cause(error)})", where=options.name,
                         expected="package.module:Class") from error


def _width(program: Any) -> int | None:
    """How many numbers an exported program takes a row, as its example shows."""
    given: Any = program.example_inputs[0] if program.example_inputs else ()
    return int(given[0].shape[1]) if len(given) == 1 and getattr(given[0], "ndim", 0) == 2 else None


def _called(torch: Any, model: Any) -> Any:
    def call(given: Array) -> Array:
        with torch.inference_mode():
            said = model(torch.from_numpy(np.ascontiguousarray(given)))
        return _tensor(torch, said).numpy()  # type: ignore[no-any-return]
    return call


def _tensor(torch: Any, said: Any) -> Any:
    said = getattr(said, "logits", said)
    said = said[0] if isinstance(said, tuple | list) and len(said) == 1 else said
    if not isinstance(said, torch.Tensor):
        raise ModelError(f"the network answered with a {type(said).__name__}", expected="one tensor")
    return said.double()


def _pulled(torch: Any, model: Any) -> Any:
    def pull(given: Array, weight: Array) -> Array:
        array = torch.from_numpy(np.ascontiguousarray(given)).requires_grad_()
        with torch.enable_grad():
            said = _tensor(torch, model(array)).reshape(weight.shape)
            (found,) = torch.autograd.grad((said * torch.from_numpy(weight)).sum(), array)
        return found.numpy()  # type: ignore[no-any-return]
    return pull


def _ended(torch: Any, model: Any) -> Any:
    def end(given: Array) -> tuple[Array, Array, Array] | None:
        """What enters the last linear layer that is called, (rows, numbers), and its weights and constants; None where there is none."""
        held: list[tuple[Any, Any]] = []
        hooks = [each.register_forward_pre_hook(lambda layer, entered: held.append((layer, entered[0])))
                 for each in model.modules() if type(each) is torch.nn.Linear]
        try:
            with torch.inference_mode():
                model(torch.from_numpy(np.ascontiguousarray(given)))
        finally:
            for each in hooks:
                each.remove()
        if not held or held[-1][1].ndim != 2:
            return None
        layer, entered = held[-1]
        constant = np.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().double().numpy()
        return entered.double().numpy(), layer.weight.detach().double().numpy(), constant
    return end


def _digest(model: Any, weights: Any) -> str:
    made = hashlib.sha256(repr(model).encode())
    for name, each in weights.items():
        made.update(f"{name} {tuple(each.shape)} {each.dtype}".encode())
        made.update(bytes(each.detach().cpu().contiguous().flatten().untyped_storage()))
    return made.hexdigest()


FORMAT = Format(recognises, load, OPTIONS | {"network"},
                what="PyTorch: exported programs (.pt2), TorchScript, weights with their class, modules",
                library="torch", extra="torch", runs="exported programs, TorchScript and pickled modules do; weights alone do not")
