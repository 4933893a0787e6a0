"""Open Inference Protocol V2 over REST: what KServe, Triton, MLServer and others speak; tensors as JSON, or as bytes where the server can.

The server's own description says what goes in: one matrix, or a tensor for each column. Only ``http`` uses this.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, ModelError, PredictionError, SignatureError, listed
from assay.model._httpx import Client
from assay.model.address import Address
from assay.model.answer import Answer, places
from assay.model.column import is_numeric, is_text, matrix, numbers, texts
from assay.model.format import Options
from assay.model.predictor import Predictor
from assay.model.reply import foretold
from assay.model.signature import Signature

__all__ = ["OPTIONS", "load"]

Array = np.ndarray[Any, Any]
OPTIONS = frozenset({"binary", "inputs", "outputs"})
TYPES: dict[str, Any] = {"BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8,
                         "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "FP16": np.float16, "FP32": np.float32,
                         "FP64": np.float64, "BYTES": object}
FLOATS = ("FP16", "FP32", "FP64")
CELLS = {True: 2_000_000, False: 60_000}   # in one request: JSON is slow to read, and its requests are better worked on side by side
LENGTH = "Inference-Header-Content-Length"


def load(client: Client, address: Address, options: Options) -> Predictor:
    """Return the model at ``.../v2/models/NAME`` (and ``/versions/V``), laid out as the server describes it.

    ``inputs`` ("matrix" or "columns") is for servers that do not say; ``outputs`` names those to ask for; ``binary`` sends tensors as
    bytes, which is done unasked where the server says that it can.
    """
    client.url = client.url.removesuffix("/infer")
    about = _json(client.get(client.url), client)
    if about is None:
        raise ModelError("the server knows no such model", where=options.name, expected="an address such as http://HOST/v2/models/NAME")
    tensors = _tensors(about.get("inputs"), client)
    binary = options["binary"]
    if binary is None:
        parts = urlsplit(client.url)
        server = _json(client.get(f"{parts.scheme}://{parts.netloc}{parts.path.partition('/v2/')[0]}/v2"), client) or {}
        binary = "binary_tensor_data" in (server.get("extensions") or [])
    single = _single(tensors, options)
    names = [name for name, _, _ in tensors] if tensors and not single else None
    width = (tensors[0][2][-1] if tensors and len(tensors[0][2]) > 1 and tensors[0][2][-1] > 0 else None) if single else None
    signature = foretold(options, why="the protocol has no place for it", width=width, names=names)
    wanted = _outputs(about, options, signature)
    respond = _Respond(client, signature, tensors, single=single, binary=bool(binary), outputs=wanted)
    digest = address.digest("v2", *sorted(map(str, about.get("versions") or [])), json.dumps(tensors))
    return Predictor(options.name, signature, digest, respond, unheard=options.scores is None)


def _json(body: bytes | None, client: Client) -> dict[str, Any] | None:
    if body is None:
        return None
    try:
        found = json.loads(body)
        if not isinstance(found, dict):
            raise TypeError
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError("the server's description is no JSON object", where=client.where, expected="Open Inference V2") from error
    return found


def _tensors(given: Any, client: Client) -> list[tuple[str, str, list[int]]]:
    try:
        found = [(str(each["name"]), str(each["datatype"]), [int(size) for size in each["shape"]]) for each in given or []]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError("the server's description of its inputs cannot be read", where=client.where,
                         expected="name, datatype, shape") from error
    strange = [kind for _, kind, _ in found if kind not in TYPES]
    if strange:
        raise ModelError(f"the server takes {listed(strange)}", where=client.where, expected=f"one of {listed(TYPES, 20)}")
    return found


def _single(tensors: list[tuple[str, str, list[int]]], options: Options) -> bool:
    said = options["inputs"]
    if said not in (None, "matrix", "columns"):
        raise ConfigError(f"inputs is {said!r}", where=options.name, expected="'matrix' or 'columns'")
    if said is not None:
        return bool(said == "matrix")
    return len(tensors) <= 1 and not (len(tensors) == 1 and _one(tensors[0][2]))


def _one(shape: Sequence[int]) -> bool:
    """Whether a tensor is one column: [-1] or [-1, 1]."""
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _outputs(about: Mapping[str, Any], options: Options, signature: Signature) -> list[str] | None:
    """The outputs to ask for: those that were named; else all."""
    said = options["outputs"]
    if said is None:
        return None
    found = [said] if isinstance(said, str) else list(said)
    known = [str(each.get("name")) for each in about.get("outputs") or [] if isinstance(each, dict)]
    missing = [each for each in found if known and each not in known]
    if missing:
        raise ConfigError(f"the server has no output '{missing[0]}'", where=options.name, expected=f"one of {listed(known)}")
    return found


class _Respond:
    def __init__(self, client: Client, signature: Signature, tensors: list[tuple[str, str, list[int]]], *, single: bool, binary: bool,
                 outputs: list[str] | None):
        self.client, self.signature, self.tensors = client, signature, tensors
        self.single, self.binary, self.outputs = single, binary, outputs

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        size = self.client.batch or max(1, CELLS[self.binary] // max(1, batch.num_columns))
        answers = self.client.each(self._asked, [batch.slice(at, size) for at in range(0, batch.num_rows, size)])
        held = {name: None if getattr(answers[0], name) is None else np.concatenate([getattr(each, name) for each in answers])
                for name in ("prediction", "score", "value")}
        return Answer(self.signature.task, self.signature.classes, scores=answers[0].scores, **held)

    def _asked(self, part: pa.RecordBatch) -> Answer:
        header: dict[str, Any] = {"inputs": []}
        tail: list[bytes] = []
        for name, kind, array in self._inputs(part):
            entry: dict[str, Any] = {"name": name, "datatype": kind, "shape": list(array.shape)}
            if self.binary:
                data = _packed(array) if kind == "BYTES" else np.ascontiguousarray(array).tobytes()
                entry["parameters"] = {"binary_data_size": len(data)}
                tail.append(data)
            else:
                entry["data"] = array.reshape(-1).tolist()
            header["inputs"].append(entry)
        if self.outputs:
            header["outputs"] = [{"name": each} for each in self.outputs]
        if self.binary:
            header["parameters"] = {"binary_data_output": True}
        try:
            text = json.dumps(header, allow_nan=False).encode()
        except ValueError as error:
            raise SignatureError("the data hold missing or infinite numbers, and JSON has none", where=self.client.where,
                                 expected="numbers in every row", hint="pass binary=True if the server takes tensors as bytes") from error
        headers = {"Content-Type": "application/json"}
        if self.binary:
            headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(text))}
        body, said = self.client.post(b"".join([text, *tail]), headers, f"{self.client.url}/infer")
        return self._answer(_arrays(body, said.get(LENGTH), self.client.where), part.num_rows)

    def _inputs(self, part: pa.RecordBatch) -> list[tuple[str, str, Array]]:
        where = self.client.where
        if self.single:
            name, kind, _ = self.tensors[0] if self.tensors else ("input-0", "FP64", [])
            if kind == "BYTES":
                columns = [_texts(part.column(place), part.schema.names[place], where) for place in range(part.num_columns)]
                return [(name, kind, np.column_stack(columns))]
            return [(name, kind, matrix(part, where=where, order="C").astype(TYPES[kind], copy=False))]
        made = []
        known = {name: (kind, shape) for name, kind, shape in self.tensors}
        for place, name in enumerate(part.schema.names):
            column = part.column(place)
            kind, shape = known.get(name, ("FP64" if is_numeric(column.type) else "BYTES", [-1, 1]))
            array = _texts(column, name, where) if kind == "BYTES" else _numbers(column, kind, name, where)
            made.append((name, kind, array.reshape(-1, 1) if len(shape) == 2 else array))
        return made

    def _answer(self, found: dict[str, Array], rows: int) -> Answer:
        label, score = None, None
        for name, array in found.items():
            if array.ndim == 0 or len(array) != rows:
                raise PredictionError(f"the server's '{name}' is of shape {array.shape}, and it was asked for {rows} rows",
                                      where=self.client.where, expected="one answer a row, in order")
            if array.dtype.kind == "f" and score is None:
                score = array
            elif array.dtype.kind != "f" and label is None:
                label = array
        if self.signature.classes is None:
            return Answer.valued(self.signature, score if score is not None else label)
        said = None
        if label is not None:
            flat = label.reshape(rows, -1)
            if self.signature.task == "multilabel":
                said = Answer.labelled(self.signature, flat).prediction
            elif flat.shape[1] != 1:   # whole numbers as scores
                return Answer.scored(self.signature, flat)
            else:
                said = places(_spelt(flat[:, 0], self.signature), self.signature.classes)
        if score is None:
            return Answer(self.signature.task, self.signature.classes, said)
        return Answer.scored(self.signature, score.reshape(rows, -1) if score.ndim != 1 else score, prediction=said)


def _spelt(labels: Array, signature: Signature) -> Array:
    if labels.dtype.kind in "iu" and all(isinstance(each, str) for each in signature.classes or ()) and len(labels):
        # a converter's class numbers, unless the classes are texts of numbers
        texts = np.array([str(each) for each in labels.tolist()], object)
        return texts if set(texts) <= set(signature.classes or ()) else labels
    return labels


def _texts(column: pa.Array, name: str, where: str) -> Array:
    if not is_text(column.type) and not is_numeric(column.type):
        raise SignatureError(f"the column '{name}' is of type {column.type}", where=where, expected="text")
    return texts(column, missing="")


def _numbers(column: pa.Array, kind: str, name: str, where: str) -> Array:
    array = numbers(column, name=name, where=where)
    if kind not in FLOATS and array.dtype.kind == "f":
        whole = np.where(np.isfinite(array), np.trunc(array), np.nan)
        if not (whole == array).all():
            raise SignatureError(f"the column '{name}' holds missing or fractional numbers", where=where,
                                 expected=f"whole numbers ({kind})")
    return array.astype(TYPES[kind])


def _packed(array: Array) -> bytes:
    parts = [str(each).encode() for each in array.reshape(-1).tolist()]
    return b"".join(piece for each in parts for piece in (struct.pack("<I", len(each)), each))


def _arrays(body: bytes, length: str | None, where: str) -> dict[str, Array]:
    """The outputs of an answer by name; nothing that it says of sizes is believed."""
    try:
        size = int(length) if length is not None else len(body)
        found = json.loads(body[:size])
        tail, made = memoryview(body)[size:], {}
        for each in found["outputs"]:
            shape = [int(count) for count in each["shape"]]
            kind = TYPES[each["datatype"]]
            count = (each.get("parameters") or {}).get("binary_data_size")
            if count is None:
                array = np.array(each["data"], dtype=kind).reshape(-1)
            elif not 0 <= int(count) <= len(tail):
                raise ValueError("sizes")
            else:
                data, tail = bytes(tail[:int(count)]), tail[int(count):]
                array = _unpacked(data) if kind is object else np.frombuffer(data, kind)
            made[str(each["name"])] = array.reshape(shape)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error) as error:
        raise PredictionError("the server's answer cannot be read", where=where,
                              expected="outputs as Open Inference V2 lays them out") from error
    if not made:
        raise PredictionError("the server's answer holds no outputs", where=where)
    return made


def _unpacked(data: bytes) -> Array:
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4:at + 4 + size].decode("utf-8", "replace"))
        at += 4 + size
    return np.array(found, object)
