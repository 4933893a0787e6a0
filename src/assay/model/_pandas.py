"""Batches as pandas frames, for models that insist on them. Only adapters use this module."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from assay.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame", "installed", "sheet"]


def installed() -> bool:
    """Return whether pandas is there, without loading it."""
    return importlib.util.find_spec("pandas") is not None


def sheet(numbers: np.ndarray[Any, Any], names: Sequence[str]) -> pd.DataFrame:
    """Return a matrix as a frame with column names that shares its memory."""
    import pandas as pd

    return pd.DataFrame(numbers, columns=list(names), copy=False)


def frame(batch: pa.RecordBatch) -> pd.DataFrame:
    """Return a batch as the frame that pandas would have read: nulls are NaN, whole numbers with nulls are floats.

    Dictionaries become plain values: that Parquet holds text in a dictionary says nothing about the model.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError.of("pandas", "to hand this model a frame") from None
    columns = {}
    for place, name in enumerate(batch.schema.names):
        array = batch.column(place)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_string_view(array.type):
            array = array.cast(pa.large_string())
        if pa.types.is_null(array.type):
            array = array.cast(pa.float64())
        series = array.to_pandas()
        if series.dtype == object and array.null_count:
            series = series.where(series.notna(), np.nan)   # encoders and imputers tell None from NaN; readers of files give NaN
        columns[name] = series
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows), copy=False)
