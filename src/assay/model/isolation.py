"""A model in a process of its own: it may break down, hang, leak or exit, and what comes of that is an error with its last words.

``isolated(uri, options) -> Isolated``. Batches go there in shared memory, answers come back over a pipe, both as Arrow. This protects
assay from a model's faults, not from its intent: the process has the rights of the user.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay import errors
from assay.errors import AssayError, ConfigError, ModelError, PredictionError, UntrustedModelError
from assay.model import environment, region
from assay.model.process import Child, Limits, environ
from assay.model.region import HEAD, REPLY
from assay.model.signature import Input, Signature

__all__ = ["OPTIONS", "Isolated", "isolated"]

OPTIONS = ("timeout", "memory", "requirements", "python", "environment")
LIVES = 3       # a model that broke down may be asked other rows, but not for ever
KINDS = (b"L", b"A", b"S", b"E")    # loaded; an answer, here or in shared memory; an error
LONGEST = 2**32     # bytes of one
ROOM = 2**16    # bytes of an answer besides its rows
# The C library gives arrays of some megabytes back at once and asks for them anew, page by page, for the next batch.
HELD = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**27)}
GRACE = 2.0     # seconds by which the worker's own clock is ahead, so that it can say where it hung


def isolated(uri: str, options: Mapping[str, Any], *, name: str, timeout: Any = None, memory: Any = None, requirements: Any = None,
             python: Any = None, passed: Any = None) -> Isolated:
    """Return the model at ``uri``, loaded with ``options`` in a process of its own.

    ``timeout`` are the seconds that loading, and each batch, may take (300); ``memory`` the bytes that the model may hold (four
    fifths of the machine). ``requirements`` is a file, or the lines of one: the process runs in a virtual environment with just
    these, built once. ``python`` is an interpreter that has them. ``passed`` names variables of the environment that it may see.
    """
    limits = Limits.of(timeout=timeout, memory=memory, where=name)
    if (requirements or python) and not options.get("trust"):
        raise UntrustedModelError("another environment runs code that is not yours: packages, or another Python", where=name,
                                  hint="if you trust where it comes from, pass --trust (trust=True)")
    if requirements and python:
        raise ConfigError("requirements and python were both given", where=name, expected="one of them")
    given = [passed] if isinstance(passed, str) else list(passed or ())
    if python is not None and not Path(str(python)).is_file():
        raise ConfigError(f"there is no Python at '{python}'", where=name, expected="the path of an interpreter that has numpy and pyarrow")
    apart = str(python) if python else None
    if requirements:
        apart = str(environment.built(requirements, where=name).python)
    return Isolated(uri, dict(options), name=name, limits=limits, python=apart, passed=given)


class Isolated:
    """A model like others; its process is started anew after it broke down, three times at most. One batch is asked at a time."""

    def __init__(self, uri: str, options: Mapping[str, Any], *, name: str, limits: Limits, python: str | None, passed: Sequence[str]):
        self.name = name
        self._host = _Host(uri, options, name, limits, python, passed)
        said = self._host.started()
        self.digest: str = said["digest"]
        self.textual: bool = said["textual"]
        self.signature = _signature(said)
        self._names: tuple[str, ...] | None = None

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the answer of the process; raises what the model raised, or a ``PredictionError`` that tells how it ended."""
        names = self.signature.names
        if names is not None and set(names) <= set(batch.schema.names) and len(set(batch.schema.names)) == batch.num_columns:
            batch = batch.select(names)   # if one is missing, the model itself says so best
        return self._host.ask(batch, self._names)

    def bound(self, names: tuple[str, ...]) -> Isolated:
        """Return the same model, in the same process, with its inputs named."""
        made: Isolated = object.__new__(Isolated)
        made.__dict__.update(self.__dict__)
        kind: Any = "text" if self.textual else "unknown"
        made.signature = dataclasses.replace(self.signature, inputs=tuple(Input(each, kind) for each in names), positional=False,
                                             width=len(names))
        made._names = names
        return made

    def close(self) -> None:
        """End the process."""
        self._host.close()


def _signature(said: Mapping[str, Any]) -> Signature:
    inputs = said["inputs"]
    return Signature(None if inputs is None else tuple(Input(name, kind, None if known is None else tuple(known))
                                                       for name, kind, known in inputs),
                     said["task"], None if said["classes"] is None else tuple(said["classes"]), said["scores"], said["positional"],
                     said["width"])


class _Host:
    """The process and all that is needed to start it again."""

    def __init__(self, uri: str, options: Mapping[str, Any], name: str, limits: Limits, python: str | None, passed: Sequence[str]):
        self.uri, self.options, self.name, self.limits, self.python, self.passed = uri, options, name, limits, python, passed
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._region = region.Region() if region.available() else None
        self._answers = region.Region() if region.available() else None
        self._lives, self._digest, self._last = LIVES, "", ""
        self._wide = 0   # bytes of one row's answer, at most

    def started(self) -> dict[str, Any]:
        # a Python of ours sees the modules that we see; one of its own sees assay, and what is installed there
        place = os.pathsep.join(each for each in sys.path if each) if self.python is None else str(environment.path_to_assay())
        there = environ(self.passed, PYTHONPATH=place, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore", **HELD)
        files = [each.file for each in (self._region, self._answers) if each is not None]
        numbers = [str(each) for each in files or (-1, -1)]
        self._child = Child([self.python or sys.executable, "-P", "-m", "assay.model.worker", *numbers], where=self.name,
                            limits=self.limits, environment=there, files=files)
        said: dict[str, Any]
        try:
            said = json.loads(bytes(self._exchange(b"L", {"uri": self.uri, "options": dict(self.options)}, [])))
        except PredictionError as error:   # it could not be loaded, which is no answer to any row
            raise ModelError(error.what, where=error.where, expected=error.expected, hint=error.hint) from error
        if self._digest and said["digest"] != self._digest:
            raise ModelError("the file has changed since it was loaded", where=self.name, expected="the same content")
        self._digest, self._wide = said["digest"], 16 + 10 * len(said["classes"] or ())
        return said

    def ask(self, batch: pa.RecordBatch, names: tuple[str, ...] | None) -> pa.RecordBatch:
        with self._lock:
            self._living()
            data: list[Any] = []
            if self._region is not None and self._answers is not None:
                size = self._region.write(batch)
                self._answers.room(ROOM + batch.num_rows * self._wide)
            else:
                data = [region.packed(batch)]
                size = len(data[0])
            said = pa.py_buffer(self._exchange(b"P", {"names": names}, data, shared=size))
        try:
            answer = pa.ipc.open_stream(said).read_next_batch()
            answer.validate()
        except (pa.ArrowException, StopIteration, OSError) as error:
            raise PredictionError("the model's process answered with something that is no batch", where=self.name) from error
        return answer

    def _living(self) -> None:
        if self._child is not None and self._child.alive:
            return
        self._lives -= 1
        if self._lives <= 0:
            raise PredictionError(f"the model broke down {LIVES} times and is not started again"
                                  + (f"; {self._last}" if self._last else ""), where=self.name)
        try:
            self.started()
        except ModelError as error:   # told as what it is here: rows have no answer
            raise PredictionError(f"the model broke down and cannot be started again: {error.what}", where=self.name,
                                  expected=error.expected, hint=error.hint) from error

    def _exchange(self, what: bytes, request: dict[str, Any], data: list[Any], shared: int = 0) -> memoryview | bytes:
        assert self._child is not None
        text = json.dumps(request | {"timeout": self.limits.timeout}).encode()
        try:
            said = self._child.talk([HEAD.pack(what, len(text), shared), text, *data], _whole, timeout=self.limits.timeout + GRACE)
        except PredictionError as error:
            self._last = error.what
            if "Timeout (0:" in error.what or "Timeout (1" in error.what:   # its own clock rang first, and told where it was
                place = error.what.partition(" / ")[2]
                raise PredictionError(f"the model did not answer within {self.limits.timeout:g} s"
                                      + (f"; it was at {place}" if place else ""), where=self.name) from None
            raise
        except BaseException:   # an interrupt: half an answer is in the pipe
            self._child.kill()
            raise
        kind, size, there = REPLY.unpack_from(said)
        if len(said) != REPLY.size + size or kind not in KINDS:
            self._child.kill()    # what it said on stands in the way of the next answer
            raise PredictionError("the model's process answered with something that is no answer", where=self.name)
        if kind == b"S" and self._answers is not None:
            return self._answers.take(there)   # a copy: the next answer stands in the same place
        view = memoryview(said)[REPLY.size:REPLY.size + size]
        if kind == b"E":
            raise _error(view, self.name)
        return view

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
        for each in (self._region, self._answers):
            if each is not None:
                each.close()
        self._region = self._answers = None
        self._lives = 0


def _whole(heard: bytearray) -> bool:
    if len(heard) < REPLY.size:
        return False
    kind, size, _ = REPLY.unpack_from(heard)
    if kind not in KINDS or size > LONGEST:    # no answer of the worker: nothing is to be waited for
        return True
    return len(heard) >= REPLY.size + int(size)


def _error(said: memoryview, name: str) -> AssayError:
    """The error of the worker as one of ours: only the tree of errors is believed, and only text."""
    try:
        parts = json.loads(bytes(said))
        kind = getattr(errors, str(parts["type"]), None)
        texts = {key: str(value)[:4000] for key, value in parts.items() if key != "type" and value is not None}
        if not (isinstance(kind, type) and issubclass(kind, AssayError)):
            kind = PredictionError
        found: AssayError = kind.__new__(kind)
        AssayError.__init__(found, texts.get("what", "the model failed"), where=texts.get("where") or name, expected=texts.get("expected"),
                            hint=texts.get("hint"))
    except (ValueError, KeyError, AttributeError, TypeError):
        return PredictionError("the model's process answered with something that is no error", where=name)
    return found
