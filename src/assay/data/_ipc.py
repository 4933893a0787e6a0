"""Arrow IPC files and streams (``.arrow``, ``.ipc``, ``.feather``), every batch validated before it is used.

``IpcReader(path)`` is a ``Reader``. Only ``assay.data.source`` and ``assay.data._folder`` import it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from assay.data._reader import Reader, checked, guarded, shares, told
from assay.errors import AssayError, UnreadableDataError

__all__ = ["IpcReader"]


class IpcReader:
    """One file of record batches, or a stretch of its batches; streams (without a footer) are read in one piece."""

    def __init__(self, path: Path, *, name: str | None = None, start: int = 0, stop: int | None = None):
        self.path, self.name = path, name or str(path)
        self._start, self._stop = start, stop
        self.rows: int | None = None
        try:
            with path.open("rb") as file:
                self._seekable = file.read(6) == b"ARROW1"
            with self._opened(None) as reader:
                self.arrow = reader.schema
                if self._seekable:
                    self._stop = reader.num_record_batches if stop is None else stop
        except (pa.ArrowException, OSError, ValueError, struct.error) as error:
            raise self._fault(error) from error

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of the file."""
        return guarded(self._batches(columns), self._fault)

    def parts(self, parts: int) -> list[Reader]:
        """Cut by batches; a stream stays whole."""
        if not self._seekable or self._stop is None or self._stop - self._start < 2:
            return [self]
        stretches = shares([1] * (self._stop - self._start), parts)
        return [IpcReader(self.path, name=self.name, start=self._start + low, stop=self._start + high) for low, high in stretches]

    def _opened(self, columns: Sequence[str] | None) -> Any:
        fields = [self.arrow.get_field_index(each) for each in columns] if columns is not None else None
        options = ipc.IpcReadOptions(included_fields=sorted(fields) if fields else None)
        # read, not mapped: a mapped file that shrinks meanwhile would kill the process
        return (ipc.open_file if self._seekable else ipc.open_stream)(pa.OSFile(str(self.path)), options=options)

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with self._opened(columns) as reader:
            if self._seekable:
                for place in range(self._start, self._stop or 0):
                    yield checked(reader.get_batch(place), self.name)
            else:
                for batch in reader:
                    yield checked(batch, self.name)

    def _fault(self, error: Exception) -> AssayError:
        if isinstance(error, OSError) and error.errno:
            return UnreadableDataError(f"the file cannot be read ({error.strerror})", where=self.name)
        return UnreadableDataError(f"the Arrow file is broken ({told(error)})", where=self.name, hint="copy it again, or write it anew")
