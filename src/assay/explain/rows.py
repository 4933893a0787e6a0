"""Rows as every way of explaining takes them: one batch, and of it the inputs of a model by name.

``batch(data, what)`` and ``taken(model, batch, names)``; modules of ``explain`` use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from assay.errors import DataError
from assay.model.model import Model

__all__ = ["batch", "taken"]


def batch(data: Any, what: str = "rows") -> pa.RecordBatch:
    """Return an Arrow batch, a table, or anything that gives Arrow data as one batch; ``what`` is what messages call them.

    >>> batch(pa.table({"a": pa.chunked_array([[1], [2]])})).num_rows, batch(pa.table({"a": pa.array([], pa.int64())})).num_rows
    (2, 0)
    """
    if isinstance(data, pa.RecordBatch):
        return data
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except (TypeError, ValueError) as error:
        raise DataError(f"the {what} are of type {type(data).__name__}", expected="an Arrow table or a frame") from error
    table = table.combine_chunks()
    return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_arrays(
        [pa.array([], each.type) for each in table.schema], schema=table.schema)


def taken(model: Model, rows: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return the inputs of a model, under the names that it has for them, in its order."""
    take = getattr(model, "taken", None)
    chosen = rows.select(list(names)) if take is None else take(rows)
    return pa.RecordBatch.from_arrays(chosen.columns, names=list(names))
