"""Hugging Face transformers: a folder with a text classifier and its tokenizer, or a pipeline; one column of text in.

Weights are read from safetensors, which hold numbers only. A folder that brings Python, or pickled weights, needs trust; nothing is
ever fetched.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError, ModelError, PredictionError, SignatureError, UntrustedModelError
from assay.model import guard
from assay.model.answer import Answer
from assay.model.column import is_text
from assay.model.folder import Folder
from assay.model.format import Format, Options, belongs, described
from assay.model.network import activated
from assay.model.predictor import Predictor
from assay.model.signature import NUMERIC_TASKS, Signature, Task, agreed_classes, agreed_task

__all__ = ["FORMAT", "load", "recognises"]

Array = np.ndarray[Any, Any]
HINT = "if you trust where it comes from, pass --trust (trust=True)"
SAFE = ("model.safetensors", "model.safetensors.index.json")
LONGEST = 16 * 2**20
TOGETHER = 64        # texts at once


def recognises(model: object) -> bool:
    """Return whether ``model`` is a folder of transformers, or a pipeline."""
    if isinstance(model, Folder):
        return model.has("config.json") and any(model.has(each) for each in (*SAFE, "pytorch_model.bin", "pytorch_model.bin.index.json"))
    return belongs(model, "transformers")


def load(model: Any, options: Options) -> Predictor:
    """Return the text classifier of a folder or a pipeline; its classes are the labels of its configuration."""
    if isinstance(model, Folder):
        _check(model, options)
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        missing = (error.name or "transformers").partition(".")[0]
        raise MissingExtraError.of(missing, "to load a model of transformers", "transformers") from error
    if isinstance(model, Folder):
        with model.still():
            digest = model.digest
            tokenizer, network = _read(transformers, model, options)
    else:
        tokenizer, network = getattr(model, "tokenizer", None), getattr(model, "model", None)
        if tokenizer is None or not isinstance(network, torch.nn.Module):
            raise ModelError(f"{type(model).__name__} is no pipeline of text", expected="a text-classification pipeline")
        digest = _digest(network)
    if not type(network).__name__.endswith("ForSequenceClassification"):
        raise ModelError(f"the model is a {type(network).__name__}", expected="one for sequence classification")
    network.eval()
    signature = _signature(network.config, options)
    respond = _Respond(torch, tokenizer, network, signature, options.name)
    return Predictor(options.name, signature, digest, respond, textual=True)


def _check(folder: Folder, options: Options) -> None:
    if options.trust:
        return
    for name in ("config.json", "tokenizer_config.json"):
        if folder.has(name) and "auto_map" in _settings(folder, name):
            raise UntrustedModelError(f"'{name}' names Python code that comes with the model", hint=HINT)
    if not any(folder.has(each) for each in SAFE):
        raise UntrustedModelError("the weights are a pickle, which runs code when it is loaded", hint=HINT)


def _settings(folder: Folder, name: str) -> dict[str, Any]:
    place = folder.place(name)
    try:
        with place.open("rb") as file:
            data = file.read(LONGEST + 1)
        found = json.loads(data) if len(data) <= LONGEST else None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelError(f"'{name}' of the model cannot be read", where=str(folder.path), expected="a folder that transformers saved")
    return found


def _read(transformers: Any, folder: Folder, options: Options) -> tuple[Any, Any]:
    said = {"local_files_only": True, "trust_remote_code": options.trust}
    held = [str(each) for each in _settings(folder, "config.json").get("architectures") or []]
    if held and not held[0].endswith("ForSequenceClassification"):
        raise ModelError(f"the folder holds a {held[0]}", expected="a model for sequence classification")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder.path), **said)
        network = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(folder.path), use_safetensors=any(folder.has(each) for each in SAFE), **said)
    except Exception as error:
        raise ModelError(f"transformers cannot read the folder ({guard.cause(error)})") from error
    return tokenizer, network


def _signature(config: Any, options: Options) -> Signature:
    labels = [str(config.id2label[place]) for place in sorted(config.id2label)]
    found: Task | None
    if config.problem_type == "multi_label_classification":
        found = "multilabel"
    elif len(labels) == 1:
        found = "regression" if config.problem_type == "regression" else None
    else:
        found = "binary" if len(labels) == 2 else "multiclass"
    task = agreed_task(found, options.task, where=options.name, why="it has one output, a number or the score of a class")
    if task in NUMERIC_TASKS:
        signature = Signature(None, task)
    else:
        known = labels if len(labels) > 1 else (0, 1)
        signature = Signature(None, task, agreed_classes(known, options.classes, count=None, where=options.name),
                              scores=options.scores or "probability")
    return described(signature, None, options, width=1, kind="text")


class _Respond:
    def __init__(self, torch: Any, tokenizer: Any, network: Any, signature: Signature, where: str):
        self.torch, self.tokenizer, self.network, self.signature, self.where = torch, tokenizer, network, signature, where
        self.longest = min(int(tokenizer.model_max_length), int(getattr(network.config, "max_position_embeddings", 512) or 512))

    def __call__(self, batch: pa.RecordBatch) -> Answer:
        column, name = batch.column(0), batch.schema.names[0]
        if not is_text(column.type):
            raise SignatureError(f"the column '{name}' is of type {column.type}", where=self.where, expected="text")
        texts = column.to_pylist()
        if column.null_count:
            raise PredictionError(f"there is no text in row {texts.index(None)}", where=self.where, expected="text in each row")
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))   # texts of one length together: little to pad
        raw = np.empty((len(texts), self.network.config.num_labels))
        with self.torch.inference_mode():
            for at in range(0, len(order), TOGETHER):
                rows = order[at:at + TOGETHER]
                given = self.tokenizer([texts[row] for row in rows], padding=True, truncation=True,
                                       max_length=self.longest, return_tensors="pt")
                raw[rows] = self.network(**given).logits.double().numpy()
        if self.signature.classes is None:
            return Answer.valued(self.signature, raw)
        single = raw.shape[1] == 1 or self.signature.task == "multilabel"
        how = "none" if self.signature.scores == "score" else "sigmoid" if single else "softmax"
        return Answer.scored(self.signature, activated(raw, how))


def _digest(network: Any) -> str:
    made = hashlib.sha256(repr(network.config.to_dict()).encode())
    for name, each in network.state_dict().items():
        made.update(f"{name} {tuple(each.shape)} {each.dtype}".encode())
        made.update(bytes(each.detach().cpu().contiguous().flatten().untyped_storage()))
    return made.hexdigest()


FORMAT = Format(recognises, load, what="Hugging Face transformers: folders with a text classifier, and pipelines", library="transformers",
                extra="transformers", runs="Python files in the folder and pickled weights do")
