"""A model file as bytes that are not believed: what it is by its content, whatever its name says.

Adapters look at ``kind``, ``suffix`` and ``head``, and take ``data``; nothing here decodes, let alone runs, anything.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

from assay.errors import ModelError, nearest

__all__ = ["File"]

# What the content must be if the name ends so; "" stands for content without a signature of its own.
EXPECTED = {".onnx": {"onnx", ""}, ".ort": {"onnx", ""}, ".ubj": {"xgboost", ""}, ".json": {"xgboost", ""}, ".txt": {"lightgbm", ""},
            ".cbm": {"catboost", ""}, ".skops": {"zip", ""}, ".pkl": {"pickle", ""}, ".pickle": {"pickle", ""}, ".joblib": {"pickle", ""},
            ".pmml": {"pmml"}, ".keras": {"zip"}, ".pt2": {"zip"}}
SAYS = {"pickle": "a pickle", "zip": "a zip archive", "compressed": "compressed data", "catboost": "a CatBoost model",
        "lightgbm": "a LightGBM model", "xgboost": "an XGBoost model", "onnx": "an ONNX model", "pmml": "a PMML model"}
# What lies in the place of a model when fetching it went wrong.
MISTAKEN = (
    (re.compile(rb"version https://git-lfs\.github\.com/spec/"), "this is a pointer of Git LFS to the model, not the model",
     "fetch what it points to: git lfs pull"),
    (re.compile(rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html)\b"), "this is a web page, not a model",
     "the download may have wanted a login: fetch the file itself"))
HEAD = 4096


@dataclass(frozen=True)
class File:
    """One model file; ``kind`` is what its first bytes say: pickle, zip, compressed, catboost, lightgbm, xgboost, onnx, pmml or ""."""

    path: Path

    @classmethod
    def at(cls, path: str | PathLike[str]) -> File:
        """Return the file at ``path``; raises ``ModelError`` where there is none, or where name and content contradict."""
        if "://" in str(path):
            raise ModelError("models are not read from addresses", where=str(path), expected="a path", hint="fetch the file first")
        file = cls(Path(path))
        if file.path.is_dir():
            raise ModelError("this is a folder", where=str(path), expected="a model file")
        if not file.path.is_file():
            around = [each.name for each in file.path.parent.iterdir()] if file.path.parent.is_dir() else []
            guess = nearest(file.path.name, around)
            raise ModelError("there is no such file", where=str(path), expected="a model file",
                             hint=f"did you mean '{guess}'?" if guess else None)
        if not file.head:
            raise ModelError("the file is empty", where=str(path), expected="a model")
        for mark, what, hint in MISTAKEN:
            if mark.match(file.head):
                raise ModelError(what, where=str(path), expected="the model itself", hint=hint)
        if file.kind not in EXPECTED.get(file.suffix, {file.kind}):
            what = f"the name ends in {file.suffix}, and the content is {SAYS.get(file.kind, 'something else')}"
            raise ModelError(what, where=str(path), expected="a name that says what the file is",
                             hint="do not load it unless you know where it comes from; rename it if you do")
        return file

    @property
    def suffix(self) -> str:
        """The ending of the name, in small letters."""
        return self.path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first 4,096 bytes."""
        try:
            with self.path.open("rb") as stream:
                return stream.read(HEAD)
        except OSError as error:
            raise ModelError(f"the file cannot be read ({error.strerror})", where=str(self.path)) from error

    @cached_property
    def data(self) -> bytes:
        """The whole content, read once, so that what is hashed is what is loaded."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ModelError(f"the file cannot be read ({error.strerror})", where=str(self.path)) from error

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the content."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def kind(self) -> str:
        return _kind(self.head)


def _kind(head: bytes) -> str:
    if _is_pickle(head):
        return "pickle"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"CBM1"):
        return "catboost"
    if head.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if head.lstrip()[:1] == b"{" and b"learner" in head:
        return "xgboost"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" and re.search(rb"<(\w+:)?PMML\b", head):
        return "pmml"
    if head[4:8] == b"ORTM" or (head[:1] == b"\x08" and 0 < (head + b"\0")[1] < 64 and head[2:3] in b"\x12\x1a\x22\x28\x3a\x42"):
        return "onnx"    # a protobuf that begins with a small ir_version and goes on with one of a model's next fields
    inner = _inner(head)
    return "" if inner is None else "pickle" if inner == b"" or _is_pickle(inner) else "compressed"


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _inner(head: bytes) -> bytes | None:
    """The first bytes inside compressed data; b"" if that cannot be seen but only joblib writes it; None if it is not compressed."""
    if head.startswith(b"\x04\x22\x4d\x18"):   # LZ4 frame, which the standard library cannot open
        return b""
    try:
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(wbits=31).decompress(head, 16)
        if head[:1] == b"\x78" and head[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda"):
            return zlib.decompressobj().decompress(head, 16)
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, 16) or b"?"
        if head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
            return lzma.LZMADecompressor().decompress(head, 16)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return b"?"
    return None
