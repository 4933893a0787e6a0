"""ONNX files, run by ONNX Runtime: tables in, as one matrix or a column an input, or images; labels, scores or numbers out.

ONNX has no place for class names, so they are looked for where converters put them: in the node that makes the labels.
The file is read with a small protobuf reader of our own, as the library that knows the format is not needed to run it.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import ConfigError, MissingExtraError, ModelError, SignatureError, listed
from assay.model import guard
from assay.model._onnx_network import network, takes
from assay.model.answer import Answer, places
from assay.model.column import filled, is_numeric, is_text, numbers, texts
from assay.model.file import File
from assay.model.folder import still
from assay.model.format import Format, Options, described
from assay.model.network import OPTIONS
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Input, Kind, Signature, Task, agreed_classes, agreed_task

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
TYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(int16)": np.int16, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_, "tensor(string)": object,
}
BESIDE = re.compile(rb"\x0a\x08location\x12")    # an entry of a tensor that is kept in another file, up to the size of its name
LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")


def recognises(model: object) -> bool:
    """Return whether ``model`` is an ONNX file."""
    return isinstance(model, File) and (model.kind == "onnx" or (model.kind == "" and model.suffix in (".onnx", ".ort")))


def load(file: File, options: Options) -> Predictor:
    """Return the model in an ONNX file.

    One thread is used unless ``threads`` says otherwise: engines ask from several, and the order in which threads add floats
    must not change an answer. Weights beside the file are read from its own folder only.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError.of("onnxruntime", "to load an ONNX model", "onnx") from None
    threads = options["threads"] if options["threads"] is not None else 1
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 0:
        raise ConfigError(f"threads is {threads!r}", where=options.name, expected="a whole number, 0 for as many as there are cores")
    setup = onnxruntime.SessionOptions()
    setup.intra_op_num_threads, setup.inter_op_num_threads, setup.log_severity_level = threads, 1, 4
    setup.add_session_config_entry("session.model_external_initializers_file_folder_path", str(file.path.resolve().parent))
    beside = _beside(file)
    with still(list(beside.values()), where=options.name):
        digest = _digest(file, beside)
        try:
            session = onnxruntime.InferenceSession(file.data, setup, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"ONNX Runtime cannot read the file ({_line(error)})", expected="a whole ONNX model") from error
    return _predictor(session, file, digest, options)


def _beside(file: File) -> dict[str, Path]:
    """The files beside a model that hold weights of it, by the names under which it knows them."""
    folder = file.path.resolve().parent
    found = {}
    for each in BESIDE.finditer(file.data):
        try:
            size, start = _varint(memoryview(file.data), each.end())
        except IndexError:
            continue
        name = file.data[start:start + size].decode("utf-8", "replace") if size < 4096 else ""
        place = folder / name if "\0" not in name else folder
        if place.is_file() and place.resolve().is_relative_to(folder):
            found[name] = place
    return found


def _digest(file: File, beside: Mapping[str, Path]) -> str:
    """The digest of a file; where weights stand in files beside it, of these too, as they are as much the model."""
    if not beside:
        return file.digest
    made = hashlib.sha256(file.digest.encode())
    for name, path in sorted(beside.items()):
        with path.open("rb") as held:
            made.update(f"{name}\n{hashlib.file_digest(held, 'sha256').hexdigest()}\n".encode())
    return made.hexdigest()


def _line(error: Exception) -> str:
    text = guard.cause(error)
    return text.partition(" : ")[0] + ": " + text.rpartition(" : ")[2] if " : " in text else text


def _predictor(session: Any, file: File, digest: str, options: Options) -> Predictor:
    outputs = session.get_outputs()
    label = next((each.name for each in outputs if each.type in LABELS), None)
    score = next((each for each in outputs if each.type in FLOATS or each.type.startswith(("seq(map(", "seq(tensor(float"))), None)
    if label is None and score is None:
        raise ModelError(f"the outputs are {listed(f'{each.name}: {each.type}' for each in outputs)}",
                         expected="labels, scores or numbers")
    meta = session.get_modelmeta().custom_metadata_map
    found, known = _task(session, label, score, file, meta)
    task = agreed_task(found, options.task, where=options.name, why="its output is one array of floats of more than one column")
    if task in NUMERIC_TASKS:
        signature = Signature(None, task)
    else:
        if known is None and options.classes is None and label is None:
            known = (0, 1) if task == "binary" else range(_width(score) or 0) if task == "multilabel" else None
        classes = agreed_classes(known, options.classes, count=None, where=options.name)
        if task == "multiclass" and found is None and len(classes) == 2:
            task = "binary"
        signature = Signature(None, task, classes, scores=(options.scores or "probability") if score is not None else None)
    inputs = session.get_inputs()
    if takes(inputs, options):
        return network(session, next((each for each in outputs if each.type in FLOATS), None), signature, digest, options, TYPES)
    strange = [each for each in inputs if each.type not in TYPES or len(each.shape) not in (1, 2)]
    if strange:
        raise ModelError(f"the input '{strange[0].name}' is {strange[0].type} of shape {strange[0].shape}",
                         expected="tables: rows by columns, or one array of images")
    single = len(inputs) == 1 and _columns(inputs[0]) != 1
    names = _listed(meta, "features") if single else [each.name for each in inputs]
    if not single and any(_columns(each) != 1 for each in inputs):
        wide = next(each for each in inputs if _columns(each) != 1)
        raise ModelError(f"the input '{wide.name}' has {_columns(wide) or 'any number of'} columns beside other inputs",
                         expected="one matrix, or one column an input")
    width = _columns(inputs[0]) if single else len(inputs)
    kinds = {place: Input("", _kind(each.type)) for place, each in enumerate(inputs)} if not single else None
    signature = described(signature, names, options, width=width, kind=_kind(inputs[0].type), kinds=kinds)
    asked = [] if score is None else [score.name]
    if label is not None and signature.classes is not None:
        asked = _one_each([each.name for each in outputs if each.type in FLOATS], tuple(known or signature.classes)) or asked
    respond = _Respond(session, signature, known, label, asked, single=single, where=options.name)
    return Predictor(options.name, signature, digest, respond, textual=single and inputs[0].type == "tensor(string)")


def _one_each(names: list[str], classes: Sequence[Any]) -> list[str]:
    """The outputs of scores in the order of the classes, where there is one a class, named after it (by skl2onnx "i7" or "sno")."""
    if len(names) < 2:
        return []
    found = [[name for name in names if re.fullmatch(rf"([is]|.*[^0-9A-Za-z])?{re.escape(str(each))}", name)] for each in classes]
    if len(names) != len(classes) or any(len(each) != 1 for each in found) or len({each[0] for each in found}) < len(classes):
        raise ModelError(f"the outputs {listed(names)} do not say which holds the scores of which class",
                         expected="one output with a column a class", hint="convert the model with zipmap=False")
    return [each[0] for each in found]


def _columns(given: Any) -> int | None:
    """The number of columns of an input: 1 for a vector, None if any."""
    if len(given.shape) == 1:
        return 1
    return given.shape[1] if isinstance(given.shape[1], int) else None


def _width(score: Any) -> int | None:
    return score.shape[-1] if score is not None and score.shape and isinstance(score.shape[-1], int) else None


def _kind(kind: str) -> Kind:
    return "text" if kind == "tensor(string)" else "boolean" if kind == "tensor(bool)" else "number"


def _listed(meta: Mapping[str, str], key: str) -> list[Any] | None:
    try:
        found = json.loads(meta[key])
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, list) and found else None


def _task(session: Any, label: str | None, score: Any, file: File, meta: Mapping[str, str]) -> tuple[Task | None, Sequence[Any] | None]:
    """The task of a model and its own classes, as far as its outputs and the file tell."""
    known: Sequence[Any] | None = _listed(meta, "classes")
    if label is None:
        return ("regression", None) if known is None and _width(score) in (1, None) else (None, known)
    shape = next(each.shape for each in session.get_outputs() if each.name == label)
    if len(shape) == 2 and shape[1] != 1:
        return "multilabel", known or (range(shape[1]) if isinstance(shape[1], int) else None)
    try:
        known = known or _classes(file.data, label)
    except (IndexError, ValueError, struct.error, RecursionError, UnicodeDecodeError):
        known = None   # a file that ONNX Runtime reads and this reader does not: then the user is asked
    if known is None:
        return ("binary" if _width(score) == 2 else "multiclass"), None
    return ("binary" if len(known) == 2 else "multiclass"), known


class _Respond:
    def __init__(self, session: Any, signature: Signature, own: Sequence[Any] | None, label: str | None, score: Sequence[str], *,
                 single: bool, where: str):
        self.session, self.signature, self.label, self.score = session, signature, label, score
        self.own = tuple(own) if own is not None else signature.classes or ()
        self.single, self.where = single, where
        self.inputs = session.get_inputs()
        self.asked = [*([label] if label is not None else []), *score]
        fixed = {each.shape[0] for each in self.inputs if each.shape and isinstance(each.shape[0], int)}
        self.step = min(fixed) if fixed else None   # some models take a fixed number of rows at a time

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        feed = self._feed(batch)
        if self.step is None:
            return self._read(self._run(feed))
        parts = [self._read(self._run({name: _padded(each[at:at + self.step], self.step) for name, each in feed.items()}))
                 for at in range(0, batch.num_rows, self.step)]
        rows = batch.num_rows
        first = parts[0]
        joined = {part: None if getattr(first, part) is None else np.concatenate([getattr(each, part) for each in parts])[:rows]
                  for part in ("prediction", "score", "value")}
        return replace(first, prediction=joined["prediction"], score=joined["score"], value=joined["value"])

    def _run(self, feed: Mapping[str, Array]) -> dict[str, Any]:
        return dict(zip(self.asked, self.session.run(self.asked, dict(feed)), strict=True))

    def _feed(self, batch: pa.RecordBatch) -> dict[str, Array]:
        if not self.single:
            return {each.name: self._column(batch, place, each.type).reshape((-1, 1) if len(each.shape) == 2 else (-1,))
                    for place, each in enumerate(self.inputs)}
        kind = self.inputs[0].type
        made = filled(batch.num_rows, batch.num_columns, TYPES[kind], lambda place: self._column(batch, place, kind))
        return {self.inputs[0].name: np.ascontiguousarray(made)}    # ONNX Runtime takes rows one after another

    def _column(self, batch: pa.RecordBatch, place: int, kind: str) -> Array:
        array, name, dtype = batch.column(place), batch.schema.names[place], TYPES[kind]
        if dtype is object:
            if not is_text(array.type) and not pa.types.is_null(array.type):
                raise SignatureError(f"the column '{name}' is of type {array.type}", where=self.where,
                                     expected="text, as the model takes text there")
            return texts(array, missing="")    # ONNX text cannot be missing; converters write the missing value of text so
        if not is_numeric(array.type):
            raise SignatureError(f"the column '{name}' is of type {array.type}", where=self.where,
                                 expected=f"numbers, as the model takes {kind} there")
        values = numbers(array, name=name, where=self.where)
        whole = np.dtype(dtype).kind == "f" or values.dtype.kind != "f"
        if not whole and (not np.isfinite(values).all() or (values != np.trunc(values)).any()):
            raise SignatureError(f"the column '{name}' holds nulls or fractions", where=self.where,
                                 expected=f"whole numbers, as the model takes {kind} there",
                                 hint="fill the nulls, or export the model with float inputs")
        if not self.single:
            with np.errstate(over="ignore"):
                values = values.astype(dtype, copy=False)
        return values

    def _read(self, said: Mapping[str, Any]) -> Answer:
        labels = None if self.label is None else said[self.label]
        score = said[self.score[0]] if len(self.score) == 1 else None
        if len(self.score) > 1:
            score = np.column_stack([np.reshape(said[each], -1) for each in self.score])
        if self.signature.classes is None:
            return Answer.valued(self.signature, score if score is not None else labels)
        if isinstance(score, list) and score and isinstance(score[0], dict):
            score = _unzipped(score, self.own)
        multilabel = self.signature.task == "multilabel"
        if multilabel and score is not None:
            score = _of_ones(score)
        prediction = None
        if labels is not None:
            labels = labels[:, 0] if not multilabel and np.ndim(labels) == 2 else labels
            prediction = Answer.labelled(self.signature, labels).prediction if multilabel else places(labels, self.own)
        if score is None:
            return Answer(self.signature.task, self.signature.classes, prediction)
        return Answer.scored(self.signature, score, prediction=prediction)


def _padded(part: Array, rows: int) -> Array:
    return part if len(part) == rows else np.concatenate([part, np.repeat(part[-1:], rows - len(part), axis=0)])


def _unzipped(score: list[dict[Any, float]], classes: Sequence[Any]) -> Array:
    """The scores of a list with one dictionary a row, in the order of the classes."""
    if set(score[0]) != set(classes):
        raise ModelError(f"the model scores the classes {listed(map(str, score[0]))}", expected=f"its classes {listed(map(str, classes))}")
    get = itemgetter(*classes)
    return np.array([get(each) for each in score], np.float64).reshape(len(score), len(classes))


def _of_ones(score: Any) -> Array:
    """The score of 1 of each label, from a list with (rows, 2) a label, the same as one array, or (rows, labels)."""
    array = np.stack(score) if isinstance(score, list) else np.asarray(score)
    return array[:, :, 1].T if array.ndim == 3 else array


# --- a reader of protobuf: fields of a message as (number, value); only what is needed to follow the labels back ------------------


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a field reaches beyond its message")
            yield number, data[at:at + size]
            at += size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            yield number, data[at:at + size]
            at += size
        else:
            raise ValueError("an unknown kind of field")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _integers(value: Any) -> list[int]:
    if isinstance(value, int):
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        each, at = _varint(value, at)
        found.append(_signed(each))
    return found


def _classes(data: bytes, label: str) -> list[Any] | None:
    """The classes that a graph answers with: those of the node that makes the labels, found by going back from the output.

    Numbers are those of ModelProto (graph 7), GraphProto (node 1, initializer 5), NodeProto (input 1, output 2, op_type 4,
    attribute 5), AttributeProto (name 1, ints 8, strings 9) and TensorProto (int64_data 7, string_data 6, name 8, raw_data 9).
    """
    graph = next(value for number, value in _fields(memoryview(data)) if number == 7)
    nodes: dict[str, tuple[list[str], str, list[memoryview]]] = {}
    tensors: dict[str, memoryview] = {}
    for number, value in _fields(graph):
        if number == 1:
            parts = list(_fields(value))
            kind = next((bytes(each).decode() for at, each in parts if at == 4), "")
            node = ([bytes(each).decode() for at, each in parts if at == 1], kind, [each for at, each in parts if at == 5])
            for at, each in parts:
                if at == 2:
                    nodes[bytes(each).decode()] = node
        elif number == 5:
            name = next((bytes(each).decode() for at, each in _fields(value) if at == 8), "")
            tensors[name] = value
    return _traced(label, nodes, tensors)


def _traced(name: str, nodes: Mapping[str, Any], tensors: Mapping[str, memoryview]) -> list[Any] | None:
    for _ in range(64):   # a chain of casts and reshapes is short; a graph may hold a ring
        if name not in nodes:
            return None
        inputs, kind, attributes = nodes[name]
        found = {key: value for key, value in map(_attribute, attributes) if value}
        for key in ("classlabels_strings", "classlabels_ints", "classlabels_int64s", "values_strings", "values_int64s"):
            if key in found and (kind != "LabelEncoder" or _counts(found)):
                return list(found[key])
        if kind in ("ArrayFeatureExtractor", "Gather") and inputs and inputs[0] in tensors:
            return _tensor(tensors[inputs[0]])
        if kind not in ("Cast", "Reshape", "Identity", "Squeeze", "Flatten", "Unsqueeze") or not inputs:
            return None
        name = inputs[0]
    return None


def _counts(found: Mapping[str, list[Any]]) -> bool:
    keys = found.get("keys_int64s", [])
    return keys == list(range(len(keys)))


def _attribute(data: memoryview) -> tuple[str, list[Any]]:
    name = ""
    values: list[Any] = []
    for number, value in _fields(data):
        if number == 1:
            name = bytes(value).decode()
        elif number == 8:
            values += _integers(value)
        elif number == 9:
            values.append(bytes(value).decode())
    return name, values


def _tensor(data: memoryview) -> list[Any] | None:
    whole: list[int] = []
    words: list[str] = []
    raw, kind = b"", 0
    for number, value in _fields(data):
        if number == 2 and isinstance(value, int):
            kind = value
        elif number in (5, 7):
            whole += _integers(value)
        elif number == 6:
            words.append(bytes(value).decode())
        elif number == 9:
            raw = bytes(value)
    if raw and kind in (6, 7):   # INT32, INT64
        whole = np.frombuffer(raw, "<i4" if kind == 6 else "<i8").tolist()
    return words or whole or None


FORMAT = Format(recognises, load, OPTIONS | {"threads"}, what="ONNX files: tables or images in, labels, scores or numbers out",
                library="onnxruntime", extra="onnx", runs="no")
