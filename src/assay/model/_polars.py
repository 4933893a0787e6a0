"""Batches as polars frames, for callables that ask for them. Only adapters use this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pyarrow as pa

from assay.errors import MissingExtraError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["frame"]


def frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """Return a batch as a polars frame; numbers are shared, not copied."""
    try:
        import polars as pl
    except ImportError:
        raise MissingExtraError.of("polars", "to hand this model a polars frame") from None
    return cast("pl.DataFrame", pl.from_arrow(batch))
