"""Arrow and numpy over the same memory, both ways, without a copy; and fresh memory that the system need not be asked for.

pyarrow's own ``to_numpy`` and ``pa.array`` import pandas wherever it is installed, which costs every process a sixth of a second;
``numbers`` and ``array`` cost none. Megabytes that numpy asks for go back to the system when they are free, batch after batch, and with
several threads each return stops them all; Arrow's allocator keeps them for the next batch (``empty``). Only ``assay.summary`` uses them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["array", "empty", "numbers"]

Array = np.ndarray[Any, Any]

_KINDS = {pa.int8(): "i1", pa.int16(): "i2", pa.int32(): "i4", pa.int64(): "i8", pa.uint8(): "u1", pa.uint16(): "u2", pa.uint32(): "u4",
          pa.uint64(): "u8", pa.float16(): "f2", pa.float32(): "f4", pa.float64(): "f8"}
_TYPES = {np.dtype(code): kind for kind, code in _KINDS.items()}


def numbers(values: pa.Array) -> Array:
    """Return the memory of numbers or booleans as a numpy array that cannot be written; what stands in the place of a null is undefined.

    >>> numbers(pa.array([1.5, 2.5, 3.5])[1:]).tolist(), numbers(pa.array([True, False, True])).tolist()
    ([2.5, 3.5], [True, False, True])
    """
    held = values.buffers()[1]
    if pa.types.is_boolean(values.type):
        if held is None:
            return np.zeros(len(values), np.bool_)
        first = values.offset // 8
        bits = np.unpackbits(np.frombuffer(held, np.uint8, (values.offset + len(values) + 7) // 8 - first, first), bitorder="little")
        return bits[values.offset % 8 :][: len(values)].view(np.bool_)
    kind = np.dtype(_KINDS[values.type])
    if held is None or not len(values):
        return np.empty(0, kind) if not len(values) else np.zeros(len(values), kind)
    return np.frombuffer(held, kind, len(values), values.offset * kind.itemsize)


def array(values: Array) -> pa.Array:
    """Return numbers as an Arrow array over the memory of ``values``, which must not change any more.

    >>> array(np.array([3, 4])).to_pylist()
    [3, 4]
    """
    flat = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_TYPES[flat.dtype], len(flat), [None, pa.py_buffer(flat)])


def empty(count: int, kind: Any = np.float64) -> Array:
    """Return room for so many numbers, in memory of Arrow's; what it holds is undefined.

    >>> room = empty(3)
    >>> room[:] = 1.5
    >>> room.tolist(), len(empty(0))
    ([1.5, 1.5, 1.5], 0)
    """
    dtype = np.dtype(kind)
    return np.frombuffer(pa.allocate_buffer(count * dtype.itemsize), dtype) if count else np.empty(0, dtype)
