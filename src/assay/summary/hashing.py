"""64-bit hashes of values, the same on every machine, in every process and for every split of the rows.

They decide who is in a sample, which group an entity belongs to, and how many distinct values there are, so they never change:
a test holds known answers. Only ``assay.summary`` and ``assay.engine`` use them; they are not meant to keep secrets.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from assay.summary.memory import empty, numbers

__all__ = ["hashes", "mixed", "row_hashes", "small_hashes"]

Array = np.ndarray[Any, Any]

_A, _B, _START = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F
_FACTORS, _HALF = (np.uint64(_A), np.uint64(_B), np.uint64(_A)), np.uint64(32)
_BLOCK = 1 << 15  # words at a time: what is made of them stays in cache, where fresh memory costs more than the arithmetic
_MISSING = np.uint64(0x6A09E667F3BCC909)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LONG = 128  # bytes of a text that are mixed eight at a time; a few long texts must not make all rows wait
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def mixed(words: Array, salt: int = 0) -> Array:
    """Return one well mixed hash per 64-bit word (the finaliser of rrmxmx, Evensen 2018, shortened).

    >>> [int(each) % 1000 for each in mixed(np.array([1, 2], np.uint64))]
    [346, 271]
    """
    out: Array = words + np.uint64((salt * _A + _START) & int(_ALL))  # else 0 would stay 0, and be in every sample
    for start in range(0, out.size, _BLOCK):
        part = out[start : start + _BLOCK]
        for factor in _FACTORS:
            part *= factor
            part ^= part >> _HALF
    return out


def hashes(column: Any, salt: int = 0) -> Array:
    """Return a hash per row of an Arrow array or numpy array; equal values hash alike, whatever their encoding.

    Whole numbers hash alike as integers, floats and short decimals, instants in any unit, text as string or dictionary; nulls
    and NaN share one hash. Decimals of more than 18 digits, or with digits behind the point, hash as the float that Arrow
    makes of them.

    >>> bool(hashes(pa.array([3, 4]))[0] == hashes(pa.array([3.0, None]))[0])
    True
    """
    if isinstance(column, np.ndarray):
        if column.dtype.kind in "iuf":
            return mixed(_numbers(column), salt)
        column = pa.array(column, from_pandas=True)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pa.types.is_dictionary(kind):
        known = np.append(hashes(column.dictionary, salt), mixed(np.array([_MISSING]), salt))
        codes = numbers(column.indices.cast(pa.int64()))
        if column.indices.null_count:
            codes = np.where(numbers(column.indices.is_null()), len(known) - 1, codes)
        picked: Array = known[codes]
        return picked
    if pa.types.is_null(kind):
        words = np.full(len(column), _MISSING)
    elif pa.types.is_floating(kind):
        words = _numbers(numbers(column))
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        words = _numbers(numbers(column.cast(pa.int8()) if pa.types.is_boolean(kind) else column))
    elif pa.types.is_decimal(kind):
        short = kind.scale == 0 and kind.precision <= 18
        words = _numbers(numbers(column.cast(pa.int64() if short else pa.float64())))
    elif pa.types.is_temporal(kind):
        words = _times(column)
    elif pa.types.is_nested(kind):
        words = _texts(pa.array([repr(each) for each in column.to_pylist()], pa.large_string()))
    else:
        words = _texts(column)
    if column.null_count:  # what memory holds in their place was hashed in vain
        words[numbers(column.is_null())] = _MISSING
    return mixed(words, salt)


def small_hashes(values: Array, most: int) -> Array:
    """Return those of the hashes of sorted finite numbers (float64, no -0.0) that are at most ``most``; the others are never stored.

    >>> values = np.array([1.0, 2.0, 3.0])
    >>> sorted(small_hashes(values, 2**64 - 1).tolist()) == sorted(hashes(values).tolist()), len(small_hashes(values, 0))
    (True, 0)
    """
    if len(values) and max(-values[0], values[-1]) >= 2.0**53:  # whole numbers hash as such
        all_: Array = hashes(values)
        return np.asarray(all_[all_ <= np.uint64(most)])
    words = values.view(np.uint64)
    size = min(len(words), _BLOCK)
    block, high = empty(size, np.uint64), empty(size, np.uint64)
    limit, start = np.uint64(most | 0xFFFFFFFF), np.uint64(_START)  # the last step of mixing leaves the upper half as it is
    kept = []
    for place in range(0, len(words), _BLOCK):
        part, upper = block[: len(words) - place], high[: len(words) - place]
        np.add(words[place : place + _BLOCK], start, out=part)
        for factor in _FACTORS[:-1]:
            np.multiply(part, factor, out=part)
            np.right_shift(part, _HALF, out=upper)
            np.bitwise_xor(part, upper, out=part)
        np.multiply(part, _FACTORS[-1], out=part)
        kept.append(part[part <= limit])
    found: Array = np.concatenate(kept) if kept else np.empty(0, np.uint64)
    found ^= found >> _HALF
    return np.asarray(found[found <= np.uint64(most)])


def row_hashes(columns: list[Any], salt: int = 0) -> Array:
    """Return one hash per row over several columns; the order of the columns matters.

    >>> first, second = row_hashes([pa.array([1, 2]), pa.array([2, 1])])
    >>> bool(first == second)
    False
    """
    out = hashes(columns[0], salt)
    for column in columns[1:]:
        out = mixed(out ^ hashes(column, salt + 1), salt)
    return out


def _numbers(values: Array) -> Array:
    """Return the bits of each number as a float; of whole numbers that floats cannot tell apart, the number itself."""
    floats = np.add(values, 0.0, dtype=np.float64)  # -0.0 becomes 0.0
    words = floats.view(np.uint64)
    if values.dtype.itemsize == 8:
        big = np.abs(floats) >= 2.0**53
        if values.dtype.kind == "f" and big.any():
            big &= (floats >= -(2.0**63)) & (floats < 2.0**64)
        if big.any():
            exact = values[big]
            if exact.dtype.kind == "f":
                with np.errstate(invalid="ignore"):  # each element is converted both ways, and one of them fits
                    exact = np.where(exact < 0, exact.astype(np.int64).astype(np.uint64), exact.astype(np.uint64))
            words[big] = mixed(exact.astype(np.uint64), 7)
    if values.dtype.kind == "f":
        words[np.isnan(floats)] = _MISSING
    return words


def _times(column: pa.Array) -> Array:
    """Return a word per date, instant, time of day or duration: that of its seconds, mixed with the nanoseconds beyond."""
    kind = column.type
    ticks = numbers(column.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.int64()))
    if pa.types.is_date32(kind):
        return _numbers(ticks * 86_400)
    unit = _UNITS["ms" if pa.types.is_date64(kind) else kind.unit]
    seconds, rest = np.divmod(ticks, unit)
    words = _numbers(seconds)
    some = np.flatnonzero(rest)
    words[some] = mixed(words[some] ^ mixed((rest[some] * (10**9 // unit)).astype(np.uint64), 17), 17)
    return words


def _texts(column: pa.Array) -> Array:
    """Mix the bytes of each text, eight at a time, over all rows at once; the length goes in first, so that zeros count."""
    if not len(column):
        return np.empty(0, np.uint64)
    flat = column.cast(pa.large_binary())
    offsets = np.frombuffer(flat.buffers()[1], np.int64)[flat.offset : flat.offset + len(flat) + 1]
    start, lengths = int(offsets[0]), np.diff(offsets)
    offsets = offsets[:-1] - start
    held = memoryview(flat.buffers()[2] or b"")[start : start + int(lengths.sum())]
    data = np.frombuffer(bytes(held) + b"\0" * 8, np.uint8)
    eights = np.ndarray(len(data) - 7, np.dtype("<u8"), data, strides=(1,))  # a word starting at every byte
    out = mixed(lengths.astype(np.uint64), 11)
    rows = np.flatnonzero((lengths > 0) & (lengths <= _LONG))
    for step in range(0, _LONG, 8):
        rows = rows[lengths[rows] > step]
        if not len(rows):
            break
        left = np.minimum(lengths[rows] - step, 8).astype(np.uint64)
        words = eights[offsets[rows] + step] & (_ALL >> ((np.uint64(8) - left) * np.uint64(8)))
        out[rows] = mixed(out[rows] ^ words, 13)
    for row in np.flatnonzero(lengths > _LONG):
        text = data[offsets[row] : offsets[row] + lengths[row]]
        out[row] = int.from_bytes(hashlib.blake2b(text.data, digest_size=8).digest(), "little")
    return out
