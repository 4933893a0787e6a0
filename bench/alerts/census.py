"""A stream on which nothing was tuned: 277,677 answers to the census of Massachusetts, 2015 to 2018, as windows of 1,000 rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from streams import Day, Part

__all__ = ["census"]

_CODES = ("COW", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P")


def census(shared: Path, *, rows: int = 1_000, seed: int | None = None, only: int | None = None) -> list[Day]:
    """Return the windows in the order of the file; ``seed`` permutes the rows, ``only`` takes one year's.

    Codes of the census are categories, age is a number; there is no weekday. Row order within a year means nothing, so each year is
    shuffled once.
    """
    folder = shared / "data" / "drift" / "us_census_ma_employment"
    parts = [pq.read_table(folder / f"employment_MA_{name}.pq") for name in ("reference", "analysis")]
    names = [name for name in parts[0].column_names if name in parts[1].column_names and name not in ("id", "employed", "prediction",
                                                                                                    "predicted_probability")]
    table = pa.concat_tables([part.select(names).cast(parts[0].select(names).schema) for part in parts]).combine_chunks()
    year = table["year"].to_numpy().astype(int)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.flatnonzero(year == each)) for each in np.unique(year) if only in (None, each)])
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    columns: dict[str, pa.Array] = {}
    for name in names:
        if name != "year":
            array = table[name].combine_chunks()
            array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
            if name in _CODES:
                array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
                array = array.cast(pa.string())
            elif pa.types.is_dictionary(array.type):
                array = array.dictionary_decode()
            columns[name] = array
    whole = Part({name: each.take(pa.array(order)) for name, each in columns.items()})
    first = dt.date(2015, 1, 1)
    return [Day(first + dt.timedelta(days=at), {"census": whole.take(np.arange(start, start + rows))})
            for at, start in enumerate(range(0, len(order) - rows + 1, rows))]
