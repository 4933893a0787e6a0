"""polars frames as readers: eager ones in place, lazy ones collected in polars' streaming engine.

``polars_reader(frame, name)`` is the interface; only ``assay.data.source`` imports it. polars itself is loaded by whoever made the frame.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from assay.data._arrow import TableReader
from assay.data._reader import Reader, told
from assay.errors import ColumnTypeError, DataError

__all__ = ["polars_reader"]


def polars_reader(frame: Any, name: str) -> Reader:
    """Return the reader of a data frame, lazy frame or series; raises ``DataError`` where polars cannot make it."""
    try:
        if hasattr(frame, "collect"):
            frame = frame.collect(engine="streaming")
        if hasattr(frame, "to_frame"):
            frame = frame.to_frame()
    except Exception as error:   # polars has its own tree of exceptions, and a lazy frame may fail in any way
        raise DataError(f"the lazy frame cannot be computed ({told(error)})", where=name) from error
    for column, dtype in frame.schema.items():
        if str(dtype).startswith("Object"):
            raise ColumnTypeError(f"the column '{column}' holds Python objects", where=name, expected="values of one Arrow type",
                                  hint=f"leave it out: frame.drop('{column}')")
    return TableReader(pa.table(frame), name)
