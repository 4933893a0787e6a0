"""A program on standard input and output as a model: ``command:python score.py --fast``; it runs once for each batch, without a shell.

It reads a table until its input ends, writes one answer a row, and exits with 0. ``protocol`` is what both are written in: ``csv`` (a
header, then rows), ``json`` (an object a line) or ``arrow`` (an IPC stream).
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from assay.errors import ConfigError, ModelError, PredictionError, UntrustedModelError, listed
from assay.model.address import Address
from assay.model.answer import Answer
from assay.model.format import Format, Options
from assay.model.predictor import Predictor
from assay.model.process import Child, Limits, environ
from assay.model.region import packed
from assay.model.reply import foretold, rows, spoken, tabled
from assay.model.signature import Signature

__all__ = ["FORMAT", "load", "recognises"]

PROTOCOLS = ("csv", "json", "arrow")
LARGEST = 2**30   # bytes of one answer


def recognises(model: object) -> bool:
    """Return whether ``model`` is an address that begins with ``command:``."""
    return isinstance(model, Address) and model.scheme == "command"


def load(address: Address, options: Options) -> Predictor:
    """Return the model behind a command, which is not run before it is asked; without ``trust`` an ``UntrustedModelError``."""
    if not options.trust:
        raise UntrustedModelError("a command runs code", where=options.name, hint="if you trust it, pass --trust (trust=True)")
    try:
        words = shlex.split(address.rest)
    except ValueError as error:
        raise ConfigError(f"the command cannot be read ({error})", where=options.name, expected="words, quoted as in a shell") from error
    if not words:
        raise ConfigError("there is no command", where=options.name, expected="command:PROGRAM ARGUMENTS")
    if shutil.which(words[0]) is None:
        raise ModelError(f"there is no program '{words[0]}'", where=options.name, expected="one on the path, or its place")
    protocol = options["protocol"] or "csv"
    if protocol not in PROTOCOLS:
        raise ConfigError(f"there is no protocol '{protocol}' for a command", where=options.name, expected=f"one of {listed(PROTOCOLS)}")
    limits = Limits.of(timeout=options["timeout"], memory=options["memory"], where=options.name)
    limits.output = LARGEST
    passed = options["environment"] or ()
    signature = foretold(options, why="a command never does")
    respond = _Respond(words, signature, protocol, limits, environ([passed] if isinstance(passed, str) else list(passed)), options.name)
    return Predictor(options.name, signature, _digest(words), respond, unheard=options.scores is None)


def _digest(words: list[str]) -> str:
    """Of the words, and of the content of those that are files: a script that was edited is another model."""
    parts = []
    for place, word in enumerate(words):
        found = Path(shutil.which(word) or word) if place == 0 else Path(word)
        content = hashlib.sha256(found.read_bytes()).hexdigest() if found.is_file() and found.stat().st_size < 2**30 else ""
        parts.append(f"{found.name if content else word}={content}")   # wherever it stands
    return hashlib.sha256("\n".join(["command", *parts]).encode()).hexdigest()


class _Respond:
    def __init__(self, words: list[str], signature: Signature, protocol: str, limits: Limits, environment: dict[str, str], where: str):
        self.words, self.signature, self.protocol, self.limits, self.environment, self.where = (
            words, signature, protocol, limits, environment, where)

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        child = Child(self.words, where=self.where, limits=self.limits, environment=self.environment)
        try:
            said = bytes(child.talk([self._written(batch)], None, close=True))
        finally:
            child.kill()
        answer = self._read(said, batch.num_rows)
        if len(answer) != batch.num_rows:
            raise PredictionError(f"the program answered for {len(answer)} rows and was asked for {batch.num_rows}",
                                  expected="one answer a row, in order")
        return answer

    def _written(self, batch: pa.RecordBatch) -> Any:
        if self.protocol == "arrow":
            return packed(batch)
        if self.protocol == "json":
            names = batch.schema.names
            return "".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in rows(batch)).encode()
        plain = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
        sink = io.BytesIO()
        csv.write_csv(pa.RecordBatch.from_arrays(plain, names=batch.schema.names), sink)
        return sink.getvalue()

    def _read(self, said: bytes, count: int) -> Answer:
        try:
            if self.protocol == "json":
                return spoken([json.loads(line) for line in said.decode("utf-8").splitlines() if line.strip()], self.signature, count)
            if self.protocol == "arrow":
                table = pa.ipc.open_stream(said).read_all()
                table.validate(full=True)
                if (table.schema.metadata or {}).get(b"assay"):
                    batches = table.combine_chunks().to_batches()
                    return Answer.of(batches[0]) if batches else Answer.nothing(self.signature)
            else:
                table = csv.read_csv(io.BytesIO(said), convert_options=csv.ConvertOptions(column_types=self._types()))
        except (pa.ArrowException, ValueError, RecursionError) as error:
            begin = said[:60].decode("utf-8", "replace")
            raise PredictionError(f"the program's answer is not {self.protocol}: it begins '{begin}'", expected=f"{self.protocol} on its "
                                  "standard output, and nothing else there") from error
        return tabled({name: table.column(name) for name in table.schema.names}, self.signature)

    def _types(self) -> dict[str, pa.DataType]:
        return {"prediction": pa.string()} if all(isinstance(each, str) for each in self.signature.classes or ()) else {}


FORMAT = Format(recognises, load, frozenset({"protocol", "timeout", "memory", "environment"}),
                what="a program on standard input and output (command:...): CSV, JSON lines or Arrow", runs="yes")
