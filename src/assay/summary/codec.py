"""The one byte format of summaries: a checked header, then plain bytes; reading it never runs code.

Layout, little endian: six letters (``ASSAYS`` for a summary, ``ASSAYP`` for a profile), version (1 byte), CRC-32 of everything
else (4 bytes), length of the header (4 bytes), header (JSON), body. The header of a summary holds its kind, its scalars, and
name, type and shape of each array; its body is the arrays, one after the other. A reader accepts its own version and older
ones; any byte changed, cut or added gives a ``SummaryError``, never a crash or a wrong number. The checksum finds accidents,
not enemies, so whoever reads fields asks :func:`whole`, :func:`flag` and :func:`array` for them, which trust nothing.
Only ``assay.summary`` uses it.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.errors import SummaryError

__all__ = ["MOST", "VERSION", "array", "dump", "flag", "opened", "parse", "rising", "sealed", "whole"]

VERSION = 1
LIMIT = 1 << 30  # a summary is bounded; nothing larger was written by assay
MOST = 1 << 53  # rows that can be counted, in floats too
_HEADER = 1 << 20  # JSON in memory is twenty times as large as its text
_HEAD = struct.Struct("<6sBII")
_DTYPES = ("<f8", "<i8", "<u8", "<i4", "|u1", "|i1")

Array = np.ndarray[Any, Any]


def sealed(magic: bytes, header: Any, body: bytes | bytearray, *, most: int = LIMIT, header_most: int = _HEADER) -> bytes:
    """Return header and body behind their checksum; raises ``SummaryError`` where no reader would take so many bytes."""
    head = json.dumps(header, separators=(",", ":")).encode()
    if len(head) > header_most or _HEAD.size + len(head) + len(body) > most:
        raise SummaryError(f"{len(head) + len(body):,} bytes are too many to be read again", expected=f"at most {most:,}",
                           hint="ask for fewer slices or columns, or a smaller size")
    check = _check(magic, VERSION, len(head), head, body)
    return b"".join((_HEAD.pack(magic, VERSION, check, len(head)), head, body))


def opened(magic: bytes, data: bytes, *, most: int = LIMIT, header_most: int = _HEADER) -> tuple[dict[str, Any], memoryview]:
    """Return header and body of what :func:`sealed` made; raises ``SummaryError`` for anything else."""
    if not _HEAD.size <= len(data) <= most:
        raise SummaryError(f"{len(data)} bytes are not a summary", expected=f"between {_HEAD.size} and {most} bytes")
    found, version, check, size = _HEAD.unpack_from(data)
    if found != magic:
        raise SummaryError("these bytes are not a summary or profile", expected="bytes that assay wrote")
    if not 1 <= version <= VERSION:
        raise SummaryError(f"the summary has format version {version}", expected=f"at most {VERSION}", hint="upgrade assay")
    rest = memoryview(data)[_HEAD.size :]
    if size > min(len(rest), header_most) or _check(magic, version, size, rest) != check:
        raise SummaryError("the summary is damaged (its checksum does not fit)", hint="write it again from the data")
    try:
        header = json.loads(bytes(rest[:size]))
    except (ValueError, RecursionError) as error:
        raise SummaryError(f"the summary's header cannot be read ({type(error).__name__})") from error
    if not isinstance(header, dict):
        raise SummaryError("the summary's header is no mapping")
    return header, rest[size:]


def dump(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Return ``fields`` (numpy arrays, or JSON scalars and lists of them) as bytes.

    >>> kind, fields = parse(dump("moments", {"n": 3, "sums": np.array([1.0, 2.0])}))
    >>> kind, fields["n"], fields["sums"].tolist()
    ('moments', 3, [1.0, 2.0])
    """
    plain: dict[str, Any] = {}
    arrays: list[tuple[str, str, tuple[int, ...]]] = []
    body = bytearray()
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            flat = np.ascontiguousarray(value, _little(value.dtype))
            arrays.append((name, flat.dtype.str, value.shape))
            body += flat.tobytes()
        else:
            plain[name] = value
    return sealed(b"ASSAYS", {"kind": kind, "plain": plain, "arrays": arrays}, body)


def parse(data: bytes) -> tuple[str, dict[str, Any]]:
    """Return kind and fields of what :func:`dump` wrote; raises ``SummaryError`` for anything else."""
    header, body = opened(b"ASSAYS", data)
    kind, plain, arrays = (header.get(name) for name in ("kind", "plain", "arrays"))
    if not (isinstance(kind, str) and isinstance(plain, dict) and isinstance(arrays, list)):
        raise SummaryError("the summary's header does not say what it holds")
    fields: dict[str, Any] = dict(plain)
    place = 0
    for each in arrays:
        name, dtype, shape = each if isinstance(each, list) and len(each) == 3 else (None, None, None)
        if not (isinstance(name, str) and name not in fields and dtype in _DTYPES and isinstance(shape, list) and len(shape) <= 8
                and all(isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= LIMIT for size in shape)
                and math.prod(max(size, 1) for size in shape) <= LIMIT):
            raise SummaryError("the summary's header describes an array that cannot be")
        count = math.prod(shape)
        if count * np.dtype(dtype).itemsize > len(body) - place:
            raise SummaryError("the summary is cut off")
        fields[name] = np.frombuffer(body, dtype, count, place).reshape(shape).copy()
        place += count * np.dtype(dtype).itemsize
    if place != len(body):
        raise SummaryError("the summary is longer than its header says")
    return kind, fields


def whole(fields: Mapping[str, Any], name: str, *, least: int = 0, most: int = MOST) -> int:
    """Return a field that must be a whole number between ``least`` and ``most``."""
    found = fields.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise SummaryError(f"the field '{name}' of a summary is not a whole number that it can be", expected=f"{least} to {most}")
    return found


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Return a field that must be true or false."""
    found = fields.get(name)
    if not isinstance(found, bool):
        raise SummaryError(f"the field '{name}' of a summary is neither true nor false")
    return found


def array(fields: Mapping[str, Any], name: str, dtype: str, shape: tuple[int | None, ...] = (None,), *,
          least: float | None = None, finite: bool = True) -> Array:
    """Return a field that must be an array of a type and shape (None: any length).

    Floats must be finite unless said otherwise. With ``least=0`` the array holds counts, whose sum must be countable.
    """
    found = fields.get(name)
    if not isinstance(found, np.ndarray) or found.dtype != np.dtype(dtype) or found.ndim != len(shape) or any(
            want is not None and have != want for want, have in zip(shape, found.shape, strict=True)):
        raise SummaryError(f"the field '{name}' of a summary does not have the type and shape that it must have")
    if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        raise SummaryError(f"the field '{name}' of a summary holds a number that is not finite")
    if least is not None and not (found >= least).all():
        raise SummaryError(f"the field '{name}' of a summary holds a number below {least:g}")
    if least is not None and found.dtype.kind == "i" and found.sum(dtype=np.float64) > MOST:
        raise SummaryError(f"the field '{name}' of a summary counts more than can be counted")
    return found


def rising(values: Array) -> bool:
    """Whether each value is greater than the one before; not by differences, which overflow."""
    return bool((values[1:] > values[:-1]).all())


def _check(magic: bytes, version: int, size: int, *parts: bytes | bytearray | memoryview) -> int:
    check = zlib.crc32(struct.pack("<6sBI", magic, version, size))
    for part in parts:
        check = zlib.crc32(part, check)
    return check


def _little(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return "<f8"
    return {"u8": "<u8", "i8": "<i8", "i4": "<i4", "u1": "|u1", "i1": "|i1", "b1": "|u1"}[dtype.kind + str(dtype.itemsize)]
