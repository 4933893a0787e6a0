"""The one byte format of summaries: a checked header, then plain arrays; reading it never runs code.

Layout, little endian: ``b"ASSAY"``, version (1 byte), CRC-32 of the rest (4 bytes), length of the header (4 bytes), header
(JSON: kind, scalars, and name, type and shape of each array), then the arrays one after the other. A reader accepts its own
version and older ones; any byte changed, cut or added gives a ``SummaryError``, never a crash or a wrong number.
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

__all__ = ["VERSION", "dump", "parse"]

VERSION = 1
LIMIT = 1 << 30  # a summary is bounded; nothing larger was written by assay
_MAGIC = b"ASSAY"
_HEAD = struct.Struct("<5sBII")
_DTYPES = ("<f8", "<i8", "<u8", "<i4", "|u1", "|i1")


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
            array = np.ascontiguousarray(value, _little(value.dtype))
            arrays.append((name, array.dtype.str, array.shape))
            body += array.tobytes()
        else:
            plain[name] = value
    header = json.dumps({"kind": kind, "plain": plain, "arrays": arrays}, separators=(",", ":")).encode()
    rest = header + bytes(body)
    return _HEAD.pack(_MAGIC, VERSION, zlib.crc32(rest), len(header)) + rest


def parse(data: bytes) -> tuple[str, dict[str, Any]]:
    """Return kind and fields of what :func:`dump` wrote; raises ``SummaryError`` for anything else."""
    if len(data) < _HEAD.size or len(data) > LIMIT:
        raise SummaryError(f"{len(data)} bytes are not a summary", expected=f"between {_HEAD.size} and {LIMIT} bytes")
    magic, version, check, size = _HEAD.unpack_from(data)
    rest = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC:
        raise SummaryError("these bytes are not a summary", expected="bytes that assay wrote")
    if not 1 <= version <= VERSION:
        raise SummaryError(f"the summary has format version {version}", expected=f"at most {VERSION}", hint="upgrade assay")
    if zlib.crc32(rest) != check or size > len(rest):
        raise SummaryError("the summary is damaged (its checksum does not fit)", hint="write it again from the data")
    try:
        header = json.loads(bytes(rest[:size]))
        fields: dict[str, Any] = dict(header["plain"])
        place = size
        for name, dtype, shape in header["arrays"]:
            if dtype not in _DTYPES or not all(isinstance(each, int) and 0 <= each <= LIMIT for each in shape):
                raise SummaryError(f"the summary holds an array of type {dtype} and shape {shape}")
            count = math.prod(shape)
            width = np.dtype(dtype).itemsize
            if place + count * width > len(rest):
                raise SummaryError("the summary is cut off")
            fields[name] = np.frombuffer(rest, dtype, count, place).reshape(shape).copy()
            place += count * width
        if place != len(rest):
            raise SummaryError("the summary is longer than its header says")
        return str(header["kind"]), fields
    except SummaryError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SummaryError(f"the summary's header cannot be read ({error})") from error


def _little(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return "<f8"
    return {"u8": "<u8", "i8": "<i8", "i4": "<i4", "u1": "|u1", "i1": "|i1", "b1": "|u1"}[dtype.kind + str(dtype.itemsize)]
