"""Values as rows and columns: Arrow rows, and pandas frames by slice.

``row``, ``frame``, ``grouped`` and ``overall`` for ``Run``, which documents them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.errors import ConfigError, MissingExtraError, UnknownNameError, listed
from assay.result.term import Scalar
from assay.result.value import Value
from assay.result.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["frame", "grouped", "overall", "row"]

def grouped(values: Sequence[Value], by: str | Sequence[str] | None, metrics: str | Sequence[str] | None, *,
            intervals: bool = False) -> pd.DataFrame:
    """Return the values of slices as a frame, as :meth:`Run.by_group` does."""
    found: dict[tuple[str, ...], dict[tuple[Scalar, ...], dict[str, Value]]] = {}
    for each in filter(_plainly, values):
        if each.slice:
            key = dict(each.key)
            found.setdefault(tuple(key), {}).setdefault(tuple(key.values()), {}).setdefault(_title(each), each)
    names = _asked_slices(by, found)
    groups = found[tuple(sorted(names))]
    titles = _asked_metrics(metrics, dict.fromkeys(title for some in groups.values() for title in some))
    place = [sorted(names).index(name) for name in names]
    fields = ("value", "low", "high", "n") if intervals else ("value",)
    columns = {f"{at}": _alike([key[position] for key in groups]) for at, position in enumerate(place)}
    for title in titles:
        for name in fields:
            columns[f"{len(columns)}"] = [_field(some.get(title), name) for some in groups.values()]
    import pyarrow as pa

    made = frame(pa.table({name: pa.array(column) for name, column in columns.items()})).set_index(list(columns)[:len(names)])
    made.index.names = names
    labels: list[Any] = [(title, name) for title in titles for name in fields] if intervals else list(titles)
    numbers = made.astype("float64")
    numbers.columns = numbers.columns.map(dict(zip(numbers.columns, labels, strict=True)))
    return numbers


def overall(values: Sequence[Value], metrics: str | Sequence[str] | None) -> pd.Series[float]:
    """Return the values of all rows as a series, as :meth:`Run.overall` does."""
    found: dict[str, Value] = {}
    for each in filter(_plainly, values):
        if not each.slice:
            found.setdefault(_title(each), each)
    titles = _asked_metrics(metrics, found)
    import pyarrow as pa

    numbers = [_field(found[each], "value") for each in titles]
    table = pa.table({"metric": pa.array(titles, pa.string()), "value": pa.array(numbers, pa.float64())})
    series: pd.Series[float] = frame(table).set_index("metric")["value"].rename(None).rename_axis(None)
    return series


def row(item: Value | Verdict) -> dict[str, Any]:
    """Return a value or a verdict as one flat row."""
    data = item.to_json()
    data.pop("spread", None)
    value = data.pop("value", None)
    if isinstance(item, Verdict):
        value = item.value.value if item.value else None
    data["value"] = value
    data["slice"] = ", ".join(f"{key}={part}" for key, part in item.slice.items()) or "all"
    return data


def frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a pandas frame; raises ``MissingExtraError`` where pandas is not installed."""
    try:
        made: pd.DataFrame = table.to_pandas()
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("pandas", "to make a pandas frame") from error
    return made


def _plainly(value: Value) -> bool:
    """Whether a value is that of a metric, and no disparity nor a difference to another model or data set."""
    return value.metric.rpartition(" ")[2] not in ("ratio", "difference") and (value.against is None or value.column is not None)


def _title(value: Value) -> str:
    return f"{value.name} of {value.column}" if value.column else value.name


def _asked_slices(by: str | Sequence[str] | None, found: Mapping[tuple[str, ...], Any]) -> list[str]:
    """Return the names that slices of a run are told apart by, in the order that was asked."""
    known = [" * ".join(names) for names in found]
    if by is None:
        if len(known) != 1:
            what = f"the run cuts its rows by {listed(known)}" if known else "the run has no slices"
            raise ConfigError(what, expected="one of them" if known else "a run of checks such as 'auc by carrier >= 0.6'",
                              hint=f"by_group('{known[0]}')" if known else "name slices: check(..., slices=['carrier'])")
        return list(next(iter(found)))
    if isinstance(by, str):  # a column, or what stands behind "by" in a check
        parts = [by] if (by,) in found else [part.strip() for part in by.split("*")]
        by = [part if (part,) in found else re.sub(r"(?<=.):\d+$", "", part).strip("`") for part in parts]
    names = list(by)
    if tuple(sorted(names)) not in found or not names:
        raise UnknownNameError.among("slice", " * ".join(sorted(names)), known)
    return names


def _asked_metrics(metrics: str | Sequence[str] | None, known: Iterable[str]) -> list[str]:
    known = list(known)
    titles = known if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    for each in titles:
        if each not in known:
            raise UnknownNameError.among("value of the metric", each, known)
    return titles


def _field(value: Value | None, name: str) -> float:
    """Return one number of a value; NaN where there is none, or where so few rows would tell of single people."""
    if value is None or (name != "n" and value.private):
        return math.nan
    number = getattr(value, name)
    return math.nan if number is None else float(number)


def _alike(column: list[Scalar]) -> list[Scalar]:
    """Return slice values of one type: as they are, or as text where some are text (the bin of missing values) and some are not."""
    kinds = {type(each) for each in column if each is not None}
    return column if len(kinds) <= 1 or kinds == {int, float} else [None if each is None else str(each) for each in column]
