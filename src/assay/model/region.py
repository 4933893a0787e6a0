"""Memory that two processes share, for batches: one writes, the other reads the same bytes in place.

``Region`` belongs to the process that writes, ``View`` to the one that reads. Linux only (``available()``); elsewhere batches go
through a pipe. Only ``isolation`` and its worker use this module.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from typing import Any

import pyarrow as pa

__all__ = ["HEAD", "REPLY", "Region", "View", "available", "packed"]

# What is spoken between isolation and its worker besides batches.
HEAD = struct.Struct("<cQQ")    # asked: what, the bytes that follow, the bytes in shared memory
REPLY = struct.Struct("<cQ")    # said: what, the bytes that follow


def available() -> bool:
    """Return whether this system has memory without a name that can be handed to a child."""
    return hasattr(os, "memfd_create")


def packed(batch: pa.RecordBatch) -> pa.Buffer:
    """Return a batch as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


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
        counter = pa.MockOutputStream()
        with pa.ipc.new_stream(counter, batch.schema) as stream:
            stream.write_batch(batch)
        size: int = counter.size()
        if self._map is None or len(self._map) < size:
            os.ftruncate(self.file, -(-size * 5 // 4 // mmap.PAGESIZE) * mmap.PAGESIZE)   # some more, so that it seldom grows
            self._map = mmap.mmap(self.file, 0)
        with pa.FixedSizeBufferWriter(pa.py_buffer(self._map)) as sink, pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return size

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
