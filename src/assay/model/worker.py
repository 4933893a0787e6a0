"""The process of an isolated model: ``python -m assay.model.worker BATCHES ANSWERS`` loads one model and answers until its input ends.

Spoken on standard input and output, by :mod:`assay.model.isolation` only: a letter and two lengths, then a JSON or an Arrow IPC stream.
The numbers are those of shared memory for each, -1 where there is none.
What the model itself prints goes to standard error.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from typing import Any, BinaryIO

import pyarrow as pa

from assay.errors import AssayError
from assay.model import guard
from assay.model.load import load
from assay.model.model import Model, bind
from assay.model.region import HEAD, REPLY, Desk, View, packed

__all__ = ["main", "signature_of"]


def main() -> None:
    """Serve until the input ends."""
    asked, said = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)   # what a model prints must not end up among answers
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (its number is wanted)
        os.dup2(nothing.fileno(), 0)
    faulthandler.enable(all_threads=False)
    shares = int(sys.argv[1]) >= 0
    view, desk = (View(int(sys.argv[1])), Desk(int(sys.argv[2]))) if shares else (None, None)
    model: Model | None = None
    while len(head := asked.read(HEAD.size)) == HEAD.size:
        what, length, shared = HEAD.unpack(head)
        request = json.loads(asked.read(length))
        # told from a thread that needs no lock of Python's, so that a loop in C is found as well; and an orphan dies
        faulthandler.dump_traceback_later(request["timeout"], exit=True)
        try:
            if what == b"L":
                model = load(request["uri"], **request["options"])
                _reply(said, b"L", json.dumps(signature_of(model)).encode())
            else:
                assert model is not None
                batch = view.read(shared) if view is not None else pa.ipc.open_stream(asked.read(shared)).read_next_batch()
                named = model if request["names"] is None else bind(model, request["names"])
                answer = named.predict(batch)
                size = desk.put(answer) if desk is not None and isinstance(answer, pa.RecordBatch) else 0
                if size:
                    _reply(said, b"S", b"", size)
                else:
                    _reply(said, b"A", packed(answer))
                del batch, answer
        except AssayError as error:
            _refuse(said, type(error).__name__, {name: getattr(error, name) for name in ("what", "where", "expected", "hint")})
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 (a model may raise whatever it likes)
            _refuse(said, "PredictionError", {"what": f"the model raised {guard.cause(error)}"})
        faulthandler.cancel_dump_traceback_later()


def signature_of(model: Model) -> dict[str, Any]:
    """Return a model's signature, digest and name as JSON has them."""
    inputs = model.signature.inputs
    return {"name": getattr(model, "name", ""), "digest": model.digest, "textual": bool(getattr(model, "textual", False)),
            "task": model.signature.task, "classes": model.signature.classes, "scores": model.signature.scores,
            "positional": model.signature.positional, "width": model.signature.width,
            "inputs": None if inputs is None else [[each.name, each.type, each.categories] for each in inputs]}


def _reply(said: BinaryIO, what: bytes, data: Any, shared: int = 0) -> None:
    said.write(REPLY.pack(what, len(data), shared))
    said.write(data)
    said.flush()


def _refuse(said: BinaryIO, kind: str, parts: dict[str, Any]) -> None:
    _reply(said, b"E", json.dumps({"type": kind, **parts}, default=str).encode())


if __name__ == "__main__":
    main()
