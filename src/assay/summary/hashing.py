"""64-bit hashes of values, the same on every machine, in every process and for every split of the rows.

They decide who is in a sample, which group an entity belongs to, and how many distinct values there are. Only
``assay.summary`` and ``assay.engine`` use them; they are not meant to keep secrets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["hashes", "mixed"]

_A, _B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SHIFT, _MISSING = np.uint64(32), np.uint64(0x6A09E667F3BCC909)


def mixed(words: np.ndarray[Any, Any], salt: int = 0) -> np.ndarray[Any, Any]:
    """Return one well mixed hash per 64-bit word (the finaliser of rrmxmx, Evensen 2018, shortened).

    >>> [int(each) % 1000 for each in mixed(np.array([1, 2], np.uint64))]
    [110, 860]
    """
    out: np.ndarray[Any, Any] = words + np.uint64((salt * int(_A)) & 0xFFFFFFFFFFFFFFFF)
    out *= _A
    out ^= out >> _SHIFT
    out *= _B
    out ^= out >> _SHIFT
    out *= _A
    out ^= out >> _SHIFT
    return out


def hashes(column: Any, salt: int = 0) -> np.ndarray[Any, Any]:
    """Return a hash per row of an Arrow array or numpy array; equal values hash alike, whatever their encoding.

    Whole numbers hash alike as integers and as floats; nulls and NaN share one hash.

    >>> bool(hashes(pa.array([3, 4]))[0] == hashes(pa.array([3.0, None]))[0])
    True
    """
    if isinstance(column, np.ndarray):
        column = pa.array(column, from_pandas=True)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        known = hashes(column.dictionary, salt)
        codes = column.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        return np.append(known, mixed(np.array([_MISSING]), salt))[codes]
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        words = _number_words(column)
    elif pa.types.is_temporal(kind):
        words = _number_words(column.cast(pa.int32() if kind.bit_width == 32 else pa.int64()))
    elif pa.types.is_null(kind):
        words = np.full(len(column), _MISSING)
    else:
        words = _text_words(column)
    if column.null_count:
        words[column.is_null().to_numpy(zero_copy_only=False)] = _MISSING
    return mixed(words, salt)


def _number_words(column: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_integer(column.type) and column.type.bit_width == 64:
        whole = column.fill_null(0).to_numpy(zero_copy_only=False)
        numbers = whole.astype(np.float64)
        # beyond 2**53 neighbouring integers share a float: there the integer itself is the key
        big = np.abs(numbers) >= 2.0**53
        words = (numbers + 0.0).view(np.uint64)
        if big.any():
            words[big] = mixed(whole[big].astype(np.uint64), 7)
        return words
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) + 0.0  # -0.0 becomes 0.0, and a copy
    words = numbers.view(np.uint64)
    words[np.isnan(numbers)] = _MISSING
    return words


def _text_words(column: pa.Array) -> np.ndarray[Any, Any]:
    """Mix the bytes of each text, eight at a time, over all rows at once."""
    flat = column.cast(pa.large_binary())
    offsets = np.frombuffer(flat.buffers()[1], np.int64)[flat.offset : flat.offset + len(flat) + 1]
    lengths = np.diff(offsets)
    data = np.frombuffer(bytes(flat.buffers()[2] or b"") + b"\0" * 8, np.uint8)
    eights = np.ndarray(len(data) - 7, np.dtype("<u8"), data, strides=(1,))  # a word starting at every byte
    out = mixed(lengths.astype(np.uint64), 11)
    for step in range(0, int(lengths.max(initial=0)), 8):
        rows = np.flatnonzero(lengths > step)
        left = np.minimum(lengths[rows] - step, 8).astype(np.uint64)
        words = eights[offsets[rows] + step] & (np.uint64(0xFFFFFFFFFFFFFFFF) >> ((np.uint64(8) - left) * np.uint64(8)))
        out[rows] = mixed(out[rows] ^ words, 13)
    return out


def row_hashes(columns: list[Any], salt: int = 0) -> np.ndarray[Any, Any]:
    """Return one hash per row over several columns; the order of the columns matters."""
    out = hashes(columns[0], salt)
    for column in columns[1:]:
        out = mixed(out ^ hashes(column, salt + 1), salt)
    return out

