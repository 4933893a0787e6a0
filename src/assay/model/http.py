"""A model behind an address, ``http(s)://...``: Open Inference V2, MLflow's scoring server, or a chat model as a classifier of texts.

The protocol is told by the path (``/v2/models/NAME``, ``/invocations``, ``/chat/completions``) or by ``protocol="v2" | "mlflow" | "chat"``.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from assay.errors import ConfigError, listed
from assay.model import chat, inference, invocations
from assay.model._httpx import OPTIONS, Client
from assay.model.address import Address
from assay.model.format import Format, Options
from assay.model.predictor import Predictor

__all__ = ["FORMAT", "load", "recognises"]

PROTOCOLS: dict[str, tuple[Callable[[Client, Address, Options], Predictor], frozenset[str]]] = {
    "v2": (inference.load, inference.OPTIONS), "mlflow": (invocations.load, invocations.OPTIONS), "chat": (chat.load, chat.OPTIONS)}


MARKS = {"v2": "/v2/models/", "mlflow": "/invocations/", "chat": "/chat/completions/"}


def recognises(model: object) -> bool:
    """Return whether ``model`` is an address of the web."""
    return isinstance(model, Address) and model.scheme in ("http", "https")


def load(address: Address, options: Options) -> Predictor:
    """Return the model at an address; raises ``ConfigError`` where the protocol is not plain, ``ModelError`` where nobody answers."""
    try:
        parts = urlsplit(str(address))
        if not parts.hostname:
            raise ValueError("no host")
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"this is no address ({error})", where=options.name, expected="http://HOST/PATH") from error
    path = parts.path.rstrip("/")
    found = next((name for name, mark in MARKS.items() if mark in f"{path}/"), None)
    protocol = options["protocol"] or found
    if protocol not in PROTOCOLS:
        raise ConfigError("the protocol of the server is not plain" if protocol is None else f"there is no protocol '{protocol}'",
                          where=options.name, expected=f"one of {listed(PROTOCOLS)}", hint="an address that ends in /v2/models/NAME, "
                          "/invocations or /chat/completions says it; or pass protocol=...")
    opened, known = PROTOCOLS[protocol]
    strange = [each for each in options.more if each not in known | OPTIONS | {"protocol"}]
    if strange:
        raise ConfigError(f"there is no option '{strange[0]}' for the protocol {protocol}", where=options.name,
                          expected=f"one of {listed(sorted(known | OPTIONS), 20)}")
    return opened(Client(str(address).rstrip("/"), options), address, options)


_KNOWN: frozenset[str] = frozenset({"protocol"}) | OPTIONS | inference.OPTIONS | invocations.OPTIONS | chat.OPTIONS
FORMAT = Format(recognises, load, _KNOWN, what="servers: Open Inference V2, MLflow scoring, OpenAI-compatible chat (http://...)",
                library="httpx", extra="http", runs="not here")
