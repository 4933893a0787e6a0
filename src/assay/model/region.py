"""Memory that two processes share, for batches and answers: one writes, the other reads the same bytes.

``Region`` belongs to the process that asks: it writes batches there, and takes answers from another. ``View`` and ``Desk`` are these in
the process that answers. Linux only (``available()``); elsewhere both go through a pipe. Only ``isolation`` and its worker use this module.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from typing import Any

import pyarrow as pa

__all__ = ["HEAD", "REPLY", "Desk", "Region", "View", "available", "packed"]

# What is spoken between isolation and its worker besides batches.
HEAD = struct.Struct("<cQQ")    # asked: what, the bytes that follow, the bytes in shared memory
REPLY = struct.Struct("<cQQ")   # said: what, the bytes that follow, the bytes in shared memory


def available() -> bool:
    """Return whether this system has memory without a name that can be handed to a child."""
    return hasattr(os, "memfd_create")


def packed(batch: pa.RecordBatch) -> pa.Buffer:
    """Return a batch as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _size(batch: pa.RecordBatch) -> int:
    counter = pa.MockOutputStream()
    with pa.ipc.new_stream(counter, batch.schema) as stream:
        stream.write_batch(batch)
    found: int = counter.size()
    return found


def _lay(batch: pa.RecordBatch, memory: mmap.mmap) -> None:
    with pa.FixedSizeBufferWriter(pa.py_buffer(memory)) as sink, pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)


class Region:
    """Shared memory that grows with the greatest batch; nobody can shrink it under the feet of who reads or writes."""

    def __init__(self) -> None:
        import fcntl

        self.file = os.memfd_create("assay", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self._map: mmap.mmap | None = None

    def write(self, batch: pa.RecordBatch) -> int:
        """Lay a batch down at the beginning, and return how many bytes it takes; what was there is gone."""
        size = _size(batch)
        _lay(batch, self.room(size))
        return size

    def room(self, size: int) -> mmap.mmap:
        """Return the memory, made so large that ``size`` bytes have room."""
        if self._map is None or len(self._map) < size:
            os.ftruncate(self.file, -(-size * 5 // 4 // mmap.PAGESIZE) * mmap.PAGESIZE)   # some more, so that it seldom grows
            self._map = mmap.mmap(self.file, 0)
        return self._map

    def take(self, size: int) -> bytes:
        """Return a copy of the first ``size`` bytes, which the other process wrote; fewer, if there are fewer."""
        return b"" if self._map is None else self._map[:size]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.file)


class View:
    """The same memory in the process that reads; it cannot write there."""

    def __init__(self, file: int):
        self._file = file
        self._map: Any = None

    def read(self, size: int) -> pa.RecordBatch:
        """Return the batch that was laid down, in place: it is overwritten by the next."""
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._file, 0, prot=mmap.PROT_READ)
        return pa.ipc.open_stream(pa.py_buffer(self._map).slice(0, size)).read_next_batch()


class Desk:
    """Memory for answers in the process that answers; its size is the other's to say."""

    def __init__(self, file: int):
        self._file = file
        self._map: mmap.mmap | None = None

    def put(self, answer: pa.RecordBatch) -> int:
        """Lay an answer down and return how many bytes it takes; 0 where it has no room, so that it must go another way."""
        size, room = _size(answer), os.fstat(self._file).st_size
        if size > room:
            return 0
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._file, room)
        _lay(answer, self._map)
        return size
