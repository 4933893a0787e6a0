"""Arrow tables, and streams that can be read once, as readers.

``TableReader`` holds what is in memory already. ``StreamReader`` keeps a copy of what it reads in an unnamed temporary file, so
that a stream that gives its rows once serves any number of passes. Only modules of ``assay.data`` import it.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from assay.data._reader import LIMIT, Reader, guarded, told
from assay.errors import AssayError, DataError

__all__ = ["StreamReader", "TableReader", "stream_reader"]


class TableReader:
    """A table in memory; its parts share that memory."""

    columnar = True

    def __init__(self, table: pa.Table, name: str):
        self.table, self.name = table, name
        self.arrow: pa.Schema = table.schema
        self.rows: int | None = table.num_rows

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield stretches of the table."""
        yield from self.table.select(list(columns)).to_batches(max_chunksize=LIMIT)

    def strips(self, strips: Iterable[Sequence[str]]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield stretches of the table, strip of columns by strip."""
        for place, columns in enumerate(strips):
            yield from ((place, batch) for batch in self.read(columns))

    def parts(self, parts: int) -> list[Reader]:
        """Cut by rows."""
        rows = self.table.num_rows
        parts = max(1, min(parts, rows))
        bounds = [rows * place // parts for place in range(parts + 1)]
        return [TableReader(self.table.slice(low, high - low), self.name) for low, high in itertools.pairwise(bounds)]


class StreamReader:
    """Batches that can be had only once; what was read is kept on disk (mode 0600, no name), and the rest is read when asked for."""

    rows: int | None = None

    def __init__(self, schema: pa.Schema, start: Callable[[], Iterator[pa.RecordBatch]], name: str):
        self.arrow, self.name = schema, name
        self._start = start
        self._live: Iterator[pa.RecordBatch] | None = None
        self._kept: list[tuple[int, int]] = []
        self._file: Any = None
        self._done = False
        self._lock = threading.Lock()

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield all batches: first those kept, then those still to come."""
        place = 0
        while (batch := self._batch(place)) is not None:
            yield batch.select(list(columns))
            place += 1

    def parts(self, parts: int) -> list[Reader]:
        """Return the whole: it comes in one stream."""
        return [self]

    def _batch(self, place: int) -> pa.RecordBatch | None:
        with self._lock:
            if place < len(self._kept):
                start, size = self._kept[place]
                self._file.seek(start)
                with ipc.open_stream(self._file.read(size)) as reader:
                    return reader.read_next_batch()
            if self._done:
                return None
            if self._live is None:
                self._live = guarded(self._start(), self._fault)
                self._file = tempfile.TemporaryFile(prefix="assay-")  # noqa: SIM115  (lives as long as the reader)
                weakref.finalize(self, self._file.close)
            batch = next(self._live, None)
            if batch is None:
                self._done = True
            else:
                self._keep(batch)
            return batch

    def _keep(self, batch: pa.RecordBatch) -> None:
        sink = pa.BufferOutputStream()
        with ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        data = sink.getvalue()
        try:
            start = self._file.seek(0, 2)
            self._file.write(data)
        except OSError as error:
            raise DataError(f"a stream that can be read once could not be kept ({error.strerror})", where=self.name,
                            hint="make room in the folder for temporary files, or pass a file") from error
        self._kept.append((start, data.size))

    def _fault(self, error: Exception) -> AssayError:
        return DataError(f"the stream of batches broke off ({told(error)})", where=self.name)


# A stream's rows come once: all sources made of it share one reader, and who comes after that reader is gone is told so.
_READERS: weakref.WeakValueDictionary[int, StreamReader] = weakref.WeakValueDictionary()
_READ: weakref.WeakSet[pa.RecordBatchReader] = weakref.WeakSet()


def stream_reader(data: Any, name: str) -> Reader:
    """Return the reader of a ``RecordBatchReader``, or of anything that gives an Arrow stream."""
    if not isinstance(data, pa.RecordBatchReader):
        try:
            reader = pa.RecordBatchReader.from_stream(data)
        except Exception as error:   # whatever a stranger's object raises
            raise DataError(f"the {type(data).__name__} gives no Arrow stream ({told(error)})", where=name,
                            hint="can it be read only once, and was it read already?") from error
        return StreamReader(reader.schema, lambda: iter(reader), name)

    def start() -> Iterator[pa.RecordBatch]:
        _READ.add(data)
        return iter(data)

    found = _READERS.get(id(data))
    if found is None:
        if data in _READ:
            raise DataError("this RecordBatchReader was read already, and gives its rows only once", where=name,
                            hint="keep the source that was made of it, or pass a table: reader.read_all()")
        found = _READERS[id(data)] = StreamReader(data.schema, start, name)
    return found
